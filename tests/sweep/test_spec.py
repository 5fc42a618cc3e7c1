from pathlib import Path

import pytest
from pydantic import ValidationError

from edgeresearch.errors import InputError
from edgeresearch.sweep.spec import LatinHypercube, Span, Spec, load

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
        ("experiment: los\ngrid: &a {streams: [*a]}", "is no sweep"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        _load(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        load(tmp_path / "none.yaml")
