"""One token, 50 steps of τ-leaping read half-way: why total variation turns upward when guidance grows.

A step with mean ``Λ = h β Z`` shows a token with probability ``Λ e^{−Λ}``: more than one Poisson jump is rejected. With
the hazard ``1/t`` the step from ``t = n/50`` has ``Λ = Z/n``, so half-way the mask is still there with probability
``Π_{n=26}^{50} (1 − (Z/n) e^{−Z/n})``, which is the total variation to the terminal law. A strongly guided position
freezes. (The setting is the one-dimensional experiment of He, Rojas, Tao, arXiv:2506.10971; the sampler that of Rojas
et al., arXiv:2507.08965.)
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import prod
from typing import Any, cast

import flint
import numpy as np
from sympy import Abs, Derivative, Function, Gt, Integer, Lambda, Product, Rational, Sum, Tuple, exp, log

from symguide.chains.family import MASK_SYMBOL, TokenProbability, representative, vocabulary_size
from symguide.chains.functionals import total_variation
from symguide.evidence import Evidence, Verdict
from symguide.flows.flow import Flow, run
from symguide.flows.sampler_flows import exact_segment, sampler_flow
from symguide.flows.samplers import step_kernel
from symguide.flows.steps import uniform_steps
from symguide.flows.updates import Menus, parallel_updates
from symguide.instances.datasets import load
from symguide.laws.law import TableLaw
from symguide.laws.mixture import Problem
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, FLINT, FLOATS, SYMBOLIC
from symguide.proofs.bounds import from_origin, of_numbers, on_interval
from symguide.proofs.derivation import Claim, Derivation, Figure, Instance, Step
from symguide.proofs.identities import Content, Meaning, equal, identities, times
from symguide.schedules.published import log_linear
from symguide.symbols import symbol, t, w

STEPS, READ = 50, 25
LAST = STEPS - READ + 1
"""Steps run from ``t = n/50`` to ``(n − 1)/50``; this is the ``n`` of the last one before the law is read."""
GRID = uniform_steps(log_linear(), STEPS)

# --- the words of the proof -------------------------------------------------------------------------------------------

(rate,) = representative(1).definitions
Z = symbol("Z", positive=True)
v: Any = symbol("v", integer=True, nonnegative=True)
n: Any = symbol("n", integer=True, positive=True)
x: Any = symbol("Lambda", nonnegative=True)
h, mask = symbol("h", positive=True), symbol("P_M", positive=True)
delta, share = symbol("delta", positive=True), symbol("q_0", positive=True)
q, hazard, keep = (cast(Any, Function(name, positive=True)) for name in ("q", "beta", "kappa"))
TV: Any = Function("TV")(Z)
HALF = Rational(1, 2)


def p(token: Any, of_class: bool = False) -> Any:
    """``p(v)``, or ``p(v|z)``."""
    return TokenProbability(Integer(1), token, Tuple(MASK_SYMBOL), Integer(of_class))


def over_tokens(form: Any) -> Any:
    return Sum(form, (v, 0, vocabulary_size - 1))


INTENSITY = (p(v, True) / p(v)) ** w * p(v, True)
PLAIN = Meaning(
    {q: Lambda(v, INTENSITY), hazard: Lambda(t, log_linear().hazard), keep: Lambda(x, 1 - x * exp(-x))},
    {Z: rate},
    representative(1).definitions,
)
# On interval-overlap, for the first step of 50.
CLAMPED = Meaning(rules={delta: Rational(1, STEPS), share: Rational(1, 6)})
DISTANCE = times(HALF, Abs(mask) + over_tokens(Abs(q(v) / Z - (1 - mask) * q(v) / Z)))

FROZEN = 1 - Z / n * exp(-Z / n)
CURVE = equal(TV, Product(FROZEN, (n, LAST, STEPS)))
EXACT = equal(Product((1 - 1 / n) ** Z, (n, LAST, STEPS)), HALF**Z)

# −d ln TV/dZ is a sum over steps of (1 − Λ)/(n (e^Λ − Λ)), Λ = Z/n.
FALL: Any = Sum((1 - Z / n) / (n * (exp(Z / n) - Z / n)), (n, LAST, STEPS))
TURN = Fraction("36.6421"), Fraction("36.6422")
TURN_IN_W = Fraction("5.7672"), Fraction("5.7673")
LEAVE = Fraction("7.7239"), Fraction("7.7240")
PACE: Any = Rational(1, 3) + Rational(2, 3) * 2**w
"""``Z`` of the instance ``interval-overlap``."""


def at(form: Any, point: Fraction) -> Any:
    return form.xreplace({Z: Rational(point.numerator, point.denominator)})


def positive(form: Any) -> Any:
    """``form > 0`` as it is written."""
    return Gt(form, 0, evaluate=False)


# Logarithm of the excess over the exact law, twice as much being ln 2.
EXCESS: Any = Sum(log(FROZEN), (n, LAST, STEPS)) + (Z - 1) * log(2)

# --- the proof --------------------------------------------------------------------------------------------------------


def derivation() -> Derivation:
    """The theorem with its proof."""
    return Derivation(
        name="tau leaping",
        title="One token: where tau-leaping turns against guidance",
        claim=Claim(
            r"Let $Z$ be the rate of the only position. After 25 of 50 steps of $\tau$-leaping, more than one jump "
            r"rejected, from $t = 1$ to $0$ under the hazard $1/t$, the total variation to the terminal law is the "
            r"product below, against $2^{-Z}$ for the exact chain. It exceeds that for every $Z > 0$, falls until $Z$ "
            r"is between $36.6421$ and $36.6422$, and grows from there on towards one.",
            (CURVE, EXACT, *_turn_signs()),
        ),
        assumptions=(
            r"One position, any number of tokens, rate power rule with $Z = \sum_v q(v) > 0$.",
            r"Rates are frozen at the start of a step; log-linear noise, for which $\beta(t) = 1/t$ and $u = t$.",
        ),
        steps=(*_curve(), *_freezing(), *_other_samplers()),
        citations=("He2025", "Rojas2025", "Campbell2022", "Nisonoff2024", "Johansson2017"),
        instances=(
            Instance("interval-overlap, the curve from the engine", _engine),
            Instance("interval-overlap, clamps in one token", _clamps_in_one_token),
            Instance("two independent tokens, clamps", _clamps_in_two_tokens),
            Instance("squares-overlap, parallel updates", _parallel_updates),
        ),
        figures=(
            Figure(
                "tau leaping curves",
                r"Total variation to the terminal law after 25 of 50 steps, on interval-overlap. Vertical lines: where "
                r"$\tau$-leaping is twice as far as the exact chain, and where it turns. Values below $10^{-8}$, "
                r"and the 0 of the clamps, are left out.",
                _draw,
            ),
        ),
    )


def _curve() -> tuple[Step, ...]:
    return (
        Step(
            "one step",
            r"Each token jumps a Poisson number of times with mean $h \beta q(v)$; only a single jump in all is kept. "
            r"With $\Lambda = h \beta Z$ and $\beta h$ written $h$, a token is shown with probability",
            (equal(Z, over_tokens(q(v))), equal(over_tokens(h * q(v) * exp(-h * Z)), h * Z * exp(-h * Z))),
            r"One jump to $v$ and none elsewhere: $h q(v) e^{-h q(v)} \prod_{u \neq v} e^{-h q(u)}$.",
            identities(PLAIN),
        ),
        Step(
            "grid",
            r"Under the hazard $\beta = -\alpha'/(1 - \alpha) = 1/t$ the step from $t = n h$ has $h \beta = 1/n$:",
            (equal(hazard(t), 1 / t), equal(h * hazard(n * h), 1 / n)),
            "The grid is uniform in $t$; here $h = 1/50$.",
            identities(PLAIN),
        ),
        Step(
            "distance",
            "With the mask left at $P_M$ and tokens shown in proportion to $q$, the distance to the terminal law is",
            (equal(DISTANCE, mask),),
            r"Every token still gains $P_M\, q(v)/Z \geq 0$, and these gains sum to the mass of the mask.",
            identities(PLAIN),
        ),
        Step(
            "curve",
            "So after the steps $n = 50, 49, \\ldots, 26$",
            (CURVE,),
            "The engine runs the 25 steps on a general law in symbols and finds the same product for the mask.",
            _of_engine,
        ),
        Step(
            "exact chain",
            r"The exact chain keeps the mask with $u^Z$, step by step $(1 - 1/n)^Z$, in all $2^{-Z}$ at $u = 1/2$:",
            (EXACT,),
            r"The product telescopes: $\prod_{n=26}^{50} (n-1)/n = 25/50$.",
            _telescopes,
        ),
        Step(
            "slower than exact",
            r"A step of $\tau$-leaping keeps the mask with more than the exact probability, for every $\Lambda > 0$:",
            (exp(x) >= 1 + x,),
            r"Divided by $e^{\Lambda}$ it says $1 - \Lambda e^{-\Lambda} \geq e^{-\Lambda}$, and "
            r"$e^{-Z/n} \geq (1 - 1/n)^Z$ by the same inequality, strictly for $\Lambda > 0$.",
            from_origin(x),
        ),
    )


def _freezing() -> tuple[Step, ...]:
    return (
        Step(
            "leaving the exact curve",
            r"The excess over the exact law, $\mathrm{TV}\, 2^{Z}$, grows with $Z$; it reaches 2 between $Z = 7.7239$ "
            r"and $7.7240$, where the logarithm of half of it is negative and positive:",
            (positive(-at(EXCESS, LEAVE[0])), positive(at(EXCESS, LEAVE[1]))),
            r"The logarithm of the excess has the slope $\sum_n [-\ln(1 - \frac{1}{n}) - \frac{1}{n} "
            r"(1 - \Lambda)/(e^{\Lambda} - \Lambda)]$, which is positive: $1 - \Lambda \leq e^{\Lambda} - \Lambda$ and "
            r"$-\ln(1 - \frac{1}{n}) > \frac{1}{n}$.",
            of_numbers(),
        ),
        Step(
            "a position freezes",
            r"The probability $\kappa(\Lambda)$ that a step with mean $\Lambda$ keeps the mask falls to $1 - 1/e$ at "
            r"$\Lambda = 1$ and rises from there:",
            (
                equal(keep(x), 1 - x * exp(-x)),
                equal(Derivative(1 - x * exp(-x), x), -(1 - x) * exp(-x)),
                equal(keep(Integer(1)), 1 - exp(-1)),
            ),
            r"The slope $-(1 - \Lambda) e^{-\Lambda}$ has the sign of $\Lambda - 1$.",
            _derivatives,
        ),
        Step(
            "frozen for good",
            r"and towards one, since $\Lambda e^{-\Lambda} \leq 2/\Lambda$:",
            (exp(x) >= x**2 / 2,),
            r"So $\mathrm{TV} \geq \prod_n (1 - 2n/Z)$ for $Z > 100$, which tends to 1: no step is taken at all.",
            from_origin(x),
        ),
        Step(
            "falling",
            r"For $Z \leq 26$ every factor falls. From there to $36.6421$ their product still does, for "
            r"$-\mathrm{d} \ln \mathrm{TV}/\mathrm{d} Z$ is",
            (positive(FALL),),
            r"Each factor contributes $\frac{1}{n} (1 - \Lambda)/(e^{\Lambda} - \Lambda)$ with $\Lambda = Z/n$, which "
            r"is positive for $\Lambda < 1$; balls cover the interval.",
            on_interval(Z, Fraction(LAST), TURN[0]),
        ),
        Step(
            "rising",
            "For $Z \\geq 50$ every factor rises. From $36.6422$ to there their product does:",
            (positive(-FALL),),
            "Balls cover the interval.",
            on_interval(Z, TURN[1], Fraction(STEPS)),
        ),
        Step(
            "turn",
            "In between it turns. The sign is certain at both ends:",
            _turn_signs(),
            "Balls, at the two ends.",
            of_numbers(),
        ),
        Step(
            "one turn",
            "In between the sum has a negative slope, so there is one turning point:",
            (positive(-FALL.diff(Z)),),
            "Balls cover the interval.",
            on_interval(Z, *TURN),
        ),
        Step(
            "turn in the guidance strength",
            r"On the instance interval-overlap $Z = \frac{1}{3} + \frac{2}{3} 2^w$, so the turn lies between "
            r"$w = 5.7672$ and $5.7673$, where the sum is positive and negative:",
            tuple(
                positive(sign * FALL.subs(Z, PACE.subs(w, _rational(end))))
                for sign, end in zip((1, -1), TURN_IN_W, strict=True)
            ),
            "$Z$ grows with $w$; balls, at the two ends.",
            of_numbers(),
        ),
    )


def _other_samplers() -> tuple[Step, ...]:
    return (
        Step(
            "Euler does not turn",
            r"Clamped and renormalised, a step shows a token with probability $\min(\Lambda, 1)$, in proportion to "
            r"$q$. For $\Lambda < 1$ the mask stays with $1 - \Lambda$, and then not at all:",
            (
                equal(over_tokens(h * q(v)), h * Z),
                equal(over_tokens(q(v) / Z), 1),
                equal(Derivative(1 - x, x), -1),
            ),
            r"No factor grows with $Z$, so $\mathrm{TV} = \prod_n (1 - \min(1, Z/n))$ never does, and from $Z = 26$ on "
            r"it is 0.",
            _derivatives,
        ),
        Step(
            "entry by entry, rates are flattened",
            r"Clamped entry by entry, all tokens with $h \beta q(v) \geq 1$ are shown with equal probability, whatever "
            r"their rates. On interval-overlap, as $w \to \infty$, the first step shows one of four guided tokens, "
            r"each clamped at 1, or of two others with $q_0 = \frac{1}{6}$, whatever $w$, and $\delta = h \beta = "
            r"\frac{1}{50}$. The two have a share of the terminal law that tends to 0, but are shown with",
            (equal(2 * delta * share / (4 + 2 * delta * share), Rational(1, 601)),),
            r"The clamped entries are divided by their sum, which is above 1. So $\mathrm{TV} \to 1/601$, though it is "
            r"0 at $w = 8$: the curve turns, by another mechanism than freezing.",
            identities(CLAMPED),
        ),
    )


def _rational(value: Fraction) -> Any:
    return Rational(value.numerator, value.denominator)


def _turn_signs() -> tuple[Any, Any]:
    return positive(at(FALL, TURN[0])), positive(-at(FALL, TURN[1]))


# --- how steps are checked --------------------------------------------------------------------------------------------

NOTHING_SHOWN = Verdict.UNKNOWN, "no formula is shown, so nothing was checked"


def _derivatives(content: Content) -> tuple[Verdict, str]:
    """Identities, once derivatives are taken."""
    return identities(PLAIN)(tuple(equal(left.doit(), right) for left, right in (item.args for item in content)))


def _telescopes(content: Content) -> tuple[Verdict, str]:
    """Products of powers with one exponent, by the product of their bases."""
    if not content:
        return NOTHING_SHOWN
    for left, right in (item.args for item in content):
        assert isinstance(left, Product)
        ((number, low, high),), (base, exponent) = left.limits, cast(Any, left.function).as_base_exp()
        product = prod(base.subs(number, k) for k in range(int(low), int(high) + 1))
        if product**exponent != right:
            return Verdict.REFUTED, f"the bases multiply to {product}, which gives {product**exponent}"
    return Verdict.PROVED, "the bases are multiplied, exactly"


def _of_engine(content: Content) -> tuple[Verdict, str]:
    """Whether the product is what the engine's kernels leave of the mask, with general rates of six tokens."""
    if not content:
        return NOTHING_SHOWN
    found = _left_masked("tau-leaping", READ)
    for _, product in (item.args for item in content):
        ratio = found / product.doit()
        if ratio != 1:
            return Verdict.REFUTED, f"the engine's mask divided by the product is {ratio}"
    return Verdict.PROVED, f"the same product as the engine's after {READ} steps, factor by factor"


