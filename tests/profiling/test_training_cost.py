"""How long trainings take under CPU limits, measured."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from edgeresearch import cli
from edgeresearch.anomaly.identity import AutoencoderIdentity, LSTMIdentity
from edgeresearch.data.trace import Origin, Trace
from edgeresearch.errors import InputError, RunError
from edgeresearch.profiling import training_cost as module
from edgeresearch.profiling.cpu_limit import CalibrationPlan, DutyCycle
from edgeresearch.profiling.training_cost import (
    Calibration,
    ModelCalibration,
    Run,
    calibrate,
    fit_runs,
    measure,
    read,
    time_trainings,
)
from edgeresearch.scheduling.runtime_model import Curve

COMMITTED = Path(__file__).parents[2] / "data" / "calibration.json"
TRUE = Curve(900.0, 20.0, 1.0, 0.5)
LIMITS = (100, 150, 250, 400, 600, 850)


def _runs(noise: float = 0.0, repeats: int = 3, limits: tuple[int, ...] = LIMITS, granted: float = 1.0) -> list[Run]:
    rng, runs = np.random.default_rng(0), []
    for limit in limits:
        for repeat in range(repeats):
            seconds = TRUE.seconds(limit) * float(np.exp(noise * rng.normal()))
            about = {"limit": float(limit), "repeat": repeat, "trainings": 1, "load": 0.5 + repeat}
            runs.append(Run(**about, seconds=seconds, cpu_seconds=seconds * limit / 1000 * granted))
    return runs


def _fit(runs: list[Run]) -> ModelCalibration:
    return fit_runs(runs, data="traffic_1", real=True)


def _calibration(**models: ModelCalibration) -> Calibration:
    return Calibration(
        throttle="mine",
        period=0.1,
        machine={"cores": 2, "processor": "a chip"},
        load=(0.5, 1.0, 2.0),
        samples=1000,
        models=models or {"lstm": _fit(_runs())},
    )


def test_without_noise_eq_1_is_found_and_holds_everywhere() -> None:
    model = _fit(_runs())
    for limit in (60, 100, 333, 1000):
        assert model.curve.seconds(limit) == pytest.approx(TRUE.seconds(limit), rel=0.02)
    assert model.held_out_limits.worst_percent < 2
    assert model.held_out_repeats is not None
    assert model.held_out_repeats.worst_percent < 1
    assert model.sampled.below.median_percent < 3
    assert model.noise < 0.01
    assert _fit(_runs(granted=0.8)).granted == pytest.approx(0.8)


def test_what_is_held_out() -> None:
    model = _fit(_runs(noise=0.05))
    assert model.held_out_limits.runs == 4 * 3, "every limit inside, every repeat"
    assert model.held_out_repeats is not None
    assert model.held_out_repeats.runs == 6 * 3
    region = model.sampled
    assert (region.low, region.high) == (100, 850)
    assert (region.below.limit, region.below.factor, region.below.runs) == (100, 1.5, 3)
    assert (region.above.limit, region.above.factor, region.above.runs) == (850, 850 / 600, 3)
    assert 0.03 < model.noise < 0.08
    # One limit is off by half: fits that saw it would hide that.
    wrong = [run.replace(seconds=run.seconds * (1.5 if run.limit == 250 else 1)) for run in _runs()]
    assert _fit(wrong).held_out_limits.worst_percent == pytest.approx(100 / 3, abs=3)
    single = _fit(_runs(repeats=1))
    assert (single.held_out_repeats, single.held_out_limits.runs) == (None, 4)
    with pytest.raises(InputError, match="limits is .* should have at least 4 items"):
        CalibrationPlan(limits=LIMITS[:3])
    with pytest.raises(InputError, match="samples is 1; input should be greater than or equal to 2"):
        CalibrationPlan(samples=1)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path, calibration = tmp_path / "calibration.json", _calibration()
    path.write_text(json.dumps(calibration.rounded()))
    again = read(path)
    assert again.models["lstm"].curve.a == pytest.approx(calibration.models["lstm"].curve.a, rel=1e-5)
    assert again.rounded() == calibration.rounded()
    assert again.machine == {"cores": 2, "processor": "a chip"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read .*; measure with 'edgeresearch calibrate'"),
        ("{", "no JSON, "),
        ("[]", "holds a list, no calibration"),
        ('{"throtle": 1}', "unknown key throtle; did you mean throttle"),
        ("{}", "throttle"),
        ({"a": -1.0}, "models.lstm.curve.a is"),
        ({"d": "1"}, "models.lstm.curve.d is"),
    ],
)
def test_a_file_that_is_no_calibration(tmp_path: Path, text: str | dict[str, Any] | None, message: str) -> None:
    path = tmp_path / "calibration.json"
    if isinstance(text, dict):
        data = _calibration().rounded()
        data["models"]["lstm"]["curve"] |= text
        text = json.dumps(data)
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        read(path)


def test_the_committed_calibration_holds_inside_its_limits() -> None:
    calibration = read(COMMITTED)
    assert set(calibration.models) == {"lstm", "autoencoder"}
    for each in calibration.models.values():
        assert each.held_out_limits.median_percent <= 15
        assert len({run.limit for run in each.runs}) >= 6
        assert min(sum(run.limit == other.limit for run in each.runs) for other in each.runs) >= 3
        again = fit_runs(each.runs, data=each.data, real=each.real)
        assert again.held_out_limits.median_percent == pytest.approx(each.held_out_limits.median_percent, rel=0.02)
        for run in each.runs:
            assert again.curve.seconds(run.limit) == pytest.approx(each.curve.seconds(run.limit), rel=0.02)


def test_table_and_notes() -> None:
    starved = _calibration(lstm=_fit(_runs()), autoencoder=_fit(_runs(granted=0.4)))
    table = starved.table()
    assert table.columns.tolist() == ["model", "millicores", "seconds", "eq. 1", "off %"]
    assert table["millicores"].tolist() == [*LIMITS, *LIMITS]
    np.testing.assert_allclose(table["seconds"], [TRUE.seconds(limit) for limit in LIMITS] * 2)
    np.testing.assert_allclose(table["off %"], 0, atol=2)
    first, _, note, last = starved.notes()
    assert first.startswith("lstm: limits held out are off by 0.")
    assert "outside of 100 to 850 millicores eq. 1 extrapolates" in first
    assert note.startswith("note: autoencoder had 40 % of its limits")
    assert last == "load of the machine: 1.0 (from 0.5 to 2.0) on 2 cores"


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that seems to hold one sensor of each kind, of 60 samples."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)))
    origin = Origin("synthetic", "made.csv", "0" * 64, False)
    monkeypatch.setattr(
        module.datasets, "list_sensors", lambda folder, kind: [7] if Path(folder, kind).exists() else []
    )
    for kind in ("traffic", "pollution"):
        trace = Trace(f"{kind}_7", frame, pd.Timedelta("5min"), "", origin, {})
        monkeypatch.setattr(module.datasets, f"load_{kind}", lambda folder, sensor, trace=trace: trace)
        (tmp_path / "raw" / kind).mkdir(parents=True)
    return tmp_path / "raw"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What would be measured; nothing is."""
    asked: dict[str, Any] = {}

    def measured(jobs: Any, plan: CalibrationPlan, **options: Any) -> dict[str, list[Run]]:
        asked.update(options, jobs=jobs, limits=plan.limits, repeats=plan.repeats)
        return {name: _runs(limits=plan.limits) for name in jobs}

    monkeypatch.setattr(module, "measure", measured)
    return asked


