"""The rules of the claims audit: from a published value and the evidence for it to a verdict and its reason.

A record of a claim names one of these functions; nobody writes a verdict by hand. Where a paper can be read in several
ways, each reading is judged: a claim is *reproduced* if it is so under all of them, *not reproduced* if it is so under
all, else *partly*. What the results of a profile do not hold is *not testable here*. Whether settings were fitted on
the published value does not change the verdict; it stands beside it, and such claims are counted apart.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import getdoc
from math import comb, isnan
from numbers import Real
from typing import Any

NAN = float("nan")

REPRODUCED, PARTLY, NOT = "reproduced", "partly", "not reproduced"
CONTRADICTED, UNTESTABLE = "contradicted by the paper itself", "not testable here"

MEANING: Mapping[str, str] = {
    REPRODUCED: "within the stated tolerance; a ranking holds, and not by chance",
    PARTLY: "near, too vague to tell, under some readings of the paper only, or in means whose intervals meet",
    NOT: "neither",
    CONTRADICTED: "the paper's own numbers or sentences disagree",
    UNTESTABLE: "nothing to measure, or not among the results of this profile",
}
"""What each verdict means, in short."""

VERDICTS = tuple(MEANING)

FITTED, SET, HELD_OUT = "fitted", "set", "held out"

RELATIONS: Mapping[str, str] = {
    FITTED: (
        "settings were chosen to meet the published value, which shows that it can be reached, and predicts nothing"
    ),
    SET: "the published value is a setting here",
    HELD_OUT: "it had no part in a fit, though it had been seen",
}
"""How settings and a published value are related, and what each word says of the value."""


@dataclass(frozen=True)
class Fit:
    """How the settings behind a value and the published one are related: one of `RELATIONS`, and why."""

    relation: str
    why: str


@dataclass(frozen=True)
class Reading:
    """A number under one reading of the paper, with its 95 % interval where there is one."""

    name: str
    measured: float
    low: float = NAN
    high: float = NAN


@dataclass(frozen=True)
class Case:
    """Whether a claim holds in one place, such as on one trace.

    Attributes:
        name: The place.
        holds: Whether it holds, by the means.
        separated: Whether it holds and the 95 % intervals do not meet.
        numbers: The numbers, as text.
    """

    name: str
    holds: bool
    separated: bool
    numbers: str


@dataclass(frozen=True)
class Evidence:
    """What a measure returns; one of `readings`, `cases` and `cells` is filled, or `missing`.

    Attributes:
        readings: Numbers, one per reading of the paper.
        cases: Where the claim holds and where it does not.
        cells: Several values by name, as text.
        follows: What follows from the paper's own numbers, for a check of the paper against itself.
        seeds: Over how many seeds or repeats, at most; None where nothing is drawn.
        data: What it was measured on, and whether that is real.
        missing: Why there is nothing to judge, else empty.
    """

    readings: tuple[Reading, ...] = ()
    cases: tuple[Case, ...] = ()
    cells: Mapping[str, str] = field(default_factory=dict)
    follows: str = ""
    seeds: int | None = None
    data: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Judgement:
    """A verdict and why."""

    verdict: str
    reason: str


Rule = Callable[[Evidence, Any], Judgement]
"""A rule judges evidence beside what is published."""


def within(evidence: Evidence, published: float, *, points: float = 0) -> Judgement:
    """Judge a number: *reproduced* if it is at most `points` off, *partly* if twice that (see `judge_distance`)."""

    def compare(value: Reading) -> str:
        off = f" is {abs(value.measured - published):.3g} off {published:.4g}"
        return f"{off}, too vague to tell" if is_vague(value, points) else off

    verdicts = [judge_distance(each, published, points) for each in evidence.readings]
    return _combine(evidence.readings, verdicts, f" (tolerance {points:.3g})", compare)


def describe_rule(rule: Rule) -> str:
    """Return what a rule does, in its own words, with the bounds that it was given."""
    plain_rule, bounds = (rule.func, rule.keywords) if isinstance(rule, partial) else (rule, {})
    text = " ".join((getdoc(plain_rule) or "").replace("*", "").split())
    text = re.sub(r" \(see `\w+`\)", "", text)
    return re.sub(r"`(\w+)`", lambda name: f"{bounds[name[1]]:g}" if name[1] in bounds else name[1], text)


def near(points: float) -> Rule:
    """Return the rule `within` for a tolerance."""
    return partial(within, points=points)


def judge_distance(value: Reading, published: float, tolerance: float) -> str:
    """Return the verdict on one number by the rule `within`.

    *Reproduced* if it is within the tolerance and known to within twice the tolerance (by its interval, where it has
    one); *partly* if it is not known so well, if it is within twice the tolerance, or if its interval reaches into the
    tolerance; else *not reproduced*.
    """
    gap = abs(value.measured - published)
    if _at_most(gap, tolerance) and not is_vague(value, tolerance):
        return REPRODUCED
    reaches = value.low <= published + tolerance and value.high >= published - tolerance
    return PARTLY if reaches or _at_most(gap, 2 * tolerance) else NOT


def is_vague(value: Reading, tolerance: float) -> bool:
    """Return whether a number is not known to within twice the tolerance; one without an interval is taken as known."""
    return not isnan(value.low) and not _at_most((value.high - value.low) / 2, 2 * tolerance)


def above(evidence: Evidence, published: float) -> Judgement:
    """Judge "more than": *reproduced* if the whole interval exceeds the published number, *partly* if some of it does.

    Without an interval the number itself decides.
    """
    verdicts = []
    for each in evidence.readings:
        low, high = (each.measured, each.measured) if isnan(each.low) else (each.low, each.high)
        verdicts.append(REPRODUCED if low > published else PARTLY if high > published else NOT)
    return _combine(evidence.readings, verdicts, f", against more than {published:,g}")


def below(evidence: Evidence, published: Any, *, bound: float) -> Judgement:
    """Judge what the paper gives no number for: *reproduced* if ours is below a stated bound."""
    verdicts = [REPRODUCED if each.measured < bound else NOT for each in evidence.readings]
    return _combine(evidence.readings, verdicts, f"; below {bound:g} counts")


def same(evidence: Evidence, published: Mapping[str, Any]) -> Judgement:
    """Judge several values by name: *reproduced* if all are alike, *partly* if more than half are."""
    cells = {name: evidence.cells.get(name, "nothing") for name in published}
    others = [
        f"{name}: {cells[name]}, not {plain(each)}" for name, each in published.items() if cells[name] != plain(each)
    ]
    alike = len(cells) - len(others)
    text = "; ".join([f"{alike} of {len(cells)} cells are alike", *others])
    return Judgement(_grade(alike, len(cells), not others), text)


def ranked(evidence: Evidence, published: Any) -> Judgement:
    """Judge a ranking: *reproduced* if no intervals meet, *partly* if its means hold in most places."""
    held, total = _held(evidence)
    separated = sum(each.separated for each in evidence.cases)
    apart = f"; with intervals that do not meet: {separated} of {held}" if held else ""
    return Judgement(_grade(held, total, separated == total), f"{_list_cases(evidence.cases)}{apart}")


def everywhere(evidence: Evidence, published: Any) -> Judgement:
    """Judge a statement on cases without intervals: *reproduced* if it holds in all, *partly* in more than half."""
    held, total = _held(evidence)
    return Judgement(_grade(held, total, held == total), _list_cases(evidence.cases))


def on_traces(evidence: Evidence, published: Any, *, alpha: float = 0.05) -> Judgement:
    """Judge a statement on request traces, each taken as a data set of its own.

    *Reproduced* if it holds on so many that it is significant (one-sided sign test at `alpha`; for .05 it takes five
    traces), *partly* if it holds on more than half; else *not reproduced*.
    """
    held, total = _held(evidence)
    p = sum(comb(total, count) for count in range(held, total + 1)) / 2**total
    return Judgement(_grade(held, total, p < alpha), f"{_list_cases(evidence.cases)}; sign test, p = {p:.2g}")


def consistent(evidence: Evidence, published: Any) -> Judgement:
    """Judge a paper by its own numbers: *contradicted by the paper itself* if they disagree, else *reproduced*."""
    (check,) = evidence.cases
    return Judgement(REPRODUCED if check.holds else CONTRADICTED, check.numbers)


def untestable(evidence: Evidence, published: Any) -> Judgement:
    """Judge what cannot be measured: *not testable here*."""
    return Judgement(UNTESTABLE, evidence.missing)


def judge(rule: Rule, evidence: Evidence, published: Any) -> Judgement:
    """Judge evidence by a rule; what is missing is not testable by any."""
    return (untestable if evidence.missing else rule)(evidence, published)


def plain(value: Any) -> str:
    """Return a value as text, a number without needless digits."""
    return f"{float(value):.10g}" if isinstance(value, Real) and not isinstance(value, bool) else str(value)


def _combine(
    readings: Sequence[Reading], verdicts: list[str], end: str, compare: Callable[[Reading], str] = lambda _: ""
) -> Judgement:
    """Return the verdict over several readings of the paper, with the numbers of each."""
    parts = [
        (f"{each.name}: " if each.name else "")
        + f"{each.measured:,.4g}"
        + ("" if isnan(each.low) else f" ({each.low:,.4g} to {each.high:,.4g})")
        + compare(each)
        for each in readings
    ]
    if len(readings) > 1:
        end += f"; {REPRODUCED} under {verdicts.count(REPRODUCED)} of {len(readings)} readings"
    return Judgement(verdicts[0] if len(set(verdicts)) == 1 else PARTLY, "; ".join(parts) + end)


def _held(evidence: Evidence) -> tuple[int, int]:
    return sum(each.holds for each in evidence.cases), len(evidence.cases)


def _grade(held: int, total: int, proven: bool) -> str:
    return REPRODUCED if proven else PARTLY if 2 * held > total else NOT


def _at_most(gap: float, tolerance: float) -> bool:
    return gap <= tolerance * (1 + 1e-9)


def _list_cases(cases: Sequence[Case]) -> str:
    if len(cases) == 1:
        return f"{'holds' if cases[0].holds else 'does not hold'}: {_place(cases[0])}"
    held, lost = ([_place(each) for each in cases if each.holds is holds] for holds in (True, False))
    text = f"holds in {len(held)} of {len(cases)}{': ' if held else ''}{', '.join(held)}"
    return f"{text}; not in {', '.join(lost)}" if lost else text


def _place(case: Case) -> str:
    return f"{case.name} ({case.numbers})" if case.name and case.numbers else case.name or case.numbers
