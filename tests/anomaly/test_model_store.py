import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped, unused-ignore]
import numpy as np
import pytest
import safetensors.numpy
from numpy.testing import assert_array_equal

from edgeresearch.anomaly.identity import FittedAutoencoder
from edgeresearch.anomaly.model_store import KINDS, ModelStore
from edgeresearch.errors import InputError

Make = Callable[..., Any]
LocalFileSystem: Any = fsspec.get_filesystem_class("file")
MemoryFileSystem: Any = fsspec.get_filesystem_class("memory")


@pytest.fixture(params=["folder", "memory", "objects"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty place: a folder, fsspec's memory, and a store of objects without links."""
    if request.param == "folder":
        return str(tmp_path / "models")
    return f"{'memory' if request.param == 'memory' else 'objects'}://{uuid.uuid4().hex}"


@pytest.fixture
def store(root: str) -> ModelStore:
    return ModelStore(root)


class Objects(MemoryFileSystem):
    """As an object store: whole puts, no renames, no links, and a limit of operations after which the machine dies."""

    protocol = "objects"
    cachable = False
    store: dict[str, Any] = {}
    pseudo_dirs: list[str] = [""]

    def __init__(self, dies_after: int = 10**9, torn: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.left = dies_after
        self.torn = torn

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + str(path).removeprefix("objects://").strip("/")

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        self._live(path, value)
        super().pipe_file(path, value, mode=mode, **options)

    def rm_file(self, path: str) -> None:
        self._live(path, None)
        super().rm_file(path)

    def mv(self, *args: Any, **options: Any) -> None:
        raise NotImplementedError("an object store has no rename")

    link = cp_file = mv_file = mv

    def _live(self, path: str, value: bytes | None) -> None:
        self.left -= 1
        if self.left < 0:
            if self.torn and value is not None:
                super().pipe_file(path, value[: len(value) // 2])
            raise KeyboardInterrupt("the machine died")


fsspec.register_implementation("objects", Objects, clobber=True)


def _same(one: Any, two: Any) -> bool:
    return type(one) is type(two) and all(
        np.array_equal(array, two.arrays()[name]) for name, array in one.arrays().items()
    )


def _good(store: ModelStore, name: str = "m") -> Any:
    published = store.latest(name).published
    assert published is not None
    return published


@pytest.mark.parametrize("kind", ["autoencoder", "lstm"])
def test_a_model_comes_back_as_it_was(kind: str, store: ModelStore, make: Make, gappy: Make) -> None:
    model, rows = make(kind), gappy(50)
    assert store.publish("traffic_1", model, about={"sensor": 7}) == 1
    found = store.latest("traffic_1")
    assert found.refused == ()
    assert found.published is not None
    assert (found.published.version, found.published.about) == (1, {"sensor": 7})
    assert _same(found.published.model, model)
    assert_array_equal(found.published.model.start().run(rows), model.start().run(rows))


def test_versions_count_up_old_ones_stay_and_only_newer_ones_are_looked_at(store: ModelStore, make: Make) -> None:
    assert store.latest("m").published is None
    models = [make("lstm", seed=seed) for seed in range(3)]
    assert [store.publish("m", model) for model in models] == [1, 2, 3]
    assert store.versions("m") == [1, 2, 3]
    for version, model in enumerate(models, start=1):
        assert _same(store.load("m", version).model, model)
    assert store.versions("other") == []
    newer = store.latest("m", after=2).published
    assert newer is not None
    assert newer.version == _good(store).version == 3
    assert store.latest("m", after=3).published is None
    with pytest.raises(InputError, match="cannot read .*00000005.json"):
        store.load("m", 5)


def test_names_are_apart(store: ModelStore, make: Make) -> None:
    store.publish("a", make("lstm", seed=1))
    store.publish("b", make("lstm", seed=2))
    assert _same(_good(store, "a").model, make("lstm", seed=1))
    assert _same(_good(store, "b").model, make("lstm", seed=2))


def test_only_the_newest_are_kept(root: str, make: Make) -> None:
    store = ModelStore(root, keep=3)
    for seed in range(7):
        store.publish("m", make("lstm", seed=seed))
    assert store.versions("m") == [5, 6, 7]
    assert len(store._files(store._folder("m"))) == 6
    assert store.publish("m", make("lstm")) == 8


@pytest.mark.parametrize(
    ("root", "keep", "message"),
    [
        ("memory://x", 1, "keep is 1; keep at least 2 versions, one to fall back on"),
        ("nosuch://x", 10, "cannot use nosuch://x as a model store"),
    ],
)
def test_settings_without_meaning(root: str, keep: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ModelStore(root, keep=keep)


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "ä", "a\n"])
def test_names_that_could_lead_elsewhere_are_refused(name: str, store: ModelStore, make: Make) -> None:
    for act in (
        lambda: store.publish(name, make("lstm")),
        lambda: store.latest(name),
        lambda: store.load(name, 1),
    ):
        with pytest.raises(InputError, match="is no name of a model"):
            act()


@pytest.mark.parametrize("about", [{"x": float("nan")}, {"x": object()}, {"x": {1, 2}}])
def test_facts_must_fit_json(about: Mapping[str, Any], store: ModelStore, make: Make) -> None:
    with pytest.raises(InputError, match="JSON cannot hold what is known of the model"):
        store.publish("m", make("lstm"), about=about)
    assert store.versions("m") == []


class Own(FittedAutoencoder):
    """A user's own kind."""

    kind = "own"


def test_a_users_own_kind_needs_its_class(root: str, make: Make) -> None:
    plain = make("autoencoder")
    model = Own(plain.scale, plain.weights, plain.hidden)
    with pytest.raises(InputError, match="cannot publish a Own; give its class with `kinds`"):
        ModelStore(root).publish("m", model)
    own = ModelStore(root, kinds={**KINDS, "own": Own})
    own.publish("m", model)
    assert type(own.load("m", 1).model) is Own
    with pytest.raises(InputError, match="version 1 of m in .* is a 'own'; give its class with `kinds`"):
        ModelStore(root).load("m", 1)


def _files(store: ModelStore) -> dict[str, str]:
    """Paths of the files of version 2, by their ending."""
    folder = store._folder("m")
    return {file.rsplit(".", 1)[1]: f"{folder}/{file}" for file in store._files(folder) if file.startswith("00000002")}


@pytest.fixture
def two(store: ModelStore, make: Make) -> ModelStore:
    """Return a store with two versions; the tests damage the second."""
    store.publish("m", make("lstm", seed=1))
    store.publish("m", make("lstm", seed=2))
    return store


def _refused(store: ModelStore, make: Make, message: str) -> None:
    found = store.latest("m")
    assert found.published is not None
    assert found.published.version == 1
    assert _same(found.published.model, make("lstm", seed=1))
    assert len(found.refused) == 1
    assert message in found.refused[0]
    with pytest.raises(InputError) as error:
        store.load("m", 2)
    assert str(error.value) == found.refused[0]
    assert "\n" not in found.refused[0]
    in_use = store.latest("m", after=1)
    assert in_use.published is None
    assert in_use.refused == found.refused
    assert store.publish("m", make("lstm", seed=3)) == 3
    assert _good(store).version == 3


Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "truncated": lambda data: data[:-1],
    "half": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "longer": lambda data: data + b"x",
    "foreign": lambda data: b"\x80\x04K\x01.",
    "text": lambda data: b"hello",
    "zeros": lambda data: bytes(len(data)),
}


@pytest.mark.parametrize("ending", ["json", "safetensors"])
@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_damaged_or_foreign_file_is_refused(ending: str, damage: str, two: ModelStore, make: Make) -> None:
    path = _files(two)[ending]
    two._fs.pipe_file(path, DAMAGES[damage](two._fs.cat_file(path)))
    _refused(two, make, "damaged" if ending == "safetensors" else "00000002.json is damaged or foreign")


@pytest.mark.parametrize("ending", ["json", "safetensors"])
def test_a_single_bit_is_noticed_wherever_it_flips(ending: str, make: Make, tmp_path: Path) -> None:
    store = ModelStore(str(tmp_path))
    store.publish("m", make("lstm", seed=1))
    store.publish("m", make("lstm", seed=2))
    path = Path(_files(store)[ending])
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.choice(len(whole), 150, replace=False):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        found = store.latest("m")
        assert found.published is not None
        assert found.published.version == 1
        assert len(found.refused) == 1
    path.write_bytes(whole)
    assert _good(store).version == 2


def test_arrays_that_are_gone_are_refused(two: ModelStore, make: Make) -> None:
    two._fs.rm_file(_files(two)["safetensors"])
    _refused(two, make, "cannot read")


def _forge(store: ModelStore, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the manifest of version 2 and make its checksum fit again, as somebody would who means it."""
    path = _files(store)["json"]
    content = json.loads(store._fs.cat_file(path))
    content.pop("sha256")
    content = change(content) or content
    signature = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    store._fs.pipe_file(path, json.dumps({**content, "sha256": signature}).encode())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format=2), "has format 2, this version reads up to 1; use a newer edgeresearch"),
        (lambda c: c.update(format="1"), "describes no model of this project"),
        (lambda c: c.update(version=3), "describes no model of this project"),
        (lambda c: c.update(arrays="../../etc/passwd"), "describes no model of this project"),
        (lambda c: c.update(arrays=7), "describes no model of this project"),
        (lambda c: c.pop("about") and None, "describes no model of this project"),
        (lambda c: c.pop("kind") and None, "describes no model of this project"),
        (lambda c: c.update(kind=["lstm"]), "is a \"['lstm']\"; give its class"),
        (lambda c: c.update(kind="os.system"), "is a 'os.system'; give its class with `kinds`"),
        (lambda c: c.update(kind="autoencoder"), "holds no autoencoder"),
        (lambda c: c.update(settings=None), "holds no lstm"),
        (lambda c: c.update(settings={"channels": 3, "hidden": 10**9}), "holds no lstm"),
    ],
)
def test_a_forged_manifest_is_refused(
    change: Callable[[dict[str, Any]], Any], message: str, two: ModelStore, make: Make
) -> None:
    _forge(two, change)
    _refused(two, make, message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'["format", 1]', "describes no model of this project; remove it"),
        (b"[" * 10**5, "is damaged or foreign"),
    ],
)
def test_a_manifest_that_is_another_json_is_refused(content: bytes, message: str, two: ModelStore, make: Make) -> None:
    two._fs.pipe_file(_files(two)["json"], content)
    _refused(two, make, message)


@pytest.mark.parametrize("content", [b"not safetensors", safetensors.numpy.save({"x": np.zeros(3)})])
def test_foreign_arrays_are_refused_even_with_their_checksum(content: bytes, two: ModelStore, make: Make) -> None:
    two._fs.pipe_file(_files(two)["safetensors"], content)
    _forge(two, lambda c: c.update(arrays_sha256=hashlib.sha256(content).hexdigest()))
    _refused(two, make, "version 2 of m in")


def test_other_files_in_the_folder_are_let_alone(root: str, make: Make) -> None:
    store = ModelStore(root, keep=2)
    store.publish("m", make("lstm"))
    folder = store._folder("m")
    for foreign in ("README", "1.json", "000000001.json", "00000000-x.safetensors"):
        store._fs.pipe_file(f"{folder}/{foreign}", b"x")
    for seed in range(4):
        store.publish("m", make("lstm", seed=seed))
    assert store.versions("m") == [4, 5]
    assert {"README", "1.json", "000000001.json", "00000000-x.safetensors"} <= set(store._files(folder))


def test_a_place_that_cannot_be_written_or_listed_is_told(tmp_path: Path, make: Make) -> None:
    (tmp_path / "file").write_text("x")
    store = ModelStore(str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot write .*; choose another place"):
        store.publish("m", make("lstm"))
    with pytest.raises(InputError, match="cannot list .*; name a model store"):
        store.latest("m")


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("steps", range(8))
def test_dying_at_any_operation_leaves_the_last_good_version(torn: bool, steps: int, make: Make) -> None:
    root = f"objects://{uuid.uuid4().hex}"
    calm = ModelStore(root, keep=2)
    for seed in (1, 2, 3):
        calm.publish("m", make("lstm", seed=seed))
    dying = ModelStore(root, keep=2, options={"dies_after": steps, "torn": torn})
    try:
        dying.publish("m", make("lstm", seed=4))
    except KeyboardInterrupt:
        assert steps < 4  # arrays, manifest, old manifest, old arrays
    found = _good(calm)
    assert found.version == (3 if steps < 2 else 4)
    assert _same(found.model, make("lstm", seed=found.version))
    for seed in (5, 6, 7):
        calm.publish("m", make("lstm", seed=seed))
    assert _same(_good(calm).model, make("lstm", seed=7))
    assert len(calm._files(calm._folder("m"))) == 4  # what the dead one left is gone


def test_a_number_that_is_taken_meanwhile_is_left_to_the_other(make: Make) -> None:
    root = f"objects://{uuid.uuid4().hex}"
    first, second = ModelStore(root), ModelStore(root)
    attempt = first._fs.pipe_file
    for moment in ("arrays", "manifest"):
        before = max(first.versions("m"), default=0)

        def overtaken(path: str, *args: Any, moment: str = moment, **options: Any) -> None:
            if path.endswith(".safetensors") == (moment == "arrays"):
                first._fs.pipe_file = attempt
                second.publish("m", make("lstm", seed=8))
            attempt(path, *args, **options)

        first._fs.pipe_file = overtaken
        assert first.publish("m", make("lstm", seed=9)) == before + 2
        assert _same(second.load("m", before + 1).model, make("lstm", seed=8))
        assert _same(second.load("m", before + 2).model, make("lstm", seed=9))
    assert len(first._files(first._folder("m"))) == 8


def test_a_publisher_overtaken_by_all_that_are_kept_starts_anew(root: str, make: Make) -> None:
    slow, quick = ModelStore(root, keep=2), ModelStore(root, keep=2)
    numbers = slow._numbers
    looks = []

    def overtaken(folder: str) -> list[int]:
        found = numbers(folder)
        looks.append(found)
        if len(looks) == 2:  # after the arrays, before the manifest
            for seed in range(4):
                quick.publish("m", make("lstm", seed=seed))
        return found

    slow._numbers = overtaken  # type: ignore[method-assign]
    assert slow.publish("m", make("lstm", seed=9)) == 5
    assert _same(_good(quick).model, make("lstm", seed=9))
    assert quick.versions("m") == [4, 5]
    assert len(quick._files(quick._folder("m"))) == 4


def test_a_draft_that_was_removed_counts_as_overtaken(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore(str(tmp_path))
    link = LocalFileSystem.link

    def removed(self: Any, draft: str, path: str) -> None:
        monkeypatch.setattr(LocalFileSystem, "link", link)
        Path(draft).unlink()
        link(self, draft, path)

    monkeypatch.setattr(LocalFileSystem, "link", removed)
    assert store.publish("m", make("lstm")) == 1
    assert len(list((tmp_path / "m").iterdir())) == 2


def test_a_disk_without_hard_links_still_serves(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Any, *args: Any, **options: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(LocalFileSystem, "link", refused)
    store = ModelStore(str(tmp_path))
    assert [store.publish("m", make("lstm", seed=seed)) for seed in range(3)] == [1, 2, 3]
    assert _good(store).version == 3
    assert len(list((tmp_path / "m").iterdir())) == 6


PUBLISHER = textwrap.dedent(
    """
    import os, sys
    import numpy as np
    from edgeresearch.anomaly.identity import FittedAutoencoder, Scale
    from edgeresearch.anomaly.model_store import ModelStore

    def model(stamp):
        shapes = FittedAutoencoder.shapes(40, 60)
        weights = {name: np.full(shape, stamp, dtype=np.float32) for name, shape in shapes.items()}
        return FittedAutoencoder(Scale(np.full(40, float(stamp)), np.ones(40)), weights, 60)

    store = ModelStore(sys.argv[1], keep=3)
    models = [model(stamp) for stamp in range(50)]
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            for turn in range(10**6):
                stamp = (int(line) + turn) % 50
                store.publish("m", models[stamp], about={"stamp": stamp})
        print(child, flush=True)
        os.waitpid(child, 0)
    """
)


@pytest.fixture
def publishers(tmp_path: Path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Start processes that fork a publisher for each line they get, and say its number."""
    started: list[subprocess.Popen[str]] = []

    def start() -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", PUBLISHER, str(tmp_path / "models")]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=30)
        assert process.stdout is not None
        process.stdout.close()


def _born(process: "subprocess.Popen[str]", stamp: int) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{stamp}\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def _check_whole(store: ModelStore, last: int) -> int:
    """The newest version is whole, and no older than one seen before; nothing had to be refused."""
    found = store.latest("m")
    assert found.refused == ()
    if found.published is None:
        assert last == 0
        return 0
    arrays = found.published.model.arrays()
    stamps = {float(value) for name, array in arrays.items() if name != "spread" for value in np.unique(array)}
    assert stamps == {float(found.published.about["stamp"])}
    assert found.published.version >= last
    return found.published.version


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_publisher_killed_at_any_moment_leaves_a_whole_model(
    tmp_path: Path, publishers: Callable[[], "subprocess.Popen[str]"]
) -> None:
    store, process = ModelStore(str(tmp_path / "models")), publishers()
    moments = random.Random(0)
    last, debris, turn, end = 0, 0, 0, time.monotonic() + 60
    while turn < 200 or ((last <= 100 or debris <= 10) and time.monotonic() < end):  # a busy machine takes more turns
        turn += 1
        child = _born(process, turn)
        time.sleep(moments.uniform(0, 0.006))
        os.kill(child, signal.SIGKILL)
        last = _check_whole(store, last)
        files = [path.name for path in (tmp_path / "models" / "m").glob("*")]
        debris += len([name for name in files if name.endswith(".safetensors")]) > len(store.versions("m"))
    assert last > 100
    assert debris > 10  # or no kill came in the middle of a publish


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_two_processes_publish_and_one_reads(tmp_path: Path, publishers: Callable[[], "subprocess.Popen[str]"]) -> None:
    store = ModelStore(str(tmp_path / "models"))
    children = [_born(publishers(), stamp) for stamp in (0, 25)]
    last, seen = 0, set[int]()
    end = time.monotonic() + 20
    while len(seen) < 30 and time.monotonic() < end:
        found = store.latest("m")
        if found.published is None:
            continue
        assert found.published.version >= last
        stamp = float(found.published.about["stamp"])
        arrays = found.published.model.arrays()
        assert all((array == stamp).all() for name, array in arrays.items() if name != "spread")
        last = found.published.version
        seen.add(last)
    for child in children:
        os.kill(child, signal.SIGKILL)
    assert len(seen) >= 30
    assert len(set(store.versions("m"))) == len(store.versions("m"))


@pytest.mark.parametrize("name", ["..", ".", "../x", "a/b", "a:b", "", "a\n", "é", None, 3])
def test_a_name_leads_nowhere_else(tmp_path: Path, name: Any) -> None:
    with pytest.raises(InputError, match="is no name of a model; use letters, digits"):
        ModelStore(str(tmp_path)).versions(name)


def test_a_folder_whose_name_fsspec_would_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a::b is no folder that can be used, for its '::'"):
        ModelStore(str(tmp_path / "a::b"))
    assert ModelStore(str(tmp_path / "a:b")).versions("c") == []
