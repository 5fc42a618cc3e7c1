"""When models are retrained on a stream, and which one is in use."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from edgeresearch.anomaly.base import Array, present
from edgeresearch.anomaly.detectors import Watch, begun
from edgeresearch.anomaly.identity import LSTM, Autoencoder
from edgeresearch.anomaly.inference import Model
from edgeresearch.anomaly.model_store import Repository
from edgeresearch.anomaly.online import RECENT, Schedule, reconstructed
from edgeresearch.anomaly.retraining import (
    Decision,
    Replay,
    Request,
    Settings,
    Training,
    always,
    looked_up,
    never,
    recorded,
    replay,
    trained_by,
    used,
    versions,
)
from edgeresearch.anomaly.thresholds import Moving, judged
from edgeresearch.data import datasets
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


SMALL = Settings(interval=0.5, every=20, cache=20, check=1, recent=5)
JUDGE_stream = Moving(warm_up=5)


@pytest.fixture
def repository() -> Repository:
    return Repository(f"memory://{uuid.uuid4().hex}")


class Factory:
    """Makes a model with weights of its number, and keeps what it was given."""

    def __init__(self, make: Make, kind: str = "lstm") -> None:
        self.make = make
        self.kind = kind
        self.given: list[tuple[Array, Model | None, int]] = []

    def __call__(self, samples: Array, previous: Model | None, number: int) -> Model:
        self.given.append((samples, previous, number))
        model: Model = self.make(self.kind, samples.shape[1], seed=number)
        return model


def _replay(rows: Any, repository: Repository, train: Any, decide: Any, **more: Any) -> Replay:
    settings = {"name": "m", "threshold": JUDGE_stream, "settings": SMALL, **more}
    return replay(rows, repository=repository, train=train, decide=decide, **settings)


def test_the_table_has_time_error_threshold_alarm_version_and_age(
    repository: Repository, make: Make, gappy: Make
) -> None:
    rows = gappy(100, missing=0.0)
    found = _replay(rows, repository, Factory(make), always(3.0))
    table = found.samples
    assert list(table.columns) == ["time", "error", "threshold", "alarm", "version", "age", "late"]
    assert_allclose(table["time"], np.arange(100) * 0.5)
    # triggered by sample 19 (9.5 s), there at 12.5 s: sample 25 is the first of version 1, and so on
    expected = [0] * 25 + [1] * 20 + [2] * 20 + [3] * 20 + [4] * 15
    assert table["version"].tolist() == expected
    assert table["error"].isna().tolist() == [version == 0 for version in expected]
    assert table["threshold"].isna().tolist() == table["error"].isna().tolist()
    assert_allclose(table["age"][25:45], table["time"][25:45] - 9.5)
    assert table["age"][:25].isna().all()
    assert table["age"].iloc[45] == 3.0
    assert not table["late"].any()
    assert (table["alarm"] == (table["error"] > table["threshold"])).all()
    trainings = found.trainings
    assert list(trainings.columns) == ["number", "triggered", "finished", "outcome", "version"]
    assert trainings["triggered"].tolist() == [9.5, 19.5, 29.5, 39.5, 49.5]
    assert trainings["finished"].tolist()[:4] == [12.5, 22.5, 32.5, 42.5]
    assert trainings["outcome"].tolist() == ["published"] * 4 + ["unfinished"]
    assert trainings["version"].tolist() == [1, 2, 3, 4, 0]
    assert found.refused == ()


def test_the_errors_are_those_of_the_models_in_turn(repository: Repository, make: Make, gappy: Make) -> None:
    rows = gappy(70, missing=0.0)
    table = _replay(rows, repository, Factory(make), always(3.0)).samples
    judge = JUDGE_stream.start()
    watch = Watch(begun(make("lstm", seed=1), rows[20:25]), judge)
    verdicts = [watch.update(row) for row in rows[25:45]]
    watch.swap(begun(make("lstm", seed=2), rows[40:45]))
    verdicts += [watch.update(row) for row in rows[45:65]]
    assert_array_equal(table["error"][25:65], [verdict.score for verdict in verdicts])
    assert_array_equal(table["threshold"][25:65], [verdict.threshold for verdict in verdicts])
    assert_array_equal(table["alarm"][25:65], [verdict.alarm for verdict in verdicts])


def test_a_training_gets_the_cached_samples_and_the_model_in_use(
    repository: Repository, make: Make, gappy: Make
) -> None:
    rows = gappy(100, missing=0.0)
    factory = Factory(make)
    settings = Settings(interval=1.0, every=20, cache=30, check=1, recent=5)
    asked: list[Request] = []

    def decide(request: Request) -> float:
        asked.append(request)
        return 2.0

    _replay(rows, repository, factory, decide, settings=settings)
    assert [number for _, _, number in factory.given] == [1, 2, 3, 4]
    for turn, (samples, previous, _) in enumerate(factory.given, start=1):
        assert_array_equal(samples, rows[max(0, 20 * turn - 30) : 20 * turn])
        assert (previous is None) == (turn == 1)
    name = "head.bias"
    assert_array_equal(factory.given[2][1].arrays()[name], make("lstm", seed=2).arrays()[name])  # type: ignore[union-attr]
    assert asked[0] == Request("m", 1, 19.0, 20)
    assert [request.samples for request in asked] == [20, 30, 30, 30, 30]


def test_while_a_training_runs_the_old_model_predicts_and_further_ones_are_dropped(
    repository: Repository, make: Make, gappy: Make
) -> None:
    found = _replay(gappy(120, missing=0.0), repository, Factory(make), recorded([1.0, 25.0, 1.0, 1.0, 1.0, 1.0]))
    assert found.trainings["outcome"].tolist() == [
        "published",
        "published",
        "running",
        "running",
        "published",
        "unfinished",
    ]
    assert found.trainings["finished"].tolist()[1] == 19.5 + 25
    versions = found.samples["version"]
    assert versions[22:89].tolist() == [1] * 67
    assert versions[89] == 2
    assert found.samples["age"][88] == 44.0 - 9.5
    assert found.samples["age"][89] == 44.5 - 19.5


def test_a_decision_is_not_asked_for_what_is_dropped_anyway(repository: Repository, make: Make, gappy: Make) -> None:
    asked = []

    def decide(request: Request) -> float:
        asked.append(request.number)
        return 15.0

    _replay(gappy(100, missing=0.0), repository, Factory(make), decide)
    assert asked == [1, 3, 5]


def test_dropped_trainings_leave_everything_as_it_is(repository: Repository, make: Make, gappy: Make) -> None:
    rows = gappy(100, missing=0.0)
    repository.publish("m", make("lstm", seed=9))
    factory = Factory(make)
    found = _replay(rows, repository, factory, never)
    assert factory.given == []
    assert found.trainings["outcome"].tolist() == ["dropped"] * 5
    assert found.samples["version"].unique().tolist() == [1]
    assert found.samples["age"].isna().all()
    watch = Watch(make("lstm", seed=9).start(), JUDGE_stream.start())
    scores, levels = watch.run(rows)
    assert_array_equal(found.samples["error"], scores)
    assert_array_equal(found.samples["threshold"], levels)


def test_a_training_may_take_no_time(repository: Repository, make: Make, gappy: Make) -> None:
    found = _replay(gappy(45, missing=0.0), repository, Factory(make), always(0.0))
    assert found.samples["version"].tolist() == [0] * 20 + [1] * 20 + [2] * 5
    assert found.trainings["finished"].tolist() == [9.5, 19.5]


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_a_duration_without_meaning_is_told_stream(
    seconds: float, repository: Repository, make: Make, gappy: Make
) -> None:
    with pytest.raises(InputError, match="training 1 of m lasts .* s; give 0 or more, or None"):
        _replay(gappy(30, missing=0.0), repository, Factory(make), always(seconds))


def test_an_endless_training_never_finishes(repository: Repository, make: Make, gappy: Make) -> None:
    found = _replay(gappy(60, missing=0.0), repository, Factory(make), always(float("inf")))
    assert found.trainings["outcome"].tolist() == ["unfinished", "running", "running"]
    assert (found.samples["version"] == 0).all()


@pytest.mark.parametrize("check", [1, 7, 50])
def test_the_repository_is_looked_at_now_and_then(check: int, repository: Repository, make: Make, gappy: Make) -> None:
    settings = Settings(interval=0.5, every=20, cache=20, check=check, recent=0)
    found = _replay(gappy(60, missing=0.0), repository, Factory(make), always(1.0), settings=settings)
    first = int(np.argmax(found.samples["version"].to_numpy() > 0))
    assert first == -(-21 // check) * check


def test_a_damaged_version_is_told_once_and_the_old_one_stays(repository: Repository, make: Make, gappy: Make) -> None:
    repository.publish("m", make("lstm", seed=1))
    repository.publish("m", make("lstm", seed=2))
    repository._fs.pipe_file(f"{repository._folder('m')}/00000002.json", b"{}")
    found = _replay(gappy(15, missing=0.0), repository, Factory(make), never)
    assert found.samples["version"].unique().tolist() == [1]
    assert len(found.refused) == 1
    assert "describes no model" in found.refused[0]


def test_rows_without_a_value_pass_time_alone(repository: Repository, make: Make, gappy: Make) -> None:
    rows = gappy(60, missing=0.0)
    gaps = np.insert(rows, [5, 5, 30, 50], np.nan, axis=0)
    blank = np.isnan(gaps).all(axis=1)
    repository.publish("m", make("lstm"))
    dense = _replay(rows, repository, Factory(make), never)
    found = _replay(gaps, repository, Factory(make), never)
    assert found.samples["error"].isna().tolist() == blank.tolist()
    assert_array_equal(found.samples["error"][~blank], dense.samples["error"])
    assert_array_equal(found.samples["threshold"][~blank], dense.samples["threshold"])
    assert not found.samples["alarm"][blank].any()
    assert len(found.trainings) == len(dense.trainings) == 3
    assert found.trainings["triggered"].tolist() == [10.5, 21.0, 31.5]


def test_late_and_repeated_samples_are_left_aside(repository: Repository, make: Make, gappy: Make) -> None:
    rows = gappy(40, missing=0.0)
    order = [0, 1, 2, 2, 4, 3, 5, *range(6, 20), 19, 7, *range(20, 40)]
    stamps = pd.date_range("2014-08-01", periods=40, freq="5min")[order]
    repository.publish("m", make("lstm"))
    found = _replay(rows[order], repository, Factory(make), never, stamps=stamps)
    late = found.samples["late"].to_numpy()
    assert np.flatnonzero(late).tolist() == [3, 5, 21, 22]
    kept = _replay(np.delete(rows, 3, axis=0), repository, Factory(make), never)
    assert_array_equal(found.samples["error"][~late], kept.samples["error"])
    assert found.samples["error"][late].isna().all()
    assert not found.samples["alarm"][late].any()
    assert len(found.trainings) == 1  # 39 samples count


def test_a_sample_without_a_stamp_is_late(repository: Repository, make: Make, gappy: Make) -> None:
    repository.publish("m", make("lstm"))
    stamps = [pd.NaT, pd.Timestamp("2014-08-01"), pd.NaT, pd.Timestamp("2014-08-02")]
    found = _replay(gappy(4, missing=0.0), repository, Factory(make), never, stamps=stamps)
    assert found.samples["late"].tolist() == [True, False, True, False]


@pytest.mark.parametrize("count", [3, 5])
def test_stamps_and_samples_must_be_as_many(count: int, repository: Repository, make: Make, gappy: Make) -> None:
    with pytest.raises(InputError, match="stamps and samples differ in number; give one stamp for each sample"):
        _replay(gappy(4), repository, Factory(make), never, stamps=range(count))


@pytest.mark.parametrize("known", [True, False])
def test_a_new_column_is_told(known: bool, repository: Repository, make: Make) -> None:
    if known:
        repository.publish("m", make("lstm"))
    rows = [[1.0, 2.0, 3.0]] * 3 + [[1.0, 2.0, 3.0, 4.0]]
    with pytest.raises(InputError, match="m, sample 4: a sample has 4 values where there were 3 before"):
        _replay(rows, repository, Factory(make), never)


def test_a_model_of_other_channels_is_told(repository: Repository, make: Make, gappy: Make) -> None:
    repository.publish("m", make("lstm", 5))
    with pytest.raises(InputError, match="a sample has 3 values where there were 5"):
        _replay(gappy(4, missing=0.0), repository, Factory(make), never)


def test_samples_may_come_one_by_one(repository: Repository, make: Make, gappy: Make) -> None:
    rows = gappy(50)
    repository.publish("m", make("autoencoder"))
    whole = _replay(rows, repository, Factory(make), never)
    single = _replay((row for row in rows), repository, Factory(make), never)
    pd.testing.assert_frame_equal(whole.samples, single.samples)


def test_a_stream_without_samples(repository: Repository, make: Make) -> None:
    found = _replay([], repository, Factory(make), never)
    assert (len(found.samples), len(found.trainings)) == (0, 0)
    assert found.samples["alarm"].dtype.kind == "b"


@settings(max_examples=40)
@given(durations=st.lists(st.one_of(st.none(), st.floats(0, 40)), min_size=8, max_size=8), check=st.integers(1, 9))
def test_bookkeeping_holds_whatever_becomes_of_the_trainings(durations: list[float | None], check: int) -> None:
    make, gappy = _FIXTURES
    repository = Repository(f"memory://{uuid.uuid4().hex}")
    watched = Settings(interval=0.5, every=10, cache=15, check=check, recent=3)
    rows = gappy(85, missing=0.0)
    found = _replay(rows, repository, Factory(make), recorded(durations), settings=watched)
    trainings, table = found.trainings, found.samples
    published = trainings[trainings["outcome"] == "published"]
    assert published["version"].tolist() == list(range(1, len(published) + 1))
    assert (published["finished"] >= published["triggered"]).all()
    assert (published["triggered"].to_numpy()[1:] >= published["finished"].to_numpy()[:-1]).all()
    for number, outcome in zip(trainings["number"], trainings["outcome"], strict=True):
        assert outcome == "running" or (outcome == "dropped") == (durations[number - 1] is None)
    assert (np.diff(table["version"]) >= 0).all()
    for version, finished, triggered in zip(
        published["version"], published["finished"], published["triggered"], strict=True
    ):
        used = table[table["version"] == version]
        assert (used["time"] >= finished).all()
        assert_allclose(used["age"], used["time"] - triggered)
    assert (table["error"].isna() == (table["version"] == 0)).all()


_FIXTURES: list[Make] = []


@pytest.fixture(autouse=True, scope="module")
def _keep(make: Make, gappy: Make) -> None:
    """Let the tests that hypothesis drives make models and streams."""
    _FIXTURES[:] = [make, gappy]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"interval": 0.0}, "interval is 0.0; give a positive number of seconds"),
        ({"interval": float("inf")}, "interval is inf"),
        ({"every": 0}, "every is 0; give at least one sample"),
        ({"cache": 0}, "cache is 0"),
        ({"check": 0}, "check is 0"),
        ({"recent": -1}, "recent is -1; give 0 to 1000 samples"),
        ({"recent": 50, "cache": 20}, "recent is 50; give 0 to 20 samples, as many as are cached"),
    ],
)
def test_settings_without_meaning_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**settings)


def test_a_folder_and_memory_give_the_same_with_real_trainings(
    tmp_path: Path, repository: Repository, gappy: Make
) -> None:
    rows = gappy(90)
    tables = []
    for place in (Repository(str(tmp_path)), repository):
        train = trained_by(LSTM(hidden=4, epochs=1, stretch=10), np.random.SeedSequence(1), accelerator="cpu")
        tables.append(_replay(rows, place, train, always(2.0)))
    pd.testing.assert_frame_equal(tables[0].samples, tables[1].samples)
    pd.testing.assert_frame_equal(tables[0].trainings, tables[1].trainings)
    assert tables[0].samples["version"].max() >= 3


def test_a_real_sensor_is_replayed(real: Path, repository: Repository) -> None:
    trace = datasets.load_traffic(real, 158324)
    rows = trace.frame.iloc[:2400]
    train = trained_by(LSTM(epochs=5), np.random.SeedSequence(1), accelerator="cpu")
    found = replay(rows.to_numpy(), name="traffic_158324", repository=repository, train=train, decide=always(60.0))
    assert found.trainings["outcome"].tolist() == ["published"] * 2
    scored = found.samples[found.samples["version"] > 0]
    absent = rows.isna().all(axis=1).to_numpy()[scored.index]
    assert_array_equal(scored["error"].isna(), absent)
    assert scored["alarm"].mean() < 0.05


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
