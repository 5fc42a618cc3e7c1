"""`python -m edgeresearch`: the same as the command `edgeresearch`."""

from edgeresearch.cli import main

main()
