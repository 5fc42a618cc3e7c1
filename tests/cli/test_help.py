"""The help is for people: their commands first, choices told, examples on files that are there; shells complete it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import typer
from typer.testing import CliRunner

from edgeresearch import cli
from edgeresearch.anomaly.api import IDENTITIES, THRESHOLDS
from edgeresearch.autoscaling.policies import POLICIES as STRATEGIES
from edgeresearch.autoscaling.replay import UNITS
from edgeresearch.cli import base, study, user
from edgeresearch.data.registry import Source, TraceName
from edgeresearch.data.times import FORMATS
from edgeresearch.emulator.policies import POLICIES
from edgeresearch.forecasting.base import MODELS
from edgeresearch.papers.project import TABLES
from edgeresearch.profiling.cpu_limit import METHODS
from edgeresearch.profiling.training_cost import KINDS
from edgeresearch.sweeps.runner import BACKENDS

ROOT = Path(__file__).parents[2]
USERS = ("forecast", "elastic", "los", "detect", "sweep")
SHELLS = ("bash", "zsh", "fish", "powershell")


def _help(*words: str) -> str:
    shown = CliRunner().invoke(cli.app, [*words, "--help"], env={"COLUMNS": "100", "TERM": "dumb"})
    assert shown.exit_code == 0
    return shown.output


def _complete(*words: str) -> subprocess.CompletedProcess[str]:
    line = {"COMP_WORDS": " ".join(["edgeresearch", *words]), "COMP_CWORD": str(len(words))}
    asked = {**os.environ, **line, "_EDGERESEARCH_COMPLETE": "complete_bash"}
    command = [sys.executable, "-X", "importtime", "-m", "edgeresearch"]
    return subprocess.run(command, cwd=ROOT, env=asked, capture_output=True, text=True, check=True)


def test_the_commands_of_users_come_first_and_apart() -> None:
    panels = re.split(r"╭─ ", _help())
    titles = [panel.split(" ─")[0] for panel in panels[1:]]
    assert titles == ["Options", *base.PANELS]
    commands = [re.findall(r"^│ ([a-z]+) ", panel, re.MULTILINE) for panel in panels[2:]]
    assert commands[:2] == [list(USERS), ["claims", "report", "export"]]


def test_each_user_command_has_an_example_on_a_file_of_a_clone() -> None:
    for name in USERS:
        lines = re.findall(r"^ +edgeresearch (.*)", _help(name), re.MULTILINE)
        files = re.findall(r"examples/\S+", lines[0])
        assert files and all((ROOT / file).is_file() for file in files), name


def test_examples_fit_eighty_columns() -> None:
    for name in USERS:
        lines = re.findall(r"^ +edgeresearch .*", _help(name).split("╭")[0], re.MULTILINE)
        assert max(len(line.rstrip()) for line in lines) <= 80, lines


def test_what_the_help_lists_is_what_there_is() -> None:
    assert base.MODELS.known == tuple(MODELS)
    assert base.STRATEGIES.known == tuple(STRATEGIES)
    assert base.POLICIES.known == tuple(POLICIES)
    assert base.TIME_FORMATS.known == tuple(FORMATS)
    assert base.TRACES.known == get_args(TraceName)
    assert study.SOURCES.known == get_args(Source)
    assert base.COSTED.known == tuple(KINDS)
    assert user.IDENTITIES.known == tuple(IDENTITIES)
    assert user.THRESHOLDS.known == tuple(THRESHOLDS)
    assert user.UNITS.known == tuple(UNITS)
    assert user.BACKENDS.known == tuple(BACKENDS)
    assert study.THROTTLES.known == METHODS
    assert study.TABLES.known == TABLES


CHOICES = {
    ("forecast", "--model"): ("model", "rigde", "ridge", base.MODELS.known),
    ("elastic", "--strategy"): ("strategy", "combind", "combined", base.STRATEGIES.known),
    ("elastic", "--forecaster"): ("model", "lsmt", "lstm", base.MODELS.known),
    ("elastic", "--unit"): ("unit", "per-secnd", "per-second", user.UNITS.known),
    ("elastic", "--time-format"): ("time format", "dayfirst", "day-first", base.TIME_FORMATS.known),
    ("los", "--policy"): ("policy", "clod", "cloud", base.POLICIES.known),
    ("los", "--truth-model"): ("model", "autoencodr", "autoencoder", base.COSTED.known),
    ("detect", "--identity"): ("identity", "lsmt", "lstm", user.IDENTITIES.known),
    ("detect", "--threshold"): ("threshold", "quantil", "quantile", user.THRESHOLDS.known),
    ("sweep", "--backend"): ("backend", "lokey", "loky", user.BACKENDS.known),
    ("data", "--source"): ("source", "miror", "mirror", study.SOURCES.known),
    ("calibrate", "--throttle"): ("throttle", "signal", "signals", study.THROTTLES.known),
    ("claims", "--paper"): ("paper", "C", "", ("A", "B")),
}
FILES = {"sweep": [str(ROOT / "examples" / "sweep.yaml")], "los": [], "data": [], "calibrate": [], "claims": []}


@pytest.mark.parametrize("choice", CHOICES, ids=" ".join)
def test_choices_are_listed_and_a_wrong_one_gets_the_nearest_named(
    choice: tuple[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command, option = choice
    what, wrong, near, known = CHOICES[choice]
    text = " ".join(_help(command).replace("│", " ").split())
    assert all(word in text for word in known)
    files = FILES.get(command, [str(ROOT / base.SAMPLE)])
    out = [] if command in ("data", "calibrate", "claims") else ["--out", "out"]
    with pytest.raises(SystemExit) as left:
        cli.main([command, *files, option, wrong, *out])
    assert left.value.code == 2
    hint = f"; did you mean {near}?" if near else ""
    assert capsys.readouterr().err == f"error: unknown {what} {wrong!r}{hint}; known: {', '.join(known)}\n"
    assert not list(tmp_path.iterdir())


def test_models_are_completed_without_torch() -> None:
    done = _complete("forecast", "--model", "")
    assert done.stdout.split() == list(base.MODELS.known)
    assert not re.search(r"\| +(torch|pandas|scipy|matplotlib)$", done.stderr, re.MULTILINE)
    assert "| edgeresearch.cli.user" in re.sub(" +", " ", done.stderr), "what was imported is told"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("forecast", "--model", "ridge_"), "ridge_calendar"),
        (("los", "--policy", "l"), "los least_loaded"),
        (("detect", "--identity", ""), "lstm autoencoder"),
        (("elastic", "--unit", "per-m"), "per-minute"),
        (("table", "t"), "table2 table3"),
        (("compare", "twi"), "twitter_second twitter_minute"),
    ],
)
def test_words_are_completed(words: tuple[str, ...], found: str) -> None:
    assert _complete(*words).stdout.split() == found.split()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_is_shown(shell: str) -> None:
    asked = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    command = [sys.executable, "-m", "edgeresearch", "--show-completion", shell]
    done = subprocess.run(command, env=asked, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "_EDGERESEARCH_COMPLETE" in done.stdout


def test_the_script_is_installed_where_the_shell_looks(tmp_path: Path) -> None:
    asked = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "edgeresearch", "--install-completion", "bash"]
    subprocess.run(command, env=asked, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "edgeresearch" in (tmp_path / ".bashrc").read_text()
    (script,) = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".bashrc"]
    assert "_EDGERESEARCH_COMPLETE" in script.read_text()


OWN = """
class Mine:
    name = "mine"

    def decide(self, now):
        return now.pods_for(now.load) + 1


