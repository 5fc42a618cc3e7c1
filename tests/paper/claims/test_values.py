import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.errors import InputError
from edgeresearch.paper import elastic_a, paper_a, paper_b, verdicts_b
from edgeresearch.paper.claims.values import PLACES, filled, named, number, plain, value


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("paper_a.PUBLISHED.ridge.mse", paper_a.PUBLISHED["ridge"].mse),
        ("elastic_a.PUBLISHED.advance.shrinkage", elastic_a.PUBLISHED["advance"]["shrinkage"]),
        ("elastic_a.TEXT.2", elastic_a.TEXT[2]),
        ("paper_b.DROP_PERCENT.4", paper_b.DROP_PERCENT[4]),
        ("paper_b.HOPS_PERCENT.8,3", paper_b.HOPS_PERCENT[8, 3]),
        ("paper_b.LIMIT_MILLICORES.32", paper_b.LIMIT_MILLICORES[32]),
        ("paper_b.RESIDUAL_PERCENT.1", paper_b.RESIDUAL_PERCENT[1]),
        ("verdicts_b.HOP_POINTS", verdicts_b.HOP_POINTS),
        ("elastic_figures_a.RANGES.memory.1", 95.0),
    ],
)
def test_a_name_leads_to_the_value(name: str, expected: float) -> None:
    assert named(name)
    assert value(name) == expected
    assert number(name) == expected


def test_what_follows_from_published_values_has_names_too() -> None:
    assert value("implied.executed.10") == pytest.approx(21.74)
    assert value("implied.executed.4") == pytest.approx(73.38)
    assert value("implied.tails.LSTM") == pytest.approx(0.9 / math.sqrt(11.2))


@pytest.mark.parametrize("text", ["26.62", "Fig. 7", "lowest", "", "paper_b", 4, 2.5, None, "Table 2. paper_b"])
def test_other_texts_and_numbers_are_no_names(text: object) -> None:
    assert not named(text)
    assert filled(text) == text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("paper_b.DROP_PERCENT.5", "nothing called '5'"),
        ("paper_b.DROPS_PERCENT.4", "nothing called 'DROPS_PERCENT'; did you mean DROP_PERCENT"),
        ("paper_b.RESIDUAL_PERCENT.2", "nothing called '2'"),
        ("paper_b.RESIDUAL_PERCENT.first", "nothing called 'first'"),
        ("paper_a.PUBLISHED.ridge._mse", "nothing called '_mse'"),
        ("paper_a.PUBLISHED.rigde.mse", "did you mean ridge"),
        ("paper_c.A", "there are no values 'paper_c'"),
    ],
)
def test_a_wrong_name_is_told(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        value(name)


def test_names_are_filled_in_however_deep() -> None:
    given_ = {"drops": "paper_b.DROP_PERCENT", "shares": ["paper_b.HOPS_PERCENT.8,2", 1], "stated": "3 to 5"}
    assert filled(given_) == {"drops": paper_b.DROP_PERCENT, "shares": [36.63, 1], "stated": "3 to 5"}
    assert filled((1, "verdicts_b.MOST")) == [1, verdicts_b.MOST]


@pytest.mark.parametrize("given_", ["paper_b.DROP_PERCENT", "elastic_a.TEXT.0", True])
def test_what_is_no_number_is_told(given_: object) -> None:
    with pytest.raises(InputError, match="is not a number"):
        number(given_)  # type: ignore[arg-type]


def test_numbers_are_themselves() -> None:
    assert number(2.5) == 2.5
    assert number(3) == 3.0


@given(st.text(max_size=40))
def test_no_text_breaks_the_look_up(text: str) -> None:
    if named(text):
        with pytest.raises(InputError):
            value(text + ".none")
    else:
        assert filled(text) == text


@pytest.mark.parametrize(
    ("said", "expected"),
    [(6, "6"), (6.0, "6"), (np.int64(6), "6"), (np.float64(0.85), "0.85"), (True, "True"), ("4 GB", "4 GB"),
     ([3, 5.0], "3 to 5"), (1e6, "1000000"), (None, "None")],
)  # fmt: skip
def test_values_in_words_have_no_needless_digits(said: object, expected: str) -> None:
    assert plain(said) == expected


def test_places_are_those_of_the_papers() -> None:
    assert set(PLACES) == {"paper_a", "elastic_a", "elastic_figures_a", "paper_b", "verdicts_b", "implied"}
