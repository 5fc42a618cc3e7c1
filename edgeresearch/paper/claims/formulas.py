"""Whether a paper agrees with itself: arithmetic over its own published numbers, none of ours."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edgeresearch.paper import elastic_a, paper_a
from edgeresearch.paper.claims.values import plain
from edgeresearch.paper.contradictions import contradictions


@dataclass(frozen=True)
class Check:
    """What comes of an arithmetic.

    Attributes:
        agrees: Whether what is stated and what follows are the same.
        follows: What follows from the paper's other numbers.
        says: One sentence, with the numbers.
    """

    agrees: bool
    follows: str
    says: str


def best_of_all(*, metric: str) -> Check:
    """Whether the LSTM is best by a metric of Paper A, Table 2, as its text says of "all evaluation indicators"."""
    row: Any = _rows("LSTM best on all indicators").set_index("item").loc[paper_a.METRICS[metric].label]
    return Check(bool(row["agrees"]), f"{row['expected']:g}", str(row["says"]))


def one_variance() -> Check:
    """Whether MSE / (1 - R²), the variance of the test set, is one number in Paper A, Table 2."""
    rows = _rows("one variance of the test set")
    each = ", ".join(f"{row.value:.0f} ({row.item})" for row in rows.itertuples())
    others = int((~rows["agrees"].astype(bool)).sum())
    says = f"MSE / (1 - R²) is {each}: {others} of {len(rows)} rows are off the others by more than rounding allows"
    return Check(others == 0, f"{rows['value'].min():.0f} to {rows['value'].max():.0f}", says)


def better(*, metric: str, first: Sequence[str], second: Sequence[str]) -> Check:
    """Whether every one of some methods beats every one of others by a metric of Paper A, Table 2."""
    rule = paper_a.METRICS[metric]
    sign = 1 if rule.lower_is_better else -1
    values = {name: getattr(paper_a.PUBLISHED[name], metric) for name in (*first, *second)}
    agrees = max(sign * values[name] for name in first) < min(sign * values[name] for name in second)
    shown = ", ".join(f"{paper_a.PUBLISHED[name].method} {values[name]:g}" for name in values)
    way = "lower" if rule.lower_is_better else "higher"
    return Check(agrees, shown, f"{rule.label} of Table 2: {shown}; {way} is better")


def text_beside_cell() -> Check:
    """Whether the cell that Paper A's text names for its 6.7 % holds it in Table 3."""
    name, phase, stated = elastic_a.TEXT
    cells = elastic_a.PUBLISHED[name]
    there = [each for each, value in cells.items() if value == stated]
    says = f"the text has {stated:g} % on {phase}, where the table has {cells[phase]:g} %; it has {stated:g} % on "
    return Check(cells[phase] == stated, f"{cells[phase]:g}", says + " and ".join(there))


def stated(**places: Any) -> Check:
    """Whether a paper says the same in several places; each argument is a place and what is said there."""
    shown = "; ".join(f"{place}: {plain(said)}" for place, said in places.items())
    return Check(len({plain(said) for said in places.values()}) == 1, shown, shown)


def referred(*, named: Sequence[str], there: Sequence[str]) -> Check:
    """Whether what a text refers to is in the paper."""
    absent = [name for name in named if name not in there]
    says = f"the paper has {', '.join(there)}; the text names {', '.join(named)}"
    return Check(not absent, ", ".join(there), says)


def between(*, low: float, high: float, samples: float, seconds: Sequence[float]) -> Check:
    """Whether minutes between two trainings are what so many samples take at such distances (Paper B, section VI)."""
    least, most = (samples * each / 60 for each in seconds)
    says = f"{samples:g} samples every {seconds[0]:g} to {seconds[1]:g} s take {least:.1f} to {most:.1f} min"
    good = math.isclose(least, low, rel_tol=0.1) and math.isclose(most, high, rel_tol=0.1)
    return Check(good, f"{least:.1f} to {most:.1f}", f"{says}, not {low:g} to {high:g}" if not good else says)


def triggers(
    *, streams: Sequence[float], repeats: float, hours: float, minutes: Sequence[float], about: float
) -> Check:
    """Whether a number of triggers is what such streams give in such a time (Paper B, section VI.C)."""
    most, least = (sum(streams) * repeats * hours * 60 / each for each in minutes)
    says = (
        f"{sum(streams):g} streams, {repeats:g} repeats of {hours:g} h, one trigger each {minutes[0]:g} to "
        f"{minutes[1]:g} min: {least:,.0f} to {most:,.0f} triggers, {least / about:.1f} to {most / about:.1f} times "
        f"{about:,.0f}"
    )
    return Check(least <= about <= most, f"{least:,.0f} to {most:,.0f}", says)


