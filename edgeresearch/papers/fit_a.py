"""The search that chose the global settings of Paper A's Table 3, on synthetic draws, with others held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from edgeresearch.autoscaling.experiment import PUBLISHED
from edgeresearch.autoscaling.policies import make_policy, measure_load
from edgeresearch.autoscaling.replay import PHASES, mark_load_phases, measure_phase_errors, replay_policies, spread
from edgeresearch.autoscaling.settings import ExperimentConfig
from edgeresearch.autoscaling.simulator import check_range
from edgeresearch.data import synthetic
from edgeresearch.data.trace import make_targets
from edgeresearch.papers.paper_a.published import TABLE_3
from edgeresearch.papers.paper_a.tables import published_cells

CHOICES: Mapping[str, Sequence[float]] = {
    "mean_qps": (20.0, 30.0, 40.0, 60.0, 100.0, 200.0),
    "sync_period": (15.0, 30.0, 60.0),
    "start_delay": (30.0, 60.0, 90.0, 120.0, 150.0, 180.0, 240.0),
    "start_share": (0.25, 0.5, 0.75, 1.0),
    "base_error": (0.03, 0.0305, 0.031),
    "timeout": (0.0, 0.1, 0.25, 0.5, 1.0),
    "smooth": (60.0, 120.0, 240.0),
    "phase_window": (0.5, 1.0, 1.5, 2.0),
}
"""What is searched; `start_share` is the spread of the start delay as a share of it. All else is left as it is.

Pods do not all take equally long, so the spread is never 0; without it, the repeats on a trace that counts each second
would be one and the same run.
"""


@dataclass(frozen=True)
class Fit:
    """Result of a search.

    Attributes:
        start: The settings that it started from.
        config: The settings with the best values.
        fitted: Error rates over the draws that were searched on, strategies by phases.
        held_out: The same over draws that the search never saw.
        tried: Settings that were tried.
    """

    start: ExperimentConfig
    config: ExperimentConfig
    fitted: pd.DataFrame
    held_out: pd.DataFrame
    tried: int


def search_settings(
    start: ExperimentConfig,
    *,
    seed: int,
    trials: int = 200,
    draws: int = 20,
    seconds: int = 86400,
    choices: Mapping[str, Sequence[float]] = CHOICES,
) -> Fit:
    """Search few global settings for the nine cells of Paper A, Table 3, at once.

    Each trial moves one to three settings of the best so far by one or two places, and is kept if the largest deviation
    of the nine cells, plus a tenth of their root mean square, falls. All are judged on the same draws of the stand-in
    `paper_a`, with a forecast of the published accuracy and phases by the load.

    Args:
        start: Where the search starts.
        seed: Root of all seeds.
        trials: Settings to try.
        draws: Synthetic traces to search on, and as many held out.
        seconds: Length of each.
        choices: Values by setting, ascending.

    Raises:
        InputError: Trials or draws are too few.
    """
    check_range("trials", trials, 0)
    check_range("draws", draws, 1)
    rng = np.random.default_rng(np.random.SeedSequence([seed, *b"calibrate"]))
    best, cells = start, measure_error_rates(start, range(draws), seed=seed, seconds=seconds)
    for _ in range(trials):
        trial = _move(best, choices, rng)
        rates = measure_error_rates(trial, range(draws), seed=seed, seconds=seconds)
        if _cost(rates) < _cost(cells):
            best, cells = trial, rates
    held_out = measure_error_rates(best, range(draws, 2 * draws), seed=seed, seconds=seconds)
    return Fit(start, best, cells, held_out, trials + 1)


def make_neutral_start(config: ExperimentConfig) -> ExperimentConfig:
    """Return settings that favour no result: of everything that is searched the middle value, the rest as it is.

    Of an even number of values it is the upper one of the two in the middle.
    """
    return _with_values(config, {name: float(values[len(values) // 2]) for name, values in CHOICES.items()})


def format_fit(fit: Fit) -> str:
    """Return the result of a search as text: the settings, which of them it moved, and how near the cells came."""
    before, after, published = dict(fit.start), dict(fit.config), published_cells()
    moved = [f"{name}: {before[name]:g} -> {after[name]:g}" for name in before if after[name] != before[name]]
    lines = [f"tried: {fit.tried} settings", *(moved or ["moved: none; nothing that was tried came nearer"])]
    searched = ["start_spread" if name == "start_share" else name for name in CHOICES]
    lines.append("found: " + ", ".join(f"{name} {after[name]:g}" for name in searched))
    for what, rates in (("draws that were searched on", fit.fitted), ("draws held out", fit.held_out)):
        apart = (rates - published).abs().to_numpy()
        near = f"at most {apart.max():.2f} points from the published cells, {apart.mean():.2f} on average"
        lines += ["", f"{what}: {near}", rates.round(2).to_string()]
    return "\n".join([*lines, "", "published:", published.to_string()])


def measure_error_rates(config: ExperimentConfig, draws: Sequence[int], *, seed: int, seconds: int) -> pd.DataFrame:
    """Return mean error rates in percent over draws of the stand-in, strategies by phases."""
    tables = [_measure_draw(config, np.random.SeedSequence([seed, *b"draw", each]), seconds) for each in draws]
    means = pd.concat(tables).groupby(level=0).mean()
    return means.loc[list(TABLE_3), list(PHASES)]


def _measure_draw(config: ExperimentConfig, child: np.random.SeedSequence, seconds: int) -> pd.DataFrame:
    rng = np.random.default_rng(child)
    arrivals = spread(synthetic.draw_qps(rng, steps=seconds // 60), rng, dt=config.dt, mean=config.mean_qps)
    load = measure_load(arrivals, config)
    noise = np.sqrt(1 - config.accuracy) * load.std()
    forecast = make_targets(load, [config.horizon])[:, 0] + noise * rng.standard_normal(len(load))
    policies = {name: make_policy(name) for name in TABLE_3}
    phases = mark_load_phases(arrivals, config)
    runs = replay_policies(policies, arrivals, {PUBLISHED: forecast}, config, seed=child.spawn(1)[0])
    return pd.DataFrame({run.strategy: measure_phase_errors(run.result, phases) for run in runs}).T


def _move(
    config: ExperimentConfig, choices: Mapping[str, Sequence[float]], rng: np.random.Generator
) -> ExperimentConfig:
    now = {**dict(config), "start_share": config.start_spread / max(config.start_delay, 1e-9)}
    names = rng.choice(list(choices), min(int(rng.integers(1, 4)), len(choices)), replace=False)
    changed = {"start_share": now["start_share"]}
    for name in map(str, names):
        values = choices[name]
        at = int(np.argmin(np.abs(np.asarray(values) - now[name]))) + int(rng.choice([-2, -1, 1, 2]))
        changed[name] = float(values[min(max(at, 0), len(values) - 1)])
    return _with_values(config, changed)


def _with_values(config: ExperimentConfig, values: Mapping[str, float]) -> ExperimentConfig:
    """Change settings; `start_share` becomes the spread of the start delay."""
    changed = {name: value for name, value in values.items() if name != "start_share"}
    spread = values["start_share"] * values.get("start_delay", config.start_delay)
    return config.replace(**changed, start_spread=spread)


def _cost(rates: pd.DataFrame) -> float:
    apart = (rates - published_cells()).to_numpy()
    cost = float(np.abs(apart).max() + 0.1 * np.sqrt((apart**2).mean()))
    return cost if np.isfinite(cost) else np.inf
