"""The claims of both papers, one record each."""

from edgeresearch.papers.claims.record import Claim
from edgeresearch.papers.claims.records_a import RECORDS_A
from edgeresearch.papers.claims.records_b import RECORDS_B

RECORDS: tuple[Claim, ...] = (*RECORDS_A, *RECORDS_B)


def find_record(name: str) -> Claim:
    """Return the record with an id.

    Raises:
        KeyError: There is none.
    """
    return {each.id: each for each in RECORDS}[name]
