from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pandas as pd
import pytest

from edgeresearch.emulator import results
from edgeresearch.emulator.api import Scenario, compare_policies
from edgeresearch.emulator.testbed import Churn, Rate
from edgeresearch.errors import InputError
from edgeresearch.papers import scheduling_sweeps
from edgeresearch.papers.fit_b import SPACE

COLUMNS = ["value", "streams", "drop_percent", "low", "high", "lost_percent", "one", "two", "three", "triggers"]


def test_a_sweep_says_what_each_setup_gave(loaded: Scenario) -> None:
    setups = {"as it is": loaded, "always fresh": replace(loaded, interval=0.0)}
    table = scheduling_sweeps.sweep(setups, streams=[6, 4], repeats=2, hours=1, seed=2)
    assert list(table.columns) == COLUMNS
    assert table[["value", "streams"]].values.tolist() == [[name, count] for name in setups for count in (6, 4)]
    rows, _ = compare_policies(loaded, streams=[6, 4], policies=["los"], repeats=2, hours=1, seed=2)
    mine = table[table["value"] == "as it is"].set_index("streams")
    drops = results.drop_rates(rows).set_index("streams")
    for name in ("drop_percent", "low", "high"):
        assert mine[name].to_dict() == pytest.approx(drops[name].to_dict())
    shares = results.hop_shares(rows, "attempts").set_index(["streams", "hops"])["share_percent"].to_dict()
    for depth, name in enumerate(("one", "two", "three"), start=1):
        assert mine[name].to_dict() == pytest.approx({count: shares.get((count, depth), 0.0) for count in (6, 4)})
    assert mine["triggers"].to_dict() == rows.groupby("streams").size().to_dict()
    assert (table["lost_percent"] == 0).all()


def test_lost_trainings_are_told(paper: Scenario) -> None:
    setups = scheduling_sweeps.churn(paper, [300.0], 300.0)
    table = scheduling_sweeps.sweep(setups, streams=[2], repeats=2, hours=2, seed=1)
    assert table["value"].tolist() == ["no churn", "300"]
    none, some = table["lost_percent"]
    assert none == 0 < some < 100
    every, fewer = table["triggers"]
    assert fewer < every  # a node that is away triggers nothing


def test_more_gateways_are_more_links_upwards(paper: Scenario) -> None:
    setups = scheduling_sweeps.gateways(paper, [1, 2, 5])
    counts = {name: len(made.testbed.layers[0].gateway_names) for name, made in setups.items()}
    assert counts == {"1": 1, "2": 2, "5": 5}
    for fewer, more in pairwise(setups.values()):
        assert set(fewer.testbed.layers[0].gateway_names) < set(more.testbed.layers[0].gateway_names)
    with pytest.raises(InputError, match="6 of them cannot be gateways"):
        scheduling_sweeps.gateways(paper, [6])


def test_churn_begins_with_none_even_where_the_testbed_has_some(paper: Scenario) -> None:
    restless = replace(
        paper, testbed=paper.testbed.model_copy(update={"churn": Churn(rates=(Rate(layer="fog", stays=60, away=60),))})
    )
    for setup in (paper, restless):
        setups = scheduling_sweeps.churn(setup, [900.0, 3600.0], 120.0)
        assert list(setups) == ["no churn", "900", "3600"]
        assert setups["no churn"] == paper
        assert setups["900"].testbed.churn.rates == (Rate(layer="edge", stays=900, away=120),)
        assert setups["3600"].testbed.check().layers == paper.testbed.layers


def test_choices_are_all_those_that_were_made(paper: Scenario) -> None:
    setups = scheduling_sweeps.choices(paper)
    scaled = [f"{name} x {factor:g}" for name in scheduling_sweeps.NUMBERS for factor in scheduling_sweeps.FACTORS]
    assert list(setups) == [*scheduling_sweeps.CHOICES, *scaled]
    assert setups["as chosen"] == paper
    assert all(made != paper for name, made in setups.items() if " x " in name)
    assert setups["hop limit 3"].rules.hop_limit == 3
    assert setups["limits by the period"].limits.rule == "period"
    assert setups["gateway edge-3"].testbed.layers[0].gateway_names == ("edge-3",)
    assert setups["1,000 samples at 200 to 800 ms"].testbed.stream_rule is not None


@pytest.mark.parametrize("name", scheduling_sweeps.NUMBERS)
def test_each_number_is_varied_by_its_factors(paper: Scenario, name: str) -> None:
    def read(setup: Scenario) -> float:
        edge, rule = setup.testbed.layers[0], setup.testbed.stream_rule
        assert rule is not None
        places = {
            "work": rule.work,
            "noise": setup.training_cost.noise,
            "monitor": setup.training_cost.monitor,
            "interval": setup.interval,
            "floor": setup.limits.floor,
            "sway": edge.sway,
            "sway_period": edge.sway_period[0],
            "a": setup.training_cost.a,
            "d": setup.training_cost.d,
        }
        return places[name]

    setups = scheduling_sweeps.choices(paper)
    for factor in scheduling_sweeps.FACTORS:
        assert read(setups[f"{name} x {factor:g}"]) == pytest.approx(factor * read(paper))


def test_every_free_choice_of_the_fit_is_swept(paper: Scenario) -> None:
    swept = {name for settings in scheduling_sweeps.CHOICES.values() for name in settings} | set(
        scheduling_sweeps.NUMBERS
    )
    assert set(SPACE) - swept <= {"at_400", "c"}  # both move eq. 1's a, which is swept


def test_a_testbed_with_streams_one_by_one_has_no_rule_to_scale(tiny: Callable[..., Scenario]) -> None:
    with pytest.raises(InputError, match="there is none to change"):
        scheduling_sweeps._scaled(tiny(), "work", 2.0)


def test_every_choice_runs(paper: Scenario) -> None:
    table = scheduling_sweeps.sweep(scheduling_sweeps.choices(paper), streams=[4], repeats=1, hours=0.25, seed=1)
    assert len(table) == len(scheduling_sweeps.CHOICES) + len(scheduling_sweeps.NUMBERS) * len(
        scheduling_sweeps.FACTORS
    )
    assert table["drop_percent"].between(0, 100).all()
    assert isinstance(table["value"].iloc[0], str) and not pd.isna(table[["one", "two", "three"]]).any().any()
