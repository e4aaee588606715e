"""Guidance in time: strengths over windows of the mask fraction, constant in each or varying with ``u``."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import sympy
from sympy import Expr

from symguide.errors import ClockError, StrengthError
from symguide.laws.strength import read_strength
from symguide.numbers.number import Number, canonical_string, read_number, shown, to_sympy
from symguide.symbols import u

__all__ = ["SHAPES", "GuidanceSchedule", "Shape", "Window", "shape_of"]


@dataclass(frozen=True, slots=True)
class Window:
    """A strength from the mask fraction ``high`` down to ``low``; an expression in ``u`` where it varies.

    >>> Window(3 * (1 - u), Fraction(1), Fraction(1, 2)).is_constant
    False
    """

    strength: Number
    high: Number
    low: Number

    @property
    def is_constant(self) -> bool:
        """Whether the strength is one number on all of the window."""
        return not (isinstance(self.strength, Expr) and self.strength.has(u))

    @property
    def length(self) -> Number:
        """``high − low``: the probability that a token of the normalised rule is revealed in the window."""
        return self.high - self.low

    def __str__(self) -> str:
        strength = canonical_string(self.strength)
        return f"{strength if self.is_constant else f'({strength})'}@{self.high}:{self.low}"


@dataclass(frozen=True, slots=True)
class GuidanceSchedule:
    """A guidance strength ``w(u) ≥ −1`` for all mask fractions, ``u = 1`` first, as windows without gap or overlap.

    Attributes
    ----------
    windows
        In the order in which they are passed through; the first begins at 1, the last ends at 0.
    name
        How the schedule was asked for, where it has a name.

    Raises
    ------
    ClockError
        For windows that leave a gap, overlap, run backwards, or do not cover ``[0, 1]``.
    StrengthError
        For strengths below ``−1``. A strength that varies is tried at 65 points of its window.

    >>> schedule = GuidanceSchedule.of([(3, 1, "1/2"), (0, "1/2", 0)])
    >>> print(schedule, schedule.mean)
    3@1:1/2,0@1/2:0 3/2
    >>> GuidanceSchedule.of([(3, 1, "1/2"), (0, "1/4", 0)])
    Traceback (most recent call last):
    symguide.errors.ClockError: guidance schedule: no window covers u from 1/2 to 1/4, so no strength holds there; ...
    """

    windows: tuple[Window, ...]
    name: str = ""

    def __post_init__(self) -> None:
        if not self.windows:
            raise ClockError("guidance schedule: there are no windows, so no strength holds anywhere; give one or more")
        before: Number = Fraction(1)
        for window in self.windows:
            _check_window(window, before)
            before = window.low
        if before != 0:
            raise ClockError(
                f"guidance schedule: its last window ends at u = {before}, so no strength holds from there to the end; "
                "let it end at 0"
            )

    @classmethod
    def of(cls, windows: Iterable[tuple[object, object, object]], name: str = "") -> "GuidanceSchedule":
        """From triples (strength, high, low), read exactly; a strength may be an expression in ``u`` or in symbols."""
        return cls(
            tuple(
                Window(
                    read_strength(strength),
                    read_number(high, "window: upper mask fraction", ClockError),
                    read_number(low, "window: lower mask fraction", ClockError),
                )
                for strength, high, low in windows
            ),
            name,
        )

    @classmethod
    def named(cls, name: str, strength: object) -> "GuidanceSchedule":
        """A member of :data:`SHAPES` over all mask fractions; ``strength`` is the largest it takes.

        >>> GuidanceSchedule.named("ramp-up", 3).windows[0].strength
        3 - 3*u
        """
        shape, value = shape_of(name), read_strength(strength)
        windows = [
            Window(_plain(form), Fraction(high), Fraction(low)) for form, high, low in shape.parts(to_sympy(value), u)
        ]
        return cls(tuple(windows), f"{name}:{canonical_string(value)}")

    @classmethod
    def interval(cls, strength: object, high: object, low: object) -> "GuidanceSchedule":
        """``w`` for ``high ≥ u ≥ low`` and 0 outside.

        >>> print(GuidanceSchedule.interval(3, "0.8", "0.2"))
        0@1:4/5,3@4/5:1/5,0@1/5:0
        """
        above, below = (read_number(value, "interval: mask fraction", ClockError) for value in (high, low))
        inside = Window(read_strength(strength), above, below)
        _check_window(inside, above)
        zero, one = Fraction(0), Fraction(1)
        outside = (Window(zero, one, above), inside, Window(zero, below, zero))
        return cls(tuple(window for window in outside if window.high != window.low))

    def __str__(self) -> str:
        return self.name or ",".join(map(str, self.windows))

    @property
    def is_piecewise_constant(self) -> bool:
        """Whether every window has one strength."""
        return all(window.is_constant for window in self.windows)

    @property
    def strengths(self) -> tuple[Number, ...]:
        """The strength of every window, in order."""
        return tuple(window.strength for window in self.windows)

    @property
    def boundaries(self) -> tuple[Number, ...]:
        """``u_0 = 1 > u_1 > … > u_J = 0``."""
        return (Fraction(1), *(window.low for window in self.windows))

    @property
    def mean(self) -> Number:
        """``∫_0^1 w(u) du``: the average strength over the reveals of the normalised rule, whose ``u`` is uniform.

        Exact for what is made of powers of ``u`` and cosines and sines of it, a float for other strengths.

        >>> GuidanceSchedule.named("cosine", 3).mean
        Fraction(3, 2)
        """
        whole = sympy.Add(*map(_integral, self.windows))
        return float(whole) if whole.has(sympy.Float) else _plain(whole)

    def at(self, fraction: object) -> Number:
        """``w(u)``; where two windows meet, that of the one that begins there.

        >>> GuidanceSchedule.named("ramp-down", 3).at("1/3")
        Fraction(1, 1)
        """
        point = read_number(fraction, "mask fraction u", ClockError)
        for window in self.windows:
            if window.low < point <= window.high or (window.low == point == 0):
                return _plain(to_sympy(window.strength).subs(u, to_sympy(point)))
        raise ClockError(f"mask fraction u is {shown(point)}: outside [0, 1] there is no strength; correct it")

    def until(self, fraction: Number) -> tuple[Window, ...]:
        """The windows as far as they are passed through when the mask fraction is ``u``.

        >>> [str(window) for window in GuidanceSchedule.interval(3, "4/5", "1/5").until(Fraction(1, 2))]
        ['0@1:4/5', '3@4/5:1/2']
        """
        return tuple(
            Window(window.strength, window.high, max(window.low, fraction))
            for window in self.windows
            if window.high > fraction
        )

    def refined(self, pieces: int) -> "GuidanceSchedule":
        """The piecewise constant schedule that takes the strength in the middle of ``pieces`` equal parts of a window.

        >>> print(GuidanceSchedule.named("ramp-up", 4).refined(2))
        1@1:1/2,3@1/2:0
        """
        windows: list[Window] = []
        for window in self.windows:
            if window.is_constant:
                windows.append(window)
                continue
            edges = [window.high - window.length * Fraction(j, pieces) for j in range(pieces + 1)]
            for high, low in pairwise(edges):
                windows.append(Window(self.at((high + low) / 2), high, low))
        return GuidanceSchedule(tuple(windows))


@dataclass(frozen=True, slots=True)
class Shape:
    """A family of schedules: what makes its windows from a strength and the variable, and one line on it.

    >>> SHAPES["cosine"].parts(sympy.Integer(2), u)
    ((cos(pi*u) + 1, 1, 0),)
    """

    parts: Callable[[Expr, Expr], tuple[tuple[Expr, Any, Any], ...]]
    description: str


_HALF = Fraction(1, 2)
_LEAST = -1 - 1e-12
"""The least strength, but for rounding."""

SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "constant": Shape(lambda w, x: ((w, 1, 0),), "w"),
        "ramp-up": Shape(lambda w, x: ((sympy.expand(w * (1 - x)), 1, 0),), "w (1 - u), from 0 up to w (UniDisc)"),
        "ramp-down": Shape(lambda w, x: ((w * x, 1, 0),), "w u, from w down to 0"),
        "cosine": Shape(
            lambda w, x: ((sympy.expand(w / 2 * (1 + sympy.cos(sympy.pi * x))), 1, 0),),
            "w (1 + cos(pi u)) / 2, from 0 up to w",
        ),
        "sine": Shape(
            lambda w, x: ((sympy.expand(w / 2 * (1 - sympy.cos(sympy.pi * x))), 1, 0),),
            "w (1 + sin(pi (u - 1/2))) / 2, from w down to 0",
        ),
        "V": Shape(
            lambda w, x: ((w * x, 1, _HALF), (sympy.expand(w * (1 - x)), _HALF, 0)),
            "w max(u, 1 - u), from w down to w/2 and back",
        ),
        "inverse-V": Shape(
            lambda w, x: ((sympy.expand(2 * w * (1 - x)), 1, _HALF), (2 * w * x, _HALF, 0)),
            "2 w min(u, 1 - u), from 0 up to w and back",
        ),
    }
)
"""Read-only: shapes by name, in ``u`` (or, on request, in ``t/T``). The strength is the largest one; shapes as in the
code of Rojas et al., arXiv:2507.08965 (whose label is the mean of a ramp: half of it), ramp-up also UniDisc's."""


