"""The model store that prediction and training jobs share (Paper B, section V.3), on any storage that fsspec knows.

A published version is two files that are never changed afterwards: the arrays, under a name nobody else uses
(`00000012-<random>.safetensors`), and then the manifest `00000012.json`, which holds kind, hyper-parameters, the name
of the first file, its checksum and its own. A version exists from the moment its manifest does. Nothing is renamed over
anything and no pointer is overwritten, so an object store, which has no rename but puts an object whole or not at all,
needs no other protocol than a folder:

- A crash before the manifest leaves a file that nobody reads; later publishers remove it.
- A reader takes the newest manifest whose checksums fit, its own and that of the arrays. What is damaged or foreign is
  named and left aside, and the version before is used.
- Two publishers cannot claim the same number: the manifest is created only if none is there (in a folder by a hard
  link, which is one step; on S3 by a conditional put), and the loser starts anew with the next number. Were a store to
  ignore the condition, the later manifest would win, whole, since both name arrays of their own.

Nothing that could run code is read: no pickle; a kind is looked up in a table, never imported.
"""

import contextlib
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

import fsspec  # type: ignore[import-untyped, unused-ignore]
import safetensors.numpy
from safetensors import SafetensorError

from edgeresearch.anomaly.identity import FittedAutoencoder, FittedIdentity, FittedLSTM
from edgeresearch.errors import InputError
from edgeresearch.provenance import sha256

FORMAT = 1
KINDS: Mapping[str, type[FittedIdentity]] = {kind.kind: kind for kind in (FittedAutoencoder, FittedLSTM)}
_MANIFEST = re.compile(r"(\d{8})\.json")
_OWN = re.compile(r"(\d{8})-[0-9a-f]{32}\.(safetensors|draft)")
_FIELDS = {"kind", "settings", "about", "arrays_sha256"}


class StoredModel(NamedTuple):
    """A version of a model in the store: its number, from 1, the model, and what was published with it."""

    version: int
    model: FittedIdentity
    about: Mapping[str, Any]


class Lookup(NamedTuple):
    """The newest good version of a model, if there is one, and a line for each newer version that was left aside."""

    published: StoredModel | None
    refused: tuple[str, ...] = ()


