r"""Small guidance: Taylor series in ``w`` of terminal laws and of TV, about any rational strength, with remainder.

With ``f(w) = Σ_{k≤n} f_k (w − c)^k + f_{n+1}(ξ) (w − c)^{n+1}`` for a ``ξ`` between ``c`` and ``w`` (Lagrange),
``f_k`` are the coefficients of a jet at ``c``, and ``f_{n+1}(ξ)`` is enclosed by the last one of a jet over the whole
interval. To first order, for one token, ``d/dw TV = u ln u · KL(p(·|z) ‖ p)`` at ``w = 0``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
from sympy import Expr, expand, expand_log

from symguide.certificates.jets import Jet, Jets
from symguide.chains.chain import Chain
from symguide.chains.expansion import expand as sum_paths
from symguide.chains.functionals import terminal_law
from symguide.errors import ClockError, StrengthError, SymguideError
from symguide.laws.law import Context
from symguide.laws.strength import read_strength
from symguide.numbers.arithmetic import BALLS, SYMBOLIC, Arithmetic
from symguide.numbers.exp_dd import in_powers
from symguide.numbers.number import Number, read_number
from symguide.symbols import u as mask_fraction

__all__ = ["Taylor", "taylor", "taylor_terminal", "taylor_tv"]

PIECES = 16
"""Pieces of the interval over which the remainder is enclosed one by one."""


@dataclass(frozen=True, slots=True)
class Taylor:
    """``Σ_k f_k (w − c)^k``, with what it leaves out on ``[c, c + reach]``.

    Attributes
    ----------
    center
        ``c``.
    coefficients
        ``f_0 … f_n``, in the arithmetic that was asked for.
    reach
        How far from the centre the remainder holds; ``None`` without one.
    rest
        A ball that holds ``f_{n+1}(ξ)`` for every ``ξ`` in ``[c, c + reach]``.

    >>> line = Taylor(Fraction(0), (flint.arb(1), flint.arb(1)), Fraction(1), flint.arb(0.5, 1))
    >>> line.at(Fraction(1, 4)).contains(flint.arb(0.25).exp())
    True
    """

    center: Fraction
    coefficients: tuple[Any, ...]
    reach: Fraction | None = None
    rest: flint.arb | None = None

    @property
    def order(self) -> int:
        """``n``."""
        return len(self.coefficients) - 1

    def polynomial(self, w: Any) -> Any:
        """``Σ_k f_k (w − c)^k``, without the remainder."""
        center: Any = BALLS.number(self.center) if isinstance(w, flint.arb) else self.center
        step, total = w - center, self.coefficients[-1]
        for value in reversed(self.coefficients[:-1]):
            total = total * step + value
        return total

    def at(self, w: Fraction) -> flint.arb:
        """An enclosure of ``f(w)``, remainder included.

        Raises
        ------
        StrengthError
            Without a remainder, and for ``w`` outside ``[c, c + reach]``.
        """
        if self.reach is None or not self.center <= w <= self.center + self.reach:
            known = "no remainder is known" if self.reach is None else f"the remainder holds up to {self.reach} from it"
            raise StrengthError(f"Taylor series about w = {self.center} at w = {w}: {known}; ask with a reach that far")
        assert self.rest is not None
        step, total = BALLS.number(w - self.center), self.rest
        for value in reversed(self.coefficients):
            total = total * step + value
        return total


def taylor(
    chain: Chain[Any],
    quantities: Callable[[Chain[Any]], Sequence[Jet]],
    order: int,
    center: Number | int | str = 0,
    arithmetic: Arithmetic = SYMBOLIC,
    reach: Number | int | str | None = None,
) -> tuple[Taylor, ...]:
    """Taylor series of whatever is computed from a chain with values.

    Parameters
    ----------
    chain
        A chain of exponential sums in an open ``w``.
    quantities
        From the chain over jets to some of them.
    order
        ``n``.
    center
        ``c ≥ −1``, a rational.
    arithmetic
        Of the coefficients: SymPy, floats, mpmath, or balls.
    reach
        For balls: how far beyond the centre a remainder is wanted.

    Raises
    ------
    StrengthError
        For a centre below −1, a reach that is not positive, and symbols or floats in either.
    SymguideError
        For an order below 0, and for a remainder without balls.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> chain = guided_chain(guidance(load("interval-overlap")))
    >>> taylor(chain, lambda valued: [valued.exit_rate(0)], 2)[0].coefficients
    (1, 2*log(2)/3, log(2)**2/3)
    """
    point = _exact(read_strength(center, "centre"), "centre")
    span = None if reach is None else _exact(read_number(reach, "reach", StrengthError), "reach")
    if span is not None and span <= 0:
        raise StrengthError(f"reach is {span}: a remainder holds on an interval beyond the centre; give one above 0")
    if span is not None and arithmetic is not BALLS:
        raise SymguideError(f"a remainder in {arithmetic.name} encloses nothing; ask for balls, or leave the reach out")
    found = quantities(chain.over(Jets(arithmetic, order), point))
    coefficients = [tuple(_tidy(value) for value in jet.coefficients) for jet in found]
    if span is None:
        return tuple(Taylor(point, values) for values in coefficients)
    rests: list[flint.arb] = []
    for piece in range(PIECES):
        ends = [BALLS.number(point + span * edge / PIECES) for edge in (piece, piece + 1)]
        jets = quantities(chain.over(Jets(BALLS, order + 1), ends[0].union(ends[1])))
        last = [jet.coefficients[-1] for jet in jets]
        rests = [a.union(b) for a, b in zip(rests, last, strict=True)] if rests else last
    return tuple(Taylor(point, values, span, rest) for values, rest in zip(coefficients, rests, strict=True))


def taylor_terminal(
    chain: Chain[Any],
    order: int,
    center: Number | int | str = 0,
    arithmetic: Arithmetic = SYMBOLIC,
    reach: Number | int | str | None = None,
) -> Mapping[Context, Taylor]:
    """Taylor series of the terminal law, by context. Raises as :func:`taylor`.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> law = taylor_terminal(guided_chain(guidance(load("squares-overlap"))), 1)
    >>> law[2, 2].coefficients, law[2, 3].coefficients, law[4, 4].coefficients
    ((1/9, -4*log(2)/27), (1/9, 0), (1/9, log(2)/27))
    """
    states = [chain.states[j] for j in chain.terminal]
    series = taylor(chain, lambda valued: list(terminal_law(valued).probabilities), order, center, arithmetic, reach)
    return dict(zip(states, series, strict=True))


def taylor_tv(
    chain: Chain[Any],
    order: int,
    u: Any = mask_fraction,
    center: Number | int | str = 0,
    arithmetic: Arithmetic = SYMBOLIC,
    reach: Number | int | str | None = None,
) -> Taylor:
    """Taylor series of ``TV(P(u), P(0))``, for an exact mask fraction ``u`` or, in SymPy, an open one.

    At a rational centre with rational exit rates, such as ``w = 0``, the coefficients come in powers of ``u`` and of
    its logarithm. Raises as :func:`taylor`, and a ``ClockError`` for ``u`` outside ``(0, 1]``.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> chain = guided_chain(guidance(load("interval-overlap")))
    >>> taylor_tv(chain, 1).coefficients
    (u, 2*u*log(2)*log(u)/3)
    """
    fraction = u if u is mask_fraction else read_number(u, "mask fraction u", ClockError)
    if fraction is mask_fraction and arithmetic is not SYMBOLIC:
        raise ClockError(f"mask fraction u is open, which {arithmetic.name} cannot carry; give a number, such as 1/2")
    if not isinstance(fraction, Expr) and not 0 < fraction <= 1:
        raise ClockError(f"mask fraction u is {fraction}: the clock runs over 0 < u <= 1; give one inside")
    clock = -arithmetic.log(arithmetic.number(fraction))
    return taylor(chain, lambda valued: [sum_paths(valued).survival(clock)], order, center, arithmetic, reach)[0]


def _exact(value: Number, what: str) -> Fraction:
    if not isinstance(value, Fraction):
        raise StrengthError(f"{what} is {value}: Taylor series are taken about rational strengths; give a fraction")
    return value


def _tidy(value: Any) -> Any:
    """Divided differences in powers of ``u`` where nodes are numbers; logarithms of rationals split into primes."""
    if not isinstance(value, Expr):
        return value
    powers, conditions = in_powers(value)
    return expand(expand_log(value if conditions else powers, factor=True))
