"""A sweep's file: its experiment, settings, seeds and cells."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgeresearch.config import Params, SchedulingStudy
from edgeresearch.errors import InputError
from edgeresearch.sweeps import api
from edgeresearch.sweeps.api import LatinHypercube, Span, Spec, cells, hypercube, load, make_key
from edgeresearch.sweeps.experiments import BUILTIN, Experiment
from edgeresearch.sweeps.runner import Cell

KINDS = {"a": float, "n": int, "w": str}


def _los(**changes: object) -> list[Cell]:
    spec = Spec.model_validate({"experiment": "los", "seeds": 2, **changes})
    return cells(spec, BUILTIN["los"], Params(), "f.yaml")


def test_a_grid_has_every_combination_and_seed_once() -> None:
    found = _los(grid={"streams": (2, 4), "los.interval": (5, 50.5, 600)})
    assert [(cell.varied["streams"], cell.varied["los.interval"], cell.seed) for cell in found][:4] == [
        (2, 5.0, 0), (2, 5.0, 1), (2, 50.5, 0), (2, 50.5, 1),
    ]  # fmt: skip
    assert len({cell.key for cell in found}) == len(found) == 12
    assert found[0].settings["los"]["interval"] == 5.0


def test_the_key_says_what_a_cell_is_and_nothing_else() -> None:
    one = _los(grid={"streams": (2, 4)})
    other = _los(grid={"streams": (4, 2), "los.interval": (Params().los.interval, 1)}, seeds=3)
    assert {cell.key for cell in one} < {cell.key for cell in other}
    apart = _los(settings={"streams": 2}, grid={"los.loss": (0,)})
    apart += _los(settings={"streams": 4}, grid={"los.loss": (0.0,)})
    assert {cell.key for cell in one} == {cell.key for cell in apart}
    assert not {cell.key for cell in one} & {cell.key for cell in _los(grid={"streams": (2, 4)}, seed=1)}
    changed = cells(
        Spec(experiment="los", grid={"streams": (2, 4)}), BUILTIN["los"], Params(los=SchedulingStudy(hours=3.0))
    )
    assert not {cell.key for cell in one} & {cell.key for cell in changed}


def test_a_cells_randomness_follows_from_its_key() -> None:
    (first, second), again = _los(grid={"streams": (2,)}), _los(grid={"streams": (4, 2)})[2]
    assert first.key == again.key
    assert first.root().generate_state(4).tolist() == again.root().generate_state(4).tolist()
    assert first.root().generate_state(4).tolist() != second.root().generate_state(4).tolist()
    assert first.root().entropy == int(first.key, 16)


@given(
    st.dictionaries(st.text(max_size=3), st.integers() | st.floats(allow_nan=False, allow_infinity=False), max_size=4),
    st.integers(0, 99),
)
def test_the_order_of_settings_does_not_change_the_key(settings: dict[str, float], seed: int) -> None:
    turned = dict(reversed(settings.items()))
    assert make_key("e", settings, 0, seed) == make_key("e", turned, 0, seed)
    assert len(make_key("e", settings, 0, seed)) == 32
    assert make_key("e", settings, 0, seed) != make_key("f", settings, 0, seed) != make_key("f", settings, 0, seed + 1)


@given(st.integers(2, 40), st.integers(0, 5))
def test_each_part_of_a_range_has_one_point(points: int, seed: int) -> None:
    spans: dict[str, Any] = {"a": Span(low=2.0, high=3.0), "n": Span(low=1, high=points), "w": ("x", "y")}
    found = list(hypercube(LatinHypercube(points=points, settings=spans), seed, KINDS))
    parts = sorted(min(int((point["a"] - 2.0) * points), points - 1) for point in found)
    assert len(set(parts)) >= points - 2  # six digits may put one beside an edge
    assert sorted(point["n"] for point in found) == list(range(1, points + 1))
    counted = [point["w"] for point in found].count("x")
    assert abs(counted - points / 2) <= 1
    assert [point["a"] for point in found] == sorted(point["a"] for point in found)


@given(st.floats(1e-3, 1.0), st.floats(2.0, 1e4))
def test_a_log_scale_stays_within_its_ends(low: float, high: float) -> None:
    cube = LatinHypercube(points=50, settings={"a": Span(low=low, high=high, scale="log")})
    values = np.array([point["a"] for point in hypercube(cube, 0, KINDS)])
    assert low * (1 - 1e-5) <= values.min() < values.max() <= high * (1 + 1e-5)
    assert abs((values < np.sqrt(low * high)).sum() - 25) <= 1


def test_whole_numbers_stay_within_their_ends() -> None:
    cube = LatinHypercube(points=40, settings={"n": Span(low=1.5, high=4.5)})
    assert {point["n"] for point in hypercube(cube, 0, KINDS)} == {2, 3, 4}


def test_a_hypercube_depends_on_the_seed_alone() -> None:
    cube = LatinHypercube(points=5, settings={"a": Span(low=0.0, high=1.0)})
    assert list(hypercube(cube, 3, KINDS)) == list(hypercube(cube, 3, KINDS))
    assert list(hypercube(cube, 3, KINDS)) != list(hypercube(cube, 4, KINDS))


def test_points_of_a_hypercube_that_meet_are_run_once() -> None:
    found = _los(latin_hypercube={"points": 9, "settings": {"streams": {"low": 2, "high": 3}}})
    assert [(cell.varied["streams"], cell.seed) for cell in found] == [(2, 0), (2, 1), (3, 0), (3, 1)]


def test_lists_are_values_too(toy: Callable[..., Experiment]) -> None:
    spec = Spec(experiment="toy", seeds=1, grid={"los.streams": ([1, 2], [3])})
    assert [cell.varied["los.streams"] for cell in cells(spec, toy(), Params())] == ["[1, 2]", "[3]"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": {"streems": (2,)}}, r"f.yaml: grid: unknown setting streems; did you mean streams\?"),
        ({"grid": {"streams": (2,)}, "settings": {"hours": 1}}, r"f.yaml: settings: .* did you mean los.hours\?"),
        ({"grid": {"streams": (2, "x")}}, "f.yaml: streams is 'x'"),
        ({"grid": {"los.interval": (2, 2.0)}}, "f.yaml: grid: los.interval 2.0 comes twice; name each value once"),
        (
            {"latin_hypercube": {"points": 2, "settings": {"los.intervals": ({"low": 1.0, "high": 2.0})}}},
            r"f.yaml: latin_hypercube.settings: unknown setting los.intervals; did you mean los.interval\?",
        ),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _los(**changes)


def test_a_cell_has_the_experiments_own_settings_and_those_of_its_sections() -> None:
    known = api.known_settings(BUILTIN["los"])
    assert {"policy", "streams", "los.interval", "los.rules.hop_limit", "los.testbed"} <= set(known)
    assert not {"los.repeats", "los.streams", "los.sweeps.streams", "elastic.sync_period", "seed", "data.folder"} & set(
        known
    )
    assert {"forecast.lstm.hidden", "elastic.q_max"} <= set(api.known_settings(BUILTIN["elastic"]))
    assert "forecast.window" not in api.known_settings(BUILTIN["elastic"])


@pytest.mark.parametrize("name", ["los", "elastic", "forecast"])
def test_what_a_cell_does_not_read_is_there_to_be_read(name: str) -> None:
    settings = Params().model_dump()
    for dotted in BUILTIN[name].unread:
        assert api.at(settings, dotted) is not None
    assert not set(BUILTIN[name].unread) & set(api.known_settings(BUILTIN[name]))


def test_whole_numbers_are_told_from_others() -> None:
    known = api.known_settings(BUILTIN["los"])
    assert [api.takes_whole(known[name]) for name in ("streams", "los.rules.hop_limit")] == [True, True]
    assert [api.takes_whole(known[name]) for name in ("los.interval", "policy", "los.testbed")] == [False, False, False]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("los.intervall", r"f.yaml: grid: unknown setting los.intervall; did you mean los.interval\?"),
        ("hop_limit", r"unknown setting hop_limit; did you mean los.rules.hop_limit\?"),
        ("polcy", r"did you mean policy\?"),
        ("xyz", "unknown setting xyz; known: policy, streams, los.testbed"),
        ("los.rules", r"los.rules is a group of settings; name one of it, such as los.rules.hop_limit"),
        ("los.repeats", "a cell of los does not read los.repeats; leave it out"),
        ("los.sweeps.gateways", "a cell of los does not read los.sweeps.gateways; leave it out"),
    ],
)
def test_an_unknown_setting_is_told_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        api.check_name(name, BUILTIN["los"], "f.yaml: grid")


def test_a_list_of_the_whole_run_is_one_value_in_a_cell() -> None:
    with pytest.raises(InputError, match=r"does not read forecast.models; did you mean model\?"):
        api.check_name("forecast.models", BUILTIN["forecast"], "f.yaml")


def test_settings_are_laid_over_the_base(toy: Callable[..., Experiment]) -> None:
    base = Params(los=SchedulingStudy(loss=0.25))
    settings = api.settle(
        BUILTIN["los"], base, {"policy": "random", "los.interval": 7, "los.rules.skip_visited": True}, "f"
    )
    assert (settings["policy"], settings["streams"]) == ("random", None)
    assert (settings["los"]["interval"], settings["los"]["loss"]) == (7.0, 0.25)
    assert settings["los"]["rules"] == {**Params().los.rules.model_dump(), "skip_visited": True}
    assert set(settings) == {"policy", "streams", "los"}
    assert "workers" not in settings["los"]
    assert set(api.settle(toy(), base, {}, "f")) == {"los"}


def test_what_a_cell_does_not_read_changes_nothing() -> None:
    less, more = Params(), Params(los=SchedulingStudy(repeats=3), seed=4)
    assert api.settle(BUILTIN["los"], less, {}, "f") == api.settle(BUILTIN["los"], more, {}, "f")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"los.interval": -1}, "f: los.interval is -1; input should be greater than or equal to 0"),
        ({"los.rules.hop_limit": 2.5}, "f: los.rules.hop_limit is 2.5"),
        ({"policy": "lso"}, "f: policy is 'lso'; did you mean los.; known: los, in_situ"),
        ({"streams": "4"}, "f: streams is '4'"),
        ({"los.limits.floor": 2000}, "floor is 2000, above ceiling, 1000"),
    ],
)
def test_a_wrong_value_is_told(chosen: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        api.settle(BUILTIN["los"], Params(), chosen, "f")


def test_one_setting_is_found_by_its_key() -> None:
    assert api.at({"a": {"b": {"c": 3}}, "d": 4}, "a.b.c") == 3
    assert api.at({"a": {"b": {"c": 3}}, "d": 4}, "d") == 4


ROOT = Path(__file__).parents[2]


def _load(folder: Path, text: str) -> Spec:
    path = folder / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def test_a_grid_is_read(tmp_path: Path) -> None:
    spec = _load(tmp_path, "experiment: los\nsettings: {streams: 4}\ngrid: {los.interval: [1, 2.5], policy: [los]}\n")
    assert (spec.seeds, spec.seed, spec.measure) == (5, 0, None)
    assert spec.grid == {"los.interval": (1, 2.5), "policy": ("los",)}
    assert spec.varied == ("los.interval", "policy")


def test_a_hypercube_is_read(tmp_path: Path) -> None:
    text = (
        "experiment: los\nlatin_hypercube: {points: 9, settings: {streams: {low: 2, high: 10}, policy: [los, random]}}"
    )
    cube = _load(tmp_path, text).latin_hypercube
    assert cube == LatinHypercube(points=9, settings={"streams": Span(low=2, high=10), "policy": ("los", "random")})


def test_the_example_is_a_sweep() -> None:
    assert load(ROOT / "examples" / "sweep.yaml").varied == ("streams", "los.interval")


def test_it_is_frozen() -> None:
    spec = Spec(experiment="los", grid={"streams": (1,)})
    with pytest.raises(ValidationError, match="frozen"):
        spec.seeds = 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grid: {streams: [1]}", r"sweep.yaml: experiment is missing; name one, such as experiment: los"),
        ("experiment: los", "either a grid or a latin_hypercube"),
        (
            "experiment: los\ngrid: {streams: [1]}\nlatin_hypercube: {points: 2, settings: {streams: [1]}}",
            "either a grid or a latin_hypercube",
        ),
        ("experiment: los\ngrid: {streams: []}", r"grid.streams has no value; list some"),
        ("experiment: los\ngrid: {streams: 4}", "grid.streams is 4; input should be a valid array"),
        ("experiment: los\ngrid: {streams: [1]}\nsettings: {streams: 2}", "streams is fixed and varied; name it once"),
        ("experiment: los\nseed: 1\nsedes: 3\ngrid: {streams: [1]}", "unknown key sedes; did you mean seeds"),
        ("experiment: los\nseeds: 0\ngrid: {streams: [1]}", "seeds is 0; input should be greater than 0"),
        (
            "experiment: los\nlatin_hypercube: {points: 2, settings: {los.interval: {low: 5, high: 5}}}",
            "low is 5, not below high, 5; give a smaller low",
        ),
        (
            "experiment: los\nlatin_hypercube: {points: 2, settings: {los.interval: {low: 0, high: 5, scale: log}}}",
            "low is 0; a log scale begins above 0",
        ),
        ("experiment: los\nlatin_hypercube: {points: 2, settings: {}}", "latin_hypercube.settings is {}"),
        ("- experiment", "holds a list"),
        ("experiment: los\ngrid: &a {streams: [*a]}", "line 2 holds itself, by an alias"),
        ("experiment: los\ngrid: {streams: [1], streams: [2]}", r"streams stands there twice \(line 2\)"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        _load(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        load(tmp_path / "none.yaml")
