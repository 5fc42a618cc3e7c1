"""What a notebook of the study stands on: settings, results of the pipeline to read, figures to show or to write."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from edgeresearch import config
from edgeresearch.io import read_table

if TYPE_CHECKING:
    from IPython.display import Image
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Project:
    """A checkout in which notebooks run.

    Attributes:
        home: Its folder.
        settings: What `params.yaml` says.
        seed: Root of all randomness.
        results: Folder of the tables that the pipeline wrote; None if a notebook runs its experiment itself.
        figures: Folder that gets the figures; None if they are only shown.
    """

    home: Path
    settings: config.Params
    seed: int
    results: Path | None = None
    figures: Path | None = None

    @property
    def data(self) -> Path | None:
        """The data folder, where `edgeresearch data` has filled it."""
        folder = self.home / self.settings.data.folder
        return folder if folder.is_dir() else None

    def read(self, *names: str) -> dict[str, pd.DataFrame]:
        """Read tables of the pipeline, by the last part of their names.

        Raises:
            InputError: A table is missing.
        """
        assert self.results is not None, "give results=..., the folder of the tables"
        return {Path(name).name: read_table(self.results / f"{name}.csv") for name in names}

    def read_measured(self, name: str) -> pd.DataFrame:
        """Read a table that was measured once and is kept with the code, of `data/measured`."""
        return read_table(self.home / "data" / "measured" / f"{name}.csv")

    def show(self, figure: "Figure", name: str) -> "Image":
        """Show a figure; write it as PNG and SVG, too, if there is a folder for figures."""
        from IPython.display import Image

        from edgeresearch.plotting import style

        if self.figures is not None:
            return Image(style.save(figure, self.figures / name))  # type: ignore[no-untyped-call]
        drawn = BytesIO()
        with style.theme():
            figure.savefig(drawn, format="png")
        return Image(drawn.getvalue())  # type: ignore[no-untyped-call]


def open_project(results: str | None = None, figures: str | None = None, *, seed: int | None = None) -> Project:
    """Open the checkout that holds the present folder.

    Args:
        results: Folder of tables, in the project folder.
        figures: Folder for figures, likewise.
        seed: Root of all randomness; that of `params.yaml` if None.

    Raises:
        InputError: There is no `params.yaml` here or in a folder above.
    """
    home = config.find()
    settings = config.load(home / "params.yaml")
    folders = (home / name if name else None for name in (results, figures))
    return Project(home, settings, settings.seed if seed is None else seed, *folders)
