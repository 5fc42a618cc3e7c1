"""Published values by name, so that `claims.yaml` holds no second copy of them."""

from collections.abc import Mapping, Sequence
from numbers import Real
from types import MappingProxyType
from typing import Any

from edgeresearch.errors import InputError, nearest
from edgeresearch.paper import elastic_a, elastic_figures_a, paper_a, paper_b, verdicts_b
from edgeresearch.paper.contradictions import TAILS, contradictions

PLACES: Mapping[str, Any] = MappingProxyType(
    {
        "paper_a": paper_a,
        "elastic_a": elastic_a,
        "elastic_figures_a": elastic_figures_a,
        "paper_b": paper_b,
        "verdicts_b": verdicts_b,
        "implied": MappingProxyType(
            {
                "executed": MappingProxyType({count: 100 - drop for count, drop in paper_b.DROP_PERCENT.items()}),
                "tails": MappingProxyType(
                    {row.item: row.value for row in contradictions().itertuples() if row.check == TAILS}
                ),
            }
        ),
    }
)
"""Where values are looked up; `implied` follows from published ones: trainings that were not dropped (Paper B, Fig. 7),
and MAE over RMSE (Paper A, Table 2)."""


def named(text: Any) -> bool:
    """Return whether something is the name of a value, such as `paper_b.DROP_PERCENT.4`."""
    return isinstance(text, str) and "." in text and text.partition(".")[0] in PLACES


def value(name: str) -> Any:
    """Return the value of a name: attributes, keys and positions, joined by dots; `6,2` is the key `(6, 2)`.

    Raises:
        InputError: There is no such value.
    """
    start, *parts = name.split(".")
    here: Any = PLACES.get(start)
    if here is None:
        raise InputError(f"there are no values {start!r}{nearest(start, PLACES)}; known: {', '.join(PLACES)}")
    for part in parts:
        found = _within(here, part)
        if found is None:
            raise InputError(f"there is no value {name!r}: nothing called {part!r}{nearest(part, _keys(here))}")
        here = found
    return here


def filled(given: Any) -> Any:
    """Return something with every name of a value in it, however deep, replaced by the value."""
    if isinstance(given, Mapping):
        return {key: filled(each) for key, each in given.items()}
    if isinstance(given, list | tuple):
        return [filled(each) for each in given]
    return value(given) if named(given) else given


def number(given: float | str) -> float:
    """Return a number that is given, or named.

    Raises:
        InputError: It is neither.
    """
    found = value(given) if isinstance(given, str) else given
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise InputError(f"{given!r} is not a number; give one, or the name of one such as paper_b.DROP_PERCENT.4")
    return float(found)


def plain(said: Any) -> str:
    """Return a value in words: numbers without needless digits, several joined by `to`."""
    if isinstance(said, list | tuple):
        return " to ".join(plain(each) for each in said)
    if isinstance(said, bool) or not isinstance(said, Real):
        return str(said)
    return f"{float(said):.10g}"


def _within(here: Any, part: str) -> Any:
    if isinstance(here, Mapping):
        return next((each for key, each in here.items() if _key(key) == part), None)
    if isinstance(here, Sequence) and not isinstance(here, str):
        return here[int(part)] if part.isdigit() and int(part) < len(here) else None
    return None if part.startswith("_") else getattr(here, part, None)


def _keys(here: Any) -> list[str]:
    return [_key(key) for key in here] if isinstance(here, Mapping) else [str(each) for each in dir(here)]


def _key(key: Any) -> str:
    return ",".join(map(str, key)) if isinstance(key, tuple) else str(key)
