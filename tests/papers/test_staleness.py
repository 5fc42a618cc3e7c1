"""What dropped trainings do to detection."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from edgeresearch import cli
from edgeresearch.anomaly.evaluation import (
    count_false_alarms,
    event_f1,
    follow_models,
    make_training,
    newest_samples,
    select_errors,
    train_versions,
    training_rows,
)
from edgeresearch.anomaly.identity import Array, FittedIdentity
from edgeresearch.anomaly.thresholds import threshold_levels
from edgeresearch.config import AnomalyStudy, Params, merge
from edgeresearch.data.trace import Origin, Trace
from edgeresearch.errors import InputError
from edgeresearch.papers import staleness as module
from edgeresearch.papers.detection import write_tables
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
    USAGE,
    WARM,
    WHO,
    Cell,
    DriftScenario,
    Outcomes,
    StalenessTables,
    draw_outcomes,
    drift_gain,
    emulated_outcomes,
    make_scenario,
    mean_over_sensors,
    measure_staleness,
    policy_differences,
    read_triggers,
    scenario_seeds,
)
from edgeresearch.stats import interval

# ---- tables of rows


def _rows(policy: str, streams: int, *values: float, **more: Any) -> pd.DataFrame:
    """Rows of one policy: three sensors with two seeds each."""
    about = {"data": "traffic", "threshold": "ema", "policy": policy, "streams": streams, **more}
    units = [(sensor, seed) for sensor in "abc" for seed in range(2)]
    numbers = values if len(values) > 1 else values * 6
    return pd.DataFrame(
        [{**about, "sensor": sensor, "seed": seed, "f1": f1} for (sensor, seed), f1 in zip(units, numbers, strict=True)]
    )


@pytest.mark.parametrize(
    ("values", "means"),
    [
        ([0.1, 0.3, 0.5, 0.7, 0.2, 0.2], [0.2, 0.6, 0.2]),
        ([0.1, np.nan, 0.5, 0.7, np.nan, np.nan], [0.1, 0.6]),  # repeats without a value are left out
    ],
)
def test_a_sensors_value_is_the_mean_of_its_repeats(values: list[float], means: list[float]) -> None:
    (row,) = mean_over_sensors(_rows("los", 2, *values), ["f1"]).to_dict("records")
    assert {name: row[name] for name in WHO} == {"data": "traffic", "threshold": "ema", "policy": "los", "streams": 2}
    assert (row["f1"], row["f1_low"], row["f1_high"]) == pytest.approx(interval(means))
    assert (row["sensors"], row["seeds"]) == (3, 2)


def test_rows_are_kept_apart_in_their_order() -> None:
    parts = [
        _rows("random", 8, 0.1),
        _rows("los", 4, 0.2),
        _rows("los", 4, 0.3, threshold="quantile"),
        _rows("los", 4, 0.4, data="control"),
    ]
    table = mean_over_sensors(pd.concat(parts), ["f1"])
    assert table["f1"].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert table["policy"].tolist() == ["random", "los", "los", "los"]
    blocks = pd.concat([parts[0].assign(block=number, f1=number / 10) for number in (2, 1)])
    course = mean_over_sensors(blocks, ["f1"], ["block"])
    assert course[["block", "f1"]].to_numpy().tolist() == [[2, pytest.approx(0.2)], [1, pytest.approx(0.1)]]


def _differences(*parts: pd.DataFrame, pairs: Any) -> pd.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PAIRS", pairs)
        return policy_differences(pd.concat(parts), ["f1"])


def test_differences_are_of_the_same_stream() -> None:
    always = _rows("always", 0, 0.5, 0.7, 0.2, 0.2, 0.9, 0.5)
    never = _rows("never", 0, 0.4, 0.4, 0.3, 0.3, 0.9, 0.9).sample(frac=1.0, random_state=3)
    (row,) = _differences(always, never, pairs=[("always", "never")]).to_dict("records")
    assert (row["difference"], row["low"], row["high"]) == pytest.approx(interval([0.2, -0.1, -0.2]))
    assert (row["contrast"], row["metric"], row["streams"]) == ("always - never", "f1", 0)
    assert (row["sensors"], row["pairs"]) == (3, 6)
    warm = _rows("always_warm", 0, 0.4).query("seed == 0")  # a repeat that one of them lacks is no pair
    (row,) = _differences(always, warm, pairs=[("always_warm", "always")]).to_dict("records")
    assert row["difference"] == pytest.approx(np.mean([-0.1, 0.2, -0.5]))
    assert (row["sensors"], row["pairs"]) == (3, 3)


@pytest.mark.parametrize(
    ("pair", "streams", "differences"),
    [
        (("los", "cloud"), [2, 4], [0.18, 0.36]),  # with as many streams each
        (("los", "never"), [2, 4], [0.1, 0.3]),  # a bound is compared with every number of streams
        (("never", "los"), [2, 4], [-0.1, -0.3]),
        (("los", "oracle"), [], []),  # what was not run is left out
    ],
)
def test_which_streams_are_compared(pair: tuple[str, str], streams: list[int], differences: list[float]) -> None:
    parts = [_rows("los", count, count / 10) for count in (2, 4)]
    parts += [_rows("cloud", count, count / 100) for count in (4, 2, 6)]
    table = _differences(*parts, _rows("never", 0, 0.1), pairs=[pair])
    assert table["streams"].tolist() == streams
    assert table["difference"].tolist() == pytest.approx(differences)


def test_data_and_thresholds_are_not_mixed() -> None:
    parts = [
        _rows(policy, 0, value, data=data, threshold=threshold)
        for policy, value in (("always", 0.5), ("never", 0.1))
        for data in ("traffic", "control")
        for threshold in ("ema", "quantile")
        if (policy, data, threshold) != ("never", "control", "quantile")
    ]
    table = _differences(*parts, pairs=[("always", "never")])
    who = list(table[["data", "threshold"]].itertuples(index=False, name=None))
    assert who == [("traffic", "ema"), ("traffic", "quantile"), ("control", "ema")]
    assert table["difference"].tolist() == pytest.approx([0.4] * 3)


# ---- outcomes of emulated trainings

LOS, CLOUD = Cell("los", 2), Cell("cloud", 2)


def _triggers(**changes: Any) -> pd.DataFrame:
    """Two streams of one policy in one repeat, three triggers each, in order of time as the emulator writes them."""
    table = pd.DataFrame(
        {
            **{"policy": "los", "streams": 2, "repeat": 0, "job": [0, 1, 0, 1, 0, 1]},
            "time": [200.0, 250.0, 400.0, 500.0, 600.0, 750.0],
            "end": ["finished", "dropped", "dropped", "finished", "lost", "finished"],
            "complete": [50.0, 0.0, 0.0, 300.0, 80.0, 0.0],
            "period": [200.0, 250.0, 200.0, 250.0, 200.0, 250.0],
        }
    )
    return table.assign(**changes)


def test_a_period_is_so_many_samples_and_what_did_not_finish_has_none(tmp_path: Path) -> None:
    expected = {LOS: [(250.0, None, None), (None, 1200.0, 0.0)]}
    assert emulated_outcomes(_triggers(), every=1000) == expected
    kinds = {"policy": "category", "end": "category", "streams": "int16", "complete": "float32", "period": "float32"}
    _triggers(hops=3).astype(kinds).to_parquet(tmp_path / "triggers.parquet")  # as the emulator writes it
    triggers = read_triggers(tmp_path / "triggers.parquet")
    assert tuple(triggers.columns) == COLUMNS
    ((cell, streams),) = emulated_outcomes(triggers, every=1000).items()
    assert (type(cell.policy), type(cell.streams)) == (str, int)
    for mine, exact in zip(streams, expected[cell], strict=True):
        assert_allclose(np.array(mine, dtype=float), np.array(exact, dtype=float), rtol=1e-6)


def test_streams_come_by_repeat_and_job_whatever_the_order_of_the_rows() -> None:
    table = pd.concat([_triggers(repeat=1), _triggers(), _triggers(policy="cloud", complete=20.0)])
    outcomes = emulated_outcomes(table.sample(frac=1.0, random_state=1), every=100)
    assert outcomes == {
        LOS: [(25.0, None, None), (None, 120.0, 0.0)] * 2,
        CLOUD: [(10.0, None, None), (None, 8.0, 8.0)],
    }
    with pytest.raises(InputError, match="there is no trigger; emulate more hours"):
        emulated_outcomes(table.iloc[:0], every=1000)


@pytest.mark.parametrize("content", [None, b"no parquet", b"", "no period"])
def test_a_file_that_holds_no_triggers_says_how_to_make_it(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "a.parquet"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        _triggers().drop(columns="period").to_parquet(path)
    message = "no file .*a.parquet" if content is None else "a.parquet holds no triggers: .*"
    with pytest.raises(InputError, match=f"(?s){message}; make it with 'edgeresearch emulate scheduling'"):
        read_triggers(path)


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 9))
def test_policies_get_the_same_stream_at_the_same_time(seed: int, count: int, streams: int) -> None:
    numbered: list[Outcomes] = [tuple(100.0 * stream + place for place in range(count)) for stream in range(streams)]
    outcomes = draw_outcomes({LOS: numbered, CLOUD: numbered}, np.random.default_rng(seed))
    assert outcomes[LOS] == outcomes[CLOUD]
    own = numbered[int(outcomes[LOS][0] // 100)]
    at = own.index(outcomes[LOS][0])
    assert outcomes[LOS] == own[at:] + own[:at], "a stream, whole and in its order"


# ---- scenarios

SMALL = {
    **{"train": 100, "every": 100, "injection": {"spacing": 60}},
    **{"lstm": {"epochs": 1, "hidden": 2}, "quantile": {"warm_up": 20, "window": 100}},
    "staleness": {"sensors": 2, "seeds": 2, "samples": 650, "block": 150, "control_seeds": 1, "warm_seeds": 1},
}
ONE = {"sensors": 1, "seeds": 1, "samples": 300, "control_seeds": 0, "warm_seeds": 0}


def _study(**changes: Any) -> AnomalyStudy:
    return Params.of({"anomaly": merge(SMALL, {"staleness": changes})}).anomaly


def _trace(sensor: int, rows: int = 800, real: bool = False) -> Trace:
    rng = np.random.default_rng(sensor)
    frame = pd.DataFrame(
        20 + 5 * np.sin(np.arange(rows) / 20)[:, None] + rng.normal(0, 0.5, (rows, 3)),
        index=pd.date_range("2014-08-01", periods=rows, freq="5min"),
    )
    frame.iloc[[5, 300]] = np.nan
    origin = Origin("registry" if real else "synthetic", "a.csv", "0" * 64, real)
    return Trace(f"traffic_{sensor}", frame, pd.Timedelta("5min"), "", origin, {})


def _scenario(gain: float = 1.0, samples: int | None = None, seed: int = 3) -> DriftScenario:
    return make_scenario(_trace(7, 500), np.random.default_rng(seed), _study(samples=samples), gain=gain)


@given(st.integers(0, 1000))
def test_anomalies_are_throughout_and_labelled_and_the_gain_drifts(seed: int) -> None:
    scenario, drifting, clean = _scenario(seed=seed), _scenario(gain=2.0, seed=seed), _trace(7, 500).frame.to_numpy()
    assert scenario.step == 300
    assert_array_equal(scenario.clean, clean)
    assert_array_equal(scenario.rows[~scenario.labels], clean[~scenario.labels])
    cut = training_rows(clean, _study())[0]
    assert scenario.labels[:cut].any(), "the first training's samples have some, too"
    assert scenario.labels[cut:].any()
    assert_array_equal(drifting.labels, scenario.labels)
    assert_array_equal(drifting.rows, drift_gain(scenario.rows, 2.0, begin=cut))


@pytest.mark.parametrize("samples", [60, 399])
def test_so_many_rows_behind_the_first_training_are_taken(samples: int) -> None:
    clean = _trace(7, 500).frame.to_numpy()
    scenario = _scenario(samples=samples)
    assert_array_equal(scenario.clean, clean[: training_rows(clean, _study())[0] + samples])
    assert len(scenario.rows) == len(scenario.labels) == len(scenario.clean)
    with pytest.raises(InputError, match="traffic_7 has 399 samples behind the training, not 400"):
        _scenario(samples=400)


@given(st.floats(0.1, 10), st.integers(0, 40))
def test_a_gain_ramps_in_a_straight_line(gain: float, begin: int) -> None:
    rows = np.ones((50, 2))
    ramp = drift_gain(rows, gain, begin=begin)
    assert (ramp[: begin + 1] == 1).all()
    assert ramp[-1] == pytest.approx(gain)
    assert np.diff(ramp[begin:, 0]) == pytest.approx((gain - 1) / (49 - begin))
    assert (rows == 1).all(), "what was given stays"
    assert_array_equal(drift_gain(rows, 1.0, begin=begin), rows)


def test_seeds_are_the_same_at_every_call_and_differ_in_all_else() -> None:
    def draw(sensor: int, repeat: int, seed: int) -> list[float]:
        return [float(np.random.default_rng(each).random()) for each in scenario_seeds(_trace(sensor), repeat, seed)]

    assert draw(101, 0, 1) == draw(101, 0, 1)
    others = [draw(102, 0, 1), draw(101, 1, 1), draw(101, 0, 2), draw(101, 0, 1)]
    assert len({value for each in others for value in each}) == 12


# ---- the experiment


@pytest.fixture(autouse=True)
def _sensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sensors that are made up."""
    monkeypatch.setattr(module.datasets, "list_sensors", lambda folder, kind: [101, 102, 103])
    monkeypatch.setattr(module.datasets, "load_traffic", lambda folder, sensor: _trace(sensor))


