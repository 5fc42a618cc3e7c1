from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
from matplotlib.figure import Figure

from edgeresearch.emulator.experiment import Scenario
from edgeresearch.emulator.network import Mesh
from edgeresearch.emulator.testbed import paper_b
from edgeresearch.papers import manager_b, placement_trace
from edgeresearch.scheduling.job_history import JobHistory
from edgeresearch.scheduling.los import schedule
from edgeresearch.scheduling.settings import Rules


def _text(figure: Figure) -> str:
    return "\n".join(each.get_text() for each in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def test_parts_are_read_off_classes() -> None:
    @dataclass
    class Data:
        one: int
        _two: int

    class Named(NamedTuple):
        three: int

    class Slotted:
        __slots__ = ("_five", "four")

    assert [manager_b.parts(kind) for kind in (Data, Named, Slotted, object)] == [["one"], ["three"], ["four"], []]
    assert manager_b.parts(Mesh) == ["nodes", "links"]


def test_origins_are_those_of_the_code() -> None:
    assert manager_b.origin(schedule) == "scheduling.los.schedule"
    assert manager_b.origin(JobHistory) == "scheduling.job_history.JobHistory"


def test_words_are_wrapped_and_cut() -> None:
    assert manager_b._wrapped(["aaa", "bbb"], 20) == "aaa, bbb"
    assert manager_b._wrapped(["aaaa", "bbbb", "cccc", "dddd", "eeee"], 12) == "aaaa, bbbb, \ncccc, dddd, …"


@pytest.fixture(scope="module")
def setup() -> Scenario:
    return Scenario(paper_b())


def test_figure3_names_the_code_and_what_was_learned(setup: Scenario) -> None:
    found = placement_trace.placement_traces(setup, streams=4, hours=1.0, seed=np.random.SeedSequence(1))
    figure = manager_b.figure3(found[-1], rules=setup.rules, limits=setup.limits)
    text = _text(figure)
    for said in (
        "scheduling.los.schedule",
        "scheduling.settings.Limits",
        "scheduling.runtime_model.RuntimeModel",
        "emulator.network.Mesh",
    ):
        assert said in text
    assert f"at most {setup.rules.hop_limit} hand-overs" in text
    assert f"{len(found[-1].history.limits)} nodes have a limit" in text
    assert "(R + " in text
    assert "hop_limit, " in text
    assert manager_b.parts(Rules)[0] == "hop_limit"


def test_nothing_learned_is_said(setup: Scenario) -> None:
    assert manager_b._fitted(JobHistory(setup.limits, setup.fitting)) == "nothing learned yet"
