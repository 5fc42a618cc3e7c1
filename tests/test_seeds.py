"""Seeds of any size, for everything that takes one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import edgeresearch as er
from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import MODELS, build
from edgeresearch.forecasting.settings import ForecastSettings, ForestSettings, LSTMSettings, PaperLSTMSettings
from edgeresearch.settings import narrow_seed

TINY = ForecastSettings(
    lstm=LSTMSettings(hidden=4, epochs=1, members=1),
    lstm_paper=PaperLSTMSettings(hidden=4, epochs=1),
    forest=ForestSettings(trees=2),
    seeds=2,
)


def _table(rows: int, step: str = "5min") -> pd.DataFrame:
    hits = np.random.default_rng(0).poisson(60 + 40 * np.sin(np.arange(rows) / 20), rows)
    return pd.DataFrame({"time": pd.date_range("2024-03-01", periods=rows, freq=step), "requests/s": hits})


def _forecast(seed: Any) -> pd.DataFrame:
    made = {"window": 10, "baselines": (), "settings": TINY, "seed": seed}
    return er.forecast(_table(100), "random_forest", **made).future  # type: ignore[arg-type]


def _compare(seed: Any) -> pd.DataFrame:
    return er.compare_forecasters(_table(100), ["random_forest"], [1], window=10, settings=TINY, seed=seed).table


def _replay(seed: Any) -> pd.DataFrame:
    made = {"forecaster": "random_forest", "policies": "combined", "repeats": 1, "models": TINY, "seed": seed}
    return er.replay(_table(300, "15s"), **made).table  # type: ignore[arg-type]


def _emulate(seed: Any) -> pd.DataFrame:
    return er.emulate(hours=0.2, repeats=1, policies=["random"], streams=4, workers=1, seed=seed).table


def _detect(seed: Any) -> pd.DataFrame:
    return er.detect(_table(150), identity="autoencoder", train=60, every=50, seed=seed).scores


def _load(seed: Any) -> pd.DataFrame:
    return er.load_dataset("paper_a", seed=seed).frame.iloc[:50]


TAKERS = [_forecast, _compare, _replay, _emulate, _detect, _load]


@pytest.mark.parametrize("take", TAKERS)
def test_seeds_may_be_of_any_size(take: Callable[[Any], pd.DataFrame]) -> None:
    first, second, third = take(2**32), take(20240301123456), take(2**100)
    assert not first.equals(second) and not second.equals(third)
    pd.testing.assert_frame_equal(take(np.int64(2**32)), first, check_exact=True)


@pytest.mark.parametrize("take", TAKERS)
@pytest.mark.parametrize(("seed", "message"), [(-1, "seed -1 is negative"), (1.5, r"seed is 1\.5; give a whole")])
def test_what_is_no_seed_is_refused_in_one_line(take: Callable[[Any], pd.DataFrame], seed: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        take(seed)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_made_with_a_large_seed(name: str) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 1))
    for seed in (2**32 - 1, 2**32, 2**80):
        model = build(name, columns=["value"], rows=60, settings=TINY.replace(window=5), seed=seed)
        assert np.isfinite(model.fit(rows[:-1], rows[1:, 0]).predict(rows)).all()


@pytest.mark.parametrize("identity", [er.LSTMIdentity(epochs=1), er.AutoencoderIdentity(epochs=1)])
def test_identity_functions_take_a_large_seed(identity: Any) -> None:
    samples = np.random.default_rng(0).normal(size=(60, 2))
    weights = [identity.fit(samples, seed=seed, accelerator="cpu").weights for seed in (2**32, 2**64, 2**64)]
    first, second, third = (np.concatenate([each.ravel() for each in one.values()]) for one in weights)
    assert (first != second).any() and (second == third).all()


def test_a_seed_of_32_bits_stays_what_it_is() -> None:
    assert [narrow_seed(seed) for seed in (0, 20240917, 2**32 - 1)] == [0, 20240917, 2**32 - 1]
    assert len({narrow_seed(2**32 + seed) for seed in range(100)}) == 100
