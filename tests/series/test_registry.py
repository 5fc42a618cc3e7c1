import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.errors import InputError
from edgeresearch.series import registry
from edgeresearch.series.fetch import REGISTRY, is_real, registry_from_manifest

NAME = "qps/dsp_wiki_de_5min.csv.gz"


def test_the_packaged_registry_pins_every_file() -> None:
    pins = registry.pins()
    assert len(pins) == 99
    assert [name for name, pin in pins.items() if not pin.identical] == [
        "qps/twitter_stream_aug_2021_per_second.csv.gz"
    ]
    for name, pin in pins.items():
        assert pin.file == name and name.endswith(".csv.gz")
        assert pin.url.startswith("https://raw.githubusercontent.com/")
        assert re.fullmatch("[0-9a-f]{64}", pin.sha256) and re.fullmatch("[0-9a-f]{64}", pin.sha256_csv)


def test_the_pins_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        registry.pins()["x"] = registry.pin(NAME)  # type: ignore[index]


def test_the_registry_is_made_from_a_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "MANIFEST.csv"
    manifest.write_text(
        "file,repo,url,rows,sha256_gz,sha256_csv,identical_to_upstream\n"
        "b.csv.gz,r,https://e.org/b,1,11,22,yes\na.csv.gz,r,https://e.org/a,007,33,44,no\n"
    )
    table = registry_from_manifest(manifest)
    assert list(table.columns) == ["file", "url", "sha256", "sha256_csv", "identical_to_upstream"]
    assert table["file"].tolist() == ["a.csv.gz", "b.csv.gz"]
    assert table["sha256"].tolist() == ["33", "11"]


def test_the_packaged_registry_follows_from_the_real_manifest(real: Path) -> None:
    made = registry_from_manifest(real / "MANIFEST.csv")
    pd.testing.assert_frame_equal(made, pd.read_csv(REGISTRY, dtype=str))


def test_a_manifest_that_lacks_columns_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("file,url\na,b\n")
    with pytest.raises(InputError, match="lacks the columns sha256, sha256_csv, identical_to_upstream"):
        registry_from_manifest(tmp_path / "m.csv")
    with pytest.raises(InputError, match="cannot read the manifest"):
        registry_from_manifest(tmp_path / "none.csv")


def test_an_unknown_file_names_the_nearest() -> None:
    with pytest.raises(InputError, match=f"unknown data file 'qps/wiki_de.csv.gz'; nearest: {re.escape(NAME)}"):
        registry.pin("qps/wiki_de.csv.gz")
    with pytest.raises(InputError, match=r"nearest: aarhus_traffic/trafficData158324\.csv\.gz; see registry\.csv"):
        registry.pin("trafficData158324")


def test_content_decompresses_gz_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"hello"))
    (tmp_path / "a.csv").write_bytes(b"hello")
    assert registry.content(tmp_path / "a.gz") == registry.content(tmp_path / "a.csv") == b"hello"


@pytest.mark.parametrize("damage", [b"", b"no gzip at all", gzip.compress(b"x" * 99, mtime=0)[:20]])
def test_a_damaged_file_is_an_error_and_not_real(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(damage)
    if damage:
        with pytest.raises(InputError, match="damaged gzip file"):
            registry.content(path)
    assert not is_real(path, NAME)


def test_a_corrupt_body_is_damaged(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(bytes(range(256)) * 40))
    data[40:60] = bytes(20)
    (tmp_path / "a.gz").write_bytes(bytes(data))
    with pytest.raises(InputError, match="damaged gzip file"):
        registry.content(tmp_path / "a.gz")


def test_a_missing_or_unreadable_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        registry.content(tmp_path / "a.gz")
    with pytest.raises(InputError, match="cannot read"):
        registry.content(tmp_path)


def test_the_decompressed_bytes_decide_what_is_real(pinned: Callable[..., None], tmp_path: Path) -> None:
    pinned({NAME: b"date,messages\n"})
    path = tmp_path / "x.csv.gz"
    for level in (1, 9):
        path.write_bytes(gzip.compress(b"date,messages\n", compresslevel=level, mtime=level))
        assert is_real(path, NAME)
    path.write_bytes(gzip.compress(b"date,messages\n "))
    assert not is_real(path, NAME)
    assert not is_real(tmp_path / "missing.csv.gz", NAME)


def test_reading_gives_the_origin(pinned: Callable[..., None], put: Callable[[str, str], Path]) -> None:
    text = "date,messages,more\n2019-07-01,5,6\n"
    pinned({NAME: text.encode()})
    table, origin = registry.read(put(NAME, text), NAME, ["messages", "date"], "a note")
    assert list(table.columns) == ["messages", "date"]
    assert (origin.source, origin.file, origin.real, origin.note) == ("registry", NAME, True, "a note")
    assert origin.sha256 == registry.sha256(text.encode())


def test_a_stand_in_is_marked(put: Callable[[str, str], Path]) -> None:
    _, origin = registry.read(put(NAME, "date,messages\n2019-07-01,5\n"), NAME, ["messages"])
    assert (origin.source, origin.real, origin.note) == ("synthetic", False, "not the pinned file: a stand-in")


def test_a_file_without_the_column_is_an_error(put: Callable[[str, str], Path]) -> None:
    with pytest.raises(InputError, match="cannot read .*messages"):
        registry.read(put(NAME, "date,other\n1,2\n"), NAME, ["messages"])
