"""Position rates as Rényi divergences: ``Z = exp(w D_{1+w}) ≥ 1`` for ``w ≥ 0``, with equality for equal laws only.

In every context, for every number of tokens: ``Z = 1 + Σ p φ(p_z/p) + w R`` with ``φ(r) = r^{1+w} − 1 − (1+w)(r − 1)``
(Bernoulli's inequality) and ``R`` the probability of the tokens that the class does not have.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sympy import Function, exp, log

from symguide.chains.chain import guided_chain
from symguide.evidence import Evidence, Verdict
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import RATIONAL
from symguide.proofs.derivation import Claim, Derivation, Instance, Step
from symguide.proofs.identities import equal, identities
from symguide.proofs.lemmas import AT_LEAST_ONE, AT_MOST_ONE, RATE, WORDS, equality, i, position_rates, rate
from symguide.symbols import w

divergence: Any = Function("D_", real=True)
POWER = equal(rate(i), exp(w * divergence(i)))


def derivation() -> Derivation:
    """The theorem with its proof."""
    return Derivation(
        name="renyi divergence",
        title="Position rates are Rényi divergences, and at least one",
        claim=Claim(
            r"In every context, at every masked position $i$, the position rate $\lambda_i = Z_i(x_S)$ is an "
            r"exponential of the R\'enyi divergence $D_i = D_{1+w}(p_i(\cdot \mid x_S, z) \,\|\, p_i(\cdot \mid "
            r"x_S))$. It is at least $1$ for $w \geq 0$ and at most $1$ for $-1 < w \leq 0$. It is $1$ for some, hence "
            r"for all, $w > 0$ exactly if both laws are equal.",
            (POWER, AT_LEAST_ONE, AT_MOST_ONE),
        ),
        assumptions=(
            r"Any number of positions and of tokens; $p_i(v \mid x_S) > 0$ where $p_i(v \mid x_S, z) > 0$.",
            r"$w > -1$.",
        ),
        steps=(
            Step(
                "divergence",
                r"For $w \neq 0$ let $D_i$ be the divergence of order $1 + w$ of the law of the class from the other. "
                r"Then",
                (equal(divergence(i), log(RATE) / w), POWER),
                r"The definition of the divergence, whose prefactor is $1/((1+w) - 1) = 1/w$.",
                identities(replace(WORDS, rules={divergence(i): log(RATE) / w})),
            ),
            *position_rates(),
            *position_rates(negative=True),
            *equality(),
        ),
        citations=("He2025", "Nisonoff2024"),
        instances=(
            on("squares-overlap"),
            on("slower-sampling"),
            on("hypercubes:D=3,side=2,overlap=1"),
            on("words:length=3,languages=en+fr,top=8", needs=("wordfreq",)),
        ),
    )


def on(name: str, needs: tuple[str, ...] = ()) -> Instance:
    """Exit rates against the number of masks in every context of a built-in problem, in rational numbers."""

    def check(digits: int) -> Sequence[Evidence]:
        chain = guided_chain(guidance(load(name)))
        masks = [context.count(None) for context in chain.states]
        found, equal_at = [], []
        for strength in map(Fraction, range(4)):
            exits = [chain.over(RATIONAL, strength).exit_rate(state) for state in range(len(masks))]
            held = all(rate >= count for rate, count in zip(exits, masks, strict=True))
            seen = f"exit rates of {len(masks)} contexts"
            found.append(Evidence(f"w = {strength}", Verdict.PROVED if held else Verdict.REFUTED, seen))
            equal_at.append([rate == count for rate, count in zip(exits, masks, strict=True)])
        same = equal_at[1] == equal_at[2] == equal_at[3]
        seen = f"{sum(equal_at[1])} of {len(masks)} contexts"
        return [*found, Evidence("equality", Verdict.PROVED if same else Verdict.REFUTED, seen)]

    return Instance(name, check, needs)
