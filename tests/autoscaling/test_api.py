"""A user's own trace, from Python and by the real command line."""

import json
import os
import re
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
from edgeresearch.autoscaling.api import OWN_TRACE, Replay, replay
from edgeresearch.autoscaling.policies import HPA, Fixed, Observation
from edgeresearch.data.reader import read_trace
from edgeresearch.errors import InputError

ROWS = 120


def _trace(rows: int = ROWS, **columns: Any) -> pd.DataFrame:
    hits = np.random.default_rng(0).poisson(6000 + 4000 * np.sin(np.arange(rows) / 4))
    times = pd.date_range("2024-03-01", periods=rows, freq="1min")
    return pd.DataFrame({"time": times, "hits": hits, **columns})


def _replay(table: pd.DataFrame, **options: Any) -> Replay:
    table.to_csv("trace.csv", index=False)
    return replay("trace.csv", **{"forecaster": "ridge", "repeats": 1, **options})


class Mine:
    """Combined, one decision at a time."""

    def decide(self, observation: Observation) -> int:
        return observation.pods_for(max(observation.load, observation.forecast))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_policy_is_replayed_and_the_files_say_how() -> None:
    lines: list[str] = []
    result = _replay(_trace(), repeats=2, progress=lines.append)
    result.save("out", figures=False)
    assert len(result.table) == 10
    assert set(result.table["repeats"]) == {2}
    assert any(line.startswith("repeats: the lowest and the highest of 2 say little") for line in result.notes)
    for name in ("error_percent", "pod_hours"):
        assert (result.table[f"{name}_low"] <= result.table[name]).all()
        assert (result.table[name] <= result.table[f"{name}_high"]).all()
    assert {path.name for path in Path("out").iterdir()} == {"table.csv", "report.json"}
    facts = json.loads(Path("out/report.json").read_text())
    assert facts["advice"] == result.advice
    assert facts["settings"]["q_max"] == 20
    assert len(facts["data"]["sha256"]) == 64
    assert facts["replayed_from"] == "2024-03-01 01:12:00"
    assert "unit: 'hits' counts requests per 1 min" in facts["notes"]
    assert pd.read_csv("out/table.csv")["strategy"].tolist() == result.table["strategy"].tolist()
    assert lines == ["fitting ridge on 288 decisions", *(f"replaying 7 policies, repeat {k} of 2" for k in (1, 2))]
    assert result.course["time"].iloc[0] == pd.Timestamp("2024-03-01 01:12")
    assert result.advice in result._repr_html_()
    assert repr(result).startswith(f"Replay: {result.advice}\n")
    assert repr(result).endswith(f"\n[table: 10 rows x 15 columns; {len(result.notes)} notes]")
    assert len(repr(result)) < 4000


