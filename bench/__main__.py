"""`python -m bench`: measure, print the table, write `reports/bench/`."""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy is loaded

import pandas as pd  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from bench.forecast import QUICK, Size, onnx_missing, rows  # noqa: E402
from bench.timing import Row  # noqa: E402
from edgeresearch.files import write_csv, write_json  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Speed against peers, one thread.")
    parser.add_argument(
        "--quick", action="store_true", help="a fast look at smaller sizes; the claims are not for these"
    )
    parser.add_argument("--out", type=Path, default=Path("reports/bench"), help="folder of ratios.csv and machine.json")
    chosen = parser.parse_args(arguments)
    console = Console(stderr=True)
    done = []
    with console.status("measuring the fits"):
        for row in rows(QUICK if chosen.quick else Size()):
            done.append(row)
    write_csv(pd.DataFrame([row.record() for row in done]), chosen.out / "ratios.csv")
    write_json(machine(), chosen.out / "machine.json")
    Console().print(table(done))
    if onnx_missing():
        print(f"onnxruntime's row is left out: {onnx_missing()} not installed; pip install 'edgeresearch[onnx]'")
    print(f"ratios: {chosen.out / 'ratios.csv'}")


def table(done: Sequence[Row]) -> Table:
    """The rows for a terminal."""
    shown = Table(title="Ours / peer, CPU time of one thread (median of the repeats)", title_justify="left")
    for name in ("what", "size", "peer", "ours", "peer's", "ratio", "95 % of repeats", "claim", "verdict"):
        shown.add_column(name)
    for row in done:
        told = row.record()
        name = "seconds" if row.unit == "s" else row.unit
        values = [_text(float(str(told[f"{name}_{who}"])), row.unit) for who in ("ours", "peer")]
        spread = f"{told['low']:.3g} to {told['high']:.3g}"
        bound = "" if row.bound is None else f"≤ {row.bound:.3g}"
        shown.add_row(row.what, row.size, row.peer, *values, f"{row.ratio:.3g}", spread, bound, row.verdict)
    return shown


def _text(value: float, unit: str) -> str:
    if unit != "s":
        return f"{value:.4g}"
    return f"{value:.3g} s" if value >= 0.1 else f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} µs"


def machine() -> dict[str, object]:
    """What the numbers were measured on."""
    names = ("numpy", "pytorch-lightning", "scikit-learn", "torch")
    return {
        "cpu": _cpu(Path("/proc/cpuinfo")),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
    }


def _cpu(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
