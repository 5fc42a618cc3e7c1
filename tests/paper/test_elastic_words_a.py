"""Sentences around Table 3."""

from collections.abc import Callable

import pandas as pd

from edgeresearch.paper import elastic_a, elastic_words_a

Make = Callable[..., pd.DataFrame]


def test_the_sentences_of_one_trace_say_what_its_table_holds(make_elastic: Make) -> None:
    one = elastic_a.table3([make_elastic()])
    said = elastic_words_a.reached(one)
    assert "7 of the nine cells" in said
    assert "published accuracy (R² 0.93 at the rule's own horizon), 9 of the nine cells" in said
    assert "+0.70" in elastic_words_a.readings(one)
    assert "cannot be compared" in elastic_words_a.readings(one[one["strategy"] == "hpa"])
    assert "pod-hours" in elastic_words_a.price(one)
    assert "No strategy" in elastic_words_a.price(one[one["strategy"] == "oracle"])
    assert elastic_words_a.honest(True) != elastic_words_a.honest(False)


def test_the_contradiction_is_settled_by_the_cells(make_elastic: Make) -> None:
    table = elastic_a.table3([make_elastic(), make_elastic("nasa"), make_elastic("paper_a", real=False)])
    assert "on 3 of 3 traces" in elastic_words_a.contradiction(table)
    assert "sides with the table" in elastic_words_a.contradiction(table)
    swapped = table.assign(phase=table["phase"].replace({"expansion": "shrinkage", "shrinkage": "expansion"}))
    assert "does not show" in elastic_words_a.contradiction(swapped)
    assert "nothing can be said" in elastic_words_a.contradiction(table, "ridge")


def test_traces_that_refuse_are_named_with_the_reason(make_elastic: Make) -> None:
    frames = [make_elastic(), make_elastic("nasa", hours=1.2), make_elastic("goog")]
    worse = (frames[2]["strategy"] == "combined") & (frames[2]["phase"] == "shrinkage")
    frames[2].loc[worse, ["error_percent", "low"]] += 3
    verdicts = elastic_a.verdicts(elastic_a.table3(frames))
    said = elastic_words_a.ordering(verdicts, "published")
    assert "on 1 of 3 real traces. These refuse: nasa (1.20 times the pod-hours), goog (not best on shrinkage)." in said
    assert "No real trace" in elastic_words_a.ordering(verdicts, "ridge")
