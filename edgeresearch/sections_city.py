"""The section of the settings on a testbed as large as a city; what each value means stands in `params.yaml`."""

from typing import Annotated, get_args

from pydantic import Field, PositiveFloat, PositiveInt

from edgeresearch.kinds import Counts, Policies, PolicyName
from edgeresearch.settings import Section


class District(Section):
    """Nodes of a district of a city: Paper B, Table I."""

    edge: PositiveInt = 5
    fog: PositiveInt = 4
    cloud: PositiveInt = 6


class City(Section):
    """A testbed as large as a city, and how far it grows."""

    places: str | None = "data/raw/aarhus_traffic/trafficMetaData.csv.gz"
    nodes: PositiveInt = 1347
    district: District = District()
    neighbours: PositiveInt = 4
    share: Annotated[float, Field(gt=0, le=1)] = 0.6
    sizes: Counts = (15, 45, 150, 450, 1347, 10000, 100000)
    policies: Policies = get_args(PolicyName)
    most: dict[PolicyName, PositiveInt] = {"cloud": 10000, "least_loaded": 10000, "oracle": 10000}
    hours: PositiveFloat = 1.0
    repeats: PositiveInt = 8
    nodes_in_all: PositiveInt = 20000
    refine: bool = False
