"""What is typed, read exactly: values gathered, numbers, moments, problems."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from symguide.errors import ClockError, DataError, StrengthError, SymguideError

if TYPE_CHECKING:
    from fractions import Fraction

    from symguide.mixture import Problem
    from symguide.number import Number
    from symguide.schedule import NoiseSchedule

__all__ = [
    "SEVERAL",
    "Moments",
    "at_least_one",
    "gather",
    "moments_of",
    "problem_of",
    "required_strengths",
    "schedule_of",
    "strengths_of",
]

SEVERAL = frozenset({"--w", "--u", "--t"})
"""Options that take one or more values."""


_NUMBER = r"[+-]?(\d+/\d+|(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?)"
_NUMBER_LIKE = r"[+-]?(\.?\d[\d./]*([eE][+-]?\d+)?|nan|inf|infinity|oo)"
_LONGEST = 4000


def gather(arguments: Sequence[str]) -> list[str]:
    """The arguments with the values of ``--w``, ``--u`` and ``--t`` joined: ``--w -1/2 0`` becomes ``--w=-1/2 0``.

    The first value is whatever follows, unless that is a long option; further ones are the tokens that look like
    numbers, with commas or without. ``--`` ends the options.

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
            raise SymguideError(f"{name} has no value, so nothing can be computed; give one or more numbers after it")
        joined.append(f"{name}={' '.join(values)}")
    return joined


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[\s,]+", text) if part]


def _looks_like_numbers(token: str) -> bool:
    return bool(token) and all(re.fullmatch(_NUMBER_LIKE, part) for part in _parts(token))


def _numbers(
    option: str, given: Sequence[str], error: type[SymguideError], low: int | None, high: int | None, outside: str
) -> list[Fraction]:
    """The values of an option, exactly, between bounds; read without SymPy."""
    values = []
    for part in (part for text in given for part in _parts(text)):
        value = _number(option, part, error)
        if (low is not None and value < low) or (high is not None and value > high):
            raise error(f"{option} is {_short(part)}: {outside}")
        values.append(value)
    return values


def _number(option: str, text: str, error: type[SymguideError]) -> Fraction:
    """One number in the spellings of :func:`symguide.number.read_number`."""
    from fractions import Fraction

    try:
        if re.fullmatch(_NUMBER, text) and len(text) <= _LONGEST:
            return Fraction(text)
    except ZeroDivisionError:
        raise error(f"{option} is {_short(text)}: its denominator is zero; write a fraction or a decimal") from None
    raise error(
        f"{option} is {_short(text)!r}: that is no finite number, and text is not evaluated; write 3, -1/2 or 0.25"
    )


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:19]}..{text[-19:]}"


def strengths_of(given: Sequence[str]) -> list[Fraction]:
    outside = "below -1 the guided chain is not defined; use w >= -1 (-1 is unconditional)"
    return _numbers("--w", given, StrengthError, -1, None, outside)


def required_strengths(given: Sequence[str]) -> list[Fraction]:
    if not given:
        raise StrengthError("--w is missing, so no chain is meant; give one or more strengths, such as --w 0 1 3")
    return strengths_of(given)


def at_least_one(option: str, given: str) -> int:
    if not re.fullmatch(r"\d{1,9}", given) or int(given) < 1:
        raise DataError(f"{option} is {_short(given)!r}: that counts nothing; give a whole number of at least 1")
    return int(given)


class Moments(NamedTuple):
    """Where on the way the law is asked for: mask fractions, and the times they come from if times were given."""

    fractions: list[Number]
    times: list[Fraction]


def moments_of(u: Sequence[str], t: Sequence[str], noise: str | None, horizon: str | None) -> Moments:
    """Mask fractions from ``--u``, or from ``--t`` through a noise schedule."""
    if u and t:
        raise ClockError("--u and --t both say when, so the answer would be ambiguous; give one of them")
    if t and noise is None:
        raise ClockError("--t is given without --noise, so times have no mask fraction; add --noise NAME (or use --u)")
    if noise is not None and not t:
        raise ClockError(f"--noise is {_short(noise)!r}, but there are no times for it to convert; add --t or drop it")
    outside = "mask fractions lie in [0, 1], from the end to the start; correct it"
    fractions = _numbers("--u", u, ClockError, 0, 1, outside)
    times = _numbers("--t", t, ClockError, 0, None, "times run from the horizon down to 0; correct it")
    schedule = schedule_of(noise, horizon)
    if schedule is None:
        return Moments(list(fractions), [])
    return Moments([_plain(schedule.mask_fraction_at(time)) for time in times], times)


def schedule_of(noise: str | None, horizon: str | None) -> NoiseSchedule | None:
    if horizon is not None and noise is None:
        raise ClockError(f"--horizon is {_short(horizon)} without --noise, so it ends no schedule; add --noise NAME")
    if noise is None:
        return None
    end = horizon if horizon in (None, "oo", "inf") else _number("--horizon", horizon, ClockError)
    from symguide.schedules import parse_schedule

    return parse_schedule(noise, end)


def _plain(value: Any) -> Number:
    """A SymPy rational as a ``Fraction``."""
    from symguide.number import read_number

    return read_number(value, "mask fraction u", ClockError)


def problem_of(name: str, target: str | None) -> Problem:
    """A problem file if there is one of that name, or if it can only be meant as one; a built-in instance otherwise."""
    if os.path.isfile(name) or name.endswith(".json") or "/" in name or os.sep in name:
        from symguide.problem_file import read_problem

        return read_problem(name, target)
    from symguide.datasets import load

    return load(name, target)
