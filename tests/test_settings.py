import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.errors import InputError
from edgeresearch.settings import (
    Section,
    ascending,
    each_once,
    merge,
    parse_yaml,
    parsed,
    plain,
    read_yaml,
    refuse_unknown,
)

keys = st.sampled_from("abc")
trees = st.recursive(
    st.none() | st.integers() | st.lists(st.integers(), max_size=2),
    lambda below: st.dictionaries(keys, below, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(keys, trees, max_size=3)


class Inner(Section):
    width: int = 1
    names: tuple[str, ...] = ()


class Outer(Section):
    rate: float = 0.5
    inner: Inner = Inner()


@given(mappings)
def test_nothing_laid_over_changes_nothing(base: dict[str, Any]) -> None:
    assert merge(base, {}) == base
    assert merge({}, base) == base
    assert merge(base, base) == base


@given(mappings, mappings)
def test_the_overlay_wins_the_rest_stays_and_neither_is_changed(base: dict[str, Any], over: dict[str, Any]) -> None:
    before = copy.deepcopy((base, over))
    result = merge(base, over)
    assert (base, over) == before
    assert set(result) == set(base) | set(over)
    for key, value in result.items():
        if key not in over:
            assert value == base[key]
        elif not isinstance(over[key], dict) or not isinstance(base.get(key), dict):
            assert value == over[key]
        else:
            assert value == merge(base[key], over[key])


@given(mappings, mappings)
def test_laying_the_same_over_twice_is_laying_it_once(base: dict[str, Any], over: dict[str, Any]) -> None:
    assert merge(merge(base, over), over) == merge(base, over)


def test_merge_replaces_lists_whole() -> None:
    assert merge({"a": {"b": [1, 2], "c": 3}}, {"a": {"b": [9]}}) == {"a": {"b": [9], "c": 3}}


def test_sections_are_frozen_and_take_lists() -> None:
    outer = parsed({"inner": {"names": ["x", "y"]}, "rate": 2}, Outer, "here")
    assert outer == Outer(rate=2.0, inner=Inner(names=("x", "y")))
    with pytest.raises(ValueError, match="frozen"):
        outer.rate = 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rte": 1}, r"^Outer: unknown key rte; did you mean rate\?"),
        ({"rate": "x"}, "^rate is 'x'; input should be a valid number"),
        ({"inner": 5}, "^inner is 5; input should be a valid dictionary or instance of Inner"),
    ],
)
def test_a_section_that_is_called_refuses_in_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Outer(**values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (np.int64(4), 4), (np.uint8(4), 4), (np.float32(0.5), 0.5), (np.float64(0.5), 0.5), (np.bool_(True), True),
        (True, True), ("4", "4"), (None, None), (np.datetime64("2020-01-01"), np.datetime64("2020-01-01")),
        (np.timedelta64(4, "s"), np.timedelta64(4, "s")), ({"a": [np.int8(1), (np.int8(2), 3)]}, {"a": [1, (2, 3)]}),
    ],
)  # fmt: skip
def test_numbers_of_numpy_become_those_of_python(given_: Any, expected: Any) -> None:
    found = plain(given_)
    assert found == expected
    assert repr(found) == repr(expected)


def test_sections_take_numbers_of_numpy() -> None:
    outer = Outer(rate=2.0, inner=Inner(width=3))
    values = {"rate": np.float32(2), "inner": {"width": np.int64(3)}}
    assert Outer(**values) == Outer.of(values) == parsed(values, Outer, "here") == outer
    assert Outer().replace(rate=np.int64(2), inner=Inner(width=np.int64(3))) == outer
    assert outer.model_dump_json() == Outer(**values).model_dump_json()
    with pytest.raises(InputError, match=r"^here: inner\.width is True; input should be a valid integer"):
        parsed({"inner": {"width": np.bool_(True)}}, Outer, "here")


