"""The tables that a stage of the pipeline makes by name; each imports only what it is made of."""

from pathlib import Path
from typing import TYPE_CHECKING

from edgeresearch.errors import InputError, nearest
from edgeresearch.io import write_json

if TYPE_CHECKING:
    from edgeresearch.config import Params

NAMES = ("table2", "figure1", "table3", "los", "claims")


def write(name: str, reports: str | Path, settings: "Params") -> None:
    """Make one table, with the figures that span all traces where there are any.

    Args:
        name: One of `NAMES`.
        reports: Folder of the reports in the project folder.
        settings: The settings of the study.

    Raises:
        InputError: The name is unknown, what the table is made of is missing, or a file cannot be written.
    """
    reports, forecast = Path(reports), settings.forecast
    if name == "table2":
        from edgeresearch.papers.paper_a.tables import write_table_2

        write_table_2(forecast.traces, forecast.horizons, reports)
    elif name == "table3":
        from edgeresearch.papers.paper_a.tables import write_table_3

        write_table_3(settings.elastic.traces, reports)
    elif name == "figure1":
        from edgeresearch.papers.paper_a.architecture import measure_network

        sizes = {"hidden": forecast.lstm_paper.hidden, "batch": forecast.lstm_paper.batch}
        network = measure_network(window=forecast.window, targets=len(forecast.horizons), **sizes)
        write_json(network, reports / "tables" / "figure1_architecture.json")
    elif name == "los":
        from edgeresearch.papers.paper_b.tables import write_tables

        write_tables(settings.los, reports)
    elif name == "claims":
        from edgeresearch.papers.claims.audit import write_claims

        write_claims(reports.absolute().parent, reports, settings.model_dump())
    else:
        raise InputError(f"unknown table {name!r}{nearest(name, NAMES)}; known: {', '.join(NAMES)}")
