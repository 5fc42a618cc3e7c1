"""The tables that a pipeline stage makes by name; each imports only what it is made of."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from edgeresearch.errors import InputError, nearest
from edgeresearch.io import write_csv, write_json
from edgeresearch.papers import paper_a
from edgeresearch.papers.contradictions import contradictions

NAMES = ("table2", "figure1", "table3", "los", "claims")

SECTIONS: Mapping[str, str] = MappingProxyType({"table3": "elastic", "los": "los"})
"""The section of the settings that a table is of; `forecast` where it is not named."""

TIMINGS = Path("data") / "measured" / "fit_seconds.csv"
"""CPU seconds, measured now and then (`make timings`), in the project folder."""


def part(name: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a table needs of all settings as plain values: its section, or everything for the claims."""
    if name == "claims":
        return settings
    section: Mapping[str, Any] = settings[SECTIONS.get(name, "forecast")]
    return section


def write(name: str, reports: str | Path, settings: Mapping[str, Any]) -> None:
    """Make one table, with the figures that span all traces where there are any.

    Args:
        name: One of `NAMES`.
        reports: Folder of the reports in the project folder.
        settings: Its part of the settings, see `part`.

    Raises:
        InputError: The name is unknown, what the table is made of is missing, or a file cannot be written.
    """
    reports = Path(reports)
    if name == "table2":
        write_table2(settings["traces"], settings["horizons"], reports, reports.absolute().parent / TIMINGS)
    elif name == "table3":
        from edgeresearch.papers import elastic_a

        elastic_a.write_table3(settings["traces"], reports)
    elif name == "los":
        from edgeresearch.papers.paper_b.tables import write_tables
        from edgeresearch.papers.settings import SchedulingStudy

        write_tables(SchedulingStudy(**settings), reports)
    elif name == "claims":
        from edgeresearch.papers.claims.audit import write_claims

        write_claims(reports.absolute().parent, reports, settings)
    elif name == "figure1":
        from edgeresearch.papers import architecture

        architecture.write(
            reports / "tables" / "figure1_architecture.json",
            window=settings["window"],
            hidden=settings["lstm_paper"]["hidden"],
            targets=len(settings["horizons"]),
            batch=settings["lstm_paper"]["batch"],
        )
    else:
        raise InputError(f"unknown table {name!r}{nearest(name, NAMES)}; known: {', '.join(NAMES)}")


def write_table2(names: Sequence[str], horizons: Sequence[int], reports: Path, timings: Path) -> pd.DataFrame:
    """Join the scores of some traces into the files of Paper A, Table 2.

    Args:
        names: The traces; what lies there of others is left out.
        horizons: Steps ahead; each gets a figure.
        reports: Folder of the reports; holds `tables/forecast/<trace>.csv`.
        timings: CPU seconds; no cell has any where the file is missing.

    Returns:
        Table 2.

    Raises:
        InputError: A trace's scores are missing or unreadable, or a file cannot be written.
    """
    from edgeresearch.papers import figures_a
    from edgeresearch.plotting import style

    tables = reports / "tables"
    seconds = paper_a.read(timings) if timings.is_file() else None
    table = paper_a.table2([paper_a.read(tables / "forecast" / f"{name}.csv") for name in names], seconds)
    write_csv(table, tables / "table2_forecast.csv")
    write_csv(contradictions(), tables / "table2_contradictions.csv")
    write_csv(paper_a.rankings(table), tables / "table2_rankings.csv")
    write_json(paper_a.summary(table), reports / "metrics" / "forecast.json")
    for horizon in horizons:
        style.save(figures_a.relative_mse(table, horizon), reports / "figures" / "table2" / f"relative_mse_{horizon}")
    return table
