from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from edgeresearch import cli
from edgeresearch.anomaly import staleness as module
from edgeresearch.anomaly.injection import Injection
from edgeresearch.anomaly.model import Model
from edgeresearch.anomaly.outcomes import by_cell, cycled, drawn, read
from edgeresearch.anomaly.retraining import looked_up, used, versions
from edgeresearch.anomaly.samples import Array, present
from edgeresearch.anomaly.scoring import event_f1, false_alarms
from edgeresearch.anomaly.staleness import (
    ALWAYS,
    BOUNDS,
    CLEAN,
    CONTROL,
    COURSE,
    MAIN,
    METRICS,
    NEVER,
    PAIRS,
    TRAFFIC,
    USAGE,
    WARM,
    Found,
    staleness,
    write,
)
from edgeresearch.anomaly.subject import Subject, seeds, subject
from edgeresearch.anomaly.walk import Schedule
from edgeresearch.errors import InputError
from edgeresearch.params import Params, merge
from edgeresearch.series.trace import Origin, Trace

SMALL = {
    **{"train": 100, "every": 100, "workers": 1, "injection": {"every": 60}},
    **{"lstm": {"epochs": 1, "hidden": 2}, "quantile": {"warm_up": 20, "window": 100}},
    "staleness": {"sensors": 2, "seeds": 2, "samples": 650, "block": 150, "control_seeds": 1, "warm_seeds": 1},
}


def _section(**changes: Any) -> dict[str, Any]:
    return merge(merge(Params().anomaly.model_dump(), SMALL), {"staleness": changes} if changes else {})


def _trace(sensor: int, rows: int = 800) -> Trace:
    rng = np.random.default_rng(sensor)
    frame = pd.DataFrame(
        20 + 5 * np.sin(np.arange(rows) / 20)[:, None] + rng.normal(0, 0.5, (rows, 3)),
        index=pd.date_range("2014-08-01", periods=rows, freq="5min"),
    )
    frame.iloc[[5, 300]] = np.nan
    return Trace(
        f"traffic_{sensor}", frame, pd.Timedelta("5min"), "", Origin("synthetic", "a.csv", "0" * 64, False), {}
    )


