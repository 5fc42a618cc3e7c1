"""Bad input to the command line: one clear line, a status, nothing half-written."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edgeresearch
from edgeresearch import cli

Left = Callable[..., str]


def _csv(rows: int = 400, start: str = "2024-03-01") -> pd.DataFrame:
    hits = np.random.default_rng(0).poisson(50, rows)
    times = pd.date_range(start, periods=rows, freq="5min").strftime("%Y-%m-%d %H:%M:%S")
    return pd.DataFrame({"time": times, "hits": hits})


def _text(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


def _with(row: int, column: str, value: object) -> bytes:
    table = _csv().astype({"hits": object})
    table.loc[row, column] = value
    return _text(table)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGERESEARCH_DATA_MIRROR", raising=False)
    return tmp_path


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Left:
    """Run a command line that must fail: its one line, after `error: `."""

    def run(*words: str) -> str:
        before = {path: path.is_dir() or path.read_bytes() for path in Path().rglob("*")}
        with pytest.raises(SystemExit) as caught:
            cli.main(words)
        assert caught.value.code == 2
        shown = capsys.readouterr()
        return _line(shown.err, before)

    return run


def _line(text: str, before: dict[Path, object]) -> str:
    assert text.startswith("error: ")
    assert text.count("\n") == 1, text
    assert "Traceback" not in text
    assert {path: path.is_dir() or path.read_bytes() for path in Path().rglob("*")} == before, "something was written"
    return text.removeprefix("error: ").rstrip("\n")


TWICE = _csv().iloc[[0, 1, 1, *range(2, 400)]].assign(hits=lambda table: table["hits"] + np.arange(len(table)) % 2)
FILES = {
    "an empty file": (b"", "is empty; give a file"),
    "a header alone": (b"time,hits\n", "has a header but no rows"),
    "no numbers": (b"time,name\n2024-01-01,a\n2024-01-02,b\n", "no column of numbers; columns: time, name"),
    "times twice": (_text(TWICE), "1 times stand there twice with different values, the first 2024-03-01 00:05:00"),
    "fewer points than window and horizon": (_text(_csv(50)), "50 values, window 60 and horizon 1 need 61; give a"),
    "too few points to judge on": (_text(_csv(100)), "has 100 points; window 60"),
    "infinity": (_with(7, "hits", "inf"), "line 9, column 'hits': 'inf' is no finite number"),
    "words among the numbers": (_with(7, "hits", "many"), "'many' is no finite number"),
    "a constant series": (_text(_csv().assign(hits=5)), "column 'hits' is constant (5)"),
    "bytes of no text": (b"\x00\x01\x02\xff" * 50, "is no text and no kind of file that is known"),
    "stamps that are none": (_with(3, "time", "yesterday"), "line 5: 'yesterday' is no time"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_trace(refused: Left, name: str) -> None:
    content, message = FILES[name]
    Path("trace.csv").write_bytes(content)
    line = refused("forecast", "trace.csv", "--out", "out")
    assert "trace" in line
    assert message in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "lstn"], "unknown model 'lstn'; did you mean lstm?; known: "),
        (["--model", "?"], "unknown model '?'; known: random_forest, ridge"),
        (["--model", "seasonal_naive"], "model seasonal_naive needs a season"),
        (["--horizon", "0"], "window 60 and horizon 0 must be at least 1"),
        (["--window", "0"], "window 0 and horizon 1 must be at least 1"),
        (["--horizon", "-3"], "horizon -3 must be at least 1"),
        (["--horizon", "300"], "horizon 300 need"),
        (["--seed", "-1"], "seed -1 is negative"),
        (["--seasonality", "soon"], "season 'soon' is neither steps nor a duration"),
        (["--seasonality", "7min"], "a season of 7min is no whole number of steps of 5 min"),
        (["--seasonality", "1"], "a season of 1 steps is too short"),
        (["--seasonality", "-1d"], "season '-1d' is neither steps nor a duration"),
        (["--seasonality", "1d"], "a season of 288 steps needs 864 rows, trace has 400"),
        (["--value", "hitz"], "has no column 'hitz'; did you mean hits?"),
        (["--time", "tim"], "has no column 'tim'; did you mean time?"),
        (["--step", "now"], "step 'now' is no duration"),
        (["--load", "none"], "cannot read none/model.json"),
        (["--load", "none", "--window", "3"], "--window is a setting of the saved model; leave it out beside --load"),
    ],
)
def test_a_bad_setting(refused: Left, words: list[str], message: str) -> None:
    Path("trace.csv").write_bytes(_text(_csv()))
    assert message in refused("forecast", "trace.csv", "--out", "out", *words)


def test_a_trace_that_is_not_there(refused: Left) -> None:
    Path("trace.csv").write_bytes(_text(_csv()))
    assert refused("forecast", "trase.csv", "--out", "out") == "no file trase.csv; nearest: trace.csv"
    Path("folder").mkdir()
    assert "is a directory" in refused("forecast", "folder", "--out", "out")


def test_a_place_that_cannot_be_written(refused: Left, here: Path) -> None:
    Path("trace.csv").write_bytes(_text(_csv()))
    file = str(here / "trace.csv")
    assert refused("forecast", "trace.csv", "--out", "trace.csv").startswith(
        f"cannot write trace.csv: {file} is a file; choose another folder"
    )
    assert "is a file; choose" in refused("forecast", "trace.csv", "--out", "trace.csv/below/it")
    assert "cannot write trace.csv/" in refused("data", "--source", "synthetic", "--folder", "trace.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(refused: Left) -> None:
    Path("trace.csv").write_bytes(_text(_csv()))
    Path("locked").mkdir(mode=0o555)
    assert "is not writable; choose" in refused("forecast", "trace.csv", "--out", "locked/out")


BAD_SETTINGS = {
    "sed: 1\n": "bad.yaml: unknown key sed; did you mean seed?",
    "seed: two\n": "bad.yaml: seed is 'two'; input should be a valid integer",
    "seed: [1\n": "bad.yaml is not YAML: ",
    None: "cannot read bad.yaml: No such file or directory; name another file",
}


@pytest.mark.parametrize(("text", "message"), BAD_SETTINGS.items())
@pytest.mark.parametrize(
    "command",
    [
        *("data", "compare elb", "replay elb", "table table2", "table claims", "report", "export --out out"),
        *("emulate limits", "emulate measured", "fit elastic", "fit los", "anomaly sensors", "anomaly staleness"),
        *("los --out out", "calibrate"),
    ],
)
def test_bad_settings(refused: Left, command: str, text: str | None, message: str) -> None:
    if text is not None:
        Path("bad.yaml").write_text(text)
    assert refused(*command.split(), "--params", "bad.yaml").startswith(message)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("compare elb", "no file data/raw/qps/nab_elb_request_count_8c0756.csv.gz"),
        ("replay elb", "no file data/raw/qps/nab_elb_request_count_8c0756.csv.gz"),
        ("anomaly sensors", "0 traffic sensors in data/raw, not 10; fetch the data first"),
        ("anomaly staleness", "no file data/processed/los/triggers.parquet; make it with"),
        ("calibrate", "0 traffic sensors in data/raw, not 1; fetch the data first"),
        ("emulate measured", "cannot read data/calibration.json"),
        ("los --truth none.json --out out", "cannot read none.json"),
        ("los --testbed none.yaml --out out", "cannot read none.yaml"),
        ("elastic none.csv --out out", "no file none.csv"),
        ("detect none.csv --out out", "no file none.csv"),
        ("table los", "cannot read reports/tables/los/limits.csv"),
        ("table claims", "reports/tables/table3_elastic.csv: No such file or directory; run"),
        ("claims", "cannot read reports/claims.csv"),
        ("notebook none", "no notebook none"),
    ],
)
def test_a_missing_file(refused: Left, command: str, message: str) -> None:
    assert message in refused(*command.split())


WRITING = {
    "forecast": "forecast trace.csv --model ridge --out out",
    "elastic": "elastic trace.csv --strategy combined --forecaster last_value --repeats 1 --scale 40 --out out",
    "los": "los --streams 2 --hours 0.2 --repeats 1 --policy in_situ --params small.yaml --out out",
    "detect": "detect trace.csv --train 200 --every 0 --out out",
    "emulate": "emulate limits --params small.yaml --out out",
    "data": "data --source synthetic --folder out",
}


@pytest.fixture
def inputs(here: Path) -> Path:
    """A trace, small settings, and an earlier result."""
    (here / "trace.csv").write_bytes(_text(_csv(600)))
    (here / "small.yaml").write_text("workers: 1\nlos: {adaptation: {jobs: 2, iterations: 50, repeats: 1}}\n")
    (here / "out").mkdir()
    (here / "out" / "earlier.txt").write_text("earlier")
    return here


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize("name", WRITING)
def test_a_full_disk(refused: Left, name: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # bytes that a file may have: the system refuses more
    try:
        line = refused(*WRITING[name].split())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert line.startswith("cannot write out")
    assert ": File too large; choose" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("name", WRITING)
def test_no_permission_to_write(refused: Left, inputs: Path, name: str) -> None:
    (inputs / "out").chmod(0o555)
    (inputs / "closed").mkdir()
    (inputs / "closed").chmod(0o555)
    words = WRITING[name].replace("out", "closed/out").split()
    assert refused(*words).startswith("cannot write closed/out")


def test_a_mirror_that_lacks_a_file(refused: Left) -> None:
    Path("mirror").mkdir()
    assert "is missing in the mirror mirror; complete" in refused("data", "--source", "mirror", "--mirror", "mirror")
    assert "source 'mirror' needs a mirror folder" in refused("data", "--source", "mirror")


def test_a_mirror_with_another_checksum(refused: Left) -> None:
    from edgeresearch.data.registry import pins

    bad = Path("mirror") / next(iter(pins()))
    bad.parent.mkdir(parents=True)
    bad.write_bytes(b"time,value\n1,2\n")
    line = refused("data", "--source", "mirror", "--mirror", "mirror", "--folder", "data")
    assert "has another checksum than the pinned one" in line
    assert not Path("data").exists()


def test_a_download_with_another_checksum_is_not_kept(refused: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeresearch.data.datasets._download", lambda url, progress: b"time,value\n1,2\n")
    line = refused("data", "--source", "download", "--folder", "data")
    assert "the download has another checksum" in line
    assert "and was not kept" in line


EARLY = (
    *("forecast none.csv --out out", "elastic none.csv --out out", "detect none.csv --out out"),
    *("los --policy los --policy cluod --out out", "los --testbed none.yaml --out out", "sweep none.yaml --out out"),
    *("data --params none.yaml", "data --source web", "compare elb --params none.yaml", "replay --params none.yaml"),
    *("table los --params none.yaml", "emulate limits --params none.yaml", "fit elastic --params none.yaml"),
    *("anomaly stale", "calibrate --params none.yaml", "report --params none.yaml", "notebook none -p x"),
    *("export --params none.yaml --out out", "fit lost", "reproduce --profile none"),
)


def test_what_is_wrong_at_first_sight_is_told_before_anything_heavy_is_imported(here: Path) -> None:
    code = """
