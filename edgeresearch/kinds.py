"""Kinds of values that more than one module of sections takes: lists of names and of sizes."""

from typing import Annotated, Literal

from pydantic import AfterValidator, PositiveInt

PolicyName = Literal["los", "in_situ", "random", "cloud", "least_loaded", "oracle"]


def each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names.

    Raises:
        ValueError: There is none, or one is there twice.
    """
    if not values or len(set(values)) < len(values):
        raise ValueError("name at least one, and each only once")
    return values


def ascending(values: tuple[int, ...]) -> tuple[int, ...]:
    """Return the numbers.

    Raises:
        ValueError: There is none, or they do not rise from one to the next.
    """
    if not values or list(values) != sorted(set(values)):
        raise ValueError("name at least one, in ascending order, each only once")
    return values


Policies = Annotated[tuple[PolicyName, ...], AfterValidator(each_once)]
Counts = Annotated[tuple[PositiveInt, ...], AfterValidator(ascending)]
