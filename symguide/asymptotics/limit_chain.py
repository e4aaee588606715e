"""The guided chain as ``w → ∞``: which contexts keep their pace, and where the others jump.

Every jump has probability ``r/Λ`` with ``r = c b^w`` and ``Λ = Σ_j C_j B_j^w``, ``C_j > 0``, largest base ``B = B_1``.
For ``w ≥ 0``

    ``(c / Σ_j C_j) (b/B)^w  ≤  r/Λ  ≤  (c / C_1) (b/B)^w``,

and the right-hand side is the leading term. So limits, rates and bounds are read off exact bases, with no expansion.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from symguide.chains.chain import Chain
from symguide.errors import DataError
from symguide.laws.law import format_context
from symguide.numbers.expsum import ExpSum, Quotient

__all__ = ["Jump", "LimitChain", "limit_chain"]


@dataclass(frozen=True, slots=True)
class Jump:
    """A jump of probability ``~ leading · base^w``, and at least ``least · base^w`` for ``w ≥ 0``; ``base ≤ 1``.

    The leading term is an upper bound for ``w ≥ 0``.

    >>> Jump(target=1, base=Fraction(1, 2), leading=Fraction(1), least=Fraction(1, 3)).base
    Fraction(1, 2)
    """

    target: int
    base: Fraction
    leading: Fraction
    least: Fraction


@dataclass(frozen=True, slots=True)
class LimitChain:
    """A chain of exponential sums with the leading terms of its jumps.

    Attributes
    ----------
    chain
        The chain, with open ``w``.
    jumps
        For every state, the jumps out of it.
    neutral
        Indices of the transient contexts whose exit rate does not depend on ``w``. It is their number of masks: such a
        context is left at the unguided pace. All other transient contexts have ``Λ → ∞``.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> limit = limit_chain(guided_chain(guidance(load("squares-overlap"))))
    >>> [limit.chain.states[j] for j in sorted(limit.neutral)]
    [(None, 3), (None, 4), (3, None), (4, None)]
    """

    chain: Chain[Any]
    jumps: tuple[tuple[Jump, ...], ...]
    neutral: frozenset[int]

    @property
    def fleeting(self) -> tuple[int, ...]:
        """Indices of the transient contexts whose exit rate grows without bound."""
        return tuple(j for j in self.chain.transient if j not in self.neutral)

    def exit_rate(self, state: int) -> ExpSum:
        """``Λ(x)``, an exponential sum."""
        return self.chain.exit_rate(state)

    def leading_rate(self, state: int) -> tuple[Fraction, Fraction]:
        """``(base, coefficient)`` of the leading term of ``Λ(x)``, for a transient context."""
        return self.exit_rate(state).rational_terms[0]

    def visits(self) -> tuple[Fraction, ...]:
        """``lim h(x)``, the limits of the probabilities that the chain visits ``x``; they sum to one on each level."""
        visits = [Fraction(0)] * len(self.jumps)
        visits[0] = Fraction(1)
        for state, jumps in enumerate(self.jumps):
            for jump in jumps:
                if jump.base == 1:
                    visits[jump.target] += visits[state] * jump.leading
        return tuple(visits)

    def leading_visits(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """For every state ``(base, coefficient)`` of the leading term of ``h(x) ~ coefficient · base^w``."""
        terms: list[dict[Fraction, Fraction]] = [{} for _ in self.jumps]
        terms[0] = {Fraction(1): Fraction(1)}
        found = []
        for state, jumps in enumerate(self.jumps):
            base = max(terms[state])
            coefficient = terms[state][base]
            found.append((base, coefficient))
            for jump in jumps:
                ahead, key = terms[jump.target], base * jump.base
                ahead[key] = ahead.get(key, Fraction(0)) + coefficient * jump.leading
        return tuple(found)

    def likeliest_paths(self) -> tuple[tuple[Fraction, Fraction, int], ...]:
        """For every state ``(base, coefficient, previous state)`` of a path with ``h(x) ≥ coefficient · base^w``.

        Of all paths from the start, one of largest base; of these, one of largest coefficient. The bound holds for
        ``w ≥ 0``.
        """
        best: list[tuple[Fraction, Fraction, int]] = [(Fraction(0), Fraction(0), -1)] * len(self.jumps)
        best[0] = (Fraction(1), Fraction(1), -1)
        for state, jumps in enumerate(self.jumps):
            base, coefficient, _ = best[state]
            for jump in jumps:
                candidate = (base * jump.base, coefficient * jump.least, state)
                if candidate[:2] > best[jump.target][:2]:
                    best[jump.target] = candidate
        return tuple(best)

    def path_to(self, state: int) -> tuple[int, ...]:
        """The states of the likeliest path, from the start to ``state``."""
        best, path = self.likeliest_paths(), [state]
        while best[path[-1]][2] >= 0:
            path.append(best[path[-1]][2])
        return tuple(reversed(path))

    def survivals(self) -> tuple[tuple[Fraction, tuple[Fraction, ...]], ...]:
        """For every state ``(base, (c_0, c_1, …))``: from there ``P(not absorbed at u) ~ base^w Σ_k c_k u^k``.

        What is lost is of smaller base, or double-exponentially small; base 0 where no neutral context is ahead.
        Fleeting contexts hand on what lies ahead; a neutral one with ``m`` masks holds for ``u^m``, and turns ``u^k``
        ahead of it, ``k < m``, into ``∫_0^s m e^{−mσ} e^{−k(s−σ)} dσ = m (u^k − u^m) / (m − k)``.
        """
        size = len(self.chain.states[0]) + 1
        nothing = (Fraction(0), (Fraction(0),) * size)
        found = [nothing] * len(self.jumps)
        for state in reversed(range(len(self.jumps))):
            ahead: dict[Fraction, list[Fraction]] = defaultdict(lambda: [Fraction(0)] * size)
            for jump in self.jumps[state]:
                base, polynomial = found[jump.target]
                if base:
                    sums = ahead[base * jump.base]
                    for k, c in enumerate(polynomial):
                        sums[k] += jump.leading * c
            if state in self.neutral:
                masks = self.chain.states[state].count(None)
                found[state] = (Fraction(1), _held(masks, ahead.get(Fraction(1), nothing[1])))
            elif ahead:
                base = max(ahead)
                found[state] = (base, tuple(ahead[base]))
        return tuple(found)


def _held(masks: int, ahead: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """The survival polynomial of a neutral context from the one ahead of it."""
    out = [masks * c / (masks - k) if k < masks else Fraction(0) for k, c in enumerate(ahead)]
    out[masks] = 1 - sum(out, start=Fraction(0))
    return tuple(out)


def limit_chain(chain: Chain[Any]) -> LimitChain:
    """The leading terms of a chain with open ``w``.

    Raises
    ------
    NotExactError
        For floats and symbols in the data: bases are compared exactly.
    DataError
        For chains whose exit rates do not grow or stay at the number of masks, as composed rules may have.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> limit = limit_chain(guided_chain(guidance(load("interval-overlap"))))
    >>> [(jump.base, jump.leading) for jump in limit.jumps[0]][:3]
    [(Fraction(1, 2), Fraction(1, 4)), (Fraction(1, 2), Fraction(1, 4)), (Fraction(1, 1), Fraction(1, 4))]
    """
    if chain.dead:
        where = format_context(chain.states[chain.dead[0]])
        raise DataError(f"context {where} is dead, so the large-w theorems do not cover the chain; remove the context")
    for j in chain.transient:
        terms, masks = chain.exit_rate(j).rational_terms, Fraction(chain.states[j].count(None))
        grows = terms[0][0] > 1 and all(coefficient > 0 for _, coefficient in terms)
        if not grows and terms != ((Fraction(1), masks),):
            raise DataError(
                f"context {format_context(chain.states[j])} has an exit rate that neither grows with w nor equals its "
                f"number of masks, {masks}, so the large-w theorems do not cover the chain; use one class or a pair"
            )
    neutral = frozenset(j for j in chain.transient if chain.exit_rate(j).is_constant)
    leaving: list[list[Jump]] = [[] for _ in chain.states]
    for target, reveals in enumerate(chain.incoming):
        for reveal in reveals:
            leaving[reveal.source].append(_jump(target, reveal.rate, chain.exit_rate(reveal.source)))
    return LimitChain(chain, tuple(map(tuple, leaving)), neutral)


def _jump(target: int, rate: Any, exit_rate: ExpSum) -> Jump:
    numerator, denominators = (
        (rate.numerator, (rate.denominator, exit_rate)) if isinstance(rate, Quotient) else (rate, (exit_rate,))
    )
    ((base, leading),) = numerator.rational_terms
    least = leading
    for denominator in denominators:
        terms = denominator.rational_terms
        base, leading = base / terms[0][0], leading / terms[0][1]
        least /= sum((c for _, c in terms), start=Fraction(0))
    return Jump(target, base, leading, least)
