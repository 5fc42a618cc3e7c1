"""The published figures and tables of both papers, each with where what was made here lies."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A published figure or table, and where what was made here lies.

    Attributes:
        paper: Its letter.
        name: As the paper's claims name it, such as `Fig. 5`.
        title: What it shows.
        text: What a reader must know.
        drawings: Below `reports/figures`, without suffix; `{forecast}` and `{elastic}` are the trace that is shown.
        tables: Names in `printed`.
        notebook: Name of the notebook's page, with the same fields.
        stage: What makes it, in `dvc.yaml`.
    """

    paper: str
    name: str
    title: str
    text: str = ""
    drawings: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    notebook: str = ""
    stage: str = ""

    @property
    def anchor(self) -> str:
        """Where the report shows it, and what its figure is called among the exports."""
        return re.sub(r"[^a-z0-9]+", "-", f"paper {self.paper} {self.name}".casefold()).strip("-")


_A, _E = "10-forecasting-{forecast}", "11-elastic-{elastic}"

PLACES = (
    Place(
        "A", "Fig. 1", "The architecture of the LSTM",
        "Drawn from the shapes that a batch has on its way through the very network that is trained.",
        ("forecast/{forecast}/figure1",), (), _A, "figure1",
    ),
    Place(
        "A", "Table 1", "The clusters",
        "The experiment runs on these settings: a pod takes a core of the edge cluster.",
        (), ("a-table1",), _E, "notebook-elastic",
    ),
    Place(
        "A", "Table 2", "Errors of the forecasters",
        "The paper's trace was never published: its values can be compared in order and ratio only. Beside them stands "
        "a synthetic trace calibrated to them, and real ones.",
        ("forecast/{forecast}/table2", "table2/relative_mse_1"), ("a-table2", "a-table2-traces"), _A, "table2",
    ),
    Place(
        "A", "Fig. 2", "CPU use of the edge service over time",
        "The paper shows a curve without its data; what it says in numbers is its range.",
        ("elastic/{elastic}/figure2_cpu",), (), _E, "notebook-elastic",
    ),
    Place(
        "A", "Fig. 3", "Memory use of the edge service over time",
        "As with Fig. 2, the paper gives a range.",
        ("elastic/{elastic}/figure3_memory",), (), _E, "notebook-elastic",
    ),
    Place(
        "A", "Table 3", "Error rates of the scaling strategies",
        "In the paper it is captioned “Table 2” a second time. Settings were calibrated to its nine cells together, "
        "with a forecast of the accuracy that the paper states; none has a setting of its own.",
        ("elastic/{elastic}/table3",), ("a-table3",), _E, "table3",
    ),
    Place("B", "Table I", "The instances of the testbed", "", (), ("b-table1",), "20-testbed", "tables-los"),
    Place(
        "B", "Fig. 1", "The testbed", "Drawn from the mesh that is emulated.",
        ("los/testbed/figure1",), (), "20-testbed", "notebook-testbed",
    ),
    Place(
        "B", "Fig. 2", "A search through neighbourhoods", "One search of a simulated run, as it went.",
        ("los/testbed/figure2",), (), "20-testbed", "notebook-testbed",
    ),
    Place(
        "B", "Fig. 3", "The parts of an edge manager", "Drawn from the classes that the emulator runs.",
        ("los/testbed/figure3",), (), "20-testbed", "notebook-testbed",
    ),
    Place(
        "B", "Fig. 4", "Latencies while nodes move", "The paper shows an example and states no numbers.",
        ("los/latency/figure4",), (), "21-latency", "notebook-latency",
    ),
    Place(
        "B", "Fig. 5", "CPU limits, training times and residuals",
        "Simulated, training by training, under both rules that the paper states.",
        ("los/limits/figure5",), ("b-fig5",), "22-limits", "limits",
    ),
    Place(
        "B", "Fig. 6", "How often a training is handed over",
        "Simulated. The paper does not say what its shares are of; the table is of all that looked for a place.",
        ("los/scheduling/figure6",), ("b-fig6",), "23-scheduling", "scheduling",
    ),
    Place(
        "B", "Fig. 7", "Dropped trainings",
        "Simulated. Published values that were held out had no part in the choice of settings.",
        ("los/scheduling/figure7",), ("b-fig7", "b-triggers"), "23-scheduling", "scheduling",
    ),
)  # fmt: skip
"""Every figure and table of both papers, in their order."""


def names(place: Place, traces: Mapping[str, str], claimed: Sequence[str]) -> list[str]:
    """Return the names of the figures of a published one: of the trace that is shown, then those that claims name.

    Args:
        place: The published figure or table.
        traces: The trace that is shown, by room.
        claimed: Names of figures that claims rest on, such as the same of another trace.
    """
    shown = [each.format(**traces) for each in place.drawings]
    patterns = [re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(each)) for each in place.drawings]
    more = [each for each in claimed if any(re.fullmatch(pattern, each) for pattern in patterns)]
    return list(dict.fromkeys([*shown, *more]))
