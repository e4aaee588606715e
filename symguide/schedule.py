"""Noise schedules: the probability ``α(t)`` that a token is still clean at time ``t``, and the clock it makes.

``1 − α`` and ``α − α(T)`` are two faces of one function: the first is small at the end of the reverse chain, the second
at its start. Every number here is taken from the smaller face, written without cancellation, so that nothing is lost.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import mpmath
import numpy as np
import sympy
from sympy.codegen.cfunctions import expm1, log1p
from sympy.codegen.rewriting import cosm1_opt, expm1_opt, optimize
from sympy.codegen.scipy_nodes import cosm1

from symguide.errors import ClockError
from symguide.number import Number, read_number, to_sympy
from symguide.symbols import t, tau, u

__all__ = [
    "SCHEDULES",
    "NoiseSchedule",
    "ScheduleKind",
    "constant",
    "cosine",
    "cosine_mdlm",
    "geometric",
    "linear",
    "log_linear",
    "parse_schedule",
    "polynomial",
]

_HALF_PI = sympy.pi / 2
_ROUNDING = 8 * np.finfo(float).eps
"""A double ``u`` computed from ``t = 0`` may miss ``u_end`` by this much, relative to it."""


@dataclass(frozen=True, slots=True)
class NoiseSchedule:
    """``α(t)`` on ``[0, T]``, decreasing: the reverse chain starts masked at ``T`` and ends at 0.

    Build it with a function of this module, :func:`parse_schedule`, :meth:`from_alpha`, :meth:`from_mask_probability`
    or :meth:`from_flow`; the constructor takes checked expressions. Times, hazards and horizons share one free unit.

    Attributes
    ----------
    alpha
        ``α(t)``, an expression in :data:`symguide.symbols.t`.
    horizon
        ``T``, positive; ``oo`` where ``α`` allows it.
    inverse
        ``t(u)``, an expression in :data:`symguide.symbols.u`; ``None`` where no closed form is known.
    revealed
        ``α(t) − α(T)`` in ``t`` and ``tau = T − t``, free of cancellation at ``tau = 0``; ``None``: the plain difference.

    >>> schedule = log_linear()
    >>> schedule.alpha, schedule.hazard, schedule.mask_fraction, schedule.clock
    (1 - 999*t/1000, 1/t, t, -log(t))
    >>> schedule.clock_at("1/4"), schedule.clock_at(0.25)
    (log(4), 1.3862943611198906)
    """

    name: str
    alpha: sympy.Expr
    horizon: sympy.Expr
    parameters: tuple[tuple[str, Number], ...] = ()
    source: str = ""
    inverse: sympy.Expr | None = None
    revealed: sympy.Expr | None = None

    def __post_init__(self) -> None:
        if self.horizon.is_positive is False and self.horizon is not sympy.oo:
            raise ClockError(f"horizon T of {self.name!r} is {self.horizon}: no time is left to unmask; use T > 0")

    @classmethod
    def from_alpha(
        cls, alpha: sympy.Expr, horizon: object = 1, *, inverse: sympy.Expr | None = None, name: str = "user-given"
    ) -> "NoiseSchedule":
        """A schedule of your own: ``alpha`` is an expression with one symbol, the time, whatever its name.

        That ``α(0) ≤ 1`` and ``0 ≤ α(T) < 1`` is decided from the expressions themselves. That ``α`` decreases is
        checked between 80 times on ``(0, T]``, to 30 digits: a wiggle that falls between them is not seen. Without
        ``inverse`` (``t(u)``, one symbol too) times are found from ``u`` numerically.

        In floating point ``1 − α`` is as good near ``t = 0`` as ``alpha`` lets it be: ``1 − exp`` and ``1 − cos`` are
        rewritten without cancellation; for anything else :meth:`from_mask_probability` is the better door.

        Raises
        ------
        ClockError
            For text, further symbols, an infinite horizon, and what is no decreasing probability.

        >>> time = sympy.Symbol("time")
        >>> NoiseSchedule.from_alpha(sympy.exp(-time**2), 2).mask_fraction_at(1)
        (1 - exp(-1))/(1 - exp(-4))
        >>> NoiseSchedule.from_alpha(time)
        Traceback (most recent call last):
        symguide.errors.ClockError: noise schedule 'user-given': alpha does not decrease from t = 1.0e-16 to t = 1.0e-15, so time is no clock; give a decreasing alpha
        """
        schedule = cls(
            name,
            _in_one_symbol(alpha, t, f"noise schedule {name!r}: alpha"),
            _read_horizon(horizon, name),
            source="user-given",
            inverse=None if inverse is None else _in_one_symbol(inverse, u, f"noise schedule {name!r}: inverse"),
        )
        _check_alpha(schedule)
        return schedule

    @classmethod
    def from_mask_probability(
        cls, masked: sympy.Expr, horizon: object = 1, *, inverse: sympy.Expr | None = None, name: str = "user-given"
    ) -> "NoiseSchedule":
        """A schedule given by ``1 − α(t)``, the probability of a mask; see :meth:`from_alpha`.

        Floating-point values near ``t = 0`` are as accurate as this expression is.

        >>> NoiseSchedule.from_mask_probability(t**3).hazard
        3/t
        """
        return cls.from_alpha(1 - _in_one_symbol(masked, t, "mask probability"), horizon, inverse=inverse, name=name)

    @classmethod
    def from_flow(cls, kappa: sympy.Expr, horizon: object = 1, name: str = "flow") -> "NoiseSchedule":
        """The schedule of a flow-matching path, whose time runs from 0 (masked) to ``T`` (clean): ``α(t) = κ(T − t)``.

        ``kappa`` increases. The flow's own time is ``τ = T − t``, so ask a flow time as ``T − τ``.

        Source: Gat et al., *Discrete Flow Matching*, arXiv:2407.15595 (scheduler ``κ_t``).

        >>> NoiseSchedule.from_flow(tau**2).alpha
        (1 - t)**2
        """
        path = _in_one_symbol(kappa, tau, f"noise schedule {name!r}: kappa")
        end = _read_horizon(horizon, name)
        schedule = cls(
            name,
            path.subs(tau, end - t),
            end,
            source="Gat et al., arXiv:2407.15595",
            revealed=path - _value(path, tau, sympy.S.Zero),
        )
        _check_alpha(schedule)
        return schedule

    @property
    def hazard(self) -> sympy.Expr:
        """``β(t) = −α'(t) / (1 − α(t))``: the rate at which an unguided position is unmasked."""
        return -self.alpha.diff(t) / (1 - self.alpha)

    @property
    def mask_fraction(self) -> sympy.Expr:
        """``u(t) = (1 − α(t)) / (1 − α(T))``: 1 at the start ``t = T``, ``u_end`` at ``t = 0``."""
        return (1 - self.alpha) / (1 - _value(self.alpha, t, self.horizon))

    @property
    def clock(self) -> sympy.Expr:
        """``s(t) = ∫_t^T β = −ln u(t)``."""
        return -sympy.log(self.mask_fraction)

    @property
    def u_end(self) -> sympy.Expr:
        """``u(0)``: positive where masks are left at the end.

        >>> geometric().u_end
        (1 - exp(-1/10000))/(1 - exp(-20))
        """
        return _value(self.mask_fraction, t, sympy.S.Zero)

    def alpha_at(self, time: object) -> Any:
        """``α(t)``; input and output as in :meth:`mask_fraction_at`."""
        return self._at(time, lambda x: _value(self.alpha, t, x), _alpha)

    def mask_fraction_at(self, time: object) -> Any:
        """``u(t)`` at a time of ``[0, T]``.

        Exact input (integers, fractions, text, SymPy) gives a SymPy expression; a float gives a float; an array or a
        sequence gives an array of its shape; an ``mpf`` gives an ``mpf`` at mpmath's working precision.

        Raises
        ------
        ClockError
            For a time outside ``[0, T]`` or no time at all.

        >>> cosine().mask_fraction_at("1/3"), linear(4).mask_fraction_at([0, 1.5, 4])
        (1/2, array([0.   , 0.375, 1.   ]))
        >>> linear().mask_fraction_at("3/2")
        Traceback (most recent call last):
        symguide.errors.ClockError: time t is 3/2: noise schedule 'linear' runs on [0, 1] and says nothing there; use a time inside or another horizon
        """
        return self._at(time, lambda x: _value(self.mask_fraction, t, x), _mask_fraction)

    def clock_at(self, time: object) -> Any:
        """``s(t)``, to full relative accuracy also near ``T``; input and output as in :meth:`mask_fraction_at`.

        >>> cosine_mdlm().clock_at([1 - 2**-40, 0.0])
        array([1.42862443e-12,            inf])
        """
        return self._at(time, lambda x: _minus_log(_value(self.mask_fraction, t, x)), _clock)

    def hazard_at(self, time: object) -> Any:
        """``β(t)``, infinite at ``t = 0`` where ``α(0) = 1``; input and output as in :meth:`mask_fraction_at`.

        >>> cosine().hazard_at(1), polynomial(2).hazard_at(0.5)
        (0, 4.0)
        """

        def exactly(point: sympy.Expr) -> sympy.Expr:
            return sympy.oo if _value(self.alpha, t, point) == 1 else _value(self.hazard, t, point)

        return self._at(time, exactly, _hazard)

    def time_at(self, fraction: object) -> Any:
        """``t(u)``, the inverse of the mask fraction; input and output as in :meth:`mask_fraction_at`.

        Where ``inverse`` is ``None`` floats and ``mpf`` go through bracketing root finding in ``ln t``, at a millisecond
        or so each.

        Raises
        ------
        ClockError
            For ``u`` outside ``[u_end, 1]``, and for exact ``u`` without a closed inverse.

        >>> cosine().time_at("1/2"), NoiseSchedule.from_mask_probability((t + t**3) / 2).time_at(0.3125)
        (1/3, 0.5)
        >>> linear().time_at(1.5)
        Traceback (most recent call last):
        symguide.errors.ClockError: mask fraction u is 1.5: noise schedule 'linear' runs from u = 1 down to 0; use a fraction in between
        """
        point = _read_point(fraction, "mask fraction u")
        low = self.u_end
        if _outside(point, low, sympy.S.One, slack=_ROUNDING):
            raise ClockError(
                f"mask fraction u is {_show(point)}: noise schedule {self.name!r} runs from u = 1 down to {low}; "
                "use a fraction in between"
            )
        if isinstance(point, np.ndarray):
            times = _inverse_kernel(self, "numpy")(point)
            times = np.where(point == 1, float(self.horizon), np.clip(times, 0.0, float(self.horizon)))
            return _as_given(times)
        if point in (1, low):
            return _like(point, self.horizon if point == 1 else sympy.S.Zero)
        if isinstance(point, sympy.Expr):
            if self.inverse is None:
                raise ClockError(
                    f"noise schedule {self.name!r}: its inverse has no closed form here, so u = {point} has no exact time; "
                    "give u as a float or an mpf, or give the schedule its inverse"
                )
            return _value(self.inverse, u, point)
        return _inverse_kernel(self, "mpmath")(point)

    def _at(
        self, time: object, exactly: Callable[[sympy.Expr], sympy.Expr], numerically: "Callable[[_Faces], Any]"
    ) -> Any:
        point = _read_point(time, "time t", infinite=self.horizon is sympy.oo)
        if _outside(point, sympy.S.Zero, self.horizon):
            raise ClockError(
                f"time t is {_show(point)}: noise schedule {self.name!r} runs on [0, {self.horizon}] and says nothing "
                "there; use a time inside or another horizon"
            )
        if isinstance(point, np.ndarray):
            with np.errstate(all="ignore"):  # infinities at t = 0 are meant, and so is waste in the branch not taken
                return _as_given(numerically(_kernel(self, "numpy")(point)))
        if isinstance(point, sympy.Expr):
            return exactly(point)
        if point in (0, self.horizon):
            return _like(point, exactly(sympy.S.Zero if point == 0 else self.horizon))
        with mpmath.workdps(2 * mpmath.mp.dps + 10):
            value = numerically(_kernel(self, "mpmath")(point))
        return +value


class _Faces(NamedTuple):
    """``m = 1 − α`` and ``r = α − α(T)`` with the speed ``−α'`` read off either, at some times, in one arithmetic."""

    masked: Any
    masked_speed: Any
    revealed: Any
    revealed_speed: Any
    whole: Any  # m + r = 1 − α(T)
    rest: Any  # α(T)
    backend: Any

    def pick(self, from_masked: Any, from_revealed: Any) -> Any:
        """The first where ``m`` is the smaller face, the second where ``r`` is."""
        smaller = self.masked <= self.revealed
        return np.where(smaller, from_masked, from_revealed) if self.backend is np else (
            from_masked if smaller else from_revealed
        )
