"""Distributions on contexts and what is read off them, each quantity written once for every arithmetic."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from sympy import Expr

from symguide.chains.array_chain import ArrayChain
from symguide.chains.chain import Chain
from symguide.chains.contexts import MASKED, ContextArray
from symguide.errors import DataError, InfiniteValueError
from symguide.laws.law import Context, TableLaw, format_context
from symguide.laws.mixture import Problem
from symguide.laws.tilt import Tilt, power_product
from symguide.numbers.arithmetic import FLOATS, Arithmetic
from symguide.numbers.number import read_number, shown

__all__ = [
    "Distribution",
    "LastReveal",
    "chi_square",
    "class_posterior",
    "column",
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


_LEAST = 1e-290
"""Doubles below may have lost digits to underflow."""

# Arrays of objects pass on the floating-point flags that SymPy and mpmath raise inside, which mean nothing here.
_objects_may_overflow = np.errstate(over="ignore", under="ignore", invalid="ignore")


@dataclass(frozen=True)
class Distribution:
    """Probabilities of contexts in one arithmetic; contexts not listed have probability zero.

    Attributes
    ----------
    states
        Contexts, all of one length: a tuple of them, or an array for many.
    probabilities
        One value for each; floats may come as one array, with further axes (strengths, times) behind the first.
    arithmetic
        What the values are.
    logs
        Logarithms of the probabilities, where floats may underflow.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> law = Distribution(((0,), (2,)), (Fraction(1, 3), Fraction(2, 3)), RATIONAL)
    >>> law[(2,)], law[(1,)]
    (Fraction(2, 3), Fraction(0, 1))
    """

    states: Sequence[Context]
    probabilities: Sequence[Any] | np.ndarray
    arithmetic: Arithmetic
    logs: np.ndarray | None = None

    @cached_property
    def table(self) -> Mapping[Context, Any]:
        """``{context: probability}``."""
        return dict(zip(self.states, self.probabilities, strict=True))

    @cached_property
    def column(self) -> np.ndarray:
        """The probabilities as an array: of doubles, or of whatever objects the arithmetic has."""
        return column(self.probabilities, self.arithmetic)

    def __getitem__(self, context: Context) -> Any:
        return self.table.get(context, self.arithmetic.number(Fraction(0)))

    def map(self, convert: Callable[[Any], Any], arithmetic: Arithmetic) -> "Distribution":
        """The same distribution with every value converted."""
        return Distribution(self.states, tuple(map(convert, self.probabilities)), arithmetic)


def terminal_law(chain: Chain[Any] | ArrayChain) -> Distribution:
    """The law sampled as ``u → 0``: ``h(x)`` on the terminal contexts of a chain with values.

    Its mass is one minus the mass of dead contexts.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> law = terminal_law(guided_chain(guidance(load("squares-overlap"))).over(RATIONAL, 1))
    >>> law[2, 2], law[4, 4]
    (Fraction(1, 25), Fraction(2, 15))
    """
    if isinstance(chain, ArrayChain):
        return Distribution(chain.terminal, chain.jump_law()[chain.last], FLOATS)
    assert chain.arithmetic is not None, "a chain of exponential sums has no values; use over(arithmetic, w)"
    weights = chain.jump_law()
    return Distribution(
        tuple(chain.states[j] for j in chain.terminal), tuple(weights[j] for j in chain.terminal), chain.arithmetic
    )


def law_distribution(law: TableLaw, arithmetic: Arithmetic) -> Distribution:
    """A listed law as a distribution in some arithmetic.

    >>> from symguide.numbers.arithmetic import SYMBOLIC
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

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
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


@_objects_may_overflow
def total_variation(left: Distribution, right: Distribution) -> Any:
    """``TV(P, Q) = ½ Σ_x |P(x) − Q(x)|``.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> half, third = Fraction(1, 2), Fraction(1, 3)
    >>> total_variation(Distribution(((0,), (1,)), (half, half), RATIONAL), Distribution(((0,),), (third,), RATIONAL))
    Fraction(1, 3)
    """
    p, q = _aligned(left, right)
    return left.arithmetic.total(abs(p - q)) / 2


