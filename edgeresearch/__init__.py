"""Two papers on edge computing, re-run and continued: forecasts and autoscaling, scheduling of model trainings.

`import edgeresearch as er` gives everything a user needs; `dir(er)` lists it. A name is imported when it is first used,
so that importing the package costs nothing. Each of these takes data in memory or a path and returns a result with
`.table`, `.plot()`, `.save(folder)` and `.notes`:

    er.forecast("requests.csv", model="lstm", horizon=12)
    er.replay("requests.csv", policies=["hpa", "combined"], q_max=20)
    er.emulate("paper_b", policies=["los", "cloud"], streams=8)
    er.detect("stream.csv", identity="autoencoder")
    er.sweep("sweep.yaml", workers=8)
"""

from typing import Any

import lazy_loader

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the names stand in __init__.pyi


def __getattr__(name: str) -> Any:
    """Load a public name; the version, too, only when it is asked for, as reading it takes long."""
    if name != "__version__":
        return _load(name)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("edgeresearch")
    except PackageNotFoundError:  # a checkout that is on the path without being installed
        return "0+unknown"
