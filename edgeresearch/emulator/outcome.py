"""What one run of a policy on a testbed leaves behind."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from edgeresearch.emulator.emulation import Result
from edgeresearch.emulator.mesh import Mesh
from edgeresearch.emulator.workload import Job


@dataclass(frozen=True)
class Outcome:
    """One emulation.

    Attributes:
        policy: Name of what decided.
        mesh: Where it ran.
        jobs: Its streams.
        result: What it gave.
        seconds: How long it was, in virtual time.
        listens: Whether the policy's nodes exchange their availability.
        learns: Whether the policy's nodes tell each other what they learn from trainings.
    """

    policy: str
    mesh: Mesh
    jobs: Sequence[Job]
    result: Result
    seconds: float
    listens: bool = True
    learns: bool = True

    def triggers(self) -> pd.DataFrame:
        """Return one row per trigger: the log, with `period` and the layer that ran it (empty if none)."""
        table = self.result.log.frame()
        table["period"] = np.array([job.period for job in self.jobs])[table["job"]]
        layers = np.array([node.layer for node in self.mesh.nodes])[table["node"]]
        table["layer"] = np.where(table["end"] == "finished", layers, "")
        return table


def shares(triggers: pd.DataFrame) -> dict[str, float]:
    """Return what became of triggers that were not dropped, in percent and hops.

    Args:
        triggers: One row each, as `Outcome.triggers` returns them, of one run or several.

    Returns:
        `lost_percent` of all, whose node left; of those that ran: `late_percent`, complete after their period,
        `mean_hops`, and `local_percent`, run at their source.
    """
    ran = triggers[triggers["end"] != "dropped"]
    return {
        "lost_percent": 100 * float(triggers["end"].eq("lost").mean()),
        "late_percent": 100 * float((ran["complete"] > ran["period"]).mean()),
        "mean_hops": float(ran["hops"].mean()),
        "local_percent": 100 * float(ran["hops"].eq(0).mean()),
    }
