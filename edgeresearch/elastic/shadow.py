"""Shadow replay: every strategy sees the same arrivals and the same seeds."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from edgeresearch.elastic.checks import Floats, Ints
from edgeresearch.elastic.experiment import FORECASTING
from edgeresearch.elastic.outcome import Outcome
from edgeresearch.elastic.phases import PHASES, Phases, errors_by_phase, from_trace
from edgeresearch.elastic.plan import replay
from edgeresearch.elastic.setup import Setup
from edgeresearch.elastic.strategies import strategy
from edgeresearch.elastic.view import Strategy


def pairs(strategies: Sequence[str], forecaster: str, reading: Collection[str] = FORECASTING) -> list[tuple[str, str]]:
    """Return strategy and forecaster of every replay.

    A strategy that uses a forecast is replayed with the forecaster and with the last value, which separates what the
    forecast gives from what the rule gives; any other once, with none (`""`).

    Args:
        strategies: Names of the strategies.
        forecaster: Name of the forecaster.
        reading: Those that use a forecast.
    """
    both = tuple(dict.fromkeys([forecaster, "last_value"]))
    return [(name, maker) for name in strategies for maker in (both if name in reading else ("",))]


def shadow(
    arrivals: Ints,
    forecasts: Mapping[str, Floats],
    replays: Sequence[tuple[str, str]],
    setup: Setup,
    *,
    seed: np.random.SeedSequence,
    rules: Mapping[str, Strategy] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Replay every pair of strategy and forecaster on the same arrivals.

    Args:
        arrivals: Requests of each step, `(steps,)`.
        forecasts: By forecaster, the load forecast at each decision (see `plan.view`), `(decisions,)`. The last value
            needs none.
        replays: Pairs of strategy and forecaster.
        setup: What is the same for all; its mean and clusters are not read.
        seed: Seed of the start delays, the same for all.
        rules: Strategies by name, before those of `STRATEGIES`.

    Returns:
        One row per replay (errors in percent, pod-hours), and one row per replay and interval between decisions.
    """
    phases = from_trace(
        arrivals, capacity=setup.capacity, settings=setup.settings, window=setup.window, smooth=setup.smooth
    )
    length = round(setup.every / setup.settings.dt)
    rows, intervals = [], []
    for name, maker in replays:
        outcome = replay(
            (rules or {}).get(name) or strategy(name),
            arrivals,
            forecasts.get(maker),
            capacity=setup.capacity,
            settings=setup.settings,
            rng=np.random.default_rng(seed),
            every=setup.every,
        )
        rows.append({"strategy": name, "forecaster": maker, **_totals(outcome, phases)})
        intervals.append(_intervals(outcome, length).assign(strategy=name, forecaster=maker))
    return pd.DataFrame(rows), pd.concat(intervals, ignore_index=True)


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per strategy and forecaster: means over the repeats, and the lowest and highest of them."""
    groups = runs.groupby(["strategy", "forecaster"], sort=False)
    table = groups.mean()
    for name in ("error_percent", "pod_hours"):
        at = list(table.columns).index(name)
        table.insert(at + 1, f"{name}_low", groups[name].min())
        table.insert(at + 2, f"{name}_high", groups[name].max())
    table.insert(0, "repeats", groups.size())
    return table.reset_index()


def _totals(outcome: Outcome, phases: Phases) -> dict[str, float]:
    arrived = int(outcome.arrived.sum())
    causes = {"overload": outcome.overload, "base": outcome.base, "drain": outcome.drain}
    by_phase = errors_by_phase(outcome, phases)
    return {
        "error_percent": outcome.error_percent,
        **{f"{cause}_percent": 100 * int(failed.sum()) / arrived for cause, failed in causes.items()},
        "pod_hours": outcome.pod_hours,
        **{f"{phase}_error_percent": by_phase[phase] for phase in PHASES},
    }


def _intervals(outcome: Outcome, length: int) -> pd.DataFrame:
    starts = np.arange(0, len(outcome.arrived), length)
    sizes = np.diff(starts, append=len(outcome.arrived))
    arrived, failed, ready = (
        np.add.reduceat(part, starts) for part in (outcome.arrived, outcome.failed, outcome.ready)
    )
    return pd.DataFrame(
        {
            "interval": np.arange(len(starts)),
            "load": arrived / (sizes * outcome.settings.dt),
            "wanted": outcome.wanted[starts],
            "ready": ready / sizes,
            "failed": failed,
            "error_percent": 100 * failed / np.maximum(arrived, 1),
        }
    )
