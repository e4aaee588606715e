"""TV expanded at large ``w``: a polynomial in ``u`` with expanded coefficients, and a double-exponentially small rest.

    ``TV(u) = Σ_{m=1}^D A_m(w) u^m + E``.

``A_m`` gathers the part of the sum over reveal orders that decays like ``e^{−ms}``: by partial fractions, from the
neutral contexts with ``m`` masks, ``Π r / Π (Λ − m)`` over the other contexts of each order. The rest belongs to the
fleeting contexts: a divided difference of ``z ↦ e^{−zs} / Π_i (z − m_i)`` at their exit rates. Where these are at least
``D + 1``, with ``λ`` their floor and ``Λ ≤ M B^w`` for all exit rates,

    ``|E| ≤ D 2^D (M B^w)^{D−1} Σ_{i<D} s^i/i! · u^{λ(w)}``,

by the mean value theorem for divided differences and ``Σ_{orders} Π r ≤ Σ_{n<D} (max Λ)^n``.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from symguide.asymptotics.brackets import exit_floor, nonnegative_from
from symguide.asymptotics.limit_chain import LimitChain, limit_chain
from symguide.asymptotics.remainders import Asymptotic, LargeStrength, at_large_strength
from symguide.chains.chain import Chain
from symguide.numbers.arithmetic import Arithmetic
from symguide.numbers.expsum import ExpSum

__all__ = ["SurvivalSeries", "survival_series"]


@dataclass(frozen=True, slots=True)
class SurvivalSeries:
    """``|TV(u) − Σ_m main(A_m) u^m| ≤ Σ_m remainder(A_m) u^m + factor Σ_{i<stages} s^i/i! · u^floor``, ``w ≥ start``.

    Attributes
    ----------
    coefficients
        ``A_0 = 0, A_1, …, A_D``, expanded.
    factor, floor, stages
        Of the double-exponentially small rest; ``factor`` has no terms where there is none.
    start
        ``w_0``.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> series = survival_series(guided_chain(guidance(load("squares-overlap"))), 2)
    >>> series.coefficients[1].main.terms
    ((Fraction(1, 1), Fraction(1, 1)), (Fraction(1, 2), Fraction(1, 4)))
    """

    coefficients: tuple[Asymptotic, ...]
    factor: ExpSum
    floor: ExpSum
    stages: int
    start: Fraction

    def main(self, arithmetic: Arithmetic, w: Any, s: Any) -> Any:
        """``Σ_m main(A_m) u^m`` in an arithmetic."""
        return self._polynomial([value.main for value in self.coefficients], arithmetic, w, s)

    def remainder(self, arithmetic: Arithmetic, w: Any, s: Any) -> Any:
        """What TV differs from it at most, for ``w ≥ start``."""
        bound = self._polynomial([value.remainder for value in self.coefficients], arithmetic, w, s)
        if not self.factor.terms:
            return bound
        factor, floor = self.factor.at(arithmetic, w), self.floor.at(arithmetic, w)
        parts = [arithmetic.exp_dd([floor] * (i + 1), s) for i in range(self.stages)]
        return bound + factor * arithmetic.total(parts)

    def _polynomial(self, values: list[ExpSum], arithmetic: Arithmetic, w: Any, s: Any) -> Any:
        powers = (arithmetic.exp_dd([arithmetic.number(Fraction(m))], s) for m in range(len(values)))
        parts = [value.at(arithmetic, w) * power for value, power in zip(values, powers, strict=True) if value.terms]
        return arithmetic.total(parts)


def survival_series(chain: Chain[Any], order: int) -> SurvivalSeries:
    """TV of a chain with open ``w``, expanded to ``order`` terms in each coefficient.

    Raises
    ------
    NotExactError
        For floats and symbols in the data, and where the terms of some quotient cancel at this order.
    DataError
        For chains that the large-``w`` theorems do not cover.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> series = survival_series(guided_chain(guidance(load("slower-sampling"))), 3)
    >>> [value.main.terms for value in series.coefficients if value.main.terms][0]
    ((Fraction(1, 1), Fraction(1, 1)), (Fraction(2, 3), Fraction(-9, 8)), (Fraction(1, 2), Fraction(9, 8)))
    """
    limit, large = limit_chain(chain), at_large_strength(chain, order)
    masks = chain.start.count(None)
    coefficients = [_coefficient(limit, large, m, order) for m in range(masks + 1)]
    start = max((value.start for value in coefficients), default=Fraction(0))
    factor = floor = ExpSum(())
    if limit.fleeting:
        rates = [limit.exit_rate(j).rational_terms for j in limit.fleeting]
        base = max(terms[0][0] for terms in rates)
        size = max(sum((c for _, c in terms), start=Fraction(0)) for terms in rates)
        size = max(size, Fraction(masks))
        factor = ExpSum.of([(masks * 2**masks * size ** (masks - 1), base ** (masks - 1))])
        floor = exit_floor(limit)
        start = max(start, nonnegative_from(floor + ExpSum.constant(Fraction(-masks - 1))))
    return SurvivalSeries(tuple(coefficients), factor, floor, masks, start)


def _coefficient(limit: LimitChain, large: Chain[Asymptotic], masks: int, order: int) -> Asymptotic:
    """``A_m``: orders that pass a neutral context with ``m`` masks, each other exit rate less ``m``."""
    arithmetic = LargeStrength(order)
    none, shift = arithmetic.number(Fraction(0)), arithmetic.number(Fraction(masks))
    leaving, flow, found = set(large.transient), [none] * len(large.states), []
    through = [False] * len(large.states)
    for state, context in enumerate(large.states):
        if state not in leaving:
            continue
        left = context.count(None)
        sources = [r for r in large.incoming[state] if left >= masks or through[r.source]]
        if state == 0:
            weight = arithmetic.number(Fraction(1))
        elif sources:
            weight = arithmetic.total([flow[r.source] * r.rate for r in sources])
        else:
            continue
        if left == masks and state in limit.neutral:
            through[state], flow[state] = True, weight
        elif left > masks or any(through[r.source] for r in sources):
            through[state] = left < masks
            flow[state] = weight / (large.exit_rate(state) - shift)
        if through[state]:
            found.append(flow[state])
    return arithmetic.total(found)