def test_a_mapping_stands_for_settings() -> None:
    outer = Outer(inner=Inner(width=3))
    assert Outer.of({"inner": {"width": 3}}) == Outer.of(outer) == outer
    assert Outer.of(None) == Outer()
    with pytest.raises(InputError, match=r"^3 is no Outer; give Outer\(\.\.\.\) or a mapping of its keys"):
        Outer.of(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"rte": 1}, r"here: unknown key rte; did you mean rate\?"),
        ({"inner": {"widht": 1}}, r"here: unknown key inner\.widht; did you mean width\?"),
        ({"inner": {"zzz": 1}}, r"here: unknown key inner\.zzz; known here: width, names"),
        ({3: 1}, "here: unknown key 3; known here: rate, inner"),
        ({"inner": {"width": "7"}}, r"here: inner\.width is '7'; input should be a valid integer"),
        ({"inner": {"width": True}}, r"here: inner\.width is True; input should be a valid integer"),
        ({"inner": {"names": ["x", 2]}}, r"here: inner\.names\[1\] is 2; input should be a valid string"),
        ({"inner": 5}, "here: inner is 5; input should be an object"),
        ({"rate": float("inf")}, "here: rate is inf; input should be a finite number"),
        ({"rate": None}, "here: rate is None; input should be a valid number"),
        ({"rate": ["x" * 100]}, "here: rate is \\['x{57}…; input should be a valid number"),
        ({"rate": {(1, 2): 3}}, "here: keys must be str, int, float, bool or None, not tuple; give plain keys"),
    ],
)
def test_faults_are_one_line_with_place_value_and_what_is_expected(data: dict[Any, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parsed(data, Outer, "here")
    assert "\n" not in str(caught.value)


def test_refuse_unknown_looks_past_values_of_the_wrong_type() -> None:
    refuse_unknown({"inner": 5, "rate": {"x": 1}}, Outer, "here")


def test_read_yaml(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: [1, 2]\nb: {c: true}\n")
    assert read_yaml(path) == {"a": [1, 2], "b": {"c": True}}
    path.write_text("# nothing yet\n")
    assert read_yaml(path) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- 1\n", "holds a list; expected keys and values"),
        (b"a: [1\n", "is not YAML: line 2: expected ',' or ']', but got '<stream end>'"),
        (b"a:\n\t- 1\n", "line 2: found character '.*t' that cannot start any token; indent with spaces"),
        (b"a: \xff\xfe\n", "is not YAML: invalid start byte, at place 3; save it as UTF-8"),
        (b"a: 1\n---\nb: 2\n", "is not YAML: line 2: expected a single document in the stream but found another"),
        (b"a: " + b"1" * 5000, "is not YAML: Exceeds the limit"),
        (b"a: !!binary aGk=", "is not YAML: line 1: could not determine a constructor"),
        (b"a: " + b"[" * 9000, "is nested too deeply"),
        (b"a: &a [1, *a]\n", ": line 1 holds itself, by an alias"),
        (b"a: {b: 1, \n 'b': 2}\n", r": b stands there twice \(lines 1 and 2\); keep one of the two"),
        (b"1: 1\n'1': 1\n", r": 1 stands there twice \(lines 1 and 2\)"),
    ],
)
def test_a_file_that_holds_something_else_is_told_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        *[
            (text, text)
            for text in ("2024-01-31", "2024-01-31 10:00:00", "12:30", "1:2:3", "no", "on", "yes", "y", "=")
        ],
        *[(text, text) for text in ("1e", "e5", "_1", "1-2", "1.2.3", "0x", "infinity", "nan", "é")],
        *[("1e-3", 0.001), ("1E5", 1e5), ("-1.5e+3", -1500.0), (".5", 0.5), ("5.", 5.0), ("1_000.5", 1000.5)],
        *[("1_000", 1000), ("017", 17), ("0o17", 15), ("-0x1F", -31), ("0b11", 3), ("+1", 1), ("-.inf", -math.inf)],
        *[("true", True), ("False", False), ("~", None), ("", None), ("NULL", None), ("'no'", "no"), ("'1'", "1")],
        *[("{<<: {a: 1, b: 1}, a: 2}", {"a": 2, "b": 1}), ("[&x {a: 1}, *x]", [{"a": 1}, {"a": 1}])],
    ],
)
def test_yaml_is_read_as_its_version_1_2_and_dvc_read_it(written: str, expected: object) -> None:
    found = parse_yaml(written, "here")
    assert (found, type(found)) == (expected, type(expected))


def test_yaml_values_may_be_asked_for_as_they_are_written() -> None:
    data = parse_yaml("{a: 1.10, b: 1.10, c: null, d: [1.10], e: no}", "here", {"a", "c", "d", "e"})
    assert data == {"a": "1.10", "b": 1.1, "c": None, "d": [1.1], "e": "no"}
    assert parse_yaml("0o17", "here", {""}) == "0o17"


def test_aliases_of_aliases_are_refused_before_they_fill_the_memory() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    with pytest.raises(InputError, match="^here: it holds more than 10,000,000 values, by its aliases"):
        parse_yaml("\n".join(lines), "here")


def test_yaml_may_be_utf_16(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("a: é\n".encode("utf-16"))
    assert read_yaml(path) == {"a": "é"}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*none\.yaml: No such file"):
        read_yaml(tmp_path / "none.yaml")


def test_names_are_named_once() -> None:
    assert each_once(("b", "a")) == ("b", "a")
    for wrong in ((), ("a", "a")):
        with pytest.raises(ValueError, match="at least one, and each only once"):
            each_once(wrong)


def test_numbers_rise() -> None:
    assert ascending((2, 3)) == (2, 3)
    for wrong in ((), (3, 2), (2, 2)):
        with pytest.raises(ValueError, match="ascending order"):
            ascending(wrong)
