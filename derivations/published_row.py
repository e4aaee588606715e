"""The published row of densities for five tokens against the exact law, and what such a row can bear.

Classes uniform on ``{0,1,2}^5`` and ``{2,3,4}^5``, ``w = 1``: He, Rojas, Tao (arXiv:2506.10971) print the mean density
per state, by the number ``k`` of coordinates equal to 2, from 10 000 samples of a trained model. Every cell is within
one standard error of the exact law; but the row sums to more than one, and three cells are no counts of one run.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache
from math import comb
from typing import Any

from sympy import Function, Ge, Gt, Integer, Rational, Sum, binomial

from symguide.chains.chain import guided_chain
from symguide.chains.functionals import terminal_law, tilted_law
from symguide.evidence import Evidence, Verdict
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import RATIONAL
from symguide.numbers.number import to_sympy
from symguide.proofs.derivation import Claim, Derivation, Instance, Step
from symguide.proofs.identities import equal, values
from symguide.symbols import symbol

# --- the words of the proof -------------------------------------------------------------------------------------------

DRAWS, TOKENS, SHARED, PROBLEM = 10_000, 5, 2, "hypercubes-5d"
ROW = tuple(map(Fraction, ("4.984", "4.541", "4.020", "3.386", "2.208", "0.280")))
"""As printed, in thousandths."""
HALF_DIGIT = Fraction(1, 2_000)
"""What rounding to three decimals may hide, in thousandths."""

k: Any = symbol("k", integer=True, nonnegative=True)
states, exact, printed, least, most, score, other_score, normalised = (
    Function(name) for name in ("n_", "rho_", "r_", "l_", "m_", "z^{2}_", "t^{2}_", "sigma_")
)
KINDS = range(TOKENS + 1)


def every(relation: Any, *kinds: int) -> tuple[Any, ...]:
    return tuple(relation(kind) for kind in kinds or KINDS)


EXACT = tuple(
    equal(exact(kind), value)
    for kind, value in enumerate(
        (
            Rational(2, 405),
            Rational(46, 10125),
            Rational(68, 16875),
            Rational(842, 253125),
            Rational(2882, 1265625),
            Rational(1, 3125),
        )
    )
)
WITHIN = every(lambda kind: Ge(1, score(kind), evaluate=False))
SCORES = ("0.40", "0.04", "0.16", "0.70", "0.46", "0.22")
TO_TWO_DIGITS = tuple(
    bound
    for kind, digits in enumerate(map(Rational, SCORES))
    for bound in (
        Ge(score(kind), (digits - Rational(1, 200)) ** 2, evaluate=False),
        Ge((digits + Rational(1, 200)) ** 2, score(kind), evaluate=False),
    )
)
TOO_MUCH = Gt(sum(least(kind) for kind in KINDS), DRAWS, evaluate=False)
NO_COUNT = tuple(
    bound
    for kind, below in ((3, 1354), (4, 220), (5, 2))
    for bound in (Gt(least(kind), below, evaluate=False), Gt(below + 1, most(kind), evaluate=False))
)

# --- the proof --------------------------------------------------------------------------------------------------------


def derivation() -> Derivation:
    """The comparison with its proof."""
    counts = tuple(
        bound
        for kind, count in ((0, 1595), (1, 3633), (2, 3216))
        for bound in (Ge(count, least(kind), evaluate=False), Ge(most(kind), count, evaluate=False))
    )
    return Derivation(
        name="published row",
        title="The published densities for five tokens",
        claim=Claim(
            r"At $w = 1$ a state with $k$ coordinates equal to $2$ has the terminal probability $\rho_k$. Each printed "
            r"density, as the mean of $10\,000$ draws over $n_k$ states, is within one standard error of it, $z_k^2 "
            r"\leq 1$. But the smallest numbers $l_k$ of draws that round to the printed cells sum to more than "
            r"$10\,000$, and for $k = 3, 4, 5$ no whole number lies between $l_k$ and the largest, $m_k$.",
            (*EXACT, *WITHIN, TOO_MUCH, *NO_COUNT),
        ),
        assumptions=(
            r"Classes uniform on $\{0,1,2\}^5$ and $\{2,3,4\}^5$, the second the target, equal priors.",
            r"The printed row is $4.984$, $4.541$, $4.020$, $3.386$, $2.208$, $0.280$, in thousandths, from $10\,000$ "
            r"samples.",
        ),
        steps=(
            Step(
                "states",
                r"The states with $k$ coordinates equal to $2$ are $2^{5-k} \binom{5}{k}$, $243$ in all:",
                (
                    *every(lambda kind: equal(states(kind), binomial(TOKENS, kind) * 2 ** (TOKENS - kind))),
                    equal(Sum(binomial(TOKENS, k) * 2 ** (TOKENS - k), (k, 0, TOKENS)), 243),
                ),
                "Counted in the terminal contexts of the chain.",
                values(table),
            ),
            Step(
                "exact law",
                "The terminal law of the raw chain is",
                EXACT,
                "Rational arithmetic over the chain; all states of one kind have one probability.",
                values(table),
            ),
            Step(
                "sampling error",
                r"With $z_k = (n_k r_k - n_k \rho_k) / \sqrt{n_k \rho_k (1 - n_k \rho_k) / 10\,000}$, where $r_k$ is "
                r"printed,",
                WITHIN,
                r"The squares are rational, and the largest is that of $k = 3$, about $0.49$.",
                values(table),
            ),
            Step(
                "to two digits",
                rf"In full, $|z_k|$ is ${'$, $'.join(SCORES)}$ to two digits, as",
                TO_TWO_DIGITS,
                r"The cells for $k = 0, 3$ are above the exact law, the others below it.",
                values(table),
            ),
            Step(
                "what it excludes",
                r"The row does tell the chain from the tilted law: with $t_k$ for that law in place of $\rho_k$,",
                (Gt(other_score(0), 49, evaluate=False), Gt(other_score(4), 49, evaluate=False)),
                "These cells are more than seven standard errors away.",
                values(table),
            ),
            Step(
                "what it cannot tell",
                r"It cannot tell the raw rule from the normalised one, whose terminal law $\sigma_k$ is the same here:",
                every(lambda kind: equal(normalised(kind), exact(kind))),
                "In every context all masked positions have the same rate, so both rules reveal in the same order.",
                values(table),
            ),
            Step(
                "the sum of the row",
                r"Draws in $k$-states are at most all draws. But the row sums to more than one, also after all "
                r"rounding:",
                (
                    equal(sum(states(kind) * printed(kind) for kind in KINDS), Rational(125271, 125000)),
                    TOO_MUCH,
                ),
                r"$l_k$ is $10\,000\, n_k$ times the printed cell less half a unit of its last digit. No number of "
                r"draws, nor a mean over several runs, would mend that.",
                values(table),
            ),
            Step(
                "cells that are no counts",
                r"The cells for $k = 3, 4, 5$ are no number of draws divided by $10\,000\, n_k$:",
                NO_COUNT,
                r"Between $l_k$ and $m_k$ there is no whole number.",
                values(table),
            ),
            Step(
                "cells that may be counts",
                "The others may be, as",
                counts,
                r"$1595$, $3633$ and $3216$ draws round to the printed cells.",
                values(table),
            ),
        ),
        citations=("He2025",),
        instances=(Instance(PROBLEM, on_the_law),),
    )


# --- data -------------------------------------------------------------------------------------------------------------


@cache
def table() -> Mapping[Any, Any]:
    """Every number of the proof, in rational arithmetic."""
    tilt = guidance(load(PROBLEM))
    laws = [
        terminal_law(guided_chain(guidance(load(PROBLEM), rule)).over(RATIONAL, Fraction(1))).table
        for rule in ("rate", "normalised")
    ]
    tilted = tilted_law(tilt, list(laws[0]), RATIONAL, Fraction(1)).table
    found: dict[Any, Any] = {}
    for kind in KINDS:
        of_kind = [x for x in laws[0] if x.count(SHARED) == kind]
        size, cell = len(of_kind), ROW[kind] / 1000
        chain, other, wanted = ({law[x] for x in of_kind} for law in (*laws, tilted))
        (p,), (q,), (t,) = chain, other, wanted
        found |= {
            states(kind): Integer(size),
            exact(kind): to_sympy(p),
            normalised(kind): to_sympy(q),
            printed(kind): to_sympy(cell),
            least(kind): to_sympy((cell - HALF_DIGIT / 1000) * size * DRAWS),
            most(kind): to_sympy((cell + HALF_DIGIT / 1000) * size * DRAWS),
            score(kind): to_sympy(_squared_score(size * cell, size * p)),
            other_score(kind): to_sympy(_squared_score(size * cell, size * t)),
        }
    return found


def _squared_score(seen: Fraction, expected: Fraction) -> Fraction:
    """``(seen − expected)² / (expected (1 − expected) / 10 000)``."""
    return (seen - expected) ** 2 * DRAWS / (expected * (1 - expected))


def on_the_law(digits: int) -> Sequence[Evidence]:
    """The densities a second time, by orders of revealing.

    Until a token outside the overlap is revealed a position shows the overlap's token at the rate 1/3 and each of the
    two others at 2/3; afterwards the class is settled and every token has the rate 1/3. All orders are alike, and the
    first ``before`` positions are in the overlap and the next one is not with probability ``C(k, before)/C(5, before) ·
    (5 − k)/(5 − before)``.
    """
    inside, outside, found = Fraction(1, 5), Fraction(2, 5), []
    for kind, relation in enumerate(EXACT):
        density = inside**TOKENS if kind == TOKENS else Fraction(0)
        for before in range(kind + 1) if kind < TOKENS else ():
            chance = Fraction(comb(kind, before), comb(TOKENS, before)) * Fraction(TOKENS - kind, TOKENS - before)
            density += chance * inside**before * outside * Fraction(1, 3) ** (TOKENS - 1 - before)
        verdict = Verdict.PROVED if to_sympy(density) == relation.rhs else Verdict.REFUTED
        found.append(Evidence(f"k = {kind}", verdict, str(density)))
    return found
