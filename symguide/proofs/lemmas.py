"""Steps that several proofs share: Bernoulli's inequality, and with it what position rates can be."""

from collections.abc import Mapping
from typing import Any

from sympy import Derivative, Function, Ge, Gt, Integer, Lambda, Rational, Sum

from symguide.chains.family import vocabulary_size
from symguide.proofs.derivation import Step
from symguide.proofs.identities import Meaning, equal, identities, rises
from symguide.symbols import symbol, w

__all__ = [
    "AT_LEAST_ONE",
    "AT_MOST_ONE",
    "CONVEX",
    "LAWS",
    "NEGATIVE",
    "POSITIVE",
    "RATE",
    "SPLIT",
    "TANGENT",
    "WORDS",
    "bernoulli",
    "equality",
    "given_class",
    "given_none",
    "i",
    "intensity",
    "missing",
    "over_tokens",
    "phi",
    "position_rates",
    "r",
    "rate",
    "v",
]

v: Any = symbol("v", integer=True, nonnegative=True)
i: Any = symbol("i", integer=True, positive=True)
r: Any = symbol("r", positive=True)
b: Any = symbol("b", nonnegative=True)
phi: Any = Function("phi", real=True)
given_class: Any = Function("p^{z}_", positive=True)
"""``p^z_i(v)``, the law ``p_i(v|x_S,z)`` of the token at a masked position of a context."""
given_none: Any = Function("p_", positive=True)
"""``p_i(v)``, the law ``p_i(v|x_S)``."""
missing: Any = Function("R_", nonnegative=True)
"""``R_i``, the probability under ``p_i`` of the tokens that the class never shows there."""
rate: Any = Function("lambda_", positive=True)

POSITIVE: Mapping[Any, Any] = {w: symbol("w", nonnegative=True)}
"""``w ≥ 0``."""
NEGATIVE: Mapping[Any, Any] = {w: -b / (1 + b)}
"""``−1 < w ≤ 0``."""

TANGENT = r ** (1 + w) - 1 - (1 + w) * (r - 1)
LAWS: Mapping[Any, Any] = {
    given_class: Lambda((i, v), (v + i) / (3 * i + 3)),
    given_none: Lambda((i, v), (3 - v) / Rational(8)),
    missing: Lambda(i, Rational(1, 4)),
}
"""Laws on three tokens for any number of positions, on which formulas are tried; a fourth token is not of the class."""


def intensity(position: Any, token: Any, strength: Any = w) -> Any:
    """``q_i(v) = p^z_i(v)^{1+w} p_i(v)^{−w}``.

    >>> intensity(1, 0)
    (p^{z}_(1, 0)/p_(1, 0))**w*p^{z}_(1, 0)
    """
    given, free = given_class(position, token), given_none(position, token)
    return (given / free) ** strength * given


def over_tokens(form: Any) -> Any:
    """``Σ_v`` over the tokens of the class.

    >>> over_tokens(given_class(i, v))
    Sum(p^{z}_(i, v), (v, 0, N - 1))
    """
    return Sum(form, (v, 0, vocabulary_size - 1))


RATE = over_tokens(intensity(i, v))
EXCESS = over_tokens(given_none(i, v) * phi(given_class(i, v) / given_none(i, v))) + w * missing(i)
WORDS = Meaning(
    functions={phi: Lambda(r, TANGENT), rate: Lambda(i, RATE)},
    sums={Integer(1): over_tokens(given_class(i, v)), 1 - missing(i): over_tokens(given_none(i, v))},
    example=LAWS,
)
DEFINITION = equal(phi(r), TANGENT)
BENT = equal(Derivative(phi(r), (r, 2)), w * (1 + w) * r ** (w - 1))
SPLIT = equal(rate(i), 1 + EXCESS)
CONVEX, CONCAVE = Ge(phi(r), 0, evaluate=False), Ge(0, phi(r), evaluate=False)
AT_LEAST_ONE = Ge(rate(i), 1, evaluate=False)
AT_MOST_ONE = Ge(1, rate(i), evaluate=False)


