"""Bringing the public files into a data folder."""

import gzip
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edgeresearch.data import datasets, synthetic
from edgeresearch.data.datasets import fetch, is_real
from edgeresearch.errors import InputError
from edgeresearch.io import read_bytes
from edgeresearch.provenance import sha256

ELB = "qps/nab_elb_request_count_8c0756.csv.gz"
WIKI = "qps/dsp_wiki_de_5min.csv.gz"
TWITTER = "qps/twitter_stream_aug_2021_per_second.csv.gz"
CONTENTS = {
    ELB: b"timestamp,value\n2014-04-10 00:04:00,94.0\n",
    WIKI: b"date,messages\n2019-07-01 00:00:00,95262.0\n",
    TWITTER: b"count\n52\n55\n",
}


class Server:
    """A web server on this machine: what it serves by path, and what it was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes, int]] = {}
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802
                server.asked.append(self.path)
                status, body, length = server.answers.get(self.path, (404, b"", 0))
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def serve(self, path: str, body: bytes, status: int = 200, missing: int = 0) -> None:
        self.answers[path] = (status, body, len(body) + missing)

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def three(pinned: Callable[..., None], server: Server) -> None:
    """Pin three small files of the server; the third is an archive upstream."""
    pinned(CONTENTS, {TWITTER: "qps/workload.tbz2"}, server.url)


@pytest.fixture
def mirror(tmp_path: Path, three: None) -> Path:
    for name, data in CONTENTS.items():
        path = tmp_path / "mirror" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(data, mtime=0))
    return tmp_path / "mirror"


def _archive(text: bytes | None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:bz2") as archive:
        folder = tarfile.TarInfo("trace")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        if text is not None:
            entry = tarfile.TarInfo("trace/workload.txt")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    return buffer.getvalue()


def _serve_all(server: Server) -> None:
    for name in (ELB, WIKI):
        server.serve("/" + name.removesuffix(".gz"), CONTENTS[name])
    server.serve("/qps/workload.tbz2", _archive(b"52 55\n"))


def _no_warning(message: str) -> None:
    raise AssertionError(message)


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.usefixtures("three")
def test_downloads_are_checked_and_stored(server: Server, tmp_path: Path) -> None:
    _serve_all(server)
    table = fetch(tmp_path / "d", source="download", seed=0, warn=_no_warning)
    assert table["file"].tolist() == list(CONTENTS)
    assert table["source"].tolist() == ["download"] * 3
    assert table["real"].all()
    assert table["sha256"].tolist() == [sha256(data) for data in CONTENTS.values()]
    for name, data in CONTENTS.items():
        assert gzip.decompress((tmp_path / "d" / name).read_bytes()) == data
    assert _files(tmp_path / "d") == sorted(CONTENTS)


@pytest.mark.usefixtures("three")
def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    _serve_all(server)
    fetch(tmp_path / "d", source="download", files=[ELB], seed=0, warn=_no_warning)
    server.asked.clear()
    table = fetch(tmp_path / "d", source="auto", files=[WIKI, ELB], seed=0, warn=_no_warning)
    assert table["source"].tolist() == ["download", "kept"]
    assert server.asked == ["/" + WIKI.removesuffix(".gz")]


@pytest.mark.usefixtures("three")
def test_a_stored_file_has_no_name_and_no_time(server: Server, tmp_path: Path) -> None:
    _serve_all(server)
    fetch(tmp_path / "d", source="download", files=[ELB], seed=0, warn=_no_warning)
    assert (tmp_path / "d" / ELB).read_bytes()[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"


@pytest.mark.parametrize("source", ["download", "auto"])
@pytest.mark.usefixtures("three")
def test_a_wrong_checksum_is_an_error_and_the_file_is_not_kept(source: str, server: Server, tmp_path: Path) -> None:
    server.serve("/" + ELB.removesuffix(".gz"), b"something else\n")
    with pytest.raises(InputError) as caught:
        fetch(tmp_path / "d", source=source, files=[ELB], seed=0, warn=_no_warning)
    message = str(caught.value)
    assert ELB in message and "\n" not in message
    assert sha256(CONTENTS[ELB]) in message and sha256(b"something else\n") in message
    assert not (tmp_path / "d").exists()


@pytest.mark.usefixtures("three")
def test_a_download_that_fails_leaves_nothing(server: Server, tmp_path: Path) -> None:
    path = "/" + ELB.removesuffix(".gz")
    with pytest.raises(InputError, match="404 .*try again later or use a mirror"):
        fetch(tmp_path / "d", source="download", files=[ELB], seed=0, warn=_no_warning)
    server.serve(path, CONTENTS[ELB][:10], missing=20)
    for _ in ("cut short", "no server"):
        with pytest.raises(InputError, match=f"cannot download {ELB}"):
            fetch(tmp_path / "d", source="download", files=[ELB], seed=0, warn=_no_warning)
        server.stop()
    assert not (tmp_path / "d").exists()


@pytest.mark.usefixtures("three")
def test_files_before_a_failure_stay(server: Server, tmp_path: Path) -> None:
    _serve_all(server)
    server.serve("/" + WIKI.removesuffix(".gz"), b"", status=500)
    with pytest.raises(InputError, match="500"):
        fetch(tmp_path / "d", source="download", seed=0, warn=_no_warning)
    assert _files(tmp_path / "d") == [ELB]


@pytest.mark.usefixtures("three")
def test_after_one_failure_no_other_file_is_tried_and_stand_ins_come_loudly(server: Server, tmp_path: Path) -> None:
    said: list[str] = []
    table = fetch(tmp_path / "d", source="auto", files=[ELB, WIKI], seed=0, warn=said.append)
    assert server.asked == ["/" + ELB.removesuffix(".gz")]
    assert table["source"].tolist() == ["synthetic", "synthetic"]
    assert not table["real"].any()
    assert len(said) == 2
    assert "no other file is tried" in said[0]
    assert said[1].startswith("SYNTHETIC DATA: 2 of 2 files") and "download" in said[1]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"no archive", "no tar.bz2 archive"),
        (_archive(b"")[:30], "no tar.bz2 archive"),
        (_archive(b"52 55")[:-20], "no tar.bz2 archive"),
        (_archive(None), "no tar.bz2 archive"),
        (_archive(b"52 56"), "another checksum"),
    ],
)
@pytest.mark.usefixtures("three")
def test_an_archive_with_other_contents_is_an_error(body: bytes, message: str, server: Server, tmp_path: Path) -> None:
    server.serve("/qps/workload.tbz2", body)
    with pytest.raises(InputError, match=message):
        fetch(tmp_path / "d", source="download", files=[TWITTER], seed=0, warn=_no_warning)


@pytest.mark.usefixtures("three")
def test_the_progress_bar_is_drawn_only_when_asked(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _serve_all(server)
    fetch(tmp_path / "a", source="download", files=[ELB], seed=0, warn=_no_warning)
    assert capsys.readouterr() == ("", "")
    fetch(tmp_path / "b", source="download", files=[ELB], seed=0, warn=_no_warning, progress=True)
    assert "100%" in capsys.readouterr().err


def test_a_whole_mirror_is_copied_and_needs_no_network(mirror: Path, server: Server, tmp_path: Path) -> None:
    for source, folder in (("mirror", tmp_path / "a"), ("auto", tmp_path / "b")):
        table = fetch(folder, source=source, mirror=mirror, seed=0, warn=_no_warning)  # type: ignore[arg-type]
        assert table["source"].tolist() == ["mirror"] * 3
        assert table["real"].all()
        for name in CONTENTS:
            assert (folder / name).read_bytes() == (mirror / name).read_bytes()
    assert server.asked == []
    assert len(fetch(tmp_path / "c", source="mirror", mirror=mirror, files=[ELB, ELB], seed=0, warn=_no_warning)) == 1


@pytest.mark.parametrize(("damage", "fault"), [(None, "is missing"), (b"junk", "has another checksum")])
def test_a_file_the_mirror_lacks_is_named(damage: bytes | None, fault: str, mirror: Path, tmp_path: Path) -> None:
    if damage is None:
        (mirror / WIKI).unlink()
    else:
        (mirror / WIKI).write_bytes(damage)
    with pytest.raises(InputError, match=f"{WIKI} {fault}"):
        fetch(tmp_path / "d", source="mirror", mirror=mirror, seed=0, warn=_no_warning)
    assert _files(tmp_path / "d") == [ELB]


def test_auto_downloads_what_the_mirror_lacks_and_says_so(mirror: Path, server: Server, tmp_path: Path) -> None:
    _serve_all(server)
    (mirror / WIKI).unlink()
    said: list[str] = []
    table = fetch(tmp_path / "d", source="auto", mirror=mirror, seed=0, warn=said.append)
    assert table["source"].tolist() == ["mirror", "download", "mirror"]
    assert len(said) == 1 and "1 of 3 files cannot be used" in said[0] and WIKI in said[0]


def test_stand_ins_replace_real_files_when_asked_for(mirror: Path, tmp_path: Path) -> None:
    fetch(tmp_path / "d", source="mirror", mirror=mirror, files=[ELB], seed=0, warn=_no_warning)
    said: list[str] = []
    table = fetch(tmp_path / "d", source="synthetic", files=[ELB], seed=3, warn=said.append)
    assert table["source"].tolist() == ["synthetic"]
    assert not table["real"].any()
    assert len(said) == 1
    assert read_bytes(tmp_path / "d" / ELB) == synthetic.make_file(ELB, 3)


def test_real_files_replace_stand_ins(mirror: Path, tmp_path: Path) -> None:
    fetch(tmp_path / "d", source="synthetic", files=[ELB], seed=3, warn=lambda _: None)
    table = fetch(tmp_path / "d", source="auto", mirror=mirror, files=[ELB], seed=3, warn=_no_warning)
    assert table["source"].tolist() == ["mirror"]
    assert table["real"].all()


def test_unknown_sources_and_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown source 'net'; choose auto, mirror, download or synthetic"):
        fetch(tmp_path, source="net", seed=0, warn=_no_warning)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="needs a mirror folder"):
        fetch(tmp_path / "d", source="mirror", seed=0, warn=_no_warning)
    with pytest.raises(InputError, match="unknown data file 'qps/elb.csv.gz'.*see registry.csv for all 99"):
        fetch(tmp_path, source="synthetic", files=["qps/elb.csv.gz"], seed=0, warn=_no_warning)


def test_the_real_mirror_is_whole(real: Path, tmp_path: Path) -> None:
    table = fetch(tmp_path / "d", source="mirror", mirror=real, seed=0, warn=_no_warning)
    assert len(table) == 99
    assert table["real"].all()


def test_a_download_of_the_real_archive_gives_the_mirror_s_bytes(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = read_bytes(real / TWITTER).split()[1:]
    monkeypatch.setattr(datasets, "_download", lambda url, progress: _archive(b" ".join(counts)))
    fetch(tmp_path / "d", source="download", files=[TWITTER], seed=0, warn=_no_warning)
    assert is_real(tmp_path / "d" / TWITTER, TWITTER)
