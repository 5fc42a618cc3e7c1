from typing import get_args

from edgeresearch.emulator.policies import POLICIES
from edgeresearch.emulator.results import Reading
from edgeresearch.papers import names_b
from edgeresearch.scheduling.messages import Reason


def test_every_policy_and_reading_has_a_name_and_a_look_of_its_own() -> None:
    assert set(names_b.POLICIES) == set(POLICIES)
    assert set(names_b.READINGS) == set(get_args(Reading))
    for looks in ([each[1:] for each in names_b.POLICIES.values()], [each[1:] for each in names_b.READINGS.values()]):
        assert len(set(looks)) == len(looks)


def test_reasons_of_drops_are_all_that_place_nothing() -> None:
    placing = {
        Reason.LOCAL,
        Reason.COLD_LOCAL,
        Reason.FEASIBLE,
        Reason.INFEASIBLE,
        Reason.COLD_NEIGHBOUR,
        Reason.CHOSEN,
    }
    assert set(names_b.DROPS) == set(Reason) - placing
    assert len(set(names_b.DROPS.values())) == len(names_b.DROPS)


def test_layers_have_the_papers_three() -> None:
    assert set(names_b.LAYERS) == {"edge", "fog", "cloud"}
