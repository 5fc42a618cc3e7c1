"""The settings in `params.yaml` and its profiles, typed, checked and frozen; read once, at the edge."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from edgeresearch import config
from edgeresearch.config import PAPER, CityGrowth, Params, SchedulingStudy, load, merge, merged
from edgeresearch.emulator.policies import POLICIES
from edgeresearch.emulator.settings import District, Policies, TrainingCost
from edgeresearch.emulator.testbed import paper_b
from edgeresearch.errors import InputError
from edgeresearch.forecasting.settings import ForecastSettings
from edgeresearch.scheduling.settings import Limits, Rules
from edgeresearch.settings import Counts, Section, parsed


@pytest.mark.parametrize(("kind", "values"), [(Policies, ("los", "los")), (Counts, (0,))])
def test_the_kinds_check_what_they_are_given(kind: Any, values: tuple[object, ...]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(values)


def test_every_policy_has_its_name() -> None:
    assert TypeAdapter(Policies).validate_python(tuple(POLICIES)) == tuple(POLICIES)


ROOT = Path(__file__).parents[1]
PROFILES = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "params.yaml").write_text("seed: 1\nforecast: {window: 10, lstm: {epochs: 3}}\n")
    (tmp_path / "profiles" / "small.yaml").write_text("forecast: {lstm: {epochs: 1}}\n")
    return tmp_path


def test_the_file_and_the_defaults_are_the_same_and_the_file_names_every_key() -> None:
    path = ROOT / "params.yaml"
    assert load(path) == Params() == load(path, PAPER)
    assert yaml.safe_load(path.read_text()) == Params().model_dump(mode="json") | {"workers": "auto"}


def test_every_key_of_the_file_carries_a_comment() -> None:
    lines = [line for line in (ROOT / "params.yaml").read_text().splitlines() if ": " in line and line[0] != "#"]
    uncommented = [line for line in lines if "#" not in line]
    wrapped = {"traces", "models", "detectors"}  # lists that fill their lines
    assert {line.split(":")[0].strip() for line in uncommented} <= wrapped


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_load_and_say_only_what_differs(profile: str) -> None:
    settings = load(ROOT / "params.yaml", profile)
    assert settings != Params()
    overlay = yaml.safe_load((ROOT / "profiles" / f"{profile}.yaml").read_text())

    def same(over: dict[str, Any], base: dict[str, Any], path: str = "") -> list[str]:
        found: list[str] = []
        for key, value in over.items():
            found += same(value, base[key], f"{path}{key}.") if isinstance(value, dict) else []
            found += [path + key] if value == base[key] else []
        return found

    assert same(overlay, Params().model_dump(mode="json")) == []


def test_a_profile_is_laid_over_the_file(folder: Path) -> None:
    settings = load(folder / "params.yaml", "small")
    assert (settings.seed, settings.forecast.window, settings.forecast.lstm.epochs) == (1, 10, 1)
    assert load(folder / "params.yaml").forecast.lstm.epochs == 3
    assert merged(folder / "params.yaml", "small") == merge(
        merged(folder / "params.yaml"), {"forecast": {"lstm": {"epochs": 1}}}
    )


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Params().forecast.window = 3


def test_an_unknown_profile_names_the_nearest_and_the_known_ones(folder: Path) -> None:
    with pytest.raises(InputError, match=r"no profile 'smal' .*did you mean small\?; known: paper, small"):
        load(folder / "params.yaml", "smal")


def test_an_unknown_key_in_an_overlay_names_the_overlay(folder: Path) -> None:
    (folder / "profiles" / "small.yaml").write_text("forecast: {lstm: {epoch: 1}}\n")
    with pytest.raises(InputError, match=r"small\.yaml: unknown key forecast\.lstm\.epoch; did you mean epochs\?"):
        load(folder / "params.yaml", "small")


def test_a_wrong_value_in_an_overlay_names_the_profile(folder: Path) -> None:
    (folder / "profiles" / "small.yaml").write_text("forecast: {window: wide}\n")
    with pytest.raises(InputError, match=r"params\.yaml with profile small: forecast\.window is 'wide'"):
        load(folder / "params.yaml", "small")


@pytest.mark.parametrize(
    ("forecast", "message"),
    [
        ({"test_fraction": 0}, r"forecast\.test_fraction is 0; input should be greater than 0"),
        ({"validation_fraction": 1}, r"forecast\.validation_fraction is 1; input should be less than 1"),
        ({"test_fraction": 0.5, "validation_fraction": 0.5}, "forecast: test_fraction and .* less than 1"),
        ({"horizons": [5, 1]}, r"forecast\.horizons is \[5, 1\]; name at least one, in ascending order"),
        ({"horizons": []}, r"forecast\.horizons is \[\]; name at least one"),
        ({"horizons": [0]}, r"forecast\.horizons\[0\] is 0; input should be greater than 0"),
        ({"traces": ["nasa", "nasa"]}, r"forecast\.traces .* each only once"),
        ({"traces": ["nsa"]}, r"forecast\.traces\[0\] is 'nsa'; input should be 'nasa', 'worldcup98'"),
        ({"models": ["lstmm"]}, r"forecast\.models\[0\] is 'lstmm'; .*'lstm' or 'lstm_huber'"),
        ({"models": []}, r"forecast\.models is \[\]; name at least one"),
        ({"lstm": {"learning_rate": "1e-3"}}, r"forecast\.lstm\.learning_rate is '1e-3'; .* valid number"),
        ({"window": 2.5}, r"forecast\.window is 2\.5; input should be a valid integer"),
    ],
)
def test_values_out_of_bounds_are_told_in_one_line(forecast: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"here: {message}") as caught:
        parsed({"forecast": forecast}, Params, "here")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("elastic", "message"),
    [
        ({"leads": [0.5, 2.0]}, r"elastic\.leads is \[0\.5, 2\.0\]; name 1\.0 among them"),
        ({"leads": [2.0, 1.0]}, "name 1.0 among them, in ascending order"),
        ({"strategies": ["advanced"]}, r"elastic\.strategies\[0\] is 'advanced'; input should be 'advance'"),
        ({"forecasters": []}, r"elastic\.forecasters is \[\]; name at least one"),
        ({"q_max": 0}, r"elastic\.q_max is 0; input should be greater than 0"),
        ({"clusters": {"edge": {"nodes": 0}}}, r"elastic\.clusters\.edge"),
    ],
)
def test_elastic_values_out_of_bounds_are_told_in_one_line(elastic: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parsed({"elastic": elastic}, Params, "here")
    assert "\n" not in str(caught.value)


def test_the_project_is_found_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text("")
    (tmp_path / "notebooks").mkdir()
    assert config.find(tmp_path) == tmp_path.resolve()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert config.find() == tmp_path.resolve()


def test_the_nearest_one_counts(tmp_path: Path) -> None:
    inner = tmp_path / "build" / "quick"
    inner.mkdir(parents=True)
    for folder in (tmp_path, inner):
        (folder / "params.yaml").write_text("")
    assert config.find(inner) == inner.resolve()


def test_outside_of_a_project_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no params\.yaml in .* or above; start in the folder of a checkout"):
        config.find(tmp_path)


GROUPS = [value for value in vars(config).values() if isinstance(value, type) and issubclass(value, Section)]


def test_every_section_is_frozen_and_refuses_unknown_keys() -> None:
    for group in set(GROUPS) - {Section}:
        assert issubclass(group, BaseModel) and group.__doc__
        with pytest.raises(ValidationError):
            group.model_validate({"no_such_key": 1})


@pytest.mark.parametrize(
    ("group", "values"),
    [
        (SchedulingStudy, {"streams": (4, 2)}),
        (SchedulingStudy, {"streams": (2, 2)}),
        (SchedulingStudy, {"policies": ("los", "los")}),
        (SchedulingStudy, {"loss": 1.0}),
        (Limits, {"up": 1.0}),
        (Limits, {"rule": "both"}),
        (Rules, {"hop_limit": -1}),
        (TrainingCost, {"a": 0.0}),
        (ForecastSettings, {"test_fraction": 0.6, "validation_fraction": 0.4}),
    ],
)
def test_values_out_of_range_are_refused(group: type[Section], values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        group.model_validate(values)


def test_the_settings_name_every_policy() -> None:
    assert SchedulingStudy().policies == tuple(POLICIES)


def test_a_district_is_the_papers_testbed() -> None:
    assert District().model_dump() == {layer.name: len(layer.members) for layer in paper_b().layers}


def test_the_usual_city_has_the_sensors_of_aarhus_in_its_edge() -> None:
    made, district = CityGrowth(), District()
    whole = district.edge + district.fog + district.cloud
    assert round(made.nodes * district.edge / whole) == 449
    assert made.sizes[0] == whole
    assert set(made.most) <= set(made.policies)
    assert set(made.most.values()) <= set(made.sizes)


@pytest.mark.parametrize(
    "values",
    [
        {"share": 0.0},
        {"share": 1.1},
        {"sizes": (45, 15)},
        {"policies": ("los", "los")},
        {"most": {"loss": 15}},
        {"most": {"los": 0}},
        {"district": {"edge": 0}},
        {"neighbours": 0},
    ],
)
def test_what_makes_no_city_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CityGrowth.model_validate(values)
