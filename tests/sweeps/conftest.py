"""An experiment that costs nothing, fails on demand, and kills its worker on demand."""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeresearch.config import Params
from edgeresearch.settings import Section
from edgeresearch.sweeps.api import Spec, cells
from edgeresearch.sweeps.experiments import Experiment, Places
from edgeresearch.sweeps.runner import Cell


def _toy(*, fails: float | None = None, kills: float | None = None, flag: str | None = None) -> Experiment:
    class Toy(Experiment):  # local: it is pickled as it is, for no worker can import a test
        name = "toy"
        own = Section
        reads = ("los",)
        unread = ("los.workers",)
        measures = {"value": "the value (s)", "half": "half of it (s)", "word": "a word"}
        units = {"los.interval": "s"}

        def files(self, settings: Mapping[str, Any], places: Places) -> Sequence[Path]:
            testbed = settings["los"]["testbed"]
            return [places.root / testbed] if testbed else []

        def run(self, settings: Mapping[str, Any], seed: np.random.SeedSequence, places: Places) -> dict[str, Any]:
            interval = settings["los"]["interval"]
            if interval == fails:
                raise ValueError("no luck\nat all")
            if interval == kills and (flag is None or not os.path.exists(flag)):
                if flag is not None:
                    with open(flag, "w"):
                        pass
                os.kill(os.getpid(), signal.SIGKILL)
            value = interval + np.random.default_rng(seed).random()
            return {"value": value, "half": np.float64(value / 2), "word": "even" if interval % 2 == 0 else "odd"}

    return Toy()


@pytest.fixture
def toy() -> Callable[..., Experiment]:
    return _toy


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path, tmp_path)


@pytest.fixture
def plan() -> Callable[..., list[Cell]]:
    def planned(count: int = 12, seeds: int = 1, experiment: Experiment | None = None) -> list[Cell]:
        spec = Spec(experiment="toy", seeds=seeds, grid={"los.interval": tuple(range(1, count + 1))})
        return cells(spec, experiment or _toy(), Params())

    return planned
