"""A user's own trace, from Python and by the real command line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import edgeresearch
from edgeresearch import cli
from edgeresearch.autoscaling import api
from edgeresearch.autoscaling.api import Report, elastic_file
from edgeresearch.autoscaling.policies import Combined, Fixed
from edgeresearch.errors import InputError

ROWS = 120


def _trace(rows: int = ROWS, **columns: Any) -> pd.DataFrame:
    hits = np.random.default_rng(0).poisson(6000 + 4000 * np.sin(np.arange(rows) / 4))
    times = pd.date_range("2024-03-01", periods=rows, freq="1min")
    return pd.DataFrame({"time": times, "hits": hits, **columns})


def _replayed(table: pd.DataFrame, **options: Any) -> Report:
    table.to_csv("trace.csv", index=False)
    return elastic_file("trace.csv", "out", **{"forecaster": "ridge", "repeats": 1, **options})


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_strategy_and_the_files() -> None:
    told: list[str] = []
    report = _replayed(_trace(), repeats=2, tell=told.append)
    assert len(report.table) == 10
    assert set(report.table["repeats"]) == {2}
    assert {path.name for path in Path("out").iterdir()} == {"table.csv", "report.json"}
    facts = json.loads(Path("out/report.json").read_text())
    assert facts["advice"] == report.advice.line
    assert facts["settings"]["q_max"] == 20
    assert len(facts["data"]["sha256"]) == 64
    assert facts["replayed_from"] == "2024-03-01 01:12:00"
    assert "unit: 'hits' counts requests per 1 min" in facts["said"]
    assert pd.read_csv("out/table.csv")["strategy"].tolist() == report.table["strategy"].tolist()
    assert told == ["fitting ridge on 288 decisions", *(f"replaying 7 strategies, repeat {k} of 2" for k in (1, 2))]
    assert report.intervals["time"].iloc[0] == pd.Timestamp("2024-03-01 01:12")


def test_it_is_repeatable_and_the_seed_counts() -> None:
    first, second, third = (_replayed(_trace(), start_spread=5, seed=seed).table for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(third)


def test_the_replayed_part_cannot_reach_what_was_learnt() -> None:
    """Neither the fit nor an earlier forecast changes with what comes later."""
    table = _trace()
    changed = table.copy()
    changed.loc[110:, "hits"] = 50
    first, second = (_replayed(one, unit="per-step").intervals for one in (table, changed))
    early = first["time"] < pd.Timestamp("2024-03-01 01:48")  # the slot before the change already leans towards it
    for column in ("wanted", "forecast", "load"):
        blind = (first["strategy"] != "oracle") & early
        if column == "forecast":
            blind &= first["forecaster"] == "ridge"
        np.testing.assert_allclose(first.loc[blind, column], second.loc[blind, column])


def test_a_forecast_stands_beside_what_it_is_of() -> None:
    report = _replayed(_trace(400), forecaster="last_value")
    shown = report.intervals[report.intervals["strategy"] == "advance"]
    ahead = report.facts["horizon"]
    np.testing.assert_allclose(shown["forecast"].iloc[ahead:], shown["load"].iloc[:-ahead])
    assert shown["forecast"].iloc[: ahead - 1].isna().all()


def test_a_rule_of_ones_own_is_replayed_beside_the_others() -> None:
    report = _replayed(_trace(), strategies=["combined"], rules={"mine": Combined(), "ten": Fixed(10)})
    table = report.table.set_index(["strategy", "forecaster"])
    for maker in ("ridge", "last_value"):
        pd.testing.assert_series_equal(table.loc[("mine", maker)], table.loc[("combined", maker)], check_names=False)
    assert set(report.intervals.loc[report.intervals["strategy"] == "ten", "wanted"]) == {10}
    assert json.loads(Path("out/report.json").read_text())["strategies"][-2:] == ["mine", "ten"]


def test_a_rule_cannot_take_the_name_of_another() -> None:
    with pytest.raises(InputError, match="rule 'hpa' has the name of a strategy that is there; give it another"):
        _replayed(_trace(), rules={"hpa": Fixed(10)})
    assert os.listdir() == ["trace.csv"]


def test_the_compared_strategies_are_always_there() -> None:
    report = _replayed(_trace(), strategies=["fixed"])
    assert report.table["strategy"].tolist() == ["fixed", "responsive", "hpa"]
    assert report.intervals["forecast"].isna().all()
    assert any(line.startswith("fixed: ") for line in report.said)


@pytest.mark.parametrize(
    ("column", "unit", "load"),
    [("hits", "per-second", 6000), ("hits", "per-minute", 100), ("hits", "per-hour", 6000 / 3600), ("hits", None, 100)],
)
def test_units(column: str, unit: str | None, load: float) -> None:
    report = _replayed(_trace(), unit=unit, strategies=["hpa"], maximum=2000)
    assert report.intervals["load"].mean() == pytest.approx(load, rel=0.1)


def test_a_column_can_say_its_unit_and_a_load_be_scaled() -> None:
    report = _replayed(_trace().rename(columns={"hits": "hits per second"}), strategies=["hpa"], maximum=50)
    assert "unit: 'hits per second' says it" in report.said
    assert "note: that is above the maximum of 50 replicas, so overload is certain" in report.said
    report = _replayed(_trace(), scale=3.0, strategies=["hpa"])
    assert report.intervals["load"].mean() == pytest.approx(3, rel=0.15)
    assert any(line.startswith("note: so few pods") for line in report.said)
    assert any(line.startswith("note: within a step of 1 min the load is interpolated") for line in report.said)


def test_steps_below_a_second_and_the_newest_of_a_long_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "LONGEST", 7000)
    hits = np.random.default_rng(0).poisson(50, 8000)
    report = _replayed(pd.DataFrame({"hits": hits}), step="500ms", strategies=["hpa"], repeats=3)
    assert report.terms.settings.dt == 0.5
    assert report.terms.mean == pytest.approx(2 * hits[-7000:].mean())
    assert "trace: the newest 7000 of 8000 rows are used, from 2024-01-01 00:08:20 on" in report.said
    assert report.table["repeats"].tolist() == [1, 1]
    assert "repeats: 1, not 3, as nothing is random; a spread of the start delays would be" in report.said
    assert not any("interpolated" in line for line in report.said)


def test_a_filled_trace_is_one_with_straight_lines() -> None:
    whole, words = _trace(), "filled: 3 of 120 steps, in 2 gaps of at most 2, by straight lines"
    whole.loc[29:32, "hits"] = [9000, 9100, 9200, 9300]
    whole.loc[59:61, "hits"] = [5000, 4500, 4000]
    first = _replayed(whole.drop(index=[30, 31, 60]), fill=2, unit="per-step")
    second = _replayed(whole, unit="per-step")
    pd.testing.assert_frame_equal(first.table, second.table)
    assert any(line.startswith(words) for line in first.said)
    assert first.facts["fill"] == 2
    assert first.facts["data"]["repairs"]["filled"] == 3
    assert "filled" not in second.facts["data"]["repairs"]


def test_the_newest_of_a_long_trace_can_be_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "LONGEST", 600)
    table = _trace()
    table.loc[60:, "hits"] = 0
    with pytest.raises(InputError, match="the 10 rows that are used, the newest, have no request; cut the file"):
        _replayed(table)


def test_nothing_to_replay() -> None:
    table = _trace()
    table.loc[60:, "hits"] = 0
    with pytest.raises(InputError, match="the last 40% of the trace, which is replayed, has no request; cut the file"):
        _replayed(table)


BAD: dict[str, tuple[pd.DataFrame, list[str], str]] = {
    "negative": (_trace().assign(hits=lambda t: t["hits"].where(t.index != 7, -3)), [], "is negative; mend the trace"),
    "infinite": (_trace().assign(hits=lambda t: t["hits"].where(t.index != 7, np.inf)), [], "is no finite number"),
    "gaps": (
        _trace().drop(index=[30, 31]),
        [],
        "2 of 120 steps of 1 min are missing, the first at 2024-03-01 00:30:00; let --fill interpolate gaps up to a "
        "length (the longest here is 2), or cut the file to its longest stretch without gaps, 2024-03-01 00:32:00 to "
        "2024-03-01 01:59:00",
    ),
    "a long gap": (_trace().drop(index=[30, 31]), ["--fill", "1"], "are missing in gaps longer than 1, the first at"),
    "fill": (_trace(), ["--fill", "-1"], "fill -1 is below 0; use 0 or more"),
    "no capacity": (_trace(), ["--qmax", "0"], "q_max is 0; give a number above 0"),
    "less than none": (_trace(), ["--qmax", "-5"], "q_max is -5; give a number above 0"),
    "a long start": (_trace(), ["--start-delay", "7200"], "a pod takes up to 7200 s to start, the trace lasts 7200 s"),
    "a rather long start": (_trace(), ["--start-delay", "3000"], "use a longer trace or decide more often"),
    "swapped bounds": (_trace(), ["--min", "5", "--max", "3"], "minimum replicas 5 is above maximum replicas 3"),
    "strategy": (
        _trace(),
        ["--strategy", "combind"],
        "unknown strategy 'combind'; did you mean combined?; known: advance, responsive, combined, fixed, hpa, ",
    ),
    "forecaster": (_trace(), ["--forecaster", "lstn"], "unknown model 'lstn'; did you mean lstm?"),
    "no season": (_trace(), ["--forecaster", "seasonal_naive"], "forecaster seasonal_naive needs a season"),
    "interval": (_trace(), ["--every", "1.5"], "decisions every 1.5 s do not fall on steps of 1 s"),
    "no interval": (_trace(), ["--every", "0"], "decisions every 0 s do not fall on steps of 1 s"),
    "unit": (_trace(), ["--unit", "per-day"], "unknown unit 'per-day'; known: per-second, per-minute, per-hour"),
    "scale": (_trace(), ["--scale", "0"], "mean load is 0; give a number above 0"),
    "repeats": (_trace(), ["--repeats", "0"], "repeats 0 is below 1; use 1 or more"),
    "seed": (_trace(), ["--seed", "-1"], "seed -1 is below 0; use 0 or more"),
    "spread": (_trace(), ["--start-spread", "40"], "start_spread 40 is above start_delay 30"),
    "a short trace": (_trace(20), [], "trace lasts 1200 s; to learn on 60% of it with decisions every 15 s and"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_nothing_is_written(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    table, words, message = BAD[name]
    table.to_csv("trace.csv", index=False)
    with pytest.raises(SystemExit) as caught:
        cli.main(["elastic", "trace.csv", "--out", "out", *words])
    assert caught.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith("error: ")
    assert text.count("\n") == 1
    assert message in text
    assert os.listdir() == ["trace.csv"]


def test_the_real_command(here: Path) -> None:
    _trace().to_csv("trace.csv", index=False)
    env = os.environ | {"PYTHONPATH": str(Path(edgeresearch.__file__).parents[1])}
    command = [sys.executable, "-m", "edgeresearch", "elastic", "trace.csv", "--out", "out", "--strategy", "?"]
    done = subprocess.run(command, cwd=here, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: unknown strategy '?'; known: advance, responsive, combined, fixed, hpa, quantile, oracle\n"
    )
    assert os.listdir() == ["trace.csv"]
