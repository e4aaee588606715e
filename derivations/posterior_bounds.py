"""Any number of tokens: what guidance keeps of the posterior, at every strength ``w ≥ 0`` and to first order in it.

``E[p(z|X)] ≥ p(z)`` and ``E[log p(z|X)] ≥ log p(z)`` follow from the drift of ``1/p(z|x)``. At ``w = 0`` both rules
move the expectation of any ``f(X)`` alike, by covariances ``Cov(F_i, log p^z_i/p_i)`` of one reveal; for ``1/p(z|X)``
these are not positive where the class excludes no token.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sympy import Function, Ge, Integer, Lambda, Rational, Sum, log

from symguide.chains.chain import guided_chain
from symguide.chains.functionals import posterior, terminal_law
from symguide.evidence import Evidence, Verdict
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import RATIONAL
from symguide.proofs.derivation import Claim, Derivation, Instance, Step
from symguide.proofs.identities import Meaning, equal, identities, rises
from symguide.proofs.lemmas import LAWS, given_class, given_none, i, intensity, over_tokens, v
from symguide.symbols import symbol, w

# --- the words of the proof -------------------------------------------------------------------------------------------

# What stays: points x = 1, …, n of the terminal law h with posteriors π(x), and the class prior.
n, x = symbol("n", integer=True, positive=True), symbol("x", integer=True, positive=True)
prior: Any = symbol("p(z)", positive=True)
law, pi = Function("h", positive=True), Function("pi", positive=True)
chi: Any = Function("chi", real=True)
t: Any = symbol("t", positive=True)
mean_posterior, mean_reciprocal = symbol("E", positive=True), symbol("H", positive=True)
mean_log = symbol("L", real=True)
TANGENT = Lambda(t, t - 1 - log(t))
BELOW = Ge(chi(t), 0, evaluate=False)


def over_points(form: Any) -> Any:
    return Sum(form, (x, 1, n))


SPREAD = over_points(law(x) * (pi(x) - prior) ** 2 / pi(x))
JENSEN = equal(mean_posterior, prior + prior * (1 - prior * mean_reciprocal) + SPREAD)
LOG_JENSEN = equal(mean_log, log(prior) + 1 - prior * mean_reciprocal + over_points(law(x) * chi(prior / pi(x))))
AT_LEAST = (
    Ge(mean_posterior, prior + prior * (1 - prior * mean_reciprocal), evaluate=False),
    Ge(mean_log, log(prior) + 1 - prior * mean_reciprocal, evaluate=False),
)

ABOVE_PRIOR = Ge(mean_posterior, prior, evaluate=False), Ge(mean_log, log(prior), evaluate=False)

# First order: a context with k masks. What is expected from it is G + g w, from its successors F + f w, up to O(w^2).
k: Any = symbol("k", integer=True, positive=True)
here, here_slope = symbol("G", real=True), symbol("g", real=True)
ahead, ahead_slope = Function("F_", real=True), Function("f_", real=True)
covariance, divergence = Function("C_", real=True), Function("KL_", real=True)
# The same for 1/p(z|X): slopes −d after one reveal.
posterior_here, reciprocal_slope = symbol("pi", positive=True), symbol("g_r", real=True)
reciprocal_covariance, falls = Function("C^{r}_", real=True), Function("d_", nonnegative=True)
balance, slow_balance = symbol("beta", real=True), symbol("beta_n", real=True)
RATIO = given_class(i, v) / given_none(i, v)
CHANGE = ahead(i, v) + w * ahead_slope(i, v) - here - w * here_slope


def over_positions(form: Any) -> Any:
    return Sum(form, (i, 1, k))


def at_zero(form: Any) -> Any:
    """The derivative at ``w = 0``."""
    return form.diff(w).subs(w, 0)


COVARIANCE = over_tokens(given_class(i, v) * (ahead(i, v) - here) * log(RATIO))
CENTRED = equal(covariance(i), over_tokens(given_class(i, v) * (ahead(i, v) - here) * (log(RATIO) - divergence(i))))
MOVED = over_positions(over_tokens(given_class(i, v) * ahead_slope(i, v))) - k * here_slope
FIRST_ORDER = tuple(equal(rule, MOVED + over_positions(covariance(i))) for rule in (balance, slow_balance))
SIGNED = equal(
    reciprocal_covariance(i),
    -over_tokens(given_class(i, v) * (chi(1 / RATIO) + chi(RATIO) / RATIO)) / posterior_here,
)
OPPOSED = Ge(0, reciprocal_covariance(i), evaluate=False)
FALLING = Ge(0, reciprocal_slope, evaluate=False)

# --- the proof --------------------------------------------------------------------------------------------------------


def derivation() -> Derivation:
    """The theorem with its proof."""
    return Derivation(
        name="posterior bounds",
        title="Any number of tokens: what guidance keeps of the posterior",
        claim=Claim(
            r"Let $E$, $H$, $L$ be the means of $p(z \mid X)$, $1/p(z \mid X)$ and $\ln p(z \mid X)$ under the "
            r"terminal law at a strength $w \geq 0$, where $H \leq 1/p(z)$. Then $E \geq p(z)$ and $L \geq \ln p(z)$, "
            r"for every $D$ and under both rules. To first order at $w = 0$ both rules move the expectation of any "
            r"$F(X)$ alike, by the covariances $C_i$ of what is expected after a reveal with $\ln(p^z_i/p_i)$. For "
            r"$1/p(z \mid X)$ and a class that excludes no token these, $C^r_i$, are not positive, and neither is the "
            r"slope $g_r$ of what is expected.",
            (*ABOVE_PRIOR, CENTRED, *FIRST_ORDER, OPPOSED, FALLING),
        ),
        assumptions=(
            r"Any number of positions and tokens; $p > 0$ where $p(\cdot \mid z) > 0$, and no mass is lost.",
            r"That $H \leq 1/p(z)$ for $w \geq 0$ is shown under `drift'.",
        ),
        steps=(*_bounds(), *_first_order()),
        citations=("He2025", "Nisonoff2024", "Rojas2025"),
        instances=tuple(
            bounded(name, rule)
            for name in ("squares-overlap", "slower-sampling", "hypercubes:D=3,side=2,overlap=1")
            for rule in ("rate", "normalised")
        ),
    )


def _bounds() -> tuple[Step, ...]:
    words = Meaning(
        functions={chi: TANGENT},
        rules={
            mean_posterior: over_points(law(x) * pi(x)),
            mean_reciprocal: over_points(law(x) / pi(x)),
            mean_log: over_points(law(x) * log(pi(x))),
        },
        sums={Integer(1): over_points(law(x))},
        example={law: Lambda(x, x / Integer(6)), pi: Lambda(x, x / Integer(5)), n: Integer(3)},
    )
    closed = Meaning(example={**words.example, chi: TANGENT, prior: Rational(1, 4)} | dict(words.rules))
    return (
        Step(
            "a logarithm and its tangent",
            r"With $\chi(t) = t - 1 - \ln t$,",
            (BELOW,),
            r"Value and slope are zero at $t = 1$, and the second derivative is $t^{-2}$.",
            rises(t, 1, order=2, meaning=Meaning(functions={chi: TANGENT})),
        ),
        Step(
            "means and the mean reciprocal",
            r"Let $h$ be any law of points $x = 1, \ldots, n$ with posteriors $\pi(x) > 0$, and $E$, $H$, $L$ the "
            r"means of $\pi$, $1/\pi$, $\ln \pi$. Then",
            (JENSEN, LOG_JENSEN),
            r"Both sides are multiplied out, with $\sum_x h(x) = 1$.",
            identities(words),
        ),
        Step(
            "so they are bounded below",
            r"Hence, for every $D$,",
            AT_LEAST,
            r"Sums of what is not negative.",
            identities(closed),
            given=(JENSEN, LOG_JENSEN, BELOW),
        ),
        Step(
            "with the drift",
            r"Where $H \leq 1/p(z)$, as for $w \geq 0$, therefore",
            ABOVE_PRIOR,
            r"$p(z) H \leq 1$.",
            identities(
                replace(closed, domain={mean_reciprocal: 1 / (prior * (1 + symbol("epsilon", nonnegative=True)))})
            ),
            given=AT_LEAST,
        ),
    )


def _first_order() -> tuple[Step, ...]:
    rate = over_tokens(intensity(i, v))
    laws = {**LAWS, given_none: Lambda((i, v), (3 - v) / Integer(6))}
    certain = over_tokens(given_class(i, v))
    words = Meaning(
        functions={covariance: Lambda(i, COVARIANCE)},
        rules={
            balance: at_zero(over_positions(over_tokens(intensity(i, v) * CHANGE))),
            slow_balance: at_zero(over_positions(over_tokens(intensity(i, v) * CHANGE) / rate)),
        },
        totals=((over_tokens(given_class(i, v) * ahead(i, v)), here), (certain, Integer(1))),
        example={
            **laws,
            ahead: Lambda((i, v), 2 * laws[given_none](i, v) / laws[given_class](i, v)),
            here: Integer(2),
        },
    )
    reciprocals = {ahead: Lambda((i, v), 1 / (posterior_here * RATIO)), here: 1 / posterior_here}
    of_reciprocal = COVARIANCE.replace(ahead, reciprocals[ahead]).subs(here, reciprocals[here])
    signed = Meaning(functions={reciprocal_covariance: Lambda(i, of_reciprocal), chi: TANGENT}, example=laws)
    moved = over_positions(reciprocal_covariance(i) - over_tokens(given_class(i, v) * falls(i, v)))
    slopes = Meaning(
        rules={reciprocal_slope: moved / k},
        example={**laws, falls: Lambda((i, v), v + i), reciprocal_covariance: Lambda(i, -Rational(1, 3))},
    )
    return (
        Step(
            "a reveal, to first order",
            r"In a context with $k$ masks let $G + g w$ be what is expected of some $F(X)$, and $F_i(v) + f_i(v) w$ "
            r"the same after $v$ is revealed at $i$, up to $O(w^2)$. What the generator makes of it, $\sum_i \sum_v "
            r"q_i(v) (F_i(v) + f_i(v) w - G - g w)$ under the raw rule, with $q_i/\lambda_i$ under the normalised one, "
            r"is zero. Its slopes at $w = 0$ are $\beta$ and $\beta_n$,",
            (CENTRED, *FIRST_ORDER),
            r"$G = \sum_v p^z_i(v) F_i(v)$ at every $i$, as $G$ is a conditional expectation under $p(\cdot \mid z)$. "
            r"So $C_i$ is the covariance of $F_i$ and $\ln(p^z_i/p_i)$, whatever $\mathrm{KL}_i$ is taken off; and $k "
            r"g = \sum_i \sum_v p^z_i f_i + \sum_i C_i$ under both rules, from nothing masked, where $g = 0$, on.",
            identities(words),
        ),
        Step(
            "the reciprocal posterior",
            r"Where no $p_i$ has tokens that the class excludes, what is expected of $1/p(z \mid X)$ is $G = 1/\pi$, "
            r"and $F_i = p_i/(\pi p^z_i)$ after a reveal, with $\pi = p(z \mid x_S)$. Its covariances are",
            (SIGNED,),
            r"$(1 - 1/r) \ln r = \chi(1/r) + \chi(r)/r$.",
            identities(signed),
        ),
        Step(
            "has no positive covariance",
            "So",
            (OPPOSED,),
            r"$\chi \geq 0$.",
            identities(Meaning(example={**signed.example, **signed.functions})),
            given=(SIGNED, BELOW),
        ),
        Step(
            "and no positive slope",
            r"By induction on the number of masks, with the slopes $-d_i \leq 0$ after one reveal,",
            (FALLING,),
            r"Where nothing is masked the slope is zero; and $k g_r$ is a sum of what is not positive.",
            identities(slopes),
            given=(OPPOSED,),
        ),
    )


# --- data -------------------------------------------------------------------------------------------------------------


def bounded(name: str, rule: str) -> Instance:
    """``E[p(z|X)] ≥ p(z)`` on a built-in problem, in rational numbers."""

    def check(digits: int) -> Sequence[Evidence]:
        problem = load(name)
        chain = guided_chain(guidance(problem, rule))
        found = []
        for strength in map(Fraction, range(4)):
            value = posterior(terminal_law(chain.over(RATIONAL, strength)), problem)
            held = value >= problem.prior
            found.append(Evidence(f"w = {strength}", Verdict.PROVED if held else Verdict.REFUTED, str(value)))
        return found

    return Instance(f"{name}, {rule}", check)