def _left_masked(sampler: str, count: int) -> Any:
    """The mask after some steps of a sampler, for one position with the rates ``q_v`` and their sum ``Z``."""
    updates = parallel_updates(guidance(load("interval-overlap")))
    rates = np.array([[symbol(f"q_{token}", positive=True) for token in updates.tokens[0]]], dtype=object)
    menus = Menus(rates, rates / Z, np.array([[Z]], dtype=object), np.array([[True]]), SYMBOLIC)
    kernels = [step_kernel(sampler, updates, menus, step) for step in GRID[:count]]
    return run(Flow(tuple(kernels)))[(None,)]


def _draw(axes: Any) -> None:
    """Four curves against ``w``, from the engine."""
    problem = load("interval-overlap")
    strengths = np.linspace(0.0, 11.0, 56)
    names = {
        "tau-leaping": "tau-leaping, jumps rejected",
        "euler-entrywise": "Euler, clamped entry by entry",
        "euler": "Euler, clamped and renormalised",
        "first-hitting": "exact chain",
    }
    for sampler, label in names.items():
        values = []
        for strength in strengths.tolist():
            law = run(sampler_flow(problem, sampler, strength, GRID[:READ], rule="rate"))
            end = run(Flow((exact_segment(guidance(problem), strength, Fraction(0), FLOATS),)))
            values.append(float(total_variation(law, end)))
        shown = np.where(np.array(values) > 1e-8, values, np.nan)
        axes.semilogy(strengths, shown, label=label, linestyle="--" if sampler == "first-hitting" else "-")
    for low, high in (LEAVE, TURN):
        axes.axvline(np.log2((3 * float(low + high) / 2 - 1) / 2), color="0.7", linewidth=1)
    axes.set(xlabel="guidance strength w", ylabel="TV to the terminal law", xlim=(0, 11), ylim=(1e-8, 2))
    axes.legend(frameon=False, loc="lower right")


