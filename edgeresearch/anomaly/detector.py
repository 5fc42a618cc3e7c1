"""Detectors with one interface, scikit-learn's and a stream's; IFTM, Paper B's, is identity function + threshold.

A detector has a scorer, which gives each sample a score before it learns from it, and a judge, which compares the score
with a threshold of the scores before. `update` is the live twin of `score_samples` and `predict`.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Self

from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from edgeresearch.anomaly.identity import Autoencoder, Identity
from edgeresearch.anomaly.model import Model
from edgeresearch.anomaly.samples import Array, Mask, check_channels, names, table, wrong_width
from edgeresearch.anomaly.state import State
from edgeresearch.anomaly.threshold import Judge, Moving, Threshold, judged, twin
from edgeresearch.errors import InputError

AUTOENCODER, MOVING = Autoencoder(), Moving()


class Verdict(NamedTuple):
    """What a detector says of one sample.

    Attributes:
        score: The higher, the less normal; NaN for a sample without any value.
        threshold: What it was compared with.
        alarm: Whether it was greater.
    """

    score: float
    threshold: float
    alarm: bool


class Watch:
    """Scorer and judge at work on one stream, without scikit-learn: what runs beside a sensor.

    Args:
        state: The scorer, with the history it has.
        judge: The threshold, with the history it has.
    """

    def __init__(self, state: State, judge: Judge) -> None:
        self._state = state
        self._judge = judge

    def update(self, sample: Any) -> Verdict:
        """Score the next sample, compare, then learn from it.

        Args:
            sample: `(channels,)`; what is not finite is missing.

        Raises:
            InputError: It has another number of values than the model has channels, or one is no number.
        """
        score = self._state.step(sample)
        judge = self._judge
        level = judge.level
        if score - score == 0.0:  # finite
            judge.update(score)
        return Verdict(score, level, score > level)

    def run(self, rows: Array) -> tuple[Array, Array]:
        """Do for many samples what `update` does for one; return scores and thresholds."""
        scores = self._state.run(rows)
        return scores, judged(self._judge, scores)

    def scores(self, rows: Array) -> Array:
        """Return the scores that samples would get if they came next; nothing changes."""
        scores: Array = self._state.copy().run(rows)
        return scores

    def copy(self) -> "Watch":
        """Return an independent twin."""
        return Watch(self._state.copy(), twin(self._judge))

    def swap(self, state: State) -> None:
        """Go on with another scorer; the threshold stays and adapts."""
        self._state = state


class Detector(BaseEstimator, ABC):
    """A detector with scikit-learn's methods and a stream's.

    Scores rise with abnormality and `predict` tells alarms as booleans, as papers on anomaly detection have it;
    scikit-learn's own outlier detectors have both the other way round.

    After `fit`, samples are taken as what follows the training samples. `update` takes the next one for good;
    `score_samples` and `predict` say of several what `update` would say of them one by one, equal to the last bit, and
    change nothing. Rows without any value get NaN and no alarm.
    """

    threshold: Threshold

    @abstractmethod
    def _learn(self, rows: Array) -> tuple[State, Array]:
        """Train; return the scorer with the training samples behind it, and their scores."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from samples in time order, `(samples, channels)`; `y` is ignored.

        The threshold starts from the training samples' own scores.

        Raises:
            InputError: The samples are no numbers, or too few have a value.
        """
        rows = table(X)
        self.n_features_in_ = rows.shape[1]
        self.names_ = names(X)
        state, scores = self._learn(rows)
        judge = self.threshold.start()
        judged(judge, scores)
        self.watch_ = Watch(state, judge)
        return self

    def update(self, sample: Any) -> Verdict:
        """Take the next sample: score it, compare with the threshold so far, then learn from it.

        Raises:
            InputError: It has another number of values than the training samples, or one is no number.
        """
        try:
            watch: Watch = self.watch_
        except AttributeError:  # check_is_fitted would cost half of what the rest does
            raise NotFittedError(f"this {type(self).__name__} has not seen training samples; call fit first") from None
        return watch.update(sample)

    def score_samples(self, X: Any) -> Array:
        """Return the scores of the samples that come next, `(samples,)`; the higher, the less normal.

        Raises:
            InputError: The channels are not those of the training samples.
        """
        check_is_fitted(self)
        scores: Array = self.watch_.scores(self._rows(X))
        return scores

    def predict(self, X: Any) -> Mask:
        """Return whether each of the samples that come next is an alarm, `(samples,)`.

        Raises:
            InputError: The channels are not those of the training samples.
        """
        check_is_fitted(self)
        scores, levels = self.watch_.copy().run(self._rows(X))
        alarms: Mask = scores > levels
        return alarms

    def _rows(self, X: Any) -> Array:
        return check_channels(X, self.n_features_in_, self.names_)


class IFTM(Detector):
    """Identity function and threshold model: an alarm where a sample is reconstructed worse than its past allows.

    Paper B, section VI.A, after Schmidt et al.

    Args:
        identity: The identity function: `Autoencoder`, `LSTM` or a user's own.
        threshold: The threshold: `Moving`, `Quantile` or a user's own.
        accelerator: Lightning's word for where to train.
        random_state: Seed of the training.
    """

    def __init__(
        self,
        identity: Identity = AUTOENCODER,
        threshold: Threshold = MOVING,
        accelerator: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.identity = identity
        self.threshold = threshold
        self.accelerator = accelerator
        self.random_state = random_state

    def _learn(self, rows: Array) -> tuple[State, Array]:
        self.model_ = self.identity.fit(rows, seed=self.random_state, accelerator=self.accelerator)
        state = self.model_.start()
        return state, state.run(rows)

    def swap(self, model: Model, recent: Any) -> Self:
        """Go on with a newer model; the threshold stays and adapts.

        Args:
            model: Of the same channels.
            recent: The newest samples seen, `(samples, channels)`, over which the new model's state comes up.

        Raises:
            InputError: The model or the samples have other channels.
        """
        check_is_fitted(self)
        self.watch_.swap(begun(model, self._rows(recent)))
        self.model_ = model
        return self


def begun(model: Model, recent: Array) -> State:
    """Start a model on a stream and bring its state up over recent samples.

    Raises:
        InputError: The samples have other channels than the model.
    """
    if recent.shape[1] != model.channels:
        raise InputError(wrong_width(recent.shape[1], model.channels))
    state = model.start()
    state.run(recent)
    return state
