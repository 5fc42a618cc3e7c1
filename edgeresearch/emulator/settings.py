"""Settings of the emulator; the defaults are those of the study."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from edgeresearch.scheduling.settings import Fitting, Limits, Rules
from edgeresearch.settings import Section, Share, each_once

PolicyName = Literal["los", "in_situ", "random", "cloud", "least_loaded", "oracle"]
Policies = Annotated[tuple[PolicyName, ...], AfterValidator(each_once)]


class TrainingCost(Section):
    """How long trainings really take: t_job = a (R + b)^-c + d (Paper B, eq. 1); the scheduler sees only its own runs.

    Attributes:
        a: Seconds at one millicore, on a node class of speed 1.
        b: Millicores added to the limit R.
        c: Exponent.
        d: Seconds that no CPU shortens.
        noise: Standard deviation of the logarithm of a duration.
        monitor: Standard deviation of the utilisation that the monitoring reports.
        start: t_start of the container, in seconds.
        stop: t_stop, in seconds.
    """

    a: PositiveFloat = 11410.0
    b: NonNegativeFloat = 0.0
    c: PositiveFloat = 1.014
    d: NonNegativeFloat = 17.38
    noise: NonNegativeFloat = 0.3608
    monitor: NonNegativeFloat = 0.2674
    start: NonNegativeFloat = 4.0
    stop: NonNegativeFloat = 1.0


class District(Section):
    """Nodes of a district of a city: Paper B, Table I."""

    edge: PositiveInt = 5
    fog: PositiveInt = 4
    cloud: PositiveInt = 6


class CitySettings(Section):
    """A testbed as large as a city.

    Attributes:
        places: CSV of where edge nodes stand; a random city if it is None or missing.
        nodes: In all layers together.
        district: Nodes of a district by layer.
        neighbours: Nearest edge nodes, and nearest districts, that each is linked to.
        share: Of the edge nodes that have streams.
    """

    places: str | None = "data/raw/aarhus_traffic/trafficMetaData.csv.gz"
    nodes: PositiveInt = 1347
    district: District = District()
    neighbours: PositiveInt = 4
    share: Annotated[float, Field(gt=0, le=1)] = 0.6


class EmulatorSettings(Section):
    """All that an emulation is given beside its streams and its policy.

    Attributes:
        testbed: YAML file of a testbed, or `city`; Paper B's if None.
        interval: Time between two exchanges of availability, in seconds; 0 means always fresh.
        loss: Share of exchanges that get lost.
        training_cost: How long trainings really take.
        rules: Where Algorithm 1 leaves a choice.
        limits: How CPU limits are set.
        fitting: When eq. 1 is fitted.
        city: The testbed `city`.
    """

    testbed: str | None = None
    interval: NonNegativeFloat = 46.2
    loss: Share = 0.0
    training_cost: TrainingCost = TrainingCost()
    rules: Rules = Rules()
    limits: Limits = Limits()
    fitting: Fitting = Fitting()
    city: CitySettings = CitySettings()
