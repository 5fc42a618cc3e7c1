"""Settings files in general: YAML read, laid over one another and checked against a model, faults told in one line."""

import importlib
import json
import sys
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from edgeresearch.errors import InputError, nearest


class Section(BaseModel):
    """A group of settings: frozen, no unknown keys, no silent conversion of one type to another.

    What is not usable raises an `InputError` of one line, however it is handed over.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    if not TYPE_CHECKING:  # which would no longer see the fields

        def __init__(self, /, **values: Any) -> None:
            refuse_unknown(values, type(self), type(self).__name__)
            try:
                super().__init__(**plain(values))
            except ValidationError as error:
                raise InputError(_told(error)) from None

        # As pydantic marks its own: what is nested is then checked in place, and a fault there told with its path.
        __init__.__pydantic_base_init__ = True

    @classmethod
    def of(cls, given: "Self | Mapping[str, Any] | None") -> Self:
        """Return settings as they are, those of keys and values, or the defaults for None."""
        if given is None or isinstance(given, Mapping):
            return parsed(given or {}, cls, cls.__name__)
        if not isinstance(given, cls):
            raise InputError(f"{given!r} is no {cls.__name__}; give {cls.__name__}(...) or a mapping of its keys")
        return given

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some values changed; a list stands for a tuple."""
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
        return type(self)(**{**dict(self), **values})


def as_list(given: Any, what: str) -> list[Any]:
    """Return several names or policies as a list; one by itself is a list of one."""
    if isinstance(given, str) or hasattr(given, "decide"):
        return [given]
    try:
        return list(given)
    except TypeError:
        raise InputError(f"{given!r} is no {what}; give a name or an object with a method decide, or several") from None


def load_object(name: str, *folders: Path) -> Any:
    """Return what `module:Name` names, an object of it if it is a class.

    Args:
        name: A module, or its file's path, that lies in one of the folders or is installed; a colon; a name in it.
        folders: They stay at the end of the path that modules are looked for on, so that workers find them, too.

    Raises:
        InputError: There is no such module or name, or the module or the class cannot be run without arguments.
    """
    place, _, attribute = name.partition(":")
    module = place.removesuffix(".py").replace("/", ".")
    sys.path += [str(folder) for folder in folders if str(folder) not in sys.path]
    try:
        found = getattr(importlib.import_module(module), attribute)
        return found() if isinstance(found, type) else found
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise InputError(f"{name}: {module} needs {error.name}, which is not installed") from error
        places = " or ".join(dict.fromkeys(map(str, folders)))
        raise InputError(f"{name}: there is no module {module} in {places}, nor one that is installed") from error
    except AttributeError as error:
        loaded = sys.modules.get(module)
        if loaded is None or hasattr(loaded, attribute):
            raise InputError(f"{name}: {error}") from error
        names = [each for each in vars(loaded) if not each.startswith("_")]
        where = getattr(loaded, "__file__", module)
        raise InputError(f"{where} has no {attribute!r}{nearest(attribute, names)}; give module:Name") from error
    except Exception as error:
        raise InputError(f"{name} cannot be used: {type(error).__name__}: {error}; mend it") from error


def plain(given: Any) -> Any:
    """Return a value with a number of Python for each of NumPy, also within mappings, lists and tuples."""
    if type(given) in (list, tuple):
        return type(given)(map(plain, given))
    if type(given) is dict:
        return {key: plain(value) for key, value in given.items()}
    kind = getattr(getattr(given, "dtype", None), "kind", "")  # NumPy itself loads slowly
    return given.item() if kind in ("b", "i", "u", "f") and not given.ndim else given


def _as_json(given: Any) -> Any:
    number = plain(given)
    return str(given) if number is given else number


def check_whole(**numbers: int | None) -> None:
    """Raise an `InputError` that names the first of the numbers that is neither whole nor None."""
    for name, number in numbers.items():
        if number is not None and not isinstance(number, Integral):
            raise InputError(f"{name} is {number!r}; give a whole number")


def check_seed(seed: int) -> int:
    """Return a seed, of any size, as a number of Python; an `InputError` says if it is none."""
    if not isinstance(seed, Integral):
        raise InputError(f"seed is {seed!r}; give a whole number")
    if seed < 0:
        raise InputError(f"seed {seed} is negative; use 0 or more")
    return int(seed)


def narrow_seed(seed: int) -> int:
    """Return a seed that every library takes: a larger one than 32 bits hold is mixed down to them."""
    if seed < 2**32:
        return seed
    from numpy.random import SeedSequence  # here, as settings need not wait for it

    return int(SeedSequence(seed).generate_state(1)[0])


def each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of which there is one at least, and none twice."""
    if not values or len(set(values)) < len(values):
        raise ValueError("name at least one, and each only once")
    return values


def ascending(values: tuple[int, ...]) -> tuple[int, ...]:
    """Return numbers that rise from one to the next."""
    if not values or list(values) != sorted(set(values)):
        raise ValueError("name at least one, in ascending order, each only once")
    return values


Fraction = Annotated[float, Field(gt=0, lt=1)]
"""Above 0, below 1."""
Share = Annotated[float, Field(ge=0, lt=1)]
"""At least 0, below 1."""
Counts = Annotated[tuple[PositiveInt, ...], AfterValidator(ascending)]
"""Whole numbers above 0 in ascending order."""

S = TypeVar("S", bound=Section)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file of keys and values; an empty file has none.

    Raises:
        InputError: The file is missing, not YAML, or holds something else than keys and values.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; name another file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise InputError(f"{path} holds a {type(data).__name__}; expected keys and values, such as 'seed: 1'")
    return data


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one mapping over another: sections key by key, everything else (lists too) replaced; neither is changed."""
    result = dict(base)
    for key, value in overlay.items():
        below = result.get(key)
        result[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def parsed(data: Mapping[str, Any], model: type[S], where: str) -> S:
    """Turn keys and values, as YAML gives them, into settings of a kind; messages say `where` they come from.

    Raises:
        InputError: A key is unknown, or a value is not what its key takes.
    """
    refuse_unknown(data, model, where)
    try:
        # By way of JSON: pydantic is strict there about types, yet takes a list for a tuple.
        return model.model_validate_json(json.dumps(data, default=_as_json))
    except ValidationError as error:
        raise InputError(f"{where}: {_told(error)}") from None


def refuse_unknown(data: Mapping[Any, Any], model: type[BaseModel], where: str, path: str = "") -> None:
    """Raise an `InputError` naming the first key of `data` that `model` does not have, and the key nearest to it."""
    fields = model.model_fields
    for key, value in data.items():
        if key not in fields:
            known = f"; known here: {', '.join(fields)}"
            raise InputError(f"{where}: unknown key {path}{key}{nearest(str(key), fields) or known}")
        below = fields[key].annotation
        if isinstance(value, Mapping) and isinstance(below, type) and issubclass(below, BaseModel):
            refuse_unknown(value, below, where, f"{path}{key}.")


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error" and isinstance(first["input"], dict):
        return f"{dotted}: {message}" if dotted else message
    return f"{dotted} is {first['input']!r}; {message[0].lower()}{message[1:]}"
