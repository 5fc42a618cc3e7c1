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

from edgeresearch.anomaly.base import Array, FittedIdentity, has_value, training_rows, training_seed
from edgeresearch.anomaly.detectors import OnlineDetector, warmed_up
from edgeresearch.anomaly.model_store import ModelStore
from edgeresearch.anomaly.prequential import RECENT, score_prequential
from edgeresearch.anomaly.retraining import (
    Decision,
    StreamReplay,
    Training,
    TrainingRequest,
    always,
    follow_models,
    make_training,
    never,
    recorded,
    replay_stream,
    select_errors,
    train_versions,
)
from edgeresearch.anomaly.settings import AutoencoderIdentity, LSTMIdentity, MovingThreshold, Schedule
from edgeresearch.anomaly.thresholds import threshold_levels
from edgeresearch.data import datasets
from edgeresearch.errors import InputError

Make = Callable[..., Any]
SCHEDULE = Schedule(train=150, every=120)
SMALL = Schedule(train=20, every=10)
REPLAY = Schedule(train=20, every=20)
SEED = np.random.SeedSequence(7)
Outcomes = list[float | None]


class Factory:
    """A training whose model has weights of its number, and that remembers what it was given."""

    def __init__(self, make: Make, kind: str = "lstm") -> None:
        self.make = make
        self.kind = kind
        self.given: list[tuple[Array, FittedIdentity | None, int]] = []
        self.models: list[FittedIdentity] = []

    def __call__(self, samples: Array, previous: FittedIdentity | None, number: int) -> FittedIdentity:
        self.given.append((samples, previous, number))
        self.models.append(self.make(self.kind, samples.shape[1], seed=number))
        return self.models[-1]


@pytest.fixture
def store() -> ModelStore:
    return ModelStore(f"memory://{uuid.uuid4().hex}")


# ---- which model is in use


def _in_rows(rows: Array, decide: Decision) -> Decision:
    """Say in virtual seconds, of which a row takes one whether it has a value or not, what is decided in samples."""
    there = np.flatnonzero(has_value(rows))

    def decision(request: TrainingRequest) -> float | None:
        after = None if request.number == 1 else decide(request)  # the first model stands in the store already
        if after is None:
            return None
        now, need = int(request.time), int(np.ceil(after))
        ahead = there[there > now]
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
    make: Make, gappy: Make, store: ModelStore, kind: str, missing: float, outcomes: Outcomes
) -> None:
    rows, judge = gappy(1000, missing=missing, seed=3), MovingThreshold(warm_up=10)
    train, decide = Factory(make, kind), recorded(outcomes)
    store.publish("m", make(kind, 3, seed=1))
    # The replay counts its first trigger from the first sample, so the schedules meet where both numbers are the same.
    schedule = Schedule(train=120, every=120)
    replayed = replay_stream(
        rows,
        name="m",
        store=store,
        train=train,
        decide=_in_rows(rows, decide),
        threshold=judge,
        schedule=schedule,
        interval=1.0,
        check=1,
    )
    use = follow_models(rows, decide, schedule=schedule)
    errors = select_errors(train_versions(rows, train, schedule=schedule), use)
    exact = kind == "autoencoder"  # it remembers last values alone; an LSTM with random weights forgets slowly
    assert_allclose(errors, replayed.samples["error"], rtol=0 if exact else 1e-4)
    levels, judged = threshold_levels(judge.start(), errors), has_value(rows)
    assert_allclose(levels[judged], replayed.samples["threshold"][judged], rtol=0 if exact else 1e-4)
    statuses = replayed.trainings["outcome"].tolist()[1:]
    assert list(use.statuses) == statuses[: len(use.statuses)]
    assert statuses[len(use.statuses) :] in ([], ["dropped"], ["running"], ["unfinished"]), "one at the last sample"