# --- on data ----------------------------------------------------------------------------------------------------------


def _distance(problem: Problem, sampler: str, strength: int) -> Fraction:
    """The total variation of a sampler half-way to the terminal law, in rationals."""
    law = run(sampler_flow(problem, sampler, strength, GRID[:READ], FLINT))
    end = run(Flow((exact_segment(guidance(problem), Fraction(strength), Fraction(0), FLINT),)))
    found = total_variation(law, end)
    return Fraction(int(found.p), int(found.q))


def _engine(digits: int) -> Sequence[Evidence]:
    """The curve at some strengths, from the engine in balls."""
    problem, found = load("interval-overlap"), []
    with flint.ctx.workdps(digits + 10):
        for strength in (0, 3, 6, 9):
            law = run(sampler_flow(problem, "tau-leaping", strength, GRID[:READ], BALLS))
            pace = BALLS.number(Fraction(1, 3) + Fraction(2, 3) * 2**strength)
            shown = flint.arb(1)
            for k in range(LAST, STEPS + 1):
                shown *= 1 - pace / k * (-pace / k).exp()
            same = law[(None,)].overlaps(shown) and shown.rad() < abs(shown) * flint.arb(10) ** -digits
            verdict = Verdict.ENCLOSED if same else Verdict.REFUTED
            found.append(Evidence(f"w = {strength}", verdict, f"the mask is {shown.str(8, radius=False)} in balls"))
    return found


