from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.emulator import summary
from edgeresearch.emulator.experiment import Setup, scheduling
from edgeresearch.intervals import interval
from edgeresearch.los.request import Reason

Make = Callable[..., pd.DataFrame]
Row = tuple[int, str, str, int]

RAN, DROPPED, LOST, BUSY = "finished", "dropped", "lost", str(Reason.BUSY)
HERE, CYCLE = str(Reason.LOCAL), str(Reason.CYCLE)

some_rows: st.SearchStrategy[list[Row]] = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 3), st.sampled_from([RAN, LOST]), st.just(HERE), st.integers(0, 4)),
        st.tuples(st.integers(0, 3), st.just(DROPPED), st.just(CYCLE), st.integers(0, 4)),
        st.tuples(st.integers(0, 3), st.just(DROPPED), st.just(BUSY), st.just(0)),
    ),
    min_size=1,
    max_size=30,
)


def shares_of(table: pd.DataFrame, column: str) -> dict[Any, float]:
    return dict(zip(table[column], table["share_percent"], strict=True))


def test_drop_rates_are_means_over_repeats(make_triggers: Make) -> None:
    rows = [(0, DROPPED, CYCLE, 2), (0, RAN, HERE, 1), (1, RAN, HERE, 1), (1, LOST, HERE, 1), (1, DROPPED, BUSY, 0)]
    table = summary.drop_rates(make_triggers(*rows))
    assert list(table.columns) == ["policy", "streams", "drop_percent", "low", "high"]
    row = table.iloc[0]
    assert (row["policy"], row["streams"]) == ("los", 2)
    assert row["drop_percent"] == pytest.approx((50 + 100 / 3) / 2)
    assert (row["low"], row["high"]) == pytest.approx(interval([50, 100 / 3])[1:])


def test_where_nothing_is_dropped_the_rate_is_zero(make_triggers: Make) -> None:
    table = summary.drop_rates(make_triggers((0, RAN, HERE, 0), (1, RAN, HERE, 0)))
    assert table[["drop_percent", "low", "high"]].iloc[0].tolist() == [0, 0, 0]


def test_policies_and_streams_are_told_apart_in_the_order_in_which_they_come(make_triggers: Make) -> None:
    triggers = pd.concat(
        [
            make_triggers((0, DROPPED, CYCLE, 1), (0, RAN, HERE, 1), streams=10),
            make_triggers((0, RAN, HERE, 1), streams=2),
            make_triggers((0, DROPPED, str(Reason.FULL), 0), streams=10, policy="in_situ"),
        ]
    )
    table = summary.drop_rates(triggers)
    assert table[["policy", "streams", "drop_percent"]].values.tolist() == [
        ["los", 10, 50.0],
        ["los", 2, 0.0],
        ["in_situ", 10, 100.0],
    ]
    depths = summary.hops(triggers, "attempts")
    assert depths[depths["streams"] == 2][["hops", "share_percent"]].values.tolist() == [[0, 0.0], [1, 100.0]]


def test_the_three_readings_of_fig_6(make_triggers: Make) -> None:
    triggers = make_triggers(
        (0, RAN, HERE, 1), (0, LOST, HERE, 1), (0, RAN, HERE, 2), (0, DROPPED, CYCLE, 2), (0, DROPPED, BUSY, 0)
    )
    assert shares_of(summary.hops(triggers, "attempts"), "hops") == {1: 50, 2: 50}
    assert shares_of(summary.hops(triggers, "triggers"), "hops") == {1: 40, 2: 20}
    assert shares_of(summary.hops(triggers, "placed"), "hops") == pytest.approx({1: 200 / 3, 2: 100 / 3})


def test_a_value_that_a_repeat_lacks_counts_as_none(make_triggers: Make) -> None:
    triggers = make_triggers((0, RAN, HERE, 1), (1, RAN, HERE, 3))
    table = summary.hops(triggers, "placed").set_index("hops")
    assert table["share_percent"].to_dict() == {1: 50, 3: 50}
    assert table[["low", "high"]].to_numpy()[1] == pytest.approx(np.array(interval([0, 100])[1:]))


def test_a_repeat_without_rows_does_not_count(make_triggers: Make) -> None:
    triggers = make_triggers((0, RAN, HERE, 1), (1, DROPPED, CYCLE, 4), (2, RAN, HERE, 1), (2, RAN, HERE, 2))
    table = summary.hops(triggers, "placed").set_index("hops")  # nothing was placed in the second repeat
    assert table["share_percent"].to_dict() == {1: 75, 2: 25}
    assert summary.hops(triggers, "triggers").set_index("hops")["share_percent"].to_dict() == {1: 50, 2: 50 / 3}


def test_where_nothing_ran_there_are_no_shares_but_there_is_a_drop_rate(make_triggers: Make) -> None:
    triggers = make_triggers((0, DROPPED, str(Reason.FULL), 0), (0, DROPPED, BUSY, 0))
    for reading in ("placed", "triggers"):
        table = summary.hops(triggers, reading)
        assert list(table.columns) == ["policy", "streams", "hops", "share_percent", "low", "high"]
        assert table.empty
    assert summary.drop_rates(triggers)["drop_percent"].tolist() == [100]
    assert list(summary.drop_rates(triggers.iloc[:0]).columns) == ["policy", "streams", "drop_percent", "low", "high"]


@settings(max_examples=40)
@given(rows=some_rows)
def test_shares_sum_to_100(make_triggers: Make, rows: Sequence[Row]) -> None:
    triggers = make_triggers(*rows)
    assert summary.shares(triggers, "reason")["share_percent"].sum() == pytest.approx(100)
    drops = summary.drop_rates(triggers)["drop_percent"].iloc[0]
    looked, ran = triggers[triggers["reason"] != BUSY], triggers[triggers["end"] != DROPPED]
    assert summary.hops(triggers, "attempts")["share_percent"].sum() == pytest.approx(100 if len(looked) else 0)
    assert summary.hops(triggers, "placed")["share_percent"].sum() == pytest.approx(100 if len(ran) else 0)
    assert summary.hops(triggers, "triggers")["share_percent"].sum() == pytest.approx(100 - drops)


def test_shares_of_a_real_run(paper: Setup) -> None:
    rows, _ = scheduling(paper, streams=[10, 4], policies=["los", "in_situ"], repeats=2, hours=1, seed=3)
    for column in ("reason", "layer", "end", "hops"):
        table = summary.shares(rows, column)
        assert table.groupby(["policy", "streams"])["share_percent"].sum().to_numpy() == pytest.approx([100] * 4)
        assert (table["low"] <= table["share_percent"]).all() and (table["share_percent"] <= table["high"]).all()
    ends = summary.shares(rows, "end")
    dropped = ends[ends["end"] == DROPPED].set_index(["policy", "streams"])["share_percent"]
    drops = summary.drop_rates(rows).set_index(["policy", "streams"])["drop_percent"]
    assert dropped.to_dict() == pytest.approx(drops.to_dict())
    assert drops["in_situ"].tolist() == [100, 100]
