"""What TV does as guidance grows: the trichotomy, decided from exact data.

Call a reachable non-terminal context *neutral* when its exit rate does not depend on ``w``; it is then left at the
unguided pace. At fixed ``u ∈ (0, 1)``, under the raw rule:

* no neutral context: ``−ln TV = s Λ(w) + O(w)`` with the smallest exit rate ``Λ``, so ``ln(−ln TV) ~ w ln b``;
* neutral contexts, met with a probability that vanishes: ``TV ~ L(u) ρ^w``, so ``−ln TV ~ w ln(1/ρ)``;
* neutral contexts, met with a probability that does not vanish: ``TV → TV_∞(u) > 0``.

Each is proved by the :class:`symguide.asymptotics.brackets.Bracket` that comes with it. Under the normalised rule every
position is revealed at pace 1, so every context counts as neutral and ``TV = 1 − (1 − u)^D``.

"Disjoint classes" alone do not decide: on ``{00: 9/10, 11: 1/10}`` against ``{01, 10}`` no context is neutral.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from sympy import Expr, Poly

from symguide.asymptotics.brackets import Bracket, bracket_around_limit, bracket_of_rate
from symguide.asymptotics.limit_chain import LimitChain, limit_chain
from symguide.chains.chain import MAX_CONTEXTS, Chain, guided_chain
from symguide.errors import ChainTooLargeError
from symguide.evidence import Evidence, Verdict
from symguide.laws.law import Context
from symguide.laws.mixture import Problem
from symguide.laws.tilt import guidance
from symguide.numbers.number import to_sympy
from symguide.symbols import u

__all__ = ["Kind", "Regime", "Witness", "regime", "regime_of"]


class Kind(StrEnum):
    """The three regimes.

    >>> str(Kind.SATURATING)
    'saturating'
    """

    DOUBLE = "double-exponential"
    SINGLE = "single-exponential"
    SATURATING = "saturating"


@dataclass(frozen=True, slots=True)
class Witness:
    """What shows the regime.

    Attributes
    ----------
    context
        Double-exponential: one whose exit rate ``~ coefficient · base^w`` is the smallest. Single-exponential: a
        neutral one that is visited with probability ``~ coefficient · base^{−w}``, the slowest to vanish. Saturating:
        the neutral context most visited in the limit, then by order.
    base, coefficient
        As above; ``base = 1`` when saturating, where the coefficient is the limit of the probability.
    path
        A likeliest path from the start to that context, both included.
    neutral
        All neutral contexts that are visited in the limit ``w → ∞``, with the limits of the probabilities.

    >>> Witness((None,), Fraction(4, 3), Fraction(1), ((None,),), ()).base
    Fraction(4, 3)
    """

    context: Context
    base: Fraction
    coefficient: Fraction
    path: tuple[Context, ...]
    neutral: tuple[tuple[Context, Fraction], ...]


@dataclass(frozen=True, slots=True)
class Regime:
    """The regime of an instance, with its witness, constants and bounds.

    Attributes
    ----------
    kind
        Which of the three.
    base
        ``b`` with ``ln(−ln TV) ~ w ln b`` (double-exponential) or ``−ln TV ~ w ln b`` (single-exponential); ``None``
        when saturating.
    leading
        ``L(u)``: ``TV ~ L(u) b^{−w}`` (single-exponential), ``TV → L(u)`` (saturating); a polynomial in ``u`` without
        constant term. ``None`` when double-exponential, where ``−ln TV ~ −ln u · coefficient · b^w`` by the witness.
    witness
        The context that shows it.
    bracket
        Bounds of TV from both sides that prove the rate.
    evidence
        How the regime is known.

    >>> from symguide.instances.datasets import load
    >>> regime(load("interval-overlap")).base
    Fraction(2, 1)
    """

    kind: Kind
    base: Fraction | None
    leading: Expr | None
    witness: Witness
    bracket: Bracket
    evidence: Evidence

    @property
    def limit_tv(self) -> Expr | None:
        """``TV_∞(u)``, a polynomial in ``u``; ``None`` unless saturating."""
        return self.leading if self.kind is Kind.SATURATING else None


def regime(problem: Problem, rule: str = "rate", limit: int = MAX_CONTEXTS) -> Regime:
    """The regime of a problem under a named rule, decided from exact data.

    Parameters
    ----------
    problem
        Rational data.
    rule
        A name in :data:`symguide.laws.tilt.RULES`.
    limit
        Largest number of contexts to enumerate.

    Raises
    ------
    NotExactError
        For floats and symbols in the data.
    ChainTooLargeError
        When more contexts than ``limit`` are reachable; it says what is known without them.
    InfiniteRatioError
        For a pair whose unconditional law does not cover the conditional one.

    References
    ----------
    He, Rojas, Tao, arXiv:2506.10971, for one and two tokens; their double-exponential rate needs that no neutral
    context is reachable.

    >>> from symguide.instances.datasets import load
    >>> found = regime(load("squares-overlap"))
    >>> str(found.kind), found.limit_tv, found.witness.neutral[0]
    ('saturating', u, ((None, 3), Fraction(1, 4)))
    """
    try:
        chain = guided_chain(guidance(problem, rule), limit=limit)
    except ChainTooLargeError as error:
        what, _, remedy = str(error).rpartition("; ")
        raise ChainTooLargeError(
            f"{what}; proved without it: TV(u) <= 1 - (1 - u)^{problem.length} for w >= 0; "
            f"to decide the regime, {remedy}"
        ) from None
    return regime_of(chain)


def regime_of(chain: Chain[Any]) -> Regime:
    """The regime of a chain with open ``w``, whatever its start.

    Raises
    ------
    NotExactError
        For floats and symbols in the data.
    DataError
        For chains that the theorems do not cover: dead contexts, exit rates that neither grow nor are mask counts.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> regime_of(guided_chain(guidance(load("squares-overlap")), (None, 2))).base
    Fraction(2, 1)
    """
    limit = limit_chain(chain)
    base, coefficients = limit.survivals()[0]
    if base == 1 or not chain.transient:
        return _saturating(limit, coefficients)
    slowest, bracket = bracket_of_rate(limit)
    path = tuple(chain.states[j] for j in limit.path_to(slowest))
    if base == 0:
        rate, coefficient = limit.leading_rate(slowest)
        witness = Witness(chain.states[slowest], rate, coefficient, path, ())
        reason = "no reachable context is neutral; TV is at most a gamma tail of the smallest exit rate"
        return Regime(Kind.DOUBLE, rate, None, witness, bracket, _proved(reason))
    visited, coefficient = limit.leading_visits()[slowest]
    assert visited == base, f"visits of base {visited} cannot make a TV of base {base}"
    witness = Witness(chain.states[slowest], 1 / base, coefficient, path, ())
    reason = "neutral contexts are reachable, and the probability of meeting one vanishes"
    return Regime(Kind.SINGLE, 1 / base, _polynomial(coefficients), witness, bracket, _proved(reason))


def _saturating(limit: LimitChain, coefficients: tuple[Fraction, ...]) -> Regime:
    chain, visits = limit.chain, limit.visits()
    met = [j for j in sorted(limit.neutral) if visits[j]]
    context = max(met, key=lambda j: visits[j], default=0)
    witness = Witness(
        chain.states[context],
        Fraction(1),
        visits[context],
        tuple(chain.states[j] for j in limit.path_to(context)),
        tuple((chain.states[j], visits[j]) for j in met),
    )
    reason = "neutral contexts are met with a probability that does not vanish"
    return Regime(
        Kind.SATURATING,
        None,
        _polynomial(coefficients),
        witness,
        bracket_around_limit(limit, coefficients),
        _proved(reason if limit.fleeting else "no exit rate depends on w"),
    )


def _polynomial(coefficients: tuple[Fraction, ...]) -> Expr:
    return Poly([to_sympy(c) for c in reversed(coefficients)], u).as_expr()


def _proved(reason: str) -> Evidence:
    return Evidence("regime", Verdict.PROVED, f"{reason}; bases compared exactly")
