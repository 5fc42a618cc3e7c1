import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from edgeresearch.anomaly.detector import begun
from edgeresearch.anomaly.identity import LSTM, Autoencoder
from edgeresearch.anomaly.model import Model
from edgeresearch.anomaly.repository import Repository
from edgeresearch.anomaly.retraining import looked_up, used, versions
from edgeresearch.anomaly.samples import Array, present
from edgeresearch.anomaly.stream import Settings, replay
from edgeresearch.anomaly.threshold import Moving, judged
from edgeresearch.anomaly.trainings import Decision, Request, Training, always, never, recorded, trained_by
from edgeresearch.anomaly.walk import RECENT, Schedule, reconstructed
from edgeresearch.errors import InputError

Make = Callable[..., Any]
SCHEDULE = Schedule(150, 120)
JUDGE = Moving(warm_up=10)


def _factory(make: Make, kind: str = "lstm") -> Training:
    """A training whose model has weights of its number."""

    def train(samples: Array, previous: Model | None, number: int) -> Model:
        model: Model = make(kind, samples.shape[1], seed=number)
        return model

    return train


def _in_rows(rows: Array, decide: Decision) -> Decision:
    """Say in virtual seconds, of which a row takes one whether it has a value or not, what is decided in samples."""
    there = np.flatnonzero(present(rows))

    def decision(request: Request) -> float | None:
        if request.number == 1:
            return None  # its model stands in the repository already
        after = decide(request)
        if after is None:
            return None
        now = int(request.time)
        ahead = there[there > now]
        need = int(np.ceil(after))
        return 0.0 if need == 0 else float(ahead[need - 1] - now) if need <= len(ahead) else float(len(rows))

    return decision


@pytest.mark.parametrize("kind", ["autoencoder", "lstm"])
@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize(
    "outcomes",
    [
        [None, 0.0, 30.0, 119.0, 120.0, 121.0, 0.5, 300.0],
        [None, None, 240.0, 7.0, 7.0, None, None, 40.0],
        [None, *[0.0] * 7],
        [None] * 8,
    ],
)
def test_the_lookup_is_what_a_replay_of_the_stream_gives(
    make: Make, gappy: Make, kind: str, missing: float, outcomes: list[float | None]
) -> None:
    rows = gappy(1000, missing=missing, seed=3)
    train, decide = _factory(make, kind), recorded(outcomes)
    repository = Repository(f"memory://{uuid.uuid4().hex}")
    cached = rows[present(rows)][: SCHEDULE.train]
    repository.publish("m", train(cached, None, 1))
    assert SCHEDULE.every is not None
    # replay counts its first trigger from the first sample, so the schedules meet where both numbers are the same
    whole = Schedule(SCHEDULE.every, SCHEDULE.every)
    told = replay(
        rows,
        name="m",
        repository=repository,
        train=train,
        decide=_in_rows(rows, decide),
        threshold=JUDGE,
        settings=Settings(interval=1.0, every=whole.train, cache=whole.train, check=1, recent=RECENT),
    )
    use = used(rows, decide, schedule=whole)
    errors = looked_up(versions(rows, train, schedule=whole), use)
    exact = kind == "autoencoder"  # it remembers last values alone; an LSTM with random weights forgets slowly
    assert_allclose(errors, told.samples["error"], rtol=0 if exact else 1e-4)
    levels, judging = judged(JUDGE.start(), errors), present(rows)
    assert_allclose(levels[judging], told.samples["threshold"][judging], rtol=0 if exact else 1e-4)
    fates = told.trainings["outcome"].tolist()[1:]
    assert list(use.fates) == fates[: len(use.fates)]
    assert fates[len(use.fates) :] in ([], ["dropped"], ["running"], ["unfinished"]), "one at the very last sample"


def test_a_trained_model_has_forgotten_what_a_replay_does_not_know(gappy: Make) -> None:
    rows = gappy(1200, missing=0.05, seed=8)
    train = trained_by(LSTM(hidden=4, epochs=8), np.random.SeedSequence(2), warm_start=False, accelerator="cpu")
    schedule = Schedule(400, 300)
    model = train(rows[:400][present(rows[:400])], None, 2)
    cut, late = schedule.cuts(rows)[1], 200
    along = begun(model, rows[:cut][present(rows[:cut])][-RECENT:]).run(rows[cut:])[late:]
    there = rows[: cut + late][present(rows[: cut + late])][-RECENT:]
    assert_allclose(along, begun(model, there).run(rows[cut + late :]), rtol=1e-6)


def test_always_at_once_is_the_walk_to_the_last_bit(gappy: Make) -> None:
    rows = gappy(800, seed=1)
    identity, seed = Autoencoder(epochs=1), np.random.SeedSequence(4)
    train = trained_by(identity, seed, accelerator="cpu")

    def earlier(samples: Array, previous: Model | None, number: int) -> Model:
        return train(samples, previous, number - 1)  # the walk counts its trainings from 0

    found = versions(rows, earlier, schedule=SCHEDULE)
    errors, cuts = reconstructed(identity, rows, schedule=SCHEDULE, seed=seed, accelerator="cpu")
    assert found.cuts == cuts
    use = used(rows, always(0.0), schedule=SCHEDULE)
    assert_array_equal(looked_up(found, use), errors)
    assert use.dropped == 0.0


