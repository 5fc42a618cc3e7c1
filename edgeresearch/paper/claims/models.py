"""What an entry of `claims.yaml` may say: a claim, where its value comes from, the rule that judges it."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from edgeresearch.settings import Section

Plain = str | int | float | bool


class Not(Section):
    """Every value of a column but one, or but several."""

    other: Plain | tuple[Plain, ...] = Field(alias="not")

    @property
    def others(self) -> tuple[Plain, ...]:
        """The values that are not meant."""
        return self.other if isinstance(self.other, tuple) else (self.other,)


Rows = dict[str, Plain | tuple[Plain, ...] | Not]
"""Which rows of a table are meant: by column a value, several values, or all values but some."""

Combine = Literal["only", "sum", "min", "max", "spread"]
"""What several rows become: `only` wants exactly one, `spread` is the largest less the smallest."""

Data = Literal["traces", "emulated", "service", "trainings", "module", "series", "streams"]
"""What a source was measured on; see `claim_results.described`."""


class Selection(Section):
    """What all sources share that select rows of a table.

    Attributes:
        table: Path from the project folder, CSV or Parquet.
        rows: Which of its rows.
        value: A column, or a name in `claim_results.DERIVED`.
        interval: Columns of the lower and upper end of the 95 % interval.
        seeds: The column, or the key of the settings, that tells over how many seeds or repeats.
        data: What it was measured on.
    """

    table: str
    rows: Rows = {}
    value: str
    interval: tuple[str, str] | None = None
    seeds: str | None = None
    data: Data = "traces"


class Cell(Selection):
    """One number of a table, or the same number under several readings of the paper.

    Attributes:
        combine: What several rows become.
        minus: Rows whose value is taken off.
        readings: By name what else selects the rows of each reading.
    """

    take: Literal["cell"]
    combine: Combine = "only"
    minus: Rows | None = None
    readings: dict[str, Rows] = {}


class Order(Selection):
    """Numbers of a table that a claim puts in order, once or for every value of a column.

    Attributes:
        sequence: What selects the rows of each number, the lowest first.
        each: The column.
        descending: Whether the highest comes first instead.
        first: Whether only the first is set against all others, not each against the next.
        combine: What several rows become.
    """

    take: Literal["order"]
    sequence: Annotated[tuple[Rows, ...], Field(min_length=2)]
    each: str | None = None
    descending: bool = False
    first: bool = False
    combine: Combine = "only"


class Count(Selection):
    """Rows of a table that a claim holds on.

    Attributes:
        each: Column that names a row.
        equals: The value that it must have, or
        above: the number that it must exceed, or
        below: the number that it must stay under.
        real: Whether rows of synthetic stand-ins do not count.
    """

    take: Literal["count"]
    each: str
    equals: Plain | None = None
    above: float | None = None
    below: float | None = None
    real: bool = False

    @model_validator(mode="after")
    def _one_test(self) -> "Count":
        if sum(each is not None for each in (self.equals, self.above, self.below)) != 1:
            raise ValueError("say one of equals, above, below")
        return self


class Pairs(Section):
    """Cells of one row beside the published ones, which the table has in columns of their own (`published X`)."""

    take: Literal["pairs"]
    table: str
    rows: Rows
    columns: tuple[str, ...]


class Json(Section):
    """A number in a JSON file, or its ratio to another one.

    Attributes:
        file: Path from the project folder.
        at: Keys and positions that lead to it.
        over: Those of what it is divided by.
        readings: Keys put in front, by the name of the reading.
        data: What it was measured on.
    """

    take: Literal["json"]
    file: str
    at: tuple[str | int, ...]
    over: tuple[str | int, ...] = ()
    readings: dict[str, tuple[str | int, ...]] = {}
    data: Data


class Setting(Section):
    """What the settings say, such as `elastic.clusters.edge`."""

    take: Literal["setting"]
    key: str


class Paper(Section):
    """Arithmetic over the paper's own numbers: a function of `claim_formulas` and its arguments."""

    take: Literal["paper"]
    formula: str
    given: dict[str, Any] = {}


class Nothing(Section):
    """No source, for a reason that is known to `claim_results.LACKS`."""

    take: Literal["nothing"]
    lacks: str


