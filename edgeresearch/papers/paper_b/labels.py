"""What Paper B's layers, policies, drops, detectors and streams are called in figures; their colours and markers."""

from collections.abc import Iterable, Mapping

from edgeresearch.plotting import style
from edgeresearch.scheduling.messages import Reason

GENERATED = "generated, not measured"
"""What every figure says of the pollution streams."""

LAYERS: Mapping[str, str] = {"edge": style.PINK, "fog": style.GREEN, "cloud": style.BLUE}
"""Colours of layers, near the paper's: purple, green, blue."""

POLICIES: Mapping[str, tuple[str, str, str]] = {
    "los": ("LOS", style.ORANGE, "o"),
    "in_situ": ("in-situ only", style.GREY, "s"),
    "random": ("random neighbour", style.PINK, "^"),
    "cloud": ("straight to the cloud", style.BLUE, "D"),
    "least_loaded": ("least loaded, all known", style.GREEN, "P"),
    "oracle": ("oracle", style.INK, "*"),
}
"""Label, colour and marker of each policy."""

DROPS: Mapping[str, str] = {
    Reason.BUSY: style.GREY,
    Reason.CYCLE: style.ORANGE,
    Reason.HOPS: style.SKY,
    Reason.NO_CAPACITY: style.BROWN,
    Reason.NO_NEIGHBOUR: style.PINK,
}
"""Reasons for which trainings are dropped, and their colours."""

DETECTORS: Mapping[str, tuple[str, str, str, bool]] = {
    "iftm_lstm_ema": ("IFTM: LSTM, moving mean", style.BLUE, "o", True),
    "iftm_lstm_quantile": ("IFTM: LSTM, quantile", style.BLUE, "o", False),
    "iftm_autoencoder_ema": ("IFTM: autoencoder, moving mean", style.ORANGE, "s", True),
    "iftm_autoencoder_quantile": ("IFTM: autoencoder, quantile", style.ORANGE, "s", False),
    "robust_z": ("robust z-score", style.GREEN, "D", True),
    "last_value": ("last value", style.GREY, "v", True),
    "half_space_trees": ("half-space trees (river)", style.PINK, "P", True),
    "ecod": ("ECOD (PyOD)", style.BROWN, "X", True),
}
"""Label, colour and marker of each detector, and whether the marker is filled."""

KINDS: Mapping[str, str] = {"traffic": "traffic (measured)", "pollution": f"pollution ({GENERATED})"}
"""Labels of the kinds of streams."""

ANOMALIES: Mapping[str, str] = {
    "spike": style.RED,
    "shift": style.BLUE,
    "drift": style.GREEN,
    "stuck": style.PINK,
    "missing": style.GREY,
}
"""Kinds of anomalies and their colours."""


def present(names: Iterable[str], values: Iterable[str]) -> list[str]:
    """Return those of the names that occur among the values, such as a column's, in the order of the names."""
    there = set(values)
    return [name for name in names if name in there]
