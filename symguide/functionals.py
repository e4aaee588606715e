"""Distributions on contexts and what is read off them, each quantity written once for every arithmetic."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from sympy import Expr

from symguide.arithmetic import Arithmetic
from symguide.chain import Chain
from symguide.errors import DataError
from symguide.law import Context, TableLaw, format_context
from symguide.mixture import Problem
from symguide.number import read_number, shown
from symguide.tilt import Tilt, power_product

__all__ = [
    "Distribution",
    "LastReveal",
    "chi_square",
    "covariance",
    "entropy",
    "expectation",
    "expected_masks",
    "kl_divergence",
    "last_reveal",
    "law_distribution",
    "mean_tokens",
    "posterior",
    "reciprocal_posterior",
    "renyi_divergence",
    "terminal_law",
    "tilted_law",
    "total_variation",
]


@dataclass(frozen=True)
class Distribution:
    """Probabilities of contexts in one arithmetic; contexts not listed have probability zero.

    Attributes
    ----------
    states
        Contexts, all of one length.
    probabilities
        One value for each.
    arithmetic
        What the values are.

    >>> from symguide.arithmetic import RATIONAL
    >>> law = Distribution(((0,), (2,)), (Fraction(1, 3), Fraction(2, 3)), RATIONAL)
    >>> law[(2,)], law[(1,)]
    (Fraction(2, 3), Fraction(0, 1))
    """

    states: tuple[Context, ...]
    probabilities: tuple[Any, ...]
    arithmetic: Arithmetic

    @cached_property
    def table(self) -> Mapping[Context, Any]:
        """``{context: probability}``."""
        return dict(zip(self.states, self.probabilities, strict=True))

    def __getitem__(self, context: Context) -> Any:
        return self.table.get(context, self.arithmetic.number(Fraction(0)))

    def map(self, convert: Callable[[Any], Any], arithmetic: Arithmetic) -> "Distribution":
        """The same distribution with every value converted."""
        return Distribution(self.states, tuple(map(convert, self.probabilities)), arithmetic)


def terminal_law(chain: Chain[Any]) -> Distribution:
    """The law sampled as ``u → 0``: ``h(x)`` on the terminal contexts of a chain with values.

    Its mass is one minus the mass of dead contexts.

    >>> from symguide.arithmetic import RATIONAL
    >>> from symguide.chain import guided_chain
    >>> from symguide.datasets import load
    >>> from symguide.tilt import guidance
    >>> law = terminal_law(guided_chain(guidance(load("squares-overlap"))).over(RATIONAL, 1))
    >>> law[2, 2], law[4, 4]
    (Fraction(1, 25), Fraction(2, 15))
    """
    assert chain.arithmetic is not None, "a chain of exponential sums has no values; use over(arithmetic, w)"
    weights = chain.jump_law()
    return Distribution(
        tuple(chain.states[j] for j in chain.terminal), tuple(weights[j] for j in chain.terminal), chain.arithmetic
    )


def law_distribution(law: TableLaw, arithmetic: Arithmetic) -> Distribution:
    """A listed law as a distribution in some arithmetic.

    >>> from symguide.arithmetic import SYMBOLIC
    >>> law_distribution(TableLaw.symbolic(2, 1, "z"), SYMBOLIC)[(1,)]
    p(1|z)
    """
    return Distribution(tuple(law.weights), tuple(map(arithmetic.number, law.weights.values())), arithmetic)


def tilted_law(tilt: Tilt, states: Sequence[Context], arithmetic: Arithmetic, w: Any) -> Distribution:
    """The tilted law ``p_{z,w}(x) = Π_j p_j(x)^{e_j} / Z_{z,w}`` on the given terminal contexts, which must hold its
    support.

    For class guidance ``p_{z,w}(x) ∝ p(x|z)^{1+w} p(x)^{−w}``. Every ``x`` of positive tilted weight is reachable, so
    the terminal contexts of the chain serve as ``states``.

    References
    ----------
    He, Rojas, Tao, arXiv:2506.10971, the tilted distribution.

    >>> from symguide.arithmetic import RATIONAL
    >>> from symguide.datasets import load
    >>> from symguide.tilt import guidance
    >>> tilted_law(guidance(load("interval-overlap")), [(v,) for v in range(4, 10)], RATIONAL, 1)[(4,)]
    Fraction(1, 10)
    """
    kept: list[Context] = []
    weights: list[Any] = []
    for context in states:
        factors = [(law.weight(context), exponent) for law, exponent in tilt.factors if exponent != 0]
        if all(value != 0 for value, _ in factors):
            kept.append(context)
            weights.append(power_product(factors).at(arithmetic, w))
    if not kept:
        raise DataError("the tilted law has no support: its laws exclude one another; there is nothing to compare with")
    whole = arithmetic.total(weights)
    return Distribution(tuple(kept), tuple(weight / whole for weight in weights), arithmetic)


def total_variation(left: Distribution, right: Distribution) -> Any:
    """``TV(P, Q) = ½ Σ_x |P(x) − Q(x)|``.

    >>> from symguide.arithmetic import RATIONAL
    >>> half, third = Fraction(1, 2), Fraction(1, 3)
    >>> total_variation(Distribution(((0,), (1,)), (half, half), RATIONAL), Distribution(((0,),), (third,), RATIONAL))
    Fraction(1, 3)
    """
    states = dict.fromkeys((*left.states, *right.states))
    return left.arithmetic.total([abs(left[x] - right[x]) for x in states]) / 2


def kl_divergence(left: Distribution, right: Distribution) -> Any:
    """``KL(P ‖ Q) = Σ_x P(x) ln(P(x)/Q(x))``.

    Raises
    ------
    DataError
        Where ``Q`` excludes a context that ``P`` charges: the divergence is infinite.

    >>> from symguide.arithmetic import FLOATS
    >>> fair, biased = (Distribution(((0,), (1,)), (p, 1 - p), FLOATS) for p in (0.5, 0.25))
    >>> float(kl_divergence(fair, biased))
    0.14384103622589042
    """
    log = left.arithmetic.log
    return left.arithmetic.total([p * log(p / q) for p, q in _ratios(left, right)])


def chi_square(left: Distribution, right: Distribution) -> Any:
    """``χ²(P ‖ Q) = Σ_x P(x)²/Q(x) − 1``; raises as :func:`kl_divergence` does.

    >>> from symguide.arithmetic import RATIONAL
    >>> fair, biased = (Distribution(((0,), (1,)), (p, 1 - p), RATIONAL) for p in (Fraction(1, 2), Fraction(1, 4)))
    >>> chi_square(fair, biased)
    Fraction(1, 3)
    """
    return left.arithmetic.total([p * p / q for p, q in _ratios(left, right)]) - 1


def renyi_divergence(left: Distribution, right: Distribution, order: object) -> Any:
    """``D_a(P ‖ Q) = ln Σ_x P(x)^a Q(x)^{1−a} / (a − 1)`` for any order ``a > 0``; ``a = 1`` is the KL divergence.

    Raises
    ------
    DataError
        For other orders, and where ``Q`` excludes a context that ``P`` charges.

    >>> from sympy import Rational, Symbol
    >>> from symguide.arithmetic import SYMBOLIC
    >>> fair, biased = (Distribution(((0,), (1,)), (p, 1 - p), SYMBOLIC) for p in (Rational(1, 2), Rational(1, 4)))
    >>> renyi_divergence(fair, biased, 2), renyi_divergence(fair, fair, Symbol("a", positive=True))
    (log(4/3), 0)
    """
    value = read_number(order, "Rényi order", DataError)
    if value.is_positive is False if isinstance(value, Expr) else value <= 0:
        raise DataError(f"Rényi order is {shown(value)}: divergences have orders above 0; use one, such as 1/2 or 2")
    if value == 1:
        return kl_divergence(left, right)
    exponent = left.arithmetic.number(value - 1)
    moments = left.arithmetic.total([p * (p / q) ** exponent for p, q in _ratios(left, right)])
    return left.arithmetic.log(moments) / exponent


def entropy(law: Distribution) -> Any:
    """``H(P) = −Σ_x P(x) ln P(x)`` in nats.

    >>> from symguide.arithmetic import FLOATS
    >>> float(entropy(Distribution(((0,), (1,)), (0.5, 0.5), FLOATS)))
    0.6931471805599453
    """
    return -law.arithmetic.total([p * law.arithmetic.log(p) for _, p in _charged(law)])


def expectation(law: Distribution, value: Callable[[Context], Any]) -> Any:
    """``E[f(X)] = Σ_x P(x) f(x)``.

    >>> from symguide.arithmetic import RATIONAL
    >>> expectation(Distribution(((0,), (1,)), (Fraction(1, 4), Fraction(3, 4)), RATIONAL), lambda x: 10 * x[0])
    Fraction(15, 2)
    """
    return law.arithmetic.total([p * value(x) for x, p in _charged(law)])


def posterior(law: Distribution, problem: Problem) -> Any:
    """``E[p(z|X)]`` with ``p(z|x) = a_z p(x|z)/p(x)``, for terminal contexts.

    Raises
    ------
    DataError
        For a pair, which has no class prior.

    >>> from symguide.arithmetic import RATIONAL
    >>> from symguide.datasets import load
    >>> problem = load("interval-overlap")
    >>> posterior(law_distribution(problem.conditional, RATIONAL), problem)
    Fraction(5, 6)
    """
    return expectation(law, lambda x: _class_posterior(law, problem, x))


def reciprocal_posterior(law: Distribution, problem: Problem) -> Any:
    """``E[1/p(z|X)]``; without guidance it is ``1/a_z`` times the mass that ``p`` gives to the support of ``p(·|z)``.

    Raises
    ------
    DataError
        For a pair, and where ``p(z|x) = 0`` is charged: the value is infinite.

    >>> from symguide.arithmetic import RATIONAL
    >>> from symguide.datasets import load
    >>> problem = load("interval-overlap")
    >>> reciprocal_posterior(law_distribution(problem.conditional, RATIONAL), problem)
    Fraction(4, 3)
    """

    def reciprocal(x: Context) -> Any:
        value = _class_posterior(law, problem, x)
        if _is_zero(value):
            raise DataError(f"tokens {format_context(x)} have p(z|x) = 0 and are charged, so E[1/p(z|X)] is infinite")
        return 1 / value

    return expectation(law, reciprocal)


def mean_tokens(law: Distribution) -> list[Any]:
    """``E[X_i]`` for every position, of token values ``0..N−1``, on terminal contexts.

    >>> from symguide.arithmetic import RATIONAL
    >>> mean_tokens(Distribution(((0, 3), (1, 1)), (Fraction(1, 4), Fraction(3, 4)), RATIONAL))
    [Fraction(3, 4), Fraction(3, 2)]
    """
    return [expectation(law, lambda x, i=i: _token(x, i)) for i in range(len(law.states[0]))]


def covariance(law: Distribution) -> list[list[Any]]:
    """``Cov(X_i, X_j)``, a ``D × D`` list of rows, of token values on terminal contexts.

    >>> from symguide.arithmetic import RATIONAL
    >>> covariance(Distribution(((0, 3), (1, 1)), (Fraction(1, 2), Fraction(1, 2)), RATIONAL))
    [[Fraction(1, 4), Fraction(-1, 2)], [Fraction(-1, 2), Fraction(1, 1)]]
    """
    means = mean_tokens(law)
    length = len(means)
    return [
        [
            expectation(law, lambda x, i=i, j=j: (_token(x, i) - means[i]) * (_token(x, j) - means[j]))
            for j in range(length)
        ]
        for i in range(length)
    ]


def expected_masks(law: Distribution) -> Any:
    """The expected number of masked tokens.

    >>> from symguide.arithmetic import RATIONAL
    >>> expected_masks(Distribution(((None, None), (None, 1)), (Fraction(1, 2), Fraction(1, 2)), RATIONAL))
    Fraction(3, 2)
    """
    return expectation(law, lambda x: sum(token is None for token in x))


@dataclass(frozen=True, slots=True)
class LastReveal:
    """Mean and variance, on the clock ``s``, of the time at which the last token is revealed.

    >>> LastReveal(mean=1.5, variance=1.25).mean
    1.5
    """

    mean: Any
    variance: Any


def last_reveal(chain: Chain[Any]) -> LastReveal:
    """Mean and variance of the absorption time, whose survival function is ``TV(P(s), P(∞))``.

    With ``m_k(x)`` the ``k``-th moment from ``x``: ``Λ m_k(x) = k m_{k−1}(x) + Σ r m_k(next)``. For chains with dead
    contexts the time is that of the last reveal that happens.

    >>> from symguide.arithmetic import RATIONAL
    >>> from symguide.chain import guided_chain
    >>> from symguide.datasets import load
    >>> from symguide.tilt import guidance
    >>> last_reveal(guided_chain(guidance(load("xor"), "normalised")).over(RATIONAL, 2))
    LastReveal(mean=Fraction(3, 2), variance=Fraction(5, 4))
    """
    arithmetic = chain.arithmetic
    assert arithmetic is not None, "a chain of exponential sums has no values; use over(arithmetic, w)"
    zero = arithmetic.number(Fraction(0))
    first: list[list[Any]] = [[] for _ in chain.states]
    second: list[list[Any]] = [[] for _ in chain.states]
    mean, square = zero, zero
    leaving = set(chain.transient)
    for state in reversed(range(len(chain.states))):
        mean, square = zero, zero
        if state in leaving:
            rate = chain.exit_rate(state)
            mean = (1 + arithmetic.total(first[state])) / rate
            square = (2 * mean + arithmetic.total(second[state])) / rate
        for reveal in chain.incoming[state]:
            first[reveal.source].append(reveal.rate * mean)
            second[reveal.source].append(reveal.rate * square)
    return LastReveal(mean, square - mean * mean)


def _charged(law: Distribution) -> list[tuple[Context, Any]]:
    return [(x, p) for x, p in law.table.items() if not _is_zero(p)]


def _ratios(left: Distribution, right: Distribution) -> list[tuple[Any, Any]]:
    pairs = []
    for x, p in _charged(left):
        q = right[x]
        if _is_zero(q):
            raise DataError(
                f"tokens {format_context(x)} are charged by one law and excluded by the other: it is infinite"
            )
        pairs.append((p, q))
    return pairs


def _is_zero(value: Any) -> bool:
    return bool(value == 0) if not hasattr(value, "shape") or value.shape == () else bool((value == 0).all())


def _class_posterior(law: Distribution, problem: Problem, x: Context) -> Any:
    if problem.prior is None:
        raise DataError(
            f"{problem.name}: a pair of laws has no class prior, so p(z|x) is not defined; use a class mixture"
        )
    number = law.arithmetic.number
    return number(problem.prior) * number(problem.conditional.weight(x)) / number(problem.unconditional.weight(x))


def _token(x: Context, position: int) -> int:
    token = x[position]
    if token is None:
        raise DataError(f"context {format_context(x)} has masks, which have no token value; use a terminal law")
    return token
