from edgeresearch.papers import paper_b


def test_drop_rates_are_those_of_fig_7() -> None:
    assert list(paper_b.DROP_PERCENT) == [2, 4, 6, 8, 10]
    assert list(paper_b.DROP_PERCENT.values()) == [14.37, 26.62, 43.07, 69.70, 78.26]
    assert paper_b.IN_SITU_DROP_PERCENT == 100


def test_the_gain_that_the_paper_claims_leaves_out_its_own_case_of_two_streams() -> None:
    # "increase the relative amount of executed training jobs by between 21.74% and 73.38%" (section VII)
    gains = {count: round(100 - dropped, 2) for count, dropped in paper_b.DROP_PERCENT.items()}
    assert (gains[10], gains[4], gains[2]) == (21.74, 73.38, 85.63)


def test_shares_are_those_of_fig_6() -> None:
    assert paper_b.HOPS_PERCENT == {(6, 2): 31.13, (8, 2): 36.63, (8, 3): 16.7}
    assert paper_b.MOSTLY_TWO_OR_THREE == 10


def test_limits_and_residuals_are_those_of_fig_5() -> None:
    assert paper_b.LIMIT_MILLICORES == {1: 400, 32: 130}
    assert (paper_b.PLATEAU_ITERATION, paper_b.DRIFT_ITERATION) == (32, 46)
    assert paper_b.RESIDUAL_PERCENT == (80, 40)
    assert paper_b.TRAININGS == 1430


def test_the_experiment_has_100_hours() -> None:
    assert len(paper_b.DROP_PERCENT) * paper_b.REPEATS * paper_b.HOURS == 100
    assert paper_b.TRIGGERS == 3800


def test_nothing_is_fitted_on_what_is_held_out() -> None:
    assert paper_b.HELD_OUT == (4, 8)
    fitted = paper_b.FITTED
    assert {name for name in fitted if name.startswith("drop")} == {"drop_2", "drop_6", "drop_10"}
    assert {name for name in fitted if name.startswith("hops")} == {"hops_6_2"}
    assert [fitted[name][0] for name in ("drop_2", "drop_6", "drop_10")] == [14.37, 43.07, 78.26]
    assert (fitted["hops_6_2"][0], fitted["limit_32"][0], fitted["plateau"][0]) == (31.13, 130, 32)
    assert (fitted["residual_1"][0], fitted["residual_45"][0]) == paper_b.RESIDUAL_PERCENT
    assert all(tolerance > 0 for _, tolerance in fitted.values())


def test_the_limit_falls_as_far_as_the_residual_says() -> None:
    # if t is a / R, 400 -> 130 millicores and 20 % -> 60 % of the period are one statement
    first, last = (paper_b.LIMIT_MILLICORES[at] for at in (1, paper_b.PLATEAU_ITERATION))
    used = [100 - residual for residual in paper_b.RESIDUAL_PERCENT]
    assert abs(first / last - used[1] / used[0]) < 0.1
    assert (used[0], used[1]) == (20, 60)
