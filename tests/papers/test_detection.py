from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

from edgeresearch import cli
from edgeresearch.anomaly.detectors import CUTOFF
from edgeresearch.anomaly.evaluation import Injected, inject
from edgeresearch.config import DetectorName, Params, merge
from edgeresearch.data.trace import Origin, Trace
from edgeresearch.errors import InputError
from edgeresearch.papers import detection as module
from edgeresearch.papers.detection import (
    DETECTORS,
    IFTM,
    METRICS,
    PACKAGES,
    POOLED,
    by_kind,
    differences,
    drawn,
    injected,
    sensors,
    summary,
    watch,
    write,
)

SEED = np.random.SeedSequence(3)
CHEAP = ("robust_z", "last_value")


def _section(**changes: Any) -> dict[str, Any]:
    """Settings of a small run."""
    small = {
        **{"sensors": 2, "train": 100, "every": 150, "samples": 300, "seeds": 2, "detectors": CHEAP},
        **{"lstm": {"epochs": 1}, "autoencoder": {"epochs": 1}, "injection": {"every": 60}},
        **{"quantile": {"warm_up": 20, "window": 100}},
    }
    return merge(merge(Params().anomaly.model_dump(), small), changes)


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
    monkeypatch.setattr(module.datasets, "sensors", lambda folder, kind: [101, 102, 103])
    for kind in ("traffic", "pollution"):
        monkeypatch.setattr(module.datasets, kind, lambda folder, sensor, kind=kind: _trace(kind, sensor))


def test_the_settings_know_the_same_detectors() -> None:
    assert get_args(DetectorName) == DETECTORS
    assert Params().anomaly.detectors == tuple(name for name in DETECTORS if name not in PACKAGES)


def test_every_sensor_and_all_together(streams: None) -> None:
    found = sensors("raw", _section(), seed=1)
    table = found.table
    assert table.columns[:3].tolist() == ["sensor", "kind", "detector"]
    wanted = {"point_f1", "event_f1", "auc_pr", "delay", "false_alarms_per_day", "event_f1_low", "event_f1_high"}
    assert wanted | {"point_adjusted_f1_inflated", "event_f1_best"} <= set(table.columns)
    assert (table["event_f1_best"] >= 0).all()
    assert len(table) == 2 * 2 * 3, "kinds x detectors x (two sensors and all)"
    for kind in ("traffic", "pollution"):
        part = table[table["kind"] == kind]
        assert set(part["sensor"]) == {"101", "102", POOLED}
        for detector, rows in part.groupby("detector"):
            pooled = rows[rows["sensor"] == POOLED].iloc[0]
            alone = rows[rows["sensor"] != POOLED]
            assert detector in CHEAP
            assert pooled["event_f1"] == pytest.approx(alone["event_f1"].mean())
            assert pooled["events"] == alone["events"].sum()
            assert (pooled["sensors"], pooled["seeds"]) == (2, 2)
            assert pooled["event_f1_low"] <= pooled["event_f1"] <= pooled["event_f1_high"]


def test_the_same_seed_gives_the_same_and_another_does_not(streams: None) -> None:
    first = sensors("raw", _section(), seed=1).table
    pd.testing.assert_frame_equal(first, sensors("raw", _section(), seed=1).table)
    assert not first.equals(sensors("raw", _section(), seed=2).table)


def test_a_sensor_does_not_hang_on_how_many_others_there_are(streams: None) -> None:
    one, two = (sensors("raw", _section(sensors=count), seed=1).table for count in (1, 2))
    rows = [table[table["sensor"] == "101"].reset_index(drop=True) for table in (one, two)]
    pd.testing.assert_frame_equal(*rows)


