"""One token, general laws, any number of tokens: the guided trajectory, the tilted law it ends in, and its pace.

With ``q(v) = p(v|z)^{1+w} p(v)^{−w}`` and ``Z = Σ_v q(v)``: ``P_M = u^Z``, ``P_v = (1 − u^Z) q(v)/Z``, the terminal law
is the tilted law, and ``TV = u^Z`` (He, Rojas, Tao, arXiv:2506.10971).
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sympy import Abs, Derivative, Function, Integer, Lambda, Limit, Rational, Sum, Tuple, exp, log

from symguide.chains.chain import guided_chain
from symguide.chains.family import MASK_SYMBOL, TokenProbability, representative, vocabulary_size
from symguide.chains.naming import named
from symguide.chains.ode import kolmogorov, unknown
from symguide.checks.verification import Candidate, verify
from symguide.closed_forms.solution import solve
from symguide.evidence import Evidence
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.exp_dd import exp_dd
from symguide.proofs.derivation import Claim, Derivation, Instance, Step
from symguide.proofs.identities import Meaning, equal, equations_of, identities, solves, times
from symguide.symbols import s, symbol, u, w

FAMILY, NORMALISED = representative(1), representative(1, normalised=True)
(MASKED, SHOWN), (Z,) = FAMILY.chain.states, FAMILY.definitions
x: Any = SHOWN[0]
v: Any = symbol("v", integer=True, nonnegative=True)
z, prior, divergence = symbol("z", positive=True), symbol("a_z", positive=True), symbol("D", real=True)
q: Any = Function("q", positive=True)
posterior: Any = Function("p|", positive=True)


def p(token: Any, of_class: bool = False) -> Any:
    """``p(v)``, or ``p(v|z)``."""
    return TokenProbability(Integer(1), token, Tuple(MASK_SYMBOL), Integer(of_class))


def over_tokens(form: Any) -> Any:
    return Sum(form, (v, 0, vocabulary_size - 1))


INTENSITY = (p(v, True) / p(v)) ** w * p(v, True)
HALF = Rational(1, 2)
PATH = (1 - u**Z) * q(x) / Z
NORMALISED_PATH = (1 - u) * q(x) / Z
END: Any = unknown(SHOWN, Integer(0))
TV: Any = Function("TV")(u)


def distance(mask: Any, path: Any) -> Any:
    """``½ Σ |P_x(u) − P_x(0)|`` over the mask and all tokens."""
    return times(HALF, Abs(mask) + over_tokens(Abs(q(v) / Z - path.subs(x, v))))


MEANING = Meaning(
    functions={q: Lambda(v, INTENSITY), posterior: Lambda((z, v), prior * p(v, True) / p(v))},
    rules={
        END: Limit(PATH, u, 0),
        TV: distance(u**Z, PATH),
        divergence: log(over_tokens(INTENSITY)) / w,
    },
    sums={**FAMILY.definitions, Integer(1): over_tokens(p(v, True))},
)
NORMALISED_MEANING = replace(MEANING, rules={END: Limit(NORMALISED_PATH, u, 0), TV: distance(u, NORMALISED_PATH)})
TRAJECTORY = equal(unknown(MASKED, u), u**Z), equal(unknown(SHOWN, u), PATH)
TILTED = equal(END, INTENSITY.subs(v, x) / over_tokens(INTENSITY))
DISTANCE = equal(TV, u**Z)


def derivation() -> Derivation:
    """The theorem with its proof."""
    return Derivation(
        name="single token",
        title="One token: the guided trajectory ends in the tilted law",
        claim=Claim(
            r"From the mask, the guided chain with raw intensities $q(v) = p(v \mid z)^{1+w} p(v)^{-w}$ and "
            r"$Z = Z_{z,w} = \sum_v q(v)$ has the law below; at $u = 0$ it is the tilted law $p_{z,w}$.",
            (*TRAJECTORY, TILTED, DISTANCE),
        ),
        assumptions=(
            r"One position with tokens $v = 0, \ldots, N-1$, any $N$; $p(\cdot \mid z)$ and $p$ are laws on them.",
            r"Sums run over the tokens with $p(v \mid z) > 0$, and there $p(v) > 0$; other tokens are never revealed.",
            r"$w > -1$; where $p$ has no further tokens, also $w = -1$.",
        ),
        steps=(
            Step(
                "rates",
                "Each token is revealed at its intensity, and the mask is left at their sum.",
                (equal(q(x), INTENSITY.subs(v, x)), equal(Z, over_tokens(q(v)))),
                "This is the rate power rule; every factor is a positive number.",
                identities(MEANING),
            ),
            Step(
                "equations",
                "On the clock $s$ the Kolmogorov forward equations of the chain are",
                (
                    equal(Derivative(unknown(MASKED, s), s), -Z * unknown(MASKED, s)),
                    equal(Derivative(unknown(SHOWN, s), s), q(x) * unknown(MASKED, s)),
                ),
                "Tokens are never masked again, so each is only entered, from the mask.",
                equations_of(kolmogorov(FAMILY), MEANING),
            ),
            Step(
                "trajectory",
                "They are solved, from the mask at $u = 1$, by",
                TRAJECTORY,
                "Put $u = e^{-s}$: the right-hand sides satisfy the equations and the initial values, and a linear "
                "system with given initial values has one solution.",
                solves(kolmogorov(FAMILY), MEANING),
            ),
            Step(
                "divided difference",
                "The solver finds the same as a divided difference of the exponential:",
                (
                    equal(solve(FAMILY)[SHOWN], q(x) * exp_dd((Integer(0), Z), s)),
                    equal(exp_dd((Integer(0), Z), s), (1 - exp(-Z * s)) / Z),
                ),
                r"The path from the mask to $x_1$ is left at the rates $Z$ and $0$.",
                identities(MEANING),
            ),
            Step(
                "mass",
                "The probabilities sum to one at every $u$:",
                (equal(u**Z + over_tokens((1 - u**Z) * q(v) / Z), 1),),
                r"Only $q(v)$ depends on $v$, and $\sum_v q(v) = Z$.",
                identities(MEANING),
            ),
            Step(
                "terminal law",
                "As $u \\to 0$ the mask is emptied and the law becomes the tilted law $p_{z,w}$:",
                (
                    equal(Limit(u**Z, u, 0), 0),
                    equal(END, Limit(PATH, u, 0)),
                    equal(END, q(x) / Z),
                    TILTED,
                ),
                "$Z > 0$, so $u^{Z} \\to 0$; the rest is the definition of $q$ and $Z$.",
                identities(MEANING),
            ),
            Step(
                "classifier form",
                r"Equivalently the terminal law is proportional to $p(v)\, p(z \mid v)^{1+w}$, where "
                r"$p(z \mid v) = a_z\, p(v \mid z) / p(v)$ for a class with prior $a_z$:",
                (equal(p(x) * posterior(z, x) ** (1 + w) / over_tokens(p(v) * posterior(z, v) ** (1 + w)), q(x) / Z),),
                "By Bayes' rule both differ by the factor $a_z^{1+w}$, which does not depend on the token and cancels.",
                identities(MEANING),
            ),
            Step(
                "total variation",
                "The distance to the terminal law is",
                (equal(TV, distance(u**Z, PATH)), DISTANCE),
                "Every token still gains $u^{Z} q(v)/Z \\geq 0$, so the magnitudes open, and those gains sum to the "
                "mass of the mask.",
                identities(MEANING),
            ),
            Step(
                "Rényi divergence",
                r"For $w \neq 0$ the rate is an exponential of the R\'enyi divergence "
                r"$D = D_{1+w}(p(\cdot \mid z) \,\|\, p)$:",
                (
                    equal(divergence, log(over_tokens(INTENSITY)) / w),
                    equal(Z, exp(w * divergence)),
                ),
                r"The definition of the divergence of order $1 + w$, whose prefactor is $1/((1+w) - 1) = 1/w$.",
                identities(MEANING),
            ),
            Step(
                "no guidance",
                "At $w = 0$ the terminal law is the conditional law:",
                (equal((INTENSITY.subs(v, x) / over_tokens(INTENSITY)).subs(w, 0), p(x, True)),),
                r"$q = p(\cdot \mid z)$ there, and it sums to one.",
                identities(MEANING),
            ),
            Step(
                "normalised rule",
                "With the rates $q(v)/Z$ the pace no longer depends on $w$:",
                (equal(unknown(MASKED, u), u), equal(unknown(SHOWN, u), NORMALISED_PATH)),
                "The same equations with $Z$ replaced by $1$ and $q$ by $q/Z$.",
                solves(kolmogorov(NORMALISED), MEANING),
            ),
            Step(
                "end of the normalised rule",
                "For the normalised rule the terminal law is the same, and the distance to it is the mask fraction:",
                (
                    equal(END, Limit(NORMALISED_PATH, u, 0)),
                    equal(END, q(x) / Z),
                    equal(TV, distance(u, NORMALISED_PATH)),
                    equal(TV, u),
                ),
                "As before.",
                identities(NORMALISED_MEANING),
            ),
        ),
        citations=("He2025", "Nisonoff2024", "Rojas2025", "McCurdy1984"),
        instances=tuple(
            on(name, rule)
            for name in ("interval-overlap", "interval-disjoint", "digits:patch=1x1,row=3,column=3")
            for rule in ("rate", "normalised")
        ),
    )


def on(name: str, rule: str) -> Instance:
    """The theorem's formulas on a built-in problem."""

    def check(digits: int) -> Sequence[Evidence]:
        chain = named(guided_chain(guidance(load(name), rule)), w)
        pace = chain.chain.exit_rate(0)
        forms = {chain.chain.start: exp(-pace * s)}
        for context, reveals in list(zip(chain.chain.states, chain.chain.incoming, strict=True))[1:]:
            forms[context] = (1 - exp(-pace * s)) * reveals[0].rate / pace
        return verify(
            Candidate(chain, forms), Fraction(3, 2), [Fraction(1, 2), Fraction(1, 10)], digits=digits
        ).evidence

    return Instance(name if rule == "rate" else f"{name}, {rule}", check)