def shape_of(name: str) -> Shape:
    """The shape of that name.

    Raises
    ------
    ClockError
        For a name that no shape has.

    >>> shape_of("ramp-down").description
    'w u, from w down to 0'
    """
    shape = SHAPES.get(name) or SHAPES.get({"v": "V", "inverse-v": "inverse-V"}.get(name, ""))
    if shape is None:
        raise ClockError(
            f"guidance schedule {shown(name)!r} is unknown, so no strength is meant; choose one of interval, "
            f"{', '.join(SHAPES)}, or write windows w@high:low"
        )
    return shape


def _plain(value: Any) -> Number:
    """A SymPy rational as a ``Fraction``."""
    return read_number(value, "guidance schedule", StrengthError)


def _check_window(window: Window, before: Number) -> None:
    where = f"window {shown(str(window), 60)}"
    for end in (window.high, window.low):
        if not _open(end) and not 0 <= end <= 1:
            raise ClockError(
                f"guidance schedule: {where} reaches u = {end}, and mask fractions lie in [0, 1]; correct it"
            )
    if not (_open(window.high) or _open(window.low)) and window.high <= window.low:
        raise ClockError(
            f"guidance schedule: {where} runs from u = {window.high} to {window.low}, but u falls from 1 to 0; "
            "write the larger one first"
        )
    if window.high != before:
        if not (_open(window.high) or _open(before)) and window.high > before:
            raise ClockError(
                f"guidance schedule: two windows cover u from {window.high} to {max(before, window.low)}, so two "
                "strengths hold there; let each begin where the one before ends"
            )
        raise ClockError(
            f"guidance schedule: no window covers u from {before} to {window.high}, so no strength holds there; "
            "let each begin where the one before ends, the first at 1"
        )
    if not window.is_constant:
        _check_strengths(window, where)


