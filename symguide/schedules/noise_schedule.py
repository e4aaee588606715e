"""Noise schedules: the probability ``α(t)`` that a token is still clean at time ``t``, and the clock it makes."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias, cast

import numpy as np
import sympy
from sympy import Expr

from symguide.errors import ClockError
from symguide.numbers.number import Number, read_number, to_sympy
from symguide.schedules.faces import Array, Faces, compile_faces
from symguide.schedules.inversion import compile_inverse, search_time
from symguide.symbols import t, tau, u

__all__ = ["NoiseSchedule", "as_spelled", "read_horizon"]

_ZERO, _ONE = sympy.S.Zero, sympy.S.One
_ROUNDING = 8 * np.finfo(np.float64).eps
"""A double ``u`` computed at ``t = 0`` may miss ``u_end`` by this much, relative to it."""


@dataclass(frozen=True, slots=True)
class NoiseSchedule:
    """``α(t)`` decreasing on ``[0, T]``: the reverse chain starts at ``T``, everything masked, and ends at 0.

    The properties are SymPy expressions in :data:`symguide.symbols.t`; the methods ``*_at`` evaluate the same ones and
    answer in kind: what is exact (integers, fractions, text, SymPy) gives SymPy, a float a float, an array or sequence
    an array of its shape. Floating-point values keep their relative accuracy up to both ends of ``[0, T]``, wherever
    ``1 − α`` is a normal double: ``1 − α``, small at the end, and ``α − α(T)``, small at the start, are each evaluated
    without cancellation (for a schedule of :meth:`from_alpha`, as far as its expression lets them). Only the steepness
    of ``α`` itself remains: an error of one unit in the last place is about ``|d ln α / d ln t|`` units in ``α``.

    Build one with the functions of :mod:`symguide.schedules.published` or the class methods, which all read floats as
    the decimals they spell; the constructor takes checked expressions.

    Attributes
    ----------
    alpha
        ``α(t)``.
    horizon
        ``T > 0``, in the unit of ``t``; ``oo`` for :func:`symguide.schedules.published.constant` only.
    inverse
        ``t(u)``, an expression in :data:`symguide.symbols.u`; ``None`` where no closed form is known.
    revealed
        ``α − α(T)`` in ``t`` and ``tau = T − t`` without cancellation at ``tau = 0``; ``None``: the plain difference.

    >>> from symguide.schedules.published import log_linear
    >>> schedule = log_linear()
    >>> schedule.alpha, schedule.hazard, schedule.mask_fraction, schedule.clock
    (1 - 999*t/1000, 1/t, t, -log(t))
    >>> schedule.clock_at("1/4"), schedule.clock_at(0.25), schedule.clock_at([1 - 2**-50, 0.0])
    (log(4), 1.3862943611198906, array([8.8817842e-16,           inf]))
    """

    name: str
    alpha: Expr
    horizon: Expr
    parameters: tuple[tuple[str, Number], ...] = ()
    source: str = ""
    inverse: Expr | None = None
    revealed: Expr | None = None

    @classmethod
    def from_alpha(
        cls, alpha: Expr, horizon: object = 1, *, inverse: Expr | None = None, name: str = "user-given"
    ) -> "NoiseSchedule":
        """A schedule of your own: ``alpha`` is an expression in one symbol, the time, whatever its name.

        That ``α(0) ≤ 1`` and ``0 ≤ α(T) < 1`` is decided from the expression. That ``α`` decreases, and that
        ``inverse`` (``t(u)``, in one symbol too) inverts it, is checked at 74 times in ``(0, T]`` with 30 digits: what
        happens between them is not seen. Without ``inverse`` times are found from ``u`` numerically.

        In floating point, ``1 − b^x`` and ``1 − cos`` are rewritten so that ``1 − α`` keeps its digits near ``t = 0``;
        for anything else that cancels there, :meth:`from_mask_probability` is the better door.

        Raises
        ------
        ClockError
            For text, further symbols, an infinite horizon, and what is no decreasing probability.

        >>> time = sympy.Symbol("time")
        >>> NoiseSchedule.from_alpha(sympy.exp(-time**2), 2).mask_fraction_at(1)
        (1 - exp(-1))/(1 - exp(-4))
        >>> NoiseSchedule.from_alpha(time)
        Traceback (most recent call last):
        symguide.errors.ClockError: noise schedule 'user-given': alpha is 1 at the horizon 1, so nothing is masked ...
        """
        what = f"noise schedule {name!r}"
        schedule = cls(name, _in_one_symbol(alpha, t, f"{what}: alpha"), read_horizon(horizon, name))
        _check_decreasing(schedule)
        if inverse is None:
            return schedule
        inverse = _in_one_symbol(inverse, u, f"{what}: inverse")
        for time in _grid(schedule.horizon):
            there = sympy.N(inverse.subs(u, schedule.mask_fraction.subs(t, time)), 30)
            if not abs(there - time) <= time * sympy.Rational(1, 10**9):
                raise ClockError(
                    f"{what}: inverse leads from t = {_brief(time)} to {_brief(there)}; correct or omit it"
                )
        return cls(name, schedule.alpha, schedule.horizon, inverse=inverse)

    @classmethod
    def from_mask_probability(
        cls, masked: Expr, horizon: object = 1, *, inverse: Expr | None = None, name: str = "user-given"
    ) -> "NoiseSchedule":
        """A schedule given by the probability ``1 − α(t)`` of a mask, as accurate near ``t = 0`` as that expression.

        Checks and errors as in :meth:`from_alpha`.

        >>> NoiseSchedule.from_mask_probability(t**3).hazard
        3/t
        """
        masked = _in_one_symbol(masked, t, f"noise schedule {name!r}: mask probability")
        return cls.from_alpha(1 - masked, horizon, inverse=inverse, name=name)

    @classmethod
    def from_flow(cls, kappa: Expr, horizon: object = 1, *, name: str = "flow") -> "NoiseSchedule":
        """The schedule of a flow-matching path ``κ``, whose time runs from masked to clean: ``α(t) = κ(T − t)``.

        The flow's own time is ``τ = T − t``: where it says ``τ``, ask at ``T − τ``. Checks and errors as in
        :meth:`from_alpha`.

        Source: Gat et al., *Discrete Flow Matching*, arXiv:2407.15595 (its scheduler ``κ_t``).

        >>> NoiseSchedule.from_flow(tau**2).alpha
        (1 - t)**2
        """
        path, end = _in_one_symbol(kappa, tau, f"noise schedule {name!r}: kappa"), read_horizon(horizon, name)
        revealed = path - _value(path, tau, _ZERO)
        source = "Gat et al., arXiv:2407.15595"
        schedule = cls(name, _substitute(path, tau, end - t), end, source=source, revealed=revealed)
        _check_decreasing(schedule)
        return schedule

    @property
    def hazard(self) -> Expr:
        """``β(t) = −α'(t) / (1 − α(t))``: the rate at which an unguided position is revealed."""
        return -self.alpha.diff(t) / (1 - self.alpha)

    @property
    def mask_fraction(self) -> Expr:
        """``u(t) = (1 − α(t)) / (1 − α(T))``: 1 at the start, ``u_end`` at the end."""
        return (1 - self.alpha) / (1 - _value(self.alpha, t, self.horizon))

    @property
    def clock(self) -> Expr:
        """``s(t) = ∫_t^T β = ln[(1 − α(T)) / (1 − α(t))] = −ln u(t)``."""
        return -sympy.log(self.mask_fraction)

    @property
    def u_end(self) -> Expr:
        """``u(0)``: positive where masks are left at the end.

        >>> from symguide.schedules.published import geometric
        >>> geometric().u_end
        (1 - exp(-1/10000))/(1 - exp(-20))
        """
        return _value(self.mask_fraction, t, _ZERO)

    def alpha_at(self, time: object) -> Any:
        """``α(t)``. Raises as :meth:`mask_fraction_at`.

        >>> from symguide.schedules.published import cosine_mdlm
        >>> cosine_mdlm(0).alpha_at("1/3"), cosine_mdlm().alpha_at(1.0)
        (sqrt(3)/2, 0.001)
        """
        return self._at(time, _exact_alpha, Faces.alpha)

    def mask_fraction_at(self, time: object) -> Any:
        """``u(t)``.

        Raises
        ------
        ClockError
            For a time outside ``[0, T]``, for what is no time at all, and for a float while symbols are left.

        >>> from symguide.schedules.published import cosine, linear
        >>> cosine().mask_fraction_at("1/3"), linear(4).mask_fraction_at([0, 1.5, 4])
        (1/2, array([0.   , 0.375, 1.   ]))
        >>> linear().mask_fraction_at("3/2")
        Traceback (most recent call last):
        symguide.errors.ClockError: time t is 3/2: noise schedule 'linear' runs on [0, 1]; use a time inside ...
        """
        return self._at(time, _exact_mask_fraction, Faces.mask_fraction)

    def clock_at(self, time: object) -> Any:
        """``s(t)``. Raises as :meth:`mask_fraction_at`.

        >>> from symguide.schedules.published import polynomial
        >>> polynomial(3).clock_at("1/2")
        log(8)
        """
        return self._at(time, _exact_clock, Faces.clock)

    def hazard_at(self, time: object) -> Any:
        """``β(t)``, infinite at ``t = 0`` where ``α(0) = 1``. Raises as :meth:`mask_fraction_at`.

        >>> from symguide.schedules.published import cosine, polynomial
        >>> cosine().hazard_at(1), polynomial(2).hazard_at([0.0, 0.5])
        (0, array([inf,  4.]))
        """
        return self._at(time, _exact_hazard, Faces.hazard)

    def time_at(self, fraction: object, digits: int | None = None) -> Any:
        """``t(u)``, the inverse of the mask fraction.

        A double determines its time only as well as ``u(t)`` is steep there. Where ``inverse`` is ``None``, times come
        from bracketing root finding, at some milliseconds each: a float for a float, and for an exact ``u`` a ``Float``
        of as many ``digits`` as asked (which have no say otherwise).

        Raises
        ------
        ClockError
            For ``u`` outside ``[u_end, 1]``, and for an exact ``u`` with neither a closed inverse nor ``digits``.

        >>> from symguide.schedules.published import cosine, geometric
        >>> cosine().time_at("1/2"), geometric().time_at([1e-3, 1.0])
        (1/3, array([0.18868356, 1.        ]))
        >>> NoiseSchedule.from_mask_probability((t + t**3) / 2).time_at("1/3", digits=20)
        0.52333550882906014561
        """
        point = _read_point(fraction, "mask fraction u")
        low = self.u_end
        self._refuse_outside(point, low, _ONE, "mask fraction u", "has fractions in", "a fraction inside")
        if isinstance(point, np.ndarray):
            edges, ends = [point >= 1, point <= float(low)], [float(self.horizon), 0.0]
            with np.errstate(divide="ignore", invalid="ignore"):
                times = np.select(edges, ends, self._times(point))
            return _as_given(np.clip(times, 0.0, float(self.horizon)))
        if point in (_ONE, low):
            return self.horizon if point == 1 else _ZERO
        if self.inverse is not None:
            return _value(self.inverse, u, point)
        if digits is None or point.free_symbols:
            raise ClockError(
                f"mask fraction u is {point}: the inverse of noise schedule {self.name!r} has no known closed form, "
                "so there is no exact time; give a float, or digits=50"
            )
        return _search(self, point, digits)

    def _times(self, fractions: Array) -> Array:
        if self.inverse is not None:
            return compile_inverse(self.inverse)(fractions)
        search = np.vectorize(lambda fraction: float(_search(self, sympy.Rational(fraction), 20)), otypes=[float])
        return search(fractions)

    def _at(self, time: object, exactly: "_Exact", numerically: "_Numerical") -> Any:
        point = _read_point(time, "time t", infinite=self.horizon == sympy.oo)
        self._refuse_outside(point, _ZERO, self.horizon, "time t", "runs on", "a time inside it, or another horizon")
        if not isinstance(point, np.ndarray):
            return exactly(self, point)
        with np.errstate(all="ignore"):  # infinities at t = 0 are meant, and so is waste in the branch not taken
            rest = _value(self.alpha, t, self.horizon)
            faces = compile_faces(self.alpha, self.horizon, rest, self.revealed)
            return _as_given(numerically(faces(point)))

    def _refuse_outside(self, point: Expr | Array, low: Expr, high: Expr, what: str, runs: str, use: str) -> None:
        """Refuse a point outside ``[low, high]``, as far as symbols tell, and floats while symbols are left."""
        if isinstance(point, np.ndarray):
            unknown = (self.alpha.free_symbols | self.horizon.free_symbols) - {t}
            if unknown:
                raise ClockError(
                    f"noise schedule {self.name!r} still holds {', '.join(sorted(map(str, unknown)))}, so it has no "
                    f"value at a float; give numbers for them, or an exact {what}"
                )
            inside = (point >= float(low) * (1 - _ROUNDING)) & (point <= float(high))
            stray = None if inside.all() else point[~inside].flat[0]
        else:
            outside = point.is_extended_real is False or (point - low).is_negative or (high - point).is_negative
            stray = point if outside else None
        if stray is not None:
            raise ClockError(
                f"{what} is {stray}: noise schedule {self.name!r} {runs} [{_brief(low)}, {_brief(high)}]; use {use}"
            )


