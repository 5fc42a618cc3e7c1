"""The pipeline of `dvc.yaml`, run by `dvc repro`: the full run in the repository itself, any other in `build/PROFILE`.

The results of the full run and its `dvc.lock` are tracked by git. A quick look must not overwrite them, so a profile
other than `paper` gets a folder with copies of what the stages read and with its own DVC project.
"""

import contextlib
import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil
import yaml
from filelock import FileLock, Timeout

from edgeresearch import config, io
from edgeresearch.errors import InputError, RunError
from edgeresearch.io import DRAFT, atomic
from edgeresearch.provenance import machine_line
from edgeresearch.settings import merge

if TYPE_CHECKING:
    import pandas as pd

MIRROR = "EDGERESEARCH_DATA_MIRROR"
TIMINGS = "EDGERESEARCH_TIMINGS"
"""Names the file to which a stage adds its seconds (see `record_seconds`)."""
COLUMNS = ("stage", "cpu_seconds", "wall_seconds", "machine")
COPIED = ("dvc.yaml", ".dvcignore", "edgeresearch", "notebooks", "data/measured", "data/calibration.json")
"""What a workspace holds besides its settings, where it exists; the package is there for stages to depend on."""
FILLED = (".", "build/notebooks", "data/measured", "data/raw/**", "data/processed/**", "reports/**")
"""Where a killed run may leave drafts."""
METRICS = Path("reports/metrics")


class Headline(NamedTuple):
    """Numbers that show in short what a stage found.

    Attributes:
        files: Its tables, as a pattern from `reports/tables` on.
        keys: Columns whose values name a number.
        values: Columns of numbers; where there is none, rows are counted.
        rows: Which rows, as pandas queries them; all if empty.
    """

    files: str
    keys: tuple[str, ...]
    values: tuple[str, ...] = ()
    rows: str = ""


_SWEPT, _FORECAST = ("value", "streams"), "forecaster in ('lstm', 'none')"
HEADLINES: Mapping[str, tuple[Headline, ...]] = {
    "fetch": (Headline("../../data/raw/sources.csv", ("real",)),),
    "compare": (Headline("forecast/*.csv", ("trace", "model"), ("mse", "skill"), "horizon == 1"),),
    "replay": (
        Headline(
            "elastic/*.csv", ("trace", "strategy"), ("error_percent", "pod_hours"),
            f"lead == 1 and reading == 'trace' and phase == 'all' and {_FORECAST}",
        ),
    ),
    "limits": (Headline("los/landmarks.csv", ("rule", "together", "what"), ("value",)),),
    "scheduling": (
        Headline("los/drops.csv", ("policy", "streams"), ("drop_percent",)),
        Headline("los/hops.csv", ("streams", "hops"), ("share_percent",), "policy == 'los' and reading == 'triggers'"),
    ),
    "sweeps": tuple(
        Headline(f"los/{name}.csv", _SWEPT, ("drop_percent",)) for name in ("staleness", "gateways", "churn", "choices")
    ),
    "measured": (Headline("los/measured.csv", ("model", "policy", "streams"), ("drop_percent",)),),
    "city": (Headline("los/city.csv", ("nodes", "policy"), ("drop_percent", "hops", "megabytes")),),
    "anomaly": (
        Headline(
            "anomaly.csv", ("kind", "detector"), ("event_f1", "auc_pr", "false_alarms_per_day"), "sensor == 'pooled'"
        ),
    ),
    "staleness": (
        Headline("staleness.csv", ("data", "policy", "streams"), ("event_f1", "mean_age"), "threshold == 'ema'"),
    ),
    "notebooks": (Headline("data_series.csv", ("trace",), ("steps", "mean", "missing_percent")),),
    "report": (Headline("../claims.csv", ("paper", "verdict")),),
}  # fmt: skip
"""By stage; the others write their metrics themselves. No stage depends on this: it says nothing new."""
_CONFIG = "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
_GRACE = 5.0
"""Seconds that an interrupted run has to end by itself."""


def reproduce(root: str | Path, profile: str = config.PAPER, timings: str | Path | None = None) -> Path:
    """Run the pipeline as far as it is out of date.

    Args:
        root: The repository: the folder with `dvc.yaml` and `params.yaml`.
        profile: `paper` for the full run in `root`, or the name of a file in `profiles/`.
        timings: CSV that gets the seconds of each stage that runs (see `record_seconds`).

    Returns:
        The folder of the results.

    Raises:
        InputError: `root` is not a checkout, the settings are wrong, or the results cannot be written.
        RunError: A stage failed, or another run is at work there.
    """
    root = Path(root).absolute()
    if not (root / "dvc.yaml").is_file():
        raise InputError(f"no dvc.yaml in {root}; run this in the folder of a checkout")
    settings = config.load(root / "params.yaml", profile)
    place = root if profile == config.PAPER else root / "build" / profile
    io.check(place / "reports")
    variables = _environment(root, timings)
    with contextlib.ExitStack() as held:
        try:
            (place / ".dvc" / "tmp").mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(place / ".dvc" / "tmp" / "reproduce.lock").acquire(timeout=0))
            if place != root:
                _fill(place, root, profile)
            _mend(place, workspace=place != root)
        except Timeout as error:
            raise RunError(f"another run is at work in {place}; wait until it is done") from error
        except OSError as error:
            reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror or str(error)
            raise InputError(f"cannot write {place}: {reason}; make room or a folder that can be written") from error
        real = settings.data.source != "synthetic" and (variables.get(MIRROR) or settings.data.mirror)
        if real and _has_standins(place / "data" / "raw" / "sources.csv"):
            _dvc(place, variables, "--force", "--single-item", "fetch")  # DVC does not know of the mirror
        _dvc(place, variables)
    return place / "reports"


