import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgeresearch.errors import InputError
from edgeresearch.forecast import compare as work
from edgeresearch.forecast.evaluate import Evaluation
from edgeresearch.forecast.models import MODELS
from edgeresearch.params import Forecast
from edgeresearch.series.trace import Origin, Trace

MODELS_HERE = ("ridge", "random_forest", "lstm_paper", "lstm", "last_value", "seasonal_naive")


def _settings(**changes: Any) -> dict[str, Any]:
    small = {
        "models": MODELS_HERE,
        "max_steps": 700,
        "window": 12,
        "seeds": 2,
        "workers": 1,
        "bootstrap": {"resamples": 20, "block": 10},
        "forest": {"trees": 3},
        "lstm_paper": {"hidden": 4, "epochs": 1, "batch": 64, "learning_rate": 0.01, "max_windows": 200},
        "lstm": {"hidden": 4, "epochs": 1, "learning_rate": 0.01, "members": 1},
    }
    return Forecast().model_dump() | small | changes


def _trace(name: str = "elb", steps: int = 900, sha256: str = "") -> Trace:
    index = pd.date_range("2024-01-01", periods=steps, freq="15min", unit="ns")
    rng = np.random.default_rng(3)
    values = 50 + 10 * np.sin(np.arange(steps) * 2 * np.pi / 96) + rng.normal(size=steps)
    origin = Origin("registry" if sha256 else "synthetic", sha256=sha256, real=bool(sha256), note="a note")
    frame = pd.DataFrame({"requests": values}, index=index)
    return Trace(name, frame, pd.Timedelta("15min"), "requests per 15 min", origin, {}, 96)


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return work.compare(_trace(), _settings(), seed=7)


def test_every_setting_reaches_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def pose(series: Trace, **options: Any) -> str:
        seen["pose"] = options
        return "problem"

    def evaluate(problem: str, **options: Any) -> str:
        seen["evaluate"] = options
        return problem

    monkeypatch.setattr(work, "pose", pose)
    monkeypatch.setattr(work, "evaluate", evaluate)
    settings = Forecast().model_dump()
    assert work.compare(_trace(), settings, seed=7) == "problem"
    used = seen["pose"] | seen["evaluate"]
    nested = used.pop("settings")
    assert nested == {"forest": {"n_estimators": 100}, "lstm_paper": settings["lstm_paper"], "lstm": settings["lstm"]}
    assert used == {
        **{
            key: value
            for key, value in settings.items()
            if key not in ("traces", "bootstrap", "forest", "lstm", "lstm_paper")
        },
        "root_seed": 7,
        "resamples": 1000,
        "block": 60,
    }


def test_all_models_of_the_settings_are_judged(found: Evaluation) -> None:
    assert list(dict.fromkeys(found.scores["model"])) == list(MODELS_HERE)
    seeds = dict(zip(found.scores["model"], found.scores["seeds"], strict=True))
    assert seeds == {name: 2 if MODELS[name].random else 1 for name in MODELS_HERE}
    assert set(found.scores["horizon"]) == {1, 5}


def test_scores_say_what_they_are_of(found: Evaluation) -> None:
    table = work.described(found.scores, _trace(sha256="f" * 64))
    assert list(table.columns[:2]) == ["trace", "real"]
    row = table.iloc[0]
    assert (row["trace"], row["real"], row["note"], row["sha256"]) == ("elb", True, "a note", "f" * 64)
    assert (row["label"], row["role"], row["step_seconds"]) == ("ridge regression", "paper", 900)
    assert "trace" not in found.scores


def test_a_series_without_file_has_the_checksum_of_its_values(found: Evaluation) -> None:
    series = _trace()
    table = work.described(found.scores, series)
    assert set(table["sha256"]) == {hashlib.sha256(series.values.to_numpy().tobytes()).hexdigest()}
    assert not table["real"].any()


def test_results_are_written_with_the_same_bytes_every_time(found: Evaluation, tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        again = found if name == "a" else work.compare(_trace(), _settings(), seed=7)
        target = work.write(_trace(), again, tmp_path / name)
        assert target == work.places("elb", tmp_path / name)
        contents.append([path.read_bytes() for path in (target.scores, target.choices, target.forecasts)])
    assert contents[0] == contents[1]
    assert target.scores.relative_to(tmp_path / "b").as_posix() == "reports/tables/forecast/elb.csv"
    forecasts = pd.read_parquet(target.forecasts)
    assert list(forecasts.columns) == ["made", "truth", "forecast", "low", "high", "horizon", "model"]
    assert forecasts["truth"].dtype == "float32"
    assert pd.read_csv(target.choices)["model"].unique().tolist() == ["lstm"]


def test_no_choices_are_an_empty_table(tmp_path: Path) -> None:
    found = work.compare(_trace(), _settings(models=("last_value",)), seed=0)
    target = work.write(_trace(), found, tmp_path)
    assert target.choices.read_text() == "model,seed,choice\n"


def test_the_stand_in_depends_on_the_seed_alone(tmp_path: Path) -> None:
    one, same, other = (work.trace("paper_a", tmp_path, seed) for seed in (1, 1, 2))
    assert one.name == "paper_a"
    assert one.values.equals(same.values)
    assert not one.values.equals(other.values)
    assert not one.origin.real


def test_other_traces_are_read_from_the_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nab_elb_request_count"):
        work.trace("elb", tmp_path, 1)
    with pytest.raises(InputError, match=r"unknown request trace 'x'; choose one of nasa, .*, paper_a"):
        work.trace("x", tmp_path, 1)


def test_a_short_trace_is_refused() -> None:
    with pytest.raises(InputError, match="elb has 20 points"):
        work.compare(_trace(steps=20), _settings(), seed=0)


def test_timings_replace_the_older_ones_of_the_same_trace(found: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "measured" / "fit_seconds.csv"
    work.update_timings(path, "nasa", found.seconds)
    table = work.update_timings(path, "elb", found.seconds)
    assert table["trace"].tolist() == ["elb"] * 6 + ["nasa"] * 6
    again = work.update_timings(path, "elb", found.seconds.assign(fit_seconds=0.1234567).iloc[:1])
    assert len(again) == 12
    written = pd.read_csv(path)
    assert list(written.columns) == work.TIMING_COLUMNS
    assert written.loc[(written["trace"] == "elb") & (written["model"] == "ridge"), "fit_seconds"].tolist() == [0.123]
    assert set(written["machine"]) == {work.machine()}


def test_timings_start_from_a_file_with_a_header_only(found: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "fit_seconds.csv"
    path.write_text(",".join(work.TIMING_COLUMNS) + "\n")
    assert len(work.update_timings(path, "elb", found.seconds)) == 6


@pytest.mark.parametrize(
    ("text", "message"), [("a,b\n1,2\n", "has not the columns trace"), ("", "cannot read the timings")]
)
def test_another_file_is_not_overwritten(found: Evaluation, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        work.update_timings(path, "elb", found.seconds)
    assert path.read_text() == text


def test_the_machine_is_described_without_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cores, Python 3." in work.machine()

    def fail(*_: Any, **__: Any) -> str:
        raise OSError

    monkeypatch.setattr(Path, "read_text", fail)
    assert work.machine().startswith(__import__("platform").machine())
