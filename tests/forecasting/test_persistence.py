import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Lasso, Ridge
from sklearn.tree import DecisionTreeRegressor

from edgeresearch.errors import InputError
from edgeresearch.forecasting import persistence
from edgeresearch.forecasting.base import MODELS, Array, Forecaster
from edgeresearch.forecasting.baselines import BinnedLogistic, LastValue, Windowed

LEARNT = [name for name in MODELS if name not in ("last_value", "seasonal_naive")]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, fitted: Callable[..., Forecaster]) -> Callable[..., Path]:
    """Return the folder of a saved model. Copy it before changing anything in it."""
    root = tmp_path_factory.mktemp("saved")

    def folder(name: str, *, flat: bool = False) -> Path:
        path = root / f"{name}-{flat}"
        if not path.exists():
            persistence.save(fitted(name, flat=flat), path, about={"columns": ["value"], "step": 60})
        return path

    return folder


@pytest.fixture
def copied(saved: Callable[..., Path], tmp_path: Path) -> Callable[[str], Path]:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(saved(name), tmp_path / name))

    return copy


def _forge(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change `model.json` and make its checksum fit again, as somebody would who means it."""
    path = folder / persistence.JSON
    content = json.loads(path.read_text())
    content.pop("sha256")
    change(content)
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    path.write_text(json.dumps({**content, "sha256": hashlib.sha256(canonical).hexdigest()}))


def _refused(folder: Path, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        persistence.load(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_predicts_the_very_same_numbers(
    name: str, flat: bool, series: tuple[Array, Array], fitted: Callable[..., Forecaster], saved: Callable[..., Path]
) -> None:
    model, loaded = fitted(name, flat=flat), persistence.load(saved(name, flat=flat))
    assert type(loaded) is type(model)
    np.testing.assert_array_equal(loaded.predict(series[0]), model.predict(series[0]))
    streams = model.stream(), loaded.stream()
    for row in series[0][190:215]:
        np.testing.assert_array_equal(streams[1].update(row), streams[0].update(row))


@pytest.mark.parametrize("name", MODELS)
def test_settings_come_back(name: str, fitted: Callable[..., Forecaster], saved: Callable[..., Path]) -> None:
    assert repr(persistence.load(saved(name)).get_params()) == repr(fitted(name).get_params())


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_is_saved_to_the_same_bytes(name: str, saved: Callable[..., Path], tmp_path: Path) -> None:
    folder = saved(name)
    persistence.save(persistence.load(folder), tmp_path, about=persistence.about(folder))
    for file in (persistence.JSON, persistence.WEIGHTS):
        assert (tmp_path / file).read_bytes() == (folder / file).read_bytes()


def test_another_process_loads_the_same_numbers(
    series: tuple[Array, Array], fitted: Callable[..., Forecaster], saved: Callable[..., Path], tmp_path: Path
) -> None:
    np.save(tmp_path / "rows.npy", series[0])
    code = (
        "import sys, numpy as np; from pathlib import Path; from edgeresearch.forecasting import persistence as store; "
        "import torch; torch.set_num_threads(1); root = Path(sys.argv[1]); "
        "rows = np.load(root / 'rows.npy'); "
        "[np.save(root / f'{k}.npy', store.load(Path(p)).predict(rows)) for k, p in enumerate(sys.argv[2:])]"
    )
    names = ["lstm", "lstm_paper", "xgboost", "random_forest"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, tmp_path, *map(saved, names)], check=True, env=env)
    for k, name in enumerate(names):
        np.testing.assert_array_equal(np.load(tmp_path / f"{k}.npy"), fitted(name).predict(series[0]))


def test_names_of_columns_come_back(series: tuple[Array, Array], tmp_path: Path) -> None:
    table = pd.DataFrame(series[0], columns=["value", "day", "lag", "other"])
    model = Windowed(Ridge(), window=3).fit(table, series[1])
    persistence.save(model, tmp_path)
    loaded = persistence.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(table), model.predict(table))
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(table[["day", "value", "lag", "other"]])


def test_facts_about_a_model_are_kept(
    saved: Callable[..., Path], fitted: Callable[..., Forecaster], tmp_path: Path
) -> None:
    assert persistence.about(saved("ridge")) == {"columns": ["value"], "step": 60}
    folder = tmp_path / "new" / "folder"
    assert persistence.save(fitted("last_value"), folder) == folder / persistence.JSON
    assert persistence.about(folder) == {}


def test_the_files_are_safetensors_and_json_and_no_more(saved: Callable[..., Path]) -> None:
    folder = saved("lstm_paper")
    assert sorted(path.name for path in folder.iterdir()) == [persistence.JSON, persistence.WEIGHTS]
    content = json.loads((folder / persistence.JSON).read_text())
    assert (content["format"], content["class"]) == (persistence.FORMAT, "PaperLSTM")
    weights = (folder / persistence.WEIGHTS).read_bytes()
    assert content["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert "PaperLSTM.module_.lstm.weight_hh_l0" in "".join(safetensors.numpy.load(weights)).replace(".state", "")


@pytest.mark.parametrize("name", LEARNT)
def test_what_is_not_one_save_is_refused(name: str, saved: Callable[..., Path], copied: Callable[..., Path]) -> None:
    folder = copied(name)
    other = "ridge" if name != "ridge" else "logistic"
    shutil.copy(saved(other) / persistence.WEIGHTS, folder / persistence.WEIGHTS)
    _refused(folder, persistence.WEIGHTS, "damaged or of another save")


def test_a_save_that_dies_between_its_files_leaves_no_mix(
    fitted: Callable[..., Forecaster], copied: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied("ridge")

    def die(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(persistence, "write_json", die)
    with pytest.raises(KeyboardInterrupt):
        persistence.save(fitted("logistic"), folder)
    _refused(folder, "of another save")
    assert sorted(path.name for path in folder.iterdir()) == [persistence.JSON, persistence.WEIGHTS]


@pytest.mark.parametrize("file", [persistence.JSON, persistence.WEIGHTS])
def test_a_missing_file_is_named(file: str, copied: Callable[..., Path]) -> None:
    folder = copied("ridge")
    (folder / file).unlink()
    _refused(folder, f"cannot read {folder / file}: No such file", "give a folder that holds a saved model")
    with pytest.raises(InputError, match="^cannot read"):
        persistence.load(folder)


@pytest.mark.parametrize("file", [persistence.JSON, persistence.WEIGHTS])
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused(
    file: str, share: float, saved: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = Path(shutil.copytree(saved("lstm"), tmp_path_factory.mktemp("cut") / "lstm"))
    data = (folder / file).read_bytes()
    kept = min(int(share * len(data)), len(data.rstrip()) - 1)
    (folder / file).write_bytes(data[:kept])
    _refused(folder, file)


@pytest.mark.parametrize("file", [persistence.JSON, persistence.WEIGHTS])
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_means_the_same(
    file: str,
    share: float,
    bit: int,
    saved: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
    fitted: Callable[..., Forecaster],
    series: tuple[Array, Array],
) -> None:
    folder = Path(shutil.copytree(saved("lstm_paper"), tmp_path_factory.mktemp("flip") / "model"))
    data = bytearray((folder / file).read_bytes())
    data[int(share * len(data))] ^= 1 << bit
    (folder / file).write_bytes(data)
    try:
        loaded = persistence.load(folder)
    except InputError as error:
        assert file in str(error)
        assert "\n" not in str(error)
    else:  # a space turned into another blank, or e into E in a number
        assert file == persistence.JSON
        np.testing.assert_array_equal(loaded.predict(series[0]), fitted("lstm_paper").predict(series[0]))


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"format": "1"}', "\xff\xfe", "[" * 100_000, '{"format": 1}', '{"format": 0}']
)
def test_a_foreign_json_file_is_refused(text: str, copied: Callable[..., Path]) -> None:
    folder = copied("ridge")
    (folder / persistence.JSON).write_bytes(text.encode("latin-1"))
    _refused(folder, persistence.JSON)


@pytest.mark.parametrize(("change", "hint"), [(1, "use a newer edgeresearch"), (-1, "fit and save the model again")])
def test_another_format_is_refused_by_its_number(change: int, hint: str, copied: Callable[..., Path]) -> None:
    folder = copied("ridge")
    _forge(folder, lambda content: content.update(format=persistence.FORMAT + change, model="unknown"))
    _refused(folder, f"format {persistence.FORMAT + change}", hint)


@pytest.mark.parametrize("kind", ["os.system", "Popen", "Trainer", "Lasso", ""])
def test_a_class_that_is_not_in_the_table_is_never_made(kind: str, copied: Callable[..., Path]) -> None:
    folder = copied("ridge")
    _forge(folder, lambda content: content["model"].update({"class": kind}))
    _refused(folder, "does not describe a model")


def test_a_model_that_is_not_fitted_is_refused(tmp_path: Path, copied: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="cannot save a LastValue that is not fitted; call fit first"):
        persistence.save(LastValue(), tmp_path)
    assert list(tmp_path.iterdir()) == []
    folder = copied("ridge")
    _forge(folder, lambda content: content["model"].update(fitted={}))
    _refused(folder, "does not describe a model")


@pytest.mark.parametrize(
    "node",
    [
        {"class": "Ridge", "settings": {}, "fitted": {"coef_": 1}},
        7,
        [],
        {},
        {"tuple": [], "dict": {}},
        {"shape": 1},
        {"array": "nowhere"},
        {"class": "Windowed"},
        {"class": []},
    ],
)
def test_what_describes_nothing_is_refused(node: Any, copied: Callable[..., Path]) -> None:
    folder = copied("ridge")
    _forge(folder, lambda content: content.update(model=node))
    _refused(folder, "does not describe a model", "save the model again")


@pytest.fixture
def foreign_weights(copied: Callable[..., Path]) -> Callable[[str, bytes], Path]:
    def replace(name: str, weights: bytes) -> Path:
        folder = copied(name)
        (folder / persistence.WEIGHTS).write_bytes(weights)
        digest = hashlib.sha256(weights).hexdigest()
        _forge(folder, lambda content: content.update(weights_sha256=digest))
        return folder

    return replace


@pytest.mark.parametrize("weights", [b"", b"not safetensors", b"\xff" * 64])
def test_weights_of_another_kind_are_refused(weights: bytes, foreign_weights: Callable[..., Path]) -> None:
    _refused(foreign_weights("ridge", weights), "does not describe a model")


def _changed(folder: Path, change: Callable[[str, Array], Array]) -> bytes:
    tensors = safetensors.numpy.load((folder / persistence.WEIGHTS).read_bytes())
    return safetensors.numpy.save({name: change(name, values.copy()) for name, values in tensors.items()})


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("left_child", 10**6, "leads outside"),
        ("right_child", 0, "leads outside"),
        ("left_child", -7, "leads outside"),
        ("feature", 99, "a feature that does not exist"),
        ("feature", -5, "a feature that does not exist"),
    ],
)
def test_a_tree_that_leads_astray_is_refused(
    field: str, value: int, reason: str, saved: Callable[..., Path], foreign_weights: Callable[..., Path]
) -> None:
    def change(name: str, values: Array) -> Array:
        if name.endswith(f"0.tree_.{field}"):
            values[0] = value
        return values

    _refused(foreign_weights("random_forest", _changed(saved("random_forest"), change)), reason)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("xgboost", lambda name, values: np.frombuffer(b"{}junk" * 9, np.uint8) if "booster" in name else values),
        ("lstm_paper", lambda name, values: values[:1].copy()),
    ],
)
def test_weights_of_another_shape_are_refused(
    name: str, change: Any, saved: Callable[..., Path], foreign_weights: Callable[..., Path]
) -> None:
    _refused(foreign_weights(name, _changed(saved(name), change)), "does not describe a model")


def test_what_is_no_forecaster_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot save a Ridge; give one of Windowed, LastValue"):
        persistence.save(Ridge(), tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize("regressor", [Lasso(), Ridge(random_state=np.random.RandomState(0))])
def test_a_regressor_that_cannot_be_stored_is_named(
    regressor: Any, series: tuple[Array, Array], tmp_path: Path
) -> None:
    model = Windowed(regressor, window=2).fit(series[0], series[1][:, 0])
    with pytest.raises(InputError, match=r"cannot save Windowed\.regressor.*: there is no way to store a"):
        persistence.save(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fact", [float("nan"), {1, 2}, object(), Path("x")])
def test_a_fact_that_json_cannot_hold_is_refused(fact: Any, fitted: Callable[..., Forecaster], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="JSON cannot hold a fact in `about`"):
        persistence.save(fitted("last_value"), tmp_path, about={"fact": fact})
    assert list(tmp_path.iterdir()) == []


def test_a_single_tree_and_a_classifier_come_back(series: tuple[Array, Array], tmp_path: Path) -> None:
    for k, regressor in enumerate((DecisionTreeRegressor(max_depth=3), BinnedLogistic(bins=1))):
        model = Windowed(regressor, window=2).fit(series[0], series[1][:, 0])
        persistence.save(model, tmp_path / str(k))
        loaded = persistence.load(tmp_path / str(k))
        np.testing.assert_array_equal(loaded.predict(series[0]), model.predict(series[0]))


numbers = st.one_of(st.integers(-(10**20), 10**20), st.floats(), st.booleans(), st.none(), st.text(max_size=5))
values = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=4), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(values)
def test_plain_settings_of_any_shape_come_back(value: Any) -> None:
    tensors: dict[str, Array] = {}
    node = json.loads(json.dumps(persistence._encode(value, tensors, "x"), allow_nan=False))
    assert repr(persistence._decode(node, tensors)) == repr(value)
    assert tensors == {}


@pytest.mark.parametrize("kind", ["float64", "float32", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back_with_type_and_order(kind: str, shape: tuple[int, ...], order: Any) -> None:
    array = np.asarray(np.random.default_rng(0).normal(size=shape) * 9).astype(kind, order=order)
    tensors: dict[str, Array] = {}
    node = persistence._encode(array, tensors, "x")
    found = persistence._decode(node, safetensors.numpy.load(safetensors.numpy.save(tensors)))
    np.testing.assert_array_equal(found, array)
    assert (found.dtype, found.shape, found.flags.f_contiguous) == (array.dtype, shape, array.flags.f_contiguous)
    assert found.flags.writeable


def test_scalars_views_and_names_come_back() -> None:
    tensors: dict[str, Array] = {}
    for value in (np.float64(0.1), np.int32(7), np.bool_(True)):
        found = persistence._decode(persistence._encode(value, tensors, "x"), tensors)
        assert type(found) is type(value) and found == value
    view = np.arange(12.0).reshape(3, 4)[::2, 1:3]
    np.testing.assert_array_equal(persistence._decode(persistence._encode(view, tensors, "x"), tensors), view)
    names = np.array(["value", "day"], dtype=object)
    found = persistence._decode(persistence._encode(names, tensors, "x"), tensors)
    assert found.tolist() == names.tolist() and found.dtype == object
