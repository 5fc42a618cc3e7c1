"""The alarms of a stream: channels, scores against their threshold, alarms."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from edgeresearch.anomaly.api import Detection
from edgeresearch.plotting.style import BLUE, GREY, INK, ORANGE, RED, canvas, dates, legend, styled

BINS = 1500
"""Points along the time axis that can still be told apart."""
CHANNELS = 6
"""Channels that are drawn."""


@styled
def draw_detection(detection: Detection) -> Figure:
    """Draw the first channels, and below them scores and threshold; alarms are marked in both.

    Long streams are drawn in bins: the range of each channel, the highest score, and the threshold where that score is
    nearest to it or farthest above.
    """
    names = list(detection.values.columns[:CHANNELS])
    figure, axes = canvas(len(names) + 1, size=(10.0, 1.6 + 1.3 * (len(names) + 1)), sharex=True)
    times = detection.values.index
    bins = np.arange(len(times)) // -(-len(times) // BINS)
    first = detection.scores["training"].eq(0).to_numpy()
    alarmed = detection.scores["time"][detection.scores["alarm"]]
    for name, each in zip(names, axes[:-1], strict=True):
        parts = detection.values[name].groupby(bins)
        at = pd.Series(times).groupby(bins).first()
        each.fill_between(at, parts.min(), parts.max(), color=BLUE, alpha=0.3, lw=0)
        each.plot(at, parts.mean(), color=BLUE, lw=0.8, label="value" if each is axes[0] else "_")
        each.plot(
            alarmed,
            detection.values[name].to_numpy()[detection.scores["alarm"]],
            **{"ls": "", "marker": ".", "color": RED, "ms": 5, "label": "_"},
        )
        each.set_ylabel(str(name))
    shown = _pick_closest(detection.scores, bins)
    axes[-1].plot(shown["time"], shown["score"], color=INK, lw=0.8, label="score")
    axes[-1].plot(shown["time"], shown["threshold"].replace(np.inf, np.nan), color=ORANGE, label="threshold")
    over = detection.scores[detection.scores["alarm"]]
    axes[-1].plot(over["time"], over["score"], ls="", marker=".", color=RED, ms=5, label="alarm")
    axes[-1].set_yscale("symlog", linthresh=_linear_range(detection.scores["score"]))
    axes[-1].set_ylabel("score")
    for each in axes:
        each.axvspan(
            times[0], times[first][-1], color=GREY, alpha=0.2, lw=0, label="first training" if each is axes[-1] else "_"
        )
    dates(axes[-1])
    more = (
        f"; {len(names)} of {len(detection.values.columns)} channels"
        if len(detection.values.columns) > CHANNELS
        else ""
    )
    figure.suptitle(f"{detection.name}: {detection.verdict}{more}", x=0.01, ha="left")
    legend(figure, handles=axes[-1].get_legend_handles_labels()[0])
    return figure


def figures(detection: Detection) -> dict[str, Figure]:
    """Draw a detection; the figure is called `detect`."""
    return {"detect": draw_detection(detection)}


def _pick_closest(samples: pd.DataFrame, bins: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> pd.DataFrame:
    """Return the sample of each bin whose score is highest relative to its threshold."""
    finite = samples["threshold"].replace(np.inf, np.nan)
    ratio = (samples["score"] / finite.where(finite > 0)).fillna(-1.0)
    return samples.loc[ratio.groupby(bins).idxmax()]


def _linear_range(score: pd.Series) -> float:
    """Return up to where the symmetric logarithmic axis is linear: the scores' median."""
    middle = float(score.median())
    return middle if middle > 0 else 1.0