def _emulated() -> pd.DataFrame:
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
        for number in range(5)
        for ran in [policy == "los" and number % 3 != 1]
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def tables() -> StalenessTables:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.datasets, "load_sensors", lambda folder, kind, count: [_trace(101), _trace(102)])
        return measure_staleness("raw", _study(), _emulated(), seed=1)


def _one(table: pd.DataFrame, policy: str, streams: int = 0) -> Any:
    mine = (table["policy"] == policy) & (table["streams"] == streams) & (table["data"] == TRAFFIC)
    (row,) = table[mine & (table["threshold"] == MAIN)].to_dict("records")
    return row


def test_there_is_a_row_for_every_policy_and_bound(tables: StalenessTables) -> None:
    table = tables.table
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
    assert not any(each["real"].any() for each in tables), "these are made up"


def test_who_drops_all_is_never_retrained(tables: StalenessTables) -> None:
    never, always, los = _one(tables.table, "never"), _one(tables.table, "always"), _one(tables.table, "los", 2)
    for streams in (2, 4):
        other, names = _one(tables.table, "random", streams), (*USAGE, *METRICS)
        assert [other[name] for name in names] == pytest.approx([never[name] for name in names], nan_ok=True)
    assert (never["drop_percent"], always["drop_percent"]) == (100.0, 0.0)
    assert 0 < los["drop_percent"] < 100
    assert always["mean_age"] < los["mean_age"] < never["mean_age"]
    assert always["mean_age"] == pytest.approx(50, abs=6), "half of the samples between two trainings"


