"""A scheduling policy of your own: where a training runs, decided on what a node can know; beside LOS and in-situ."""

from edgeresearch.config import Params
from edgeresearch.emulator.experiment import scheduling, setup
from edgeresearch.emulator.policies import Learning
from edgeresearch.emulator.results import drop_rates
from edgeresearch.emulator.testbed import paper_b
from edgeresearch.scheduling.messages import Decision, Reason


class TwoChoices(Learning):  # here if feasible, else to the less utilised one of two random neighbours
    name = "two_choices"

    def decide(self, request, view, rng):
        found = self.place(request, view.here())
        if found:
            return found
        around = [node for node in view.neighbours() if node.node not in request.tried]
        if not around or request.hops >= self.rules.hop_limit:
            return Decision(Reason.HOPS if around else Reason.ALONE)
        picked = rng.permutation(len(around))[:2]
        return Decision(Reason.CHOSEN, min((around[i] for i in picked), key=lambda node: node.utilisation).node)


bed = setup(Params().los.model_dump(), paper_b())
triggers, _ = scheduling(bed, streams=[6], policies=["los", "in_situ", TwoChoices], repeats=3, hours=2.0, seed=1)
print(drop_rates(triggers).to_string(index=False))
