"""Settings of the data, and the names that they may take."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from edgeresearch.settings import Section, each_once

TraceName = Literal[
    "nasa", "worldcup98", "elb", "goog", "wiki_de", "retailrocket", "twitter_second", "twitter_minute", "paper_a"
]
"""The request traces: eight public ones, and the synthetic stand-in for Paper A's own."""
Traces = Annotated[tuple[TraceName, ...], AfterValidator(each_once)]
Source = Literal["auto", "mirror", "download", "synthetic"]
"""Where files come from; `auto` tries the others in this order."""


class DataSettings(Section):
    """Where the data comes from and where it lies.

    Attributes:
        source: Where files may come from.
        mirror: Folder that holds the files; None for no mirror.
        folder: Folder that fetched files lie in.
    """

    source: Source = "auto"
    mirror: str | None = None
    folder: str = "data/raw"
