"""What the staleness experiment looks at: a sensor's stream with one draw of anomalies, or with a gain that drifts."""

from typing import NamedTuple

import numpy as np

from edgeresearch.anomaly.injection import Injection, inject
from edgeresearch.anomaly.samples import Array, Mask, Scale
from edgeresearch.anomaly.walk import Schedule
from edgeresearch.errors import InputError
from edgeresearch.series.trace import Trace


class Seeds(NamedTuple):
    """Roots of what is random about a subject.

    Attributes:
        choosing: Of the emulated stream that the sensor follows.
        placing: Of its anomalies.
        training: Of its trainings.
    """

    choosing: np.random.SeedSequence
    placing: np.random.SeedSequence
    training: np.random.SeedSequence


class Subject(NamedTuple):
    """A stream with anomalies, and without.

    Attributes:
        rows: With anomalies throughout, and with the gain, `(samples, channels)`.
        clean: As it was recorded.
        labels: Samples that belong to an anomaly, `(samples,)`.
        step: Seconds between two samples.
    """

    rows: Array
    clean: Array
    labels: Mask
    step: float


def seeds(trace: Trace, repeat: int, seed: int) -> Seeds:
    """Return the seeds of a sensor's repeat.

    They are the same at every call, unlike the children of a sequence that is asked twice: control and stream share
    them, whatever ran before.

    Args:
        trace: The sensor's, called `kind_number`.
        repeat: Which draw.
        seed: Root of all randomness.
    """
    return Seeds(*np.random.SeedSequence([seed, int(trace.name.rpartition("_")[2]), repeat]).spawn(3))


def subject(
    trace: Trace,
    rng: np.random.Generator,
    *,
    schedule: Schedule,
    plan: Injection,
    samples: int | None = None,
    gain: float = 1.0,
) -> Subject:
    """Put anomalies into a sensor's stream, and let its gain drift.

    Args:
        trace: What was recorded.
        rng: Draws the anomalies.
        schedule: Its first training ends where the gain begins to drift; sizes are in spreads of that training's
            samples as they were recorded.
        plan: How much is injected.
        samples: Rows behind the first training that are taken; all if None.
        gain: See `drifted`.

    Raises:
        InputError: The stream is shorter.
    """
    clean = trace.frame.to_numpy(dtype=np.float64)
    cut = schedule.cuts(clean)[0]
    if samples is not None:
        if len(clean) < cut + samples:
            raise InputError(f"{trace.name} has {len(clean) - cut} samples behind the training, not {samples}")
        clean = clean[: cut + samples]
    found = inject(clean, rng, spread=Scale.fit(clean[:cut]).spread, floor=0.0, plan=plan)
    return Subject(drifted(found.values, gain, begin=cut), clean, found.labels, trace.step.total_seconds())


def drifted(rows: Array, gain: float, *, begin: int) -> Array:
    """Return samples whose gain ramps from 1 to `gain`, linearly from the row `begin` to the end.

    A sensor that goes out of calibration, anomalies and all: what is normal moves away from the first model, and an
    anomaly stays as large beside it.

    Args:
        rows: `(samples, channels)`.
        gain: Factor on every value of the last sample.
        begin: Row up to which nothing changes.
    """
    ramp = np.interp(np.arange(len(rows)), [begin, len(rows) - 1], [1.0, gain])
    return np.asarray(rows * ramp[:, None])
