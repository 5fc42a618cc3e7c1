import numpy as np
import pandas as pd
import pytest

from edgeresearch.data import synthetic
from edgeresearch.data.trace import Trace
from edgeresearch.papers import generated_b as module

STEPS = 288 * 12


@pytest.fixture(scope="module")
def pair() -> list[Trace]:
    rng = np.random.default_rng(0)
    return [
        synthetic.draw_traffic(rng, steps=STEPS, name="traffic_1"),
        synthetic.draw_pollution(rng, steps=STEPS, name="pollution_1"),
    ]


def _walk(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 100 + np.cumsum(rng.integers(-5, 6, STEPS))


def _trace(values: np.ndarray, name: str = "pollution_7") -> Trace:
    index = pd.date_range("2014-08-01", periods=len(values), freq="5min")
    frame = pd.DataFrame({"ozone": values.astype(float)}, index=index)
    like = synthetic.draw_pollution(np.random.default_rng(0), steps=10)
    return Trace(name, frame, pd.Timedelta("5min"), "index without unit", like.origin, {})


def test_a_walk_is_told_from_a_cycle(pair: list[Trace]) -> None:
    table = module.evidence([_trace(_walk()), pair[0]])
    walk, traffic = table.iloc[0], table[table["series"] == "vehicle_count"].iloc[0]
    assert (walk["kind"], walk["sensor"], walk["share"]) == ("pollution", "7", 1.0)
    assert walk["uniform_p"] > 0.001
    assert abs(walk["increment_lag_1"]) < 0.06
    assert abs(walk["increment_day"]) < 0.06
    assert traffic["uniform_p"] < 1e-9
    assert traffic["daily_swing"] > 1
    assert traffic["growth"] < 0.3


def test_growth_of_the_variance_is_one_for_a_free_walk() -> None:
    found = [module.evidence([_trace(_walk(seed))])["growth"].iloc[0] for seed in range(20)]
    assert np.mean(found) == pytest.approx(1.0, abs=0.25)


def test_steps_that_are_not_whole_or_too_large_are_not_usual() -> None:
    values = _walk()
    assert module.evidence([_trace(values + 0.5 * (np.arange(STEPS) % 2))])["share"].iloc[0] == 0
    assert module.evidence([_trace(2 * values)])["share"].iloc[0] == pytest.approx(5 / 11, abs=0.05)


def test_missing_values_are_left_out() -> None:
    values = _walk().astype(float)
    values[100:400] = np.nan
    row = module.evidence([_trace(values)]).iloc[0]
    assert row["share"] == 1.0
    assert np.isfinite(row.drop(["kind", "sensor", "series"]).astype(float)).all()


def test_the_sentence_names_both_and_concludes_only_from_a_walk(pair: list[Trace]) -> None:
    said = module.said(module.evidence([pair[0], _trace(_walk())]))
    assert said.startswith("Traffic: ")
    assert "; pollution: 100.0 to 100.0 % of the increments of its 1 series" in said
    assert said.endswith("the best guess is the last value.")
    measured = _trace(pair[0].values.fillna(0).to_numpy())
    assert "random walk" not in module.said(module.evidence([measured]))
    assert "random walk" not in module.said(module.evidence([pair[0]]))


def test_the_figure_says_what_is_generated_and_what_is_synthetic(pair: list[Trace]) -> None:
    figure = module.figure(pair)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0] == "traffic_1 (synthetic), vehicle_count"
    assert titles[3] == "pollution_1 (synthetic), ozone: generated, not measured"
    assert [axes.get_xlabel() for axes in figure.axes[3:]] == [
        "change over 5 min",
        "lag (days)",
        "hour of day (UTC)",
    ]
    assert figure.axes[2].get_ylabel() == "vehicles per 5 min"


def test_what_is_drawn_is_the_increments(pair: list[Trace]) -> None:
    walk = _trace(_walk())
    figure = module.figure([pair[0], walk])
    bars = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in figure.axes[3].patches}
    assert set(bars) == set(range(-5, 6))
    assert sum(bars.values()) == pytest.approx(100)
    memory = figure.axes[4].lines
    assert np.asarray(memory[0].get_ydata())[0] > 0.95
    assert abs(np.asarray(memory[1].get_ydata(), dtype=float)).max() < 0.1
    assert len(figure.axes[5].lines[0].get_xdata()) == 24