@_objects_may_overflow
def kl_divergence(left: Distribution, right: Distribution) -> Any:
    """``KL(P ‖ Q) = Σ_x P(x) ln(P(x)/Q(x))``.

    Raises
    ------
    DataError
        Where ``Q`` excludes a context that ``P`` charges: the divergence is infinite.

    >>> from symguide.numbers.arithmetic import FLOATS
    >>> fair, biased = (Distribution(((0,), (1,)), (p, 1 - p), FLOATS) for p in (0.5, 0.25))
    >>> float(kl_divergence(fair, biased))
    0.14384103622589042
    """
    if right.logs is not None and _same_states(left.states, right.states):
        p, q, logs = _side_by_side(left.column, right.column, right.logs)
        charged = _or_one(p, p == 0, FLOATS)
        seen = q > _LEAST
        return FLOATS.total(p * np.where(seen, np.log(charged / np.where(seen, q, 1.0)), np.log(charged) - logs))
    p, ratio = _ratios(left, right)
    return left.arithmetic.total(p * _log(left.arithmetic, ratio))


@_objects_may_overflow
def chi_square(left: Distribution, right: Distribution) -> Any:
    """``χ²(P ‖ Q) = Σ_x P(x)²/Q(x) − 1``; raises as :func:`kl_divergence` does.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> fair, biased = (Distribution(((0,), (1,)), (p, 1 - p), RATIONAL) for p in (Fraction(1, 2), Fraction(1, 4)))
    >>> chi_square(fair, biased)
    Fraction(1, 3)
    """
    p, ratio = _ratios(left, right)
    return left.arithmetic.total(p * ratio) - 1


