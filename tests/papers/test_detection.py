"""Every detector on Aarhus sensors with injected anomalies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from edgeresearch import cli
from edgeresearch.anomaly.detectors import CUTOFF, HalfSpaceTrees
from edgeresearch.anomaly.evaluation import Injected, inject
from edgeresearch.anomaly.thresholds import MovingThreshold, QuantileThreshold
from edgeresearch.config import AnomalyStudy, Params, merge
from edgeresearch.data.trace import Origin, Trace
from edgeresearch.errors import InputError
from edgeresearch.papers import detection as module
from edgeresearch.papers.detection import (
    DETECTORS,
    IFTM,
    METRICS,
    PACKAGES,
    POOLED,
    DetectorOutput,
    compare_detectors,
    detected_by_kind,
    draw_stream,
    make_baseline,
    paired_differences,
    run_detectors,
    summarize,
    write_tables,
)

SEED = np.random.SeedSequence(3)
CHEAP = ["robust_z", "last_value"]
SMALL: dict[str, Any] = {
    **{"sensors": 2, "train": 100, "every": 150, "samples": 300, "seeds": 2, "detectors": CHEAP},
    **{"lstm": {"epochs": 1}, "autoencoder": {"epochs": 1}, "injection": {"spacing": 60}},
    **{"quantile": {"warm_up": 20, "window": 100}},
}


def _study(**changes: Any) -> AnomalyStudy:
    return Params.of({"anomaly": merge(SMALL, changes)}).anomaly


def _trace(kind: str, sensor: int, rows: int = 500) -> Trace:
    rng = np.random.default_rng(sensor)
    frame = pd.DataFrame(
        20 + 5 * np.sin(np.arange(rows) / 20)[:, None] + rng.normal(0, 0.5, (rows, 3)),
        index=pd.date_range("2014-08-01", periods=rows, freq="5min"),
    )
    frame.iloc[5] = np.nan
    origin = Origin("synthetic", "made.csv", "0" * 64, False)
    return Trace(f"{kind}_{sensor}", frame, pd.Timedelta("5min"), "", origin, {})


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sensors that are made up."""
    monkeypatch.setattr(module.datasets, "list_sensors", lambda folder, kind: [101, 102, 103])
    for kind in ("traffic", "pollution"):
        monkeypatch.setattr(module.datasets, f"load_{kind}", lambda folder, sensor, kind=kind: _trace(kind, sensor))


def test_the_study_runs_every_detector_that_needs_no_extra() -> None:
    assert (*IFTM, "robust_z", "last_value", "half_space_trees", *PACKAGES) == DETECTORS
    assert Params().anomaly.detectors == tuple(name for name in DETECTORS if name not in PACKAGES)


def test_every_sensor_and_all_together(streams: None) -> None:
    tables = compare_detectors("raw", _study(), seed=1)
    table = tables.table
    assert table.columns[:3].tolist() == ["sensor", "kind", "detector"]
    wanted = {"point_f1", "event_f1", "auc_pr", "delay", "false_alarms_per_day", "event_f1_low", "event_f1_high"}
    assert wanted | {"point_adjusted_f1_inflated", "event_f1_best"} <= set(table.columns)
    assert len(table) == 2 * 2 * 3, "kinds x detectors x (two sensors and all)"
    for _, rows in table.groupby(["kind", "detector"]):
        assert set(rows["sensor"]) == {"101", "102", POOLED}
        pooled, alone = rows[rows["sensor"] == POOLED].iloc[0], rows[rows["sensor"] != POOLED]
        assert pooled["event_f1"] == pytest.approx(alone["event_f1"].mean())
        assert pooled["event_f1_low"] <= pooled["event_f1"] <= pooled["event_f1_high"]
        assert (pooled["events"], pooled["sensors"], pooled["seeds"]) == (alone["events"].sum(), 2, 2)
    kinds = tables.kinds
    assert kinds.columns.tolist() == ["kind", "detector", "anomaly", "detected", "events"]
    missing = kinds["anomaly"] == "missing"
    assert (kinds.loc[missing, "detected"] == 0).all(), "a row without any value has no score"
    assert kinds.loc[~missing, "detected"].max() > 0


def test_the_seed_counts_and_other_sensors_do_not(streams: None, tmp_path: Path) -> None:
    for name, count, seed in (("one", 1, 1), ("again", 1, 1), ("more", 2, 1), ("other", 1, 2)):
        write_tables(compare_detectors("raw", _study(sensors=count), seed=seed), "anomaly", tmp_path / name)
    names = {"anomaly.csv", "anomaly_kinds.csv", "anomaly_pairs.csv"}
    contents = {
        path.name: {each.name: each.read_bytes() for each in (path / "reports" / "tables").iterdir()}
        for path in tmp_path.iterdir()
    }
    assert contents["one"].keys() == names
    assert contents["one"] == contents["again"] != contents["other"]
    rows = {line for line in contents["one"]["anomaly.csv"].splitlines() if line.startswith(b"101,")}
    assert len(rows) == 4
    assert rows <= set(contents["more"]["anomaly.csv"].splitlines())


