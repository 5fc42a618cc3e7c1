"""The papers' tables in the form in which they are read and pasted: published beside measured, cells as text."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgeresearch.errors import InputError
from edgeresearch.papers.report import printed_a, printed_b
from edgeresearch.papers.report.cells import Missing, Printed

TABLES: Mapping[str, Callable[[Path, Mapping[str, Any]], Printed]] = MappingProxyType(
    {
        "a-table1": printed_a.table1,
        "a-table2": printed_a.table2,
        "a-table2-traces": printed_a.traces,
        "a-table3": printed_a.table3,
        "b-table1": printed_b.table1,
        "b-fig5": printed_b.figure5,
        "b-fig6": printed_b.figure6,
        "b-fig7": printed_b.figure7,
        "b-triggers": printed_b.triggers,
    }
)
"""What makes each table, by its name."""


def printed(reports: Path, settings: Mapping[str, Any]) -> list[Printed | Missing]:
    """Return every table of the papers, in their order; what cannot be made says why.

    Args:
        reports: Folder of the reports.
        settings: All settings as plain values.
    """
    return [_made(name, reports / "tables", settings) for name in TABLES]


def _made(name: str, tables: Path, settings: Mapping[str, Any]) -> Printed | Missing:
    try:
        return TABLES[name](tables, settings)
    except InputError as error:
        return Missing(name, str(error))
