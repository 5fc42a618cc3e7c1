import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench import __main__ as command
from bench import elastic, leaf, plain
from bench.timing import WALL, Row, Spent, both, in_turn, spent
from edgeresearch.autoscaling.simulator import simulate
from edgeresearch.io import write_csv


def test_the_quick_mode_writes_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["--quick", "--without", "forecasters", "--out", str(tmp_path / "bench")])
    table = pd.read_csv(tmp_path / "bench" / "ratios.csv")
    assert list(table.columns[:6]) == ["what", "size", "peer", "ratio", "low", "high"]
    assert {"seconds_ours", "seconds_peer", "mse_ours", "mse_peer", "bound", "verdict", *WALL} <= set(table.columns)
    assert set(table["bound"].dropna()) >= {0.05, 0.2, 0.25, 1.0, 1.5, 5.0}
    parts = [
        "forecast",
        "elastic",
        "emulator",
        *([] if leaf.leaf_missing() else ["leaf"]),
        "detectors",
        "scaling",
        "sweep",
    ]
    assert table["part"].unique().tolist() == parts
    assert (table["ratio"] > 0).all()
    assert (table["low"] <= table["high"]).all()
    assert set(table["verdict"]) <= {"met", "not met", "no claim"}
    machine = json.loads((tmp_path / "bench" / "machine.json").read_text())
    assert set(machine) == set(parts)
    assert {"cpu", "cores", "python", "versions"} <= set(machine["elastic"])
    for name in ("ratios.svg", "ratios.png", "scaling.svg", "scaling.png"):
        assert (tmp_path / "bench" / name).stat().st_size > 10_000
    shown = capsys.readouterr().out
    assert "ratios.csv" in shown
    assert "forecasters" not in shown


def _measured_before(folder: Path) -> list[str]:
    folder.mkdir()
    row = {**Row("a fit", "1 step, or 2", "b", [2.5, 3.0], [7.0, 9.0], 1.0).record(), "part": "forecast"}
    other = {**Row("old", "1", "b", [1.0], [1.0]).record(), "part": "elastic"}
    write_csv(pd.DataFrame([row, other]), folder / "ratios.csv")
    (folder / "machine.json").write_text('{"elastic": {"cpu": "old"}, "forecast": {"cpu": "other"}}')
    return (folder / "ratios.csv").read_text().splitlines()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elastic, "QUICK", elastic.Size(steps=2000, few=200, repeats=1, calls=1))


@pytest.mark.usefixtures("small")
def test_a_part_alone_replaces_its_own_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = _measured_before(tmp_path / "bench")
    command.main(["--quick", "--only", "elastic", "--out", str(tmp_path / "bench")])
    after = (tmp_path / "bench" / "ratios.csv").read_text().splitlines()
    assert after[:2] == before[:2]
    assert not any(line.startswith("old,") for line in after)
    assert sum(line.endswith(",elastic") for line in after) == len(after) - 2 == 21
    machine = json.loads((tmp_path / "bench" / "machine.json").read_text())
    assert machine["forecast"] == {"cpu": "other"}
    assert machine["elastic"]["cores"] > 0
    text = capsys.readouterr().out
    assert "a fit" not in text
    assert "onnxruntime" not in text


@pytest.mark.usefixtures("small")
def test_a_part_alone_can_be_the_first(tmp_path: Path) -> None:
    command.main(["--quick", "--only", "elastic", "--out", str(tmp_path)])
    assert set(pd.read_csv(tmp_path / "ratios.csv")["part"]) == {"elastic"}
    assert list(json.loads((tmp_path / "machine.json").read_text())) == ["elastic"]


@pytest.mark.parametrize("damage", ["no part", "no machine", "no file"])
def test_results_that_cannot_be_kept_stop_a_part_before_it_starts(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "bench"
    _measured_before(folder)
    if damage == "no part":
        pd.read_csv(folder / "ratios.csv").drop(columns="part").to_csv(folder / "ratios.csv", index=False)
    elif damage == "no machine":
        (folder / "machine.json").write_text('{"elastic": {}}')
    else:
        (folder / "machine.json").unlink()
    before = (folder / "ratios.csv").read_bytes()
    with pytest.raises(SystemExit) as caught:
        command.main(["--quick", "--only", "elastic", "--out", str(folder)])
    assert caught.value.code == 2
    assert "leave out --only" in capsys.readouterr().err
    assert (folder / "ratios.csv").read_bytes() == before


@pytest.mark.usefixtures("small")
def test_parts_can_be_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "bench"
    before = _measured_before(folder)
    others = [name for name in command.PARTS if name != "elastic"]
    command.main(["--quick", "--without", *others, "--out", str(folder)])
    assert (folder / "ratios.csv").read_text().splitlines()[:2] == before[:2]
    assert json.loads((folder / "machine.json").read_text())["elastic"]["cores"] > 0


def test_what_is_not_installed_is_not_named_among_the_versions() -> None:
    assert command._version("numpy") == np.__version__
    assert command._version("no-such-package") is None
    assert None not in dict(command.machine())["versions"].values()  # type: ignore[attr-defined]


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--only", "elastics"])
    assert "forecast" in capsys.readouterr().err


def test_the_peers_are_the_pods_that_the_service_has() -> None:
    arrivals = np.maximum(elastic.world(3000)[0], 1)
    wanted = elastic.CONFIG.pods_for(arrivals)
    ready = simulate(arrivals, wanted, elastic.CONFIG, rng=np.random.default_rng(0)).ready
    for peer in elastic.PEERS.values():
        np.testing.assert_array_equal(peer(arrivals.astype(float)), ready)


def test_memory_is_what_was_held_at_once() -> None:
    assert elastic._peak(lambda: [np.zeros(100_000) for _ in range(5)][0]) == pytest.approx(4e6, rel=0.1)
    assert elastic._peak(lambda: [np.zeros(100_000).sum() for _ in range(5)]) == pytest.approx(8e5, rel=0.1)
    assert 50 < elastic.peak_per_step("responsive", 20_000) < 100
    row = Row("memory", "1", "b", [64.0], [32.0], 1.1, "bytes")
    assert (row.record()["bytes_ours"], row.record()["seconds_ours"]) == (64.0, None)
    assert row.verdict == "not met"


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


def test_wall_time_has_columns_of_its_own() -> None:
    pairs = [(Spent(1.0, 3.0), Spent(2.0, 4.0)), (Spent(1.0, 1.0), Spent(4.0, 4.0))]
    row = both("a", "1", "b", pairs, 0.4)
    told = row.record()
    assert (row.ratio, row.verdict) == (0.375, "met")
    assert (told["wall_ours"], told["wall_peer"], told["wall_ratio"]) == (2.0, 4.0, 0.5)
    assert (told["wall_low"], told["wall_high"]) == pytest.approx((0.2625, 0.7375))
    assert set(Row("a", "1", "b", [1.0], [1.0]).record()) == set(told)
    assert Row("a", "1", "b", [1.0], [1.0]).record()["wall_ratio"] is None


def test_time_is_taken_both_ways() -> None:
    calls: list[int] = []
    took = spent(lambda: calls.append(1), 5)
    assert len(calls) == 5
    assert min(took) >= 0
    assert spent(lambda: time.sleep(0.02)).wall >= 0.02


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