def test_a_trained_model_has_forgotten_what_a_replay_does_not_know(gappy: Make) -> None:
    rows, schedule, late = gappy(1200, missing=0.05, seed=8), Schedule(train=400, every=300), 200
    model = LSTMIdentity(hidden=4, epochs=8).fit(rows[:400][has_value(rows[:400])], seed=1, accelerator="cpu")
    cut = training_rows(rows, schedule)[1]
    along = warmed_up(model, rows[:cut][has_value(rows[:cut])][-RECENT:]).run(rows[cut:])[late:]
    there = rows[: cut + late][has_value(rows[: cut + late])][-RECENT:]
    assert_allclose(along, warmed_up(model, there).run(rows[cut + late :]), rtol=1e-6)


def test_always_at_once_is_prequential_scoring_to_the_last_bit(gappy: Make) -> None:
    rows, identity = gappy(800, seed=1), AutoencoderIdentity(epochs=1)
    train = make_training(identity, SEED, accelerator="cpu")
    versions = train_versions(  # prequential scoring counts its trainings from 0
        rows, lambda samples, previous, number: train(samples, previous, number - 1), schedule=SCHEDULE
    )
    errors, cuts = score_prequential(identity, rows, schedule=SCHEDULE, seed=SEED, accelerator="cpu")
    assert versions.cuts == cuts
    use = follow_models(rows, always(0.0), schedule=SCHEDULE)
    assert_array_equal(select_errors(versions, use), errors)
    assert use.dropped == 0.0


def test_each_model_gets_the_newest_samples_and_has_errors_from_its_training_on(make: Make, gappy: Make) -> None:
    rows, train = gappy(800, missing=0.2, seed=2), Factory(make)
    versions, there = train_versions(rows, train, schedule=SCHEDULE), has_value(rows)
    assert versions.cuts == tuple(training_rows(rows, SCHEDULE))
    assert versions.errors.shape == (len(versions.cuts), len(rows))
    assert_array_equal(np.isfinite(versions.errors[0]), there)
    for index, (cut, (samples, previous, number)) in enumerate(zip(versions.cuts, train.given, strict=True)):
        assert number == index + 1
        assert previous is (train.models[index - 1] if index else None)
        assert_array_equal(samples, rows[:cut][there[:cut]][-150:])
        if index:
            assert np.isnan(versions.errors[index, :cut]).all()
            scorer = warmed_up(train.models[index], samples[-RECENT:])
            assert_array_equal(versions.errors[index, cut:], scorer.run(rows[cut:]))


def test_without_trainings_the_first_model_stays_and_ages() -> None:
    rows, schedule = np.zeros((400, 1)), Schedule(train=100, every=100)
    rows[200:210] = np.nan
    use = follow_models(rows, never, schedule=schedule)
    assert (use.statuses, use.dropped) == (("dropped", "dropped"), 1.0)
    assert (use.version == 0).all()
    assert use.age[99:102].tolist() == [0, 1, 2]
    assert (use.age[199:210] == 100).all(), "what is missing is no sample"
    assert use.age[-1] == 290
    short = follow_models(rows[:150], never, schedule=schedule)
    assert (short.statuses, short.dropped) == ((), 0.0)


