from collections.abc import Callable

import pytest

from edgeresearch.errors import InputError
from edgeresearch.params import Params
from edgeresearch.sections import Los
from edgeresearch.sweep import keys
from edgeresearch.sweep.builtin import BUILTIN
from edgeresearch.sweep.experiments import Experiment


def test_a_cell_has_the_experiments_own_settings_and_those_of_its_sections() -> None:
    known = keys.known(BUILTIN["los"])
    assert {"policy", "streams", "los.interval", "los.rules.hop_limit", "los.testbed"} <= set(known)
    assert not {"los.workers", "los.streams", "los.sweeps.streams", "elastic.every", "seed", "data.folder"} & set(known)
    assert {"forecast.lstm.hidden", "elastic.q_max"} <= set(keys.known(BUILTIN["elastic"]))
    assert "forecast.window" not in keys.known(BUILTIN["elastic"])


@pytest.mark.parametrize("name", ["los", "elastic", "forecast"])
def test_what_a_cell_does_not_read_is_there_to_be_read(name: str) -> None:
    settings = Params().model_dump()
    for dotted in BUILTIN[name].unread:
        assert keys.at(settings, dotted) is not None
    assert not set(BUILTIN[name].unread) & set(keys.known(BUILTIN[name]))


def test_whole_numbers_are_told_from_others() -> None:
    known = keys.known(BUILTIN["los"])
    assert [keys.whole(known[name]) for name in ("streams", "los.rules.hop_limit")] == [True, True]
    assert [keys.whole(known[name]) for name in ("los.interval", "policy", "los.testbed")] == [False, False, False]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("los.intervall", r"f.yaml: grid: unknown setting los.intervall; did you mean los.interval\?"),
        ("hop_limit", r"unknown setting hop_limit; did you mean los.rules.hop_limit\?"),
        ("polcy", r"did you mean policy\?"),
        ("xyz", "unknown setting xyz; known: policy, streams, los.testbed"),
        ("los.rules", r"los.rules is a group of settings; name one of it, such as los.rules.hop_limit"),
        ("los.workers", "a cell of los does not read los.workers; leave it out"),
        ("los.sweeps.gateways", "a cell of los does not read los.sweeps.gateways; leave it out"),
    ],
)
def test_an_unknown_setting_is_told_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        keys.check(name, BUILTIN["los"], "f.yaml: grid")


def test_a_list_of_the_whole_run_is_one_value_in_a_cell() -> None:
    with pytest.raises(InputError, match=r"does not read forecast.models; did you mean model\?"):
        keys.check("forecast.models", BUILTIN["forecast"], "f.yaml")


def test_settings_are_laid_over_the_base(toy: Callable[..., Experiment]) -> None:
    base = Params(los=Los(loss=0.25))
    settings = keys.settle(BUILTIN["los"], base, {"policy": "random", "los.interval": 7, "los.rules.avoid": True}, "f")
    assert (settings["policy"], settings["streams"]) == ("random", None)
    assert (settings["los"]["interval"], settings["los"]["loss"]) == (7.0, 0.25)
    assert settings["los"]["rules"] == {**Params().los.rules.model_dump(), "avoid": True}
    assert set(settings) == {"policy", "streams", "los"}
    assert "workers" not in settings["los"]
    assert set(keys.settle(toy(), base, {}, "f")) == {"los"}


def test_what_a_cell_does_not_read_changes_nothing() -> None:
    less, more = Params(), Params(los=Los(workers=7, repeats=3), seed=4)
    assert keys.settle(BUILTIN["los"], less, {}, "f") == keys.settle(BUILTIN["los"], more, {}, "f")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"los.interval": -1}, "f: los.interval is -1; input should be greater than or equal to 0"),
        ({"los.rules.hop_limit": 2.5}, "f: los.rules.hop_limit is 2.5"),
        ({"policy": "lso"}, "f: policy is 'lso'; input should be 'los'"),
        ({"streams": "4"}, "f: streams is '4'"),
        ({"los.limits.floor": 2000}, "floor is 2000, above ceiling, 1000"),
    ],
)
def test_a_wrong_value_is_told(chosen: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        keys.settle(BUILTIN["los"], Params(), chosen, "f")


def test_one_setting_is_found_by_its_key() -> None:
    assert keys.at({"a": {"b": {"c": 3}}, "d": 4}, "a.b.c") == 3
    assert keys.at({"a": {"b": {"c": 3}}, "d": 4}, "d") == 4