def test_each_model_has_errors_from_its_training_on(make: Make, gappy: Make) -> None:
    rows = gappy(800, missing=0.2, seed=2)
    train = _factory(make)
    found = versions(rows, train, schedule=SCHEDULE)
    there = present(rows)
    assert found.cuts == tuple(SCHEDULE.cuts(rows))
    assert found.errors.shape == (len(found.cuts), len(rows))
    assert_array_equal(np.isfinite(found.errors[0]), there)
    for index, cut in enumerate(found.cuts[1:], start=1):
        assert np.isnan(found.errors[index, :cut]).all()
        assert_array_equal(np.isfinite(found.errors[index, cut:]), there[cut:])
    state = begun(make("lstm", 3, seed=3), rows[: found.cuts[2]][there[: found.cuts[2]]][-RECENT:])
    assert_array_equal(found.errors[2, found.cuts[2] :], state.run(rows[found.cuts[2] :]))


def test_a_training_gets_the_newest_samples_and_the_model_before(make: Make, gappy: Make) -> None:
    rows, given = gappy(600, missing=0.1, seed=5), []

    def train(samples: Array, previous: Model | None, number: int) -> Model:
        model: Model = make("lstm", samples.shape[1], seed=number)
        given.append((samples, previous, number, model))
        return model

    cuts = versions(rows, train, schedule=SCHEDULE).cuts
    assert [number for _, _, number, _ in given] == list(range(1, len(cuts) + 1))
    for cut, (samples, _, _, _) in zip(cuts, given, strict=True):
        assert_array_equal(samples, rows[:cut][present(rows[:cut])][-SCHEDULE.train :])
    assert given[0][1] is None
    assert [one[3] for one in given[:-1]] == [other[1] for other in given[1:]]


def test_without_trainings_the_first_model_stays_and_ages() -> None:
    rows = np.zeros((400, 1))
    rows[200:210] = np.nan
    use = used(rows, never, schedule=Schedule(100, 100))
    assert use.fates == ("dropped", "dropped")
    assert use.dropped == 1.0
    assert (use.version == 0).all()
    assert use.age[99:102].tolist() == [0, 1, 2]
    assert use.age[199] == 100
    assert (use.age[200:210] == 100).all(), "what is missing is no sample"
    assert use.age[-1] == 290


def test_a_stream_with_one_training_drops_none() -> None:
    use = used(np.zeros((150, 1)), never, schedule=Schedule(100, 100))
    assert (use.fates, use.dropped) == ((), 0.0)


@pytest.mark.parametrize(
    ("outcomes", "version", "fates"),
    [
        ([0.0, 0.0], [0] * 30 + [1] * 10 + [2] * 5, ["published", "published"]),
        ([1.0, 3.0], [0] * 30 + [1] * 12 + [2] * 3, ["published", "published"]),
        ([2.0, 3.5], [0] * 31 + [1] * 12 + [2] * 2, ["published", "published"]),
        ([10.0, 0.0], [0] * 39 + [1] + [2] * 5, ["published", "published"]),
        ([10.5, 0.0], [0] * 40 + [1] * 5, ["published", "running"]),
        ([None, 6.0], [0] * 45, ["dropped", "unfinished"]),
    ],
)
def test_a_model_is_there_after_so_many_samples(
    outcomes: list[float | None], version: list[int], fates: list[str]
) -> None:
    use = used(np.zeros((45, 1)), recorded([None, *outcomes]), schedule=Schedule(20, 10))
    assert use.version.tolist() == version
    assert list(use.fates) == fates


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_ages_fates_and_versions_agree(data: st.DataObject) -> None:
    rows = np.zeros((data.draw(st.integers(40, 200)), 1))
    gaps = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=15))
    rows[gaps] = np.nan
    schedule = Schedule(data.draw(st.integers(2, 15)), data.draw(st.integers(2, 15)))
    cuts = schedule.cuts(rows)
    delay = st.one_of(st.none(), st.floats(0, 60))
    outcomes = data.draw(st.lists(delay, min_size=len(cuts), max_size=len(cuts)))
    use = used(rows, recorded(outcomes), schedule=schedule)
    came = np.cumsum(present(rows))
    assert len(use.fates) == len(cuts) - 1
    assert (np.diff(use.version) >= 0).all(), "never back to an older model"
    published = [index for index, fate in enumerate(use.fates, start=1) if fate == "published"]
    assert set(use.version.tolist()) == {0, *published} - _overtaken(published, use.version.tolist())
    for index in set(use.version.tolist()):
        first = int(np.flatnonzero(use.version == index)[0])
        assert index == 0 or first >= cuts[index], "no model before its training was triggered"
        assert_array_equal(use.age[use.version == index], (came - came[cuts[index] - 1])[use.version == index])
    assert 0.0 <= use.dropped <= 1.0


def _overtaken(published: list[int], used_: list[int]) -> set[int]:
    """Models that were there just when the next one was: none is in use without a row of its own."""
    return {index for index in published if index not in used_ and index + 1 in published}


@pytest.mark.parametrize("wrong", [-1.0, float("nan")])
def test_a_duration_without_meaning_is_told(wrong: float) -> None:
    with pytest.raises(InputError, match="training 2 lasts .* samples; give 0 or more, or None"):
        used(np.zeros((35, 1)), always(wrong), schedule=Schedule(20, 10))


def test_the_request_tells_number_and_time() -> None:
    asked: list[Request] = []

    def decide(request: Request) -> None:
        asked.append(request)

    used(np.zeros((45, 1)), decide, schedule=Schedule(20, 10))
    assert asked == [Request("stream", 2, 30.0, 20), Request("stream", 3, 40.0, 20)]
