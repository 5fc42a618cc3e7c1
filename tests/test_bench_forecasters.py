import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench import __main__ as command
from bench import forecasters
from bench.forecast import ONE
from bench.timing import Row, Spent
from edgeresearch.data import synthetic
from edgeresearch.errors import InputError
from edgeresearch.forecasting.lstm import ResidualLSTM

needs_peers = pytest.mark.skipif(
    forecasters.peers_missing() is not None, reason="no environment .venv-peers: make bench-peers"
)
TINY = forecasters.Size(steps=400, epochs=1, repeats=2, calls=2)
FIT, WHOLE, ERROR = (
    "fit of the project's LSTM",
    "fit with all members and variants",
    "test error of the project's LSTM",
)
LIVE, WINDOW = "one forecast, as the newest value comes", "forecasts from every row of a window"


class Told:
    """A peer that takes two seconds for all and is off by one standard deviation."""

    def __init__(self, calls: list[str]) -> None:
        self.calls, self.tasks = calls, list[dict[str, Any]]()

    def ask(self, **task: Any) -> dict[str, Any]:
        self.calls.append(f"their {task['do']}")
        self.tasks.append(task)
        return {"cpu": 2.0, "wall": 4.0, "mse": 1.0, "versions": {"darts": "1"}}

    def spent(self, **task: Any) -> Spent:
        self.ask(**task)
        return Spent(2.0, 4.0)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    calls: list[str] = []
    other = Told(calls)

    @contextmanager
    def asked(python: Path) -> Iterator[Told]:
        yield other

    def spent(call: Callable[[], object], number: int = 1) -> Spent:
        call()
        calls.append(f"ours x {number}")
        return Spent(1.0, 1.0)

    monkeypatch.setattr(forecasters, "PYTHON", Path(sys.executable))
    monkeypatch.setattr(forecasters, "asked", asked)
    monkeypatch.setattr(forecasters, "spent", spent)
    return other


def test_ours_and_theirs_are_timed_in_turn(told: Told) -> None:
    list(forecasters.rows(TINY))
    repeat = ["ours x 1", "their fit", "ours x 1", *["ours x 40", "their predict"] * 2]
    assert told.calls == (["their fit"] + repeat * TINY.repeats) * 3  # the first fit warms up
    fits = [task for task in told.tasks if task["do"] == "fit"]
    assert [fit["peer"] for fit in fits[::3]] == list(forecasters.PEERS)
    assert [(fit["seed"], fit["epochs"]) for fit in fits[1:3]] == [(0, 1), (1, 1)]
    assert {(fit["window"], fit["hidden"]) for fit in fits} == {(60, 32)}


def test_each_peer_has_its_rows(told: Told) -> None:
    rows = list(forecasters.rows(TINY))
    assert [row.peer for row in rows[::5]] == list(forecasters.PEERS)
    claims: list[tuple[str, float | None]] = [(FIT, 1 / 5), (WHOLE, None), (ERROR, 1.0), (LIVE, 1 / 25), (WINDOW, None)]
    for start in (0, 5, 10):
        assert [(row.what, row.bound) for row in rows[start : start + 5]] == claims
    timed = [row for row in rows if row.unit == "s"]
    assert {row.ratio for row in timed} == {0.5}
    assert {row.record()["wall_ratio"] for row in timed} == {0.25}
    assert all(row.wall is None for row in rows if row.what == ERROR)


def test_errors_are_in_the_units_of_the_series(told: Told) -> None:
    rows = [row for row in forecasters.rows(TINY) if row.what == ERROR]
    values = np.array(told.tasks[1]["values"])
    first = told.tasks[1]["cut"]
    assert first == 320
    assert values[:first].mean() == pytest.approx(0)
    assert values[:first].std() == pytest.approx(1)
    series = synthetic.draw_request_rate(np.random.default_rng(0), like="wiki_de", steps=400).values.to_numpy()
    assert list(rows[0].theirs) == pytest.approx([series[:first].var()] * 2)
    assert all(0 < error < series.var() for error in rows[0].ours)


def test_the_live_twin_and_predict_are_at_the_same_value() -> None:
    values = np.sin(np.arange(200) / 5)[:, None]
    model = ResidualLSTM(20, 4, 1, members=1, bases=ONE, random_state=0)
    model.fit(values[:-1], values[1:, 0])
    stream, predict = forecasters._forecasts(model, values[:60])
    assert predict().shape == (60,)
    assert np.isfinite(stream()).all()


def test_an_environment_that_lacks_something_says_what() -> None:
    with (
        forecasters.asked(Path(sys.executable)) as other,
        pytest.raises(InputError, match=r"process ended: .*(darts|neuralforecast).*; `make bench-peers` may mend it"),
    ):
        other.ask(do="about")
    with forecasters.asked(Path(sys.executable)) as other:
        assert other.process.stdin is not None
        other.process.stdin.close()
        assert other.process.wait(60) == 0  # it ends where its tasks end


def test_a_process_that_is_gone_says_so() -> None:
    with forecasters.asked(Path(sys.executable)) as other:
        other.process.kill()
        other.process.wait(60)
        with pytest.raises(InputError, match="the peers' process ended: nothing;"):
            other.ask(do="about")


def test_without_the_environment_its_rows_are_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(forecasters, "PYTHON", tmp_path / ".venv-peers" / "bin" / "python")
    assert list(forecasters.rows(TINY)) == []
    assert forecasters.about() == {}
    command.main(["--quick", "--only", "forecasters", "--out", str(tmp_path / "out")])
    shown = capsys.readouterr().out
    assert shown == "rows of forecasters are left out: the environment .venv-peers not installed; make bench-peers\n"
    assert not (tmp_path / "out").exists()


def test_the_machine_names_the_peers_versions(told: Told) -> None:
    assert forecasters.about() == {"peers": {"darts": "1"}}


@needs_peers
@pytest.mark.slow
def test_the_real_peers_answer() -> None:
    rows: list[Row] = list(forecasters.rows(forecasters.Size(steps=600, epochs=1, repeats=1, calls=1)))
    table = pd.DataFrame([row.record() for row in rows])
    assert len(table) == 15
    assert (table["ratio"] > 0).all()
    errors = table.loc[table["what"] == ERROR, "mse_peer"]
    assert errors.nunique() == 3
    assert np.isfinite(errors).all()
