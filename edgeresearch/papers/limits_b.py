"""Paper B's Fig. 5: how CPU limits, training times and residuals move over the trainings of a job."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from edgeresearch.papers import paper_b
from edgeresearch.plotting import style

RULES = {
    "utilisation": ("lowered if used below target (section VI.B)", style.BLUE, "-"),
    "period": ("lowered if the period was met (section IV.D)", style.ORANGE, "--"),
}
"""What each rule is called, its colour and line."""

ROWS = {
    "limit_millicores": "a) CPU limit\n(millicores)",
    "training_seconds": "b) training time\n(seconds)",
    "residual": "c) residual\n(% of the period)",
}


@style.styled
def figure5(limits: pd.DataFrame, rule: str) -> Figure:
    """Draw Paper B, Fig. 5 a to c, for both rules, with a node for each job and with the edge nodes shared.

    Args:
        limits: What the stage `limits` found.
        rule: The one that is set.
    """
    columns = [int(each) for each in sorted(limits["together"].unique())]
    figure, axes = style.canvas(3, len(columns), size=(2 + 4.6 * len(columns), 8.2), sharex=True)
    first, last = paper_b.RESIDUAL_PERCENT
    published = {
        "limit_millicores": paper_b.LIMIT_MILLICORES,
        "residual": {1: first, paper_b.PLATEAU_ITERATION: last},
    }
    tops = {name: 1.08 * float(limits[[name, f"{name}_high"]].max().max()) for name in ROWS}
    for row, (name, words) in enumerate(ROWS.items()):
        for column, together in enumerate(columns):
            each = axes[row * len(columns) + column]
            for key, (_, colour, line) in RULES.items():
                part = limits[(limits["rule"] == key) & (limits["together"] == together)]
                each.plot(part["iteration"], part[name], line, color=colour, lw=2.2 if key == rule else 1.4)
                bounds = part[f"{name}_low"], part[f"{name}_high"]
                each.fill_between(part["iteration"], *bounds, color=colour, alpha=0.2, lw=0)
            for iteration, value in published.get(name, {}).items():
                each.plot(iteration, value, "D", mfc="white", mec=style.INK, ms=8, mew=1.5, zorder=5)
                each.annotate(f"{value:g}", (iteration, value), (7, 5), textcoords="offset points", fontsize=9)
            each.axvline(paper_b.DRIFT_ITERATION, color=style.GREY, ls=":", lw=1.4)
            each.set_ylim(0, max(tops[name], 1.12 * max(published.get(name, {0: 0.0}).values())))
            each.margins(x=0.02)
            if column == 0:
                each.set_ylabel(words)
            if row == 0:
                each.set_title("a node for each job" if not together else f"all jobs share {together} nodes")
            if row == len(ROWS) - 1:
                each.set_xlabel("iteration (training of a job)")
    handles = [Line2D([], [], color=colour, ls=line, label=words) for words, colour, line in RULES.values()]
    handles += [
        Line2D([], [], marker="D", ls="", mfc="white", mec=style.INK, label="published"),
        Line2D([], [], color=style.GREY, ls=":", label=f"published: limits rise from {paper_b.DRIFT_ITERATION}"),
    ]
    said = (
        "Simulated. Means over the jobs; bands: 95 % over repeats. The thick line is the rule that is set. The paper "
        "does not say whether its jobs met on a node."
    )
    style.legend(figure, said, handles=handles, columns=2)
    figure.suptitle("Paper B, Fig. 5: optimisation of the CPU limit, training by training", x=0.01, ha="left")
    return figure