def _exact_alpha(schedule: NoiseSchedule, time: Expr) -> Expr:
    return _value(schedule.alpha, t, time)


def _exact_mask_fraction(schedule: NoiseSchedule, time: Expr) -> Expr:
    return _value(schedule.mask_fraction, t, time)


def _exact_clock(schedule: NoiseSchedule, time: Expr) -> Expr:
    fraction = _exact_mask_fraction(schedule, time)
    return sympy.oo if fraction == 0 else sympy.log(1 / fraction)


def _exact_hazard(schedule: NoiseSchedule, time: Expr) -> Expr:
    return sympy.oo if _exact_alpha(schedule, time) == 1 else _value(schedule.hazard, t, time)


_Exact: TypeAlias = Callable[[NoiseSchedule, Expr], Expr]
_Numerical: TypeAlias = Callable[[Faces], Array]


def _search(schedule: NoiseSchedule, fraction: Expr, digits: int) -> Expr:
    if fraction >= 1:
        return schedule.horizon
    if (schedule.u_end - fraction).is_nonnegative:
        return _ZERO
    found = search_time(schedule.mask_fraction, schedule.horizon, fraction, digits)
    if found is None:
        raise ClockError(
            f"mask fraction u is {_brief(fraction)}: no time of noise schedule {schedule.name!r} was found for it; "
            "give the schedule its inverse"
        )
    return found


