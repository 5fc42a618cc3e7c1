"""What the tests of the series share: small files under the registry's names, and the real ones where they are."""

import gzip
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.data import registry


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write text as a gzip file under a registry name in a temporary data folder, and return the folder."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()))
        return tmp_path / "data"

    return write


@pytest.fixture
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Replace the registry by pins of given contents: name -> bytes of the CSV."""

    def pin(contents: dict[str, bytes], urls: dict[str, str] | None = None, base: str = "https://example.org") -> None:
        urls = urls or {}
        rows = [
            {
                "file": name,
                "url": f"{base}/{urls.get(name, name.removesuffix('.gz'))}",
                "sha256": "",
                "sha256_csv": hashlib.sha256(data).hexdigest(),
                "identical_to_upstream": "no" if name in urls else "yes",
            }
            for name, data in contents.items()
        ]
        path = tmp_path / "pins.csv"
        pd.DataFrame(rows).to_csv(path, index=False)
        monkeypatch.setattr(registry, "REGISTRY", path)
        registry.pins.cache_clear()

    yield pin
    registry.pins.cache_clear()


@pytest.fixture(scope="session")
def real() -> Path:
    """Return the folder with the real files; skip where the machine has none."""
    folder = os.environ.get("EDGERESEARCH_DATA_MIRROR", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("EDGERESEARCH_DATA_MIRROR names no folder with the real files")
    return Path(folder)