@pytest.mark.parametrize(
    ("outcomes", "version", "statuses"),
    [
        ([0.0, 0.0], [0] * 30 + [1] * 10 + [2] * 5, ["published", "published"]),
        ([1.0, 3.0], [0] * 30 + [1] * 12 + [2] * 3, ["published", "published"]),
        ([2.0, 3.5], [0] * 31 + [1] * 12 + [2] * 2, ["published", "published"]),
        ([10.0, 0.0], [0] * 39 + [1] + [2] * 5, ["published", "published"]),
        ([10.5, 0.0], [0] * 40 + [1] * 5, ["published", "running"]),
        ([None, 6.0], [0] * 45, ["dropped", "unfinished"]),
    ],
)
def test_a_model_is_there_after_so_many_samples(outcomes: Outcomes, version: list[int], statuses: list[str]) -> None:
    asked: list[TrainingRequest] = []

    def decide(request: TrainingRequest) -> float | None:
        asked.append(request)
        return outcomes[request.number - 2]

    use = follow_models(np.zeros((45, 1)), decide, schedule=SMALL)
    assert use.version.tolist() == version
    assert list(use.statuses) == statuses
    assert asked[0] == TrainingRequest("stream", 2, 30.0, 20)
    assert len(asked) == 2 - statuses.count("running"), "not asked for what is dropped anyway"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_ages_statuses_and_versions_agree(data: st.DataObject) -> None:
    rows = np.zeros((data.draw(st.integers(40, 200)), 1))
    rows[data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=15))] = np.nan
    schedule = Schedule(train=data.draw(st.integers(2, 15)), every=data.draw(st.integers(2, 15)))
    cuts = training_rows(rows, schedule)
    delay = st.one_of(st.none(), st.floats(0, 60))
    outcomes = data.draw(st.lists(delay, min_size=len(cuts), max_size=len(cuts)))
    use = follow_models(rows, recorded(outcomes), schedule=schedule)
    came, versions = np.cumsum(has_value(rows)), set(use.version.tolist())
    assert len(use.statuses) == len(cuts) - 1
    assert (np.diff(use.version) >= 0).all(), "never back to an older model"
    published = {index for index, status in enumerate(use.statuses, start=1) if status == "published"}
    overtaken = {index for index in published if index not in versions and index + 1 in published}
    assert versions == {0} | published - overtaken, "all but those that were there just when the next one was"
    for index in versions:
        first = int(np.flatnonzero(use.version == index)[0])
        assert index == 0 or first >= cuts[index], "no model before its training was triggered"
        assert_array_equal(use.age[use.version == index], (came - came[cuts[index] - 1])[use.version == index])
    assert 0.0 <= use.dropped <= 1.0


# ---- a stream sample by sample


def _replay(rows: Any, store: ModelStore, train: Any, decide: Any, **more: Any) -> StreamReplay:
    usual = {"name": "m", "threshold": MovingThreshold(warm_up=5), "schedule": REPLAY, "check": 1, "recent": 5}
    return replay_stream(rows, store=store, train=train, decide=decide, **(usual | more))


def test_the_models_take_turns_and_each_sample_has_its_row(store: ModelStore, make: Make, gappy: Make) -> None:
    rows, train = gappy(100, missing=0.0), Factory(make)
    replayed = _replay(rows, store, train, always(3.0))
    table, trainings = replayed.samples, replayed.trainings
    assert list(table.columns) == ["time", "error", "threshold", "alarm", "version", "age", "late"]
    assert_allclose(table["time"], np.arange(100) * 0.5)
    # Triggered by sample 19 (9.5 s), there at 12.5 s: sample 25 is the first of version 1, and so on.
    expected = [0] * 25 + [1] * 20 + [2] * 20 + [3] * 20 + [4] * 15
    assert table["version"].tolist() == expected
    assert table["error"].isna().tolist() == [version == 0 for version in expected]
    assert table["threshold"].isna().tolist() == table["error"].isna().tolist()
    assert table["age"][:25].isna().all()
    assert_allclose(table["age"][25:45], table["time"][25:45] - 9.5)
    assert table["age"].iloc[45] == 3.0
    assert not table["late"].any()
    assert list(trainings.columns) == ["number", "triggered", "finished", "outcome", "version"]
    assert trainings["triggered"].tolist() == [9.5, 19.5, 29.5, 39.5, 49.5]
    assert trainings["finished"].tolist()[:4] == [12.5, 22.5, 32.5, 42.5]
    assert trainings["outcome"].tolist() == ["published"] * 4 + ["unfinished"]
    assert trainings["version"].tolist() == [1, 2, 3, 4, 0]
    assert replayed.refused == ()
    detector = OnlineDetector(warmed_up(make("lstm", seed=1), rows[20:25]), MovingThreshold(warm_up=5).start())
    verdicts = [detector.update(row) for row in rows[25:45]]
    detector.swap(warmed_up(make("lstm", seed=2), rows[40:45]))
    verdicts += [detector.update(row) for row in rows[45:65]]
    assert_array_equal(table[["error", "threshold", "alarm"]][25:65].astype(float), verdicts)


