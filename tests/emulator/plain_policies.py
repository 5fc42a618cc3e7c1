"""The policies that look at many nodes as one writes them first: everything is computed anew at every decision."""

from collections.abc import Callable

import numpy as np

from edgeresearch.emulator.policies import NodeView, SchedulingPolicy
from edgeresearch.scheduling.los import LearningPolicy
from edgeresearch.scheduling.messages import Decision, Reason, Request
from edgeresearch.scheduling.settings import Fitting, Limits, Rules
from tests.emulator.worlds import foresee


class Cloud(LearningPolicy):
    name = "cloud"
    listens = False
    turn = 0

    def decide(self, request: Request, view: NodeView) -> Decision:
        if view.mesh.nodes[view.node].layer == "cloud":
            return self.place(request, view.here()) or Decision(Reason.NO_CAPACITY)
        goals = [node for node in view.mesh.layers.get("cloud", ()) if view.reaches(node)]
        if not goals:
            return Decision(Reason.NO_NEIGHBOUR)
        self.turn += 1
        return Decision(Reason.CHOSEN, goals[self.turn % len(goals)])


class LeastLoaded(LearningPolicy):
    name = "least_loaded"
    listens = False

    def decide(self, request: Request, view: NodeView) -> Decision:
        if request.tried:
            return self.place(request, view.here()) or Decision(Reason.NO_CAPACITY)
        plans = [(node, self.place(request, node)) for node in view.everyone()]
        able = [(node.utilisation, node.node, plan) for node, plan in plans if plan and view.reaches(node.node)]
        if not able:
            return Decision(Reason.NO_CAPACITY)
        _, number, plan = min(able, key=lambda each: each[:2])
        return plan if number == view.node else plan._replace(run=False)


class Oracle:
    name = "oracle"
    listens = False

    def __init__(self, rules: Rules, limits: Limits, fitting: Fitting) -> None:
        steps = int(np.log(limits.ceiling / limits.floor) / 0.05) + 2
        self.limits = np.geomspace(limits.floor, limits.ceiling, steps).round(9).tolist()
        self.floor, self.ceiling = limits.floor, limits.ceiling

    def decide(self, request: Request, view: NodeView) -> Decision:
        if request.tried:
            return Decision(Reason.CHOSEN, view.node, True, request.limit)
        best = None
        for node in view.everyone():
            most = min(node.cpu, self.ceiling)
            if most < self.floor or not view.reaches(node.node) or foresee(view, node.node, most) > request.period:
                continue
            for limit in [*(limit for limit in self.limits if limit < most), most]:
                seconds = foresee(view, node.node, limit)
                if seconds <= request.period:
                    held = (limit * seconds, node.node != view.node, node.node, limit, seconds)
                    best = held if best is None else min(best, held)
        if best is None:
            return Decision(Reason.NO_CAPACITY)
        _, away, number, limit, seconds = best
        return Decision(Reason.CHOSEN, number, not away, limit, seconds)


PLAIN: dict[str, Callable[[Rules, Limits, Fitting], SchedulingPolicy]] = {
    "cloud": Cloud,
    "least_loaded": LeastLoaded,
    "oracle": Oracle,
}
