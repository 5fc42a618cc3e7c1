"""A scheduling policy of your own: where a training runs, decided on what a node can know; beside LOS and in-situ."""

import edgeresearch as er


class TwoChoices(er.LearningPolicy):  # here if feasible, else to the less utilised one of two random neighbours
    name = "two_choices"

    def decide(self, request, view):
        here = self.place(request, view.here())
        if here:
            return here
        around = [node for node in view.neighbours() if node.node not in request.tried]
        if not around or request.hops >= self.rules.hop_limit:
            return er.Decision.drop(er.Reason.HOPS if around else er.Reason.NO_NEIGHBOUR)
        picked = view.rng.permutation(len(around))[:2]
        return er.Decision.hand_over(min((around[i] for i in picked), key=lambda node: node.utilisation).node)


if __name__ == "__main__":
    found = er.emulate(policies=["los", "in_situ", TwoChoices()], streams=6, repeats=3, hours=2, seed=1)
    print(found.table[["policy", "drop_percent", "low", "high", "mean_hops"]].round(1).to_string(index=False))