def test_a_training_gets_the_cached_samples_and_the_model_in_use(store: ModelStore, make: Make, gappy: Make) -> None:
    rows, train, asked = gappy(100, missing=0.0), Factory(make), list[TrainingRequest]()

    def decide(request: TrainingRequest) -> float:
        asked.append(request)
        return 2.0

    _replay(rows, store, train, decide, schedule=Schedule(train=30, every=20), interval=1.0)
    assert [number for _, _, number in train.given] == [1, 2, 3, 4]
    for turn, (samples, previous, _) in enumerate(train.given, start=1):
        assert_array_equal(samples, rows[max(0, 20 * turn - 30) : 20 * turn])
        bias = previous.arrays()["head.bias"] if previous else None
        assert_array_equal(bias, train.models[turn - 2].arrays()["head.bias"] if turn > 1 else None)
    assert asked[0] == TrainingRequest("m", 1, 19.0, 20)
    assert [request.samples for request in asked] == [20, 30, 30, 30, 30]


@pytest.mark.parametrize(
    ("decide", "outcomes", "first"),
    [
        (never, ["dropped"] * 3, None),
        (always(0.0), ["published"] * 3, 20),
        (always(1.0), ["published"] * 2 + ["unfinished"], 21),
        (always(15.0), ["published", "running", "unfinished"], 49),
        (always(float("inf")), ["unfinished", "running", "running"], None),
        (recorded([1.0, None, 0.0]), ["published", "dropped", "published"], 21),
    ],
)
def test_what_becomes_of_trainings(
    decide: Decision, outcomes: list[str], first: int | None, store: ModelStore, make: Make, gappy: Make
) -> None:
    replayed = _replay(gappy(61, missing=0.0), store, Factory(make), decide)
    assert replayed.trainings["outcome"].tolist() == outcomes
    used = np.flatnonzero(replayed.samples["version"])
    assert (used[0] if len(used) else None) == first


def test_dropped_trainings_leave_everything_as_it_is(store: ModelStore, make: Make, gappy: Make) -> None:
    rows, train = gappy(100, missing=0.0), Factory(make)
    store.publish("m", make("lstm", seed=9))
    replayed = _replay(rows, store, train, never)
    assert train.given == []
    assert replayed.samples["version"].unique().tolist() == [1]
    assert replayed.samples["age"].isna().all()
    scores, levels = OnlineDetector(make("lstm", seed=9).start(), MovingThreshold(warm_up=5).start()).run(rows)
    assert_array_equal(replayed.samples["error"], scores)
    assert_array_equal(replayed.samples["threshold"], levels)
    single = _replay((row for row in rows), store, train, never)
    pd.testing.assert_frame_equal(replayed.samples, single.samples)


