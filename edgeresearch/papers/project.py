"""The study's checkout: its settings, and the places where stages leave results and notebooks find them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from edgeresearch.errors import check_known
from edgeresearch.io import atomic, read_table, write_csv, write_json
from edgeresearch.settings import check_seed

if TYPE_CHECKING:
    from IPython.display import Image
    from matplotlib.figure import Figure

    from edgeresearch.autoscaling.experiment import ExperimentResult
    from edgeresearch.config import Params
    from edgeresearch.forecasting.evaluation import Comparison

TABLES = ("table2", "figure1", "table3", "los", "claims")
"""What `write_table` makes."""


@dataclass(frozen=True)
class Project:
    """A checkout in which notebooks run.

    Attributes:
        home: Its folder.
        settings: What `params.yaml` says.
        seed: Root of all randomness.
        results: Folder of the tables that the pipeline wrote; None if a notebook runs its experiment itself.
        figures: Folder that gets the figures; None if they are only shown.
    """

    home: Path
    settings: "Params"
    seed: int
    results: Path | None = None
    figures: Path | None = None

    @property
    def data(self) -> Path | None:
        """The data folder, where `edgeresearch data` has filled it."""
        folder = self.home / self.settings.data.folder
        return folder if folder.is_dir() else None

    def read(self, *names: str) -> dict[str, pd.DataFrame]:
        """Read tables of the pipeline, by the last part of their names.

        Raises:
            InputError: A table is missing.
        """
        assert self.results is not None, "give results=..., the folder of the tables"
        return {Path(name).name: read_table(self.results / f"{name}.csv") for name in names}

    def read_measured(self, name: str) -> pd.DataFrame:
        """Read a table that was measured once and is kept with the code, of `data/measured`."""
        return read_table(self.home / "data" / "measured" / f"{name}.csv")

    def show(self, figure: "Figure", name: str) -> "Image":
        """Show a figure; write it as PNG and SVG, too, if there is a folder for figures."""
        from IPython.display import Image

        from edgeresearch.plotting import style

        if self.figures is not None:
            return Image(style.save(figure, self.figures / name))  # type: ignore[no-untyped-call]
        return Image(style.png(figure))  # type: ignore[no-untyped-call]


def open_project(results: str | None = None, figures: str | None = None, *, seed: int | None = None) -> Project:
    """Open the checkout that holds the present folder.

    Args:
        results: Folder of tables, in the project folder.
        figures: Folder for figures, likewise.
        seed: Root of all randomness; that of `params.yaml` if None.

    Raises:
        InputError: There is no `params.yaml` here or in a folder above.
    """
    from edgeresearch import config

    home = config.find()
    settings = config.load(home / "params.yaml")
    folders = (home / name if name else None for name in (results, figures))
    return Project(home, settings, settings.seed if seed is None else check_seed(seed), *folders)


def write_comparison(comparison: "Comparison", home: str | Path) -> Path:
    """Write scores, choices and forecasts of one trace into a project folder; return the file of the scores."""
    name = comparison.trace.name
    write_csv(comparison.choices, Path(home) / "reports" / "tables" / "choices" / f"{name}.csv")
    return _write("forecast", name, comparison.describe_scores(), comparison.forecasts, Path(home))


def write_scaling(result: "ExperimentResult", home: str | Path) -> Path:
    """Write the table of a trace's replays and their course into a project folder; return the file of the table."""
    return _write("elastic", result.table["trace"].iloc[0], result.table, result.course, Path(home))


def _write(room: str, trace: str, table: pd.DataFrame, course: pd.DataFrame, home: Path) -> Path:
    """Write a table, and what it is of over time, as 32-bit floats; the same results, the same bytes."""
    path = home / "reports" / "tables" / room / f"{trace}.csv"
    write_csv(table, path)
    floats = course.select_dtypes("float").columns
    with atomic(home / "data" / "processed" / room / f"{trace}.parquet") as draft:
        course.astype(dict.fromkeys(floats, "float32")).to_parquet(draft, index=False, compression="zstd")
    return path


def write_table(name: str, reports: str | Path, settings: "Params") -> None:
    """Make one table of `TABLES` in the folder of the reports, with the figures that span all traces, if there are any.

    Raises:
        InputError: The name is unknown, what the table is made of is missing, or a file cannot be written.
    """
    check_known("table", name, TABLES)
    reports, forecast = Path(reports), settings.forecast
    if name == "table2":
        from edgeresearch.papers.paper_a.tables import write_table_2

        write_table_2(forecast.traces, forecast.horizons, reports)
    elif name == "table3":
        from edgeresearch.papers.paper_a.tables import write_table_3

        write_table_3(settings.elastic.traces, reports)
    elif name == "figure1":
        from edgeresearch.papers.paper_a.tables import measure_network

        sizes = {"hidden": forecast.lstm_paper.hidden, "batch": forecast.lstm_paper.batch}
        network = measure_network(window=forecast.window, targets=len(forecast.horizons), **sizes)
        write_json(network, reports / "tables" / "figure1_architecture.json")
    elif name == "los":
        from edgeresearch.papers.paper_b.tables import write_tables

        write_tables(settings.los, reports)
    else:
        from edgeresearch.papers.claims.audit import write_claims

        write_claims(reports.absolute().parent, reports, settings.model_dump())