def test_it_is_repeatable_and_the_seed_counts() -> None:
    first, second, third = (_replay(_trace(), start_spread=5, seed=seed).table for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(third)


def test_the_replayed_part_cannot_reach_what_was_learnt() -> None:
    """Neither the fit nor an earlier forecast changes with what comes later."""
    table = _trace()
    changed = table.copy()
    changed.loc[110:, "hits"] = 50
    first, second = (_replay(one, unit="per-step").course for one in (table, changed))
    early = first["time"] < pd.Timestamp("2024-03-01 01:48")  # the slot before the change already leans towards it
    for column in ("wanted", "forecast", "load"):
        blind = (first["strategy"] != "oracle") & early
        if column == "forecast":
            blind &= first["forecaster"] == "ridge"
        np.testing.assert_allclose(first.loc[blind, column], second.loc[blind, column])


def test_a_forecast_stands_beside_what_it_is_of() -> None:
    result = _replay(_trace(400), forecaster="last_value")
    rows, ahead = result.course[result.course["strategy"] == "advance"], result.facts["horizon"]
    np.testing.assert_allclose(rows["forecast"].iloc[ahead:], rows["load"].iloc[:-ahead])
    assert rows["forecast"].iloc[: ahead - 1].isna().all()


def test_policies_of_ones_own_are_replayed_beside_the_others() -> None:
    result = _replay(_trace(), policies=["combined", Mine(), Fixed(pods=10), HPA(stabilisation=60)])
    table = result.table.set_index(["strategy", "forecaster"])
    for maker in ("ridge", "last_value"):
        pd.testing.assert_series_equal(table.loc[("mine", maker)], table.loc[("combined", maker)], check_names=False)
    assert set(result.course.loc[result.course["strategy"] == "fixed(pods=10)", "wanted"]) == {10}
    names = ["combined", "mine", "fixed(pods=10)", "hpa(stabilisation=60.0)", "responsive", "hpa"]
    assert result.facts["strategies"] == names


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ([Mine(), Mine()], "two policies are called 'mine'; give one of them an attribute 'name' of its own"),
        ([Mine], r"Mine is a class and no policy; call it: Mine\(\)"),
        ([object()], "is no policy; give a name or an object"),
        (Mine, r"Mine is a class and no policy; call it: Mine\(\)"),
        (5, "5 is no policy; give a name or an object with decide"),
    ],
)
def test_what_is_no_policy_is_refused(policies: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _replay(_trace(), policies=policies)


def test_a_guessed_unit_of_a_load_for_one_pod_is_asked_about_first() -> None:
    few = _trace().assign(hits=lambda table: table["hits"] / 100)
    result = replay(few, policies="hpa", repeats=1)
    assert result.advice.startswith("the load never needs a second pod at q_max 20, being 2.07 ")
    assert "; is the unit right? 'hits' was read as requests per 1 min; " in result.advice
    assert result.facts["advice"] == result.advice
    assert result.advice.endswith("; " + replay(few, policies="hpa", repeats=1, unit="per-step").advice)


def test_one_policy_needs_no_list() -> None:
    assert replay(_trace(), policies=Fixed(pods=3), repeats=1).facts["strategies"] == [
        "fixed(pods=3)",
        "responsive",
        "hpa",
    ]


def test_a_trace_in_memory_gives_what_its_file_gives() -> None:
    table = _trace()
    table.to_csv("trace.csv", index=False)
    series = table.set_index("time")["hits"]
    traces = ("trace.csv", Path("trace.csv"), table, series, read_trace("trace.csv"))
    first, *others = (replay(trace, policies="hpa", repeats=1).table for trace in traces)
    for other in others:
        pd.testing.assert_frame_equal(first, other)


def test_the_compared_policies_are_always_there() -> None:
    result = _replay(_trace(), policies=["fixed"])
    assert result.table["strategy"].tolist() == ["fixed", "responsive", "hpa"]
    assert result.course["forecast"].isna().all()
    assert any(line.startswith("fixed: ") for line in result.notes)


@pytest.mark.parametrize(
    ("unit", "load"), [("per-second", 6000), ("per-minute", 100), ("per-hour", 6000 / 3600), (None, 100)]
)
def test_units(unit: str | None, load: float) -> None:
    result = _replay(_trace(), unit=unit, policies=["hpa"], max_pods=2000)
    assert result.course["load"].mean() == pytest.approx(load, rel=0.1)


def test_a_column_can_say_its_unit_and_a_load_be_scaled() -> None:
    result = _replay(_trace().rename(columns={"hits": "hits per second"}), policies=["hpa"], max_pods=50)
    assert "unit: 'hits per second' says it" in result.notes
    assert "note: that is above the maximum of 50 pods, so overload is certain" in result.notes
    result = _replay(_trace(), scale=3.0, policies=["hpa"])
    assert result.course["load"].mean() == pytest.approx(3, rel=0.15)
    assert any(line.startswith("note: so few pods") for line in result.notes)
    assert any(line.startswith("note: within a step of 1 min the load is interpolated") for line in result.notes)


def test_steps_below_a_second_and_the_newest_of_a_long_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "LONGEST", 7000)
    hits = np.random.default_rng(0).poisson(50, 8000)
    result = _replay(pd.DataFrame({"hits": hits}), step="500ms", policies=["hpa"], repeats=3)
    assert result.config.dt == 0.5
    assert result.config.mean_qps == pytest.approx(2 * hits[-7000:].mean())
    assert "trace: the newest 7000 of 8000 rows are used, from 2024-01-01 00:08:20 on" in result.notes
    assert result.table["repeats"].tolist() == [1, 1]
    assert "repeats: 1, not 3, as nothing is random; a spread of the start delays would be" in result.notes
    assert not any("interpolated" in line for line in result.notes)


def test_a_filled_trace_is_one_with_straight_lines() -> None:
    whole, words = _trace(), "filled: 3 of 120 steps, in gaps of at most 2, by straight lines"
    whole.loc[29:32, "hits"] = [9000, 9100, 9200, 9300]
    whole.loc[59:61, "hits"] = [5000, 4500, 4000]
    first = _replay(whole.drop(index=[30, 31, 60]), fill=2, unit="per-step")
    second = _replay(whole, unit="per-step")
    pd.testing.assert_frame_equal(first.table, second.table)
    assert any(line.startswith(words) for line in first.notes)
    assert first.facts["fill"] == 2
    assert first.facts["data"]["repairs"]["filled"] == 3
    assert "filled" not in second.facts["data"]["repairs"]


