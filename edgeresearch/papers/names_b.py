"""What layers, policies, readings and reasons of Paper B are called in figures, and their colours."""

from collections.abc import Mapping
from types import MappingProxyType

from edgeresearch.plotting import style
from edgeresearch.scheduling.messages import Reason

LAYERS: Mapping[str, str] = MappingProxyType({"edge": style.PINK, "fog": style.GREEN, "cloud": style.BLUE})
"""Colours of layers, near the paper's: purple, green, blue."""

POLICIES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "los": ("LOS", style.ORANGE, "o"),
        "in_situ": ("in-situ only", style.GREY, "s"),
        "random": ("random neighbour", style.PINK, "^"),
        "cloud": ("straight to the cloud", style.BLUE, "D"),
        "least_loaded": ("least loaded, all known", style.GREEN, "P"),
        "oracle": ("oracle", style.INK, "*"),
    }
)
"""What each policy is called, its colour and marker."""

READINGS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "attempts": ("of all that looked for a place", style.ORANGE),
        "triggers": ("of all triggers, those that ran", style.SKY),
        "placed": ("of the trainings that ran", style.GREEN),
    }
)
"""What shares of Fig. 6 may be of."""

DROPS: Mapping[str, str] = MappingProxyType(
    {
        Reason.BUSY: style.GREY,
        Reason.CYCLE: style.ORANGE,
        Reason.HOPS: style.SKY,
        Reason.FULL: style.BROWN,
        Reason.ALONE: style.PINK,
    }
)
"""Reasons for which trainings are dropped, and their colours."""
