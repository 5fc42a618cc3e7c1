"""What is seen in the results of anomaly detection, in sentences and tables computed from the same tables."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from edgeresearch.papers.anomaly_b import ANOMALIES, DETECTORS, KINDS, POOLED, known

MAIN = ("iftm_lstm_ema", "iftm_autoencoder_ema")
"""Paper B's identity functions with the threshold that follows the moving mean."""
RIVALS = ("robust_z", "half_space_trees")
"""What IFTM is to beat."""
FOUND = 0.5
"""Share of the events of a kind above which a detector is said to find it."""


def verdict(table: pd.DataFrame, pairs: pd.DataFrame, kind: str = "traffic") -> str:
    """Say whether IFTM beats the robust z-score and half-space trees on event F1, and where not.

    Args:
        table: `anomaly.csv`, as the stage wrote it.
        pairs: `anomaly_pairs.csv`, likewise.
        kind: Of the streams.
    """
    pooled = table[(table["kind"] == kind) & (table["sensor"] == POOLED)].set_index("detector")
    names = [name for name in DETECTORS if name.startswith("iftm_") and name in pooled.index]
    rivals = [name for name in RIVALS if name in pooled.index]
    if not names or not rivals:
        return f"Nothing was compared on {kind}."
    count, draws, events = (int(pooled[name].iloc[0]) for name in ("sensors", "seeds", "events"))
    texts = [
        f"Event F1 on {KINDS[kind]}, sensors: {count}, draws of each: {draws}, injected events: {events:,}. "
        f"{_scores(pooled, [*names, *rivals])}."
    ]
    beats = {name: _compared(pairs, kind, name, rivals, "event_f1") for name in names}
    whole = [name for name in names if set(beats[name].values()) == {"better"}]
    both = " and ".join(_called(name) for name in rivals)
    if whole:
        texts.append(f"**With {' and with '.join(_called(name) for name in whole)} IFTM beats {both}.**")
    else:
        texts.append(f"**No variant of IFTM beats both {both}.**")
    missed = [f"\n- {_called(name)}: {_against(pairs, kind, name, rivals)}" for name in names if name not in whole]
    return " ".join(texts) + ("\n\nWhere it does not:\n" + "".join(missed) if missed else "")


def thresholds(table: pd.DataFrame, pairs: pd.DataFrame, kind: str = "traffic") -> str:
    """Say how much of the verdict is the thresholds': what scores alone allow.

    Args:
        table: `anomaly.csv`, as the stage wrote it.
        pairs: `anomaly_pairs.csv`, likewise.
        kind: Of the streams.
    """
    pooled = table[(table["kind"] == kind) & (table["sensor"] == POOLED)].set_index("detector")
    names = [name for name in MAIN if name in pooled.index]
    rivals = [name for name in pooled.index if not name.startswith("iftm_")]
    if not names or not rivals:
        return f"Nothing was compared on {kind}."
    best = _scores(pooled, [*names, *rivals], "event_f1_best")
    texts = [f"With the fixed level that is best for each, which takes the labels to find, event F1 would be: {best}."]
    for name in names:
        found = _compared(pairs, kind, name, rivals, "event_f1_best")
        each = [
            f"{words} {' and '.join(_called(rival) for rival in rivals if found[rival] == result)}"
            for result, words in (
                ("better", "better than"),
                ("equal", "not clearly different from"),
                ("worse", "behind"),
            )
            if result in found.values()
        ]
        texts.append(f"\n- the scores of {_called(name).partition(' + ')[0]}: {'; '.join(each)}")
    return "\n".join(texts)


