"""One token: stronger guidance raises the mean log posterior and lowers the mean reciprocal posterior.

The terminal laws are an exponential family in ``w`` with the statistic ``L = log p(z|v)``: ``d/dw E[L] = Var(L) ≥ 0``,
and ``d/dw E[e^{−L}] = Cov(e^{−L}, L) ≤ 0``.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from sympy import Derivative, Function, Ge, Lambda, Sum, exp

from symguide.chains.chain import guided_chain
from symguide.chains.family import vocabulary_size
from symguide.chains.functionals import reciprocal_posterior, terminal_law
from symguide.evidence import Evidence, Verdict
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import RATIONAL
from symguide.proofs.derivation import Claim, Derivation, Instance, Step
from symguide.proofs.identities import Meaning, equal, identities, rises
from symguide.symbols import symbol, w

# --- the words of the proof -------------------------------------------------------------------------------------------

v, y = (symbol(name, integer=True, nonnegative=True) for name in ("v", "y"))
t, a, b = (symbol(name, real=True) for name in ("t", "a", "b"))
of_class: Any = Function("p", positive=True)
L: Any = Function("L", real=True)
psi, chi = Function("psi", real=True), Function("chi", real=True)
mean, reciprocal = Function("E", real=True), Function("H", positive=True)


def over(token: Any, form: Any) -> Any:
    return Sum(form, (token, 0, vocabulary_size - 1))


def weight(token: Any) -> Any:
    return of_class(token) * exp(w * L(token))


TOTAL = over(v, weight(v))
MEAN, RECIPROCAL = over(v, L(v) * weight(v)) / TOTAL, over(v, exp(-L(v)) * weight(v)) / TOTAL
SPREAD = over(v, (L(v) - mean(w)) ** 2 * weight(v)) / TOTAL
PAIRS = over(v, over(y, weight(v) * weight(y) * chi(L(v), L(y)))) / TOTAL**2
TANGENT = Lambda(t, exp(t) - 1 - t)
CROSSED = Lambda((a, b), (exp(-b) - exp(-a)) * (a - b))
NAMES = Meaning(functions={mean: Lambda(w, MEAN), reciprocal: Lambda(w, RECIPROCAL), chi: CROSSED, psi: TANGENT})
VARIANCE = equal(Derivative(mean(w), w), SPREAD)
COVARIANCE = equal(Derivative(reciprocal(w), w), -PAIRS / 2)
RISES = Ge(Derivative(mean(w), w), 0, evaluate=False)
FALLS = Ge(0, Derivative(reciprocal(w), w), evaluate=False)
ABOVE = Ge(psi(t), 0, evaluate=False)
SPLIT = equal(chi(a, b), exp(-b) * (psi(b - a) + exp(b - a) * psi(a - b)))
OPPOSED = Ge(chi(a, b), 0, evaluate=False)

# --- the proof --------------------------------------------------------------------------------------------------------


def derivation() -> Derivation:
    """The theorem with its proof."""
    tried = Meaning(example=NAMES.functions)
    return Derivation(
        name="monotonicity",
        title="One token: the posterior grows with the guidance strength",
        claim=Claim(
            r"Let $L(v) = \ln p(z \mid v)$, and let the token have the terminal law at the strength $w$, which is "
            r"proportional to $p(v)\, e^{w L(v)}$ with $p(v)$ short for $p(v \mid z)$. Then $E(w) = E[\ln p(z \mid "
            r"X)]$ has its variance as derivative and rises, and $H(w) = E[1/p(z \mid X)]$ falls, where $\chi(a, b) = "
            r"(e^{-b} - e^{-a})(a - b)$.",
            (VARIANCE, RISES, COVARIANCE, FALLS),
        ),
        assumptions=(
            r"One token, of any number $N$; sums run over the tokens of the class.",
            r"$w > -1$.",
        ),
        steps=(
            Step(
                "means",
                "The means of the log posterior and of the reciprocal posterior are",
                (equal(mean(w), MEAN), equal(reciprocal(w), RECIPROCAL)),
                r"The weights $p(v)\, e^{w L(v)}$ are divided by their sum.",
                identities(NAMES),
            ),
            Step(
                "variance",
                "The derivative of the first is the variance of the log posterior:",
                (VARIANCE,),
                r"The quotient rule; $\frac{d}{dw} e^{wL} = L e^{wL}$.",
                identities(NAMES),
            ),
            Step(
                "the mean log posterior rises",
                "So it rises:",
                (RISES,),
                "A sum of squares with positive weights.",
                identities(tried),
                given=(VARIANCE,),
            ),
            Step(
                "covariance",
                "The derivative of the second is the covariance of the reciprocal and the log posterior, as a sum over "
                "pairs:",
                (equal(chi(a, b), CROSSED(a, b)), COVARIANCE),
                r"$\mathrm{Cov}(F, G) = \frac{1}{2} \sum_{v,y} P_v P_y (F_v - F_y)(G_v - G_y)$.",
                identities(NAMES),
            ),
            Step(
                "exponential and tangent",
                r"With $\psi(t) = e^t - 1 - t$,",
                (ABOVE,),
                "Value and slope are zero at $t = 0$, and the second derivative is $e^t$.",
                rises(t, 0, order=2, meaning=Meaning(functions={psi: TANGENT})),
            ),
            Step(
                "opposed",
                r"One of $e^{-L}$ and $L$ falls where the other rises:",
                (SPLIT,),
                r"Both sides are multiplied out.",
                identities(NAMES),
            ),
            Step(
                "sign",
                "So",
                (OPPOSED,),
                r"$\psi \geq 0$ at $b - a$ and at $a - b$.",
                identities(tried),
                given=(SPLIT, ABOVE),
            ),
            Step(
                "the mean reciprocal posterior falls",
                "And the second mean falls:",
                (FALLS,),
                "Every pair contributes a product of what is not negative.",
                identities(tried),
                given=(COVARIANCE, OPPOSED),
            ),
        ),
        citations=("He2025", "Nisonoff2024"),
        instances=(on("interval-overlap"), on("interval-disjoint"), on("words:length=1,top=60", needs=("wordfreq",))),
    )


# --- data -------------------------------------------------------------------------------------------------------------


def on(name: str, needs: tuple[str, ...] = ()) -> Instance:
    """``E[1/p(z|X)]`` on a built-in problem along a grid of strengths, in rational numbers."""

    def check(digits: int) -> Sequence[Evidence]:
        problem = load(name)
        chain = guided_chain(guidance(problem))
        values = [
            reciprocal_posterior(terminal_law(chain.over(RATIONAL, Fraction(strength))), problem)
            for strength in range(6)
        ]
        held = all(later <= earlier for earlier, later in pairwise(values))
        seen = ", ".join(f"{float(value):.6g}" for value in values)
        return [Evidence("w = 0, …, 5", Verdict.PROVED if held else Verdict.REFUTED, seen)]

    return Instance(name, check, needs)
