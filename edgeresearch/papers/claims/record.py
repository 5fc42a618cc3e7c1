"""What is recorded of a claim."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgeresearch.papers.claims.measures import Measure, Results
from edgeresearch.papers.claims.rules import Rule


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
        fit: Whether settings were chosen with the published value in view, or what tells it from the settings of the
            results; None where it is no matter of settings.
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
