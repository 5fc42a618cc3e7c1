"""What dropped trainings do to detection."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from edgeresearch import cli
from edgeresearch.anomaly.base import Array, present
from edgeresearch.anomaly.evaluation import Injection, event_f1, false_alarms
from edgeresearch.anomaly.inference import Model
from edgeresearch.anomaly.online import Schedule
from edgeresearch.anomaly.retraining import Request, looked_up, used, versions
from edgeresearch.config import Params, merge
from edgeresearch.data.trace import Origin, Trace
from edgeresearch.errors import InputError
from edgeresearch.papers import staleness as module
from edgeresearch.papers.staleness import (
    ALWAYS,
    BOUNDS,
    CLEAN,
    COLUMNS,
    CONTROL,
    COURSE,
    MAIN,
    METRICS,
    NEVER,
    PAIRS,
    TRAFFIC,
    UNIT,
    USAGE,
    WARM,
    WHO,
    Cell,
    Found,
    Outcomes,
    Subject,
    by_cell,
    cycled,
    differences,
    drawn,
    drifted,
    means,
    read,
    seeds,
    staleness,
    subject,
    write,
)
from edgeresearch.stats import interval

EXTREMES = ("never", "always")


def _rows(policy: str, streams: int, values: dict[tuple[str, int], float], **more: Any) -> pd.DataFrame:
    """Rows of one policy, by sensor and seed."""
    about = {"data": "traffic", "threshold": "ema", "policy": policy, "streams": streams, **more}
    return pd.DataFrame(
        [{**about, "sensor": sensor, "seed": seed, "f1": value} for (sensor, seed), value in values.items()]
    )


GRID = [(sensor, seed) for sensor in "abc" for seed in range(2)]


def _values(*numbers: float) -> dict[tuple[str, int], float]:
    return dict(zip(GRID, numbers, strict=True))


def test_a_sensors_value_is_the_mean_of_its_repeats() -> None:
    rows = _rows("los", 2, _values(0.1, 0.3, 0.5, 0.7, 0.2, 0.2))
    (row,) = means(rows, ["f1"]).to_dict("records")
    mean, low, high = interval([0.2, 0.6, 0.2])
    assert {name: row[name] for name in WHO} == {"data": "traffic", "threshold": "ema", "policy": "los", "streams": 2}
    assert (row["f1"], row["f1_low"], row["f1_high"]) == pytest.approx((mean, low, high))
    assert (row["sensors"], row["seeds"]) == (3, 2)


def test_repeats_without_a_value_are_left_out() -> None:
    nothing = float("nan")
    rows = _rows("los", 2, _values(0.1, nothing, 0.5, 0.7, nothing, nothing))
    (row,) = means(rows, ["f1"]).to_dict("records")
    assert (row["f1"], row["f1_low"], row["f1_high"]) == pytest.approx(interval([0.1, 0.6]))


def test_rows_are_told_apart_and_keep_their_order() -> None:
    parts = [
        _rows("random", 8, _values(*[0.1] * 6)),
        _rows("los", 4, _values(*[0.2] * 6)),
        _rows("los", 4, _values(*[0.3] * 6), threshold="quantile"),
        _rows("los", 4, _values(*[0.4] * 6), data="control"),
    ]
    table = means(pd.concat(parts), ["f1"])
    assert table["f1"].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert table["policy"].tolist() == ["random", "los", "los", "los"]
    blocks = pd.concat([parts[0].assign(block=number, f1=number / 10) for number in (2, 1)])
    course = means(blocks, ["f1"], ["block"])
    assert course["block"].tolist() == [2, 1]
    assert course["f1"].tolist() == pytest.approx([0.2, 0.1])


def _differences(*parts: pd.DataFrame, pairs: Any) -> pd.DataFrame:
    return differences(pd.concat(parts), pairs, ["f1"], EXTREMES)


def test_differences_are_of_the_same_stream() -> None:
    always = _rows("always", 0, _values(0.5, 0.7, 0.2, 0.2, 0.9, 0.5))
    never = _rows("never", 0, _values(0.4, 0.4, 0.3, 0.3, 0.9, 0.9)).sample(frac=1.0, random_state=3)
    (row,) = _differences(always, never, pairs=[("always", "never")]).to_dict("records")
    mean, low, high = interval([0.2, -0.1, -0.2])
    assert (row["difference"], row["low"], row["high"]) == pytest.approx((mean, low, high))
    assert (row["contrast"], row["metric"], row["streams"]) == ("always - never", "f1", 0)
    assert (row["sensors"], row["pairs"]) == (3, 6)


def test_a_repeat_that_one_of_them_lacks_is_no_pair() -> None:
    always = _rows("always", 0, _values(0.5, 0.7, 0.2, 0.2, 0.9, 0.5))
    warm = _rows("warm", 0, {(sensor, 0): 0.4 for sensor in "abc"})
    (row,) = differences(pd.concat([always, warm]), [("warm", "always")], ["f1"], ["warm", "always"]).to_dict("records")
    assert row["difference"] == pytest.approx(np.mean([-0.1, 0.2, -0.5]))
    assert (row["sensors"], row["pairs"]) == (3, 3)


def test_policies_are_compared_with_as_many_streams_each() -> None:
    los = [_rows("los", streams, _values(*[streams / 10] * 6)) for streams in (2, 4)]
    cloud = [_rows("cloud", streams, _values(*[streams / 100] * 6)) for streams in (4, 2, 6)]
    table = _differences(*los, *cloud, pairs=[("los", "cloud")])
    assert table["streams"].tolist() == [2, 4]
    assert table["difference"].tolist() == pytest.approx([0.18, 0.36])


@pytest.mark.parametrize("pair", [("los", "never"), ("never", "los")])
def test_a_bound_is_compared_with_every_number_of_streams(pair: tuple[str, str]) -> None:
    los = [_rows("los", streams, _values(*[streams / 10] * 6)) for streams in (2, 4)]
    never = _rows("never", 0, _values(*[0.1] * 6))
    table = _differences(*los, never, pairs=[pair])
    sign = 1 if pair[0] == "los" else -1
    assert table["streams"].tolist() == [2, 4]
    assert table["difference"].tolist() == pytest.approx([0.1 * sign, 0.3 * sign])


def test_what_was_not_run_is_left_out_and_data_and_thresholds_are_not_mixed() -> None:
    parts = [
        _rows(policy, 0, _values(*[value] * 6), data=data, threshold=threshold)
        for policy, value in (("always", 0.5), ("never", 0.1))
        for data in ("traffic", "control")
        for threshold in ("ema", "quantile")
        if (policy, data, threshold) != ("never", "control", "quantile")
    ]
    table = _differences(*parts, pairs=[("always", "never"), ("los", "never")])
    said = list(table[["data", "threshold"]].itertuples(index=False, name=None))
    assert said == [("traffic", "ema"), ("traffic", "quantile"), ("control", "ema")]
    assert table["difference"].tolist() == pytest.approx([0.4] * 3)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=6, max_size=6),
    st.floats(-1, 1),
)
def test_a_difference_is_that_of_the_means_and_turns_round(pairs: list[tuple[float, float]], shift: float) -> None:
    ones, others = (_values(*column) for column in zip(*pairs, strict=True))
    always, never = _rows("always", 0, ones), _rows("never", 0, others)
    there, back = (
        _differences(always, never, pairs=[pair]).iloc[0] for pair in (("always", "never"), ("never", "always"))
    )
    assert there["difference"] == pytest.approx(np.mean(list(ones.values())) - np.mean(list(others.values())))
    assert there["difference"] == pytest.approx(-back["difference"])
    assert (there["low"], there["high"]) == pytest.approx((-back["high"], -back["low"]))
    moved = _rows("always", 0, {key: value + shift for key, value in ones.items()})
    (further,) = _differences(moved, never, pairs=[("always", "never")])["difference"]
    assert further == pytest.approx(there["difference"] + shift)


def test_units_are_sensor_and_seed() -> None:
    assert UNIT == ["sensor", "seed"]


LOS, CLOUD = Cell("los", 2), Cell("cloud", 2)


def _triggers(**changes: Any) -> pd.DataFrame:
    """Two streams of one policy in one repeat, three triggers each, in order of time as the emulator writes them."""
    table = pd.DataFrame(
        {
            "policy": "los",
            "streams": 2,
            "repeat": 0,
            "job": [0, 1, 0, 1, 0, 1],
            "time": [200.0, 250.0, 400.0, 500.0, 600.0, 750.0],
            "end": ["finished", "dropped", "dropped", "finished", "lost", "finished"],
            "complete": [50.0, 0.0, 0.0, 300.0, 80.0, 0.0],
            "period": [200.0, 250.0, 200.0, 250.0, 200.0, 250.0],
        }
    )
    return table.assign(**changes)


def test_a_period_is_so_many_samples_and_what_did_not_finish_has_none() -> None:
    found = by_cell(_triggers(), every=1000)
    assert found == {LOS: [(250.0, None, None), (None, 1200.0, 0.0)]}


def test_streams_come_by_repeat_and_job_whatever_the_order_of_the_rows() -> None:
    table = pd.concat([_triggers(repeat=1), _triggers(), _triggers(policy="cloud", complete=20.0)])
    found = by_cell(table.sample(frac=1.0, random_state=1), every=100)
    assert set(found) == {LOS, CLOUD}
    assert found[LOS] == [(25.0, None, None), (None, 120.0, 0.0)] * 2
    assert found[CLOUD] == [(10.0, None, None), (None, 8.0, 8.0)]


def test_categories_in_single_precision_are_read_as_the_emulator_writes_them(tmp_path: Path) -> None:
    kinds = {"policy": "category", "end": "category", "streams": "int16", "complete": "float32", "period": "float32"}
    table = _triggers(hops=3).astype(kinds)
    table.to_parquet(tmp_path / "triggers.parquet")
    found = read(tmp_path / "triggers.parquet")
    assert tuple(found.columns) == COLUMNS
    ((cell, streams),) = by_cell(found, every=1000).items()
    assert (type(cell.policy), type(cell.streams)) == (str, int)
    assert cell == LOS
    for mine, exact in zip(streams, by_cell(_triggers(), every=1000)[LOS], strict=True):
        assert_allclose(np.array(mine, dtype=float), np.array(exact, dtype=float), rtol=1e-6)


def test_a_file_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*none.parquet; make it with 'edgeresearch emulate sched"):
        read(tmp_path / "none.parquet")


@pytest.mark.parametrize("content", [b"no parquet", b""])
def test_a_file_of_something_else_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(InputError, match="a.parquet holds no triggers: .*; make it with 'edgeresearch emulate"):
        read(tmp_path / "a.parquet")


def test_a_table_of_something_else_is_told(tmp_path: Path) -> None:
    _triggers().drop(columns="period").to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="a.parquet holds no triggers: .*period"):
        read(tmp_path / "a.parquet")


def test_no_trigger_is_told() -> None:
    with pytest.raises(InputError, match="there is no trigger; emulate more hours"):
        by_cell(_triggers().iloc[:0], every=1000)


def _numbered(count: int, streams: int = 4) -> list[Outcomes]:
    """Outcomes that tell stream and place."""
    return [tuple(100.0 * stream + place for place in range(count)) for stream in range(streams)]


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 9))
def test_policies_are_drawn_the_same_stream_at_the_same_time(seed: int, count: int, streams: int) -> None:
    cells = {LOS: _numbered(count, streams), CLOUD: _numbered(count, streams)}
    found = drawn(cells, np.random.default_rng(seed))
    assert found[LOS] == found[CLOUD]
    own = [each for each in cells[LOS] if set(each) == set(found[LOS])]
    assert len(own) == 1, "a stream, whole"
    at = own[0].index(found[LOS][0])
    assert found[LOS] == own[0][at:] + own[0][:at], "in its order"


def test_every_stream_and_place_can_be_drawn() -> None:
    cells = {LOS: _numbered(3, 2)}
    first = {drawn(cells, np.random.default_rng(seed))[LOS][0] for seed in range(200)}
    assert first == {0.0, 1.0, 2.0, 100.0, 101.0, 102.0}


def test_outcomes_begin_with_the_second_training_and_begin_anew() -> None:
    decide = cycled((5.0, None, 7.0))
    said = [decide(Request("m", number, 0.0, 10)) for number in range(2, 10)]
    assert said == [5.0, None, 7.0, 5.0, None, 7.0, 5.0, None]
    assert cycled((5.0, None), first=1)(Request("m", 1, 0.0, 10)) == 5.0


def test_no_outcome_is_told() -> None:
    with pytest.raises(InputError, match="no outcome is recorded; give at least one"):
        cycled(())


SMALL = {
    **{"train": 100, "every": 100, "injection": {"every": 60}},
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
    monkeypatch.setattr(module.datasets, "sensors", lambda folder, kind: [101, 102, 103])
    monkeypatch.setattr(module.datasets, "traffic", lambda folder, sensor: _trace(sensor))


def _triggers_staleness(count: int = 5) -> pd.DataFrame:
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
        patch.setattr(module.datasets, "sensors", lambda folder, kind: [101, 102, 103])
        patch.setattr(module.datasets, "traffic", lambda folder, sensor: _trace(sensor))
        yield staleness("raw", _section(), _triggers_staleness(), seed=1)


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
    monkeypatch.setattr(module.datasets, "traffic", lambda folder, sensor: replace(published, name=f"traffic_{sensor}"))
    section = _section(sensors=1, seeds=1, samples=300, control_seeds=0, warm_seeds=0)
    assert all(table["real"].all() for table in staleness("raw", section, _triggers_staleness(), seed=1))


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
    chosen = drawn(by_cell(_triggers_staleness(), every=100), np.random.default_rng(choosing))
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
    section = _section(sensors=1, seeds=1, samples=300, control_seeds=1, warm_seeds=0)
    with pytest.MonkeyPatch.context() as patch:  # processes of their own do not see what was patched here
        patch.setattr(module.datasets, "first", lambda folder, kind, count: [_trace(101)])
        two = staleness("raw", section, _triggers_staleness(), seed=1, workers=2)
        one = staleness("raw", section, _triggers_staleness(), seed=1)
    for mine, other in zip(two, one, strict=True):
        pd.testing.assert_frame_equal(mine, other)


def test_all_samples_are_taken_and_nothing_extra_is_run_unless_asked(found: Found) -> None:
    section = _section(sensors=1, seeds=1, samples=None, control_seeds=0, warm_seeds=0)
    other = staleness("raw", section, _triggers_staleness(), seed=1)
    assert set(other.table["data"]) == {TRAFFIC}
    assert WARM.policy not in set(other.table["policy"])
    assert CLEAN.policy in set(other.table["policy"])
    assert _one(other.table, "never")["mean_age"] > _one(found.table, "never")["mean_age"], "800 rows, not 750"


def test_the_same_settings_give_the_same_bytes(tmp_path: Path) -> None:
    section = _section(sensors=1, seeds=1, samples=300, control_seeds=0, warm_seeds=0)
    for name in ("one", "other"):
        write("raw", section, _triggers_staleness(), seed=2, out=tmp_path / name)
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
        staleness("raw", _section(**changes), _triggers_staleness(), seed=1)


def test_an_injection_without_meaning_is_told_before_anything_is_read() -> None:
    with pytest.raises(InputError, match="every is 10; the longest event takes"):
        staleness("none", merge(_section(), {"injection": {"every": 10}}), _triggers_staleness(), seed=1)


def test_the_command_shows_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    small = merge(SMALL, {"staleness": {"sensors": 1, "seeds": 1, "control_seeds": 0, "warm_seeds": 0}})
    monkeypatch.setattr(cli.pipeline, "stage_settings", lambda path: Params.model_validate({"anomaly": small}))
    place = tmp_path / "data" / "processed" / "los"
    place.mkdir(parents=True)
    _triggers_staleness().to_parquet(place / "triggers.parquet")
    assert len(read(place / "triggers.parquet")) == len(_triggers_staleness())
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


SCHEDULE, PLAN = Schedule(100, 100), Injection(every=60)


def _trace_subject(sensor: int = 7, rows: int = 500) -> Trace:
    rng = np.random.default_rng(sensor)
    frame = pd.DataFrame(
        20 + 5 * np.sin(np.arange(rows) / 20)[:, None] + rng.normal(0, 0.5, (rows, 3)),
        index=pd.date_range("2014-08-01", periods=rows, freq="5min"),
    )
    frame.iloc[[5, 300]] = np.nan
    return Trace(
        f"traffic_{sensor}", frame, pd.Timedelta("5min"), "", Origin("synthetic", "a.csv", "0" * 64, False), {}
    )


def _made(gain: float = 1.0, samples: int | None = None, seed: int = 3) -> Subject:
    return subject(
        _trace_subject(), np.random.default_rng(seed), schedule=SCHEDULE, plan=PLAN, samples=samples, gain=gain
    )


def test_anomalies_are_throughout_and_labelled() -> None:
    made = _made()
    assert made.step == 300
    assert len(made.rows) == len(made.clean) == len(made.labels) == 500
    cut = SCHEDULE.cuts(made.clean)[0]
    assert made.labels[:cut].any(), "the first training's samples have some, too"
    assert made.labels[cut:].any()
    assert_array_equal(made.rows[~made.labels], made.clean[~made.labels])
    assert_array_equal(made.clean, _trace_subject().frame.to_numpy())
    changed = (made.rows != made.clean) & ~(np.isnan(made.rows) & np.isnan(made.clean))
    assert changed.any(axis=1).sum() > 0.5 * made.labels.sum()


def test_the_same_draw_gives_the_same_stream() -> None:
    assert_array_equal(_made().rows, _made().rows)
    assert not np.array_equal(_made().rows, _made(seed=4).rows, equal_nan=True)


@pytest.mark.parametrize("samples", [60, 399])
def test_so_many_rows_behind_the_first_training_are_taken(samples: int) -> None:
    made = _made(samples=samples)
    assert len(made.rows) == SCHEDULE.cuts(made.clean)[0] + samples
    assert_array_equal(made.clean, _trace_subject().frame.to_numpy()[: len(made.clean)])


def test_a_shorter_stream_is_told() -> None:
    with pytest.raises(InputError, match="traffic_7 has 399 samples behind the training, not 400"):
        _made(samples=400)


def test_the_control_is_the_same_stream_with_a_gain() -> None:
    stream, control = _made(), _made(gain=3.0)
    assert_array_equal(stream.labels, control.labels)
    assert_array_equal(stream.clean, control.clean)
    cut = SCHEDULE.cuts(stream.clean)[0]
    assert_array_equal(control.rows, drifted(stream.rows, 3.0, begin=cut))
    assert_array_equal(control.rows[:cut], stream.rows[:cut])
    there = np.isfinite(stream.rows[-1])
    assert control.rows[-1][there] == pytest.approx(3 * stream.rows[-1][there])


@given(st.floats(0.1, 10), st.integers(0, 40))
def test_a_gain_ramps_in_a_straight_line(gain: float, begin: int) -> None:
    rows = np.ones((50, 2))
    found = drifted(rows, gain, begin=begin)
    assert (found[: begin + 1] == 1).all()
    assert found[-1] == pytest.approx(gain)
    assert np.diff(found[begin:, 0]) == pytest.approx((gain - 1) / (49 - begin))
    assert (rows == 1).all(), "what was given stays"


def test_no_gain_changes_nothing() -> None:
    rows = np.random.default_rng(1).normal(size=(30, 2))
    rows[4] = np.nan
    assert_array_equal(drifted(rows, 1.0, begin=10), rows)


@given(st.integers(0, 10_000))
def test_what_is_not_labelled_is_as_it_was_recorded_but_for_the_gain(seed: int) -> None:
    made = _made(gain=2.0, seed=seed)
    whole = drifted(made.clean, 2.0, begin=SCHEDULE.cuts(made.clean)[0])
    assert_array_equal(made.rows[~made.labels], whole[~made.labels])


def _drawn(trace: Trace, repeat: int, seed: int) -> list[float]:
    return [float(np.random.default_rng(each).random()) for each in seeds(trace, repeat, seed)]


def test_seeds_are_the_same_at_every_call_and_differ_in_all_else() -> None:
    one = _trace_subject(101)
    assert _drawn(one, 0, 1) == _drawn(one, 0, 1)
    others = [_drawn(_trace_subject(102), 0, 1), _drawn(one, 1, 1), _drawn(one, 0, 2), _drawn(one, 0, 1)]
    assert len({value for each in others for value in each}) == 12
