from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeresearch.emulator import uplinks
from edgeresearch.emulator.emulation import CALL_BYTES, STATE_BYTES, Result, Step
from edgeresearch.emulator.experiment import run, setup
from edgeresearch.emulator.log import Log
from edgeresearch.emulator.mesh import Link, Mesh, Node
from edgeresearch.emulator.outcome import Outcome
from edgeresearch.emulator.policies import POLICIES
from edgeresearch.emulator.routes import Routes
from edgeresearch.emulator.testbed import load, paper_b
from edgeresearch.emulator.traffic import MEGA, MODEL_BYTES, told, traffic
from edgeresearch.emulator.workload import Job
from edgeresearch.los.request import Reason
from edgeresearch.params import Params

DATA = Path(__file__).parent / "data"


def _line() -> Mesh:
    """Two edge nodes, then fog, then cloud, in a row, and an edge node apart."""
    layers = ["edge", "edge", "fog", "cloud", "edge"]
    nodes = [Node(f"n{i}", layer, layer, 1000, 1024) for i, layer in enumerate(layers)]
    return Mesh(nodes, [Link(i, i + 1, 0.001, 100) for i in range(3)])


def _outcome(policy: str, log: Log, synced: int = 0) -> Outcome:
    jobs = [Job(0, 200.0, 200.0, megabytes=2.0), Job(1, 200.0, 200.0, megabytes=0.5)]
    result = Result(log, [0] * 5, [0.0] * 5, synced)
    return Outcome(policy, _line(), jobs, result, 7200.0, policy == "los", learns=policy == "los")


def test_bytes_count_once_for_each_link() -> None:
    log = Log()
    log.placed(0, 10.0, Reason.LOCAL, 3, 3, 100.0, 20.0, 25.0)
    log.placed(1, 11.0, Reason.LOCAL, 0, 1, 100.0, 20.0, 25.0)
    log.dropped(1, 12.0, Reason.CYCLE, 1, 2)
    log.dropped(0, 13.0, Reason.BUSY, 0, 0)
    paths: dict[tuple[float, int], uplinks.Path] = {(10.0, 0): (0, 1, 2, 3), (11.0, 1): (1,), (12.0, 1): (1, 2)}
    found = uplinks.sent(_outcome("cloud", log), paths, interval=30.0)
    assert found["link_megabytes"] == pytest.approx((3 * (2 * MEGA + CALL_BYTES) + CALL_BYTES) / MEGA / 2)
    assert found["uplink_megabytes"] == pytest.approx((2 * (2 * MEGA + CALL_BYTES) + CALL_BYTES) / MEGA / 2)


def test_what_is_learned_is_told_on_the_fastest_way() -> None:
    log = Log()
    log.placed(0, 10.0, Reason.LOCAL, 3, 3, 100.0, 20.0, 25.0)
    log.placed(0, 11.0, Reason.LOCAL, 1, 1, 100.0, 20.0, 25.0)
    found = uplinks.sent(_outcome("los", log), {}, interval=0.0)
    # 3 tells 0 over three links, two of them uplinks; then 1 tells 0 over one, and 3 over two uplinks
    assert found["link_megabytes"] == pytest.approx(6 * MODEL_BYTES / MEGA / 2)
    assert found["uplink_megabytes"] == pytest.approx(4 * MODEL_BYTES / MEGA / 2)


def test_a_lost_training_was_sent_too() -> None:
    log = Log()
    log.lose(log.placed(0, 10.0, Reason.LOCAL, 1, 1, 100.0, 20.0, 25.0))
    found = uplinks.sent(_outcome("cloud", log), {(10.0, 0): (0, 1)}, interval=30.0)
    assert found == {"link_megabytes": pytest.approx((2 * MEGA + CALL_BYTES) / MEGA / 2), "uplink_megabytes": 0.0}


@pytest.mark.parametrize(("policy", "interval", "times"), [("los", 30.0, 240), ("los", 0.0, 0), ("cloud", 30.0, 0)])
def test_exchanges_pass_each_link_both_ways(policy: str, interval: float, times: int) -> None:
    found = uplinks.sent(_outcome(policy, Log()), {}, interval=interval)
    assert found["link_megabytes"] == pytest.approx(2 * 3 * times * STATE_BYTES / MEGA / 2)
    assert found["uplink_megabytes"] == pytest.approx(2 * 2 * times * STATE_BYTES / MEGA / 2)


def test_states_go_from_every_node_to_the_source() -> None:
    log = Log()
    log.dropped(0, 10.0, Reason.FULL, 0, 0)
    log.dropped(1, 11.0, Reason.FULL, 0, 1)
    outcome = _outcome("least_loaded", log, synced=2 * 5)
    found = uplinks.sent(outcome, {(10.0, 0): (0,), (11.0, 1): (1,)}, interval=30.0)
    # To n0: 1 + 2 + 3 links, of which 0 + 1 + 2 are uplinks; to n1: 1 + 1 + 2, of which 0 + 1 + 2; none from afar.
    assert found["link_megabytes"] == pytest.approx((6 + 4) * STATE_BYTES / MEGA / 2)
    assert found["uplink_megabytes"] == pytest.approx((3 + 3) * STATE_BYTES / MEGA / 2)
    half = replace(outcome, result=Result(log, [0] * 5, [0.0] * 5, 5))
    less = uplinks.sent(half, {(10.0, 0): (0,), (11.0, 1): (1,)}, interval=30.0)
    assert less["link_megabytes"] == pytest.approx(found["link_megabytes"] / 2)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", ["paper_b", "factory"])
def test_real_runs_agree_with_what_nodes_sent(policy: str, name: str) -> None:
    testbed = paper_b() if name == "paper_b" else load(DATA / "factory.yaml")
    if policy == "cloud" and name != "paper_b":
        return
    made = setup(Params().los.model_dump(), testbed)
    paths: dict[tuple[float, int], uplinks.Path] = {}

    def watch(step: Step) -> None:
        paths[step.time, step.request.job] = (*step.request.tried, step.node)

    outcome = run(made, policy=policy, hours=1.0, seed=np.random.SeedSequence(1), watch=watch)
    bare = replace(outcome, result=replace(outcome.result, synced=0))
    over = uplinks.sent(bare, paths, interval=0.0)
    sent = traffic(bare, interval=0.0)
    triggers = outcome.triggers()
    ran = triggers[triggers["end"] != "dropped"]
    requests = sent["request_megabytes"] * len(outcome.mesh.nodes)
    samples = sum(outcome.jobs[job].megabytes * hops for job, hops in zip(ran["job"], ran["hops"], strict=True))
    routes = Routes(outcome.mesh)
    models = sum(len(routes.path(*way)) - 1 for way in told(outcome)) * MODEL_BYTES / MEGA
    assert over["link_megabytes"] == pytest.approx(requests + samples + models)
    assert 0 <= over["uplink_megabytes"] <= over["link_megabytes"]
    assert set(paths) == set(triggers.loc[triggers["reason"] != Reason.BUSY, ["time", "job"]].itertuples(False, None))
