"""Two papers on edge computing, re-run and continued: forecasts and elastic scaling, scheduling of model training."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("edgeresearch")
except PackageNotFoundError:  # a checkout that is on the path without being installed
    __version__ = "0+unknown"
