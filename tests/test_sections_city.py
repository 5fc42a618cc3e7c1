import pytest
from pydantic import ValidationError

from edgeresearch.emulator.testbed import paper_b
from edgeresearch.sections_city import City, District


def test_a_district_is_the_papers_testbed() -> None:
    assert District().model_dump() == {layer.name: len(layer.members) for layer in paper_b().layers}


def test_the_usual_city_has_the_sensors_of_aarhus_in_its_edge() -> None:
    made, district = City(), District()
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
        City.model_validate(values)
