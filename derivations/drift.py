"""The mean reciprocal posterior ``E[1/p(z|X)]`` falls along the guided chain for ``w ≥ 0``, for any number of tokens.

At a context its drift is ``Σ_i (Z_i^{(w−1)} − Z_i^{(w)}) / p(z|x_S)``, and with ``r = p_z/p`` the difference of rates
``Z^{(w)} − Z^{(w−1)} = Σ_v p (r^w − 1)(r − 1) + R`` is not negative. So ``E[1/p(z|X)] ≤ 1/p(z)`` at every time,
whatever the strength ``w_t ≥ 0`` does.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sympy import Function, Ge, Lambda, Sum

from symguide.chains.chain import guided_chain
from symguide.chains.functionals import reciprocal_posterior, terminal_law
from symguide.evidence import Evidence, Verdict
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import RATIONAL
from symguide.proofs.derivation import Claim, Derivation, Instance, Step
from symguide.proofs.identities import Meaning, equal, identities
from symguide.proofs.lemmas import (
    CONVEX,
    LAWS,
    POSITIVE,
    RATE,
    TANGENT,
    WORDS,
    bernoulli,
    given_class,
    given_none,
    i,
    intensity,
    missing,
    over_tokens,
    phi,
    r,
    rate,
    v,
)
from symguide.symbols import symbol, w

# --- the words of the proof -------------------------------------------------------------------------------------------

k: Any = symbol("k", integer=True, positive=True)
posterior: Any = symbol("pi", positive=True)
after: Any = Function("pi_", positive=True)
weaker, product = Function("mu_", positive=True), Function("psi", real=True)
drift, slow_drift = (symbol(name, real=True) for name in ("A", "B"))

REVEALED = posterior * given_class(i, v) / given_none(i, v)
WEAKER = over_tokens(intensity(i, v, w - 1))
GAIN = over_tokens(intensity(i, v) * (1 / after(i, v) - 1 / posterior))
DRIFT = equal(drift, Sum((weaker(i) - rate(i)) / posterior, (i, 1, k)))
SLOW_DRIFT = equal(slow_drift, Sum((weaker(i) / rate(i) - 1) / posterior, (i, 1, k)))
BAYES = equal(after(i, v), REVEALED)
PRODUCT = equal(product(r), (phi(r) + r ** (1 + w) * phi(1 / r)) / (1 + w))
PRODUCTS = Lambda(r, (r**w - 1) * (r - 1))
SIGN = Ge(product(r), 0, evaluate=False)
DIFFERENCE = equal(
    rate(i), weaker(i) + over_tokens(given_none(i, v) * product(given_class(i, v) / given_none(i, v))) + missing(i)
)
FALLS = Ge(rate(i), weaker(i), evaluate=False)
DOWN, SLOW_DOWN = Ge(0, drift, evaluate=False), Ge(0, slow_drift, evaluate=False)
OPENED = replace(
    WORDS,
    functions={**WORDS.functions, weaker: Lambda(i, WEAKER), after: Lambda((i, v), REVEALED), product: PRODUCTS},
)

# --- the proof --------------------------------------------------------------------------------------------------------


def derivation() -> Derivation:
    """The theorem with its proof."""
    moving = replace(
        OPENED,
        rules={
            drift: Sum(GAIN, (i, 1, k)),
            slow_drift: Sum(GAIN / rate(i), (i, 1, k)),
        },
    )
    closed = Meaning(
        domain=POSITIVE, example={**LAWS, rate: Lambda(i, RATE), weaker: Lambda(i, WEAKER), product: PRODUCTS}
    )
    return Derivation(
        name="drift",
        title="The reciprocal posterior falls along the guided chain",
        claim=Claim(
            r"Let $x_S$ be a context with $k$ masks and posterior $\pi = p(z \mid x_S)$, $\lambda_i = Z_i$ its "
            r"position rates and $\mu_i$ those at the strength $w - 1$, taken over the tokens of the class. The drift "
            r"of $1/p(z \mid x_S)$ is $A$ along the raw chain and $B$ along the normalised one. For $w \geq 0$ neither "
            r"is positive, so $E[1/p(z \mid X)]$ never exceeds $1/p(z)$, at no time and for no schedule $w_t \geq 0$.",
            (DRIFT, SLOW_DRIFT, DOWN, SLOW_DOWN),
        ),
        assumptions=(
            r"Any number of positions and tokens; $p$ is the mixture of the classes, so that $p_i(v \mid x_S) > 0$ "
            r"where $p_i(v \mid x_S, z) > 0$, and Bayes' rule holds.",
            r"$w > -1$ for the drift, $w \geq 0$ for its sign.",
        ),
        steps=(
            Step(
                "Bayes' rule",
                r"When the token $v$ is revealed at position $i$ the posterior becomes",
                (BAYES,),
                r"$p(z \mid x_S, v) = p(z \mid x_S)\, p_i(v \mid x_S, z) / p_i(v \mid x_S)$, in the notation $p^z_i$, "
                r"$p_i$ for the two laws.",
                identities(OPENED),
            ),
            Step(
                "drift",
                r"The generator of the chain sums, over reveals, the rate times the change. Where the rates are the "
                r"intensities $q_i$, and where they are $q_i / \lambda_i$, that is",
                (DRIFT, SLOW_DRIFT),
                r"$q_i(v)\, p_i(v) / p^z_i(v)$ is the intensity at the strength $w - 1$.",
                identities(moving),
            ),
            *bernoulli(),
            Step(
                "two tangents",
                r"With $\psi(r) = (r^w - 1)(r - 1)$,",
                (PRODUCT,),
                r"Both sides are multiplied out.",
                identities(Meaning(functions={phi: Lambda(r, TANGENT), product: PRODUCTS})),
            ),
            Step(
                "one sign",
                r"For $w \geq 0$ this is not negative:",
                (SIGN,),
                r"$r^w - 1$ has the sign of $r - 1$; or by Bernoulli's inequality at $r$ and at $1/r$.",
                identities(Meaning(domain=POSITIVE, example={phi: Lambda(r, TANGENT), product: PRODUCTS})),
                given=(CONVEX, PRODUCT),
            ),
            Step(
                "rates rise with the strength",
                r"Since $\sum_v p^z_i(v) = 1$ and $\sum_v p_i(v) = 1 - R_i$ over the tokens of the class,",
                (DIFFERENCE,),
                r"$p r^{1+w} - p r^w - p r + p = p (r^w - 1)(r - 1)$ with $r = p^z_i/p_i$.",
                identities(OPENED),
            ),
            Step(
                "so they are larger",
                r"Hence for $w \geq 0$",
                (FALLS,),
                "Every term is a product of what is not negative.",
                identities(closed),
                given=(SIGN, DIFFERENCE),
            ),
            Step(
                "the drift is not positive",
                r"So neither drift is positive:",
                (DOWN, SLOW_DOWN),
                r"$\mu_i \leq \lambda_i$ in every term. By Dynkin's formula the expectation is $1/p(z)$ plus the "
                r"integral of the expected drift, so it falls.",
                identities(closed),
                given=(FALLS, DRIFT, SLOW_DRIFT),
            ),
        ),
        citations=("He2025", "Nisonoff2024", "Rojas2025"),
        instances=tuple(
            on(name, rule)
            for name in ("squares-overlap", "slower-sampling", "hypercubes:D=3,side=2,overlap=1")
            for rule in ("rate", "normalised")
        ),
    )


# --- data -------------------------------------------------------------------------------------------------------------


def on(name: str, rule: str) -> Instance:
    """``E[1/p(z|X)]`` of the terminal law against ``1/p(z)`` on a built-in problem, in rational numbers."""

    def check(digits: int) -> Sequence[Evidence]:
        problem = load(name)
        chain = guided_chain(guidance(problem, rule))
        found = []
        for strength in map(Fraction, range(4)):
            value = reciprocal_posterior(terminal_law(chain.over(RATIONAL, strength)), problem)
            held = value * problem.prior <= 1
            found.append(Evidence(f"w = {strength}", Verdict.PROVED if held else Verdict.REFUTED, str(value)))
        return found

    return Instance(f"{name}, {rule}", check)
