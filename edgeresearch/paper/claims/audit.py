"""What everything that makes or shows the claims audit shares: its file, its words, and how it is read."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.paper.verdicts_b import NOT, PARTLY, REPRODUCED

FILE = "claims.csv"
"""Of the audit, in the folder of the reports."""

COLUMNS = (
    "id", "paper", "where", "kind", "claim", "published", "measured", "low", "high", "seeds", "data", "verdict",
    "reason", "stage", "figure", "notebook", "unit", "fitted",
)  # fmt: skip
"""Of that file."""

CONTRADICTED, UNTESTABLE = "contradicted by the paper itself", "not testable here"

VERDICTS = (REPRODUCED, PARTLY, NOT, CONTRADICTED, UNTESTABLE)
"""All verdicts."""

FITTED, SET, HELD_OUT = "fitted", "set", "held out"
"""How settings and a published value are related: chosen to meet it, put in as it is, or chosen without it."""

RELATIONS = (FITTED, SET, HELD_OUT)
"""Words of the column `fitted`."""

PAPERS: Mapping[str, str] = MappingProxyType(
    {
        "A": "Elastic scheduling of micro-modules on LSTM forecasts",
        "B": "Local-optimistic scheduling of periodic model training",
    }
)
"""What the papers are about, by their letters."""


def read(path: Path) -> pd.DataFrame:
    """Read the audit; text everywhere, empty where a cell is.

    Args:
        path: `reports/claims.csv`.

    Raises:
        InputError: The file is missing or no CSV, has not the columns `COLUMNS`, or a verdict is unknown.
    """
    again = "run edgeresearch table claims or edgeresearch reproduce"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError as error:
        raise InputError(f"no {path}; {again} first") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(f"cannot read {path}: {reason}; {again}") from error
    absent = [name for name in COLUMNS if name not in table]
    if absent:
        raise InputError(f"{path} has no column {', '.join(absent)}; {again}")
    odd = sorted(set(table["verdict"]) - set(VERDICTS))
    if odd:
        raise InputError(f"{path}: unknown verdict {odd[0]!r}; known: {', '.join(VERDICTS)}")
    return table


def unaided(claims: pd.DataFrame) -> int:
    """Return how many claims are reproduced whose value settings were neither fitted on nor set to."""
    return int(((claims["verdict"] == REPRODUCED) & ~claims["fitted"].isin([FITTED, SET])).sum())
