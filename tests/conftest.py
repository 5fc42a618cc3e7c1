"""What several test modules share."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from hypothesis import settings

from edgeresearch.emulator.api import Scenario
from edgeresearch.emulator.settings import TrainingCost
from edgeresearch.emulator.testbed import Testbed, paper_b
from edgeresearch.settings import parsed

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

EDGE = {"name": "edge", "nodes": 3, "vcpu": 1, "memory": 1024}
FOG = {"name": "fog", "nodes": 1, "vcpu": 1, "memory": 2048}
CLOUD = {"name": "cloud", "nodes": 2, "vcpu": 2, "memory": 4096}
STREAM = {"node": "edge-1", "period": 240, "cpu": 950}


@pytest.fixture
def write_notebook() -> Callable[..., Path]:
    """Write a notebook of code cells; the first one is tagged `parameters` unless it is None."""

    def write(path: Path, parameters: str | None, *sources: str) -> Path:
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        if parameters is not None:
            cells.insert(0, nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec}), path)
        return path

    return write


@pytest.fixture(autouse=True, scope="module")
def no_idle_workers() -> Iterator[None]:
    """Stop joblib's processes after each file: those that are idle for minutes may end just as new work is sent."""
    yield
    loky = sys.modules.get("joblib.externals.loky.reusable_executor")
    if loky is not None and loky._executor is not None:
        loky._executor.shutdown(wait=True)


@pytest.fixture(scope="session")
def paper() -> Scenario:
    """Paper B's experiment with this package's settings."""
    return Scenario(paper_b())


@pytest.fixture(scope="session")
def loaded(paper: Scenario) -> Scenario:
    """Paper B's experiment with heavy trainings, many of which are dropped."""
    return replace(paper, testbed=paper.testbed.with_rule(work=6.0))


@pytest.fixture(scope="session")
def tiny(paper: Scenario) -> Callable[..., Scenario]:
    """Make a setup on a small testbed: one stream on the first of three edge nodes, which it fills; no noise."""

    def make(**data: Any) -> Scenario:
        usual = {"layers": [EDGE, FOG, CLOUD], "streams": [STREAM]}
        testbed = parsed({**usual, **data}, Testbed, "tiny").check()
        return replace(paper, testbed=testbed, training_cost=TrainingCost(noise=0.0, monitor=0.0), interval=1.0)

    return make


@pytest.fixture(scope="session")
def make_triggers() -> Callable[..., pd.DataFrame]:
    """Make one row per trigger from rows of repeat, end, reason and hops; all of two streams under one policy."""

    def make(*rows: tuple[int, str, str, int], streams: int = 2, policy: str = "los") -> pd.DataFrame:
        table = pd.DataFrame(rows, columns=["repeat", "end", "reason", "hops"])
        return table.assign(streams=streams, policy=policy)

    return make
