from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from edgeresearch import kinds
from edgeresearch.emulator.policies import POLICIES


def test_names_are_named_once() -> None:
    assert kinds.each_once(("b", "a")) == ("b", "a")
    for wrong in ((), ("a", "a")):
        with pytest.raises(ValueError, match="at least one, and each only once"):
            kinds.each_once(wrong)


def test_numbers_rise() -> None:
    assert kinds.ascending((2, 3)) == (2, 3)
    for wrong in ((), (3, 2), (2, 2)):
        with pytest.raises(ValueError, match="ascending order"):
            kinds.ascending(wrong)


@pytest.mark.parametrize(("kind", "values"), [(kinds.Policies, ("los", "los")), (kinds.Counts, (0,))])
def test_the_kinds_check_what_they_are_given(kind: Any, values: tuple[object, ...]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(values)


def test_every_policy_has_its_name() -> None:
    assert TypeAdapter(kinds.Policies).validate_python(tuple(POLICIES)) == tuple(POLICIES)
