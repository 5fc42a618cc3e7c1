"""What the tests of Local-Optimistic Scheduling share."""

from collections.abc import Callable
from typing import Any

import pytest

from edgeresearch.scheduling.messages import Availability, TrainingReport
from edgeresearch.scheduling.runtime_model import JobHistory
from edgeresearch.scheduling.settings import Fitting, Limits


@pytest.fixture(scope="session")
def make_node() -> Callable[..., Availability]:
    """Make a node of 1000 millicores; `cpu` are free."""

    def make(node: int = 0, cpu: float = 500.0, memory: float = 512.0, **more: Any) -> Availability:
        fields = {"time": 0.0, "utilisation": 1 - cpu / 1000, "kind": "edge", **more}
        return Availability(node=node, cpu=cpu, memory=memory, **fields)

    return make


@pytest.fixture(scope="session")
def make_report() -> Callable[..., TrainingReport]:
    """Make the report of a run that met its period."""

    def make(**fields: Any) -> TrainingReport:
        usual: dict[str, Any] = {
            "job": 0, "node": 0, "kind": "edge", "period": 240.0, "limit": 400.0, "seconds": 100.0, "complete": 105.0,
            "utilisation": 0.7, "memory": 64.0, "megabytes": 0.5, "overhead": 5.0,
        }  # fmt: skip
        return TrainingReport(**{**usual, **fields})

    return make


@pytest.fixture(scope="session")
def make_known(make_report: Callable[..., TrainingReport]) -> Callable[..., JobHistory]:
    """Make the history of a job from runs, each given by what its report differs in."""

    def make(*runs: dict[str, Any], limits: Limits | None = None, fitting: Fitting | None = None) -> JobHistory:
        known = JobHistory(limits or Limits(rule="period", floor=50.0), fitting or Fitting())
        for fields in runs:
            known.learn(make_report(**fields))
        return known

    return make