def test_the_course_is_of_whole_blocks_and_ages_with_the_model(tables: StalenessTables) -> None:
    course = tables.course
    assert {"policy", "streams", "block", *COURSE, *(f"{name}_low" for name in COURSE)} <= set(course.columns)
    assert set(course["block"]) == {1, 2, 3, 4}, "650 samples are four blocks of 150 and a rest"
    ages = course[course["data"] == TRAFFIC].groupby("policy")["mean_age"]
    assert (ages.get_group("never").diff().dropna() > 100).all()
    assert ages.get_group("always").max() < 100
    assert len(course) == 4 * (tables.table["threshold"] == MAIN).sum(), "of one threshold"


def test_pairs_are_those_that_were_run(tables: StalenessTables) -> None:
    pairs = tables.pairs[(tables.pairs["data"] == TRAFFIC) & (tables.pairs["threshold"] == MAIN)]
    assert set(pairs["contrast"]) == {
        *("always - never", "never_clean - never", "always_warm - never", "always_warm - always"),
        *("always - los", "los - random"),
    }
    assert set(pairs["metric"]) == set(METRICS)
    f1 = pairs[pairs["metric"] == "event_f1"].set_index(["contrast", "streams"])["difference"]
    never = _one(tables.table, "never")["event_f1"]
    assert f1["always - never", 0] == pytest.approx(_one(tables.table, "always")["event_f1"] - never)
    assert f1["los - random", 4] == pytest.approx(_one(tables.table, "los", 4)["event_f1"] - never)
    assert {name for pair in PAIRS for name in pair} <= {cell.policy for cell in BOUNDS} | set(Params().los.policies)


