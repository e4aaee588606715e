"""The command line: what may be asked, how it is read, and where the answers go.

Commands are described as data, so that ``--help`` and mistakes in the arguments are answered before anything heavy is
imported; this is the one module that imports late.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from symguide.errors import ClockError, DataError, StrengthError, SymguideError

if TYPE_CHECKING:
    import click

    from symguide.answers import Answer, Quantity, Result
    from symguide.evidence import Evidence
    from symguide.mixture import Problem
    from symguide.number import Number
    from symguide.schedule import NoiseSchedule
    from symguide.tables import Screen

__all__ = ["COMMANDS", "RULES", "gather", "main"]

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses: all well, a check failed, bad input, Ctrl-C."""

RULES = ("rate", "normalised")
"""The names in :data:`symguide.tilt.RULES`, known here without SymPy."""

# --- the commands as data ---------------------------------------------------------------------------------------------


class Parameter(NamedTuple):
    """An argument or an option, before click is imported: its declarations and what click is told about it."""

    names: tuple[str, ...]
    settings: dict[str, Any]


class Command(NamedTuple):
    """A command: its name, what runs it, and what it takes. The docstring of ``run`` is its help."""

    name: str
    run: Callable[..., int]
    parameters: tuple[Parameter, ...]

    @property
    def summary(self) -> str:
        """The first sentence of the help."""
        return (self.run.__doc__ or "").partition("\n")[0].rstrip(".")


COMMANDS: dict[str, Command] = {}
"""Every command by name, in the order of the overview."""


def _command(name: str, *parameters: Parameter) -> Callable[[Callable[..., int]], Callable[..., int]]:
    def register(run: Callable[..., int]) -> Callable[..., int]:
        COMMANDS[name] = Command(name, run, parameters)
        return run

    return register


def _option(*names: str, **settings: Any) -> Parameter:
    return Parameter(names, settings)


def _several(name: str, metavar: str, help: str) -> Parameter:
    return Parameter((name,), {"metavar": f"{metavar}...", "multiple": True, "help": help})


_PROBLEM = Parameter(("problem",), {"metavar": "PROBLEM"})
_TARGET = _option("--target", metavar="CLASS", help="The class to guide towards.")
_RULE = _option("--rule", metavar="|".join(RULES), choices=RULES, default="rate", help="Guidance rule  [rate].")
_W = _several("--w", "W", "Guidance strengths w >= -1: -1 unconditional, 0 conditional.")
_U = _several("--u", "U", "Mask fractions in [0, 1]: 1 all masked, 0 the end.")
_T = _several("--t", "T", "Times, instead of mask fractions; with --noise.")
_NOISE = _option("--noise", metavar="NAME[:key=value,...]", help="Noise schedule, as `symguide list` names them.")
_HORIZON = _option("--horizon", metavar="T", help="Horizon of the noise schedule, instead of its own.")
_JSON = _option("--json", "as_json", is_flag=True, help="Write JSON to stdout, everything for people to stderr.")

SEVERAL = frozenset({"--w", "--u", "--t"})
"""Options that take one or more values."""

# --- reading the arguments --------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"[+-]?(\d+/\d+|(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?)", re.IGNORECASE)
_NUMBER_LIKE = re.compile(r"[+-]?(\.?\d[\d./]*(e[+-]?\d+)?|nan|inf|infinity|oo)", re.IGNORECASE)
_LONGEST = 4000


def gather(arguments: Sequence[str]) -> list[str]:
    """The arguments with the values of ``--w``, ``--u`` and ``--t`` joined: ``--w -1/2 0`` becomes ``--w=-1/2 0``.

    The first value is whatever follows, unless that is a long option; further ones are the tokens that look like numbers,
    with commas or without. ``--`` ends the options.

    Raises
    ------
    SymguideError
        For an option with no value.

    >>> gather(["solve", "--w", "-1/2", "0,", "3", "words", "--u=1/2", "--json"])
    ['solve', '--w=-1/2 0, 3', 'words', '--u=1/2', '--json']
    """
    joined: list[str] = []
    rest = list(reversed(arguments))
    while rest:
        token = rest.pop()
        if token == "--":
            return [*joined, token, *reversed(rest)]
        name, equals, value = token.partition("=")
        if name not in SEVERAL:
            joined.append(token)
            continue
        values = [value] if equals else []
        while rest and (_looks_like_numbers(rest[-1]) or not (values or rest[-1].startswith("--"))):
            values.append(rest.pop())
        if not "".join(values).strip(" ,"):
            raise SymguideError(f"{name} has no value, so there is nothing to compute; give one or more numbers after it")
        joined.append(f"{name}={' '.join(values)}")
    return joined


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[\s,]+", text) if part]