def bernoulli(negative: bool = False) -> tuple[Step, ...]:
    """``r^{1+w} ≥ 1 + (1+w)(r − 1)`` for ``w ≥ 0``, the other way round for ``−1 < w ≤ 0``: a power and its tangent.

    >>> [step.examine().verdict.name for step in (*bernoulli(), *bernoulli(negative=True))]
    ['PROVED', 'PROVED', 'PROVED', 'PROVED']
    """
    side, sign, place = ("−1 < w ≤ 0", r"\leq", r"-1 < w \leq 0") if negative else ("w ≥ 0", r"\geq", r"w \geq 0")
    domain = NEGATIVE if negative else POSITIVE
    example = {w: -Rational(1, 2)} if negative else {}
    words = Meaning(functions={phi: Lambda(r, TANGENT)}, domain=domain, example=example)
    return (
        Step(
            f"a power and its tangent, {side}",
            r"For $r > 0$ let $\phi$ be the distance of a power from its tangent at $1$,",
            (
                DEFINITION,
                equal(Derivative(phi(r), r), (1 + w) * (r**w - 1)),
                BENT,
            ),
            "Differentiation.",
            identities(Meaning(functions={phi: Lambda(r, TANGENT)})),
        ),
        Step(
            f"Bernoulli's inequality, {side}",
            rf"For ${place}$ and every $r > 0$, $r^{{1+w}} {sign} 1 + (1+w)(r-1)$:",
            (CONCAVE if negative else CONVEX,),
            r"Value and slope are zero at $r = 1$, and the second derivative has the sign of $w$ everywhere.",
            rises(r, 1, order=2, meaning=words),
        ),
    )


def position_rates(negative: bool = False) -> tuple[Step, ...]:
    r"""``Z_i ≥ 1`` in every context for ``w ≥ 0``, ``Z_i ≤ 1`` for ``−1 < w ≤ 0``.

    ``Z_i = 1 + Σ_v p_i(v) φ(p^z_i(v)/p_i(v)) + w R_i``, where ``R_i`` is the probability under ``p_i`` of the tokens
    that the class does not have.

    >>> [step.examine().verdict.name for step in position_rates()]
    ['PROVED', 'PROVED', 'PROVED', 'PROVED']
    """
    side, place, sign = ("−1 < w ≤ 0", r"-1 < w \leq 0", "at most") if negative else ("w ≥ 0", r"w \geq 0", "at least")
    domain = NEGATIVE if negative else POSITIVE
    example = {**LAWS, **({w: -Rational(1, 2)} if negative else {})}
    closed = Meaning(domain=domain, example={**example, rate: Lambda(i, RATE), phi: Lambda(r, TANGENT)})
    return (
        *bernoulli(negative),
        Step(
            f"what a position rate is, {side}",
            r"In any context let $p^z_i$ and $p_i$ be the laws of the token at a masked position $i$, given what is "
            r"revealed, with and without the class, and $\lambda_i = Z_i = \sum_v p^z_i(v)^{1+w} p_i(v)^{-w}$. Sums "
            r"run over the tokens with $p^z_i(v) > 0$, and $p_i$ has the probability $R_i$ elsewhere:",
            (SPLIT,),
            r"$\sum_v p^z_i(v) = 1$ and $\sum_v p_i(v) = 1 - R_i$.",
            identities(WORDS),
        ),
        Step(
            f"position rates, {side}",
            rf"So for ${place}$ every position rate is {sign} one:",
            (AT_MOST_ONE if negative else AT_LEAST_ONE,),
            r"$p_i(v) > 0$, $R_i \geq 0$, and both $\phi$ and $w R_i$ have the sign of $w$.",
            identities(closed),
            given=(SPLIT, CONCAVE if negative else CONVEX),
        ),
    )


def equality() -> tuple[Step, ...]:
    """``Z_i = 1`` for some, hence for all, ``w > 0`` exactly where ``p^z_i = p_i``.

    It leans on :func:`position_rates`.

    >>> [step.examine().verdict.name for step in equality()]
    ['PROVED', 'PROVED']
    """
    same = over_tokens(intensity(i, v)).subs(given_class(i, v), given_none(i, v))
    return (
        Step(
            "a power and its tangent, w > 0",
            r"For $w > 0$ the second derivative of $\phi$ is positive, so $\phi$ vanishes at $r = 1$ only:",
            (Gt(Derivative(phi(r), (r, 2)), 0, evaluate=False),),
            "A product of positive numbers.",
            identities(Meaning(domain={w: symbol("w", positive=True)}, example={phi: Lambda(r, TANGENT)})),
            given=(BENT,),
        ),
        Step(
            "equality",
            r"Hence $Z_i = 1$ for one $w > 0$ exactly if $R_i = 0$ and $p^z_i = p_i$, and then for every $w$:",
            (equal(phi(1), 0), equal(same, 1 - missing(i))),
            r"In $Z_i - 1 = \sum_v p_i(v) \phi(p^z_i(v) / p_i(v)) + w R_i$ no term is negative, so all of them are "
            r"zero.",
            identities(WORDS),
        ),
    )
