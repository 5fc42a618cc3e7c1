"""The rules of the claims audit: from what is published and what was found to a verdict and its reason.

A verdict is never written by hand; it is one of `audit.VERDICTS` and follows from the rule that the claim names:

- `within`, a number: *reproduced* if ours is within the tolerance of the published one, and known to within twice the
  tolerance (by its 95 % interval, where it has one); *partly* if it is not known so well, if it is within twice the
  tolerance, or if its interval reaches into the tolerance; else *not reproduced*.
- `above`, "more than": *reproduced* if the whole interval exceeds what is published, *partly* if only some of it does.
- `below`, for what the paper gives no number of: *reproduced* if ours stays under the stated bound.
- `same`, cells: *reproduced* if all are alike, *partly* if more than half are.
- `order`, a ranking of means with intervals: *reproduced* if it holds everywhere with intervals that do not meet;
  *partly* if it holds in the means in more than half of the places; else *not reproduced*.
- `every`, a statement on some cases without intervals: *reproduced* if it holds in all, *partly* in more than half.
- `traces`, a ranking over request traces, each taken as a data set of its own: *reproduced* if it holds on so many that
  coins would seldom do so (one-sided sign test at `alpha`; for .05 it takes five traces), *partly* if it holds on
  more than half; else *not reproduced*.
- `consistent`, the paper's own numbers: *contradicted by the paper itself* if they disagree, else *reproduced*.
- `untestable`: *not testable here*.

Where the paper can be read in several ways, each reading is judged: *reproduced* if it is under all of them, *not
reproduced* if it is under none, not even partly; else *partly*. What is not among the results of a profile is *not
testable here*. Whether settings were fitted on the published value does not change the verdict; it stands beside it,
and reproduced values are counted apart by it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from scipy.stats import binomtest

from edgeresearch.paper.claims.audit import CONTRADICTED, UNTESTABLE
from edgeresearch.paper.claims.models import Rule
from edgeresearch.paper.claims.sources import Finding, Outcome, Value
from edgeresearch.paper.claims.values import number, plain
from edgeresearch.paper.verdicts_b import NOT, PARTLY, REPRODUCED


@dataclass(frozen=True)
class Judgement:
    """A verdict and why."""

    verdict: str
    reason: str


def judge(rule: Rule, published: Any, finding: Finding) -> Judgement:
    """Judge what was found.

    Args:
        rule: The claim's.
        published: The published value, looked up; cells by name for `same`, unless the finding has them.
        finding: What the claim's source gave.
    """
    if finding.missing:
        return Judgement(UNTESTABLE, finding.missing)
    return _JUDGES[rule.name](rule, published, finding)


def tolerance(rule: Rule, published: float) -> float:
    """Return how far a number may be from the published one.

    Raises:
        InputError: The rule names a value that does not exist.
    """
    if rule.points is not None:
        return number(rule.points)
    if rule.percent is not None:
        return abs(published) * number(rule.percent) / 100
    return abs(1 - published) * number(rule.rest_percent or 0) / 100


def within(value: Value, published: float, tolerance: float) -> str:
    """Judge one number by the rule `within`."""
    gap = abs(value.measured - published)
    if _at_most(gap, tolerance) and not vague(value, tolerance):
        return REPRODUCED
    reaches = value.low <= published + tolerance and value.high >= published - tolerance
    return PARTLY if reaches or _at_most(gap, 2 * tolerance) else NOT


def vague(value: Value, tolerance: float) -> bool:
    """Return whether a number is not known to within twice the tolerance; one without an interval is taken as known."""
    return value.low == value.low and not _at_most((value.high - value.low) / 2, 2 * tolerance)


def above(value: Value, published: float) -> str:
    """Judge one number by the rule `above`; without an interval the number itself decides."""
    low = value.measured if value.low != value.low else value.low
    high = value.measured if value.high != value.high else value.high
    return REPRODUCED if low > published else PARTLY if high > published else NOT


def most(outcomes: tuple[Outcome, ...], good: str) -> str:
    """Judge outcomes: all of them `good` (`holds` or `apart`), or holding in more than half."""
    if all(getattr(each, good) for each in outcomes):
        return REPRODUCED
    return PARTLY if 2 * sum(each.holds for each in outcomes) > len(outcomes) else NOT


def chance(outcomes: tuple[Outcome, ...]) -> float:
    """Return the probability that coins hold as often or more often (one-sided sign test)."""
    held = sum(each.holds for each in outcomes)
    return float(binomtest(held, len(outcomes), alternative="greater").pvalue)


def together(verdicts: Sequence[str]) -> str:
    """Return the verdict over several readings of the paper."""
    return verdicts[0] if len(set(verdicts)) == 1 else PARTLY


def _at_most(gap: float, tolerance: float) -> bool:
    return gap <= tolerance * (1 + 1e-9)


def _within(rule: Rule, published: Any, finding: Finding) -> Judgement:
    goal = float(published)
    allowed = tolerance(rule, goal)
    verdicts = [within(each, goal, allowed) for each in finding.values]
    parts = [
        f"{_named(each)}{each.measured:.4g}{_span(each)} is {abs(each.measured - goal):.3g} off {goal:.4g}"
        + (", too vague to tell" if vague(each, allowed) else "")
        for each in finding.values
    ]
    return Judgement(together(verdicts), f"{'; '.join(parts)} (tolerance {allowed:.3g}){_readings(verdicts)}")


def _above(rule: Rule, published: Any, finding: Finding) -> Judgement:
    goal = float(published)
    verdicts = [above(each, goal) for each in finding.values]
    parts = [f"{_named(each)}{each.measured:,.4g}{_span(each)}" for each in finding.values]
    return Judgement(together(verdicts), f"{'; '.join(parts)}, against more than {goal:,g}{_readings(verdicts)}")


def _below(rule: Rule, published: Any, finding: Finding) -> Judgement:
    bound = float(rule.bound or 0)
    verdicts = [REPRODUCED if each.measured < bound else NOT for each in finding.values]
    parts = [f"{_named(each)}{each.measured:.4g}" for each in finding.values]
    return Judgement(together(verdicts), f"{'; '.join(parts)}; below {bound:g} counts{_readings(verdicts)}")


def _same(rule: Rule, published: Any, finding: Finding) -> Judgement:
    wanted = {name: plain(each) for name, each in (finding.published or published).items()}
    alike = [name for name, each in wanted.items() if finding.cells.get(name) == each]
    others = [
        f"{name}: {finding.cells.get(name, 'nothing')}, not {each}"
        for name, each in wanted.items()
        if name not in alike
    ]
    outcomes = tuple(Outcome(name, name in alike, False, "") for name in wanted)
    return Judgement(most(outcomes, "holds"), "; ".join([f"{len(alike)} of {len(wanted)} cells are alike", *others]))


def _order(rule: Rule, published: Any, finding: Finding) -> Judgement:
    apart = sum(each.apart for each in finding.outcomes)
    text = _counted(finding.outcomes)
    held = sum(each.holds for each in finding.outcomes)
    if held:
        text += f"; with intervals that do not meet: {apart} of {held}"
    return Judgement(most(finding.outcomes, "apart"), text)


def _every(rule: Rule, published: Any, finding: Finding) -> Judgement:
    return Judgement(most(finding.outcomes, "holds"), _counted(finding.outcomes))


def _traces(rule: Rule, published: Any, finding: Finding) -> Judgement:
    by_chance = chance(finding.outcomes)
    verdict = most(finding.outcomes, "holds")
    if by_chance < rule.alpha:
        verdict = REPRODUCED
    elif verdict == REPRODUCED:
        verdict = PARTLY
    return Judgement(verdict, f"{_counted(finding.outcomes)}; coins would do so with p = {by_chance:.2g}")


def _consistent(rule: Rule, published: Any, finding: Finding) -> Judgement:
    assert finding.check is not None  # the models allow no other source
    return Judgement(REPRODUCED if finding.check.agrees else CONTRADICTED, finding.check.says)


_JUDGES: Mapping[str, Callable[[Rule, Any, Finding], Judgement]] = MappingProxyType(
    {
        "within": _within,
        "above": _above,
        "below": _below,
        "same": _same,
        "order": _order,
        "every": _every,
        "traces": _traces,
        "consistent": _consistent,
    }
)


def _named(value: Value) -> str:
    return f"{value.name}: " if value.name else ""


def _span(value: Value) -> str:
    return "" if value.low != value.low else f" ({value.low:.4g} to {value.high:.4g})"


def _readings(verdicts: Sequence[str]) -> str:
    if len(verdicts) == 1:
        return ""
    return f"; {REPRODUCED} under {sum(each == REPRODUCED for each in verdicts)} of {len(verdicts)} readings"


def _counted(outcomes: Sequence[Outcome]) -> str:
    """What holds where, with the numbers."""
    if len(outcomes) == 1:
        (only,) = outcomes
        return f"{'holds' if only.holds else 'does not hold'}: {_place(only)}"
    held = [_place(each) for each in outcomes if each.holds]
    lost = [_place(each) for each in outcomes if not each.holds]
    text = f"holds in {len(held)} of {len(outcomes)}"
    text += f": {', '.join(held)}" if held else ""
    return f"{text}; not in {', '.join(lost)}" if lost else text


def _place(outcome: Outcome) -> str:
    return f"{outcome.name} ({outcome.shown})" if outcome.name and outcome.shown else outcome.name or outcome.shown
