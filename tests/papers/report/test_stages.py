from pathlib import Path

import pytest
import yaml

from edgeresearch.errors import InputError
from edgeresearch.papers.report.stages import Stage, stages

ROOT = Path(__file__).parents[3]
PIPELINE = """\
stages:
  compare:
    desc: "Fit on one trace"
    matrix: {trace: [a, b]}
    cmd: >-
      python -m edgeresearch compare ${item.trace}
      --folder data/raw
    deps: [x.py]
    outs:
      - data/${item.trace}.parquet
    metrics:
      - m.json: {cache: false}
    plots:
      - reports/${item.trace}.csv:
          cache: false
  bare:
    cmd: python -m edgeresearch bare
"""


def test_a_stage_is_what_it_does_its_command_and_what_it_makes(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    first, second = stages(tmp_path / "dvc.yaml")
    assert first == Stage(
        "compare",
        "Fit on one trace",
        "edgeresearch compare TRACE --folder data/raw",
        ("data/TRACE.parquet", "m.json", "reports/TRACE.csv"),
    )
    assert first.anchor == "stage-compare"
    assert (second.does, second.command, second.makes) == ("", "edgeresearch bare", ())


def test_the_stages_of_this_project_are_told_in_their_order() -> None:
    found = stages(ROOT / "dvc.yaml")
    assert [each.name for each in found] == list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    for each in found:
        assert each.command.startswith("edgeresearch ")
        assert each.does
        assert each.makes
        assert "$" not in each.command + "".join(each.makes)


@pytest.mark.parametrize(("content", "message"), [("a: 1\n", "has no stages"), ("[1]", "holds a list")])
def test_a_file_that_is_no_pipeline_is_told(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "dvc.yaml").write_text(content)
    with pytest.raises(InputError, match=message):
        stages(tmp_path / "dvc.yaml")


def test_a_missing_pipeline_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read .*: No such file"):
        stages(tmp_path / "dvc.yaml")