def _substitute(expr: Expr, symbol: sympy.Symbol, value: Expr) -> Expr:
    return cast(Expr, expr.subs(symbol, value))


def _value(expr: Expr, symbol: sympy.Symbol, point: Expr) -> Expr:
    """``expr`` at a point, and its limit from inside the interval where substitution is undefined."""
    value = _substitute(expr, symbol, point)
    return sympy.limit(expr, symbol, point, "+" if point == 0 else "-") if value.has(sympy.nan, sympy.zoo) else value


def _read_point(value: object, what: str, infinite: bool = False) -> Expr | Array:
    """A time or a mask fraction: exact, or an array of doubles (of rank 0 for one float)."""
    if isinstance(value, np.ndarray | list | tuple):
        try:
            array = np.asarray(value)
            if array.dtype.kind in "fiuO":
                return array.astype(np.float64)
        except (TypeError, ValueError):
            pass
        raise ClockError(f"{what} is an array that holds more than real numbers; give an array of numbers")
    if infinite and isinstance(value, float | Expr) and value == sympy.oo:
        return np.asarray(value) if isinstance(value, float) else value
    number = read_number(value, what, ClockError)
    return np.asarray(number) if isinstance(number, float) else to_sympy(number)


def _brief(value: Expr) -> str:
    return f"{float(value):.5g}" if value.is_Float or (value.is_real and len(str(value)) > 12) else str(value)