@pytest.mark.parametrize("check", [1, 7, 50])
def test_the_store_is_looked_at_now_and_then(check: int, store: ModelStore, make: Make, gappy: Make) -> None:
    replayed = _replay(gappy(60, missing=0.0), store, Factory(make), always(0.5), check=check, recent=0)
    first = int(np.argmax(replayed.samples["version"].to_numpy() > 0))
    assert first == -(-20 // check) * check


def test_a_damaged_version_is_named_once_and_the_old_one_stays(store: ModelStore, make: Make, gappy: Make) -> None:
    for seed in (1, 2):
        store.publish("m", make("lstm", seed=seed))
    store._fs.pipe_file(f"{store._folder('m')}/00000002.json", b"{}")
    replayed = _replay(gappy(15, missing=0.0), store, Factory(make), never)
    assert replayed.samples["version"].unique().tolist() == [1]
    (line,) = replayed.refused
    assert "describes no model" in line


def test_rows_without_a_value_pass_time_alone(store: ModelStore, make: Make, gappy: Make) -> None:
    rows = gappy(60, missing=0.0)
    gaps = np.insert(rows, [5, 5, 30, 50], np.nan, axis=0)
    blank = np.isnan(gaps).all(axis=1)
    store.publish("m", make("lstm"))
    dense, sparse = (_replay(each, store, Factory(make), never) for each in (rows, gaps))
    assert sparse.samples["error"].isna().tolist() == blank.tolist()
    for name in ("error", "threshold"):
        assert_array_equal(sparse.samples[name][~blank], dense.samples[name])
    assert not sparse.samples["alarm"][blank].any()
    assert len(dense.trainings) == 3
    assert sparse.trainings["triggered"].tolist() == [10.5, 21.0, 31.5]


def test_late_and_repeated_samples_are_left_aside(store: ModelStore, make: Make, gappy: Make) -> None:
    rows = gappy(40, missing=0.0)
    order = [0, 1, 2, 2, 4, 3, 5, *range(6, 20), 19, 7, *range(20, 40)]
    stamps = pd.date_range("2014-08-01", periods=40, freq="5min")[order]
    store.publish("m", make("lstm"))
    replayed = _replay(rows[order], store, Factory(make), never, stamps=stamps)
    late = replayed.samples["late"].to_numpy()
    assert np.flatnonzero(late).tolist() == [3, 5, 21, 22]
    kept = _replay(np.delete(rows, 3, axis=0), store, Factory(make), never)
    assert_array_equal(replayed.samples["error"][~late], kept.samples["error"])
    assert replayed.samples["error"][late].isna().all()
    assert not replayed.samples["alarm"][late].any()
    assert len(replayed.trainings) == 1  # 39 samples count
    some = [pd.NaT, pd.Timestamp("2014-08-01"), pd.NaT, pd.Timestamp("2014-08-02")]
    replayed = _replay(rows[:4], store, Factory(make), never, stamps=some)
    assert replayed.samples["late"].tolist() == [True, False, True, False], "no stamp is late, too"
    for count in (3, 5):
        with pytest.raises(InputError, match="stamps and samples differ in number; give one stamp for each sample"):
            _replay(rows[:4], store, Factory(make), never, stamps=range(count))


@pytest.mark.parametrize("known", [True, False])
def test_samples_of_another_width(known: bool, store: ModelStore, make: Make, gappy: Make) -> None:
    if known:
        store.publish("m", make("lstm"))
    with pytest.raises(InputError, match="m, sample 4: a sample has 4 values where there were 3 before"):
        _replay([[1.0, 2.0, 3.0]] * 3 + [[1.0, 2.0, 3.0, 4.0]], store, Factory(make), never)
    store.publish("m", make("lstm", 5))
    with pytest.raises(InputError, match="a sample has 3 values where there were 5"):
        _replay(gappy(4, missing=0.0), store, Factory(make), never)


def test_a_stream_without_samples(store: ModelStore, make: Make) -> None:
    replayed = _replay([], store, Factory(make), never)
    assert (len(replayed.samples), len(replayed.trainings)) == (0, 0)
    assert replayed.samples["alarm"].dtype.kind == "b"


@settings(max_examples=40)
@given(durations=st.lists(st.one_of(st.none(), st.floats(0, 40)), min_size=8, max_size=8), check=st.integers(1, 9))
def test_bookkeeping_holds_whatever_becomes_of_the_trainings(
    durations: Outcomes, check: int, make: Make, gappy: Make
) -> None:
    store, schedule = ModelStore(f"memory://{uuid.uuid4().hex}"), Schedule(train=15, every=10)
    rows = gappy(85, missing=0.0)
    replayed = _replay(rows, store, Factory(make), recorded(durations), schedule=schedule, check=check, recent=3)
    trainings, table = replayed.trainings, replayed.samples
    published = trainings[trainings["outcome"] == "published"]
    assert published["version"].tolist() == list(range(1, len(published) + 1))
    assert (published["finished"] >= published["triggered"]).all()
    assert (published["triggered"].to_numpy()[1:] >= published["finished"].to_numpy()[:-1]).all()
    for number, outcome in zip(trainings["number"], trainings["outcome"], strict=True):
        assert outcome == "running" or (outcome == "dropped") == (durations[number - 1] is None)
    assert (np.diff(table["version"]) >= 0).all()
    for row in published.itertuples():
        used = table[table["version"] == row.version]
        assert (used["time"] >= row.finished).all()
        assert_allclose(used["age"], used["time"] - row.triggered)
    assert (table["error"].isna() == (table["version"] == 0)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 0.0}, "interval is 0.0; give a positive number of seconds"),
        ({"interval": float("inf")}, "interval is inf"),
        ({"check": 0}, "check is 0; give at least one sample"),
        ({"recent": -1}, "recent is -1; give 0 to 20 samples, as many as are cached"),
        ({"recent": 50}, "recent is 50; give 0 to 20"),
        ({"decide": always(-1.0)}, "training 1 of m lasts -1.0 s; give 0 or more, or None"),
        ({"decide": always(float("nan"))}, "training 1 of m lasts nan s"),
    ],
)
def test_settings_without_meaning_are_refused(
    options: dict[str, Any], message: str, store: ModelStore, make: Make, gappy: Make
) -> None:
    with pytest.raises(InputError, match=message):
        _replay(**{"rows": gappy(30, missing=0.0), "store": store, "train": Factory(make), "decide": never, **options})
    if "decide" in options and "lasts" in message:
        with pytest.raises(InputError, match="training 2 lasts .* samples; give 0 or more, or None"):
            follow_models(np.zeros((35, 1)), options["decide"], schedule=SMALL)


