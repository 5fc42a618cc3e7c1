"""The search that chose the global settings of Paper A's Table 3, on synthetic draws, with others held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.autoscaling.arrivals import spread
from edgeresearch.autoscaling.compare import NONE, PUBLISHED, runs
from edgeresearch.autoscaling.replay import PHASES, errors_by_phase, from_trace, measured, setup
from edgeresearch.autoscaling.simulator import Floats, within
from edgeresearch.data import synthetic
from edgeresearch.data.features import make_targets

CHOICES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "mean_qps": (20.0, 30.0, 40.0, 60.0, 100.0, 200.0),
        "every": (15.0, 30.0, 60.0),
        "start_delay": (30.0, 60.0, 90.0, 120.0, 150.0, 180.0, 240.0),
        "start_share": (0.25, 0.5, 0.75, 1.0),
        "base_error": (0.03, 0.0305, 0.031),
        "timeout": (0.0, 0.1, 0.25, 0.5, 1.0),
        "smooth": (60.0, 120.0, 240.0),
        "reach": (0.5, 1.0, 1.5, 2.0),
    }
)
"""What is searched; `start_share` is the spread of the start delay as a share of it. All else is left as it is.

Pods do not all take equally long, so the spread is never 0; without it, the repeats on a trace that counts each second
would be one and the same run.
"""

SEARCHED = tuple("start_spread" if name == "start_share" else name for name in CHOICES)
"""The settings that are searched, as they are called in the section `elastic`."""

STRATEGIES = ("advance", "responsive", "combined")


@dataclass(frozen=True)
class Fit:
    """What a search found.

    Attributes:
        chosen: The section `elastic` of the settings with the best values.
        fitted: Error rates over the draws that were searched on, strategies by phases.
        held_out: The same over draws that the search never saw.
        tried: Settings that were tried.
    """

    chosen: dict[str, Any]
    fitted: pd.DataFrame
    held_out: pd.DataFrame
    tried: int


def calibrate(
    section: Mapping[str, Any],
    published: pd.DataFrame,
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
    `paper_a`, with a forecast of the published accuracy and phases by the trace.

    Args:
        section: The section `elastic` of the settings as plain values: where the search starts.
        published: Error rates in percent, strategies by phases.
        seed: Root of all seeds.
        trials: Settings to try.
        draws: Synthetic traces to search on, and as many held out.
        seconds: Length of each.
        choices: Values by setting, ascending.

    Raises:
        InputError: Trials or draws are too few.
    """
    within("trials", trials, 0)
    within("draws", draws, 1)
    rng = np.random.default_rng(np.random.SeedSequence([seed, *b"calibrate"]))
    best = dict(section)
    seen = errors(best, range(draws), seed=seed, seconds=seconds)
    lowest = _cost(seen, published)
    for _ in range(trials):
        moved = _moved(best, choices, rng)
        found = errors(moved, range(draws), seed=seed, seconds=seconds)
        if _cost(found, published) < lowest:
            best, seen, lowest = moved, found, _cost(found, published)
    held = errors(best, range(draws, 2 * draws), seed=seed, seconds=seconds)
    return Fit(best, seen, held, trials + 1)


def neutral(section: Mapping[str, Any], choices: Mapping[str, Sequence[float]] = CHOICES) -> dict[str, Any]:
    """Return a start that favours no result: of everything that is searched the middle value, the rest as it is.

    Args:
        section: The section `elastic` of the settings as plain values.
        choices: Values by setting, ascending; of an even number the upper one of the two in the middle.
    """
    return _placed({**section, **{name: float(values[len(values) // 2]) for name, values in choices.items()}})


def told(fit: Fit, start: Mapping[str, Any], published: pd.DataFrame) -> str:
    """Return what a search found as text: the settings, which of them it moved, and how near the cells came.

    Args:
        fit: What it found.
        start: The section `elastic` that it started from.
        published: Error rates in percent, strategies by phases.
    """
    moved = [f"{name}: {start[name]:g} -> {fit.chosen[name]:g}" for name in start if fit.chosen[name] != start[name]]
    lines = [f"tried: {fit.tried} settings", *(moved or ["moved: none; nothing that was tried came nearer"])]
    lines.append("found: " + ", ".join(f"{name} {fit.chosen[name]:g}" for name in SEARCHED))
    for what, found in (("draws that were searched on", fit.fitted), ("draws held out", fit.held_out)):
        apart = (found - published).abs().to_numpy()
        lines += [
            "",
            f"{what}: at most {apart.max():.2f} points from the published cells, {apart.mean():.2f} on average",
        ]
        lines.append(found.round(2).to_string())
    return "\n".join([*lines, "", "published:", published.to_string()])


def errors(section: Mapping[str, Any], draws: Sequence[int], *, seed: int, seconds: int) -> pd.DataFrame:
    """Return mean error rates in percent over draws of the stand-in, strategies by phases."""
    tables = [_errors(section, np.random.SeedSequence([seed, *b"draw", each]), seconds) for each in draws]
    means = pd.concat(tables).groupby(level=0).mean()
    return means.loc[list(STRATEGIES), list(PHASES)]


def _errors(section: Mapping[str, Any], child: np.random.SeedSequence, seconds: int) -> pd.DataFrame:
    world, rng = setup(section), np.random.default_rng(child)
    arrivals = spread(synthetic.draw_qps(rng, steps=seconds // 60), rng, mean=world.mean)
    load = measured(arrivals, settings=world.settings, every=world.every)
    noise = np.sqrt(1 - section["accuracy"]) * load.std()
    made: Floats = make_targets(load, [world.horizon])[:, 0] + noise * rng.standard_normal(len(load))
    ran = runs(arrivals, {PUBLISHED: made}, world, STRATEGIES, child.spawn(1)[0])
    phases = from_trace(
        arrivals, capacity=world.capacity, settings=world.settings, window=world.window, smooth=world.smooth
    )
    makers = {name: maker for maker, name in ran if maker in (PUBLISHED, NONE)}
    rows = {name: errors_by_phase(ran[maker, name], phases) for name, maker in makers.items()}
    return pd.DataFrame(rows).T


def _moved(section: Mapping[str, Any], choices: Mapping[str, Sequence[float]], rng: np.random.Generator) -> Any:
    now = {**section, "start_share": section["start_spread"] / max(section["start_delay"], 1e-9)}
    names = rng.choice(list(choices), min(int(rng.integers(1, 4)), len(choices)), replace=False)
    for name in names:
        values = choices[str(name)]
        at = int(np.argmin(np.abs(np.asarray(values) - now[name]))) + int(rng.choice([-2, -1, 1, 2]))
        now[name] = float(values[min(max(at, 0), len(values) - 1)])
    return _placed(now)


def _placed(now: dict[str, Any]) -> dict[str, Any]:
    """Put the spread of the start delay in the place of its share."""
    if "start_share" in now:
        now["start_spread"] = now.pop("start_share") * now["start_delay"]
    return now


def _cost(found: pd.DataFrame, published: pd.DataFrame) -> float:
    apart = (found - published).to_numpy()
    cost = float(np.abs(apart).max() + 0.1 * np.sqrt((apart**2).mean()))
    return cost if np.isfinite(cost) else np.inf
