"""An autoscaling policy of your own: from what is known at a decision to the pods wanted, replayed beside others."""

from pathlib import Path

import edgeresearch as er


class Unhurried:  # expands at once, shrinks only to what the highest load of the last 20 decisions needs
    def decide(self, now: er.Observation) -> int:
        recent = max(now.history.load[-20:])
        return now.pods_for(max(recent, now.forecast))


if __name__ == "__main__":
    requests = Path(__file__).with_name("synthetic_requests.csv")
    result = er.replay(requests, policies=["combined", Unhurried()], forecaster="ridge", q_max=1, repeats=1)
    print(result.table[["strategy", "forecaster", "error_percent", "pod_hours"]].round(2).to_string(index=False))
    print(result.advice)