def _by_hand(sensor: int, repeat: int, study: AnomalyStudy) -> tuple[Any, DriftScenario, np.random.SeedSequence]:
    """Return the parts of one stream: those that the experiment makes inside."""
    trace = _trace(sensor)
    choosing, placing, training = scenario_seeds(trace, repeat, 1)
    chosen = draw_outcomes(emulated_outcomes(_emulated(), every=100), np.random.default_rng(choosing))
    scenario = make_scenario(trace, np.random.default_rng(placing), study)
    return (trace, repeat, TRAFFIC, chosen, study, 1), scenario, training


def test_a_policy_is_its_outcomes_on_the_models_of_the_stream() -> None:
    study = _study()
    task, scenario, training = _by_hand(102, 1, study)
    rows, blocks = module._score_stream(*task)
    train = make_training(study.lstm, training, warm_start=False)
    use = follow_models(scenario.rows, task[3][Cell("los", 4)], schedule=study)
    errors = select_errors(train_versions(scenario.rows, train, schedule=study), use)
    alarms = errors > threshold_levels(study.ema.start(), errors)
    begin = training_rows(scenario.rows, study)[0]
    row = rows[(rows["policy"] == "los") & (rows["streams"] == 4)].iloc[0]
    assert row["event_f1"] == event_f1(scenario.labels[begin:], alarms[begin:])
    assert row["drop_percent"] == 100 * use.dropped
    per_day = count_false_alarms(scenario.labels[begin:], alarms[begin:]) * 288 / len(alarms[begin:])
    assert row["false_alarms_per_day"] == pytest.approx(per_day)
    part = slice(begin + 150, begin + 300)
    block = blocks[(blocks["policy"] == "los") & (blocks["streams"] == 4) & (blocks["block"] == 2)].iloc[0]
    assert block["event_f1"] == pytest.approx(event_f1(scenario.labels[part], alarms[part]), nan_ok=True)
    assert block["mean_age"] == pytest.approx(use.age[part].mean())