@pytest.mark.parametrize(
    ("longest", "message"),
    [
        (600, "the 10 rows that are used, the newest, have no request; cut the file"),
        (10_000, "the last 40% of the trace, which is replayed, has no request; cut the file"),
    ],
)
def test_without_requests_there_is_nothing_to_replay(
    longest: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "LONGEST", longest)
    table = _trace()
    table.loc[60:, "hits"] = 0
    with pytest.raises(InputError, match=message):
        _replay(table)


def test_a_load_of_fractions_asks_for_the_unit() -> None:
    table = _trace().assign(hits=lambda rows: np.where(rows.index < 60, rows["hits"], rows["hits"] / 1e8))
    with pytest.raises(
        InputError, match="has no request; cut the file, or, if its values are above 0, say with `unit`"
    ):
        _replay(table, unit="per-minute")


BAD: dict[str, tuple[pd.DataFrame, list[str], str]] = {
    "negative": (_trace().assign(hits=lambda t: t["hits"].where(t.index != 7, -3)), [], "is negative; mend the trace"),
    "infinite": (_trace().assign(hits=lambda t: t["hits"].where(t.index != 7, np.inf)), [], "is no finite number"),
    "fill": (_trace(), ["--fill", "-1"], "fill -1 is below 0; use 0 or more"),
    "no capacity": (_trace(), ["--qmax", "0"], "q_max is 0.0; input should be greater than 0"),
    "less than none": (_trace(), ["--qmax", "-5"], "q_max is -5.0; input should be greater than 0"),
    "a long start": (_trace(), ["--start-delay", "7200"], "a pod takes up to 7200 s to start, the trace lasts 7200 s"),
    "a rather long start": (_trace(), ["--start-delay", "3000"], "use a longer trace or decide more often"),
    "swapped bounds": (_trace(), ["--min", "5", "--max", "3"], "min_pods 5 is above max_pods 3"),
    "strategy": (
        _trace(),
        ["--strategy", "combind"],
        "unknown strategy 'combind'; did you mean combined?; known: advance, responsive, combined, fixed, hpa, ",
    ),
    "forecaster": (_trace(), ["--forecaster", "lstn"], "unknown model 'lstn'; did you mean lstm?"),
    "no season": (_trace(), ["--forecaster", "seasonal_naive"], "forecaster seasonal_naive needs a season"),
    "interval": (_trace(), ["--every", "1.5"], "decisions every 1.5 s do not fall on steps of 1 s"),
    "no interval": (_trace(), ["--every", "0"], "sync_period is 0.0; input should be greater than 0"),
    "unit": (
        _trace(),
        ["--unit", "per-moon"],
        "unknown unit 'per-moon'; did you mean per-second?; known: per-second, per-minute, per-hour, ",
    ),
    "scale": (_trace(), ["--scale", "0"], "scale is 0; give a number above 0"),
    "repeats": (_trace(), ["--repeats", "0"], "repeats is 0; give a number at least 1"),
    "seed": (_trace(), ["--seed", "-1"], "seed -1 is negative; use 0 or more"),
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


def test_the_real_command_reports_an_error_in_one_line_and_loads_nothing_heavy(here: Path) -> None:
    _trace().to_csv("trace.csv", index=False)
    env = os.environ | {"PYTHONPATH": str(Path(edgeresearch.__file__).parents[1])}
    command = [sys.executable, "-X", "importtime", "-m", "edgeresearch", "elastic", "trace.csv", "--out", "out"]
    done = subprocess.run([*command, "--strategy", "?"], cwd=here, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    message = "unknown strategy '?'; known: advance, responsive, combined, fixed, hpa, quantile, oracle"
    assert lines == [f"error: {message}"]
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert not loaded & {"torch", "matplotlib", "scipy", "sklearn", "joblib"}
    assert os.listdir() == ["trace.csv"]


def test_the_help_states_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["elastic", "--help"])
    words = re.sub(r"[\s│]+", " ", capsys.readouterr().out)
    values = {"qmax": OWN_TRACE.q_max, "start-delay": OWN_TRACE.start_delay, "start-spread": OWN_TRACE.start_spread}
    values |= {"every": OWN_TRACE.sync_period, "min": OWN_TRACE.min_pods, "max": OWN_TRACE.most_pods}
    values |= {"repeats": OWN_TRACE.repeats}
    for option, value in values.items():
        assert re.search(rf"--{option} (?:(?! --).)*\[default: \({value:g}\)\]", words), option
    assert "Table 3" in words
