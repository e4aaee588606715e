"""Guidance schedules as they are typed: windows ``w@high:low`` in mask fractions, times or steps, or shapes by name."""

from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr

from symguide.errors import ClockError, StrengthError
from symguide.laws.strength import read_strength
from symguide.numbers.number import Number, canonical_string, read_number, shown, to_sympy
from symguide.numbers.numeral import read_numeral
from symguide.schedules.guidance_schedule import SHAPES, GuidanceSchedule, Window, shape_of
from symguide.schedules.noise_schedule import NoiseSchedule

__all__ = ["parse_guidance_schedule"]


def parse_guidance_schedule(text: str, noise: NoiseSchedule | None = None) -> GuidanceSchedule:
    """Read windows ``w@high:low,…`` or ``NAME:w``, numbers exactly.

    A boundary is a mask fraction ``0.5``, a time ``t=0.5``, or a step ``step=3/50``, the third of 50 of equal length
    in time; times need the noise schedule, and the end of time counts as ``u = 0``. ``interval:w@high:low`` is ``w``
    inside and 0 outside. ``NAME:w@t`` runs in ``t/T`` instead of ``u``.

    Raises
    ------
    ClockError, StrengthError
        For text that does not follow this, and for windows and strengths that :class:`GuidanceSchedule` refuses.

    >>> from symguide.schedules.published import cosine_mdlm
    >>> print(parse_guidance_schedule("3@1:0.5,0@0.5:0"), parse_guidance_schedule("interval:3@0.8:0.2"))
    3@1:1/2,0@1/2:0 0@1:4/5,3@4/5:1/5,0@1/5:0
    >>> parse_guidance_schedule("3@t=1:t=2/3,0@t=2/3:t=0", cosine_mdlm()).boundaries
    (Fraction(1, 1), Fraction(1, 2), Fraction(0, 1))
    >>> parse_guidance_schedule("ramp-up:3").at("1/3")
    Fraction(2, 1)
    """
    name, colon, rest = text.partition(":")
    if colon and "@" not in name and not _is_numeral(name):
        return _parse_named(name.strip(), rest, noise)
    windows = []
    for item in text.split(","):
        strength, at, bounds = item.partition("@")
        if not at:
            raise ClockError(
                f"guidance schedule {shown(text)!r}: {shown(item.strip())!r} is no window; write w@high:low with mask "
                f"fractions, such as 3@1:0.5,0@0.5:0, or NAME:w with one of interval, {', '.join(SHAPES)}"
            )
        windows.append((_strength(strength), *_bounds(bounds, item, noise)))
    return GuidanceSchedule.of(windows)


def _parse_named(name: str, rest: str, noise: NoiseSchedule | None) -> GuidanceSchedule:
    given, at, bounds = rest.partition("@")
    strength = _strength(given)
    if name == "interval":
        if not at:
            raise ClockError(
                f"guidance schedule 'interval:{rest}' has no bounds, so it is nowhere; write interval:w@high:low"
            )
        return GuidanceSchedule.interval(strength, *_bounds(bounds, f"interval:{rest}", noise))
    shape = shape_of(name)
    if not at:
        return GuidanceSchedule.named(name, strength)
    if bounds.strip() != "t":
        raise ClockError(
            f"guidance schedule '{name}:{rest}': {shown(bounds)!r} follows the @, but this shape covers everything; "
            "write @t to let it run in time, or drop it"
        )
    schedule = _required(noise, f"{name}:{rest}")
    if schedule.inverse is None or schedule.horizon == sympy.oo:
        raise ClockError(
            f"guidance schedule '{name}:{rest}': noise schedule {schedule.name!r} has no closed form t(u) on a finite "
            "horizon, so strengths in time have no form in u; let it run in u, or give windows"
        )
    progress = schedule.inverse / schedule.horizon
    windows = []
    for form, high, low in shape.parts(to_sympy(strength), progress):
        ends = [_read(schedule.mask_fraction_at(schedule.horizon * sympy.Rational(end))) for end in (high, low)]
        windows.append(Window(_read(form), *ends))
    if windows[-1].low != 0:
        # Time ends with masks left; what comes after it is guided as at its end.
        last, _, _ = shape.parts(to_sympy(strength), sympy.S.Zero)[-1]
        windows.append(Window(_read(last), windows[-1].low, Fraction(0)))
    return GuidanceSchedule(tuple(windows), f"{name}:{canonical_string(strength)}@t")


def _is_numeral(text: str) -> bool:
    return text.strip()[:1] in set("+-.0123456789")


def _strength(text: str) -> Number:
    return read_strength(read_numeral(text.strip(), "guidance strength w", StrengthError))


def _bounds(text: str, item: str, noise: NoiseSchedule | None) -> tuple[Number, Number]:
    ends = text.split(":")
    if len(ends) != 2:
        raise ClockError(
            f"guidance schedule: window {shown(item.strip())!r} names {len(ends)} boundary, not two; write w@high:low"
            if len(ends) == 1
            else f"guidance schedule: window {shown(item.strip())!r} names {len(ends)} boundaries, so it is open which "
            "are meant; write w@high:low"
        )
    high, low = (_boundary(end.strip(), item, noise) for end in ends)
    return high, low


def _boundary(text: str, item: str, noise: NoiseSchedule | None) -> Number:
    """A mask fraction, from a time or a step where one is given."""
    kind, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        return read_numeral(text, "window: mask fraction", ClockError)
    schedule = _required(noise, item)
    if kind == "t":
        return _fraction_at(schedule, to_sympy(read_numeral(value, "window: time t", ClockError)))
    if kind == "step":
        step, slash, steps = (part.strip() for part in value.partition("/"))
        if slash and step.isdecimal() and steps.isdecimal() and 0 <= int(step) <= int(steps) and int(steps) > 0:
            if schedule.horizon == sympy.oo:
                raise ClockError(f"noise schedule {schedule.name!r} has an infinite horizon, so steps have no length")
            return _fraction_at(schedule, schedule.horizon * (1 - sympy.Rational(int(step), int(steps))))
        raise ClockError(
            f"guidance schedule: step {shown(value)!r} is none; write step=J/K for the boundary after J of K steps, "
            "0 <= J <= K, K >= 1"
        )
    raise ClockError(f"guidance schedule: boundary {shown(text)!r} is none; write a mask fraction, t=TIME, or step=J/K")


def _required(noise: NoiseSchedule | None, item: str) -> NoiseSchedule:
    if noise is None:
        raise ClockError(
            f"guidance schedule {shown(item.strip())!r} speaks of time without a noise schedule, so it has no mask "
            "fractions; add --noise NAME, or write mask fractions"
        )
    return noise


def _fraction_at(schedule: NoiseSchedule, time: Expr) -> Number:
    """``u(t)``; the end of time is the end of the windows even where a schedule leaves masks there."""
    return Fraction(0) if time == 0 else _read(schedule.mask_fraction_at(time))


def _read(value: Any) -> Number:
    """A SymPy rational as a ``Fraction``."""
    return read_number(value, "guidance schedule", StrengthError)