def test_trainings_see_anomalies_but_for_the_one_that_is_meant_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    study, seen = _study(), list[tuple[Array, int]]()
    task, scenario, _ = _by_hand(101, 1, study)

    def recorded(*arguments: Any, **options: Any) -> Any:
        train = make_training(*arguments, **options)

        def record(samples: Array, previous: FittedIdentity | None, number: int) -> FittedIdentity:
            seen.append((samples, number))
            return train(samples, previous, number)

        return record

    monkeypatch.setattr(module, "make_training", recorded)
    module._score_stream(*task)
    cuts = training_rows(scenario.rows, study)
    assert [number for _, number in seen] == [*range(1, len(cuts) + 1), 1]
    for cut, (samples, _) in zip(cuts, seen[:-1], strict=True):
        assert_array_equal(samples, newest_samples(scenario.rows[:cut], 100))
    clean = scenario.clean[: cuts[0]]
    assert_array_equal(seen[-1][0], newest_samples(clean, 100))
    assert not np.array_equal(scenario.rows[: cuts[0]], clean, equal_nan=True)


@pytest.mark.slow
def test_workers_change_nothing() -> None:
    with pytest.MonkeyPatch.context() as patch:  # processes of their own do not see what was patched here
        patch.setattr(module.datasets, "load_sensors", lambda folder, kind, count: [_trace(101)])
        study = _study(**(ONE | {"control_seeds": 1}))
        two, one = (measure_staleness("raw", study, _emulated(), seed=1, workers=workers) for workers in (2, 1))
    for mine, other in zip(two, one, strict=True):
        pd.testing.assert_frame_equal(mine, other)


def test_the_files_are_the_same_twice_and_hold_nothing_that_was_not_asked_for(
    tmp_path: Path, tables: StalenessTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.datasets, "load_traffic", lambda folder, sensor: _trace(sensor, real=True))
    contents = []
    for name in ("one", "other"):
        tables_of_one = measure_staleness("raw", _study(**(ONE | {"samples": None})), _emulated(), seed=2)
        write_tables(tables_of_one, "staleness", tmp_path / name)
        folder = tmp_path / name / "reports" / "tables"
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {"staleness.csv", "staleness_course.csv", "staleness_pairs.csv"}
    table = pd.read_csv(folder / "staleness.csv")
    assert table["low"].isna().all(), "no interval over one sensor"
    assert table["real"].all(), "published streams are marked"
    assert set(table["data"]) == {TRAFFIC}
    assert CLEAN.policy in set(table["policy"])
    assert WARM.policy not in set(table["policy"])
    assert _one(table, "never")["mean_age"] > _one(tables.table, "never")["mean_age"], "800 rows, not 750"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"staleness": {"sensors": 4}}, "3 traffic sensors in raw, not 4; fetch the data first"),
        ({"staleness": {"samples": 900}}, "traffic_101 has 699 samples behind the training, not 900"),
        ({"injection": {"spacing": 10}}, "anomaly.injection.spacing is 10"),
        ({"every": None}, "anomaly.every is null; staleness needs the samples between two trainings"),
    ],
)
def test_settings_that_do_not_fit(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure_staleness("raw", Params.of({"anomaly": merge(SMALL, changes)}).anomaly, _emulated(), seed=1)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    small = Params.of({"workers": 1, "anomaly": merge(SMALL, {"staleness": ONE})})
    monkeypatch.setattr(cli.base, "read_settings", lambda *_: small)
    place = tmp_path / "data" / "processed" / "los"
    place.mkdir(parents=True)
    _emulated().to_parquet(place / "triggers.parquet")
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
        (["anomaly", "stale"], "error: unknown experiment 'stale'; did you mean staleness?"),
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
