import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.emulator.experiment import run, setup
from edgeresearch.emulator.outcome import shares
from edgeresearch.emulator.testbed import paper_b
from edgeresearch.params import Params

ENDS = ("finished", "dropped", "lost")


def _triggers(*rows: tuple[str, int, float]) -> pd.DataFrame:
    ends, hops, complete = zip(*rows, strict=True)
    return pd.DataFrame({"end": ends, "hops": hops, "complete": complete, "period": 100.0})


def test_shares_leave_what_was_dropped_out_of_all_but_the_lost() -> None:
    found = shares(
        _triggers(
            ("finished", 0, 50.0), ("finished", 1, 100.0), ("finished", 2, 101.0), ("lost", 1, 60.0),
            ("dropped", 4, math.nan),
        )
    )  # fmt: skip
    assert found == {"lost_percent": 20.0, "late_percent": 25.0, "mean_hops": 1.0, "local_percent": 25.0}


def test_without_a_training_that_ran_there_is_no_share_of_those() -> None:
    found = shares(_triggers(("dropped", 0, math.nan), ("dropped", 3, math.nan)))
    assert found.pop("lost_percent") == 0
    assert all(math.isnan(value) for value in found.values())


@given(
    st.lists(
        st.tuples(st.sampled_from(ENDS), st.integers(0, 5), st.floats(1, 200)).filter(lambda row: row[0] != "dropped"),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 30),
)
def test_drops_move_no_share_but_that_of_the_lost(rows: list[tuple[str, int, float]], drops: int) -> None:
    alone, among = shares(_triggers(*rows)), shares(_triggers(*rows, *[("dropped", 9, math.nan)] * drops))
    assert among.pop("lost_percent") == pytest.approx(alone.pop("lost_percent") * len(rows) / (len(rows) + drops))
    assert among == alone
    assert all(0 <= among[name] <= 100 for name in ("late_percent", "local_percent"))


def test_triggers_carry_the_period_and_the_layer_of_those_that_finished() -> None:
    made = setup(Params().los.model_dump(), paper_b())
    outcome = run(made, policy="los", hours=1.0, seed=np.random.SeedSequence(3))
    table = outcome.triggers()
    nodes = outcome.mesh.nodes
    finished = table["end"] == "finished"
    assert 0 < finished.sum() < len(table)
    assert table["period"].tolist() == [outcome.jobs[job].period for job in table["job"]]
    assert table.loc[finished, "layer"].tolist() == [nodes[node].layer for node in table.loc[finished, "node"]]
    assert (table.loc[~finished, "layer"] == "").all()
    assert shares(table)["local_percent"] < 100