def test_thresholds_never_see_the_labels(streams: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shuffled labels give the same alarms, whatever they do to the scores."""
    outputs: list[dict[str, DetectorOutput]] = []

    def recorded(*arguments: Any) -> dict[str, DetectorOutput]:
        outputs.append(run_detectors(*arguments))
        return outputs[-1]

    def shuffled(values: Any, rng: np.random.Generator, **options: Any) -> Injected:
        injected = inject(values, rng, **options)
        labels = np.random.default_rng(9).permutation(injected.labels)
        return Injected(injected.values, labels, injected.events)

    study = _study(sensors=1, seeds=1, detectors=[*IFTM, *CHEAP])
    monkeypatch.setattr(module, "run_detectors", recorded)
    first = compare_detectors("raw", study, seed=1).table
    monkeypatch.setattr(module, "inject", shuffled)
    second = compare_detectors("raw", study, seed=1).table
    assert first["point_f1"].tolist() != second["point_f1"].tolist()
    for before, after in zip(outputs[:2], outputs[2:], strict=True):
        assert before.keys() == after.keys() == set(study.detectors)
        for name in before:
            assert_array_equal(before[name].alarms, after[name].alarms)
            assert_array_equal(before[name].scores, after[name].scores)


def test_anomalies_lie_behind_the_training_samples() -> None:
    trace = _trace("traffic", 1)
    values, injected, _ = draw_stream(trace, "traffic", 0, _study(), 0)
    original = trace.frame.to_numpy()
    assert len(values) == 101 + 300, "a row without any value does not count"
    assert_array_equal(values[:101], original[:101])
    assert_array_equal(values[101:][~injected.labels], original[101:401][~injected.labels])
    assert injected.labels.any()
    assert np.nanmin(values) >= 0


def test_a_stream_is_drawn_by_sensor_kind_and_repeat() -> None:
    study, draws = _study(), []
    for kind, repeat, seed in (
        ("traffic", 0, 1),
        ("traffic", 0, 1),
        ("traffic", 1, 1),
        ("traffic", 0, 2),
        ("pollution", 0, 1),
    ):
        values, injected, training = draw_stream(_trace(kind, 101), kind, repeat, study, seed)  # type: ignore[arg-type]
        assert len(injected.events) == 5
        draws.append((values.tobytes(), training.generate_state(2).tolist()))
    assert draws[0] == draws[1]
    assert len({values for values, _ in draws}) == len({tuple(state) for _, state in draws}) == 4


def test_the_settings_reach_the_detectors() -> None:
    values, *_ = draw_stream(_trace("traffic", 1), "traffic", 0, _study(), 0)
    names = ["iftm_autoencoder_ema", "iftm_autoencoder_quantile", "iftm_lstm_ema", "last_value"]
    usual, strict = (run_detectors(values, names, _study(ema={"k": k}), SEED) for k in (4.0, 0.5))
    assert_array_equal(usual[names[0]].scores, usual[names[1]].scores)
    assert not np.array_equal(usual[names[0]].scores, usual["last_value"].scores, equal_nan=True)
    for name in ("iftm_lstm_ema", "last_value"):
        assert len(usual[name].alarms) == 300
        assert_array_equal(usual[name].scores, strict[name].scores)
        assert usual[name].alarms.sum() < strict[name].alarms.sum()


@pytest.mark.parametrize("name", ["half_space_trees", *PACKAGES])
def test_detectors_of_others(name: str) -> None:
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name], reason="comes with the extra 'detectors'")
    values, *_ = draw_stream(_trace("traffic", 1), "traffic", 0, _study(), 0)
    output = run_detectors(values, [name], _study(), SEED)[name]
    assert len(output.scores) == 300
    assert np.isfinite(output.scores).mean() > 0.5


def test_others_have_the_settings_threshold() -> None:
    study = _study(ema={"k": 9.0}, quantile={"quantile": 0.9, "factor": 3.0})
    trees = make_baseline("half_space_trees", study, 5)
    assert isinstance(trees, HalfSpaceTrees)
    assert trees.random_state == 5
    assert trees.threshold == QuantileThreshold(quantile=0.9, factor=1.0, warm_up=20, window=100), "scores are bounded"
    for name in ("ecod", "last_value"):
        assert make_baseline(name, study, 5).threshold == MovingThreshold(k=9.0)
    assert make_baseline("robust_z", study, 5).threshold == CUTOFF


def test_shares_by_hand() -> None:
    events = pd.DataFrame(
        [("traffic", "a", "spike", True), ("traffic", "a", "spike", False), ("traffic", "b", "stuck", True)],
        columns=["kind", "detector", "anomaly", "detected"],
    )
    assert detected_by_kind(events)[["detected", "events"]].to_numpy().tolist() == [[0.5, 2], [1.0, 1]]


def test_a_summary_by_hand() -> None:
    values: Mapping[str, float] = dict.fromkeys(METRICS, 0.5)
    rows = [
        {"kind": "traffic", "sensor": str(sensor), "seed": seed, "detector": "a", **values}
        | {"event_f1": 0.1 * sensor + 0.01 * seed, "events": 3, "delay": np.nan}
        for sensor in (1, 3)
        for seed in (0, 1)
    ]
    table = summarize(pd.DataFrame(rows)).set_index("sensor")
    assert table.loc["1", "event_f1"] == pytest.approx(0.105)
    assert table.loc[POOLED, "event_f1"] == pytest.approx(0.205)
    half = 12.706 * np.std([0.1, 0.11], ddof=1) / np.sqrt(2)
    assert table.loc["1", "event_f1_high"] == pytest.approx(0.105 + half, rel=1e-3)  # over seeds
    half = 12.706 * np.std([0.105, 0.305], ddof=1) / np.sqrt(2)
    assert table.loc[POOLED, "event_f1_high"] == pytest.approx(0.205 + half, rel=1e-3)  # over sensors
    assert table[["events", "sensors", "seeds"]].to_numpy().tolist() == [[6, 1, 2], [6, 1, 2], [12, 2, 2]]
    assert table["delay"].isna().all()


def test_differences_by_hand() -> None:
    rows = [
        {"kind": "traffic", "sensor": sensor, "seed": seed, "detector": name, "auc_pr": 0.5, "event_f1_best": np.nan}
        | {"event_f1": base + 0.1 * seed}
        for sensor, shift in (("1", 0.2), ("3", 0.4))
        for seed in (0, 1)
        for name, base in (("iftm_lstm_ema", 0.3 + shift), ("iftm_lstm_quantile", 0.3), ("robust_z", 0.3))
    ]
    table = paired_differences(pd.DataFrame(rows))
    assert table["other"].unique().tolist() == ["robust_z"]
    assert table["detector"].unique().tolist() == ["iftm_lstm_ema", "iftm_lstm_quantile"]
    row = table.set_index(["detector", "metric"]).loc[("iftm_lstm_ema", "event_f1")]
    half = 12.706 * np.std([0.2, 0.4], ddof=1) / np.sqrt(2)
    expected = [0.3, 0.3 - half, 0.3 + half, 2]
    assert row[["difference", "low", "high", "sensors"]].tolist() == pytest.approx(expected, rel=1e-3)
    assert (table.loc[table["metric"] == "auc_pr", ["difference", "low", "high"]] == 0).all(axis=None)
    assert table.loc[table["metric"] == "event_f1_best", "difference"].isna().all()
    alone = paired_differences(pd.DataFrame(rows[2:3]))
    assert alone.empty
    assert alone.columns.tolist() == table.columns.tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sensors": 4}, "3 traffic sensors in raw, not 4; fetch the data first"),
        ({"samples": 450}, "traffic_101 has 399 samples behind the training, not 450"),
        ({"train": 500}, "499 samples have a value, the training takes the first 500"),
        ({"injection": {"spacing": 10}}, "anomaly.injection.spacing is 10"),
    ],
)
def test_settings_that_do_not_fit(streams: None, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare_detectors("raw", _study(**changes), seed=1)


def test_a_detector_that_is_not_installed_is_named_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="the detector ecod needs pyod, which is not installed; .*anomaly.detectors"):
        compare_detectors("nowhere", _study(detectors=["last_value", *PACKAGES]), seed=1)


def test_the_command(
    streams: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(
        "workers: 1\nanomaly: {sensors: 1, train: 100, samples: 300, seeds: 1, detectors: [last_value, robust_z]}\n"
    )
    with pytest.raises(SystemExit) as caught:
        cli.main(["anomaly", "sensors"])
    assert caught.value.code == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    for text in ("traffic: all sensors together", "pollution: all", "last_value", "tables: reports/tables"):
        assert text in shown.out
    assert len(pd.read_csv("reports/tables/anomaly.csv")) == 8
