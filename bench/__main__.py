"""`python -m bench`: measure, print the table, write `reports/bench/`.

A part is a module with `Size`, `QUICK` and `rows(size)`; name it in `PARTS`. It may tell more of where it was measured,
by `about()`.
"""

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy is loaded

import pandas as pd  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from bench import detectors, elastic, emulator, figure, forecast, forecasters, leaf, scaling, sweep  # noqa: E402
from bench.timing import COLUMNS, Row  # noqa: E402
from edgeresearch.io import write_csv, write_json  # noqa: E402

PARTS: Mapping[str, ModuleType] = {
    "forecast": forecast,
    "forecasters": forecasters,
    "elastic": elastic,
    "emulator": emulator,
    "leaf": leaf,
    "detectors": detectors,
    "scaling": scaling,
    "sweep": sweep,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Speed against peers, one thread.")
    parser.add_argument(
        "--quick", action="store_true", help="a fast look at smaller sizes; the claims are not for these"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, help="run these parts; what is there of others stays")
    parser.add_argument("--without", nargs="+", choices=PARTS, default=[], help="run all parts but these, likewise")
    parser.add_argument(
        "--out", type=Path, default=Path("reports/bench"), help="folder of ratios.csv, machine.json and the figures"
    )
    chosen = parser.parse_args(arguments)
    parts = [name for name in PARTS if name in (chosen.only or PARTS) and name not in chosen.without]
    try:
        told, machines = others(chosen.out, parts)
    except (KeyError, OSError, ValueError) as error:
        parser.error(
            f"{chosen.out}: no results by part ({error}); leave out --only and --without, or say another --out"
        )
    console = Console(stderr=True)
    done: list[Row] = []
    for name in parts:
        with console.status(f"measuring: {name}"):
            found = list(PARTS[name].rows(PARTS[name].QUICK if chosen.quick else PARTS[name].Size()))
        done += found
        told += [{**row.record(), "part": name} for row in found]
        if found:
            machines[name] = {**machine(), **getattr(PARTS[name], "about", dict)()}
    print(*left_out(parts), sep="", end="")
    if not done:
        return
    told.sort(key=lambda row: list(PARTS).index(row["part"]))
    write_csv(pd.DataFrame(told), chosen.out / "ratios.csv")
    write_json(machines, chosen.out / "machine.json")
    figures = figure.draw(chosen.out)
    shown = Console()
    if not shown.is_terminal:
        shown.width = 220  # a file has room
    shown.print(table(done))
    print("ratios:", chosen.out / "ratios.csv", *figures)


def left_out(parts: Sequence[str]) -> list[str]:
    """Return a line, with its end, for each part of which something is not installed, and how to get it."""
    found = (
        ("forecast", forecast.onnx_missing(), "pip install 'edgeresearch[onnx]'"),
        ("forecasters", forecasters.peers_missing(), "make bench-peers"),
        ("emulator", emulator.simpy_missing(), "pip install 'edgeresearch[bench]'"),
        ("leaf", leaf.leaf_missing(), "pip install 'edgeresearch[bench]'"),
        ("detectors", detectors.pyod_missing(), "pip install 'edgeresearch[detectors]'"),
    )
    return [
        f"rows of {name} are left out: {missing} not installed; {remedy}\n"
        for name, missing, remedy in found
        if name in parts and missing
    ]


def others(folder: Path, parts: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the rows of `ratios.csv` and the entries of `machine.json` that are of other parts, where there are any.

    Raises:
        KeyError: The rows name no part, or nothing says on what machine it was measured.
        OSError: A file cannot be read.
        ValueError: A file is damaged.
    """
    if set(parts) == set(PARTS) or not (folder / "ratios.csv").is_file():
        return [], {}
    before = pd.read_csv(folder / "ratios.csv")
    machines = json.loads((folder / "machine.json").read_text(encoding="utf-8"))
    kept = [name for name in PARTS if name not in parts and name in set(before["part"])]
    rows = before[before["part"].isin(kept)].to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows], {name: machines[name] for name in kept}


def table(done: Sequence[Row]) -> Table:
    """The rows for a terminal."""
    shown = Table(title="Ours / peer, CPU time of one thread or as said (median of the repeats)", title_justify="left")
    for name in ("what", "size", "peer", "ours", "peer's", "ratio", "95 % of repeats", "claim", "verdict", "wall"):
        shown.add_column(name)
    for row in done:
        told = row.record()
        name = COLUMNS[row.unit]
        values = [_text(float(str(told[f"{name}_{who}"])), row.unit) for who in ("ours", "peer")]
        spread = f"{told['low']:.3g} to {told['high']:.3g}"
        bound = "" if row.bound is None else f"≤ {row.bound:.3g}"
        wall = "" if row.wall is None else f"{told['wall_ratio']:.3g}"
        shown.add_row(row.what, row.size, row.peer, *values, f"{row.ratio:.3g}", spread, bound, row.verdict, wall)
    return shown


def _text(value: float, unit: str) -> str:
    if unit not in ("s", "wall"):
        return f"{value:.4g} B" if unit == "bytes" else f"{value:.4g}"
    return f"{value:.3g} s" if value >= 0.1 else f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} µs"


def machine() -> dict[str, object]:
    """What the numbers were measured on."""
    names = ("leafsim", "numpy", "pyod", "pytorch-lightning", "river", "scikit-learn", "scipy", "simpy", "torch")
    return {
        "cpu": _cpu(Path("/proc/cpuinfo")),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: found for name in names if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
