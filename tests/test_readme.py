"""What the README says to type works, and what it shows comes out."""

import re
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_first_look_gives_what_it_shows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Column by column, and number by number but for the last digits, in which processors differ."""
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
    assert len(code.strip().splitlines()) <= 8
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    words, wanted = printed.split(), shown.split()
    assert len(words) == len(wanted), printed
    for word, want in zip(words, wanted, strict=True):
        try:
            assert float(word) == pytest.approx(float(want), rel=0.02, abs=0.02)
        except ValueError:
            assert word == want, printed


def test_a_stranger_can_hold_it_in_view() -> None:
    assert len(TEXT.splitlines()) <= 170


def test_it_names_targets_and_folders_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)\b", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))) <= targets
    folders = re.findall(r"`([a-z/]+/)`", TEXT)
    assert len(folders) > 5
    assert [name for name in folders if not (ROOT / name).is_dir()] == []


def test_it_gives_the_attribution_that_the_world_cup_logs_require() -> None:
    assert 'M. Arlitt and T. Jin, "1998 World Cup Web Site Access Logs", August 1998.' in TEXT


def test_ratios_of_speed_and_their_bounds_are_those_that_were_measured() -> None:
    table = pd.read_csv(ROOT / "reports" / "bench" / "ratios.csv")
    ratios = {f"{ratio:.{digits}g}" for ratio in table["ratio"] for digits in (2, 3)}
    bounds = {f"{bound:.{digits}g}" for bound in table["bound"].dropna() for digits in (2, 3)}
    text = (ROOT / "docs" / "bench.md").read_text(encoding="utf-8").split("\n## What was measured\n")[1]
    rows = re.findall(r"^\| (.+) \| (.+) \| (.+) \| (.*) \|$", text, re.MULTILINE)[1:]
    assert len(rows) > 20
    for what, _, ratio, bound in rows:
        assert set(re.findall(r"[\d.]+", ratio)) <= ratios, what
        assert set(re.findall(r"[\d.]+", bound)) <= bounds, what
    missed = table[table["verdict"] == "not met"]["ratio"]
    shown = re.findall(r"([\d.]+): not met", " ".join(ratio for _, _, ratio, _ in rows))
    assert len(shown) == len(missed)
    assert set(shown) <= {f"{ratio:.{digits}g}" for ratio in missed for digits in (2, 3)}