@_objects_may_overflow
def renyi_divergence(left: Distribution, right: Distribution, order: object) -> Any:
    """``D_a(P ‖ Q) = ln Σ_x P(x)^a Q(x)^{1−a} / (a − 1)`` for any order ``a > 0``; ``a = 1`` is the KL divergence.

    Raises
    ------
    DataError
        For other orders, and where ``Q`` excludes a context that ``P`` charges.

    >>> from sympy import Rational, Symbol
    >>> from symguide.numbers.arithmetic import SYMBOLIC
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
    p, ratio = _ratios(left, right)
    moments = left.arithmetic.total(p * ratio**exponent)
    return left.arithmetic.log(moments) / exponent


@_objects_may_overflow
def entropy(law: Distribution) -> Any:
    """``H(P) = −Σ_x P(x) ln P(x)`` in nats.

    >>> from symguide.numbers.arithmetic import FLOATS
    >>> float(entropy(Distribution(((0,), (1,)), (0.5, 0.5), FLOATS)))
    0.6931471805599453
    """
    p = law.column
    return -law.arithmetic.total(p * _log(law.arithmetic, _or_one(p, p == 0, law.arithmetic)))


@_objects_may_overflow
def expectation(law: Distribution, value: Callable[[Context], Any]) -> Any:
    """``E[f(X)] = Σ_x P(x) f(x)``.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> expectation(Distribution(((0,), (1,)), (Fraction(1, 4), Fraction(3, 4)), RATIONAL), lambda x: 10 * x[0])
    Fraction(15, 2)
    """
    charged = np.flatnonzero(_charged(law.column))
    values = column([value(law.states[int(j)]) for j in charged], law.arithmetic)
    return law.arithmetic.total(law.column[charged] * _beside(values, law.column))


def class_posterior(law: Distribution, problem: Problem) -> np.ndarray:
    """``p(z|x) = a_z p(x|z)/p(x)`` for every context of a law.

    Raises
    ------
    DataError
        For a pair, which has no class prior.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> from symguide.instances.datasets import load
    >>> problem = load("interval-overlap")
    >>> class_posterior(law_distribution(problem.conditional, RATIONAL), problem)[:3].tolist()
    [Fraction(1, 2), Fraction(1, 2), Fraction(1, 1)]
    """
    if problem.prior is None:
        raise DataError(
            f"{problem.name}: a pair of laws has no class prior, so p(z|x) is not defined; use a class mixture"
        )
    number = law.arithmetic.number
    given = column([number(problem.conditional.weight(x)) for x in law.states], law.arithmetic)
    whole = column([number(problem.unconditional.weight(x)) for x in law.states], law.arithmetic)
    return number(problem.prior) * given / whole


@_objects_may_overflow
def posterior(law: Distribution, problem: Problem) -> Any:
    """``E[p(z|X)]`` with ``p(z|x) = a_z p(x|z)/p(x)``, for terminal contexts.

    Raises
    ------
    DataError
        For a pair, which has no class prior.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> from symguide.instances.datasets import load
    >>> problem = load("interval-overlap")
    >>> posterior(law_distribution(problem.conditional, RATIONAL), problem)
    Fraction(5, 6)
    """
    return law.arithmetic.total(law.column * _beside(class_posterior(law, problem), law.column))


@_objects_may_overflow
def reciprocal_posterior(law: Distribution, problem: Problem) -> Any:
    """``E[1/p(z|X)]``; without guidance it is ``1/a_z`` times the mass that ``p`` gives to the support of ``p(·|z)``.

    Raises
    ------
    DataError
        For a pair, and where ``p(z|x) = 0`` is charged: the value is infinite.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> from symguide.instances.datasets import load
    >>> problem = load("interval-overlap")
    >>> reciprocal_posterior(law_distribution(problem.conditional, RATIONAL), problem)
    Fraction(4, 3)
    """

    values = class_posterior(law, problem)
    charged = _charged(law.column)
    for j in np.flatnonzero(charged & (values == 0))[:1]:
        tokens = format_context(law.states[int(j)])
        raise InfiniteValueError(f"tokens {tokens} have p(z|x) = 0 and are charged, so E[1/p(z|X)] is infinite")
    return law.arithmetic.total(law.column[charged] / _beside(values[charged], law.column))


@_objects_may_overflow
def mean_tokens(law: Distribution) -> list[Any]:
    """``E[X_i]`` for every position, of token values ``0..N−1``, on terminal contexts.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> mean_tokens(Distribution(((0, 3), (1, 1)), (Fraction(1, 4), Fraction(3, 4)), RATIONAL))
    [Fraction(3, 4), Fraction(3, 2)]
    """
    tokens = _tokens(law)
    return [law.arithmetic.total(law.column * _beside(tokens[:, i], law.column)) for i in range(tokens.shape[1])]


@_objects_may_overflow
def covariance(law: Distribution) -> list[list[Any]]:
    """``Cov(X_i, X_j)``, a ``D × D`` list of rows, of token values on terminal contexts.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> covariance(Distribution(((0, 3), (1, 1)), (Fraction(1, 2), Fraction(1, 2)), RATIONAL))
    [[Fraction(1, 4), Fraction(-1, 2)], [Fraction(-1, 2), Fraction(1, 1)]]
    """
    tokens, total = _tokens(law), law.arithmetic.total
    apart = [_beside(tokens[:, i], law.column) - mean for i, mean in enumerate(mean_tokens(law))]
    return [[total(law.column * left * right) for right in apart] for left in apart]


@_objects_may_overflow
def expected_masks(law: Distribution) -> Any:
    """The expected number of masked tokens.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> expected_masks(Distribution(((None, None), (None, 1)), (Fraction(1, 2), Fraction(1, 2)), RATIONAL))
    Fraction(3, 2)
    """
    masks = np.count_nonzero(ContextArray.of(law.states).tokens == MASKED, axis=1)
    return law.arithmetic.total(law.column * _beside(column(masks.tolist(), law.arithmetic), law.column))


@dataclass(frozen=True, slots=True)
class LastReveal:
    """Mean and variance, on the clock ``s``, of the time at which the last token is revealed.

    >>> LastReveal(mean=1.5, variance=1.25).mean
    1.5
    """

    mean: Any
    variance: Any


def last_reveal(chain: Chain[Any] | ArrayChain) -> LastReveal:
    """Mean and variance of the absorption time, whose survival function is ``TV(P(s), P(∞))``.

    With ``m_k(x)`` the ``k``-th moment from ``x``: ``Λ m_k(x) = k m_{k−1}(x) + Σ r m_k(next)``. For chains with dead
    contexts the time is that of the last reveal that happens.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> last_reveal(guided_chain(guidance(load("xor"), "normalised")).over(RATIONAL, 2))
    LastReveal(mean=Fraction(3, 2), variance=Fraction(5, 4))
    """
    if isinstance(chain, ArrayChain):
        return _last_reveal_of_arrays(chain)
    holding = list(chain.holding_times())
    first = chain.accumulate(holding)
    second = chain.accumulate([2 * mean * time for mean, time in zip(first, holding, strict=True)])
    return LastReveal(first[0], second[0] - first[0] * first[0])


@_objects_may_overflow
def _last_reveal_of_arrays(chain: ArrayChain) -> LastReveal:
    holding = chain.holding_times()
    first = chain.accumulate(holding)
    # In units of the mean, whose square may leave the range of doubles.
    unit = first[0] if first[0] > 0 else 1.0
    second = chain.accumulate(2 * (first / unit) * (holding / unit))
    return LastReveal(float(first[0]), float((second[0] - (first[0] / unit) ** 2) * unit * unit))


def column(values: Sequence[Any] | np.ndarray, arithmetic: Arithmetic) -> np.ndarray:
    """Values as an array that adds and multiplies entry by entry: doubles, or objects for other arithmetics.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> 2 * column([Fraction(1, 3), Fraction(1)], RATIONAL)
    array([Fraction(2, 3), Fraction(2, 1)], dtype=object)
    """
    if arithmetic is FLOATS:
        return np.asarray(values, dtype=np.float64)
    out = np.empty(len(values), dtype=object)
    out[:] = list(values)
    return out


def _beside(values: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """One value per context, shaped to multiply probabilities with further axes."""
    return values.reshape(values.shape + (1,) * (probabilities.ndim - 1))


def _charged(probabilities: np.ndarray) -> np.ndarray:
    """Which contexts have positive probability somewhere."""
    charged = probabilities != 0
    return charged.reshape(len(charged), -1).any(axis=1).astype(bool)


def _or_one(values: np.ndarray, where: np.ndarray, arithmetic: Arithmetic) -> np.ndarray:
    return np.where(where.astype(bool), arithmetic.number(Fraction(1)), values)


def _log(arithmetic: Arithmetic, values: np.ndarray) -> np.ndarray:
    return np.log(values) if arithmetic is FLOATS else column([arithmetic.log(value) for value in values], arithmetic)


def _same_states(left: Sequence[Context], right: Sequence[Context]) -> bool:
    if isinstance(left, ContextArray) and isinstance(right, ContextArray):
        return np.array_equal(left.tokens, right.tokens)
    return left is right


def _aligned(left: Distribution, right: Distribution) -> tuple[np.ndarray, np.ndarray]:
    """The two laws on the contexts of both."""
    if _same_states(left.states, right.states):
        p, q = _side_by_side(left.column, right.column)
        return p, q
    states = list(dict.fromkeys((*left.states, *right.states)))
    p, q = _side_by_side(_on(left, states), _on(right, states))
    return p, q


def _on(law: Distribution, states: Sequence[Context]) -> np.ndarray:
    """The probabilities of some contexts, whatever axes they have."""
    zero = law.arithmetic.number(Fraction(0))
    rows = {x: law.column[j] for j, x in enumerate(law.states)}
    out = np.empty((len(states), *law.column.shape[1:]), dtype=law.column.dtype)
    for j, x in enumerate(states):
        out[j] = rows.get(x, zero)
    return out


def _side_by_side(*columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """Columns that broadcast: one value per context goes with every entry of further axes."""
    axes = max(values.ndim for values in columns)
    return tuple(values.reshape(values.shape + (1,) * (axes - values.ndim)) for values in columns)


def _ratios(left: Distribution, right: Distribution) -> tuple[np.ndarray, np.ndarray]:
    """``P`` and ``P/Q``, the latter 1 where ``P`` vanishes."""
    p, q = np.broadcast_arrays(*_aligned(left, right))
    absent = p == 0
    if bool((~absent.astype(bool) & (q == 0)).any()):
        states = list(dict.fromkeys((*left.states, *right.states)))
        bad = (~absent.astype(bool) & (q == 0)).reshape(len(p), -1).any(axis=1)
        tokens = format_context(states[int(np.flatnonzero(bad)[0])])
        raise InfiniteValueError(
            f"tokens {tokens} are charged by one law and excluded by the other: the divergence is infinite"
        )
    one = left.arithmetic
    return p, _or_one(p, absent, one) / _or_one(q, absent, one)


def _tokens(law: Distribution) -> np.ndarray:
    """The tokens of every context, an ``(n, D)`` array, as the arithmetic takes integers."""
    tokens = ContextArray.of(law.states).tokens
    for j in np.flatnonzero((tokens == MASKED).any(axis=1))[:1]:
        context = format_context(law.states[int(j)])
        raise DataError(f"context {context} has masks, which have no token value; use a terminal law")
    return tokens if law.arithmetic is FLOATS else tokens.astype(object)
