import pytest
from pydantic import BaseModel, ValidationError

from edgeresearch import sections
from edgeresearch.emulator.policies import POLICIES
from edgeresearch.settings import Section

GROUPS = [value for value in vars(sections).values() if isinstance(value, type) and issubclass(value, Section)]


def test_every_section_is_frozen_and_refuses_unknown_keys() -> None:
    for group in set(GROUPS) - {Section}:
        assert issubclass(group, BaseModel) and group.__doc__
        with pytest.raises(ValidationError):
            group.model_validate({"no_such_key": 1})


@pytest.mark.parametrize(
    ("group", "values"),
    [
        (sections.Los, {"streams": (4, 2)}),
        (sections.Los, {"streams": (2, 2)}),
        (sections.Los, {"policies": ("los", "los")}),
        (sections.Los, {"loss": 1.0}),
        (sections.Limits, {"up": 1.0}),
        (sections.Limits, {"rule": "both"}),
        (sections.Rules, {"hop_limit": 0}),
        (sections.Truth, {"a": 0.0}),
        (sections.Elastic, {"leads": (0.5, 2.0)}),
        (sections.Forecast, {"test_fraction": 0.6, "validation_fraction": 0.4}),
    ],
)
def test_values_out_of_range_are_refused(group: type[Section], values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        group.model_validate(values)


def test_the_settings_name_every_policy() -> None:
    assert sections.Los().policies == tuple(POLICIES)