class ModelStore:
    """Models by name and version.

        store = ModelStore("s3://bucket/models")
        store.publish("traffic_1", LSTMIdentity().fit(samples, seed=0))
        scorer = store.latest("traffic_1").published.model.start()

    Args:
        root: A folder, or an address such as `s3://bucket/models` or `memory://models`.
        keep: Newest versions of a name that stay; older ones are removed after a publish. At least 2, so that there is
            one to fall back on.
        kinds: Classes of models by kind; give your own to store your own identity functions.
        options: What fsspec's file system is made with, such as `{"anon": True}`.

    Raises:
        InputError: fsspec does not know the kind of address, or `keep` is less than 2.
    """

    def __init__(
        self,
        root: str,
        *,
        keep: int = 10,
        kinds: Mapping[str, type[FittedIdentity]] = KINDS,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if keep < 2:
            raise InputError(f"keep is {keep}; keep at least 2 versions, one to fall back on")
        if "::" in str(root) and "://" not in str(root):  # fsspec would drop what follows, and write elsewhere
            raise InputError(f"{root} is no folder that can be used, for its '::'; choose another name")
        try:
            self._fs, self._root = fsspec.core.url_to_fs(str(root), **dict(options or {}))
        except (ImportError, ValueError) as error:
            raise InputError(f"cannot use {root} as a model store: {error}") from error
        self._keep = keep
        self._kinds = kinds

    def publish(self, name: str, model: FittedIdentity, *, about: Mapping[str, Any] | None = None) -> int:
        """Store a model as the newest version; when this returns, readers find it.

        Args:
            name: Of the stream's model: letters, digits, `.`, `_` and `-`.
            model: The fitted model.
            about: Facts to keep with it; whatever JSON can hold.

        Returns:
            The number of the version.

        Raises:
            InputError: The name or kind cannot be used, JSON cannot hold a fact, or the storage cannot be written.
        """
        if self._kinds.get(model.kind) is not type(model):
            raise InputError(f"cannot publish a {type(model).__name__}; give its class with `kinds`")
        folder = self._folder(name)
        data = safetensors.numpy.save({key: array.copy(order="C") for key, array in model.arrays().items()})
        facts = {"kind": model.kind, "settings": model.settings(), "about": dict(about or {})}
        content = {"format": FORMAT, **facts, "arrays_sha256": sha256(data)}
        _canonical(content)
        try:
            self._fs.makedirs(folder, exist_ok=True)
            while (version := self._attempt(folder, data, content)) is None:
                pass  # another publisher took the number
            self._prune(folder)
        except OSError as error:
            raise InputError(f"cannot write {folder}: {error.strerror or error}; choose another place") from error
        return version

    def versions(self, name: str) -> list[int]:
        """Return the numbers of the versions that have a manifest, good or not, ascending."""
        return self._numbers(self._folder(name))

    def load(self, name: str, version: int) -> StoredModel:
        """Read one version.

        Raises:
            InputError: It is not there, damaged, foreign, or of a format newer than this package reads.
        """
        folder = self._folder(name)
        content = self._manifest(folder, version)
        data = self._read(f"{folder}/{content['arrays']}")
        where = f"version {version} of {name} in {self._root}"
        if sha256(data) != content["arrays_sha256"]:
            raise InputError(f"{where} is damaged: the checksum of its arrays differs; publish a new version")
        kind = str(content["kind"])
        if kind not in self._kinds:
            raise InputError(f"{where} is a {kind!r}; give its class with `kinds`")
        try:
            model = self._kinds[kind].restore(content["settings"], safetensors.numpy.load(data))
        except (LookupError, SafetensorError, TypeError, ValueError) as error:
            raise InputError(f"{where} holds no {kind}: {error}; publish a new version") from error
        return StoredModel(version, model, content["about"])

    def latest(self, name: str, *, after: int = 0) -> Lookup:
        """Look for the newest good version after the one in use.

        Raises:
            InputError: The storage cannot be listed.
        """
        refused: list[str] = []
        for version in (version for version in reversed(self.versions(name)) if version > after):
            try:
                return Lookup(self.load(name, version), tuple(refused))
            except InputError as error:
                refused.append(str(error))
        return Lookup(None, tuple(refused))

    def _attempt(self, folder: str, data: bytes, content: Mapping[str, Any]) -> int | None:
        """Write the arrays, then the manifest; None if meanwhile the number was taken."""
        version = max(self._numbers(folder), default=0) + 1
        arrays = f"{version:08d}-{uuid.uuid4().hex}.safetensors"
        self._fs.pipe_file(f"{folder}/{arrays}", data)
        whole = {**content, "version": version, "arrays": arrays}
        manifest = _canonical({**whole, "sha256": sha256(_canonical(whole))})
        if max(self._numbers(folder), default=0) < version and _create(self._fs, folder, version, manifest):
            # A number is free again where it was taken and has been removed since: others were quicker by `keep`.
            if max(self._numbers(folder), default=version) < version + self._keep:
                return version
            _remove(self._fs, f"{folder}/{version:08d}.json")
        _remove(self._fs, f"{folder}/{arrays}")
        return None

    def _folder(self, name: str) -> str:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
            raise InputError(f"{name!r} is no name of a model; use letters, digits, '.', '_' and '-'")
        return f"{self._root.rstrip('/')}/{name}"

    def _files(self, folder: str) -> list[str]:
        self._fs.invalidate_cache(folder)
        try:
            return [str(path).rsplit("/", 1)[-1] for path in self._fs.ls(folder, detail=False)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"cannot list {folder}: {error.strerror or error}; name a model store") from error

    def _numbers(self, folder: str) -> list[int]:
        matches = (_MANIFEST.fullmatch(file) for file in self._files(folder))
        return sorted(int(match[1]) for match in matches if match)

    def _read(self, path: str) -> bytes:
        try:
            data: bytes = self._fs.cat_file(path)
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}; publish a new version") from error
        return data

    def _manifest(self, folder: str, version: int) -> dict[str, Any]:
        path = f"{folder}/{version:08d}.json"
        foreign = InputError(f"{path} describes no model of this project; remove it")
        try:
            content = json.loads(self._read(path))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} is damaged or foreign: {error}; publish a new version") from error
        if not isinstance(content, dict) or not isinstance(content.get("format"), int):
            raise foreign
        if content["format"] > FORMAT:
            newer = f"{path} has format {content['format']}, this version reads up to {FORMAT}"
            raise InputError(f"{newer}; use a newer edgeresearch")
        checksum = content.pop("sha256", None)
        if checksum != sha256(_canonical(content)):
            raise InputError(f"{path} is damaged: its checksum differs; publish a new version")
        owned = _OWN.fullmatch(str(content.get("arrays")))
        if not owned or content.get("version") != version or not _FIELDS <= content.keys():
            raise foreign
        return content

    def _prune(self, folder: str) -> None:
        """Remove old versions, manifests first, and what crashed publishers left before them."""
        kept = self._numbers(folder)[-self._keep :]
        for file in sorted(self._files(folder), key=lambda file: not _MANIFEST.fullmatch(file)):
            match = _MANIFEST.fullmatch(file) or _OWN.fullmatch(file)
            if match and int(match[1]) < kept[0]:
                _remove(self._fs, f"{folder}/{file}")


def _canonical(content: Any) -> bytes:
    try:
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        what = f"JSON cannot hold what is known of the model: {error}"
        raise InputError(f"{what}; give text and finite numbers") from error


def _create(fs: fsspec.AbstractFileSystem, folder: str, version: int, data: bytes) -> bool:
    """Create a manifest, whole, unless it is there; tell whether it was created."""
    path = f"{folder}/{version:08d}.json"
    try:
        if not (isinstance(fs, fsspec.get_filesystem_class("file")) and _linked(fs, folder, version, data, path)):
            fs.pipe_file(path, data, mode="create")
    except FileExistsError:
        return False
    return True


def _linked(fs: fsspec.AbstractFileSystem, folder: str, version: int, data: bytes, path: str) -> bool:
    """Write beside the place and link; False where the disk has no hard links (a torn manifest is refused, then)."""
    draft = f"{folder}/{version:08d}-{uuid.uuid4().hex}.draft"
    fs.pipe_file(draft, data)
    try:
        fs.link(draft, path)
    except FileExistsError:
        raise
    except FileNotFoundError as error:  # removed by another publisher, `keep` versions ahead
        raise FileExistsError(path) from error
    except OSError:
        return False
    finally:
        _remove(fs, draft)
    return True


def _remove(fs: fsspec.AbstractFileSystem, path: str) -> None:
    with contextlib.suppress(FileNotFoundError):  # another publisher was quicker
        fs.rm_file(path)