def _as_given(values: Array) -> Any:
    return values if values.ndim else float(values)


def _grid(horizon: Expr) -> list[Expr]:
    """Times on ``(0, T]``, close to 0 and all over."""
    return [horizon / 10**k for k in range(16, 0, -1)] + [horizon * k / 64 for k in range(7, 65)]


def _check_decreasing(schedule: NoiseSchedule) -> None:
    """What a clock needs of a user-given ``α``; :meth:`NoiseSchedule.from_alpha` says how far this reaches."""
    what, alpha, horizon = f"noise schedule {schedule.name!r}: alpha", schedule.alpha, schedule.horizon
    first, last = _value(alpha, t, _ZERO), _value(alpha, t, horizon)
    if (1 - first).is_nonnegative is False:
        raise ClockError(f"{what} is {first} at t = 0, but a probability is a real number <= 1; rescale it")
    if last.is_nonnegative is False:
        raise ClockError(
            f"{what} is {last} at the horizon {horizon}, but a probability is a real number >= 0; rescale it"
        )
    if (1 - last).is_positive is False:
        raise ClockError(f"{what} is {last} at the horizon {horizon}, so nothing is masked to start from; enlarge T")
    before: tuple[Expr, Expr, Expr] | None = None
    for time in _grid(horizon):
        there = last if time == horizon else _substitute(alpha, t, time)
        clean, masked = sympy.N(there, 30), sympy.N(1 - there, 30)
        if not clean.is_real or not clean.is_number:
            raise ClockError(f"{what} is {clean} at t = {_brief(time)}, but a probability is a real number; correct it")
        # Either face may round to a constant where the other one still moves.
        if before is not None and not (clean < before[1] or masked > before[2]):
            raise ClockError(
                f"{what} does not decrease between t = {float(before[0]):.5g} and {float(time):.5g}, "
                "so time is no clock there; give a decreasing alpha"
            )
        before = time, clean, masked