def _mend(place: Path, *, workspace: bool) -> None:
    """Clear away what a killed run left half-written: drafts, DVC's list of who is busy, and a damaged `dvc.lock`.

    In the repository the lock file comes back from git; in a workspace it goes, and what it listed runs again.
    """
    for draft in [draft for folder in FILLED for draft in place.glob(f"{folder}/{DRAFT}*")]:
        shutil.rmtree(draft) if draft.is_dir() else draft.unlink(missing_ok=True)
    busy, lock = place / ".dvc" / "tmp" / "rwlock", place / "dvc.lock"
    if busy.is_file() and not busy.read_text(encoding="utf-8", errors="replace").endswith("}"):
        busy.unlink()
    if not lock.is_file() or _is_lock(lock.read_text(encoding="utf-8", errors="replace")):
        return
    if workspace:
        print(f"note: {lock} was damaged; every stage runs again", file=sys.stderr)
        lock.unlink()
        return
    show = ["git", "-C", str(place), "show", "HEAD:./dvc.lock"]
    kept = subprocess.run(show, capture_output=True, text=True, check=False).stdout if shutil.which("git") else ""
    if not _is_lock(kept):
        raise InputError(f"{lock} is damaged, and git has no other; delete it, and every stage runs again")
    print(f"note: {lock} was damaged; it is again as git has it", file=sys.stderr)
    io.write_text(kept, lock)


def _is_lock(text: str) -> bool:
    """Whether DVC could read a lock file; what is cut at the end of an entry only lets its stage run again."""
    try:
        stages = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["stages"].values()
        return text.endswith("\n") and all(
            stage["cmd"] and all(out["path"] for key in ("deps", "outs") for out in stage.get(key, []))
            for stage in stages
        )
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        return False


def _environment(root: Path, timings: str | Path | None) -> dict[str, str]:
    """The environment of DVC: this interpreter's commands first, a mirror and a file of timings by their full paths."""
    result = dict(os.environ) | {"DVC_NO_ANALYTICS": "1"}
    result["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), result.get("PATH", os.defpath)])
    if result.get(MIRROR):
        result[MIRROR] = str(root / result[MIRROR])
    return result | ({TIMINGS: str(root / timings)} if timings else {})


def _fill(place: Path, root: Path, profile: str) -> None:
    """Make a workspace like the repository, with the profile's settings; results of earlier runs stay."""
    settings = config.merged(root / "params.yaml", profile)
    mirror = settings.get("data", {}).get("mirror")
    if mirror is not None:
        settings = merge(settings, {"data": {"mirror": str(root / mirror)}})
    (place / ".dvc").mkdir(exist_ok=True)
    io.write_text(_CONFIG, place / ".dvc" / "config")
    io.write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), place / "params.yaml")
    for name in COPIED:
        source, target = root / name, place / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
        elif source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def _has_standins(sources: Path) -> bool:
    lines = sources.read_text(encoding="utf-8").splitlines() if sources.is_file() else []
    return any(row["real"] == "False" for row in csv.DictReader(lines))


def _dvc(place: Path, variables: Mapping[str, str], *options: str) -> None:
    """Run `dvc repro`, and end with it all that it started, also where this process is interrupted or told to end."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    run = subprocess.Popen([sys.executable, "-m", "dvc", "repro", *options], cwd=place, env=dict(variables))
    try:
        status = run.wait()
    except BaseException:  # an interrupt from a terminal has reached DVC, too; one sent to this process alone has not
        started: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):  # DVC has ended already
            started = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
        for number in (signal.SIGINT, signal.SIGKILL):
            _, started = psutil.wait_procs(started, timeout=_GRACE)
            for process in started:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
        run.wait()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    if status:
        raise RunError(f"dvc repro in {place} ended with status {status}; the failed stage is named above")


def record_metrics(stage: str, root: str | Path = ".") -> None:
    """Write a stage's `HEADLINES` from its tables into `reports/metrics`, numbers as the tables have them.

    Raises:
        InputError: A table is missing, or the file cannot be written.
    """
    if stage not in HEADLINES:
        return
    import pandas as pd  # no other command of the pipeline waits for it

    found = {}
    for headline in HEADLINES[stage]:
        place = Path(os.path.normpath(Path(root, "reports", "tables", headline.files)))
        table = pd.concat(map(io.read_table, sorted(place.parent.glob(place.name)) or [place]), ignore_index=True)
        if headline.rows:
            table = table.query(headline.rows)
        keys, values = list(headline.keys), list(headline.values)
        if not values:
            table, values = table.groupby(keys, sort=False).size().rename("rows").reset_index(), ["rows"]
        found[place.stem if "*" not in headline.files else place.parent.name] = _nest(table, keys, values)
    io.write_json(found, Path(root, METRICS, f"{stage}.json"))


def _nest(table: "pd.DataFrame", keys: list[str], values: list[str]) -> Any:
    if keys:
        return {str(name): _nest(part, keys[1:], values) for name, part in table.groupby(keys[0])}
    known = table[values].mean().dropna().to_dict()
    return known if len(values) > 1 else known.get(values[0])


def record_seconds(path: str | Path, stage: str) -> None:
    """Write the CPU and wall seconds that this process took for a stage in place of its older ones.

    They differ from run to run, so the file (`COLUMNS`; made where missing) is no stage's output: it is measured now
    and then, and the report shows it.
    """
    path, wall = Path(path), time.time() - psutil.Process().create_time()
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.is_file() else []
    new = [stage, f"{sum(os.times()[:4]):.3g}", f"{wall:.3g}", machine_line()]
    table = {row["stage"]: [row[column] for column in COLUMNS] for row in rows} | {stage: new}
    with atomic(path) as draft, draft.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines, lineterminator="\n").writerows([COLUMNS, *table.values()])
