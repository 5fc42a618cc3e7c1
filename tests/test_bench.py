import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench import __main__ as command
from bench import plain
from bench.timing import Row, in_turn


def test_the_quick_mode_writes_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["--quick", "--out", str(tmp_path / "bench")])
    table = pd.read_csv(tmp_path / "bench" / "ratios.csv")
    assert list(table.columns[:6]) == ["what", "size", "peer", "ratio", "low", "high"]
    assert {"seconds_ours", "seconds_peer", "mse_ours", "mse_peer", "bound", "verdict"} <= set(table.columns)
    assert set(table["bound"].dropna()) >= {0.2, 0.25, 1.0, 1.5}
    assert (table["ratio"] > 0).all()
    assert (table["low"] <= table["high"]).all()
    assert set(table["verdict"]) <= {"met", "not met", "no claim"}
    machine = json.loads((tmp_path / "bench" / "machine.json").read_text())
    assert {"cpu", "cores", "python", "versions"} <= set(machine)
    assert "ratios.csv" in capsys.readouterr().out


def test_the_plain_loop_learns() -> None:
    values = np.sin(np.arange(1200) / 8)
    settings = {"window": 30, "hidden": 16, "seed": 0}
    errors = []
    for epochs in (0, 12):
        model = plain.fit(values[:900], epochs=epochs, rate=1e-2, **settings)
        errors.append(np.mean((plain.predict(model, values[900:], 30) - values[930:]) ** 2))
    assert errors[1] < 0.05 * errors[0]
    again = plain.fit(values[:900], epochs=12, rate=1e-2, **settings)
    np.testing.assert_array_equal(plain.predict(again, values, 30), plain.predict(model, values, 30))


def test_windows_are_followed_by_their_targets() -> None:
    inputs, wanted = plain.windows(np.arange(10.0), 4)
    assert inputs.shape == (6, 4, 1)
    assert inputs[0, :, 0].tolist() == [0, 1, 2, 3]
    assert wanted[:, 0].tolist() == [4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(("bound", "verdict"), [(None, "no claim"), (0.5, "met"), (0.4, "not met")])
def test_a_row_has_the_median_ratio_and_a_verdict(bound: float | None, verdict: str) -> None:
    row = Row("a", "1", "b", [1.0, 2.0, 9.0], [2.0, 4.0, 3.0], bound)
    assert row.ratio == 0.5
    assert row.verdict == verdict
    assert row.record()["seconds_ours"] == 2.0
    assert row.record()["mse_ours"] is None


def test_both_are_called_in_turn() -> None:
    calls: list[str] = []
    ours, theirs = in_turn(lambda: calls.append("a"), lambda: calls.append("b"), repeats=2, number=2)
    assert "".join(calls) == "ab" + "aabb" * 2
    assert len(ours) == len(theirs) == 2
    assert min(ours + theirs) >= 0


def test_a_machine_without_cpuinfo_has_a_name(tmp_path: Path) -> None:
    assert command._cpu(tmp_path / "none")
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: Fast 9000\n")
    assert command._cpu(tmp_path / "cpuinfo") == "Fast 9000"
