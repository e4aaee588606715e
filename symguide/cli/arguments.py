"""What is typed, read exactly: values gathered, numbers, moments, problems."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from symguide.errors import ClockError, DataError, StrengthError, SymguideError
from symguide.numbers.numeral import read_numeral, shortened

if TYPE_CHECKING:
    from fractions import Fraction

    from symguide.laws.composition import Composition
    from symguide.laws.law import Context
    from symguide.laws.mixture import Problem
    from symguide.numbers.number import Number
    from symguide.schedules.guidance_schedule import GuidanceSchedule
    from symguide.schedules.noise_schedule import NoiseSchedule

__all__ = [
    "SEVERAL",
    "Moments",
    "at_least_one",
    "composition_of",
    "context_of",
    "digits_of",
    "gather",
    "guidance_of",
    "moments_of",
    "problem_of",
    "required_strengths",
    "schedule_of",
    "strengths_of",
]

SEVERAL = frozenset({"--w", "--u", "--t"})
"""Options that take one or more values."""


MOST_DIGITS = 10_000
"""Decimal digits that a check may be asked for."""

_NUMBER_LIKE = r"[+-]?(\.?\d[\d./]*([eE][+-]?\d+)?|nan|inf|infinity|oo)"
"""What follows an option as a further value: numbers, and what must be meant as one and will be refused."""


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
    """The values of an option, exactly, between bounds."""
    values = []
    for part in (part for text in given for part in _parts(text)):
        value = read_numeral(part, option, error)
        if (low is not None and value < low) or (high is not None and value > high):
            raise error(f"{option} is {shortened(part)}: {outside}")
        values.append(value)
    return values


def strengths_of(given: Sequence[str]) -> list[Fraction]:
    outside = "below -1 the guided chain is not defined; use w >= -1 (-1 is unconditional)"
    return _numbers("--w", given, StrengthError, -1, None, outside)


def required_strengths(given: Sequence[str]) -> list[Fraction]:
    if not given:
        raise StrengthError("--w is missing, so no chain is meant; give one or more strengths, such as --w 0 1 3")
    return strengths_of(given)


def composition_of(conditions: Sequence[str], w: Sequence[str], schedule: str | None) -> Composition:
    """Several conditions, each with its strength."""
    if w or schedule is not None:
        other = "--w" if w else "--guidance-schedule"
        raise StrengthError(f"--condition and {other} both say how strongly to guide; give one of them")
    from symguide.laws.composition import Composition

    return Composition.parse(conditions)


def guidance_of(
    w: Sequence[str], schedule: str | None, noise: str | None, horizon: str | None
) -> Sequence[Fraction | GuidanceSchedule]:
    """Strengths from ``--w``, or one guidance schedule."""
    if schedule is None:
        return required_strengths(w)
    if w:
        raise StrengthError("--w and --guidance-schedule both say how strongly to guide; give one of them")
    from symguide.schedules.guidance_spec import parse_guidance_schedule

    return [parse_guidance_schedule(schedule, schedule_of(noise, horizon))]


def at_least_one(option: str, given: str, most: int = 10**9) -> int:
    """A count."""
    if not re.fullmatch("[0-9]{1,10}", given) or int(given) < 1:
        raise DataError(f"{option} is {shortened(given)!r}: that counts nothing; give a whole number of at least 1")
    if int(given) > most:
        raise DataError(f"{option} is {given}: more than {most} would take longer than anyone waits; give fewer")
    return int(given)


def digits_of(given: str) -> int:
    """How many decimal digits are asked for."""
    return at_least_one("--digits", given, MOST_DIGITS)


class Moments(NamedTuple):
    """Where on the way the law is asked for: mask fractions, and the times they come from if times were given."""

    fractions: list[Number]
    times: list[Fraction]


def moments_of(
    u: Sequence[str], t: Sequence[str], noise: str | None, horizon: str | None, guidance: str | None = None
) -> Moments:
    """Mask fractions from ``--u``, or from ``--t`` through a noise schedule, which guidance in time may need alone."""
    if u and t:
        raise ClockError("--u and --t both say when, so the answer would be ambiguous; give one of them")
    if t and noise is None:
        raise ClockError("--t is given without --noise, so times have no mask fraction; add --noise NAME (or use --u)")
    if noise is not None and not t and guidance is None:
        raise ClockError(
            f"--noise is {shortened(noise)!r}, but there are no times for it to convert; add --t or drop it"
        )
    outside = "mask fractions lie in [0, 1], from the end to the start; correct it"
    fractions = _numbers("--u", u, ClockError, 0, 1, outside)
    times = _numbers("--t", t, ClockError, 0, None, "times run from the horizon down to 0; correct it")
    schedule = schedule_of(noise, horizon)
    if schedule is None or not times:
        return Moments(list(fractions), [])
    return Moments([_plain(schedule.mask_fraction_at(time)) for time in times], times)


def schedule_of(noise: str | None, horizon: str | None) -> NoiseSchedule | None:
    if horizon is not None and noise is None:
        raise ClockError(f"--horizon is {shortened(horizon)} without --noise, so it ends no schedule; add --noise NAME")
    if noise is None:
        return None
    end = horizon if horizon in (None, "oo", "inf") else read_numeral(horizon, "--horizon", ClockError)
    from symguide.schedules.published import parse_schedule

    return parse_schedule(noise, end)


def _plain(value: Any) -> Number:
    """A SymPy rational as a ``Fraction``."""
    from symguide.numbers.number import read_number

    return read_number(value, "mask fraction u", ClockError)


def problem_of(name: str, target: str | None) -> Problem:
    """A problem file if there is one of that name, or if it can only be meant as one; a built-in instance otherwise."""
    if os.path.isfile(name) or name.endswith(".json") or "/" in name or os.sep in name:
        from symguide.instances.problem_file import read_problem

        return read_problem(name, target)
    from symguide.instances.datasets import load

    return load(name, target)


def context_of(problem: Problem, text: str) -> Context:
    """A context as it is typed: ``2,M``, or ``co__e`` where the labels of the tokens are single characters.

    Masks are ``M`` or ``_``, unless that is the label of a token; tokens go by their labels, or by their numbers.
    """
    from symguide.symbols import MASK

    labels = problem.labels or tuple(map(str, range(problem.vocabulary)))
    known: dict[str, int | None] = {MASK: None, "_": None}
    known |= {str(token): token for token in range(problem.vocabulary)}
    known |= {label: token for token, label in enumerate(labels)}
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != problem.length and len(text) == problem.length:
        parts = list(text)
    if len(parts) != problem.length:
        raise DataError(
            f"--context is {shortened(repr(text))}: it shows {len(parts)} positions, but {problem.name} has "
            f"{problem.length}; write one token or {MASK} for each, with commas between"
        )
    for part in parts:
        if part not in known:
            raise DataError(
                f"--context is {shortened(repr(text))}: {shortened(repr(part))} is no token of {problem.name}; "
                f"use {shortened(', '.join(labels), 60)}, or {MASK} for a mask"
            )
    return tuple(known[part] for part in parts)
