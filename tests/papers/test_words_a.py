from collections.abc import Callable

import pandas as pd
import pytest

from edgeresearch.papers import words_a
from edgeresearch.papers.paper_a import table2

Scores = Callable[..., pd.DataFrame]


def test_the_ranking_is_said(make_scores: Scores) -> None:
    text = words_a.ranked(table2([make_scores()]), 1)
    assert text == (
        "On elb, 1 step ahead, ridge regression has the lowest MSE of the paper's 5 models and its LSTM has place 4; "
        "the lowest of all 9 models is that of LSTM (project), with an R² of 0.960. Every other model is better than "
        "the last value."
    )


def test_who_loses_to_the_last_value_is_said(make_scores: Scores) -> None:
    text = words_a.ranked(table2([make_scores("paper_a", False, logistic=11.0)]), 5)
    assert text.startswith("On paper_a (synthetic), 5 steps ahead, ")
    assert text.endswith("No better than the last value: logistic regression.")


def test_the_ranking_without_some_models(make_scores: Scores) -> None:
    scores = make_scores()
    assert "its LSTM was not run" in words_a.ranked(table2([scores[scores["model"] != "lstm_paper"]]), 1)
    naive = words_a.ranked(table2([scores[scores["role"] == "naive"]]), 1)
    assert naive.startswith("On elb, 1 step ahead, the lowest of all 1 models is that of last value")


@pytest.mark.parametrize(
    ("mse", "p", "said"),
    [(4.0, 0.01, "11.1% below that of the best baseline, ridge + calendar: a difference"), (5.4, 0.2, "20.0% above")],
)
def test_a_difference_is_said_with_its_significance(make_scores: Scores, mse: float, p: float, said: str) -> None:
    text = words_a.significance(table2([make_scores(lstm=mse).assign(dm_p=p)]), 1)
    assert said in text
    assert ("no difference beyond chance" in text) == (p > 0.05)


def test_without_the_projects_lstm_it_says_so(make_scores: Scores) -> None:
    scores = make_scores()
    for part in (scores[scores["model"] != "lstm"], scores.assign(best_baseline="")):
        assert words_a.significance(table2([part]), 1) == "This project's LSTM was not run beside a baseline."


def test_coverage_is_counted(forecasts: pd.DataFrame) -> None:
    text = words_a.covered(forecasts, "lstm", 1)
    share = float(text.split("it holds ")[1].split("%")[0])
    assert 93 < share < 98
    assert words_a.covered(forecasts.assign(low=float("nan")), "lstm", 1).startswith("The test part is too short")


def test_hours_are_named(forecasts: pd.DataFrame) -> None:
    labels = pd.Series({"lstm": "A", "lstm_paper": "B", "last_value": "C"})
    text = words_a.hours(forecasts, 1, pd.Timedelta(minutes=5), labels)
    assert "A has the lowest error in 24 of the 24 hours" in text
    perfect = forecasts.assign(forecast=forecasts["truth"])
    assert "times the error" not in words_a.hours(perfect, 1, pd.Timedelta(minutes=5), labels)


def test_cost_is_said_or_how_to_measure_it(make_scores: Scores) -> None:
    assert "make timings" in words_a.cost(table2([make_scores()]))
    seconds = pd.DataFrame({"trace": "elb", "model": ["ridge", "lstm_paper", "lstm"], "fit_seconds": [0.1, 8.0, 2.0]})
    text = words_a.cost(table2([make_scores()], seconds.assign(predict_seconds=0.1)))
    assert "ridge regression is the cheapest to fit (0.1 s), LSTM (paper) the dearest (8 s of CPU time)." in text
    assert "takes 0.25 times the CPU time" in text
    two = words_a.cost(table2([make_scores()], seconds.iloc[:2].assign(predict_seconds=0.1)))
    assert "times the CPU time" not in two
