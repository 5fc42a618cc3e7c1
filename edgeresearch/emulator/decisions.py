"""The trace of decisions: who decided what on each trigger, and why."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from edgeresearch.emulator.emulation import Step
from edgeresearch.emulator.mesh import Mesh


def decisions(policy: str, mesh: Mesh, triggers: pd.DataFrame, steps: Sequence[Step]) -> Iterator[dict[str, Any]]:
    """Yield every decision of a run in order, as plain values.

    Each has `policy`, `time` (seconds), `job`, `node` (who decides), `tried` (the token), `action` (`run`, `hand over`
    or `drop`) and `reason`; where they are known also `goal` (to whom it is handed over, or who runs it), `limit`
    (millicores), `expected` (t_complete, seconds) and `beyond` (how far eq. 1 was extrapolated for that, a factor). The
    last one on a trigger also has how it ended: `end`, with `complete` (t_complete, seconds) if it ran. A trigger whose
    previous training still runs has one line alone: it is dropped before anybody decides.

    Args:
        policy: Its name.
        mesh: Where it ran.
        triggers: One row per trigger, as `Outcome.triggers` returns them.
        steps: Every decision, in order.
    """
    names = [node.name for node in mesh.nodes]
    of = defaultdict[tuple[float, int], list[Step]](list)
    for step in steps:
        of[step.time, step.request.job].append(step)
    columns = ["time", "job", "node", "end", "reason", "complete"]
    rows = zip(*(triggers[name].tolist() for name in columns), strict=True)
    for time, job, node, end, reason, complete in rows:
        first = {"policy": policy, "time": time, "job": job}
        course = of.pop((time, job), [])
        if not course:
            yield {**first, "node": names[node], "tried": [], "action": "drop", "reason": reason, "end": end}
        for step in course:
            line = {**first, **_told(step, names)}
            if step is course[-1]:
                line["end"] = end
                if end != "dropped":
                    line["complete"] = complete
                elif line["action"] == "run":  # it could not start there after all
                    line["dropped"] = reason
            yield line


def _told(step: Step, names: Sequence[str]) -> dict[str, Any]:
    reason, goal, run, limit, seconds, beyond = step.decision
    action = "drop" if goal is None else "run" if run else "hand over"
    tried = [names[node] for node in step.request.tried]
    found = {"goal": None if goal is None else names[goal], "limit": limit, "expected": seconds, "beyond": beyond}
    line = {"node": names[step.node], "tried": tried, "action": action, "reason": str(reason)}
    return {**line, **{key: value for key, value in found.items() if value is not None}}
