"""The claims of both papers, one record each."""

from edgeresearch.papers.claims.record import Claim
from edgeresearch.papers.claims.records_a import RECORDS_A
from edgeresearch.papers.claims.records_b import RECORDS_B

RECORDS: tuple[Claim, ...] = (*RECORDS_A, *RECORDS_B)
