"""Settings by dotted keys: which an experiment has, and what those of a cell come to."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from edgeresearch.errors import InputError, nearest
from edgeresearch.params import Params
from edgeresearch.settings import merge, parsed
from edgeresearch.sweep.experiments import Experiment, Settings


def known(experiment: Experiment) -> dict[str, Any]:
    """Return the settings that a cell of an experiment has, by dotted key, with the types that they take."""
    found = {name: field.annotation for name, field in experiment.own.model_fields.items()}
    for name, kind in _leaves(Params):
        if _within(name, experiment.reads) and not _within(name, experiment.unread):
            found[name] = kind
    return found


def whole(kind: Any) -> bool:
    """Return whether a type takes whole numbers only."""
    return float not in (types := set(_types(kind))) and int in types


def check(name: str, experiment: Experiment, where: str) -> None:
    """Raise unless a cell of the experiment has a setting of that name.

    Raises:
        InputError: It has not; the message names the nearest one.
    """
    names = known(experiment)
    if name in names:
        return
    if _within(name, experiment.unread):
        instead = name.rpartition(".")[2].removesuffix("s")
        hint = f"; did you mean {instead}?" if instead in names else "; leave it out"
        raise InputError(f"{where}: a cell of {experiment.name} does not read {name}{hint}")
    below = [each for each in names if each.startswith(f"{name}.")]
    if below:
        raise InputError(f"{where}: {name} is a group of settings; name one of it, such as {below[0]}")
    ends = {each.rpartition(".")[2]: each for each in names}  # what lacks its section is near by its last part
    close = nearest(name, names) or (f"; did you mean {ends[name]}?" if name in ends else "")
    told = close or f"; known: {', '.join(names)}"
    raise InputError(f"{where}: unknown setting {name}{told}")


def settle(experiment: Experiment, base: Params, chosen: Mapping[str, Any], where: str) -> Settings:
    """Return the settings of a cell: those of the base with the chosen ones laid over them, checked.

    Args:
        experiment: Tells which settings there are.
        base: The settings in general.
        chosen: Values by dotted key.
        where: Name of the place they come from, for messages.

    Returns:
        Plain values: the experiment's own settings, and the sections that it reads, without what it does not read.

    Raises:
        InputError: A value is not what its key takes.
    """
    own = {name: value for name, value in chosen.items() if name in experiment.own.model_fields}
    general: dict[str, Any] = {}
    for name, value in chosen.items():
        if name not in own:
            general = merge(general, _nested(name, value))
    values = parsed(own, experiment.own, where).model_dump(mode="json")
    if general:
        base = parsed(merge(base.model_dump(mode="json"), general), Params, where)
    plain = base.model_dump(mode="json")
    for name, _ in _leaves(Params):
        if _within(name, experiment.reads) and not _within(name, experiment.unread):
            values = merge(values, _nested(name, at(plain, name)))
    return values


def at(settings: Settings, dotted: str) -> Any:
    """Return one of the settings by its dotted key, such as `los.truth.a`."""
    found: Any = settings
    for part in dotted.split("."):
        found = found[part]
    return found


def _nested(dotted: str, value: Any) -> dict[str, Any]:
    for part in reversed(dotted.split(".")):
        value = {part: value}
    return dict(value)


def _within(name: str, parts: Any) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def _leaves(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _leaves(kind, f"{path}{name}.")
        else:
            yield f"{path}{name}", kind


def _types(kind: Any) -> Iterator[Any]:
    yield kind
    for part in get_args(kind):
        yield from _types(part)
