import inspect
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgeresearch.paper import paper_b
from edgeresearch.paper.claims import formulas
from edgeresearch.paper.claims.formulas import FORMULAS, Check


def test_table_2_contradicts_its_text_by_mae_alone() -> None:
    assert formulas.best_of_all(metric="mse").agrees
    assert formulas.best_of_all(metric="r2").agrees
    found = formulas.best_of_all(metric="mae")
    assert not found.agrees
    assert found.follows == "0.85"
    assert "XGBoost (0.85); LSTM: 0.9" in found.says


def test_the_variance_of_table_2_is_three_numbers() -> None:
    found = formulas.one_variance()
    assert not found.agrees
    assert found.follows == "107 to 167"
    assert "3 of 5 rows" in found.says


@pytest.mark.parametrize(
    ("metric", "first", "second", "agrees"),
    [
        ("mae", ["lstm_paper"], ["xgboost"], False),
        ("mae", ["xgboost"], ["lstm_paper"], True),
        ("r2", ["lstm_paper"], ["xgboost"], True),
        ("mse", ["lstm_paper", "xgboost"], ["random_forest", "ridge"], True),
        ("mse", ["lstm_paper", "ridge"], ["random_forest"], False),
        ("mae", ["random_forest", "ridge"], ["lstm_paper"], False),
        ("mae", ["ridge"], ["ridge"], False),
    ],
)
def test_methods_are_compared_the_right_way_round(
    metric: str, first: list[str], second: list[str], agrees: bool
) -> None:
    assert formulas.better(metric=metric, first=first, second=second).agrees is agrees


def test_the_text_names_another_cell_than_the_table() -> None:
    found = formulas.text_beside_cell()
    assert not found.agrees
    assert found.says == "the text has 6.7 % on expansion, where the table has 3.2 %; it has 6.7 % on shrinkage"


def test_what_is_stated_twice_must_be_alike() -> None:
    assert formulas.stated(a="x", b="x").agrees
    assert formulas.stated(a=[3, 5], b="3 to 5").agrees
    found = formulas.stated(**{"section IV.D": "lowered", "section VI.B": "raised"})
    assert not found.agrees
    assert found.says == "section IV.D: lowered; section VI.B: raised"


def test_what_is_referred_to_must_be_there() -> None:
    assert formulas.referred(named=["Figure 1"], there=["Figure 1", "Figure 2"]).agrees
    assert not formulas.referred(named=["Figure 5-1"], there=["Figure 1", "Figure 2"]).agrees


def test_a_thousand_samples_take_longer_than_stated() -> None:
    found = formulas.between(low=3, high=5, samples=1000, seconds=[0.2, 0.8])
    assert not found.agrees
    assert found.follows == "3.3 to 13.3"
    assert formulas.between(low=3.33, high=13.3, samples=1000, seconds=[0.2, 0.8]).agrees


def test_triggers_at_the_stated_rate_are_twice_the_stated_number() -> None:
    given_: dict[str, Any] = {"streams": [2, 4, 6, 8, 10], "repeats": 5, "hours": 4, "minutes": [3, 5]}
    found = formulas.triggers(**given_, about=3800)
    assert not found.agrees
    assert found.follows == "7,200 to 12,000"
    assert "1.9 to 3.2 times" in found.says
    assert formulas.triggers(**given_, about=9000).agrees


def test_the_conclusions_range_leaves_out_the_fewest_streams() -> None:
    found = formulas.executed(low=21.74, high=73.38, drops=paper_b.DROP_PERCENT)
    assert not found.agrees
    assert found.says.endswith("the range leaves out 2 streams (85.63 %)")
    assert formulas.executed(low=21.74, high=85.63, drops=paper_b.DROP_PERCENT).agrees


@given(st.dictionaries(st.integers(1, 20), st.floats(0, 100), min_size=1))
def test_a_range_of_all_drop_rates_covers_them(drops: dict[int, float]) -> None:
    ran = [100 - each for each in drops.values()]
    assert formulas.executed(low=min(ran), high=max(ran), drops=drops).agrees


