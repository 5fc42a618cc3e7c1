"""Fitted forecasters in a folder: weights as safetensors, everything else as JSON, nothing that could run code.

`model.safetensors` holds every array, `model.json` the rest: a tree of plain values in which a class is named, never
imported by name: what is not in `CLASSES` is refused. The JSON names the checksum of the weights and carries its own,
so a damaged file or a mix of two saves is noticed. It is written last: until then, the folder holds no new model.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import safetensors.numpy
import torch
from safetensors import SafetensorError
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from sklearn.tree._tree import Tree
from sklearn.utils.validation import check_is_fitted
from xgboost import XGBRegressor
from xgboost.core import XGBoostError

from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import Forecaster
from edgeresearch.forecasting.baselines import (
    BinnedLogistic,
    BoostedTrees,
    Holdout,
    LastValue,
    LongRidge,
    SeasonalNaive,
    Windowed,
)
from edgeresearch.forecasting.lstm import NumpyLSTM, PaperLSTM, ResidualLSTM, ResidualTarget
from edgeresearch.io import atomic, write_json
from edgeresearch.nn import WindowLSTM
from edgeresearch.provenance import sha256

Array: TypeAlias = npt.NDArray[Any]
Tensors: TypeAlias = dict[str, Array]

FORMAT = 4
JSON, WEIGHTS = "model.json", "model.safetensors"

FORECASTERS = (Windowed, LastValue, SeasonalNaive, PaperLSTM, ResidualLSTM, LongRidge)
PARTS = (
    *(BinnedLogistic, BoostedTrees, Holdout, ResidualTarget, NumpyLSTM),
    *(Pipeline, StandardScaler, Ridge, GridSearchCV, LogisticRegression, MultiOutputRegressor),
    *(RandomForestRegressor, DecisionTreeRegressor),
)
CLASSES: Mapping[str, type[Any]] = {kind.__name__: kind for kind in (*FORECASTERS, *PARTS)}


def save(model: Forecaster, folder: Path, *, about: Mapping[str, Any] | None = None) -> Path:
    """Write a fitted forecaster into a folder; a model that stands there is replaced.

    Args:
        model: Any model of `base.build`, fitted.
        folder: Where to; made where it is missing.
        about: Facts to keep with it, such as trace, columns and step; whatever JSON can hold.

    Returns:
        The path of `model.json`.

    Raises:
        InputError: The model is not fitted, it or a fact cannot be stored, or the folder cannot be written.
    """
    name = type(model).__name__
    if type(model) not in FORECASTERS:
        known = ", ".join(kind.__name__ for kind in FORECASTERS)
        raise InputError(f"cannot save a {name}; give one of {known}")
    try:
        check_is_fitted(model)
    except NotFittedError as error:
        raise InputError(f"cannot save a {name} that is not fitted; call fit first") from error
    tensors: Tensors = {}
    node = _encode(model, tensors, name)
    weights = safetensors.numpy.save(tensors)
    facts = json.loads(_canonical(dict(about or {}), "a fact in `about`"))
    content = {"format": FORMAT, "class": name, "model": node, "about": facts, "weights_sha256": sha256(weights)}
    folder = Path(folder)
    with atomic(folder / WEIGHTS) as draft:
        draft.write_bytes(weights)
    write_json({**content, "sha256": sha256(_canonical(content, "the model"))}, folder / JSON)
    return folder / JSON


def about(folder: Path) -> dict[str, Any]:
    """Return the facts that were saved with a model, without loading it.

    Raises:
        InputError: There is no model, or its `model.json` is damaged.
    """
    facts: dict[str, Any] = _content(Path(folder) / JSON)["about"]
    return facts


def load(folder: Path) -> Forecaster:
    """Read a forecaster that `save` wrote: it predicts and streams the very same numbers.

    Raises:
        InputError: There is no model, a file is damaged or foreign, the two files are not of one save, or the format is
            newer than this version reads.
    """
    folder = Path(folder)
    content = _content(folder / JSON)
    weights = _read(folder / WEIGHTS)
    if sha256(weights) != content["weights_sha256"]:
        what = f"damaged or of another save than {JSON}: its checksum differs"
        raise InputError(f"{folder / WEIGHTS} is {what}; save the model again")
    try:
        model: Forecaster = _decode(content["model"], safetensors.numpy.load(weights))
        if type(model) not in FORECASTERS:
            raise TypeError(f"a {type(model).__name__} is no forecaster")
        check_is_fitted(model)
    except (*_MALFORMED, SafetensorError, XGBoostError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{folder / JSON} does not describe a model: {reason}; save the model again") from error
    return model


_MALFORMED = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def _content(path: Path) -> dict[str, Any]:
    """Read and check `model.json`."""
    text = _read(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON file: {error}; save the model again") from error
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise InputError(f"{path} describes no model of this project; give a folder that `save` wrote")
    if content["format"] != FORMAT:
        hint = "use a newer edgeresearch" if content["format"] > FORMAT else "fit and save the model again"
        raise InputError(f"{path} has format {content['format']}, this version reads {FORMAT}; {hint}")
    checksum = content.pop("sha256", None)
    if checksum != sha256(_canonical(content, str(path))):
        raise InputError(f"{path} is damaged: its checksum differs; save the model again")
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give a folder that holds a saved model") from error


def _canonical(content: Any, what: str) -> bytes:
    try:
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InputError(f"JSON cannot hold {what}: {error}; give text, finite numbers, lists and mappings") from error


def _encode(value: Any, tensors: Tensors, where: str) -> Any:
    """Return the JSON for a value: a tag or `class` for what JSON lacks; arrays go into `tensors`, by their place."""

    def inner(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _encode(each, tensors, f"{where}.{name}") for name, each in values.items()}

    if value is None or isinstance(value, bool | str) or type(value) in (int, float):
        return value if not isinstance(value, float) or math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, list | tuple):
        items = [_encode(item, tensors, f"{where}.{k}") for k, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": inner(value)}
    if isinstance(value, np.ndarray) and value.dtype == object and all(isinstance(item, str) for item in value):
        return {"strings": list(value)}
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
        return _encode_array(value, tensors, where)
    kind = type(value)
    if kind is WindowLSTM:
        settings = {"hidden": value.lstm.hidden_size, "targets": value.head.out_features}
        state = {name: tensor.detach().cpu().numpy() for name, tensor in value.state_dict().items()}
        return {"class": "WindowLSTM", **settings, "learning_rate": value.learning_rate, "state": inner(state)}
    if kind is XGBRegressor:
        booster = np.frombuffer(value.get_booster().save_raw("ubj"), dtype=np.uint8)
        return {"class": "XGBRegressor", "settings": inner(value.get_params(deep=False)), **inner({"booster": booster})}
    if kind is Tree:
        state, shape = value.__getstate__(), {"features": value.n_features, "outputs": value.n_outputs}
        nodes = inner({name: state["nodes"][name] for name in state["nodes"].dtype.names})
        arrays = inner({"values": state["values"], "classes": value.__reduce__()[1][1]})
        return {"class": "Tree", "max_depth": state["max_depth"], **shape, **arrays, "nodes": nodes}
    if CLASSES.get(kind.__name__) is kind:
        plain = not isinstance(value, BaseEstimator)
        names = [field.name for field in fields(value)] if plain else value.get_params(deep=False)
        settings = {name: getattr(value, name) for name in names}
        fitted = {name: content for name, content in vars(value).items() if name not in settings}
        return {"class": kind.__name__, "settings": inner(settings), "fitted": inner(fitted)}
    raise InputError(f"cannot save {where}: there is no way to store a {kind.__name__}; use plain settings")


def _encode_array(value: Any, tensors: Tensors, where: str) -> dict[str, str]:
    """Keep the order of the axes in memory: a matrix product may round otherwise in another order."""
    if isinstance(value, np.generic):
        tag, stored = "scalar", np.array(value)
    elif value.flags.f_contiguous and not value.flags.c_contiguous:
        tag, stored = "columns", value.T.copy(order="C")
    else:
        tag, stored = "array", value.copy(order="C")
    name = where if where not in tensors else f"{where}~{len(tensors)}"
    tensors[name] = stored
    return {tag: name}


def _decode(node: Any, tensors: Tensors) -> Any:
    """Return the value that `_encode` turned into this JSON."""
    if isinstance(node, list):
        return [_decode(item, tensors) for item in node]
    if not isinstance(node, dict):
        return node
    if "class" in node:
        make = _MAKERS.get(node["class"], _make)
        return make(node, partial(_decode, tensors=tensors))
    ((tag, content),) = node.items()
    values: dict[str, Callable[[], Any]] = {
        "array": lambda: tensors[content].copy(),
        "columns": lambda: tensors[content].copy().T,
        "scalar": lambda: tensors[content][()],
        "dict": lambda: {name: _decode(value, tensors) for name, value in content.items()},
        "tuple": lambda: tuple(_decode(item, tensors) for item in content),
        "strings": lambda: np.array([str(item) for item in content], dtype=object),
        "float": lambda: float(content),
    }
    return values[tag]()


def _make(node: Any, decode: Callable[[Any], Any]) -> Any:
    value = CLASSES[node["class"]](**decode({"dict": node["settings"]}))
    vars(value).update(decode({"dict": node["fitted"]}))
    return value


def _make_window_lstm(node: Any, decode: Callable[[Any], Any]) -> WindowLSTM:
    module = WindowLSTM(node["hidden"], node["targets"], node["learning_rate"], torch.Generator())
    state = decode({"dict": node["state"]})
    module.load_state_dict({name: torch.from_numpy(values) for name, values in state.items()})
    module.eval()
    return module


def _make_boosted(node: Any, decode: Callable[[Any], Any]) -> XGBRegressor:
    settings = decode({"dict": node["settings"]})
    trees = XGBRegressor(**settings)
    trees.load_model(bytearray(decode(node["booster"]).tobytes()))
    return trees.set_params(**settings)  # loading fills in some that were left open


def _make_tree(node: Any, decode: Callable[[Any], Any]) -> Any:
    columns = decode({"dict": node["nodes"]})
    count, inner = len(columns["feature"]), columns["left_child"] != -1
    child = np.stack([columns["left_child"][inner], columns["right_child"][inner]])
    if (child <= np.flatnonzero(inner)).any() or (child >= count).any():
        raise ValueError("a tree's branch leads outside it")
    feature = columns["feature"][inner]
    if (feature < 0).any() or (feature >= node["features"]).any():
        raise ValueError("a tree reads a feature that does not exist")
    tree = Tree(node["features"], decode(node["classes"]), node["outputs"])
    nodes = np.zeros(count, dtype=tree.__getstate__()["nodes"].dtype)
    for name in nodes.dtype.names or ():
        nodes[name] = columns[name]
    values = decode(node["values"])
    tree.__setstate__({"max_depth": node["max_depth"], "node_count": count, "nodes": nodes, "values": values})
    return tree


_MAKERS: Mapping[str, Callable[[Any, Callable[[Any], Any]], Any]] = {
    "Tree": _make_tree,
    "WindowLSTM": _make_window_lstm,
    "XGBRegressor": _make_boosted,
}