def _in_one_symbol(expr: object, wanted: sympy.Symbol, what: str) -> Expr:
    if not isinstance(expr, Expr):
        raise ClockError(f"{what} is {expr!r}: text and plain numbers make no schedule; give a SymPy expression")
    names = sorted(map(str, expr.free_symbols))
    if len(names) != 1:
        raise ClockError(
            f"{what} holds {' and '.join(names) or 'no symbol'}, so nothing says what runs; "
            f"give an expression in {wanted} alone"
        )
    spelled = {number: to_sympy(as_spelled(number)) for number in expr.atoms(sympy.Float)}
    return cast(Expr, expr.xreplace(dict.fromkeys(expr.free_symbols, wanted) | spelled))


def as_spelled(number: Number) -> Number:
    """A float as the decimal it spells: whoever writes ``epsilon=1e-3`` means 1/1000.

    >>> as_spelled(1e-3)
    Fraction(1, 1000)
    """
    if isinstance(number, sympy.Float):
        exact = sympy.Rational(number)
        return exact if exact != sympy.Rational(float(number)) else Fraction(repr(float(number)))
    return Fraction(repr(number)) if isinstance(number, float) else number


def read_horizon(value: object, name: str, infinite: bool = False) -> Expr:
    """A horizon ``T > 0``, exactly; ``oo`` where the schedule allows it.

    Raises
    ------
    ClockError
        For anything else.

    >>> read_horizon("5/2", "linear")
    5/2
    """
    if infinite and isinstance(value, str | float | Expr) and value in ("oo", "inf", "infinity", sympy.oo):
        return sympy.oo
    horizon = to_sympy(as_spelled(read_number(value, f"noise schedule {name!r}: horizon", ClockError)))
    if horizon.is_positive is False:
        raise ClockError(f"noise schedule {name!r}: horizon is {horizon}: no time is left to unmask; use T > 0")
    return horizon