def test_a_tenth_less_each_time_is_at_the_plateau_after_eleven() -> None:
    found = formulas.steps(start=400, end=130, factor=0.9, stated=32)
    assert (found.agrees, found.follows) == (False, "11")
    assert formulas.steps(start=400, end=130, factor=0.9, stated=11).agrees


@given(st.integers(1, 40), st.floats(0.5, 0.98))
def test_steps_are_counted_back(count: int, factor: float) -> None:
    assert formulas.steps(start=400, end=400 * factor**count, factor=factor, stated=count).agrees


def test_the_first_limit_leaves_room_for_far_more_jobs_than_two() -> None:
    found = formulas.first_limit(share=0.85, node=1000, stated=400, jobs=26, nodes=5, full=2)
    assert not found.agrees
    assert (
        "85 % of 471 free ones; 5.2 prediction jobs on a node then take 102 each, and 2 of them leave 796" in found.says
    )
    assert formulas.first_limit(share=0.85, node=1000, stated=400, jobs=5, nodes=5, full=2).agrees


def test_limits_and_residuals_of_figure_5_agree_if_time_is_inverse() -> None:
    found = formulas.inverse(first=80, start=400, end=130, last=40, points=5)
    assert (found.agrees, found.follows) == (True, "38.5")
    assert not formulas.inverse(first=80, start=400, end=200, last=40, points=5).agrees


@given(st.floats(1, 99), st.floats(50, 1000))
def test_an_unchanged_limit_leaves_the_residual(first: float, limit: float) -> None:
    assert formulas.inverse(first=first, start=limit, end=limit, last=first, points=1e-6).agrees


def test_eq_3_is_least_at_no_residual() -> None:
    assert not formulas.least_residual(stated=40, points=5).agrees
    assert formulas.least_residual(stated=2, points=5).agrees


def test_five_jobs_on_a_node_that_two_exhaust() -> None:
    assert not formulas.crowded(jobs=26, nodes=5, full=2).agrees
    assert formulas.crowded(jobs=5, nodes=5, full=2).agrees


def test_products_and_shares() -> None:
    assert formulas.product(factors=[26, 55], stated=1430).agrees
    assert formulas.product(factors=[26, 55], stated=1430).follows == "1430"
    assert not formulas.product(factors=[26, 54], stated=1430).agrees
    assert formulas.share(part=3, whole=5, above=50).agrees
    assert not formulas.share(part=2, whole=5, above=50).agrees


@given(st.lists(st.integers(1, 50), min_size=1, max_size=4), st.integers(1, 1000))
def test_a_product_agrees_with_itself_alone(factors: list[int], other: int) -> None:
    total = 1
    for each in factors:
        total *= each
    assert formulas.product(factors=factors, stated=total).agrees
    assume(abs(other - total) > 1e-6 * total)
    assert not formulas.product(factors=factors, stated=other).agrees


def test_formulas_go_by_their_names_and_take_words_alone() -> None:
    for name, formula in FORMULAS.items():
        assert formula.__name__ == name
        assert formula.__doc__
        kinds = {each.kind for each in inspect.signature(formula).parameters.values()}
        assert kinds <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
    own = [each for _, each in inspect.getmembers(formulas, inspect.isfunction) if each.__module__ == formulas.__name__]
    assert {each.__name__ for each in own if not each.__name__.startswith("_")} == set(FORMULAS)
    assert isinstance(formulas.stated(a=1, b=1), Check)


@given(st.floats(1, 60), st.floats(1, 20), st.floats(1, 20))
def test_jobs_crowd_a_node_from_a_number_on(jobs: float, nodes: float, full: float) -> None:
    assert formulas.crowded(jobs=jobs, nodes=nodes, full=full).agrees == (jobs / nodes < full)


def test_every_formula_says_a_sentence_with_its_numbers() -> None:
    found = formulas.first_limit(share=0.85, node=1000, stated=400, jobs=26, nodes=5, full=2)
    for check in (found, formulas.one_variance(), formulas.text_beside_cell(), formulas.best_of_all(metric="mae")):
        assert any(each.isdigit() for each in check.says)
        assert not check.says.endswith(".")
