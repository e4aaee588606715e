"""Any number of tokens: how fast total variation falls as guidance grows, and what decides it.

A context is *neutral* when every masked position is revealed at rate one, whatever ``w``; elsewhere exit rates grow
like ``b^w``. Two bounds, both by induction on the number of masks, hold for every ``D``: a visit to one context keeps
the chain for at least its holding time, and contexts of exit rate at least ``λ`` are passed no slower than ``λ``
allows. They bracket total variation and so decide between three regimes (He, Rojas, Tao, arXiv:2506.10971, for one and
two tokens without neutral contexts).
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import flint
from sympy import Derivative, Function, Ge, Integer, Lambda, Rational, Sum, exp, log

from symguide.asymptotics.brackets import Bracket
from symguide.asymptotics.regime import Regime, regime
from symguide.chains.chain import Chain, guided_chain
from symguide.chains.expansion import expand
from symguide.evidence import Evidence, Verdict
from symguide.instances.datasets import load
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, RATIONAL
from symguide.numbers.number import to_sympy
from symguide.proofs.derivation import Claim, Derivation, Instance, Step
from symguide.proofs.identities import Meaning, equal, identities, rises, values
from symguide.proofs.lemmas import POSITIVE
from symguide.symbols import s, symbol, u, w

# --- the words of the proof -------------------------------------------------------------------------------------------

j, index, m, n, k = (symbol(name, integer=True, positive=True) for name in "jlmnk")
exit_rate, slow, floor, base, first, h, met = (
    symbol(name, positive=True) for name in ("Lambda", "kappa", "lambda", "b", "c", "h", "eta")
)
fast: Any = symbol("mu", nonnegative=True)  # by how much an exit rate exceeds the floor
left, after = (Function(name, nonnegative=True) for name in ("T", "T_"))
speed, others = (Function(name, positive=True) for name in ("r_", "c_"))
reach, meet, ahead, behind, gap = (Function(name, nonnegative=True) for name in ("h_", "eta_", "e_", "d_", "a_"))
tail, delta = (Function(name, real=True) for name in ("G", "delta"))
last, before = (Function(name, nonnegative=True) for name in ("g", "f"))
total: Any = Function("Lambda", positive=True)
visits, pace = (Function(name, positive=True) for name in ("v", "lambda_"))


def over_reveals(form: Any) -> Any:
    """``Σ_j`` over the reveals out of a context."""
    return Sum(form, (j, 1, m))


BACKWARD = {left(s).diff(s): over_reveals(speed(j) * after(j, s)) - exit_rate * left(s), left(0): Integer(1)}
"""The backward equation: the probability that a mask is left is that after the first reveal, averaged over it."""
EXAMPLE = {
    speed: Lambda(j, Integer(1)),
    m: Integer(2),
    n: Integer(2),
    exit_rate: Integer(2),
    slow: Rational(1, 2),
    others: Lambda(index, index),
    gap: Lambda(index, index),
}

KEPT = Ge(left(s), exp(-exit_rate * s), evaluate=False)
BELOW = Ge(left(s), h * exp(-slow * s) + (1 - h) * exp(-exit_rate * s), evaluate=False)
LOWER = Ge(left(s), h * exp(-slow * s), evaluate=False)
NOT_NEGATIVE = Ge(last(s), 0, evaluate=False)
MISSING = Lambda(s, tail(s) + met * (1 - exp(-exit_rate * s)) - left(s))
SLOPE = equal(Derivative(delta(s), s), -exit_rate * delta(s) + over_reveals(speed(j) * behind(j, s)) + fast * last(s))
BEGINS = equal(delta(0), 0)
AHEAD = Ge(delta(s), 0, evaluate=False)
UPPER = Ge(tail(s) + met, left(s), evaluate=False)
LEAST = Ge(total(w), first * base**w, evaluate=False)
MOST = Ge(base**w * (first + Sum(others(index), (index, 1, n))), total(w), evaluate=False)
RATE = Lambda(w, base**w * (first + Sum(others(index) * exp(-gap(index) * w), (index, 1, n))))
SQUARES = {
    strength: equal(visits(strength), Rational(2 ** (strength + 1), 2 ** (strength + 1) + 1)) for strength in (0, 1, 4)
}

# --- the proof --------------------------------------------------------------------------------------------------------


def derivation() -> Derivation:
    """The theorem with its proof."""
    return Derivation(
        name="large guidance",
        title="Any number of tokens: what total variation does as guidance grows",
        claim=Claim(
            r"Let the raw chain, from some context, visit $x$ with probability $h$ and $x$ be left at the rate "
            r"$\kappa$; let it meet a neutral context with probability $\eta$, and let every other context be left "
            r"at a "
            r"rate of at least $\lambda$. With the gamma tail $G$ of $D$ stages of rate $\lambda$, the probability $T$ "
            r"that a mask is left after the clock $s$ lies between the first two bounds. Exit rates that grow do so "
            r"like one power, as the last two say. So at fixed $u = e^{-s} \in (0, 1)$: without neutral contexts "
            r"$\ln(-\ln \mathrm{TV}) \sim w \ln b$, where $b$ is the smallest of these bases (double-exponential); "
            r"with "
            r"neutral contexts that are met with a probability of order $\rho^w$, $\rho < 1$, $-\ln \mathrm{TV} = w "
            r"\ln(1/\rho) + O(1)$ (single-exponential); with neutral contexts whose probability stays above some $h > "
            r"0$, $\mathrm{TV} \geq h\,u^{k}$ for all large $w$ (saturating).",
            (LOWER, UPPER, LEAST, MOST),
        ),
        assumptions=(
            r"$D$ positions, any number of tokens, $w \geq 0$; $p(\cdot \mid z)$ and $p$ are laws, $p > 0$ where "
            r"$p(\cdot \mid z) > 0$.",
            r"The backward equation $T' = \sum_j r_j T_j - \Lambda T$, $T(0) = 1$, with $\Lambda = \sum_j r_j$, as "
            r"derived for the domination of total variation; $T_j = 0$ where the $j$-th reveal is the last.",
            r"The published rate in two tokens, $-\ln \mathrm{TV} = e^{\Theta(w)} \ln(1/u)$, needs that no neutral "
            r"context is reachable: two overlapping squares, below, have some, and there $\mathrm{TV} "
            r"\geq v(w)\,u$ with $v(w) \to 1$.",
        ),
        steps=(*_below(), *_above(), *_rates(), *_examples()),
        citations=("He2025", "Nisonoff2024"),
        instances=(
            on("interval-overlap", "double-exponential"),
            on("squares-overlap", "saturating"),
            on("slower-sampling", "saturating"),
            on("hypercubes:D=3,side=2,overlap=1", "saturating"),
            on("digits", needs=("sklearn",)),
            on("disjoint classes", "double-exponential"),
            Instance("slower-sampling, more guidance", _slower),
        ),
    )


def _below() -> tuple[Step, ...]:
    return (
        Step(
            "a context keeps the chain",
            r"From a context that is left at the rate $\Lambda$ a mask is left after $s$ at least as long as the "
            r"context is:",
            (KEPT,),
            r"$e^{\Lambda s}(T - e^{-\Lambda s})$ begins at zero and its slope is $e^{\Lambda s} \sum_j r_j T_j "
            r"\geq 0$.",
            rises(s, 0, factor=exp(exit_rate * s), meaning=Meaning(rules=BACKWARD, example=_tried())),
        ),
        Step(
            "a visit keeps it too",
            r"Let $h = \sum_j r_j h_j / \Lambda$ be the probability that $x$ is visited, $h_j$ the same after the "
            r"$j$-th reveal, and $T_j = h_j e^{-\kappa s} + e_j$ with $e_j \geq 0$ by the hypothesis of the induction, "
            r"which begins at $x$ with the last step. Then",
            (BELOW,),
            r"$e^{\Lambda s}$ times the difference begins at zero, and its slope is $e^{\Lambda s}(\sum_j r_j e_j + "
            r"\kappa h e^{-\kappa s}) \geq 0$.",
            rises(
                s,
                0,
                factor=exp(exit_rate * s),
                meaning=Meaning(
                    functions={after: Lambda((j, s), reach(j) * exp(-slow * s) + ahead(j, s))},
                    rules={**BACKWARD, h: over_reveals(speed(j) * reach(j)) / exit_rate},
                    sums={exit_rate: over_reveals(speed(j))},
                    example=_tried(),
                ),
            ),
        ),
        Step(
            "lower bound",
            "The second term is not negative, so",
            (LOWER,),
            r"$h \leq 1$.",
            identities(
                Meaning(domain={h: 1 / (1 + symbol("a", nonnegative=True))}, example={**_tried(), h: Rational(1, 2)})
            ),
            given=(BELOW,),
        ),
    )


def _tried() -> dict[Any, Any]:
    """One instance of the hypotheses: two reveals at rate one into ``x``, which is left at the rate 1/2."""
    return {
        **EXAMPLE,
        after: Lambda((j, s), exp(-s / 2)),
        reach: Lambda(j, Integer(1)),
        ahead: Lambda((j, s), Integer(0)),
        left: Lambda(s, 4 * exp(-s / 2) / 3 - exp(-2 * s) / 3),
        h: Integer(1),
    }


def _above() -> tuple[Step, ...]:
    stages = {
        **EXAMPLE,
        floor: Integer(2),
        before: Lambda(s, exp(-2 * s)),
        last: Lambda(s, 2 * s * exp(-2 * s)),
        tail: Lambda(s, (1 + 2 * s) * exp(-2 * s)),
    }
    soon = {
        **stages,
        exit_rate: Integer(3),
        m: Integer(3),
        fast: Integer(1),
        meet: Lambda(j, Rational(1, 2)),
        met: Rational(1, 2),
        behind: Lambda((j, s), exp(-2 * s) / 2),
        left: Lambda(s, Rational(1, 2) + 3 * exp(-2 * s) / 2 - exp(-3 * s)),
    }
    return (
        Step(
            "stages",
            r"Let $G_k = \sum_{l<k} (\lambda s)^l e^{-\lambda s}/l!$ and $g_k = G_k - G_{k-1}$. Then $g_1 = "
            r"e^{-\lambda "
            r"s}$, and $g_k' = \lambda (g_{k-1} - g_k)$, $g_k(0) = 0$ for larger $k$; with $g = g_k$ and $f = g_{k-1} "
            r"\geq 0$,",
            (NOT_NEGATIVE,),
            r"$e^{\lambda s} g$ begins at zero, and its slope is $\lambda e^{\lambda s} f \geq 0$.",
            rises(
                s,
                0,
                factor=exp(floor * s),
                meaning=Meaning(
                    rules={last(s).diff(s): floor * (before(s) - last(s)), last(0): Integer(0)}, example=stages
                ),
            ),
        ),
        Step(
            "contexts that are left soon",
            r"Let a context with $k$ masks have $\Lambda = \lambda + \mu$, $\mu \geq 0$, and meet a neutral context "
            r"later with probability $\eta = \sum_j r_j \eta_j / \Lambda$. By the hypothesis of the induction $T_j = "
            r"\eta_j + G_{k-1} - d_j$ with $d_j \geq 0$; at a neutral context $\eta_j = 1 \geq T_j$. With $G = G_k$ "
            r"and "
            r"$\delta = G + \eta\,(1 - e^{-\Lambda s}) - T$",
            (SLOPE, BEGINS),
            r"$G' = -\lambda g$, and the backward equation.",
            identities(
                Meaning(
                    functions={
                        delta: MISSING,
                        after: Lambda((j, s), meet(j) + tail(s) - last(s) - behind(j, s)),
                    },
                    rules={
                        **BACKWARD,
                        tail(s).diff(s): -floor * last(s),
                        tail(0): Integer(1),
                        floor: exit_rate - fast,
                        met: over_reveals(speed(j) * meet(j)) / exit_rate,
                    },
                    sums={exit_rate: over_reveals(speed(j))},
                    example=soon,
                )
            ),
        ),
        Step(
            "the gap never closes",
            "So",
            (AHEAD,),
            r"$e^{\Lambda s}$ times it begins at zero, and its slope is $e^{\Lambda s}(\sum_j r_j d_j + \mu g) \geq "
            r"0$.",
            rises(s, 0, factor=exp(exit_rate * s), meaning=Meaning(example={**soon, delta: MISSING})),
            given=(SLOPE, BEGINS, NOT_NEGATIVE),
        ),
        Step(
            "upper bound",
            "From the start, with $k = D$,",
            (UPPER,),
            r"$\eta\,e^{-\Lambda s} \geq 0$.",
            identities(
                Meaning(
                    functions={left: Lambda(s, tail(s) + met * (1 - exp(-exit_rate * s)) - delta(s))},
                    example={**soon, delta: Lambda(s, Integer(0))},
                )
            ),
            given=(AHEAD,),
        ),
    )


def _rates() -> tuple[Step, ...]:
    tried = {**EXAMPLE, base: Integer(3), first: Rational(1, 2), w: Rational(3, 2)}
    return (
        Step(
            "a rate grows like one power",
            r"Let $b$ be the largest base of an exit rate, $c$ its coefficient, and $c_l$ those of the bases $b "
            r"e^{-a_l} "
            r"< b$. Then",
            (LEAST,),
            "The other terms are positive.",
            identities(Meaning(functions={total: RATE}, domain=POSITIVE, example=tried)),
        ),
        Step(
            "and not faster",
            r"For $w \geq 0$",
            (MOST,),
            r"$b^{-w}$ times the difference begins at zero, and its slope is $\sum_l c_l a_l e^{-a_l w} \geq 0$.",
            rises(w, 0, factor=base**-w, meaning=Meaning(functions={total: RATE}, domain=POSITIVE, example=tried)),
        ),
        Step(
            "neutral contexts",
            r"A neutral context with $k$ masks is left at the rate $k$, whatever $w$, so a visit to it keeps a mask at "
            r"$u$ with probability",
            (equal(Sum(pace(j), (j, 1, k)), k), equal(exp(-k * s), u**k)),
            r"Every position rate is one there.",
            identities(Meaning(functions={pace: Lambda(j, Integer(1))})),
        ),
        Step(
            "the two bounds have one rate",
            r"Without neutral contexts $\eta = 0$, and $G \leq D (1 + \lambda s)^{D-1} e^{-\lambda s}$; let $\kappa "
            r"\leq C "
            r"b^w$ at the context whose base is smallest, and $\lambda = c\,b^w$. Along one path to it $h$ is at "
            r"least a "
            r"constant times a power $\rho^w$ of some $\rho \leq 1$, so $-\ln \mathrm{TV}$ lies between $c\,b^w s$ "
            r"up to a "
            r"multiple of $w$ and $C\,b^w s$ up to another, and",
            (equal(log(first * base**w * s), w * log(base) + log(first) + log(s)),),
            r"Divided by $w$ this tends to $\ln b$. With neutral contexts $h\,u^k \leq \mathrm{TV} \leq \eta + G$, "
            r"where "
            r"$G$ is doubly exponentially small and $\eta$ at most the sum of the probabilities of the visits.",
            identities(Meaning(example={base: Integer(3), first: Integer(2)})),
        ),
    )


def _examples() -> tuple[Step, ...]:
    of_base: Any = Function("b_", positive=True)
    return (
        Step(
            "two overlapping squares",
            r"Two overlapping squares, $\{0,1,2\}^2$ and the target $\{2,3,4\}^2$, uniform with equal priors: a "
            r"revealed "
            r"$3$ or $4$ settles the class, and such contexts are visited with the probability $v(w)$ at $w = 0, 1, "
            r"4$,",
            (*SQUARES.values(),),
            r"$v(w) = 2^{w+1}/(2^{w+1} + 1) \to 1$, each with one mask left: $\mathrm{TV} \geq v(w)\,u$.",
            values(_squares),
        ),
        Step(
            "disjoint classes",
            r"Disjoint classes need not saturate. The target $\{00: 9/10,\, 11: 1/10\}$ against $\{01: 1/2,\, 10: "
            r"1/2\}$ "
            r"with equal priors has no neutral context, and the smallest base $b_1$ among its exit rates is",
            (equal(of_base(1), Rational(9, 7)),),
            "By comparing the bases of all exit rates, in rationals.",
            values(lambda: {of_base(1): to_sympy(regime(_disjoint()).base or Fraction(0))}),
        ),
    )


def _squares() -> dict[Any, Any]:
    """The probability of contexts that are left at the unguided pace, by the jump chain."""
    chain = guided_chain(guidance(load("squares-overlap")))
    neutral = [state for state in chain.transient if chain.exit_rate(state).is_constant and state != 0]
    return {
        visits(strength): to_sympy(sum((law[state] for state in neutral), start=Fraction(0)))
        for strength in SQUARES
        for law in [chain.over(RATIONAL, strength).jump_law()]
    }


# --- data -------------------------------------------------------------------------------------------------------------


def _disjoint() -> Problem:
    classes = {
        "target": ("1/2", {(0, 0): "9/10", (1, 1): "1/10"}),
        "other": ("1/2", {(0, 1): "1/2", (1, 0): "1/2"}),
    }
    return ClassMixture.of(2, 2, classes, name="disjoint classes").problem("target")


def _survival(chain: Chain[Any], strength: Fraction, clock: flint.arb) -> flint.arb:
    return expand(chain.over(BALLS, strength)).survival(clock)


def on(name: str, kind: str = "single-exponential", needs: tuple[str, ...] = ()) -> Instance:
    """The regime of a problem, and the bounds that prove it, in balls at strengths from where they hold on."""

    def check(digits: int) -> Sequence[Evidence]:
        problem = _disjoint() if name == "disjoint classes" else load(name)
        found: Regime = regime(problem)
        verdict = found.evidence.verdict if found.kind == kind else Verdict.REFUTED
        evidence = [Evidence("regime", verdict, str(found.kind))]
        chain = guided_chain(guidance(problem))
        for strength in (max(Fraction(more), found.bracket.start) for more in (0, 2, 11)):
            for mask in (Fraction(1, 10), Fraction(1, 2), Fraction(9, 10)):
                known, tv = _bracketed(chain, found.bracket, strength, mask, digits)
                detail = f"TV = {tv.str(6, radius=False)}"
                evidence.append(Evidence(f"w = {strength}, u = {mask}", known, detail))
        return evidence

    return Instance(name, check, needs)


def _bracketed(
    chain: Chain[Any], bracket: Bracket, strength: Fraction, mask: Fraction, digits: int
) -> tuple[Verdict, flint.arb]:
    """Whether TV lies between its bounds, relative to itself, for it may be ``10^−1366``; and TV.

    The bounds may be TV itself, which no ball tells from being next to it: so up to ``10^{5−digits}``, at most 1/1000.
    """
    tv = flint.arb("nan")
    for more in (20, 100, 500, 2500):
        with flint.ctx.workdps(digits + more):
            clock = -(flint.arb(mask.numerator) / mask.denominator).log()
            tv = _survival(chain, strength, clock)
            room = 1 + flint.arb(10) ** min(5 - digits, -3)
            if not tv > 0:
                continue
            low, high = (bound(BALLS, strength, clock) for bound in (bracket.lower, bracket.upper))
            if low <= tv * room and tv <= high * room:
                return Verdict.ENCLOSED, tv
            if low > tv * room or tv > high * room:
                return Verdict.REFUTED, tv
    return Verdict.UNKNOWN, tv


def _slower(digits: int) -> Sequence[Evidence]:
    """TV at fixed ``u`` need not fall with ``w``: at ``u = 1/2`` it is larger at ``w = 8`` than at ``w = 4``."""
    chain = guided_chain(guidance(load("slower-sampling")))
    with flint.ctx.workdps(digits + 20):
        less, more = (_survival(chain, Fraction(strength), flint.arb(2).log()) for strength in (4, 8))
        verdict = Verdict.ENCLOSED if more > less else Verdict.REFUTED if more <= less else Verdict.UNKNOWN
        detail = f"TV = {less.str(6, radius=False)} at w = 4, {more.str(6, radius=False)} at w = 8"
    return [Evidence("more guidance, slower sampling", verdict, detail)]


DERIVATION = derivation()