class Asks:
    def __init__(self, what):
        self.what = what


broken = 1 / {divisor}
"""


def test_objects_of_ones_own_are_named_by_module_and_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("own_policies.py").write_text(OWN.format(divisor=1))
    Path("own_broken.py").write_text(OWN.format(divisor=0))
    words = ["elastic", str(ROOT / base.SAMPLE), "--forecaster", "ridge", "--repeats", "1", "--qmax", "1"]

    def run(name: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            cli.main([*words, "--strategy", name, "--out", "out"])
        return int(left.value.code or 0), *capsys.readouterr()

    status, out, _ = run("own_policies.py:Mine")
    assert status == 0
    assert "│ mine " in out
    for name, message in {
        "own_policies:Mien": "own_policies.py has no 'Mien'; did you mean Mine?; give module:Name",
        "own_policis:Mine": f"own_policis:Mine: there is no module own_policis in {tmp_path}, nor one that is inst",
        "own_policies:Asks": "own_policies:Asks cannot be used: TypeError: ",
        "own_broken:Mine": "own_broken:Mine cannot be used: ZeroDivisionError: division by zero; mend it",
        ":Mine": ":Mine cannot be used: ValueError: Empty module name; mend it",
    }.items():
        status, _, error = run(name)
        assert status == 2
        assert message in error
        assert error.count("\n") == 1


def test_every_option_of_users_has_a_group() -> None:
    group = typer.main.get_command(cli.app)
    context = typer.Context(group)
    for name in USERS:
        command = group.get_command(context, name)  # type: ignore[attr-defined]
        loose = {each.name for each in command.params if not getattr(each, "rich_help_panel", None)}
        assert loose <= {
            "trace",
            "stream",
            "spec",
            "out",
            "seed",
            "params",
            "folder",
            "retry",
            "show_testbed",
            "help",
        }, name
