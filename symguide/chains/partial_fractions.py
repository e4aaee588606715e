"""The law of a chain as sums of exponentials: one for every context on the way, by partial fractions.

``P_x(s) = Σ_{R⊆S} C_{S,R} e^{−Λ(x_R) s}`` with ``C_{S,R} = Σ_{i∈S∖R} r_i C_{S∖i,R} / (Λ(x_S) − Λ(x_R))`` and
``C_{S,S} = −Σ_{R≠S} C_{S,R}``. The fastest way to many times, where no gap between exit rates along a path is
small; how much cancels is bounded along the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from symguide.chains.array_chain import ArrayChain, add_rows
from symguide.errors import DataError

__all__ = ["MAX_TERMS", "PartialFractions", "partial_fractions"]

MAX_TERMS = 4_000_000
"""Pairs of a context and one on the way to it that are kept."""

_EPSILON = float(np.finfo(float).eps)
_DENSE = 0.25
"""A product with a full matrix costs this much, relative to a sum over places, for each number."""


@dataclass(frozen=True, slots=True)
class PartialFractions:
    """Sums of exponentials, level by level.

    Attributes
    ----------
    rates
        The distinct exit rates.
    places
        For each level ``(n, 2^k)``: which of the rates is ``Λ(x_R)``, the subsets ``R`` of the ``k`` tokens revealed
        since the start as bits.
    coefficients
        For each level ``(n, 2^k)``: ``C_{S,R}``.
    magnitudes
        The same with all terms of the recursion counted positive: by how much more than ``C_{S,R}`` rounding counts.
    """

    rates: np.ndarray
    places: tuple[np.ndarray, ...]
    coefficients: tuple[np.ndarray, ...]
    magnitudes: tuple[np.ndarray, ...]

    def at(self, times: np.ndarray) -> np.ndarray:
        """``P_x(s)`` for every state and time, shape ``(n, T)``; rounding may leave it below zero.

        >>> from symguide.instances.datasets import load
        >>> from symguide.chains.lattice import lattice
        >>> from symguide.laws.tilt import guidance
        >>> chain = lattice(guidance(load("squares-overlap"), "normalised")).at(1.0)
        >>> partial_fractions(chain).at(np.array([np.log(2)]))[0].round(12)
        array([0.25])
        """
        return self._sum(self.coefficients, np.exp(np.outer(-self.rates, times)))

    def error(self, times: np.ndarray) -> np.ndarray:
        """A bound, for every time, on the rounding errors of all states, given the rates; it falls with time.

        Every level of the recursion rounds a sum of ``k`` products, a gap and a quotient, and ``e^{−Λs}`` has the error
        of ``Λs``: together, less than ``(D(D + 9)/2 + 3 + Λs)`` units each.
        """
        roundings = (depth := len(self.places) - 1) * (depth + 9) / 2 + 3
        exponents = np.outer(self.rates, times)
        with np.errstate(invalid="ignore", over="ignore"):
            sums = self._sum(self.magnitudes, np.exp(-exponents) * (roundings + exponents))
        bound = sums.max(axis=0) * _EPSILON
        return np.where(np.isnan(bound), np.inf, bound)

    def _sum(self, factors: Sequence[np.ndarray], powers: np.ndarray) -> np.ndarray:
        out = np.empty((sum(map(len, self.places)), powers.shape[1]))
        if _DENSE * len(self.rates) * len(out) < sum(part.size for part in self.places):
            # So few distinct rates that a matrix of all coefficients is smaller.
            return self._gathered(factors) @ powers
        begin = 0
        for places, values in zip(self.places, factors, strict=True):
            add_rows(out[begin : begin + len(places)], powers, places, values)
            begin += len(places)
        return out

    def _gathered(self, factors: Sequence[np.ndarray]) -> np.ndarray:
        """The coefficients of every distinct rate, shape ``(n, rates)``."""
        count = len(self.rates)
        parts = []
        for places, values in zip(self.places, factors, strict=True):
            codes = np.arange(len(places))[:, None] * count + places
            sums = np.bincount(codes.ravel(), weights=values.ravel(), minlength=len(places) * count)
            parts.append(sums.reshape(-1, count))
        return np.concatenate(parts)


def partial_fractions(chain: ArrayChain) -> PartialFractions:
    """The sums of exponentials of a chain whose reveals are ordered by position.

    Raises
    ------
    DataError
        For a chain whose reveals are not (a lumped one), and one with too many terms.

    References
    ----------
    Partial fractions of the hypoexponential law of each reveal order.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.lattice import lattice
    >>> from symguide.laws.tilt import guidance
    >>> law = partial_fractions(lattice(guidance(load("xor"), "normalised")).at(1.0))
    >>> law.rates, law.coefficients[1][0]
    (array([0., 1., 2.]), array([-0.5,  0.5]))
    """
    if not chain.by_position:
        raise DataError("the states of this chain are no contexts by position, so it has no partial fractions here")
    size = sum((end - first) << k for k, (first, end) in enumerate(zip(chain.offsets, chain.offsets[1:], strict=False)))
    if size > MAX_TERMS:
        raise DataError(f"the partial fractions of this chain have {size} terms, more than {MAX_TERMS}; use contours")
    exits = chain.exits
    rates, rate_of = np.unique(exits, return_inverse=True)
    ancestors = [np.zeros((1, 1), dtype=np.int64)]
    coefficients, magnitudes = [np.ones((1, 1))], [np.ones((1, 1))]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for k, into in enumerate(chain.incoming, start=1):
            here = chain.level(k)
            count, before = len(into.sources), chain.offsets[k - 1]
            on_the_way = np.empty((count, 1 << k), dtype=np.int64)
            sums, sizes = np.zeros((count, 1 << k)), np.zeros((count, 1 << k))
            masks = np.arange(1 << k)
            for j in range(k):
                # Without token j the other subsets keep their order.
                without = masks[masks >> j & 1 == 0]
                sources = into.sources[:, j]
                reveal = (into.jumps[:, j] * exits[before + sources])[:, None]
                on_the_way[:, without] = ancestors[-1][sources]
                sums[:, without] += reveal * coefficients[-1][sources]
                sizes[:, without] += reveal * magnitudes[-1][sources]
            on_the_way[:, -1] = np.arange(here.start, here.stop)
            gaps = exits[here, None] - exits[on_the_way[:, :-1]]
            sums[:, :-1] /= gaps
            sizes[:, :-1] /= np.abs(gaps)
            sums[:, -1] = -sums[:, :-1].sum(axis=1)
            sizes[:, -1] = sizes[:, :-1].sum(axis=1)
            ancestors.append(on_the_way)
            coefficients.append(sums)
            magnitudes.append(sizes)
    places = tuple(rate_of[part] for part in ancestors)
    return PartialFractions(rates, places, tuple(coefficients), tuple(magnitudes))
