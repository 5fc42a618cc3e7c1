"""How long trainings take under CPU limits, measured."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgeresearch import cli
from edgeresearch.anomaly.base import Array
from edgeresearch.anomaly.identity import LSTM, Autoencoder
from edgeresearch.data.trace import Origin, Trace
from edgeresearch.errors import InputError, RunError
from edgeresearch.profiling import training_cost as module
from edgeresearch.profiling.cpu_limit import DutyCycle
from edgeresearch.profiling.training_cost import (
    FEWEST,
    Calibration,
    Run,
    Subject,
    calibrate,
    curves,
    lines,
    load_range,
    measure,
    model,
    read,
    shown,
    work,
    written,
)
from edgeresearch.scheduling.runtime_model import Curve

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "data" / "calibration.json"
TRUE = Curve(900.0, 20.0, 1.0, 0.5)
LIMITS = (100, 150, 250, 400, 600, 850)


def _runs(curve: Curve = TRUE, noise: float = 0.0, repeats: int = 3, limits: tuple[int, ...] = LIMITS) -> list[Run]:
    rng = np.random.default_rng(0)
    return [
        Run(float(limit), repeat, curve.seconds(limit) * float(np.exp(noise * rng.normal())), 0.9, 1, 0.5 + repeat)
        for limit in limits
        for repeat in range(repeats)
    ]


def _calibration(**models: Any) -> Calibration:
    return Calibration(
        throttle="mine",
        period=0.1,
        machine={"cores": 2, "processor": "a chip"},
        load=(0.5, 1.0, 2.0),
        samples=1000,
        models=models or {"lstm": model(_runs(), data="traffic_1", real=True)},
    )


def test_without_noise_eq_1_is_found_and_holds_everywhere() -> None:
    found = model(_runs(), data="traffic_1", real=True)
    for limit in (60, 100, 333, 1000):
        assert Curve(**found.curve.model_dump()).seconds(limit) == pytest.approx(TRUE.seconds(limit), rel=0.02)
    assert found.held_out_limits.worst_percent < 2
    assert found.held_out_repeats is not None
    assert found.held_out_repeats.worst_percent < 1
    assert found.sampled.below.median_percent < 3
    assert found.noise < 0.01


def test_what_is_held_out() -> None:
    found = model(_runs(noise=0.05), data="traffic_1", real=True)
    assert found.held_out_limits.runs == 4 * 3, "every limit inside, every repeat"
    assert found.held_out_repeats is not None
    assert found.held_out_repeats.runs == 6 * 3
    region = found.sampled
    assert (region.low, region.high) == (100, 850)
    assert (region.below.limit, region.below.factor) == (100, 1.5)
    assert (region.above.limit, region.above.factor) == (850, 850 / 600)
    assert region.below.runs == region.above.runs == 3
    assert 0.03 < found.noise < 0.08


def test_a_held_out_limit_is_not_seen_by_its_fit() -> None:
    """One limit is off by half: fits that saw it would hide that."""
    runs = [run._replace(seconds=run.seconds * (1.5 if run.limit == 250 else 1)) for run in _runs()]
    found = model(runs, data="traffic_1", real=True)
    assert found.held_out_limits.worst_percent == pytest.approx(100 / 3, abs=3)


def test_one_repeat_leaves_none_to_hold_out() -> None:
    found = model(_runs(repeats=1), data="traffic_1", real=False)
    assert found.held_out_repeats is None
    assert found.held_out_limits.runs == 4


def test_too_few_limits() -> None:
    with pytest.raises(InputError, match="3 limits; eq. 1 and a limit held out take at least 4"):
        model(_runs(limits=LIMITS[:3]), data="traffic_1", real=True)


def test_the_share_that_was_granted() -> None:
    runs = [run._replace(cpu_seconds=run.seconds * run.limit / 1000 * 0.8) for run in _runs()]
    assert model(runs, data="traffic_1", real=True).granted == pytest.approx(0.8)


def test_the_load_during_the_measurement() -> None:
    assert load_range(_runs()) == (0.5, 1.5, 2.5)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(written(_calibration())))
    again = read(path)
    assert again.models["lstm"].curve.a == pytest.approx(_calibration().models["lstm"].curve.a, rel=1e-5)
    assert written(again) == written(_calibration())
    assert again.machine == {"cores": 2, "processor": "a chip"}


def test_the_emulator_gets_a_curve_for_each_kind_of_job(tmp_path: Path) -> None:
    slow = Curve(2 * TRUE.a, TRUE.b, TRUE.c, 2 * TRUE.d)
    path = tmp_path / "calibration.json"
    found = _calibration(
        lstm=model(_runs(), data="traffic_1", real=True),
        autoencoder=model(_runs(slow), data="pollution_1", real=True),
    )
    path.write_text(json.dumps(written(found)))
    given = curves(path)
    assert set(given) == {"lstm", "autoencoder"}
    for limit in LIMITS:
        assert given["lstm"].seconds(limit) == pytest.approx(TRUE.seconds(limit), rel=0.02)
        assert given["autoencoder"].seconds(limit) == pytest.approx(2 * TRUE.seconds(limit), rel=0.02)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read .*; measure with 'edgeresearch calibrate'"),
        ("{", "is no JSON"),
        ("[]", "holds a list, no calibration"),
        ('{"throtle": 1}', "unknown key throtle; did you mean throttle"),
        ("{}", "throttle"),
    ],
)
def test_a_file_that_is_no_calibration(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "calibration.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        curves(path)


@pytest.mark.parametrize("change", [{"a": -1.0}, {"c": 0.0}, {"d": "1"}])
def test_a_curve_that_is_none(tmp_path: Path, change: dict[str, Any]) -> None:
    data = written(_calibration())
    data["models"]["lstm"]["curve"] |= change
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=f"models.lstm.curve.{next(iter(change))} is"):
        read(path)


def test_the_committed_calibration_holds_inside_its_limits() -> None:
    found = read(COMMITTED)
    assert set(found.models) == {"lstm", "autoencoder"}
    for each in found.models.values():
        assert each.held_out_limits.median_percent <= 15
        assert len({run.limit for run in each.runs}) >= 6
        assert min(sum(run.limit == other.limit for run in each.runs) for other in each.runs) >= 3
        again = model([Run(**run.model_dump()) for run in each.runs], data=each.data, real=each.real)
        assert again.held_out_limits.median_percent == pytest.approx(each.held_out_limits.median_percent, rel=0.02)
        curve = Curve(**each.curve.model_dump())
        for run in each.runs:
            assert Curve(**again.curve.model_dump()).seconds(run.limit) == pytest.approx(
                curve.seconds(run.limit), rel=0.02
            )
    assert found.load[1] >= 0


def test_what_is_shown() -> None:
    table = shown(_calibration())
    assert table.columns.tolist() == ["model", "millicores", "seconds", "eq. 1", "off %"]
    assert table["millicores"].tolist() == list(LIMITS)
    np.testing.assert_allclose(table["seconds"], [TRUE.seconds(limit) for limit in LIMITS])
    np.testing.assert_allclose(table["off %"], 0, atol=2)
    first, *_, last = lines(_calibration())
    assert first.startswith("lstm: limits held out are off by 0.")
    assert "outside of 100 to 850 millicores eq. 1 extrapolates" in first
    assert last == "load of the machine: 1.0 (from 0.5 to 2.0) on 2 cores"


def test_a_limit_that_was_not_granted_is_told() -> None:
    fair, starved = (
        model(
            [run._replace(cpu_seconds=run.seconds * run.limit / 1000 * share) for run in _runs()],
            data="traffic_1",
            real=True,
        )
        for share in (1.0, 0.4)
    )
    notes = [line for line in lines(_calibration(lstm=fair, autoencoder=starved)) if line.startswith("note")]
    assert len(notes) == 1
    assert notes[0].startswith("note: autoencoder had 40 % of its limits")


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that seems to hold one sensor of each kind, of 60 samples."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)))

    def load(kind: str) -> Any:
        origin = Origin("synthetic", "made.csv", "0" * 64, False)
        return lambda folder, sensor: Trace(f"{kind}_{sensor}", frame, pd.Timedelta("5min"), "", origin, {})

    monkeypatch.setattr(module.datasets, "sensors", lambda folder, kind: [7] if (folder / kind).exists() else [])
    for kind in ("traffic", "pollution"):
        (tmp_path / "raw" / kind).mkdir(parents=True)
        monkeypatch.setattr(module.datasets, kind, load(kind))
    return tmp_path / "raw"


def test_a_whole_calibration(streams: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def measured(subjects: Any, **options: Any) -> dict[str, list[Run]]:
        asked.update(options, subjects=subjects)
        return {name: _runs() for name in subjects}

    monkeypatch.setattr(module, "measure", measured)
    out = tmp_path / "new" / "calibration.json"
    found = calibrate(streams, out, limits=LIMITS, repeats=3, samples=50, wanted="signals", seed=5)
    assert read(out).models.keys() == {"lstm", "autoencoder"}
    assert found.throttle == DutyCycle().name == read(out).throttle
    assert (asked["limits"], asked["repeats"], asked["seed"], asked["throttle"]) == (LIMITS, 3, 5, DutyCycle())
    assert isinstance(asked["subjects"]["lstm"].identity, LSTM)
    assert isinstance(asked["subjects"]["autoencoder"].identity, Autoencoder)
    assert len(asked["subjects"]["lstm"].samples) == found.samples == 50
    assert (found.models["lstm"].data, found.models["autoencoder"].data) == ("traffic_7", "pollution_7")
    assert found.models["lstm"].real is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limits": [100, 200, 300]}, f"3 limits; .* at least {FEWEST}"),
        ({"samples": 61}, "61 samples; traffic_7 has 60"),
        ({"samples": 1}, "1 samples"),
        ({"repeats": 0}, "one repeat or more"),
        ({"limits": [5, 100, 200, 300], "wanted": "docker"}, "unknown throttle"),
    ],
)
def test_bad_settings_write_nothing(streams: Path, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    usual: dict[str, Any] = {"limits": LIMITS, "repeats": 1, "samples": 50, "wanted": "signals"}
    with pytest.raises(InputError, match=message):
        calibrate(streams, tmp_path / "out.json", **(usual | options))
    assert not (tmp_path / "out.json").exists()


def test_without_data(streams: Path, tmp_path: Path) -> None:
    (streams / "pollution").rmdir()
    with pytest.raises(InputError, match="no pollution data in .*; fetch it with 'edgeresearch data'"):
        calibrate(streams, tmp_path / "out.json", limits=LIMITS, repeats=1, samples=50)


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], streams: Path
) -> None:
    asked: dict[str, Any] = {}

    def measured(subjects: Any, **options: Any) -> dict[str, list[Run]]:
        asked.update(options)
        return {name: _runs(limits=tuple(options["limits"])) for name in subjects}

    monkeypatch.setattr(module, "measure", measured)
    monkeypatch.chdir(tmp_path)
    words = ["calibrate", "--folder", str(streams), "--samples", "50", "--throttle", "signals", "--out", "mine.json"]
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 0
    assert (asked["limits"], asked["repeats"]) == (LIMITS, 3), "as the settings say"
    text = capsys.readouterr().out
    assert "SIGSTOP" in text
    assert "lstm: limits held out are off by" in text
    assert "calibration: mine.json" in text
    with pytest.raises(SystemExit) as caught:
        cli.main([*words, "--limit", "100", "--limit", "200"])
    assert caught.value.code == 2
    assert "2 limits" in capsys.readouterr().err


ROWS = np.zeros((20, 2))


@dataclass(frozen=True)
class Busy:
    """Takes CPU time for a training, and fails where it is told to."""

    cpu: float = 0.02
    fails: bool = False

    def fit(self, samples: Any, *, seed: int, start: Any = None, accelerator: str = "auto") -> Any:
        if self.fails:
            raise SystemExit(3)
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
    def limited(self, pid: int, millicores: float) -> Iterator[None]:
        self.seen.append((pid, millicores))
        self.active += 1
        yield
        self.active -= 1


@dataclass
class Recorder:
    """An identity function that remembers its trainings; for the worker in this process."""

    seen: list[tuple[Array, int]] = field(default_factory=list)

    def fit(self, samples: Any, *, seed: int, start: Any = None, accelerator: str = "auto") -> Any:
        self.seen.append((samples, seed))


@pytest.fixture(scope="module")
def measured() -> tuple[dict[str, list[Run]], Spy, list[str]]:
    spy, told = Spy(), list[str]()
    subjects = {"one": Subject(Busy(0.02), ROWS), "two": Subject(Busy(0.3), ROWS)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LEAST", 0.05)
        found = measure(subjects, limits=[300, 100, 200], repeats=2, throttle=spy, seed=1, tell=told.append)
    return found, spy, told


def test_every_limit_and_repeat_once(measured: tuple[dict[str, list[Run]], Spy, list[str]]) -> None:
    found, spy, told = measured
    for runs in found.values():
        assert [(run.limit, run.repeat) for run in runs] == [(r, k) for r in (100.0, 200.0, 300.0) for k in (0, 1)]
    assert len(spy.seen) == len(told) == 12
    assert spy.active == 0
    assert len({pid for pid, _ in spy.seen}) == 1, "one process trains all"


def test_times_are_those_of_one_training(measured: tuple[dict[str, list[Run]], Spy, list[str]]) -> None:
    found, _, _ = measured
    for run in found["one"]:
        assert run.trainings > 1, "a short training is done several times in a row"
        assert 0.02 <= run.cpu_seconds < 0.2
    for run in found["two"]:
        assert run.trainings == 1
        assert 0.3 <= run.cpu_seconds <= run.seconds * 1.01
        assert run.load >= 0


def test_the_order_is_drawn_within_a_repeat(measured: tuple[dict[str, list[Run]], Spy, list[str]]) -> None:
    _, _, told = measured
    first, second = ([line.split(": ")[1] for line in told[6 * k : 6 * k + 6]] for k in (0, 1))
    assert sorted(first) == sorted(second)
    assert first != second
    assert all(line.startswith("repeat 1 of 2") for line in told[:6])


@pytest.mark.parametrize(
    "options",
    [
        {"subjects": {}},
        {"limits": []},
        {"repeats": 0},
        {"limits": [100, 100]},
    ],
)
def test_nothing_to_measure(options: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"subjects": {"one": Subject(Busy(), ROWS)}, "limits": [100], "repeats": 1}
    with pytest.raises(InputError, match="name at least one model and one limit"):
        measure(**(usual | options), throttle=Spy())


def test_a_training_that_fails_is_told() -> None:
    with pytest.raises(RunError, match="the process that trains ended"):
        measure({"one": Subject(Busy(fails=True), ROWS)}, limits=[100], repeats=1, throttle=Spy())


def test_the_worker_trains_on_order_and_ends() -> None:
    ours, theirs = Pipe()
    recorder = Recorder()
    for order in (("one", 7, 1), ("one", 8, 3), None):
        ours.send(order)
    work(theirs, {"one": Subject(recorder, ROWS)})
    assert [seed for _, seed in recorder.seen] == [7, 8, 8, 8]
    assert all(samples is ROWS for samples, _ in recorder.seen)
    for _ in range(2):
        seconds, used = ours.recv()
        assert 0 <= used <= seconds + 0.05
    assert not ours.poll()


def test_the_worker_trains_the_real_thing() -> None:
    ours, theirs = Pipe()
    rows = np.random.default_rng(0).normal(size=(200, 3))
    for order in (("autoencoder", 7, 1), None):
        ours.send(order)
    work(theirs, {"autoencoder": Subject(Autoencoder(epochs=1), rows)})
    seconds, used = ours.recv()
    assert 0 < used <= seconds * 1.5
