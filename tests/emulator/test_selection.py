from pathlib import Path
from typing import Any

import pytest

from edgeresearch.emulator.selection import selected
from edgeresearch.emulator.testbed import PAPER_B, paper_b
from edgeresearch.errors import InputError
from edgeresearch.params import Params

SECTION: dict[str, Any] = Params().los.model_dump()


def test_without_a_name_it_is_the_papers() -> None:
    assert selected(SECTION) is paper_b()


def test_a_named_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(PAPER_B.read_text(encoding="utf-8").replace("nodes: 5", "nodes: 6"), encoding="utf-8")
    assert len(selected({**SECTION, "testbed": str(path)}).layers[0].members) == 6


def test_periods_must_outlast_the_containers_start(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(PAPER_B.read_bytes())
    truth = {**SECTION["truth"], "start": 1e6}
    with pytest.raises(InputError, match="mine.yaml"):
        selected({**SECTION, "testbed": str(path), "truth": truth})
