"""The whole pipeline again and again on its smallest profile, in a clone of what is committed: `make proof`.

`make test` leaves this file out by its name: it takes tens of minutes. The tests build on one another, in this order.
"""

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest
import yaml

from edgeresearch.io import DRAFT
from edgeresearch.pipeline import MIRROR

ROOT = Path(__file__).parents[2]
PROFILE = "tiny"
OUTS = ("reports", "data/raw", "data/processed")
KILLS = 10
SEED = 20240917
NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there: the network is closed to whoever takes it for a proxy."""

State = dict[str, str]
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Clone:
    """A clone and the environment to work in it.

    Attributes:
        root: Its folder.
        variables: The environment: this interpreter's commands, the clone's package, no network, no mirror.
    """

    root: Path
    variables: dict[str, str]

    @property
    def place(self) -> Path:
        return self.root / "build" / PROFILE

    def start(self, words: Sequence[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            words,
            cwd=self.root,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, words: Sequence[str], cwd: Path | None = None, mirror: str = "") -> Done:
        env = self.variables | ({MIRROR: mirror} if mirror else {})
        return subprocess.run(words, cwd=cwd or self.root, env=env, capture_output=True, text=True, check=False)

    def reproduce(self, mirror: str = "") -> Done:
        return self.run(REPRODUCE, mirror=mirror)

    def state(self) -> State:
        return _state(self.place)


REPRODUCE = (sys.executable, "-m", "edgeresearch", "reproduce", "--profile", PROFILE)


def _state(place: Path) -> State:
    """Checksums of the lock file and of every file that a stage made."""
    files = [place / "dvc.lock", *(file for out in OUTS for file in sorted((place / out).rglob("*")))]
    return {
        str(file.relative_to(place)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()
    }


def _drafts(place: Path) -> list[str]:
    return [str(path.relative_to(place)) for path in place.rglob(f"{DRAFT}*")]


def _report(clone: Clone) -> str:
    return (clone.place / "reports" / "site" / "index.html").read_text(encoding="utf-8")


def _wipe(clone: Clone, *further: str) -> None:
    for name in (*OUTS, "build", ".dvc/cache", *further):
        path = clone.place / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _one_line(done: Done, status: int, message: str) -> None:
    """One line says what is wrong; DVC may say which stage it was, but nobody shows a traceback."""
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    assert "Traceback" not in said
    who = "(error|ERROR: failed to reproduce '.+')"
    assert len([line for line in done.stderr.splitlines() if re.match(f"{who}: .*{message}", line)]) == 1, said


@contextmanager
def _changed(file: Path, text: str) -> Iterator[None]:
    before = file.read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """What a user has after `git clone`."""
    home = tmp_path_factory.mktemp("proof")
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(home / "clone")], check=True)
    kept = {name: value for name, value in os.environ.items() if name.lower() not in ("no_proxy", MIRROR.lower())}
    kept |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE)
    kept |= {"PYTHONPATH": str(home / "clone"), "PATH": os.pathsep.join([f"{sys.prefix}/bin", kept["PATH"]])}
    kept |= {name: str(home / name) for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    return Clone(home / "clone", kept)


@pytest.fixture(scope="module")
def first(clone: Clone) -> tuple[Done, State, float]:
    """The first run, by `make` without its installing: what it said, what it made, and the seconds it took."""
    stamp = Path(sys.prefix) / ".installed"
    started = monotonic()
    done = clone.run(["make", "-o", str(stamp), f"VENV={sys.prefix}", f"PROFILE={PROFILE}", "reproduce"])
    assert done.returncode == 0, done.stdout + done.stderr
    return done, clone.state(), monotonic() - started


@pytest.fixture
def made(clone: Clone, first: tuple[object, State, float]) -> State:
    """What the first run made, and what lies there still."""
    assert clone.state() == first[1]
    return first[1]


def test_a_fresh_clone_without_data_or_network_ends_with_a_report_that_says_synthetic(
    clone: Clone, first: tuple[Done, State, float]
) -> None:
    done, state, _ = first
    assert f"report: {clone.place}/reports/site/index.html" in done.stdout
    assert "SYNTHETIC DATA" in done.stderr
    assert re.search(r"(\d+) of \1 data files are synthetic stand-ins, not the real ones", _report(clone))
    assert "data files are the real ones" not in _report(clone)
    stages = yaml.safe_load((clone.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    locked = yaml.safe_load((clone.place / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    assert {name.partition("@")[0] for name in locked} == set(stages)
    assert _drafts(clone.place) == []
    assert {"reports/claims.csv", "reports/notebooks/00-data.html", "data/raw/sources.csv"} <= set(state)


def test_a_second_run_runs_nothing_and_changes_nothing(clone: Clone, made: State) -> None:
    done = clone.reproduce()
    assert done.returncode == 0, done.stderr
    assert "Running stage" not in done.stdout
    assert clone.state() == made


def test_two_workers_and_every_out_deleted_give_the_same(clone: Clone, made: State) -> None:
    profile = clone.root / "profiles" / f"{PROFILE}.yaml"
    text = profile.read_text(encoding="utf-8")
    two = text.replace("workers: 1", "workers: 2")
    assert two.count("workers: 2") == 1
    _wipe(clone)
    assert set(clone.state()) == {"dvc.lock"}
    with _changed(profile, two):
        done = clone.reproduce()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "workers: 2" in (clone.place / "params.yaml").read_text(encoding="utf-8")
    assert done.stdout.count("Running stage") == len(re.findall(r"^  \S+:$", _lock(clone), flags=re.M))
    assert clone.state() == made


def test_plain_dvc_gives_the_same(clone: Clone, made: State) -> None:
    _wipe(clone, "dvc.lock", ".dvc/tmp")
    done = clone.run([sys.executable, "-m", "dvc", "repro"], cwd=clone.place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert clone.state() == made


def _lock(clone: Clone) -> str:
    return (clone.place / "dvc.lock").read_text(encoding="utf-8")


def test_killed_at_ten_random_moments_and_started_again_gives_the_same(
    clone: Clone, made: State, first: tuple[object, State, float], capsys: pytest.CaptureFixture[str]
) -> None:
    moments = random.Random(SEED)
    _wipe(clone, "dvc.lock", ".dvc/tmp")
    assert clone.state() == {}
    killed: list[str] = []
    while len(killed) < KILLS:
        after = moments.uniform(1, first[2] / 5)
        running = clone.start(REPRODUCE)
        try:
            said, _ = running.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            said, _ = running.communicate()
            stages = re.findall(r"^Running stage '(.+)':$", said, flags=re.M)
            killed.append(f"after {after:.0f} s in {stages[-1] if stages else 'dvc'}, drafts: {_drafts(clone.place)}")
        else:
            assert running.returncode == 0, said
            assert clone.state() == made
            _wipe(clone, "dvc.lock", ".dvc/tmp")  # it was done before its time: from the start again
    with capsys.disabled():
        print("", *killed, sep="\nkilled ")
    done = clone.reproduce()
    assert done.returncode == 0, done.stdout + done.stderr
    assert clone.state() == made
    assert _drafts(clone.place) == []


def test_what_a_kill_may_leave_half_written_needs_no_hand(clone: Clone, made: State) -> None:
    lock = clone.place / "dvc.lock"
    lock.write_bytes(lock.read_bytes()[: lock.stat().st_size // 2])
    (clone.place / ".dvc" / "tmp" / "rwlock").write_text('{"write": {')
    (clone.place / "reports" / "figures" / f"{DRAFT}figure-x.svg").write_text("<svg")
    (clone.place / "data" / "raw" / f"{DRAFT}x.csv.gz").write_bytes(b"\x1f")
    done = clone.reproduce()
    assert done.returncode == 0, done.stdout + done.stderr
    assert clone.state() == made
    assert _drafts(clone.place) == []


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("params.yaml", "sed: 1\n", "unknown key sed; did you mean seed"),
        ("params.yaml", "seed: two\n", "seed is 'two'; input should be a valid integer"),
        (f"profiles/{PROFILE}.yaml", "los: {hour: 1.0}\n", "unknown key los.hour; did you mean hours"),
        (f"profiles/{PROFILE}.yaml", "los: {hours: long}\n", "los.hours is 'long'; input should be a valid number"),
    ],
)
def test_wrong_settings_start_nothing(clone: Clone, made: State, name: str, text: str, message: str) -> None:
    with _changed(clone.root / name, text):
        done = clone.reproduce()
    _one_line(done, 2, message)
    assert done.stdout == ""
    assert clone.state() == made


def test_a_missing_data_file_is_told(clone: Clone, made: State, tmp_path: Path) -> None:
    profile = clone.root / "profiles" / f"{PROFILE}.yaml"
    with _changed(profile, profile.read_text(encoding="utf-8") + "\ndata: {source: mirror}\n"):
        _one_line(clone.reproduce(str(tmp_path)), 1, f"is missing in the mirror {tmp_path}; complete")
        _one_line(clone.reproduce(), 1, "source 'mirror' needs a mirror folder")
    assert clone.state() == made


def test_a_notebook_without_such_a_parameter_is_told(clone: Clone, made: State) -> None:
    words = [sys.executable, "-m", "edgeresearch", "notebook", "00-data", "-p", "sed=7", "--out", "reports/x.ipynb"]
    _one_line(clone.run(words, cwd=clone.place), 2, "notebook 00-data declares no parameter 'sed'; did you mean seed")
    assert clone.state() == made


MOUNTING = ("unshare", "--map-root-user", "--mount", "sh", "-euc")
"""What follows is a script whose mounts nobody else sees, and which end with it."""

mounts = pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run([*MOUNTING, "mount -t tmpfs none /mnt"], capture_output=True, check=False).returncode != 0,
    reason="mounting is not allowed here: no full disk and no read-only folder can be made",
)

# The workspace on a disk of its own with $3 KiB free, and what is left of it put where the test can look.
FULL_WORKSPACE = """
place=$1 left=$2 free=$3; shift 3
cp -a "$place" "$left.kept"
size=$(($(du -s --apparent-size --block-size=1K "$place" | cut -f1) * 2 + 4096))
mount -t tmpfs -o size=${size}k none "$place"
cp -a "$left.kept/." "$place"
dd if=/dev/zero of="$place/filler" bs=4k 2>/dev/null || true
truncate -s -${free}K "$place/filler"
status=0; "$@" || status=$?
rm "$place/filler"; cp -a "$place" "$left"
exit $status
"""
# A folder with an earlier result on a disk of its own with $3 KiB free.
FULL_FOLDER = """
place=$1 left=$2 free=$3; shift 3
mount -t tmpfs -o size=256k none "$place"
mkdir "$place/out"; echo earlier > "$place/out/earlier.txt"
dd if=/dev/zero of="$place/filler" bs=4k 2>/dev/null || true
truncate -s -${free}K "$place/filler"
status=0; "$@" || status=$?
cp -a "$place" "$left"
exit $status
"""
READ_ONLY = """
place=$1; shift
mount --bind "$place" "$place"; mount -o remount,ro,bind "$place"
exec "$@"
"""


@mounts
@pytest.mark.parametrize(("status", "spare"), [(2, 0), (1, 2048)])  # KiB: nothing starts, a stage fails
def test_a_full_disk_is_told(clone: Clone, made: State, tmp_path: Path, status: int, spare: int) -> None:
    profile = clone.root / "profiles" / f"{PROFILE}.yaml"
    text = profile.read_text(encoding="utf-8")
    other = text.replace("max_steps: 2500 ", "max_steps: 2600 ")
    assert other != text
    left = tmp_path / "left"
    with _changed(profile, other):
        script = [*MOUNTING, FULL_WORKSPACE, "sh", str(clone.place), str(left), str(spare), *REPRODUCE]
        done = clone.run(script)
    _one_line(done, status, "No space left on device")  # told by the command, the stage or DVC
    assert _drafts(left) == []
    assert clone.state() == made


@mounts
def test_read_only_reports_start_nothing(clone: Clone, made: State) -> None:
    done = clone.run([*MOUNTING, READ_ONLY, "sh", str(clone.place / "reports"), *REPRODUCE])
    _one_line(done, 2, "cannot write .*reports: .* is not writable")
    assert done.stdout == ""
    assert clone.state() == made


SMALL = """\
workers: 1
anomaly: {calibration: {limits: [400, 600, 800, 1000], repeats: 1, samples: 40}}
"""
COMMANDS = {
    "forecast": "forecast trace.csv --model ridge --out OUT",
    "elastic": "elastic trace.csv --strategy combined --forecaster last_value --repeats 1 --scale 40 --out OUT",
    "los": "los --streams 2 --hours 0.2 --repeats 1 --policy in_situ --params small.yaml --out OUT",
    "detect": "detect trace.csv --train 200 --every 0 --out OUT",
    "calibrate": "calibrate --throttle signals --params small.yaml --out OUT/calibration.json",
    "report": "report --out OUT",
    "export": "export --out OUT",
    "table claims": "table claims",
    "notebook": "notebook 22-limits --out OUT/22.ipynb",
    "data": "data --source synthetic --folder OUT",
}


@pytest.fixture
def inputs(clone: Clone, made: State) -> Iterator[None]:
    """A trace and small settings in the workspace, for as long as they are needed."""
    rows = [f"2024-03-{1 + k // 288:02d} {k // 12 % 24:02d}:{5 * k % 60:02d},{50 + 7 * k % 23}" for k in range(600)]
    files = {"trace.csv": "\n".join(["time,hits", *rows, ""]), "small.yaml": SMALL}
    for name, text in files.items():
        (clone.place / name).write_text(text, encoding="utf-8")
    yield
    for name in files:
        (clone.place / name).unlink()
    assert clone.state() == made


def _words(name: str, out: Path) -> list[str]:
    return [sys.executable, "-m", "edgeresearch", *COMMANDS[name].replace("OUT", str(out)).split()]


@mounts
@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "table claims"])
def test_a_full_disk_is_one_line_and_leaves_earlier_results(clone: Clone, tmp_path: Path, name: str) -> None:
    small, left = tmp_path / "small", tmp_path / "left"
    small.mkdir()
    free = "0" if name == "calibrate" else "4"  # a calibration has less than 4 KiB
    script = [*MOUNTING, FULL_FOLDER, "sh", str(small), str(left), free, *_words(name, small / "out")]
    _one_line(clone.run(script, cwd=clone.place), 2, "cannot write .*: No space left on device")
    files = {str(file.relative_to(left)) for file in left.rglob("*") if file.is_file()}
    assert files - {"filler"} == {"out/earlier.txt"} or name == "data", files  # whole data files stay
    assert _drafts(left) == []
    assert (left / "out" / "earlier.txt").read_text(encoding="utf-8") == "earlier\n"


@mounts
@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_read_only_folder_is_one_line(clone: Clone, tmp_path: Path, name: str) -> None:
    small = tmp_path / "small"
    shutil.copytree(clone.place / "reports", small / "out", ignore=shutil.ignore_patterns("site", "notebooks"))
    (small / "out" / "calibration.json").write_text("{}")
    before = {path: path.is_dir() or path.read_bytes() for path in small.rglob("*")}
    closed = clone.place / "reports" if name == "table claims" else small
    script = [*MOUNTING, READ_ONLY, "sh", str(closed), *_words(name, small / "out")]
    _one_line(clone.run(script, cwd=clone.place), 2, "cannot write .*(not writable|Read-only file system)")
    assert {path: path.is_dir() or path.read_bytes() for path in small.rglob("*")} == before


@pytest.mark.skipif(not os.environ.get(MIRROR), reason=f"{MIRROR} names no folder with the real data")
def test_with_the_real_data_the_report_says_so(clone: Clone, made: State) -> None:
    mirror = str((ROOT / os.environ[MIRROR]).absolute())
    done = clone.reproduce(mirror)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SYNTHETIC DATA" not in done.stderr
    assert re.search(r"All \d+ data files are the real ones, checked by their sha256", _report(clone))
    assert "synthetic stand-ins, not the real ones" not in _report(clone)
    real = clone.state()
    assert clone.reproduce(mirror).returncode == 0
    assert clone.state() == real
    assert real["data/raw/sources.csv"] != made["data/raw/sources.csv"]
