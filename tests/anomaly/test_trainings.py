from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from edgeresearch.anomaly.identity import LSTM, Autoencoder
from edgeresearch.anomaly.model import Model
from edgeresearch.anomaly.trainings import Decision, Request, Training, always, never, recorded, trained_by
from edgeresearch.errors import InputError

SEED = np.random.SeedSequence(7)


def _request(number: int) -> Request:
    return Request("m", number, 100.0 * number, 1000)


class _Recording:
    """Stands in for an identity function: keeps what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def fit(self, samples: Any, **settings: Any) -> Any:
        self.asked.append({"samples": samples, **settings})
        return None


def test_every_training_takes_the_same_time() -> None:
    decision: Decision = always(12.5)
    assert [decision(_request(number)) for number in (1, 2, 9)] == [12.5] * 3


def test_every_training_is_dropped() -> None:
    decision: Decision = never
    assert [decision(_request(number)) for number in (1, 2)] == [None, None]


def test_outcomes_are_taken_by_number() -> None:
    decision: Decision = recorded([3.0, None, 0.0])
    assert [decision(_request(number)) for number in (2, 3, 1, 2)] == [None, 0.0, 3.0, None]


def test_too_few_outcomes_are_told() -> None:
    with pytest.raises(InputError, match="training 3 was triggered, 2 outcomes are recorded; give more"):
        recorded([1.0, None])(_request(3))


def test_a_training_gets_samples_seed_and_accelerator() -> None:
    identity = _Recording()
    samples = np.zeros((4, 2))
    train: Training = trained_by(identity, SEED, accelerator="cpu")
    train(samples, None, 1)
    (asked,) = identity.asked
    assert asked["samples"] is samples
    assert asked["accelerator"] == "cpu"
    assert isinstance(asked["seed"], int)
    assert asked["start"] is None


def test_seeds_go_by_number_so_a_dropped_training_changes_no_other() -> None:
    all_of_them, some = _Recording(), _Recording()
    for number in (1, 2, 3):
        trained_by(all_of_them, SEED)(np.zeros((1, 1)), None, number)
    for number in (3, 1):
        trained_by(some, np.random.SeedSequence(7))(np.zeros((1, 1)), None, number)
    seeds = [asked["seed"] for asked in all_of_them.asked]
    assert len(set(seeds)) == 3
    assert [asked["seed"] for asked in some.asked] == [seeds[2], seeds[0]]


def test_seeds_of_other_streams_are_other_ones_and_nothing_is_spawned() -> None:
    root = np.random.SeedSequence(7)
    identity = _Recording()
    for stream in root.spawn(2):
        trained_by(identity, stream)(np.zeros((1, 1)), None, 1)
        assert stream.n_children_spawned == 0
    trained_by(identity, root)(np.zeros((1, 1)), None, 1)
    assert len({asked["seed"] for asked in identity.asked}) == 3


@pytest.mark.parametrize("warm", [True, False])
def test_a_warm_start_goes_on_from_the_model_in_use(warm: bool) -> None:
    identity = _Recording()
    model: Any = object()
    trained_by(identity, SEED, warm_start=warm)(np.zeros((1, 1)), model, 1)
    assert identity.asked[0]["start"] is (model if warm else None)


@pytest.mark.parametrize("identity", [Autoencoder(hidden=2, epochs=1), LSTM(hidden=3, epochs=1)])
def test_it_trains_real_models_repeatably(identity: Autoencoder | LSTM) -> None:
    samples = np.random.default_rng(0).normal(size=(60, 2))
    train = trained_by(identity, SEED, accelerator="cpu")
    first: Model = train(samples, None, 1)
    again, second = train(samples, None, 1), train(samples, first, 2)
    for name, array in first.arrays().items():
        assert_array_equal(array, again.arrays()[name])
    weights = next(name for name in first.arrays() if name.endswith("weight"))
    assert (first.arrays()[weights] != second.arrays()[weights]).any()
    assert np.isfinite(second.start().run(samples)).all()
