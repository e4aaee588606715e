"""Two tokens, general laws, any number of tokens: the guided trajectory, and why it does not end in the tilted law.

With ``c(x_1) = Σ_v q_2(v|x_1)`` and ``d(x_2) = Σ_v q_1(v|x_2)``: ``P_{(x_1,M)} = q_1(x_1) (u^c − u^Λ)/(Λ − c)`` where
``Λ = Z_1 + Z_2``, and the terminal law is the tilted law reweighted by ``1/c(x_1) + 1/d(x_2)`` (He, Rojas, Tao,
arXiv:2506.10971).
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sympy import Derivative, Expr, Function, Ge, Integer, Lambda, Limit, Rational, Sum, Tuple, exp, oo

from symguide.chains.chain import guided_chain
from symguide.chains.family import MASK_SYMBOL, TokenProbability, representative, vocabulary_size
from symguide.chains.functionals import terminal_law, tilted_law
from symguide.chains.naming import named
from symguide.chains.ode import kolmogorov, unknown
from symguide.checks.verification import Candidate, verify
from symguide.closed_forms.solution import solve
from symguide.evidence import Evidence, Verdict
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import RATIONAL
from symguide.numbers.exp_dd import exp_dd
from symguide.numbers.number import to_sympy
from symguide.proofs.derivation import Claim, Derivation, Instance, Step
from symguide.proofs.identities import Content, Meaning, equal, equations_of, identities, solves, times
from symguide.symbols import s, symbol, u, w

# --- the words of the proof -------------------------------------------------------------------------------------------

FAMILY, NORMALISED = representative(2), representative(2, normalised=True)
START, FIRST, SECOND, BOTH = FAMILY.chain.states
Z1, Z2, c, d = FAMILY.definitions
x: Any = BOTH[0]
y: Any = BOTH[1]
v: Any = symbol("v", integer=True, nonnegative=True)
rate: Any = Z1 + Z2  # at which the start is left
HALF = Rational(1, 2)
TV: Any = Function("TV")(u)
q1, q2, q1_after, q2_after = (Function(name, positive=True) for name in ("q_1", "q_2", "q_1|", "q_2|"))
p_xz, p_x, p_zw = (symbol(name, positive=True) for name in ("p(x|z)", "p(x)", "p_{z,w}(x)"))
total, kappa, a, b = (symbol(name, positive=True) for name in ("S", "kappa", "a", "b"))


def p(position: int, token: Any, other: Any = None, of_class: bool = False) -> Any:
    """``p_i(v)`` or, with the other token shown, ``p_i(v|x)``; of the class ``z`` or not."""
    shown = MASK_SYMBOL if other is None else other
    context = (MASK_SYMBOL, shown) if position == 1 else (shown, MASK_SYMBOL)
    return TokenProbability(Integer(position), token, Tuple(*context), Integer(of_class))


def intensity(position: int, token: Any, other: Any = None) -> Expr:
    given, free = p(position, token, other, of_class=True), p(position, token, other)
    return (given / free) ** w * given


def dd(*rates: Any) -> Any:
    return exp_dd(Tuple(*rates), s)


def over(token: Any, form: Any) -> Any:
    """``Σ`` over all values of a token."""
    return Sum(form, (token, 0, vocabulary_size - 1))


INTENSITIES = {
    q1: Lambda(v, intensity(1, v)),
    q2: Lambda(v, intensity(2, v)),
    q2_after: Lambda((v, x), intensity(2, v, x)),
    q1_after: Lambda((v, y), intensity(1, v, y)),
}
BAYES = {p(1, x, y, flag): p(1, x, None, flag) * p(2, y, x, flag) / p(2, y, None, flag) for flag in (False, True)}
CHAIN_RULE = {p_xz: p(1, x, None, True) * p(2, y, x, True), p_x: p(1, x) * p(2, y, x)}
tilted_weight: Any = p_xz * (p_xz / p_x) ** w

# What is on the way, and what it ends in, by the order of the reveals.
first = q1(x) * dd(rate, c)
second = q2(y) * dd(rate, d)
via_first = q1(x) * q2_after(y, x) * dd(0, rate, c)
via_second = q2(y) * q1_after(x, y) * dd(0, rate, d)
end_via_first = q1(x) * q2_after(y, x) / (rate * c)
end_via_second = q2(y) * q1_after(x, y) / (rate * d)
reweighted: Any = tilted_weight * (1 / c + 1 / d) / rate
surviving = exp(-rate * s) + over(x, first) + over(y, second)
# ½ Σ |P_x(u) − P_x(0)|, where contexts with a mask lose all they have and pairs gain.
distance = times(
    HALF, surviving + over(x, over(y, end_via_first - via_first)) + over(y, over(x, end_via_second - via_second))
)
normalised_end = times(HALF, q1(x) * q2_after(y, x) / (Z1 * c) + q2(y) * q1_after(x, y) / (Z2 * d))

PLAIN = Meaning(functions=INTENSITIES, sums=FAMILY.definitions)
# ``P_x(u)`` and ``P_x(0)`` name what earlier steps found them to be.
SOLVED = replace(PLAIN, rules={unknown(FIRST, u): first, unknown(SECOND, u): second, TV: distance})
CHAINED = replace(PLAIN, rules={**BAYES, **CHAIN_RULE, kappa: rate / total, p_zw: tilted_weight / total})
ENDED = replace(CHAINED, rules={**CHAINED.rules, unknown(BOTH, Integer(0)): end_via_first + end_via_second})

TRAJECTORY = (
    equal(unknown(FIRST, u), q1(x) * (u**c - u**rate) / (rate - c)),
    equal(unknown(SECOND, u), q2(y) * (u**d - u**rate) / (rate - d)),
)
DISTANCE = equal(
    TV,
    u**rate + over(x, q1(x) * (u**c - u**rate) / (rate - c)) + over(y, q2(y) * (u**d - u**rate) / (rate - d)),
)
TERMINAL = equal(unknown(BOTH, Integer(0)), reweighted)

# --- the proof --------------------------------------------------------------------------------------------------------


def derivation() -> Derivation:
    """The theorem with its proof."""
    return Derivation(
        name="two tokens",
        title="Two tokens: the guided trajectory ends in a reweighted tilted law",
        claim=Claim(
            r"Let $q_i$ be the raw intensities, $Z_i = \sum_v q_i(v)$, $c_{x_1} = \sum_v q_2(v \mid x_1)$ and "
            r"$d_{x_2} = \sum_v q_1(v \mid x_2)$. From two masks the guided chain has, where exit rates differ, the "
            r"probabilities below. Its terminal law, $u \to 0$, is the tilted law "
            r"$p_{z,w}(x) \propto p(x \mid z)^{1+w} p(x)^{-w}$ reweighted by $1/c_{x_1} + 1/d_{x_2}$, and it is the "
            r"tilted law exactly when that weight is constant on the support.",
            (*TRAJECTORY, TERMINAL, DISTANCE),
        ),
        assumptions=(
            r"Two positions with tokens $0, \ldots, N-1$, any $N$; $p(\cdot \mid z)$ and $p$ are laws on pairs "
            r"$x = (x_1, x_2)$, with marginals $p_i$ and conditionals.",
            r"Sums run over the support of $p(\cdot \mid z)$, and there $p > 0$; other tokens are never revealed.",
            r"$w > -1$; where $p$ has no larger support, also $w = -1$.",
        ),
        steps=(*_trajectory(), *_terminal_law(), *_total_variation(), *_normalised_rule()),
        citations=("He2025", "Nisonoff2024", "Rojas2025", "McCurdy1984"),
        instances=(
            on("squares-overlap"),
            on("squares-overlap", "normalised"),
            on("squares-disjoint"),
            on("diamonds"),
            on("xor"),
            on("slower-sampling"),
            on("words:length=2,languages=en+fr+de,top=25", needs=("wordfreq",)),
            on("words:length=2,languages=en+fr+de,top=25", "normalised", needs=("wordfreq",)),
            on("digits:patch=1x2,row=3", needs=("sklearn",)),
        ),
    )


def _trajectory() -> tuple[Step, ...]:
    return (
        Step(
            "rates",
            "The raw intensities, and the rates at which each position is revealed, are",
            (
                equal(q1(x), intensity(1, x)),
                equal(q2(y), intensity(2, y)),
                equal(q2_after(y, x), intensity(2, y, x)),
                equal(q1_after(x, y), intensity(1, x, y)),
                equal(Z1, over(v, q1(v))),
                equal(Z2, over(v, q2(v))),
                equal(c, over(v, q2_after(v, x))),
                equal(d, over(v, q1_after(v, y))),
            ),
            "This is the rate power rule in every context.",
            identities(PLAIN),
        ),
        Step(
            "equations",
            "On the clock $s$ the Kolmogorov forward equations are",
            (
                equal(Derivative(unknown(START, s), s), -rate * unknown(START, s)),
                equal(Derivative(unknown(FIRST, s), s), q1(x) * unknown(START, s) - c * unknown(FIRST, s)),
                equal(Derivative(unknown(SECOND, s), s), q2(y) * unknown(START, s) - d * unknown(SECOND, s)),
                equal(
                    Derivative(unknown(BOTH, s), s),
                    q2_after(y, x) * unknown(FIRST, s) + q1_after(x, y) * unknown(SECOND, s),
                ),
            ),
            "A context is entered by one reveal, and left at the sum of its position rates.",
            equations_of(kolmogorov(FAMILY), PLAIN),
        ),
        Step(
            "trajectory",
            "They are solved, from two masks at $s = 0$, by",
            (
                equal(unknown(START, u), u**rate),
                equal(unknown(FIRST, u), first),
                equal(unknown(SECOND, u), second),
                equal(unknown(BOTH, u), via_first + via_second),
            ),
            "Checked where the exit rates differ. Both sides are continuous in the rates, so it holds where they "
            "coincide; and a linear system with given initial values has one solution.",
            solves(kolmogorov(FAMILY), PLAIN),
        ),
        Step(
            "solver",
            "The solver, which sums over the two orders of revealing, finds the same:",
            (equal(solve(FAMILY)[BOTH], via_first + via_second),),
            "Each order contributes its rates times the divided difference at the exit rates along it.",
            identities(PLAIN),
        ),
        Step(
            "powers of u",
            "Where the exit rates differ, in powers of $u$:",
            (
                *TRAJECTORY,
                equal(dd(0, rate, c), 1 / (c * rate) - u**c / (c * (rate - c)) + u**rate / (rate * (rate - c))),
            ),
            "Partial fractions.",
            identities(SOLVED),
        ),
        Step(
            "coinciding rates",
            "Where two exit rates coincide the powers of $u$ have a limit, and the divided difference is that limit:",
            (
                equal(Limit((u**a - u**b) / (b - a), a, b), s * u**b),
                equal(dd(b, b), s * u**b),
            ),
            r"The derivative of $a \mapsto -u^{a}$ at $a = b$ is $-u^{b} \ln u = s\,u^{b}$.",
            identities(PLAIN),
        ),
        Step(
            "mass",
            "The probabilities sum to one at every $s$:",
            (equal(surviving + over(x, over(y, via_first)) + over(y, over(x, via_second)), 1),),
            r"Summed over the token revealed last, $\sum_v q_2(v \mid x_1) = c_{x_1}$ and $\sum_v q_1(v \mid x_2) = "
            r"d_{x_2}$; finite sums may be taken in either order.",
            identities(PLAIN),
        ),
    )


def _terminal_law() -> tuple[Step, ...]:
    return (
        Step(
            "end of the trajectory",
            r"As $s \to \infty$ only pairs are left:",
            (
                equal(Limit(first, s, oo), 0),
                equal(Limit(second, s, oo), 0),
                equal(Limit(via_first + via_second, s, oo), end_via_first + end_via_second),
            ),
            "All exit rates but those of pairs are positive, so their powers of $u$ vanish.",
            identities(PLAIN),
        ),
        Step(
            "terminal law",
            r"By the chain rule, $p(x \mid z) = p_1(x_1 \mid z)\, p_2(x_2 \mid x_1, z) = "
            r"p_2(x_2 \mid z)\, p_1(x_1 \mid x_2, z)$ and likewise for $p(x)$, this is",
            (equal(end_via_first + end_via_second, reweighted), TERMINAL),
            r"Along either order the intensities multiply to $p(x \mid z)^{1+w} p(x)^{-w}$.",
            identities(ENDED),
        ),
        Step(
            "mass of the terminal law",
            "Nothing is lost:",
            (equal(over(x, over(y, end_via_first)) + over(y, over(x, end_via_second)), 1),),
            r"The first sum is $Z_1 / (Z_1 + Z_2)$, the probability that the first position is revealed first.",
            identities(PLAIN),
        ),
        Step(
            "when it is the tilted law",
            r"With $S = \sum_x p(x \mid z)^{1+w} p(x)^{-w}$ the ratio to the tilted law depends on $x$ only through "
            r"$1/c_{x_1} + 1/d_{x_2}$, so equality on the support makes this constant, $\kappa = (Z_1 + Z_2)/S$. "
            r"Conversely, if it is a constant $\kappa$, then the mass one of the terminal law is "
            r"$\kappa S / (Z_1 + Z_2)$, so $\kappa$ has this value and the terminal law is the tilted law:",
            (
                equal(reweighted, p_zw * total / rate * (1 / c + 1 / d)),
                equal(kappa * total / rate, 1),
                equal(tilted_weight * kappa / rate, p_zw),
            ),
            r"Both laws have the same support, where $p(x \mid z)^{1+w} p(x)^{-w} > 0$.",
            identities(CHAINED),
        ),
        Step(
            "a counterexample",
            r"It need not be: two overlapping squares, $\{0,1,2\}^2$ and the target $\{2,3,4\}^2$, uniform with equal "
            r"priors, at $w = 1$:",
            (
                equal(unknown((2, 2), Integer(0)), Rational(1, 25)),
                equal(unknown((3, 3), Integer(0)), Rational(2, 15)),
                equal(tilted_one(2, 2), Rational(1, 17)),
                equal(tilted_one(3, 3), Rational(2, 17)),
            ),
            "Exact rational arithmetic over the chain and over the table.",
            exactly("squares-overlap", Fraction(1)),
        ),
    )


def _total_variation() -> tuple[Step, ...]:
    return (
        Step(
            "pairs only gain",
            "The probability of a pair never decreases:",
            (Ge(q2_after(y, x) * first + q1_after(x, y) * second, 0, evaluate=False),),
            "A divided difference of the exponential at real rates is not negative.",
            identities(PLAIN),
        ),
        Step(
            "total variation",
            "The distance to the terminal law is the probability that a mask is left:",
            (equal(TV, distance), equal(TV, surviving)),
            "Contexts with a mask end empty and pairs only gain, so every magnitude is what it encloses, and what "
            "pairs still gain is what contexts with masks still hold.",
            identities(SOLVED),
        ),
        Step(
            "distance in powers of u",
            "Where the exit rates differ it is",
            (DISTANCE,),
            "Partial fractions under the sums.",
            identities(SOLVED),
        ),
    )


def _normalised_rule() -> tuple[Step, ...]:
    return (
        Step(
            "normalised rule",
            "With intensities divided by their sums every position is revealed at rate one, and",
            (
                equal(unknown(START, u), u**2),
                equal(unknown(FIRST, u), q1(x) / Z1 * u * (1 - u)),
                equal(unknown(SECOND, u), q2(y) / Z2 * u * (1 - u)),
                equal(unknown(BOTH, u), (1 - u) ** 2 * normalised_end),
            ),
            "The exit rates are $2$, $1$, $1$ and $0$.",
            solves(kolmogorov(NORMALISED), PLAIN),
        ),
        Step(
            "normalised terminal law",
            "Its terminal law is another reweighting of the tilted law:",
            (
                equal(Limit((1 - u) ** 2 * normalised_end, u, 0), normalised_end),
                equal(normalised_end, times(HALF, tilted_weight * (1 / (Z1 * c) + 1 / (Z2 * d)))),
            ),
            "The chain rule again.",
            identities(CHAINED),
        ),
        Step(
            "normalised total variation",
            "Its pace depends on neither $w$ nor the data:",
            (equal(u**2 + over(x, q1(x) / Z1 * u * (1 - u)) + over(y, q2(y) / Z2 * u * (1 - u)), 1 - (1 - u) ** 2),),
            "The probability that one of two independent reveals has not happened.",
            identities(PLAIN),
        ),
    )


# --- data -------------------------------------------------------------------------------------------------------------


def tilted_one(*tokens: Any) -> Any:
    """``p_{z,1}(x)``."""
    return Function("p_{z,1}")(*map(Integer, tokens))


def exactly(name: str, strength: Fraction) -> Any:
    """The check of ``P_x(0) = …`` and ``p_{z,w}(x) = …`` by exact rational arithmetic on a built-in problem."""

    def check(content: Content) -> tuple[Verdict, str]:
        tilt = guidance(load(name))
        law = terminal_law(guided_chain(tilt).over(RATIONAL, strength))
        known: dict[Any, Any] = {unknown(tokens, Integer(0)): value for tokens, value in law.table.items()}
        table = tilted_law(tilt, law.states, RATIONAL, strength).table
        known |= {tilted_one(*tokens): value for tokens, value in table.items()}
        for item in content:
            left, right = item.args
            if left not in known:
                return Verdict.UNKNOWN, f"{left} is no value of {name}"
            if to_sympy(known[left]) != right:
                return Verdict.REFUTED, f"{left} is {known[left]}, not {right}"
        return Verdict.PROVED, f"{len(content)} rational numbers, exactly"

    return check


def on(name: str, rule: str = "rate", needs: tuple[str, ...] = ()) -> Instance:
    """The theorem's formulas on a built-in problem."""

    def check(digits: int) -> Sequence[Evidence]:
        chain = named(guided_chain(guidance(load(name), rule)), w)
        exits = [chain.chain.exit_rate(state) for state in range(len(chain.chain.states))]
        forms: dict[Any, Expr] = {chain.chain.start: exp(-exits[0] * s)}
        arrival: dict[int, Expr] = {}
        for state, reveals in list(enumerate(chain.chain.incoming))[1:]:
            context = chain.chain.states[state]
            if None in context:
                arrival[state] = reveals[0].rate
                forms[context] = reveals[0].rate * dd(exits[0], exits[state])
            else:
                forms[context] = Integer(0)
                for reveal in reveals:
                    forms[context] += arrival[reveal.source] * reveal.rate * dd(exits[0], exits[reveal.source], 0)
        return verify(
            Candidate(chain, forms), Fraction(3, 2), [Fraction(1, 2), Fraction(1, 10)], digits=digits
        ).evidence

    return Instance(name if rule == "rate" else f"{name}, {rule}", check, needs)