def executed(*, low: float, high: float, drops: Mapping[int, float]) -> Check:
    """Whether a range of executed trainings covers every drop rate of Paper B, Fig. 7."""
    ran = {count: 100 - drop for count, drop in drops.items()}
    left = {count: value for count, value in ran.items() if not low - 0.005 <= value <= high + 0.005}
    span = f"{min(ran.values()):.2f} to {max(ran.values()):.2f}"
    names = ", ".join(f"{count} streams ({value:.2f} %)" for count, value in left.items())
    says = f"by Fig. 7, {span} % are executed" + (f"; the range leaves out {names}" if left else "")
    return Check(not left, span, says)


def steps(*, start: float, end: float, factor: float, stated: float) -> Check:
    """Whether a limit that is multiplied by a factor each time takes so many trainings (Paper B, Fig. 5a)."""
    count = math.ceil(math.log(end / start) / math.log(factor) - 1e-9)
    says = f"{start:g} × {factor:g}ⁿ is {end:g} or less from n = {count} on, not from {stated:g}"
    return Check(count == stated, str(count), says)


def first_limit(*, share: float, node: float, stated: float, jobs: float, nodes: float, full: float) -> Check:
    """Whether a first limit, a share of what is free, leaves a node that so few jobs exhaust (Paper B, section VI)."""
    free, each = stated / share, jobs / nodes
    takes = (node - free) / each
    left = node - full * takes
    says = (
        f"{stated:g} millicores are {100 * share:g} % of {free:.0f} free ones; {each:g} prediction jobs on a node then "
        f"take {takes:.0f} each, and {full:g} of them leave {left:.0f} of {node:g}, where they are said to exhaust it"
    )
    return Check(left < free, f"{left:.0f} free", says)


def inverse(*, first: float, start: float, end: float, last: float, points: float) -> Check:
    """Whether two residuals and two limits agree if the training time is inverse to the limit (Paper B, Fig. 5)."""
    follows = 100 - (100 - first) * start / end
    says = f"if time is inverse to the limit, {first:g} % at {start:g} becomes {follows:.1f} % at {end:g}"
    return Check(abs(follows - last) <= points, f"{follows:.1f}", f"{says}; published: {last:g} %")


def least_residual(*, stated: float, points: float) -> Check:
    """Whether limits that minimise |t_complete - t_period| end at the residual shown (Paper B, eq. 3 and Fig. 5c)."""
    says = f"eq. 3 is least at a residual of 0; the plateau of Fig. 5c is at {stated:g} %"
    return Check(abs(stated) <= points, "0", says)


def crowded(*, jobs: float, nodes: float, full: float) -> Check:
    """Whether jobs leave a node room if so many of them exhaust it (Paper B, sections VI.B and VI.C)."""
    each = jobs / nodes
    says = f"{jobs:g} prediction jobs on {nodes:g} nodes are {each:g} on each; {full:g} exhaust one so that none trains"
    return Check(each < full, f"{each:g}", says)


def product(*, factors: Sequence[float], stated: float) -> Check:
    """Whether a number is the product of others."""
    follows = math.prod(factors)
    says = f"{' × '.join(f'{each:g}' for each in factors)} = {follows:,g}; stated: {stated:,g}"
    return Check(math.isclose(follows, stated), f"{follows:g}", says)


def share(*, part: float, whole: float, above: float) -> Check:
    """Whether a share, in percent, is above a number."""
    follows = 100 * part / whole
    return Check(follows > above, f"{follows:g}", f"{part:g} of {whole:g} are {follows:g} %, against {above:g} %")


FORMULAS: Mapping[str, Callable[..., Check]] = MappingProxyType(
    {
        each.__name__: each
        for each in (
            best_of_all, one_variance, better, text_beside_cell, stated, referred, between,
            triggers, executed, steps, first_limit, inverse, least_residual, crowded, product, share,
        )
    }
)  # fmt: skip
"""The formulas by name."""


def _rows(check: str) -> Any:
    table = contradictions()
    return table[table["check"] == check]
