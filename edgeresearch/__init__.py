"""Two papers on edge computing, re-run and continued: forecasts and elastic scaling, scheduling of model training."""

__version__: str


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for: reading it imports a mail parser, a fifth of the time of `--help`."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("edgeresearch")
    except PackageNotFoundError:  # a checkout that is on the path without being installed
        return "0+unknown"