def test_real_trainings_on_a_real_sensor(real: Path, store: ModelStore, tmp_path: Path) -> None:
    rows = datasets.load_traffic(real, 158324).frame.iloc[:2400]
    train = make_training(LSTMIdentity(epochs=5), SEED, accelerator="cpu")
    one, two = (
        replay_stream(rows.to_numpy(), name="traffic_158324", store=place, train=train, decide=always(60.0))
        for place in (store, ModelStore(str(tmp_path)))
    )
    pd.testing.assert_frame_equal(one.samples, two.samples)
    assert one.trainings["outcome"].tolist() == ["published"] * 2
    scored = one.samples[one.samples["version"] > 0]
    assert_array_equal(scored["error"].isna(), rows.isna().all(axis=1).to_numpy()[scored.index])
    assert scored["alarm"].mean() < 0.05


# ---- trainings


def test_recorded_outcomes_begin_anew() -> None:
    decide = recorded((5.0, None, 7.0), first=2)
    durations = [decide(TrainingRequest("m", number, 0.0, 10)) for number in range(2, 10)]
    assert durations == [5.0, None, 7.0, 5.0, None, 7.0, 5.0, None]
    with pytest.raises(InputError, match="no outcome is recorded; give at least one"):
        recorded(())


class Recording:
    """Stands in for an identity function: keeps what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def fit(self, samples: Any, **settings: Any) -> Any:
        self.asked.append({"samples": samples, **settings})


@pytest.mark.parametrize("warm", [True, False])
def test_a_training_gets_samples_seed_start_and_accelerator(warm: bool) -> None:
    identity, samples, model = Recording(), np.zeros((4, 2)), object()
    train: Training = make_training(identity, SEED, warm_start=warm, accelerator="cpu")
    for number in (3, 1):
        train(samples, model, number)  # type: ignore[arg-type]
    for number, asked in zip((3, 1), identity.asked, strict=True):
        start = model if warm else None
        seed = training_seed(SEED, number)
        assert asked == {"samples": samples, "seed": seed, "start": start, "accelerator": "cpu"}