def test_thresholds_never_see_the_labels(streams: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shuffled labels give the same alarms, whatever they do to the scores."""
    said: list[dict[str, module.Seen]] = []
    real = watch

    def spied(*arguments: Any) -> dict[str, module.Seen]:
        said.append(real(*arguments))
        return said[-1]

    def shuffled(values: Any, rng: np.random.Generator, **options: Any) -> Injected:
        found = inject(values, rng, **options)
        labels = np.random.default_rng(9).permutation(found.labels)
        return Injected(found.values, labels, found.events)

    section = _section(sensors=1, seeds=1, detectors=(*IFTM, *CHEAP))
    monkeypatch.setattr(module, "watch", spied)
    first = sensors("raw", section, seed=1).table
    monkeypatch.setattr(module, "inject", shuffled)
    second = sensors("raw", section, seed=1).table
    assert len(said) == 4
    for before, after in zip(said[:2], said[2:], strict=True):
        assert before.keys() == after.keys() == set(section["detectors"])
        for name in before:
            np.testing.assert_array_equal(before[name].alarms, after[name].alarms)
            np.testing.assert_array_equal(before[name].scores, after[name].scores)
    assert first["point_f1"].tolist() != second["point_f1"].tolist()


def test_anomalies_lie_behind_the_training_samples() -> None:
    trace = _trace("traffic", 1)
    values, found = injected(trace, _section(), np.random.default_rng(0))
    original = trace.frame.to_numpy()
    assert len(values) == 101 + 300, "a row without any value does not count"
    np.testing.assert_array_equal(values[:101], original[:101])
    np.testing.assert_array_equal(values[101:][~found.labels], original[101:401][~found.labels])
    assert found.labels.any()
    assert np.nanmin(values) >= 0


def test_a_stream_is_drawn_by_sensor_kind_and_repeat() -> None:
    trace, section = _trace("traffic", 101), _section()
    values, found, seed = drawn(trace, "traffic", 0, section, 1)
    again, _, same = drawn(trace, "traffic", 0, section, 1)
    np.testing.assert_array_equal(values, again)
    assert seed.generate_state(2).tolist() == same.generate_state(2).tolist()
    assert len(found.events) == 5
    others = [
        drawn(trace, "traffic", 1, section, 1),
        drawn(trace, "traffic", 0, section, 2),
        drawn(_trace("pollution", 101), "pollution", 0, section, 1),
    ]
    for other, _, differing in others:
        assert not np.array_equal(values, other, equal_nan=True)
        assert differing.generate_state(2).tolist() != seed.generate_state(2).tolist()


def test_thresholds_of_one_identity_function_judge_the_same_scores() -> None:
    values, _ = injected(_trace("traffic", 1), _section(), np.random.default_rng(0))
    seen = watch(values, ["iftm_autoencoder_ema", "iftm_autoencoder_quantile", "robust_z"], _section(), SEED)
    first, second, other = seen.values()
    np.testing.assert_array_equal(first.scores, second.scores)
    assert len(first.alarms) == len(other.alarms) == 300
    assert not np.array_equal(first.scores, other.scores, equal_nan=True)


def test_the_settings_reach_the_detectors() -> None:
    values, _ = injected(_trace("traffic", 1), _section(), np.random.default_rng(0))
    names = ["iftm_lstm_ema", "last_value"]
    usual, strict = (watch(values, names, _section(ema={"k": k}), SEED) for k in (4.0, 0.5))
    for name in names:
        np.testing.assert_array_equal(usual[name].scores, strict[name].scores)
        assert usual[name].alarms.sum() < strict[name].alarms.sum()


def test_a_detector_that_is_not_installed_is_told_before_anything_runs(
    streams: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setattr(module, "_rows", None)
    with pytest.raises(InputError, match="the detector ecod needs pyod, which is not installed; .*anomaly.detectors"):
        sensors("raw", _section(detectors=("last_value", *PACKAGES)), seed=1)


@pytest.mark.parametrize("name", ["half_space_trees", *PACKAGES])
def test_detectors_of_others(name: str) -> None:
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name], reason="comes with the extra 'detectors'")
    values, _ = injected(_trace("traffic", 1), _section(), np.random.default_rng(0))
    seen = watch(values, [name], _section(), SEED)[name]
    assert len(seen.scores) == 300
    assert np.isfinite(seen.scores).mean() > 0.5


def test_others_are_made_with_the_settings_threshold() -> None:
    section = _section(ema={"k": 9.0}, quantile={"quantile": 0.9, "factor": 3.0})
    trees: Any = module._baseline("half_space_trees", section, 5)
    assert trees.random_state == 5
    assert trees.threshold.quantile == 0.9
    assert trees.threshold.factor == 1.0, "scores are bounded"
    for name in ("ecod", "last_value"):
        assert module._baseline(name, section, 5).threshold == module.Moving(k=9.0)
    assert module._baseline("robust_z", section, 5).threshold == CUTOFF


def test_which_kind_was_found(streams: None) -> None:
    kinds = sensors("raw", _section(), seed=1).kinds
    assert kinds.columns.tolist() == ["kind", "detector", "anomaly", "detected", "events"]
    missing = kinds[kinds["anomaly"] == "missing"]
    assert (missing["detected"] == 0).all(), "a row without any value has no score"
    assert kinds.loc[kinds["anomaly"] != "missing", "detected"].max() > 0


def test_shares_by_hand() -> None:
    events = pd.DataFrame(
        [("traffic", "a", "spike", True), ("traffic", "a", "spike", False), ("traffic", "b", "stuck", True)],
        columns=["kind", "detector", "anomaly", "detected"],
    )
    assert by_kind(events)["detected"].tolist() == [0.5, 1.0]
    assert by_kind(events)["events"].tolist() == [2, 1]


def test_a_summary_by_hand() -> None:
    values: Mapping[str, float] = dict.fromkeys(METRICS, 0.5)
    rows = [
        {"kind": "traffic", "sensor": str(sensor), "seed": seed, "detector": "a", **values}
        | {"event_f1": 0.1 * sensor + 0.01 * seed, "events": 3, "delay": np.nan}
        for sensor in (1, 3)
        for seed in (0, 1)
    ]
    table = summary(pd.DataFrame(rows)).set_index("sensor")
    assert table.loc["1", "event_f1"] == pytest.approx(0.105)
    assert table.loc[POOLED, "event_f1"] == pytest.approx(0.205)
    half = 12.706 * np.std([0.1, 0.11], ddof=1) / np.sqrt(2)
    assert table.loc["1", "event_f1_high"] == pytest.approx(0.105 + half, rel=1e-3)  # over seeds
    half = 12.706 * np.std([0.105, 0.305], ddof=1) / np.sqrt(2)
    assert table.loc[POOLED, "event_f1_high"] == pytest.approx(0.205 + half, rel=1e-3)  # over sensors
    assert table["events"].to_dict() == {"1": 6, "3": 6, POOLED: 12}
    assert table["sensors"].to_dict() == {"1": 1, "3": 1, POOLED: 2}
    assert table["seeds"].tolist() == [2, 2, 2]
    assert table["delay"].isna().all()


def test_differences_by_hand() -> None:
    rows = [
        {"kind": "traffic", "sensor": sensor, "seed": seed, "detector": name, "auc_pr": 0.5, "event_f1_best": np.nan}
        | {"event_f1": base + 0.1 * seed}
        for sensor, shift in (("1", 0.2), ("3", 0.4))
        for seed in (0, 1)
        for name, base in (("iftm_lstm_ema", 0.3 + shift), ("iftm_lstm_quantile", 0.3), ("robust_z", 0.3))
    ]
    table = differences(pd.DataFrame(rows))
    assert table["other"].unique().tolist() == ["robust_z"]
    assert table["detector"].unique().tolist() == ["iftm_lstm_ema", "iftm_lstm_quantile"]
    row = table.set_index(["detector", "metric"]).loc[("iftm_lstm_ema", "event_f1")]
    half = 12.706 * np.std([0.2, 0.4], ddof=1) / np.sqrt(2)
    assert row["difference"] == pytest.approx(0.3)
    assert row["high"] == pytest.approx(0.3 + half, rel=1e-3)
    assert row["low"] == pytest.approx(0.3 - half, rel=1e-3)
    assert row["sensors"] == 2
    same = table[table["metric"] == "auc_pr"]
    assert (same[["difference", "low", "high"]] == 0).all(axis=None)
    assert table.loc[table["metric"] == "event_f1_best", "difference"].isna().all()


def test_without_a_pair_there_are_no_differences() -> None:
    rows = pd.DataFrame([{"kind": "traffic", "sensor": "1", "seed": 0, "detector": "robust_z", "event_f1": 0.1}])
    rows = rows.assign(event_f1_best=0.2, auc_pr=0.3)
    table = differences(rows)
    assert table.empty
    assert table.columns.tolist()[:4] == ["kind", "detector", "other", "metric"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sensors": 4}, "3 traffic sensors in raw, not 4; fetch the data first"),
        ({"samples": 450}, "traffic_101 has 399 samples behind the training, not 450"),
        ({"train": 500}, "499 samples have a value, the training takes the first 500"),
        ({"injection": {"every": 10}}, "every is 10"),
    ],
)
def test_settings_that_do_not_fit(streams: None, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sensors("raw", _section(**changes), seed=1)


def test_two_runs_write_the_same_bytes(streams: None, tmp_path: Path) -> None:
    section = _section(detectors=("iftm_autoencoder_ema", "last_value"), sensors=1)
    for name in ("one", "two"):
        write("raw", section, seed=1, out=tmp_path / name)
    for name in ("anomaly.csv", "anomaly_kinds.csv", "anomaly_pairs.csv"):
        first, second = (tmp_path / each / "reports" / "tables" / name for each in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()
    assert "pooled,traffic,iftm_autoencoder_ema," in (tmp_path / "one/reports/tables/anomaly.csv").read_text()


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
    assert "traffic: all sensors together" in shown.out
    assert "pollution: all sensors together" in shown.out
    assert "last_value" in shown.out
    assert "tables: reports/tables" in shown.out
    assert len(pd.read_csv("reports/tables/anomaly.csv")) == 8
    with pytest.raises(SystemExit) as caught:
        cli.main(["anomaly", "sensor"])
    assert caught.value.code == 2
    assert "error: there is no experiment 'sensor'; known: sensors" in capsys.readouterr().err
