# The public names, by room. `edgeresearch/__init__.py` reads them from here, and so do type checkers.
from .autoscaling.api import Replay as Replay
from .autoscaling.api import replay as replay
from .autoscaling.policies import HPA as HPA
from .autoscaling.policies import Advance as Advance
from .autoscaling.policies import Combined as Combined
from .autoscaling.policies import Fixed as Fixed
from .autoscaling.policies import Observation as Observation
from .autoscaling.policies import Observations as Observations
from .autoscaling.policies import Oracle as Oracle
from .autoscaling.policies import Quantile as Quantile
from .autoscaling.policies import Responsive as Responsive
from .autoscaling.policies import ScalingPolicy as ScalingPolicy
from .autoscaling.settings import ExperimentConfig as ExperimentConfig
from .config import Params as Params
from .errors import InputError as InputError
from .result import Result as Result
from .sweeps.api import SweepResult as SweepResult
from .sweeps.api import sweep as sweep

__version__: str
