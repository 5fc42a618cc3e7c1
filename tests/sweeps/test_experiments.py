"""Experiments that can be swept."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgeresearch.config import Params
from edgeresearch.data.registry import REQUEST_TRACES
from edgeresearch.emulator import results
from edgeresearch.emulator.api import Scenario, simulate
from edgeresearch.emulator.testbed import paper_b
from edgeresearch.errors import InputError
from edgeresearch.sweeps import api
from edgeresearch.sweeps.experiments import BUILTIN, Places, Scalar

ROOT = Path(__file__).parents[2]
Run = Callable[..., dict[str, Scalar]]


@pytest.fixture
def cell(places: Places) -> Run:
    def found(name: str, seed: int = 0, **chosen: Any) -> dict[str, Scalar]:
        settings = api.settle(BUILTIN[name], Params(), {key.replace("__", "."): chosen[key] for key in chosen}, "f")
        return dict(BUILTIN[name].run(settings, np.random.SeedSequence(seed), places))

    return found


def test_their_measures_are_columns_and_numbers(cell: Run) -> None:
    rows = {
        "los": cell("los", streams=4, los__hours=0.5),
        "elastic": cell("elastic", trace="paper_a", elastic__seconds=20000, forecaster="last_value"),
        "forecast": cell("forecast", trace="paper_a", model="last_value", forecast__max_steps=500),
    }
    for name, row in rows.items():
        assert set(BUILTIN[name].measures) <= set(row)
        assert all(isinstance(row[measure], float) for measure in BUILTIN[name].measures)
    assert rows["elastic"]["real"] is rows["forecast"]["real"] is False, "the stand-in is synthetic"
    assert rows["forecast"]["skill"] == 0.0, "the last value has none over itself"


def test_units_are_of_settings_that_there_are() -> None:
    for experiment in BUILTIN.values():
        assert set(experiment.units) <= set(api.known_settings(experiment))


@pytest.mark.parametrize("policy", ["los", "in_situ", "oracle"])
def test_a_los_cell_tells_what_the_tally_of_its_run_tells(policy: str, cell: Run) -> None:
    row = cell("los", seed=3, policy=policy, streams=6, los__hours=1.0)
    seed = np.random.SeedSequence(3)
    outcome = simulate(Scenario(paper_b()), policy, hours=1.0, seed=seed, streams=6, record="paths")
    triggers = outcome.triggers().assign(streams=6, policy=policy, repeat=0)
    sent = results.traffic(outcome) | results.link_traffic(outcome)
    (expected,) = results.by_policy(triggers, pd.DataFrame([{"policy": policy, **sent}]), hours=1.0).to_dict("records")
    for name, value in row.items():
        np.testing.assert_allclose(float(value or 0), expected[name], err_msg=name)


def test_a_los_cell_takes_a_testbed_of_ones_own(cell: Run, places: Places) -> None:
    text = (ROOT / "examples" / "testbed.yaml").read_text(encoding="utf-8")
    (places.root / "mine.yaml").write_text(text, encoding="utf-8")
    mine = cell("los", los__testbed="mine.yaml", los__hours=1.0)
    assert mine["triggers"] != cell("los", los__hours=1.0)["triggers"]
    settings = api.settle(BUILTIN["los"], Params(), {"los.testbed": "mine.yaml"}, "f")
    assert list(BUILTIN["los"].files(settings, places)) == [places.root / "mine.yaml"]
    assert not BUILTIN["los"].files(api.settle(BUILTIN["los"], Params(), {}, "f"), places)


def test_a_los_cell_may_be_a_city_of_any_size(cell: Run, places: Places) -> None:
    rng = np.random.default_rng(0)
    degrees = {"latitude": 56.1 + rng.normal(0, 0.02, 30), "longitude": 10.2 + rng.normal(0, 0.03, 30)}
    pd.DataFrame(degrees).to_csv(places.root / "town.csv", index=False)
    town: dict[str, Any] = {"los__testbed": "city", "los__city__places": "town.csv", "los__hours": 0.5}
    rows = {nodes: cell("los", **town, los__city__nodes=nodes) for nodes in (15, 45, 90)}
    triggers = [float(row["triggers"] or 0) for row in rows.values()]
    assert triggers[0] < triggers[1] < triggers[2]
    assert cell("los", **town, los__city__nodes=45, streams=6)["triggers"] < rows[45]["triggers"]  # type: ignore[operator]
    settings = api.settle(BUILTIN["los"], Params(), {"los.testbed": "city", "los.city.places": "town.csv"}, "f")
    assert list(BUILTIN["los"].files(settings, places)) == [places.root / "town.csv"]


def test_a_los_cell_without_triggers_is_told(cell: Run) -> None:
    with pytest.raises(InputError, match="no stream triggers a training within 0.01 h; give more hours"):
        cell("los", streams=2, los__hours=0.01)


def test_the_seed_alone_makes_a_difference(cell: Run) -> None:
    first = cell("los", seed=1, streams=4, los__hours=0.5)
    assert first == cell("los", seed=1, streams=4, los__hours=0.5)
    assert first != cell("los", seed=2, streams=4, los__hours=0.5)


def test_an_elastic_cell_replays_one_strategy(cell: Run) -> None:
    given = {"trace": "paper_a", "elastic__seconds": 20000, "forecaster": "last_value"}
    plain, ahead = (cell("elastic", **given, strategy=name) for name in ("responsive", "combined"))
    assert np.isnan(float(plain["forecast_r2"] or 0)), "it reads no forecast"
    assert 0 < float(ahead["forecast_r2"] or 0) < 1
    fixed = cell("elastic", **given, strategy="fixed")
    assert fixed["pod_hours"] != plain["pod_hours"]
    faster = cell("elastic", **given, strategy="responsive", elastic__start_delay=0.0, elastic__start_spread=0.0)
    assert float(faster["error_percent"] or 0) < float(plain["error_percent"] or 0)


def test_a_forecast_cell_judges_one_model(cell: Run) -> None:
    given = {"trace": "paper_a", "forecast__max_steps": 500, "forecast__window": 10}
    near, far = (cell("forecast", **given, model="ridge", horizon=horizon) for horizon in (1, 20))
    assert float(near["mse"] or 0) < float(far["mse"] or 0)
    assert near["points"] == 100 - 1
    with pytest.raises(InputError, match="seasonal_naive needs a season, and what is used of paper_a has none"):
        cell("forecast", **given, model="seasonal_naive")


@pytest.mark.parametrize("name", ["elastic", "forecast"])
def test_the_files_are_those_of_the_trace(name: str, places: Places) -> None:
    settings = {"trace": "elb", "strategy": "hpa", "model": "ridge"}
    assert list(BUILTIN[name].files(settings, places)) == [places.data / REQUEST_TRACES["elb"].file]
    assert not BUILTIN[name].files({**settings, "trace": "paper_a"}, places)


def test_a_los_sweep_loads_neither_torch_nor_plots() -> None:
    code = """
import sys
import numpy as np
from pathlib import Path
from edgeresearch.config import Params
from edgeresearch.sweeps import api
from edgeresearch.sweeps.experiments import BUILTIN
from edgeresearch.sweeps.experiments import Places
settings = api.settle(BUILTIN["los"], Params(), {"streams": 2, "los.hours": 0.5}, "f")
BUILTIN["los"].run(settings, np.random.SeedSequence(0), Places(Path(), Path()))
print(sorted({"torch", "sklearn", "matplotlib", "seaborn", "dask", "ray", "scipy.stats"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
