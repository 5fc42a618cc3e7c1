from pathlib import Path

import pytest

from edgeresearch.provenance import machine, processor, sha256, versions


@pytest.mark.parametrize("text", ["processor : 0\nmodel name\t: Intel(R) N100\nmodel name\t: other\n", "", None])
def test_the_processor_has_a_name(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(text)
    assert processor(path) == "Intel(R) N100" if text else processor(path)


def test_the_machine_is_described_without_its_name() -> None:
    found = machine()
    assert set(found) == {"processor", "cores", "system", "python"}
    assert all(found.values())
    assert found["cores"] >= 1


def test_versions_of_what_is_installed() -> None:
    assert set(versions(["numpy", "no-such-package"])) == {"numpy"}


def test_a_checksum() -> None:
    assert sha256(b"").startswith("e3b0c442")
