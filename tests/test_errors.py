import pytest

from edgeresearch.errors import InputError, RunError, nearest


def test_nearest_names_the_closest_known_name() -> None:
    assert nearest("windw", ["seed", "window", "fill_limit"]) == "; did you mean window?"


def test_nearest_is_silent_where_nothing_is_near() -> None:
    assert nearest("zzz", ["seed", "window"]) == ""
    assert nearest("zzz", []) == ""


def test_bad_input_is_a_value_error_and_a_failed_run_is_not() -> None:
    with pytest.raises(ValueError, match="bad"):
        raise InputError("bad")
    assert not issubclass(RunError, ValueError)
