# The public names, by room. `edgeresearch/__init__.py` reads them from here, and so do type checkers.
from .config import Params as Params
from .errors import InputError as InputError
from .result import Result as Result
from .sweeps.api import SweepResult as SweepResult
from .sweeps.api import sweep as sweep

__version__: str
