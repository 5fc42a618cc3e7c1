"""The policies that look at many nodes as one writes them first: everything is computed anew at every decision."""

import numpy as np

from edgeresearch.emulator.policies import Learning, Maker
from edgeresearch.emulator.view import View
from edgeresearch.scheduling.job_history import Limits
from edgeresearch.scheduling.los import Rules
from edgeresearch.scheduling.messages import Decision, Reason, Report, Request
from edgeresearch.scheduling.runtime_model import Fitting


class Cloud(Learning):
    name = "cloud"
    listens = False
    turn = 0

    def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
        if view.mesh.nodes[view.node].layer == "cloud":
            return self.place(request, view.here()) or Decision(Reason.FULL)
        goals = [node for node in view.mesh.layers.get("cloud", ()) if view.reaches(node)]
        if not goals:
            return Decision(Reason.ALONE)
        self.turn += 1
        return Decision(Reason.CHOSEN, goals[self.turn % len(goals)])


class LeastLoaded(Learning):
    name = "least_loaded"
    listens = False

    def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
        if request.tried:
            return self.place(request, view.here()) or Decision(Reason.FULL)
        plans = [(node, self.place(request, node)) for node in view.everyone()]
        able = [(node.utilisation, node.node, plan) for node, plan in plans if plan and view.reaches(node.node)]
        if not able:
            return Decision(Reason.FULL)
        _, number, plan = min(able, key=lambda each: each[:2])
        return plan if number == view.node else plan._replace(run=False)


class Oracle:
    name = "oracle"
    listens = False
    learns = False

    def __init__(self, rules: Rules, limits: Limits, fitting: Fitting) -> None:
        steps = int(np.log(limits.ceiling / limits.floor) / 0.05) + 2
        self.limits = np.geomspace(limits.floor, limits.ceiling, steps).round(9).tolist()
        self.floor, self.ceiling = limits.floor, limits.ceiling

    def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
        if request.tried:
            return Decision(Reason.CHOSEN, view.node, True, request.limit)
        best = None
        for node in view.everyone():
            most = min(node.cpu, self.ceiling)
            if most < self.floor or not view.reaches(node.node) or view.foresee(node.node, most) > request.period:
                continue
            for limit in [*(limit for limit in self.limits if limit < most), most]:
                seconds = view.foresee(node.node, limit)
                if seconds <= request.period:
                    held = (limit * seconds, node.node != view.node, node.node, limit, seconds)
                    best = held if best is None else min(best, held)
        if best is None:
            return Decision(Reason.FULL)
        _, away, number, limit, seconds = best
        return Decision(Reason.CHOSEN, number, not away, limit, seconds)

    def learn(self, report: Report) -> None:
        pass

    def fail(self, job: int, memory: float) -> None:
        pass


PLAIN: dict[str, Maker] = {"cloud": Cloud, "least_loaded": LeastLoaded, "oracle": Oracle}
