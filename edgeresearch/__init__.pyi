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
from .data.csv import as_trace as as_trace
from .data.csv import read_trace as read_trace
from .data.datasets import load_dataset as load_dataset
from .data.trace import Trace as Trace
from .errors import InputError as InputError
from .forecasting.api import Forecast as Forecast
from .forecasting.api import apply_forecaster as apply_forecaster
from .forecasting.api import compare_forecasters as compare_forecasters
from .forecasting.api import forecast as forecast
from .forecasting.base import Forecaster as Forecaster
from .forecasting.evaluation import Comparison as Comparison
from .forecasting.lstm import PaperLSTM as PaperLSTM
from .forecasting.lstm import ResidualLSTM as ResidualLSTM
from .forecasting.settings import ForecastSettings as ForecastSettings
from .forecasting.windowed import Windowed as Windowed
from .result import Result as Result
from .sweeps.api import SweepResult as SweepResult
from .sweeps.api import sweep as sweep

__version__: str
