"""Paper B's Fig. 4: latencies from one edge node to an edge, a fog and a cloud node, while nodes move."""

import pandas as pd
from matplotlib.figure import Figure

from edgeresearch.papers.paper_b.labels import LAYERS
from edgeresearch.plotting import style

LINES = ("-", "--", "-.", ":")


@style.styled
def figure4(latencies: pd.DataFrame, start: str) -> Figure:
    """Draw Paper B, Fig. 4.

    Args:
        latencies: What `distance.latencies` returns, goals by their layers.
        start: Name of the node from which they are.
    """
    figure, (axes,) = style.canvas(size=(10, 4.2))
    for line, (goal, part) in zip(LINES * len(latencies), latencies.groupby("goal", sort=False), strict=False):
        count = int(part["hops"].iloc[0])
        label = f"to {'an' if str(goal)[0] in 'aeiou' else 'a'} {goal} node ({count} link{'s' if count > 1 else ''})"
        colour = LAYERS.get(str(goal), style.GREY)
        axes.plot(part["seconds"] / 3600, part["milliseconds"], line, color=colour, label=label)
    axes.set_xlabel("time (hours)")
    axes.set_ylabel("latency, one way (ms)")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    said = (
        "Simulated: each edge node's interface adds a latency that rises and falls as the node moves. The paper's "
        "figure states no numbers that could be held against it."
    )
    style.legend(figure, said, columns=3)
    figure.suptitle(f"Paper B, Fig. 4: latencies from {start}, along the way that packets take", x=0.01, ha="left")
    return figure