Source = Annotated[Cell | Order | Count | Pairs | Json | Setting | Paper | Nothing, Field(discriminator="take")]

RULES: dict[str, tuple[str, ...]] = {
    "within": ("cell", "json", "setting"),
    "above": ("cell", "json"),
    "below": ("cell", "json"),
    "same": ("pairs", "setting"),
    "order": ("order",),
    "every": ("order", "count"),
    "traces": ("order", "count"),
    "consistent": ("paper",),
    "untestable": ("nothing",),
}
"""Each rule of `claim_rules`, and the sources that it can judge."""


class Rule(Section):
    """How a claim is judged; the rules are told in `claim_rules`.

    Attributes:
        name: One of `RULES`.
        points: Tolerance of `within`, in the unit of the value, or
        percent: in percent of the published value, or
        rest_percent: in percent of what the published value leaves to 1. Each a number or a name (`claim_values`).
        bound: What `below` must stay under.
        alpha: Significance that `traces` asks for.
    """

    name: Literal["within", "above", "below", "same", "order", "every", "traces", "consistent", "untestable"]
    points: float | str | None = None
    percent: float | str | None = None
    rest_percent: float | str | None = None
    bound: float | None = None
    alpha: float = 0.05

    @model_validator(mode="after")
    def _own_numbers(self) -> "Rule":
        given = [each for each in (self.points, self.percent, self.rest_percent) if each is not None]
        if len(given) != (self.name == "within"):
            raise ValueError("within takes one of points, percent, rest_percent, and no other rule does")
        if (self.bound is not None) != (self.name == "below"):
            raise ValueError("below takes a bound, and no other rule does")
        return self


class Fit(Section):
    """Whether the settings behind a value were chosen with the published one in view; one of these.

    Attributes:
        streams: Fitted if these streams of Paper B are in `los.fitted`, else held out.
        target: Fitted if a name that starts so is in `paper_b.FITTED`, else held out.
        fitted: Fitted, and why.
        held_out: Held out, and why.
        set: Put in as a setting, and which.
    """

    streams: int | None = None
    target: Annotated[str, Field(pattern=r"^(drop|hops|limit|plateau|residual)(_\d+)*$")] | None = None
    fitted: str | None = None
    held_out: str | None = None
    set: str | None = None

    @model_validator(mode="after")
    def _one(self) -> "Fit":
        if len(self.model_fields_set) != 1:
            raise ValueError("say one of streams, target, fitted, held_out, set")
        return self


class Claim(Section):
    """A number, ranking or sentence of a paper, and how it is checked. There is no field for a verdict.

    Attributes:
        id: Such as `A-T2-RF-MSE`.
        paper: Which.
        where: Its place, such as `Table 2`.
        kind: What it is.
        claim: What the paper says, in other words, one sentence.
        published: Its value: a number, words, cells by name, or the name of a value (`claim_values`).
        unit: Of the value.
        source: Where ours comes from.
        rule: What makes the verdict of the two.
        fit: Whether settings were chosen with the published value in view.
        stage: The stage of the pipeline that makes our value.
        figure: Path of the figure that shows it.
        notebook: Name of the notebook that shows it.
        caveat: What a reader must know beside the verdict.
    """

    id: Annotated[str, Field(pattern=r"^[AB](-[A-Z0-9]+)+$")]
    paper: Literal["A", "B"]
    where: str
    kind: Literal["number", "ranking", "statement", "contradiction"]
    claim: str
    published: str | float | dict[str, Plain] | None = None
    unit: str = ""
    source: Source
    rule: Rule
    fit: Fit | None = None
    stage: str
    figure: str | None = None
    notebook: str | None = None
    caveat: str = ""

    @model_validator(mode="after")
    def _fits_together(self) -> "Claim":
        if self.source.take not in RULES[self.rule.name]:
            raise ValueError(f"the rule {self.rule.name} judges {', '.join(RULES[self.rule.name])}")
        if self.kind == "contradiction" and self.rule.name != "consistent":
            raise ValueError("a contradiction is judged by the rule consistent")
        if self.rule.name in ("within", "above") and self.published is None:
            raise ValueError(f"the rule {self.rule.name} needs a published value")
        if not self.id.startswith(f"{self.paper}-"):
            raise ValueError(f"the id must start with {self.paper}-")
        return self