@pytest.fixture(autouse=True)
def _sensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sensors that are made up."""
    monkeypatch.setattr(module.aarhus, "sensors", lambda folder, kind: [101, 102, 103])
    monkeypatch.setattr(module.aarhus, "traffic", lambda folder, sensor: _trace(sensor))


def _triggers(count: int = 5) -> pd.DataFrame:
    """Two policies with two and four streams: one drops all, of the other every third training ends after .4."""
    rows = [
        {
            **{"policy": policy, "streams": streams, "repeat": repeat, "job": job, "period": 200.0},
            **{"time": 200.0 * number, "end": "finished" if ran else "dropped", "complete": 80.0 * ran},
        }
        for policy in ("los", "random")
        for streams in (2, 4)
        for repeat in range(2)
        for job in range(streams)
        for number in range(count)
        for ran in [policy == "los" and number % 3 != 1]
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def found() -> Iterator[Found]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.aarhus, "sensors", lambda folder, kind: [101, 102, 103])
        patch.setattr(module.aarhus, "traffic", lambda folder, sensor: _trace(sensor))
        yield staleness("raw", _section(), _triggers(), seed=1)


def _one(table: pd.DataFrame, policy: str, streams: int = 0, data: str = TRAFFIC, threshold: str = MAIN) -> Any:
    mine = (table["policy"] == policy) & (table["streams"] == streams) & (table["data"] == data)
    (row,) = table[mine & (table["threshold"] == threshold)].to_dict("records")
    return row


def test_there_is_a_row_for_every_policy_and_bound(found: Found) -> None:
    table = found.table
    wanted = {"policy", "streams", "drop_percent", "mean_age", "event_f1", "low", "high", "point_f1", "auc_pr"}
    assert wanted <= set(table.columns)
    cells = {("los", 2), ("los", 4), ("random", 2), ("random", 4)}
    bounds = {tuple(cell) for cell in BOUNDS}
    for data, threshold, expected in (
        (TRAFFIC, MAIN, cells | bounds),
        (TRAFFIC, "quantile", {("los", 2), ("los", 4)} | bounds),
        (CONTROL, MAIN, cells | {NEVER, ALWAYS}),
        (CONTROL, "quantile", {("los", 2), ("los", 4), NEVER, ALWAYS}),
    ):
        part = table[(table["data"] == data) & (table["threshold"] == threshold)]
        assert set(zip(part["policy"], part["streams"], strict=True)) == expected
        assert len(part) == len(expected)
    assert (table["sensors"] == 2).all()
    seeds = table.groupby("policy")["seeds"].max()
    assert (seeds["los"], seeds[WARM.policy], table.loc[table["data"] == CONTROL, "seeds"].max()) == (2, 1, 1)


def test_it_says_whether_the_streams_are_the_published_ones(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(table["real"].any() for table in found), "these are made up"
    published = replace(_trace(101), origin=Origin("published", "a.csv", "0" * 64, True))
    monkeypatch.setattr(module.aarhus, "traffic", lambda folder, sensor: replace(published, name=f"traffic_{sensor}"))
    section = _section(sensors=1, seeds=1, samples=300, control_seeds=0, warm_seeds=0)
    assert all(table["real"].all() for table in staleness("raw", section, _triggers(), seed=1))


def test_who_drops_all_is_never_retrained(found: Found) -> None:
    never, always = _one(found.table, "never"), _one(found.table, "always")
    for streams in (2, 4):
        other = _one(found.table, "random", streams)
        assert {name: other[name] for name in (*USAGE, *METRICS)} == pytest.approx(
            {name: never[name] for name in (*USAGE, *METRICS)}, nan_ok=True
        )
    assert (never["drop_percent"], always["drop_percent"]) == (100.0, 0.0)
    los = _one(found.table, "los", 2)
    assert 0 < los["drop_percent"] < 100
    assert always["mean_age"] < los["mean_age"] < never["mean_age"]
    assert always["mean_age"] == pytest.approx(50, abs=6), "half of the samples between two trainings"


def test_the_course_is_of_whole_blocks_and_ages_with_the_model(found: Found) -> None:
    course = found.course
    assert {"policy", "streams", "block", *COURSE, *(f"{name}_low" for name in COURSE)} <= set(course.columns)
    assert set(course["block"]) == {1, 2, 3, 4}, "650 samples are four blocks of 150 and a rest"
    never = course[(course["policy"] == "never") & (course["data"] == TRAFFIC)]
    assert (np.diff(never["mean_age"]) > 100).all()
    always = course[(course["policy"] == "always") & (course["data"] == TRAFFIC)]
    assert always["mean_age"].max() < 100
    assert len(course) == 4 * (found.table["threshold"] == MAIN).sum(), "of one threshold"


def test_pairs_are_those_that_were_run(found: Found) -> None:
    pairs = found.pairs[(found.pairs["data"] == TRAFFIC) & (found.pairs["threshold"] == MAIN)]
    assert set(pairs["contrast"]) == {
        *("always - never", "never_clean - never", "always_warm - never", "always_warm - always"),
        *("always - los", "los - random"),
    }
    assert set(pairs["metric"]) == set(METRICS)
    f1 = pairs[pairs["metric"] == "event_f1"].set_index(["contrast", "streams"])["difference"]
    assert f1["always - never", 0] == pytest.approx(
        _one(found.table, "always")["event_f1"] - _one(found.table, "never")["event_f1"]
    )
    assert f1["los - random", 4] == pytest.approx(
        _one(found.table, "los", 4)["event_f1"] - _one(found.table, "never")["event_f1"]
    )
    assert {name for pair in PAIRS for name in pair} <= {cell.policy for cell in BOUNDS} | set(Params().los.policies)


def _by_hand(sensor: int, repeat: int, section: dict[str, Any]) -> tuple[Any, Subject, Any, Schedule]:
    """Return the parts of one stream: those that the experiment makes inside."""
    trace, schedule = _trace(sensor), Schedule(100, 100)
    choosing, placing, training = seeds(trace, repeat, 1)
    chosen = drawn(by_cell(_triggers(), every=100), np.random.default_rng(choosing))
    plan, samples = Injection(**section["injection"]), section["staleness"]["samples"]
    stream = subject(trace, np.random.default_rng(placing), schedule=schedule, plan=plan, samples=samples)
    return module._Task(trace, repeat, TRAFFIC, chosen, 1), stream, training, schedule


def test_a_policy_is_its_outcomes_on_the_models_of_the_stream() -> None:
    section = _section()
    task, stream, training, schedule = _by_hand(102, 1, section)
    rows, blocks = module._judged(task, section)
    train = module.trained_by(module.LSTM(**section["lstm"]), training, warm_start=False, accelerator="cpu")
    (cell,) = [cell for cell in task.outcomes if cell.policy == "los" and cell.streams == 4]
    use = used(stream.rows, cycled(task.outcomes[cell]), schedule=schedule)
    errors = looked_up(versions(stream.rows, train, schedule=schedule), use)
    alarms = errors > module.judged(module.Moving(**section["ema"]).start(), errors)
    begin = schedule.cuts(stream.rows)[0]
    row = rows[(rows["policy"] == "los") & (rows["streams"] == 4)].iloc[0]
    assert row["event_f1"] == event_f1(stream.labels[begin:], alarms[begin:])
    assert row["drop_percent"] == 100 * use.dropped
    per_day = false_alarms(stream.labels[begin:], alarms[begin:]) * 288 / len(alarms[begin:])
    assert row["false_alarms_per_day"] == pytest.approx(per_day)
    part = slice(begin + 150, begin + 300)
    block = blocks[(blocks["policy"] == "los") & (blocks["streams"] == 4) & (blocks["block"] == 2)].iloc[0]
    assert block["event_f1"] == pytest.approx(event_f1(stream.labels[part], alarms[part]), nan_ok=True)
    assert block["mean_age"] == pytest.approx(use.age[part].mean())


def test_trainings_see_anomalies_but_for_the_one_that_is_meant_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    section, seen = _section(), list[tuple[Array, int]]()
    task, stream, _, schedule = _by_hand(101, 1, section)

    def trained_by(identity: Any, seed: Any, **more: Any) -> Any:
        train = module_trained_by(identity, seed, **more)

        def noted(samples: Array, previous: Model | None, number: int) -> Model:
            seen.append((samples, number))
            made: Model = train(samples, previous, number)
            return made

        return noted

    module_trained_by = module.trained_by
    monkeypatch.setattr(module, "trained_by", trained_by)
    module._judged(task, section)
    cuts = schedule.cuts(stream.rows)
    assert [number for _, number in seen] == [*range(1, len(cuts) + 1), 1]
    for cut, (samples, _) in zip(cuts, seen[:-1], strict=True):
        assert_array_equal(samples, stream.rows[:cut][present(stream.rows[:cut])][-100:])
    first, clean = stream.rows[: cuts[0]], stream.clean[: cuts[0]]
    assert stream.labels[: cuts[0]].any(), "the first training's samples have anomalies, too"
    assert_array_equal(seen[-1][0], clean[present(clean)][-100:])
    assert not np.array_equal(first, clean, equal_nan=True)


@pytest.mark.slow
def test_workers_change_nothing() -> None:
    section = {**_section(sensors=1, seeds=1, samples=300, control_seeds=1, warm_seeds=0), "workers": 2}
    with pytest.MonkeyPatch.context() as patch:  # processes of their own do not see what was patched here
        patch.setattr(module.aarhus, "first", lambda folder, kind, count: [_trace(101)])
        two = staleness("raw", section, _triggers(), seed=1)
        one = staleness("raw", {**section, "workers": 1}, _triggers(), seed=1)
    for mine, other in zip(two, one, strict=True):
        pd.testing.assert_frame_equal(mine, other)


def test_all_samples_are_taken_and_nothing_extra_is_run_unless_asked(found: Found) -> None:
    section = _section(sensors=1, seeds=1, samples=None, control_seeds=0, warm_seeds=0)
    other = staleness("raw", section, _triggers(), seed=1)
    assert set(other.table["data"]) == {TRAFFIC}
    assert WARM.policy not in set(other.table["policy"])
    assert CLEAN.policy in set(other.table["policy"])
    assert _one(other.table, "never")["mean_age"] > _one(found.table, "never")["mean_age"], "800 rows, not 750"


def test_the_same_settings_give_the_same_bytes(tmp_path: Path) -> None:
    section = _section(sensors=1, seeds=1, samples=300, control_seeds=0, warm_seeds=0)
    for name in ("one", "other"):
        write("raw", section, _triggers(), seed=2, out=tmp_path / name)
    names = {"staleness.csv", "staleness_course.csv", "staleness_pairs.csv"}
    for name in names:
        one, other = (tmp_path / folder / "reports" / "tables" / name for folder in ("one", "other"))
        assert one.read_bytes() == other.read_bytes()
    assert {path.name for path in (tmp_path / "one" / "reports" / "tables").iterdir()} == names
    table = pd.read_csv(tmp_path / "one" / "reports" / "tables" / "staleness.csv")
    assert table["low"].isna().all(), "no interval over one sensor"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sensors": 4}, "3 traffic sensors in raw, not 4; fetch the data first"),
        ({"samples": 900}, "traffic_101 has 699 samples behind the training, not 900"),
    ],
)
def test_what_is_not_there_is_told(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        staleness("raw", _section(**changes), _triggers(), seed=1)


def test_an_injection_without_meaning_is_told_before_anything_is_read() -> None:
    with pytest.raises(InputError, match="every is 10; the longest event takes"):
        staleness("none", merge(_section(), {"injection": {"every": 10}}), _triggers(), seed=1)


def test_the_command_shows_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    small = merge(SMALL, {"staleness": {"sensors": 1, "seeds": 1, "control_seeds": 0, "warm_seeds": 0}})
    monkeypatch.setattr(cli.pipeline, "read_settings", lambda path: Params.model_validate({"anomaly": small}))
    place = tmp_path / "data" / "processed" / "los"
    place.mkdir(parents=True)
    _triggers().to_parquet(place / "triggers.parquet")
    assert len(read(place / "triggers.parquet")) == len(_triggers())
    with pytest.raises(SystemExit) as left:
        cli.main(["anomaly", "staleness"])
    assert left.value.code in (0, None)
    shown = capsys.readouterr().out
    assert "never_clean" in shown
    assert shown.endswith("tables: reports/tables\n")
    assert (tmp_path / "reports" / "tables" / "staleness.csv").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["anomaly", "staleness"], "error: no file data/processed/los/triggers.parquet; make it with 'edgeresearch em"),
        (["anomaly", "sensors", "--triggers", "a.parquet"], "error: sensors takes no --triggers; leave it out"),
        (["anomaly", "stale"], "error: there is no experiment 'stale'; known: sensors, staleness"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith(message)
    assert text.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
