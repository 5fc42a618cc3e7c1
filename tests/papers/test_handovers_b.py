import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from edgeresearch.papers import handovers_b, paper_b


def made(off: dict[bool, float], streams: tuple[int, ...] = (2, 4, 6, 8, 10)) -> pd.DataFrame:
    """Both readings as the stage writes them, each so many points above what is published; intervals of one point."""
    rows = []
    for sender, count in itertools.product(off, streams):
        shares = {0: paper_b.DROP_PERCENT[count]} | {h: paper_b.HOPS_PERCENT.get((count, h), 1.0) for h in (1, 2, 3)}
        for hops, share in shares.items():
            value = share + off[sender]
            rows.append({"sender": sender, "streams": count, "hops": hops or np.nan, "percent": value})
    table = pd.DataFrame(rows, columns=["sender", "streams", "hops", "percent"])
    return table.assign(low=table["percent"] - 0.5, high=table["percent"] + 0.5)


def text(figure: Figure) -> str:
    return " ".join(each.get_text() for each in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def test_every_published_share_stands_beside_both_readings() -> None:
    table = handovers_b.beside(made({False: 1.0, True: -2.0}))
    assert len(table) == 2 * (len(paper_b.DROP_PERCENT) + len(paper_b.HOPS_PERCENT))
    one = table.set_index(["share", "sender"]).loc[("8 streams, 3 hand-overs", True)]
    assert (one["published"], one["measured"]) == (16.7, pytest.approx(14.7))
    assert (one["low"], one["high"]) == (pytest.approx(14.2), pytest.approx(15.2))
    off = (table["measured"] - table["published"]).to_numpy()
    assert off == pytest.approx(np.where(table["sender"], -2.0, 1.0))
    assert table["within"].all()


def test_shares_have_the_tolerance_of_their_claims() -> None:
    table = handovers_b.beside(made({False: 3.0})).set_index("share")
    assert table["tolerance"].to_dict() == {
        f"{streams} streams, {what}": points
        for what, points, counts in (
            ("dropped", 2.5, (2, 4, 6, 8, 10)),
            ("2 hand-overs", 6.0, (6, 8)),
            ("3 hand-overs", 6.0, (8,)),
        )
        for streams in counts
    }
    assert list(table.index[~table["within"]]) == [f"{count} streams, dropped" for count in (2, 4, 6, 8, 10)]


def test_what_was_not_run_is_left_out() -> None:
    table = handovers_b.beside(made({False: 0.0, True: 0.0}, streams=(6,)))
    assert list(table["share"].unique()) == ["6 streams, dropped", "6 streams, 2 hand-overs"]
    assert handovers_b.beside(made({False: 0.0}, streams=())).empty


def test_a_depth_that_no_training_reached_is_a_share_of_nothing() -> None:
    found = made({False: 0.0, True: 0.0})
    table = handovers_b.beside(found[found["hops"] != 3]).set_index("share")
    assert table.loc["8 streams, 3 hand-overs", "measured"].tolist() == [0.0, 0.0]
    assert table.loc["8 streams, 3 hand-overs", "within"].tolist() == [False, False]


def test_nothing_to_compare_is_said_and_drawn() -> None:
    table = handovers_b.beside(made({False: 0.0}, streams=()))
    assert handovers_b.said(table).count("0 of 0 published shares of Figs. 6 and 7 are met.") == 2
    assert not handovers_b.figure(table).axes[0].get_yticklabels()


def test_words_name_what_is_missed_by_which_reading() -> None:
    words = handovers_b.said(handovers_b.beside(made({False: -2.6, True: 0.0})))
    assert words.startswith(
        "If the receiver sets the limit anew, 3 of 8 published shares of Figs. 6 and 7 are met; not: "
    )
    assert "4 streams, dropped (24.0 against 26.62), " in words
    assert words.endswith("If the sender's limit binds the receiver, 8 of 8 published shares of Figs. 6 and 7 are met.")


def test_the_figure_shows_each_share_from_both_readings() -> None:
    table = handovers_b.beside(made({False: 1.0, True: -2.0}))
    drawn = handovers_b.figure(table)
    (axes,) = drawn.axes
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels[0] == "2 streams, dropped (14.37 %)"
    assert len(labels) == 8
    points = [np.asarray(each.lines[0].get_xdata(), float) for each in axes.containers[1:]]  # type: ignore[attr-defined]
    assert [each.tolist() for each in points] == [pytest.approx([1.0] * 8), pytest.approx([-2.0] * 8)]
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == pytest.approx(2 * table.drop_duplicates("share")["tolerance"].to_numpy())
    for words, _, _ in handovers_b.READINGS.values():
        assert words in text(drawn)
    assert "percentage points" in axes.get_xlabel()
