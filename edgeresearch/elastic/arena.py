"""Arrivals and forecasts of the repeats of one trace: what Paper A's Table 3 is replayed on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.elastic.arrivals import spread, without_gaps
from edgeresearch.elastic.checks import Floats, Ints
from edgeresearch.elastic.plan import measured
from edgeresearch.elastic.setup import Setup
from edgeresearch.errors import InputError
from edgeresearch.forecast.models import build
from edgeresearch.forecast.protocol import Forecaster
from edgeresearch.series import synthetic
from edgeresearch.series.trace import Trace
from edgeresearch.series.windows import targets

PUBLISHED = "published"
"""The forecaster that is none: the true load with an error of a stated accuracy."""


STAND_IN = "paper_a"
"""The synthetic trace that stands in for Paper A's; each repeat draws a new one."""


@dataclass(frozen=True)
class Arena:
    """One trace, ready to be replayed.

    Attributes:
        name: The trace.
        draw: Makes the arrivals of a repeat, learning part included, from its generator.
        cut: First step that is replayed; forecasters learn from those before it.
        fitted: Fitted forecasters by name.
        horizons: Intervals ahead that they forecast, ascending.
        accuracy: R² of the forecaster `published`, over the part that is replayed.
    """

    name: str
    draw: Callable[[np.random.Generator], Ints]
    cut: int
    fitted: Mapping[str, Forecaster]
    horizons: tuple[int, ...]
    accuracy: float


def newest(trace: Trace, seconds: int) -> Trace:
    """Return the newest seconds of a trace's longest stretch without gaps, in whole steps of the trace.

    Raises:
        InputError: The trace has no observed value.
    """
    whole = without_gaps(trace)
    slots = max(int(seconds / whole.step.total_seconds()), 2)
    return replace(whole, frame=whole.frame.iloc[-slots:])


def source(trace: Trace, setup: Setup, seconds: int) -> Callable[[np.random.Generator], Ints]:
    """Return what draws arrivals: the same trace spread anew, or, for `paper_a`, a new synthetic trace each time.

    Args:
        trace: The trace.
        setup: Tells the mean load.
        seconds: How much of the trace, its newest part.
    """
    if trace.name == STAND_IN:
        steps = int(seconds / trace.step.total_seconds())
        return lambda rng: spread(synthetic.qps(rng, steps=steps), rng, mean=setup.mean)
    cut = newest(trace, seconds)
    return lambda rng: spread(cut, rng, mean=setup.mean)


def prepare(
    trace: Trace,
    section: Mapping[str, Any],
    setup: Setup,
    leads: Sequence[float],
    *,
    lstm: Mapping[str, Any],
    seed: Sequence[int],
) -> Arena:
    """Fit the forecasters once, on the first part of a draw of their own.

    They see the load of each decision interval and forecast as far ahead as each of the lead times asks for.

    Args:
        trace: The trace.
        section: The section `elastic` of the settings as plain values.
        setup: The same as objects.
        leads: Multiples of the start delay.
        lstm: Settings of the project's LSTM.
        seed: Root of what is random, as entropy of a `SeedSequence`.

    Raises:
        InputError: The trace is too short to learn from.
    """
    draw = source(trace, setup, section["seconds"])
    arrivals = draw(np.random.default_rng(np.random.SeedSequence([*seed, 0])))
    length = round(setup.every / setup.settings.dt)
    cut = round(len(arrivals) * section["learn"] / length) * length
    past = measured(arrivals[:cut], settings=setup.settings, every=setup.every)
    horizons = tuple(sorted({setup.delayed(lead).horizon for lead in leads}))
    if len(past) < 2 * (section["window"] + max(horizons)):
        raise InputError(
            f"{trace.name}: {len(past)} decision intervals to learn from; window {section['window']} and horizon "
            f"{max(horizons)} need {2 * (section['window'] + max(horizons))}; use more seconds or a shorter window"
        )
    fitted = {
        name: build(name, columns=["value"], rows=len(past), window=section["window"], seed=seed[0] % 2**31, lstm=lstm)
        .fit(past[:, None], targets(past, horizons))
        for name in section["forecasters"]
        if name != PUBLISHED
    }  # fmt: skip
    return Arena(trace.name, draw, cut, fitted, horizons, section["accuracy"])


def forecasts(
    arena: Arena, arrivals: Ints, setup: Setup, names: Sequence[str], rng: np.random.Generator
) -> dict[str, dict[int, Floats]]:
    """Return the forecasts at the replayed decisions, by forecaster and horizon, in requests per second.

    Those of `published` are of the truth plus Gaussian errors with (1 - R²) of its variance; NaN where the truth is not
    known any more.

    Args:
        arena: The trace.
        arrivals: Those of the repeat, learning part included.
        setup: Tells the decision interval.
        names: Forecasters.
        rng: Draws the errors of `published`.
    """
    load = measured(arrivals, settings=setup.settings, every=setup.every)
    first = arena.cut // round(setup.every / setup.settings.dt)
    ahead = targets(load, arena.horizons)
    made = {}
    for name in names:
        if name == PUBLISHED:
            sigma = np.sqrt(1 - arena.accuracy) * load[first:].std()
            values = ahead + sigma * rng.standard_normal((len(load), 1))
        else:
            values = arena.fitted[name].predict(load[:, None]).reshape(len(load), len(arena.horizons))
        made[name] = {horizon: values[first:, at] for at, horizon in enumerate(arena.horizons)}
    return made


def described(trace: Trace) -> dict[str, Any]:
    """Return what a row of results must say of its data: name, real, note."""
    return {"trace": trace.name, "real": trace.origin.real, "note": trace.origin.note}


def quality(arena: Arena, arrivals: Ints, made: Mapping[str, Mapping[int, Floats]], setup: Setup) -> pd.Series:
    """Return R² of the forecasts for the setup's horizon, by forecaster."""
    load = measured(arrivals, settings=setup.settings, every=setup.every)
    truth = targets(load, [setup.horizon])[arena.cut // round(setup.every / setup.settings.dt) :, 0]
    known = ~np.isnan(truth)
    return pd.Series(
        {
            name: 1 - float(np.mean((each[setup.horizon][known] - truth[known]) ** 2) / max(truth[known].var(), 1e-12))
            for name, each in made.items()
        },
        dtype=float,
    )