import sys
from edgeresearch.cli import main
for words in sys.argv[1:]:
    try:
        main(words.split())
    except SystemExit as left:
        print(left.code, words, "pandas" in sys.modules)
print(*sys.modules)
"""
    env = os.environ | {"PYTHONPATH": str(Path(edgeresearch.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code, *EARLY], env=env, capture_output=True, text=True, check=True)
    *left, modules = done.stdout.splitlines()
    assert left == [f"2 {words} False" for words in EARLY]
    assert done.stderr.count("error: ") == done.stderr.count("\n") == len(EARLY)
    assert not {"pandas", "scipy", "sklearn", "torch", "matplotlib"} & set(modules.split())
    assert os.listdir() == []


@pytest.mark.parametrize("command", ["forecast", "elastic", "detect"])
def test_a_bad_file_is_told_before_what_learns_or_draws_is_imported(here: Path, command: str) -> None:
    Path("trace.csv").write_bytes(FILES["words among the numbers"][0])
    code = "import sys; from edgeresearch.cli import main; sys.exit(0) if main(sys.argv[1:]) else None"
    code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules)); {code}"
    env = os.environ | {"PYTHONPATH": str(Path(edgeresearch.__file__).parents[1])}
    words = [sys.executable, "-c", code, command, "trace.csv", "--out", "out"]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "line 9, column 'hits': 'many' is no finite number" in done.stderr
    assert not {"scipy", "sklearn", "torch", "matplotlib", "xgboost"} & set(done.stdout.split())


def test_a_saved_model_that_does_not_fit(refused: Left, capsys: pytest.CaptureFixture[str]) -> None:
    Path("trace.csv").write_bytes(_text(_csv(900)))
    with pytest.raises(SystemExit) as done:
        cli.main(["forecast", "trace.csv", "--model", "ridge", "--out", "saved"])
    assert done.value.code == 0
    capsys.readouterr()
    Path("short.csv").write_bytes(_text(_csv(300)))
    line = refused("forecast", "short.csv", "--load", "saved", "--out", "out")
    assert "short has 300 rows, the saved model reads a window of 60 and a season of 288; give at least 348" in line
    other = _csv().assign(time=pd.date_range("2024-03-01", periods=400, freq="1min"))
    Path("minutes.csv").write_bytes(_text(other))
    line = refused("forecast", "minutes.csv", "--load", "saved", "--out", "out")
    assert line == "minutes has a step of 1 min, the model was fitted on 5 min; resample the series"
    Path("renamed.csv").write_bytes(_text(_csv().rename(columns={"hits": "calls"})))
    assert "has no column 'hits'" in refused("forecast", "renamed.csv", "--load", "saved", "--out", "out")
    weights = Path("saved/model/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert "its checksum differs" in refused("forecast", "trace.csv", "--load", "saved", "--out", "out")


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        (b"", [], "error: trace.csv is empty; give a file with a value in each row\n"),
        (_text(_csv()), ["--model", "arima"], "error: unknown model 'arima'"),
    ],
)
def test_the_real_command(here: Path, content: bytes, words: list[str], message: str) -> None:
    Path("trace.csv").write_bytes(content)
    env = os.environ | {"PYTHONPATH": str(Path(edgeresearch.__file__).parents[1])}
    command = [sys.executable, "-m", "edgeresearch", "forecast", "trace.csv", "--out", "out", *words]
    before = {path: path.is_dir() or path.read_bytes() for path in Path().rglob("*")}
    done = subprocess.run(command, cwd=here, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    _line(done.stderr, before)
