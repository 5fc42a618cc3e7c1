"""Which testbed the settings ask for."""

from collections.abc import Mapping
from typing import Any

from edgeresearch.emulator.testbed import Testbed, load, paper_b


def selected(section: Mapping[str, Any]) -> Testbed:
    """Return the testbed that the section `los` of the settings names: a file, or `city`; Paper B's if it names none.

    Raises:
        InputError: The file cannot be read or describes no testbed that fits the settings.
    """
    path = section["testbed"]
    if path == "city":
        from edgeresearch.emulator import city  # what other testbeds come to does not hang on it

        return city.selected(section["city"])
    return paper_b() if path is None else load(path, start=section["truth"]["start"])
