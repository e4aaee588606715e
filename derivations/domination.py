"""Any number of tokens: guidance with ``w ≥ 0`` is never further from its end than no guidance, ``TV ≤ 1 − (1−u)^D``.

By induction on the number of masks. Let ``T`` be the probability that a mask is left, from a context with ``k`` masks,
and ``f_k = 1 − (1−u)^k`` the same without guidance. Then ``(f_k − T)' + Λ (f_k − T)`` is a sum of what is ``≥ 0``.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import flint
from sympy import Derivative, Function, Ge, Integer, Lambda, Rational, Sum, exp

from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.evidence import Evidence, Verdict
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS
from symguide.proofs.derivation import Claim, Derivation, Instance, Step
from symguide.proofs.identities import Meaning, equal, identities, rises
from symguide.proofs.lemmas import AT_LEAST_ONE, AT_MOST_ONE, NEGATIVE, POSITIVE, i, position_rates, rate
from symguide.symbols import s, symbol, u

# --- the words of the proof -------------------------------------------------------------------------------------------

k, m, n, length = (symbol(name, integer=True, positive=True) for name in ("k", "m", "n", "D"))
j, path = symbol("j", integer=True, positive=True), symbol("l", integer=True, positive=True)
exit_rate: Any = symbol("Lambda", positive=True)
TV: Any = symbol("TV", positive=True)
revealed, left, after = (Function(name, nonnegative=True) for name in ("y", "T", "T_"))
speed: Any = Function("r_", positive=True)
weight, short, long = (Function(name, positive=True) for name in ("rho_", "e_", "f_"))
step: Any = Function("g_", real=True)

CURVE = Lambda(s, 1 - exp(-s))


def example(negative: bool = False) -> dict[Any, Any]:
    """One instance of the hypotheses: reveals at one rate, into contexts that survive with ``e^{−as}``."""
    pace, reveals, decay = (Rational(1, 2), 2, Rational(1, 2)) if negative else (Integer(1), 3, Rational(3, 2))
    total = pace * reveals
    share = total / (total - decay)
    return {
        speed: Lambda(j, pace),
        after: Lambda((j, s), exp(-decay * s)),
        left: Lambda(s, share * exp(-decay * s) + (1 - share) * exp(-total * s)),
        revealed: CURVE,
        rate: Lambda(i, total / 2),
        exit_rate: total,
        m: Integer(reveals),
        k: Integer(2),
    }


BACKWARD = equal(Derivative(left(s), s), Sum(speed(j) * after(j, s), (j, 1, m)) - exit_rate * left(s))
BEGINNING = equal(left(0), 1)
# Paths l = 1, …, n that begin in the context after the j-th reveal: their rates ρ, and what they weigh without and with
# the context itself.
PATHS = Sum(speed(j) * Sum(weight(j, path) * long(j, path, s), (path, 1, n)), (j, 1, m))
FIRST_REVEAL = equal(left(s), exp(-exit_rate * s) + PATHS)

GROWS = equal(Derivative(revealed(s), s), 1 - revealed(s))
BEGINS = equal(revealed(0), 0)
NOT_NEGATIVE, BELOW_ONE = Ge(revealed(s), 0, evaluate=False), Ge(1, revealed(s), evaluate=False)
STEPS = Lambda((k, s), revealed(s) ** (k - 1) * (1 - revealed(s)))
STEP_UP = Ge(step(k, s), 0, evaluate=False)
BOUND = Ge(1 - (1 - u) ** length, TV, evaluate=False)
OTHER_BOUND = Ge(TV, 1 - (1 - u) ** length, evaluate=False)

PACE, SLOW_PACE = Ge(exit_rate, k, evaluate=False), Ge(k, exit_rate, evaluate=False)

# --- the proof --------------------------------------------------------------------------------------------------------


def derivation() -> Derivation:
    """The theorem with its proof."""
    return Derivation(
        name="domination",
        title="Any number of tokens: guidance is dominated by no guidance",
        claim=Claim(
            r"For the raw rule, every $D$ and all data, the first of these bounds holds at every $u$ for $w \geq 0$, "
            r"the second for $-1 < w \leq 0$. The normalised rule has equality.",
            (BOUND, OTHER_BOUND),
        ),
        assumptions=(
            r"$D$ positions, any number of tokens; $p(\cdot \mid z)$ and $p$ are laws, $p > 0$ where $p(\cdot \mid z) "
            r"> 0$.",
            r"$\mathrm{TV}$ is the probability that a mask is left, and the probability of a context is a sum over "
            r"orders of revealing, as for any number of tokens.",
        ),
        steps=(*_unguided(), _first_reveal(), *_induction(), *_induction(negative=True), _normalised()),
        citations=("He2025", "Nisonoff2024"),
        instances=(on("squares-overlap"), on("slower-sampling"), on("hypercubes:D=3,side=2,overlap=1")),
    )


def _unguided() -> tuple[Step, ...]:
    words = Meaning(functions={revealed: CURVE, step: STEPS})
    return (
        Step(
            "a token at its own pace",
            r"Without guidance a masked position is revealed at the rate one, and with $y = 1 - u$ it is revealed by "
            r"$s$:",
            (GROWS, BEGINS, BELOW_ONE),
            r"$y(s) = 1 - e^{-s}$.",
            identities(words),
        ),
        Step(
            "a probability",
            "It is not negative:",
            (NOT_NEGATIVE,),
            "It begins at zero and its slope $e^{-s}$ is positive.",
            rises(s, 0, meaning=words),
        ),
        Step(
            "one mask more",
            r"Of $k$ masks one is left with probability $1 - y^k$, which is $0$ for $k = 0$. One mask more adds",
            (
                equal(step(k, s), 1 - revealed(s) ** k - (1 - revealed(s) ** (k - 1))),
                equal(Derivative(1 - revealed(s) ** k, s), -k * step(k, s)),
            ),
            r"$g_k = y^{k-1}(1 - y)$, and $y' = 1 - y$.",
            identities(Meaning(functions={step: STEPS}, example=example())),
            given=(GROWS,),
        ),
        Step(
            "which is not negative",
            "This is not negative:",
            (STEP_UP,),
            r"$0 \leq y \leq 1$.",
            identities(Meaning(functions={step: STEPS}, example=example())),
            given=(BELOW_ONE,),
        ),
    )


def _first_reveal() -> Step:
    return Step(
        "backward equation",
        r"Let $T(s)$ be the probability that a mask is left after the clock $s$ from some context with exit rate "
        r"$\Lambda$, and $T_j = \sum_l \rho_j(l)\, e_j(l, s)$ the same from the context after its $j$-th reveal, $j = "
        r"1, \ldots, m$, of rate $r_j$: a sum over paths $l$, with the products $\rho$ of their rates and the divided "
        r"differences $e$ at the exit rates along them. Putting $\Lambda$ before these rates makes $f_j(l, s)$ of "
        r"$e_j(l, s)$, and",
        (FIRST_REVEAL, BACKWARD, BEGINNING),
        r"Divided differences are symmetric, so $f' = e - \Lambda f$ and $f(0) = 0$ also for the first rate. Where the "
        r"$j$-th reveal is the last, $T_j = 0$.",
        identities(
            Meaning(
                functions={
                    left: Lambda(s, FIRST_REVEAL.rhs),
                    after: Lambda((j, s), Sum(weight(j, path) * short(j, path, s), (path, 1, n))),
                },
                rules={
                    Derivative(long(j, path, s), s): short(j, path, s) - exit_rate * long(j, path, s),
                    long(j, path, 0): Integer(0),
                },
                example={
                    short: Lambda((j, path, s), exp(-j * s)),
                    long: Lambda((j, path, s), (exp(-j * s) - exp(-exit_rate * s)) / (exit_rate - j)),
                    exit_rate: Rational(7, 2),
                },
            )
        ),
    )


def _induction(negative: bool = False) -> tuple[Step, ...]:
    """The bound for ``k`` masks from that for ``k − 1``; for ``−1 < w ≤ 0`` everything changes its sign."""
    sign, side = (-1, "−1 < w ≤ 0") if negative else (1, "w ≥ 0")
    less, more = r"\leq", r"\geq"
    place, pace_is, bound_is = (r"-1 < w \leq 0", less, more) if negative else (r"w \geq 0", more, less)
    gaps = Lambda(s, sign * (1 - revealed(s) ** k - left(s)))
    behinds = Lambda((j, s), sign * (1 - revealed(s) ** (k - 1) - after(j, s)))
    # The same functions with the signs of this side, under names of their own.
    mark = "^{-}" if negative else ""
    delta: Any = Function(rf"\delta{mark}" if negative else "delta", real=True)
    e: Any = Function(rf"\epsilon{mark}_" if negative else "epsilon_", nonnegative=True)
    domain = NEGATIVE if negative else POSITIVE
    pace, at_rate = (SLOW_PACE, AT_MOST_ONE) if negative else (PACE, AT_LEAST_ONE)
    total = Sum(e(j, s) * speed(j), (j, 1, m))
    slope = equal(Derivative(delta(s), s), -exit_rate * delta(s) + total + sign * (exit_rate - k) * step(k, s))
    begins = equal(delta(0), 0)
    ahead = Ge(delta(s), 0, evaluate=False)
    bound = OTHER_BOUND if negative else BOUND
    opened = Meaning(
        functions={delta: gaps, e: behinds, step: STEPS},
        sums={exit_rate: Sum(speed(j), (j, 1, m))},
        example=example(negative),
    )
    tried = Meaning(domain=domain, example={**example(negative), delta: gaps, e: behinds, step: STEPS})
    return (
        *position_rates(negative),
        Step(
            f"exit rates, {side}",
            rf"A context with $k$ masks is left, for ${place}$, at the rate $\Lambda {pace_is} k$:",
            (pace,),
            r"Its exit rate is $\Lambda = \sum_{i=1}^{k} \lambda_i$.",
            identities(Meaning(rules={exit_rate: Sum(rate(i), (i, 1, k))}, domain=domain, example=example(negative))),
            given=(at_rate,),
        ),
        Step(
            f"induction, {side}",
            r"Let the context above have $k$ masks. Its exit rate is $\Lambda = \sum_j r_j$. With "
            + (
                r"$\delta^- = T - (1 - y^k)$ and $\epsilon^-_j = T_j - (1 - y^{k-1})$,"
                if negative
                else r"$\delta = 1 - y^k - T$ and $\epsilon_j = 1 - y^{k-1} - T_j$,"
            ),
            (slope, begins),
            r"The backward equation of the chain, and $(1 - y^k)' = -k g_k$.",
            identities(opened),
            given=(GROWS, BEGINS, BACKWARD, BEGINNING),
        ),
        Step(
            f"the gap never closes, {side}",
            r"By the hypothesis of the induction the $\epsilon_j$ are not negative; for $k = 1$ they are zero. So "
            r"neither is",
            (ahead,),
            r"$e^{\Lambda s}$ times it begins at zero, and by the last step its slope is $e^{\Lambda s}$ times what is "
            r"not negative.",
            rises(s, 0, factor=exp(exit_rate * s), meaning=tried),
            given=(slope, begins, pace, STEP_UP),
        ),
        Step(
            f"from the start, {side}",
            rf"From $D$ masks the probability that one is left is $\mathrm{{TV}}(u)$, so for "
            rf"${place}$, with $y = 1 - u$, it is ${bound_is} 1 - (1 - u)^D$:",
            (bound,),
            r"The last step for $k = D$.",
            identities(
                Meaning(
                    rules={TV: 1 - (1 - u) ** length - sign * delta(s)},
                    domain=domain,
                    example={TV: 1 - (1 - u) ** length - sign * Rational(1, 10), delta: Lambda(s, Rational(1, 10))},
                )
            ),
            given=(ahead,),
        ),
    )


def _normalised() -> Step:
    """Every exit rate is the number of masks: equality."""
    own = Sum(speed(j) * (1 - revealed(s) ** (k - 1)), (j, 1, m)) - k * (1 - revealed(s) ** k)
    return Step(
        "normalised rule",
        r"Where $\Lambda = k$ in every context with $k$ masks, as for the normalised rule, and at $w = 0$, "
        r"$1 - y^k$ itself solves the backward equations:",
        (equal(Derivative(1 - revealed(s) ** k, s), own),),
        "So equality holds there.",
        identities(
            Meaning(
                sums={k: Sum(speed(j), (j, 1, m))},
                example={**example(), speed: Lambda(j, Rational(2, 3))},
            )
        ),
        given=(GROWS,),
    )


# --- data -------------------------------------------------------------------------------------------------------------


def on(name: str) -> Instance:
    """Both bounds on a built-in problem, in balls."""

    def check(digits: int) -> Sequence[Evidence]:
        chain = guided_chain(guidance(load(name)))
        found = []
        with flint.ctx.workdps(digits + 20):
            for strength in map(Fraction, ("-1/2", "0", "1/2", "1", "5")):
                expansion = expand(chain.over(BALLS, strength))
                for mask in (Fraction(1, 10), Fraction(1, 2), Fraction(9, 10)):
                    clock = -(flint.arb(mask.numerator) / mask.denominator).log()
                    margin = (
                        1
                        - (1 - flint.arb(mask.numerator) / mask.denominator) ** chain.length
                        - expansion.survival(clock)
                    )
                    # Without guidance, and in one token whose rate is 1, the two are equal, as far as balls can tell.
                    signed = -margin if strength < 0 else margin
                    equal = abs(margin) < flint.arb(10) ** -digits
                    broken = Verdict.REFUTED if signed < 0 else Verdict.UNKNOWN
                    verdict = Verdict.ENCLOSED if signed >= 0 or equal else broken
                    found.append(Evidence(f"w = {strength}, u = {mask}", verdict, str(margin)))
        return found

    return Instance(name, check)