def test_a_whole_calibration(streams: Path, tmp_path: Path, asked: dict[str, Any]) -> None:
    out = tmp_path / "new" / "calibration.json"
    calibration = calibrate(streams, out, plan=CalibrationPlan(samples=50), throttle="signals", seed=5)
    assert read(out).models.keys() == calibration.models.keys() == {"lstm", "autoencoder"}
    assert calibration.throttle == DutyCycle().name == read(out).throttle
    assert calibration.load == (0.5, 1.5, 2.5)
    assert set(calibration.machine) == {"processor", "cores", "system", "python", "torch", "pytorch_lightning"}
    assert (asked["limits"], asked["repeats"], asked["seed"], asked["throttle"]) == (LIMITS, 3, 5, DutyCycle())
    jobs = asked["jobs"]
    trained = [job.func.__self__ for job in jobs.values()]
    assert trained == [LSTMIdentity(), AutoencoderIdentity()]
    assert [len(job.args[0]) for job in jobs.values()] == [50, 50] == [calibration.samples] * 2
    models = calibration.models
    assert (models["lstm"].data, models["autoencoder"].data) == ("traffic_7", "pollution_7")
    assert models["lstm"].real is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"plan": CalibrationPlan(samples=61)}, "61 samples; traffic_7 has 60"),
        ({"throttle": "docker"}, "unknown throttle"),
        ({"folder": Path("nowhere")}, "0 traffic sensors in nowhere, not 1; fetch the data first"),
    ],
)
def test_bad_settings_write_nothing(streams: Path, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    usual: dict[str, Any] = {"folder": streams, "plan": CalibrationPlan(samples=50), "throttle": "signals"}
    with pytest.raises(InputError, match=message):
        calibrate(out=tmp_path / "out.json", **(usual | options))
    assert not (tmp_path / "out.json").exists()


def test_the_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    streams: Path,
    asked: dict[str, Any],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["calibrate", "--folder", str(streams), "--samples", "50", "--throttle", "signals", "--out", "mine.json"]
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 0
    assert (asked["limits"], asked["repeats"]) == (LIMITS, 3), "as the settings say"
    text = capsys.readouterr().out
    for part in ("SIGSTOP", "lstm: limits held out are off by", "calibration: mine.json"):
        assert part in text
    for options, message in ((["--limit", "200", "--limit", "100"], "limits is"), (["--repeats", "0"], "repeats is 0")):
        with pytest.raises(SystemExit) as caught:
            cli.main([*words, *options])
        assert caught.value.code == 2
        assert message in capsys.readouterr().err


@dataclass(frozen=True)
class Busy:
    """Takes CPU time for a training, and fails where it is told to."""

    cpu: float = 0.02
    fails: bool = False

    def fit(self, seed: int) -> None:
        if self.fails:
            os._exit(3)
        begin = time.process_time()
        while time.process_time() - begin < self.cpu:
            pass


@dataclass
class Spy:
    """A throttle that only remembers."""

    name: str = "spy"
    seen: list[tuple[int, float]] = field(default_factory=list)
    active: int = 0

    @contextmanager
    def limit(self, pid: int, millicores: float) -> Iterator[None]:
        self.seen.append((pid, millicores))
        self.active += 1
        yield
        self.active -= 1


def test_trainings_are_measured_under_every_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    spy, lines = Spy(), list[str]()
    jobs = {"one": Busy(0.02).fit, "two": Busy(0.3).fit}
    monkeypatch.setattr(module, "MIN_CPU_SECONDS", 0.05)
    plan = CalibrationPlan(limits=(100, 200, 300, 400), repeats=2)
    measured = measure(jobs, plan, throttle=spy, seed=1, progress=lines.append)
    for runs in measured.values():
        assert [(run.limit, run.repeat) for run in runs] == [(float(r), k) for r in plan.limits for k in (0, 1)]
    assert len(spy.seen) == len(lines) == 16
    assert spy.active == 0
    assert len({pid for pid, _ in spy.seen}) == 1, "one process trains all"
    for run in measured["one"]:
        assert run.trainings > 1, "a short training is done several times in a row"
        assert 0.02 <= run.cpu_seconds < 0.2
    for run in measured["two"]:
        assert run.trainings == 1
        assert 0.3 <= run.cpu_seconds <= run.seconds * 1.01
        assert run.load >= 0
    first, second = ([line.split(": ")[1] for line in lines[8 * k : 8 * k + 8]] for k in (0, 1))
    assert sorted(first) == sorted(second)
    assert first != second, "the order is drawn within a repeat"
    assert all(line.startswith("repeat 1 of 2") for line in lines[:8])


def test_a_training_that_fails_is_an_error() -> None:
    with pytest.raises(RunError, match="the process that trains ended"):
        measure({"one": Busy(fails=True).fit}, CalibrationPlan(), throttle=Spy())


LONG = """\
import os, sys, time
from pathlib import Path
from edgeresearch.profiling.cpu_limit import CalibrationPlan, DutyCycle
from edgeresearch.profiling.training_cost import measure
def train(seed):
    Path(sys.argv[1], f"{os.getpid()}.worker").touch()
    begin = time.process_time()
    while time.process_time() - begin < 0.05:
        pass
if __name__ == "__main__":
    plan = CalibrationPlan(limits=(10, 11, 12, 13))
    measure({"one": train}, plan, throttle=DutyCycle(), progress=lambda line: Path(sys.argv[1], "limited").touch())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a worker may outlive its parent")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_that_trains_ends_with_its_parent(tmp_path: Path, number: int) -> None:
    """A training takes more than a minute under these limits, and is stopped most of the time."""
    script, seen = tmp_path / "long.py", tmp_path / "seen"
    script.write_text(LONG)
    seen.mkdir()
    environment = os.environ | {"PYTHONPATH": str(COMMITTED.parents[1])}
    words = [sys.executable, str(script), str(seen)]
    parent = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
    worker = None
    try:
        until = time.monotonic() + 60
        while not (seen / "limited").exists():
            assert time.monotonic() < until
            assert parent.poll() is None
            time.sleep(0.05)
        worker = psutil.Process(int(next(seen.glob("*.worker")).stem))
        time.sleep(0.3)
        assert worker.is_running()
        parent.send_signal(number)
        assert parent.wait(timeout=20) != 0
        assert psutil.wait_procs([worker], timeout=10)[1] == []
    finally:
        parent.kill()
        parent.wait()
        if worker is not None and worker.is_running():
            worker.kill()


def test_the_times_are_those_of_a_training() -> None:
    seeds: list[int] = []
    for seed, count in ((7, 1), (8, 3)):
        seconds, used = time_trainings(lambda seed: seeds.append(seed), seed, count)
        assert 0 <= used <= seconds + 0.05
    assert seeds == [7, 8, 8, 8]
    rows = np.random.default_rng(0).normal(size=(200, 3))
    seconds, used = time_trainings(partial(AutoencoderIdentity(epochs=1).fit, rows, accelerator="cpu"), 7)
    assert 0 < used <= seconds * 1.5