def found(kinds: pd.DataFrame, kind: str) -> str:
    """Say which kinds of anomalies each detector finds mostly, and which no detector does.

    Args:
        kinds: `anomaly_kinds.csv`, as the stage wrote it.
        kind: Of the streams.
    """
    shares: Any = kinds[kinds["kind"] == kind].pivot(index="detector", columns="anomaly", values="detected")
    there = [name for name in ANOMALIES if name in shares]
    texts = []
    for name in known(kinds[kinds["kind"] == kind], "detector", DETECTORS):
        often = [f"{each} ({100 * shares.loc[name, each]:.0f} %)" for each in there if shares.loc[name, each] > FOUND]
        texts.append(f"{_called(name)}: {', '.join(often) or 'none'}")
    none = [each for each in there if not (shares[each] > FOUND).any()]
    last = f" Of {' and '.join(none)} no detector finds more than half." if none else ""
    return f"Found in more than half of the cases on {KINDS[kind]}: {'; '.join(texts)}.{last}"


def inflation(table: pd.DataFrame, kind: str = "traffic") -> str:
    """Say how point adjustment changes F1 and the order of the detectors.

    Args:
        table: `anomaly.csv`, as the stage wrote it.
        kind: Of the streams.
    """
    pooled = table[(table["kind"] == kind) & (table["sensor"] == POOLED)].set_index("detector")
    raw, adjusted, event = (pooled[name] for name in ("point_f1", "point_adjusted_f1_inflated", "event_f1"))
    top = str(adjusted.idxmax())
    false = float(pooled["false_alarms_per_day"][top])
    return (
        f"On {KINDS[kind]}, point adjustment lifts F1 from {raw.min():.2f} to {raw.max():.2f} up to "
        f"{adjusted.min():.2f} to {adjusted.max():.2f}. By it {_called(top)} would be first, with {false:.1f} false "
        f"alarms per day; by event F1 {_called(str(event.idxmax()))} is."
    )


def by_sensor(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return event F1 with its interval over the draws: one row per sensor and one for all, one column per detector.

    Args:
        table: `anomaly.csv`, as the stage wrote it.
        kind: Of the streams.
    """
    mine = table[table["kind"] == kind]
    said = mine.assign(said=[_said(row) for _, row in mine.iterrows()])
    cells = said.pivot(index="sensor", columns="detector", values="said").loc[list(dict.fromkeys(mine["sensor"]))]
    names = known(mine, "detector", DETECTORS)
    return cells[names].rename(columns={name: DETECTORS[name][0] for name in names})


def _said(row: Any, metric: str = "event_f1") -> str:
    low, high = row[f"{metric}_low"], row[f"{metric}_high"]
    return f"{row[metric]:.2f}" + ("" if pd.isna(low) else f" ({max(low, 0.0):.2f} to {min(high, 1.0):.2f})")


def _called(name: str) -> str:
    return DETECTORS[name][0].removeprefix("IFTM: ").replace(", ", " + ").removesuffix(" (river)")


def _scores(pooled: pd.DataFrame, names: Sequence[str], metric: str = "event_f1") -> str:
    return ", ".join(f"{_called(name)} {_said(pooled.loc[name], metric)}" for name in names)


def _row(pairs: pd.DataFrame, kind: str, one: str, other: str, metric: str) -> Any:
    rows: Any = pairs.set_index(["kind", "detector", "other", "metric"])
    return rows.loc[(kind, one, other, metric)]


def _compared(pairs: pd.DataFrame, kind: str, one: str, others: Sequence[str], metric: str) -> dict[str, str]:
    """Tell for each other detector whether one is better, worse or equal: by the interval of their difference."""
    results = {}
    for other in others:
        row = _row(pairs, kind, one, other, metric)
        results[other] = "better" if row["low"] > 0 else "worse" if row["high"] < 0 else "equal"
    return results


def _against(pairs: pd.DataFrame, kind: str, one: str, others: Sequence[str]) -> str:
    words = {"better": "better than", "worse": "worse than", "equal": "no clear difference to"}
    texts = []
    for other, result in _compared(pairs, kind, one, others, "event_f1").items():
        row = _row(pairs, kind, one, other, "event_f1")
        ends = "" if pd.isna(row["low"]) else f", {row['low']:+.2f} to {row['high']:+.2f}"
        texts.append(f"{words[result]} {_called(other)} ({row['difference']:+.2f}{ends})")
    return ", ".join(texts)
