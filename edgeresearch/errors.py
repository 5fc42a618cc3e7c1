"""Errors that the command line tells in one line, without a traceback."""

import difflib
from collections.abc import Iterable
from typing import Any


class InputError(ValueError):
    """Bad input: the message says what is wrong, where, and what to do about it.

    The command line prints the message alone and exits with `status`.
    """

    status = 2


class RunError(RuntimeError):
    """Something that was started failed: the message says what, where, and where to read more.

    The command line prints the message alone and exits with `status`.
    """

    status = 1


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that can follow a message about an unknown name: `; did you mean …?`, or nothing if none is near."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.75) or difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def check_known(what: str, name: str, known: Iterable[str]) -> None:
    """Raise an `InputError` with the nearest and all known names, unless the name is one of them."""
    names = list(known)
    if name not in names:
        raise InputError(f"unknown {what} {name!r}{nearest(name, names)}; known: {', '.join(names)}")


def check_object(given: Any, what: str, *methods: str) -> None:
    """Raise an `InputError` unless what a user hands over is an object with these methods, and no class of one."""
    if isinstance(given, type):
        raise InputError(f"{given.__name__} is a class and no {what}; call it: {given.__name__}()")
    if not all(callable(getattr(given, name.partition("(")[0], None)) for name in methods):
        hint = f"give a name or an object with {' and '.join(methods)}, such as Mine()"
        raise InputError(f"{given!r} is no {what}; {hint}")
