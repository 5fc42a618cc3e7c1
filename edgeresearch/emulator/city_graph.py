"""Places as a graph: which of them are near to each other, and which make up a district."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from edgeresearch.emulator.city_places import Floats

Ints = npt.NDArray[np.int64]


def districts(metres: Floats, size: int) -> Ints:
    """Divide places into compact parts of `size` at most, as even as can be, by halving them along their longer side.

    Args:
        metres: The places, `(nodes, 2)`.
        size: Places of a part at most.

    Returns:
        Number of each place's part.
    """
    found = np.zeros(len(metres), dtype=np.int64)
    parts = [(np.arange(len(metres)), -(-len(metres) // size))]
    number = 0
    while parts:
        here, count = parts.pop()
        if count == 1:
            found[here] = number
            number += 1
            continue
        side = int(np.argmax(np.ptp(metres[here], axis=0)))
        left = count // 2
        here = here[np.argsort(metres[here, side], kind="stable")]
        cut = round(len(here) * left / count)
        parts += [(here[cut:], count - left), (here[:cut], left)]
    return found


def linked(metres: Floats, neighbours: int) -> Ints:
    """Link places with their nearest ones; parts that are cut off reach further, until all is one.

    Args:
        metres: The places, `(nodes, 2)`.
        neighbours: How many each is linked to at least.

    Returns:
        Pairs, the smaller number first, ascending, `(links, 2)`: the graph is connected.
    """
    count = len(metres)
    tree, reach = cKDTree(metres), min(neighbours + 1, count)
    pairs = _pairs(np.arange(count), _near(tree, metres, reach)[1])
    reach = min(4 * reach, count)
    while True:
        graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
        parts, labels = connected_components(graph, directed=False)
        if parts == 1:
            return pairs
        outside = np.flatnonzero(labels != np.argmax(np.bincount(labels)))
        away, near = _near(tree, metres[outside], reach)
        away[labels[near] == labels[outside][:, None]] = np.inf
        closest = away.argmin(axis=1)
        gap, goal = (each[np.arange(len(outside)), closest] for each in (away, near))
        order = np.lexsort((outside, gap, labels[outside]))  # by part, the shortest way out first
        _, first = np.unique(labels[outside][order], return_index=True)
        chosen = order[first][np.isfinite(gap[order[first]])]
        reach = reach if len(chosen) else min(2 * reach, count)
        pairs = _pairs(np.append(pairs[:, 0], outside[chosen]), np.append(pairs[:, 1], goal[chosen])[:, None])


def _near(tree: cKDTree, metres: Floats, count: int) -> tuple[Floats, Ints]:
    """Return distances and numbers of so many nearest places, each `(places, count)`."""
    away, near = tree.query(metres, k=range(1, count + 1))
    return np.asarray(away), np.asarray(near)


def _pairs(ones: Ints, others: Ints) -> Ints:
    """Return each pair of a node and one of those in its row once, the smaller number first, and no loops."""
    pairs = np.sort(np.column_stack([np.repeat(ones, others.shape[1]), others.ravel()]), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)


def numbered(metres: Floats, homes: Ints) -> tuple[Ints, Floats]:
    """Number edge nodes so that streams, which come to them in order, come to the districts in turn.

    Args:
        metres: Places of the edge nodes, `(nodes, 2)`.
        homes: Number of each one's district.

    Returns:
        The order: the outermost of every district, then the next ones; the innermost, which is the gateway, is the last
        of its district. And the districts' middles, `(districts, 2)`.
    """
    count = np.bincount(homes)
    sites = np.column_stack([np.bincount(homes, metres[:, side]) / count for side in (0, 1)])
    away = np.linalg.norm(metres - sites[homes], axis=1)
    order = np.lexsort((-away, homes))
    rank = np.arange(len(homes)) - np.repeat(np.cumsum(count) - count, count)
    return order[np.lexsort((homes[order], rank))], sites


def last(homes: Ints) -> list[int]:
    """Return the last edge node of each district.

    Args:
        homes: Number of each node's district.
    """
    found = np.zeros(int(homes.max()) + 1, dtype=np.int64)
    np.maximum.at(found, homes, np.arange(len(homes)))
    return found.tolist()