def _compared(problem: Problem, sampler: str, strengths: Sequence[int], grows: bool) -> list[Evidence]:
    """Whether the distance grows, or falls, from strength to strength."""
    values = {strength: _distance(problem, sampler, strength) for strength in strengths}
    found = []
    for low, high in pairwise(strengths):
        right = values[low] < values[high] if grows else values[low] > values[high]
        first, last = (float(values[strength]) for strength in (low, high))
        words = f"TV {'grows' if grows else 'falls'} from {first:.6g} to {last:.6g}, exactly"
        name = f"{sampler}, w = {low} to {high}"
        found.append(Evidence(name, Verdict.PROVED if right else Verdict.REFUTED, words))
    return found


def _clamps_in_one_token(digits: int) -> Sequence[Evidence]:
    problem = load("interval-overlap")
    return [
        *_compared(problem, "euler", range(6), grows=False),
        *_compared(problem, "euler-entrywise", range(6), grows=False),
        *_compared(problem, "euler-entrywise", (8, 9, 10, 12), grows=True),
    ]


def _clamps_in_two_tokens(digits: int) -> Sequence[Evidence]:
    """Two positions that know nothing of each other: parallel updates cost nothing, so what turns is the clamp."""
    single = load("interval-overlap")
    laws = []
    for law in (single.conditional, single.unconditional):
        assert isinstance(law, TableLaw)
        pairs = {(*a, *b): p * q for a, p in law.weights.items() for b, q in law.weights.items()}
        laws.append(TableLaw.from_mapping(law.vocabulary, 2, pairs))
    problem = Problem(*laws, name="two independent tokens")
    return [
        *_compared(problem, "euler", (0, 2, 4, 5), grows=False),
        *_compared(problem, "euler-entrywise", (8, 9, 10, 12), grows=True),
    ]


def _parallel_updates(digits: int) -> Sequence[Evidence]:
    """Where positions depend on one another Euler turns too, and all that is wrong then comes from parallel updates."""
    problem = load("squares-overlap")
    law = run(sampler_flow(problem, "euler", 7, GRID[:1], FLINT))
    blind = all(probability == 0 for context, probability in law.table.items() if None in context)
    return [
        *_compared(problem, "euler", (4, 5, 6), grows=False),
        *_compared(problem, "euler", (7, 9, 11), grows=True),
        *_compared(problem, "euler-entrywise", (8, 10, 12), grows=False),
        Evidence(
            "euler, w = 7, first step",
            Verdict.PROVED if blind else Verdict.REFUTED,
            "both tokens are shown at once, each in the context of the start",
        ),
    ]
