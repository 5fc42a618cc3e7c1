from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.emulator.advice import WITHIN, Advice, advise

DROPS = pd.DataFrame(
    {
        "node": ["edge-1", "edge-2", "edge-1"],
        "reason": ["cycle", "cycle", "no room"],
        "drops": [30, 25, 5],
    }
)
NO_DROPS = DROPS.iloc[:0]
GATEWAYS = pd.DataFrame(columns=["layer", "node", "fewer_points", "low", "high"])


def _table(**rows: tuple[float, float]) -> pd.DataFrame:
    """Drop rate and megabytes over the uplinks by policy; twice as much goes over all links."""
    data = [(name, drop, 1.5, 100 - drop, sent, 2 * sent) for name, (drop, sent) in rows.items()]
    columns = ["policy", "drop_percent", "mean_hops", "trainings", "uplink_megabytes", "link_megabytes"]
    return pd.DataFrame(data, columns=columns)


def _advised(table: pd.DataFrame, drops: pd.DataFrame = DROPS, layers: int = 3, **gateways: Any) -> Advice:
    return advise(table, drops, pd.DataFrame(gateways) if gateways else GATEWAYS, layers=layers)


def test_the_line_holds_every_number() -> None:
    found = _advised(_table(los=(3.0, 20.0), in_situ=(100.0, 0.0), cloud=(2.5, 80.0), oracle=(0.0, 50.0)))
    assert found.policy == "los"
    assert found.line == (
        "los: 3.0 % dropped, the rest ran after 1.5 hops on average, 20.0 MB/h over the uplinks; "
        "dropped by the others: in_situ 100.0 %, cloud 2.5 %, oracle 0.0 %; "
        "los sends 75 % less over the uplinks than cloud (20.0 against 80.0 MB/h, 0.21 against 0.82 MB per training "
        "that ran); rule: fewest bytes over the uplinks at most 1 point above the lowest drop rate, oracle apart"
    )
    assert found.notes == ("los drops most at edge-1 (58 % of its drops), mostly as: cycle (92 %)",)


def test_a_policy_that_drops_more_than_a_point_more_is_not_advised() -> None:
    near, far = (_advised(_table(los=(2.5 + more, 20.0), cloud=(2.5, 80.0))) for more in (WITHIN, WITHIN + 0.1))
    assert (near.policy, far.policy) == ("los", "cloud")
    assert "; los: 3.6 % dropped, the rest ran after 1.5 hops on average, 20.0 MB/h; los sends 75 % less" in far.line


def test_the_oracle_is_never_advised_and_does_not_set_the_lowest() -> None:
    assert _advised(_table(los=(30.0, 20.0), oracle=(0.0, 0.0))).policy == "los"


def test_the_centre_is_said_and_what_comes_without_it() -> None:
    found = _advised(_table(los=(60.0, 20.0), least_loaded=(0.2, 50.0), cloud=(0.0, 80.0)))
    assert found.policy == "least_loaded"
    assert "; it needs a centre that knows every node at every moment; without, cloud: 0.0 % dropped" in found.line
    assert "; los: 60.0 % dropped" in found.line
    assert "dropped by the others" not in found.line
    short = _advised(_table(los=(60.0, 20.0), least_loaded=(0.2, 50.0)))
    assert short.line.count("los: 60.0 % dropped") == 1
    assert "without, los: " in short.line


def test_of_equals_the_one_that_drops_less() -> None:
    assert _advised(_table(los=(3.0, 0.0), random=(2.5, 0.0), in_situ=(2.8, 0.0))).policy == "random"


def test_without_uplinks_all_links_count() -> None:
    found = _advised(_table(los=(3.0, 20.0)), layers=1)
    assert "40.0 MB/h over the links; rule: fewest bytes over the links" in found.line


def test_who_ran_nothing_has_no_hops() -> None:
    table = _table(los=(100.0, 1.0), in_situ=(100.0, 0.0)).assign(mean_hops=np.nan)
    assert _advised(table).line.startswith(
        "in_situ: 100.0 % dropped, 0.0 MB/h over the uplinks; los: 100.0 % dropped, 1.0"
    )


@pytest.mark.parametrize(
    ("los", "cloud", "words"),
    [
        ((0.0, 90.0), (0.0, 60.0), "los sends 50 % more over the uplinks than cloud (90.0 against 60.0 MB/h, 0.90"),
        ((0.0, 9.0), (100.0, 0.0), "los sends more over the uplinks, cloud nothing (9.0 against 0.0 MB/h)"),
        ((0.0, 0.0), (100.0, 0.0), "los sends nothing over the uplinks, cloud nothing (0.0 against 0.0 MB/h)"),
    ],
)
def test_against_the_cloud(los: tuple[float, float], cloud: tuple[float, float], words: str) -> None:
    assert words in _advised(_table(los=los, cloud=cloud)).line


def test_what_more_gateways_give() -> None:
    found = _advised(
        _table(los=(3.0, 20.0)),
        NO_DROPS,
        layer=["edge", "fog", "hall", "yard"],
        node=["edge-1", "fog-2", "rack", "gate"],
        fewer_points=[5.0, 0.4, -3.0, 1.0],
        low=[2.0, -1.0, -4.0, np.nan],
        high=[8.0, 1.8, -2.0, np.nan],
    )
    assert found.notes == (
        "los drops nothing",
        "edge-1 as one more gateway of edge: los drops 5.0 points fewer (95 %: 2.0 to 8.0 fewer)",
        "fog-2 as one more gateway of fog: los drops 0.4 points fewer (no clear change, 95 %: -1.0 to 1.8 fewer)",
        "rack as one more gateway of hall: los drops 3.0 points more (95 %: -4.0 to -2.0 fewer)",
        "gate as one more gateway of yard: los drops 1.0 points fewer (one repeat, so how sure is not known)",
    )


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1e4)), min_size=2, max_size=5),
)
def test_no_other_near_the_lowest_sends_less(rows: list[tuple[float, float]]) -> None:
    names = ["los", "in_situ", "random", "cloud", "least_loaded"]
    table = _table(**dict(zip(names, rows, strict=False))).set_index("policy")
    best = _advised(table.reset_index()).policy
    near = table[table["drop_percent"] <= table["drop_percent"].min() + WITHIN]
    assert best in near.index
    assert table["uplink_megabytes"][best] == near["uplink_megabytes"].min()