def _looks_like_numbers(token: str) -> bool:
    return bool(token) and all(map(_NUMBER_LIKE.fullmatch, _parts(token)))


def _numbers(option: str, given: Sequence[str], error: type[SymguideError]) -> list[Fraction]:
    """The values of an option, exactly; read without SymPy, in the spellings of :func:`symguide.number.read_number`."""
    return [_number(option, part, error) for text in given for part in _parts(text)]


def _number(option: str, text: str, error: type[SymguideError]) -> Fraction:
    shown = text if len(text) <= 40 else f"{text[:20]}...{text[-10:]}"
    try:
        if _NUMBER.fullmatch(text) and len(text) <= _LONGEST:
            return Fraction(text)
    except ZeroDivisionError:
        raise error(f"{option} is {shown}: its denominator is zero; write a fraction or a decimal") from None
    raise error(f"{option} is {shown!r}: that is no finite number and text is not evaluated; write 3, -1/2 or 0.25")


def _strengths(given: Sequence[str]) -> list[Fraction]:
    strengths = _numbers("--w", given, StrengthError)
    for strength in strengths:
        if strength < -1:
            raise StrengthError(
                f"--w is {strength}: below -1 the guided chain is not defined; use w >= -1 (-1 is unconditional)"
            )
    return strengths


def _at_least_one(option: str, given: str) -> int:
    if not re.fullmatch(r"\d{1,9}", given) or int(given) < 1:
        raise DataError(f"{option} is {given!r}: nothing can be counted with it; give a whole number of at least 1")
    return int(given)


class Moments(NamedTuple):
    """Where on the way the law is asked for: mask fractions, and the times they come from if times were given."""

    fractions: "list[Number]"
    times: list[Fraction]


def _moments(u: Sequence[str], t: Sequence[str], noise: str | None, horizon: str | None) -> Moments:
    """Mask fractions from ``--u``, or from ``--t`` through a noise schedule."""
    if u and t:
        raise ClockError("--u and --t both say when, so the answer would be ambiguous; give one of them")
    if t and noise is None:
        raise ClockError("--t is given without --noise, so times have no mask fraction; add --noise NAME (or use --u)")
    if noise is not None and not t:
        raise ClockError(f"--noise is {noise!r}, but there are no times for it to convert; add --t (or drop --noise)")
    fractions = _numbers("--u", u, ClockError)
    for fraction in fractions:
        if not 0 <= fraction <= 1:
            raise ClockError(f"--u is {fraction}: mask fractions lie in [0, 1], from the end to the start; correct it")
    times = _numbers("--t", t, ClockError)
    schedule = _schedule(noise, horizon)
    if schedule is None:
        return Moments(list(fractions), [])
    return Moments([_plain(schedule.mask_fraction_at(time)) for time in times], times)


def _schedule(noise: str | None, horizon: str | None) -> "NoiseSchedule | None":
    if horizon is not None and noise is None:
        raise ClockError(f"--horizon is {horizon} without --noise, so it belongs to no schedule; add --noise NAME")
    if noise is None:
        return None
    end = None if horizon is None else horizon if horizon in ("oo", "inf") else _number("--horizon", horizon, ClockError)
    from symguide.schedules import parse_schedule

    return parse_schedule(noise, end)


def _plain(value: Any) -> "Number":
    """A SymPy rational as a ``Fraction``."""
    from symguide.number import read_number

    return read_number(value, "mask fraction u", ClockError)


def _problem(name: str, target: str | None) -> "Problem":
    """A problem file if there is one of that name, or if it can only be meant as one; a built-in instance otherwise."""
    path = Path(name)
    if path.is_file() or path.suffix == ".json" or os.sep in name or "/" in name or path.is_dir():
        from symguide.problem_file import read_problem

        return read_problem(path, target)
    from symguide.datasets import load

    return load(name, target)


# --- where the answers go ---------------------------------------------------------------------------------------------


def _say(line: str) -> None:
    """One line for people who wait or whose request failed."""
    if sys.stderr is not None:
        print(" ".join(line.split()), file=sys.stderr)


@contextmanager
def _busy(what: str) -> Iterator[None]:
    """A spinner on stderr while something runs, for people only."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    from symguide.tables import screen

    with screen(to_stderr=True).status(what):
        yield


@contextmanager
def _long_integers() -> Iterator[None]:
    """Exact numbers may have more digits than Python writes by default."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


def _write_json(document: Any) -> None:
    import json

    print(json.dumps(document, allow_nan=False))
