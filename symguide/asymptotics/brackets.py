"""Bounds of TV from both sides, for all large ``w``, that prove its rate: exponential sums, and where they hold.

Let ``E_0, E_1, …`` be independent unit exponentials. The chain is absorbed at ``T = Σ_k E_k / Λ(X_k)`` along its jump
chain ``X``, and ``TV = P(T > s)``. From this follow, for every ``D``:

* *Below.* On its way through ``x`` the chain stays at least ``E/Λ(x)``: ``TV ≥ h(x) u^{Λ(x)}``.
* *Above.* If ``Λ ≥ λ`` on all contexts, ``T`` is at most a gamma variable over ``λ``:
  ``TV ≤ Σ_{k<D} (λs)^k/k! u^λ``. Paths through neutral contexts are counted by their probability.
* *Around a limit.* The jump chain leaves its limit at ``x`` with probability at most ``δ(x) = Σ_{b<B} (c/C)(b/B)^w``,
  ``Δ = Σ_x lim h(x) δ(x)`` in all; along a limiting path ``T`` exceeds its limit by ``Σ E/Λ`` over fleeting contexts,
  and the limit, once a neutral context with ``m`` masks is on the path, has a density of at most ``m``. Paths that meet
  none have a gamma tail.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint

from symguide.asymptotics.limit_chain import LimitChain
from symguide.numbers.arithmetic import BALLS, Arithmetic
from symguide.numbers.expsum import ExpSum

__all__ = ["Bracket", "bracket_around_limit", "bracket_of_rate", "eventual_minimum", "exit_floor", "nonnegative_from"]

_NOTHING = ExpSum(())
_MOST_TERMS = 12
"""Terms of a bound; beyond, those of smaller bases are counted at a larger one."""


@dataclass(frozen=True, slots=True)
class Bracket:
    """``L(u) − loss + reach u^rate ≤ TV(u) ≤ L(u) + excess + weight Σ_{k<stages} (floor s)^k/k! u^floor``.

    For every ``w ≥ start`` and every ``u = e^{−s} ∈ (0, 1)``; all parts but the polynomial ``L`` are exponential sums
    in ``w``.

    Attributes
    ----------
    limit
        Coefficients of ``L(u) = Σ_k c_k u^k``.
    loss, reach, rate
        Of the lower bound.
    excess, weight, floor, stages
        Of the upper bound.
    start
        ``w_0``.

    >>> from symguide.numbers.arithmetic import BALLS
    >>> one = ExpSum.constant(Fraction(1))
    >>> slow = Bracket((Fraction(0),), _NOTHING, one, one, _NOTHING, Fraction(1), one, 1, Fraction(0))
    >>> [float(bound) for bound in slow.minus_log(BALLS, Fraction(3), flint.arb(2))]
    [2.0, 2.0]
    """

    limit: tuple[Fraction, ...]
    loss: ExpSum
    reach: ExpSum
    rate: ExpSum
    excess: ExpSum
    weight: Fraction
    floor: ExpSum
    stages: int
    start: Fraction

    def lower(self, arithmetic: Arithmetic, w: Any, s: Any) -> Any:
        """The lower bound at strength ``w ≥ start`` and clock ``s = −ln u``, in an arithmetic."""
        below = self._limit(arithmetic, s) - self.loss.at(arithmetic, w)
        return below + self.reach.at(arithmetic, w) * arithmetic.exp_dd([self.rate.at(arithmetic, w)], s)

    def upper(self, arithmetic: Arithmetic, w: Any, s: Any) -> Any:
        """The upper bound there."""
        above = self._limit(arithmetic, s) + self.excess.at(arithmetic, w)
        if self.weight == 0:
            return above
        floor, power = self.floor.at(arithmetic, w), arithmetic.number(self.weight)
        # (floor s)^k/k! u^floor is a divided difference at k + 1 equal nodes.
        for k in range(self.stages):
            above = above + power * arithmetic.exp_dd([floor] * (k + 1), s)
            power = power * floor
        return above

    def minus_log(self, arithmetic: Arithmetic, w: Any, s: Any) -> tuple[Any, Any]:
        """Bounds ``(from, to)`` of ``−ln TV`` there; formed from logarithms where TV is too small for any number.

        Where TV has a limit, ``to`` exists only once the lower bound is positive.
        """
        if any(self.limit):
            return -arithmetic.log(self.upper(arithmetic, w, s)), -arithmetic.log(self.lower(arithmetic, w, s))
        to = self.rate.at(arithmetic, w) * s - arithmetic.log(self.reach.at(arithmetic, w))
        if self.excess.terms:
            return -arithmetic.log(self.upper(arithmetic, w, s)), to
        stages = self.floor.at(arithmetic, w) * s
        power = arithmetic.number(self.weight)
        powers = [power]
        for k in range(1, self.stages):
            power = power * stages / k
            powers.append(power)
        return stages - arithmetic.log(arithmetic.total(powers)), to

    def log_minus_log(self, arithmetic: Arithmetic, w: Any, s: Any) -> tuple[Any, Any]:
        """Bounds ``(from, to)`` of ``ln(−ln TV)``; ``from`` exists only once the upper bound is below one."""
        low, high = self.minus_log(arithmetic, w, s)
        return arithmetic.log(low), arithmetic.log(high)

    def _limit(self, arithmetic: Arithmetic, s: Any) -> Any:
        powers = [
            arithmetic.number(c) * arithmetic.exp_dd([arithmetic.number(Fraction(k))], s)
            for k, c in enumerate(self.limit)
            if c
        ]
        return arithmetic.total(powers)


def bracket_of_rate(limit: LimitChain) -> tuple[int, Bracket]:
    """Bounds where TV vanishes as ``w → ∞``, and the context whose visits make the lower one.

    Without neutral contexts that is one of the smallest exit rate, which is the floor too; ``start`` is where it is the
    smallest. Otherwise it is a neutral context that is met with a probability of the largest base, and the upper bound
    is the probability of meeting any, and a gamma tail for the paths that meet none.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.asymptotics.limit_chain import limit_chain
    >>> from symguide.laws.tilt import guidance
    >>> context, bracket = bracket_of_rate(limit_chain(guided_chain(guidance(load("interval-overlap")))))
    >>> context, bracket.floor.terms
    (0, ((Fraction(2, 1), Fraction(2, 3)), (Fraction(1, 1), Fraction(1, 3))))
    """
    chain, paths = limit.chain, limit.likeliest_paths()
    if limit.neutral:
        slowest, excess = max(sorted(limit.neutral), key=lambda j: paths[j][:2]), _meetings(limit)
        floor, start = exit_floor(limit), Fraction(0)
    else:
        rates = [limit.exit_rate(j) for j in limit.fleeting]
        least, start = eventual_minimum(rates)
        floor, excess = rates[least], _NOTHING
        slowest = max((j for j in limit.fleeting if limit.exit_rate(j) == floor), key=lambda j: paths[j][:2])
    base, coefficient, _ = paths[slowest]
    reach = ExpSum.of([(coefficient, base)])
    bracket = Bracket(
        limit=(),
        loss=_NOTHING,
        reach=reach,
        rate=limit.exit_rate(slowest),
        excess=excess,
        weight=Fraction(1),
        floor=floor,
        stages=chain.start.count(None),
        start=start,
    )
    return slowest, bracket


def bracket_around_limit(limit: LimitChain, polynomial: tuple[Fraction, ...]) -> Bracket:
    """Bounds around ``TV_∞(u) = polynomial``; they coincide where no exit rate depends on ``w``.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.asymptotics.limit_chain import limit_chain
    >>> from symguide.laws.tilt import guidance
    >>> limit = limit_chain(guided_chain(guidance(load("squares-disjoint"))))
    >>> bracket_around_limit(limit, (Fraction(0), Fraction(1))).excess.terms
    ((Fraction(1, 2), Fraction(1, 2)),)
    """
    visits = limit.visits()
    strays, delays, weight, floor = _NOTHING, _NOTHING, Fraction(0), _NOTHING
    if limit.fleeting:
        strays = ExpSum.of(
            (visits[j] * jump.leading, jump.base) for j in limit.fleeting for jump in limit.jumps[j] if jump.base < 1
        )
        pace = max(limit.chain.states[j].count(None) for j in limit.neutral if visits[j])
        weight, met = _meeting(limit)
        leading = {j: limit.leading_rate(j) for j in limit.fleeting}
        delays = ExpSum.of((pace * met[j] / coefficient, 1 / base) for j, (base, coefficient) in leading.items())
        floor = exit_floor(limit)
    return Bracket(
        limit=polynomial,
        loss=_shortened(strays),
        reach=_NOTHING,
        rate=_NOTHING,
        excess=_shortened(strays + delays),
        weight=weight,
        floor=floor,
        stages=limit.chain.start.count(None),
        start=Fraction(0),
    )


def _meetings(limit: LimitChain) -> ExpSum:
    """An upper bound, for ``w ≥ 0``, of the probability that the chain meets a neutral context."""
    ahead: list[ExpSum] = [_NOTHING] * len(limit.jumps)
    for state in reversed(range(len(limit.jumps))):
        if state in limit.neutral:
            ahead[state] = ExpSum.constant(Fraction(1))
        else:
            jumps = [ExpSum.of([(jump.leading, jump.base)]) * ahead[jump.target] for jump in limit.jumps[state]]
            ahead[state] = _shortened(ExpSum.sum(jumps))
    return ahead[0]


def _meeting(limit: LimitChain) -> tuple[Fraction, list[Fraction]]:
    """In the limit: the probability to meet no neutral context, and for every state to visit it and meet one at all."""
    apart, ahead = [Fraction(0)] * len(limit.jumps), [Fraction(0)] * len(limit.jumps)
    apart[0] = Fraction(1)
    for state, jumps in enumerate(limit.jumps):
        if state not in limit.neutral:
            for jump in jumps:
                apart[jump.target] += apart[state] * (jump.leading if jump.base == 1 else 0)
    for state in reversed(range(len(limit.jumps))):
        likely = (jump.leading * ahead[jump.target] for jump in limit.jumps[state] if jump.base == 1)
        ahead[state] = Fraction(1) if state in limit.neutral else sum(likely, start=Fraction(0))
    missed = sum((apart[j] for j in limit.chain.terminal), start=Fraction(0))
    return missed, [v - a + a * p for v, a, p in zip(limit.visits(), apart, ahead, strict=True)]


def exit_floor(limit: LimitChain) -> ExpSum:
    """``C b^w``, below the exit rates of all fleeting contexts for ``w ≥ 0``; there must be one.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.asymptotics.limit_chain import limit_chain
    >>> from symguide.laws.tilt import guidance
    >>> exit_floor(limit_chain(guided_chain(guidance(load("squares-overlap"))))).terms
    ((Fraction(2, 1), Fraction(2, 3)),)
    """
    rates = [limit.exit_rate(j).rational_terms for j in limit.fleeting]
    base = min(rate[0][0] for rate in rates)
    return ExpSum.of([(min(sum((c for b, c in rate if b >= base), start=Fraction(0)) for rate in rates), base)])


def _shortened(positive: ExpSum) -> ExpSum:
    """A sum of few terms that is at least as large for ``w ≥ 0``; coefficients are positive."""
    kept, rest = positive.rational_terms[:_MOST_TERMS], positive.rational_terms[_MOST_TERMS:]
    if not rest:
        return positive
    return ExpSum.of([*((c, b) for b, c in kept), *((c, rest[0][0]) for _, c in rest)])


def nonnegative_from(difference: ExpSum) -> Fraction:
    """An integer ``w_0 ≥ 0`` from which on ``Σ_j c_j b_j^w ≥ 0``, for a sum whose leading coefficient is positive.

    Divided by its leading power the sum is at least ``c_1 − Σ_{c_j<0} |c_j| (b_j/b_1)^w``, which increases with ``w``;
    ``w_0`` is the first integer at which balls show that to be positive, found by doubling and bisection.

    >>> nonnegative_from(ExpSum.of([(Fraction(1), Fraction(2)), (Fraction(-3), Fraction(1))]))
    Fraction(2, 1)
    """
    if not difference.terms:
        return Fraction(0)
    terms = difference.rational_terms
    lead, first = terms[0]
    assert first > 0, f"the leading coefficient of {difference} is {first}, so it is negative for large w"
    negative = [(-c / first, b / lead) for b, c in terms if c < 0]

    def holds(w: int) -> bool:
        with flint.ctx.workprec(128 + 2 * w.bit_length()):
            losses = [BALLS.term(c, b, Fraction(w)) for c, b in negative]
            return bool(BALLS.total(losses) <= 1)

    high = 1
    if holds(0):
        return Fraction(0)
    while not holds(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return Fraction(high)


def eventual_minimum(sums: list[ExpSum]) -> tuple[int, Fraction]:
    """The first index of the sum that is smallest for large ``w``, and a ``w_0`` from which on it is smallest.

    >>> eventual_minimum([ExpSum.of([(Fraction(c), Fraction(b))]) for c, b in ((1, 3), (9, 2))])
    (1, Fraction(6, 1))
    """
    distinct = list(dict.fromkeys(sums))
    smallest = distinct[0]
    for candidate in distinct[1:]:
        if _minus(smallest, candidate).rational_terms[0][1] > 0:
            smallest = candidate
    start = max(nonnegative_from(_minus(other, smallest)) for other in distinct)
    return sums.index(smallest), start


def _minus(left: ExpSum, right: ExpSum) -> ExpSum:
    return ExpSum.of([*((c, b) for b, c in left), *((-c, b) for b, c in right.rational_terms)])
