import numpy as np
import pandas as pd
import pytest

from edgeresearch.papers import anomaly_words_b as module

Frames = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def test_the_verdict_follows_from_the_differences(anomaly_b: Frames) -> None:
    table, _, pairs = anomaly_b
    said = module.verdict(table, pairs)
    assert said.startswith("Event F1 on traffic (measured), sensors: 3, draws of each: 2, injected events: 30. ")
    assert "**With autoencoder + moving mean IFTM beats robust z-score and half-space trees.**" in said
    lstm = said.partition("- LSTM + moving mean: ")[2].splitlines()[0]
    assert "better than robust z-score (+0.1" in lstm
    assert "no clear difference to half-space trees (" in lstm
    quantile = said.partition("- LSTM + quantile: ")[2].splitlines()[0]
    assert "worse than robust z-score (-0.2" in quantile
    assert "worse than half-space trees (-0.3" in quantile
    assert "autoencoder + moving mean" not in said.partition("Where it does not")[2]


def test_a_verdict_without_a_winner(anomaly_b: Frames) -> None:
    table, _, pairs = anomaly_b
    less = table[table["detector"] != "iftm_autoencoder_ema"]
    said = module.verdict(less, pairs, "pollution")
    assert "**No variant of IFTM beats both robust z-score and half-space trees.**" in said
    assert "pollution (generated, not measured)" in said


def test_a_verdict_without_a_loser(anomaly_b: Frames) -> None:
    table, _, pairs = anomaly_b
    some = table[table["detector"].isin(["iftm_autoencoder_ema", "robust_z", "half_space_trees"])]
    said = module.verdict(some, pairs)
    assert said.endswith("beats robust z-score and half-space trees.**")
    assert "Where it does not" not in said


def test_without_intervals_nothing_is_clearly_different(anomaly_b: Frames) -> None:
    table, _, pairs = anomaly_b
    bare = pairs.assign(low=np.nan, high=np.nan)
    table = table.assign(event_f1_low=np.nan, event_f1_high=np.nan)
    said = module.verdict(table, bare)
    assert "No variant of IFTM" in said
    assert "no clear difference to robust z-score (+0." in said
    assert "nan" not in said


@pytest.mark.parametrize("words", [module.verdict, module.thresholds])
def test_without_iftm_or_rivals_there_is_no_verdict(anomaly_b: Frames, words: object) -> None:
    table, _, pairs = anomaly_b
    assert callable(words)
    for keep in (["robust_z"], ["iftm_lstm_ema"]):
        assert words(table[table["detector"].isin(keep)], pairs) == "Nothing was compared on traffic."


def test_what_scores_alone_allow(anomaly_b: Frames) -> None:
    table, _, pairs = anomaly_b
    said = module.thresholds(table, pairs)
    assert "LSTM + moving mean 0.60" in said
    assert "the scores of LSTM: not clearly different from robust z-score and last value and half-space trees" in said
    shifted = pairs.copy()
    best = (shifted["metric"] == "event_f1_best") & (shifted["detector"] == "iftm_lstm_ema")
    shifted.loc[best & (shifted["other"] == "robust_z"), ["low", "high"]] = [0.1, 0.2]
    shifted.loc[best & (shifted["other"] == "last_value"), ["low", "high"]] = [-0.2, -0.1]
    said = module.thresholds(table, shifted)
    assert "better than robust z-score; not clearly different from half-space trees; behind last value" in said


def test_kinds_that_are_found(anomaly_b: Frames) -> None:
    said = module.found(anomaly_b[1], "traffic")
    assert "LSTM + moving mean: spike (100 %)" in said
    assert "last value: none" in said
    assert said.endswith("Of shift and drift and stuck and missing no detector finds more than half.")
    every = module.found(anomaly_b[1].assign(detected=1.0), "pollution")
    assert "no detector" not in every
    assert every.startswith("Found in more than half of the cases on pollution (generated, not measured): ")


def test_the_inflation_is_told(anomaly_b: Frames) -> None:
    said = module.inflation(anomaly_b[0])
    assert "up to 0.10 to 0.90" in said
    assert "By it last value would be first, with 0.1 false alarms per day" in said
    assert said.endswith("by event F1 autoencoder + moving mean is.")


def test_the_table_by_sensor(anomaly_b: Frames) -> None:
    table = anomaly_b[0]
    cells = module.by_sensor(table, "traffic")
    assert cells.index.tolist() == ["101", "102", "103", "pooled"]
    assert cells.columns[0] == "IFTM: LSTM, moving mean"
    row = table.set_index(["kind", "sensor", "detector"]).loc[("traffic", "pooled", "robust_z")]
    said = f"{row['event_f1']:.2f} ({row['event_f1_low']:.2f} to {row['event_f1_high']:.2f})"
    assert cells.loc["pooled", "robust z-score"] == said
    bare = module.by_sensor(table.assign(event_f1_low=np.nan, event_f1_high=np.nan), "traffic")
    assert bare.loc["101", "last value"] == f"{table.loc[table['detector'] == 'last_value', 'event_f1'].iloc[0]:.2f}"


def test_intervals_of_shares_end_at_0_and_1() -> None:
    row = pd.Series({"event_f1": 0.5, "event_f1_low": -0.3, "event_f1_high": 1.3})
    assert module._said(row) == "0.50 (0.00 to 1.00)"
