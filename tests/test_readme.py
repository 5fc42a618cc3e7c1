"""What the README says to type works."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(autouse=True)
def requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hits = np.random.default_rng(0).poisson(50 + 20 * np.sin(np.arange(900) / 20))
    times = pd.date_range("2024-03-01", periods=900, freq="5min")
    pd.DataFrame({"time": times, "hits": hits}).to_csv(tmp_path / "requests.csv", index=False)
    monkeypatch.chdir(tmp_path)


def test_your_own_trace_from_python(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(BLOCKS[0].splitlines()) <= 6
    exec(compile(BLOCKS[0], "README.md", "exec"), {})
    assert "the last value" in capsys.readouterr().out
    assert Path("results/forecast.csv").is_file()


def test_a_forecaster_from_scratch(capsys: pytest.CaptureFixture[str]) -> None:
    from edgeresearch.forecasting.base import Forecaster, Stream

    names: dict[str, object] = {}
    exec(compile(BLOCKS[1], "README.md", "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "5"]
    model, rows = names["model"], np.asarray(names["rows"])
    assert isinstance(model, Forecaster)
    stream = model.stream()
    assert isinstance(stream, Stream)
    streamed = [stream.update(row) for row in rows[:50]]
    np.testing.assert_allclose(streamed, model.predict(rows[:50]))
    definition = BLOCKS[1].split("class ")[1].split("\n\n\n")[0]
    assert len(definition.splitlines()) < 20


def test_it_names_targets_and_folders_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)\b", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))) <= targets
    for path in ("edgeresearch/data/", "edgeresearch/forecasting/", "edgeresearch/papers/", "bench/", "profiles/"):
        assert f"`{path}`" in TEXT
        assert (ROOT / path).is_dir()


def test_it_gives_the_attribution_that_the_world_cup_logs_require() -> None:
    assert 'M. Arlitt and T. Jin, "1998 World Cup Web Site Access Logs", August 1998.' in TEXT


def test_ratios_of_speed_and_their_bounds_are_those_that_were_measured() -> None:
    table = pd.read_csv(ROOT / "reports" / "bench" / "ratios.csv")
    ratios = {f"{ratio:.{digits}g}" for ratio in table["ratio"] for digits in (2, 3)}
    bounds = {f"{bound:.{digits}g}" for bound in table["bound"].dropna() for digits in (2, 3)}
    rows = re.findall(r"^\| (.+) \| (.+) \| (.+) \| (.*) \|$", TEXT.split("\n## Speed\n")[1], re.MULTILINE)[1:]
    assert len(rows) > 20
    for what, _, ratio, bound in rows:
        assert set(re.findall(r"[\d.]+", ratio)) <= ratios, what
        assert set(re.findall(r"[\d.]+", bound)) <= bounds, what
    missed = table[table["verdict"] == "not met"]["ratio"]
    told = re.findall(r"([\d.]+): not met", " ".join(ratio for _, _, ratio, _ in rows))
    assert len(told) == len(missed)
    assert set(told) <= {f"{ratio:.{digits}g}" for ratio in missed for digits in (2, 3)}