def _integral(window: Window) -> Expr:
    """``∫ w(u) du`` over a window."""
    if window.is_constant:
        return to_sympy(window.strength * window.length)
    form, limits = to_sympy(window.strength), (u, to_sympy(window.low), to_sympy(window.high))
    inner: set[Any] = {part.args[0] for part in form.atoms(sympy.cos, sympy.sin)}
    plain: Any = form.replace(lambda part: part.func in (sympy.cos, sympy.sin), lambda part: u)
    if all(sympy.Poly(part, u).degree() <= 1 for part in inner if part.is_polynomial(u)) and all(
        part.is_polynomial(u) for part in (plain, *inner)
    ):
        return sympy.integrate(form, limits)
    return sympy.Float(sympy.Integral(form, limits).evalf(20), 17)


def _open(value: Number) -> bool:
    return isinstance(value, Expr) and bool(value.free_symbols)


def _check_strengths(window: Window, where: str) -> None:
    form = to_sympy(window.strength)
    if form.free_symbols - {u}:
        return
    high, low = to_sympy(window.high).evalf(20), to_sympy(window.low).evalf(20)
    for j in range(65):
        point = low + (high - low) * j / 64
        value = form.evalf(15, subs={u: point})
        if not (value.is_real and value >= _LEAST):
            raise StrengthError(
                f"guidance schedule: {where} has strength {shown(value)} at u = {shown(point.evalf(6))}: below -1 the "
                "guided chain is not defined; use w >= -1"
            )
