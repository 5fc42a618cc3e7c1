"""How far apart nodes are as they move (Paper B, section VI.A, Fig. 4)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from edgeresearch.emulator.mesh import Mesh
from edgeresearch.emulator.routes import Routes


def latencies(mesh: Mesh, start: int, goals: Mapping[str, int], times: Sequence[float]) -> pd.DataFrame:
    """Return the latency from one node to others over time, one way, along the way that packets take.

    Args:
        mesh: The network.
        start: Number of the node.
        goals: Numbers of the others, by what they are called.
        times: In seconds.

    Returns:
        One row per time and goal: `seconds`, `goal`, `hops` (links on the way), `milliseconds`.

    Raises:
        ValueError: There is no way to a goal.
    """
    rows, routes = [], Routes(mesh)
    for name, goal in goals.items():
        way = routes.path(start, goal)
        links = [mesh.neighbours[one][other] for one, other in zip(way, way[1:], strict=False)]
        far = [1000 * sum(mesh.latency(link, time) for link in links) for time in times]
        rows.append(
            pd.DataFrame({"seconds": np.asarray(times, float), "goal": name, "hops": len(links), "milliseconds": far})
        )
    return pd.concat(rows, ignore_index=True)


def others(mesh: Mesh, start: int) -> dict[str, int]:
    """Return the first node of each layer by its name, `start` itself left out."""
    found: dict[str, int] = {}
    for number, node in enumerate(mesh.nodes):
        if number != start:
            found.setdefault(node.layer, number)
    return found
