"""What is recorded of a claim."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgeresearch.paper import paper_b
from edgeresearch.papers.claims.measures import Measure, Results
from edgeresearch.papers.claims.rules import Rule
from edgeresearch.papers.claims.table import FITTED, HELD_OUT


@dataclass(frozen=True)
class Fit:
    """How the settings behind a value and the published one are related: one of `table.RELATIONS`, and why."""

    relation: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A number, ranking or sentence of a paper, and how it is checked. There is no field for a verdict.

    Attributes:
        id: Such as `A-T2-RF-MSE`.
        paper: `A` or `B`.
        where: Its place, such as `Table 2`.
        kind: `number`, `ranking`, `statement` or `contradiction`.
        claim: What the paper says, in other words, one sentence.
        published: Its value: a number, words, or several values by name.
        unit: Of the value.
        measure: Where ours comes from.
        rule: What makes a verdict of the two.
        fit: Whether settings were chosen with the published value in view, from the results' settings where it hangs on
            them; None where it is no matter of settings.
        stage: The stage of the pipeline that makes our value.
        figure: Path of the figure that shows it, else empty.
        notebook: Name of the notebook that shows it, else empty.
        caveat: What a reader must know beside the verdict.
    """

    id: str
    paper: str
    where: str
    kind: str
    claim: str
    published: Any
    measure: Measure
    rule: Rule
    stage: str
    unit: str = ""
    fit: Fit | Callable[[Results], Fit] | None = None
    figure: str = ""
    notebook: str = ""
    caveat: str = ""


def fit_of_streams(streams: int) -> Callable[[Results], Fit]:
    """Return whether settings are fitted on Paper B's drop rate with so many streams, by `los.fitted`."""

    def fit(results: Results) -> Fit:
        among = results.setting("los.fitted")
        relation = FITTED if streams in among else HELD_OUT
        return Fit(relation, f"settings are fitted on {', '.join(map(str, among))} streams")

    return fit


def fit_of_target(target: str) -> Fit:
    """Return whether settings were searched that meet a target of Paper B whose name in `paper_b.FITTED` starts so."""
    among = [name for name in paper_b.FITTED if name == target or name.startswith(f"{target}_")]
    if among:
        return Fit(FITTED, f"settings were searched that bring {', '.join(among)} close to the paper's")
    return Fit(HELD_OUT, f"{target} is not among what settings were searched for")
