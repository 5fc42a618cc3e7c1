"""The README's results, made from the audit: what stands between its markers is never written by hand."""

import os
import re
from pathlib import Path

from edgeresearch.errors import InputError
from edgeresearch.io import atomic
from edgeresearch.papers.claims.audit import FILE, PAPERS, read_claims
from edgeresearch.papers.report.audit import describe_claim, tally
from edgeresearch.papers.report.templates import environment

BEGIN, END = "<!-- results -->", "<!-- /results -->"

ROWS = (
    "A-T2-BEST-MSE", "A-T2-TEXT-BEST", "A-T3-CELLS", "A-T3-EXPANSION", "A-CON-PODS",
    "B-F7-04", "B-F7-08", "B-F6-08-2", "B-F5-LEVEL", "B-CON-MOST",
)  # fmt: skip
"""The claims that the README shows."""


def write_readme(readme: Path, reports: Path) -> Path:
    """Put the results between the markers of a README, with links from its folder; all else in it stays.

    Raises:
        InputError: The file has not both markers in this order, or the audit is missing.
    """
    try:
        text = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {readme}: {error.strerror}; name another file") from error
    between = re.compile(f"(?<={BEGIN}\n).*?(?={END})", re.DOTALL)
    if not between.search(text):
        raise InputError(f"{readme} has no lines {BEGIN} and {END}, one after the other; put them where results belong")
    results = render_results(reports, Path(os.path.relpath(reports.absolute(), readme.absolute().parent)))
    with atomic(readme) as draft:
        draft.write_text(between.sub(lambda _: results, text, count=1), encoding="utf-8")
    return readme


def render_results(reports: Path, folder: Path = Path("reports")) -> str:
    """Return the results as Markdown: the audit's counts, and ten of its rows; links name the reports by `folder`."""
    claims = [describe_claim(row) for row in read_claims(reports / FILE).to_dict("records")]
    template = environment().get_template("readme.md.j2")
    papers = {letter: tally([row for row in claims if row["paper"] == letter]) for letter in PAPERS}
    shown = [row for name in ROWS for row in claims if row["id"] == name]
    return template.render(total=tally(claims), papers=papers, rows=shown, folder=folder.as_posix())
