"""Settings files in general: YAML read, laid over one another and checked against a model, faults told in one line."""

import importlib
import json
import re
import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from numbers import Integral
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar, Union, get_args, get_origin

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


def as_list(given: Any) -> list[Any]:
    """Return several names or policies as a list; one by itself is a list of one."""
    alone = isinstance(given, str) or hasattr(given, "decide") or not isinstance(given, Iterable)
    return [given] if alone else list(given)


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

SHOWN = 60
"""Characters of a value that a message shows."""

MOST_VALUES = 10_000_000
"""Values of a YAML file, aliases counted as often as they are used; more are refused: they would take gigabytes."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema, as DVC reads it: `no`, `12:30` and a date are text, `1e-3` is a number; each key once."""

    yaml_implicit_resolvers: dict[str, Any] = {}
    yaml_constructors = {
        tag: make
        for tag, make in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in ("null", "bool", "str", "seq", "map")
    }

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: dict[str, int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            line = key.start_mark.line + 1
            if key.value in seen:
                where = f"line {line}" if line == seen[key.value] else f"lines {seen[key.value]} and {line}"
                raise InputError(f"{key.value} stands there twice ({where}); keep one of the two")
            seen[key.value] = line
        return node


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    written = loader.construct_scalar(node).replace("_", "").lower()
    if node.tag.endswith("float"):
        return float(written.replace(".inf", "inf").replace(".nan", "nan"))
    return int(written, 0 if re.match("[-+]?0[box]", written) else 10)


for _tag, _form, _first in (
    ("null", "~|null|Null|NULL|", "~nN"),
    ("bool", "true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", "[-+]?(0o[0-7]+|0x[0-9a-fA-F]+|0b[01]+|[0-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
    ("merge", "<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_form})$"), [*_first, ""])
for _tag in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _number)


def parse_yaml(content: str | bytes, where: str, text: Container[str] = ()) -> Any:
    """Return what YAML says.

    Args:
        content: The YAML.
        where: What messages call it.
        text: Keys whose values are text as they are written, such as `1.10` or `no`; "" stands for the whole.

    Raises:
        InputError: It is not YAML, names a key twice, or holds itself or endlessly much.
    """
    try:
        loader = _Loader(content)
        node = loader.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > MOST_VALUES:
            raise InputError(f"it holds more than {MOST_VALUES:,} values, by its aliases; write out what is needed")
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        for value in [node] * ("" in text) + [value for key, value in pairs if key.value in text]:
            if isinstance(value, yaml.ScalarNode) and not value.tag.endswith(":null"):
                value.tag = "tag:yaml.org,2002:str"
        return loader.construct_document(node)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    except yaml.reader.ReaderError as error:
        raise InputError(f"{where} is not YAML: {error.reason}, at place {error.position}; save it as UTF-8") from error
    except RecursionError:
        raise InputError(f"{where} is nested too deeply; write it flatter") from None
    except (yaml.MarkedYAMLError, ValueError) as error:  # the second for whole numbers of thousands of digits
        mark = getattr(error, "problem_mark", None)
        problem = " ".join(str(getattr(error, "problem", error)).split())
        problem = f"{getattr(error, 'context', '')} {problem}" if problem.startswith("but ") else problem
        hint = "; indent with spaces" if "'\\t'" in problem else ""
        raise InputError(f"{where} is not YAML: {f'line {mark.line + 1}: ' if mark else ''}{problem}{hint}") from error


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Count the values of a document, those of an alias each time; `known` has those counted already, 0 meanwhile."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = 0
        parts = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_count(part, known) for part in parts)
    if not known[id(node)]:
        raise InputError(f"line {node.start_mark.line + 1} holds itself, by an alias; write out what is meant")
    return known[id(node)]


def read_yaml(path: Path, text: Container[str] = ()) -> dict[str, Any]:
    """Read a YAML file of keys and values (see `parse_yaml`); an empty file has none.

    Raises:
        InputError: The file is missing, not YAML, or holds something else than keys and values.
    """
    try:
        data = parse_yaml(path.read_bytes(), str(path), text)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; name another file") from error
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
    except (TypeError, ValueError, RecursionError) as error:  # keys or cycles that Python has and JSON has not
        raise InputError(f"{where}: {error}; give plain keys and values") from error


def refuse_unknown(data: Mapping[Any, Any], model: type[BaseModel], where: str, path: str = "") -> None:
    """Raise an `InputError` naming the first key of `data` that `model` does not have, and the key nearest to it.

    What stands below is looked at, too: sections, lists of sections, and mappings to sections.
    """
    fields = model.model_fields
    for key, value in data.items():
        if key not in fields:
            known = f"; known here: {', '.join(fields)}"
            raise InputError(f"{where}: unknown key {path}{key}{nearest(str(key), fields) or known}")
        for name, each, section in _sections(value, fields[key].annotation, f"{path}{key}"):
            refuse_unknown(each, section, where, f"{name}.")


def _sections(value: Any, kind: Any, name: str) -> Iterator[tuple[str, Mapping[Any, Any], type[BaseModel]]]:
    """Yield the mappings in a value that are to be sections, with their dotted names and what they are to be."""
    if isinstance(value, Mapping) and isinstance(kind, type) and issubclass(kind, BaseModel):
        yield name, value, kind
    elif get_origin(kind) is dict and isinstance(value, Mapping):
        for key, each in value.items():
            yield from _sections(each, get_args(kind)[1], f"{name}.{key}")
    elif get_origin(kind) is tuple and isinstance(value, list | tuple):
        for at, each in enumerate(value):
            yield from _sections(each, get_args(kind)[0], f"{name}[{at}]")
    elif get_origin(kind) in (Union, UnionType, Annotated):
        for part in get_args(kind):
            yield from _sections(value, part, name)


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"{dotted} is missing; give it"
    if first["type"] == "value_error" and isinstance(first["input"], dict):
        return f"{dotted}: {message}" if dotted else message
    given = repr(first["input"])
    given = given if len(given) <= SHOWN else f"{given[: SHOWN - 1]}…"
    return f"{dotted} is {given}; {message[0].lower()}{message[1:]}"
