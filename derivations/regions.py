"""Two tokens: which points the order of the regions by privacy may compare, and which it may not.

Relative to ``p(x|z)`` a point has the terminal weight ``A(x) = (p(x|z)/p(x))^w (1/c(x_1) + 1/d(x_2))``, up to a
factor. It is largest where both tokens are private (``R1``). Points with one private token (``R2,1``, ``R2,2``) are
ahead of those with none (``R3``, ``R4``) in their own row or column; elsewhere that is not so, and points of ``R3`` may
be behind points of ``R4`` even there (He, Rojas, Tao, arXiv:2506.10971, has the regions).
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sympy import Function, Ge, Gt, Integer, Lambda, Rational, Sum, exp

from symguide.chains.chain import guided_chain
from symguide.chains.family import vocabulary_size
from symguide.chains.functionals import terminal_law
from symguide.evidence import Evidence, Verdict
from symguide.instances.datasets import load
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import RATIONAL
from symguide.numbers.number import to_sympy
from symguide.proofs.derivation import Claim, Derivation, Instance, Step
from symguide.proofs.identities import Meaning, equal, identities, rises, values
from symguide.proofs.lemmas import AT_LEAST_ONE, LAWS, POSITIVE, RATE, i, position_rates, rate
from symguide.symbols import symbol, w

# --- the words of the proof -------------------------------------------------------------------------------------------

x, y, a, b, v = (symbol(name, integer=True, nonnegative=True) for name in ("x_1", "x_2", "y_1", "y_2", "v"))
# −ln p(z|x_1), −ln p(z|x_2) and −ln p(z|x): of the first token, of the second, and of both.
row, column = (Function(name, nonnegative=True) for name in ("gamma", "eta"))
surprisal: Any = Function("g", nonnegative=True)
c, d = Function("c_", positive=True), Function("d_", positive=True)
h: Any = Function("h", positive=True)
after, before = Function("p_2|", positive=True), Function("p_1|", positive=True)
one, first, second, third, fourth = (
    Function(name, positive=True) for name in ("A^{1}", "A^{2,1}", "A^{2,2}", "A^{3}", "A^{4}")
)
g: Any = symbol("g", nonnegative=True)

KEPT = Ge(1, h(g), evaluate=False)
ROWS, COLUMNS = Ge(c(x), 1, evaluate=False), Ge(d(y), 1, evaluate=False)
BOTH_PRIVATE = equal(one(x, y), 2)
FIRST_SHARED = equal(first(x, y), 1 + 1 / c(x))
SECOND_SHARED = equal(second(x, y), 1 + 1 / d(y))
POINT_PRIVATE = equal(third(x, y), 1 / c(x) + 1 / d(y))
POINT_SHARED = equal(fourth(x, y), h(surprisal(x, y)) * (1 / c(x) + 1 / d(y)))
WEIGHTS = (BOTH_PRIVATE, FIRST_SHARED, SECOND_SHARED, POINT_PRIVATE, POINT_SHARED)
WEIGHT = exp(-surprisal(x, y) * w) * (1 / c(x) + 1 / d(y))
LARGEST = tuple(Ge(one(x, y), other(a, b), evaluate=False) for other in (first, second, third, fourth))
OWN_ROW = tuple(Ge(first(x, y), other(x, b), evaluate=False) for other in (third, fourth))
OWN_COLUMN = tuple(Ge(second(x, y), other(a, y), evaluate=False) for other in (third, fourth))
REVERSED, TRANSPOSED = (
    (
        equal(few(*turned(1, 2)), Rational(19, 14)),
        equal(third(0, 0), Rational(3044, 2107)),
        equal(fourth(*turned(0, 1)), Rational(78940, 48461)),
        Gt(third(0, 0), few(*turned(1, 2)), evaluate=False),
        Gt(fourth(*turned(0, 1)), third(0, 0), evaluate=False),
    )
    for few, turned in ((first, lambda *tokens: tokens), (second, lambda *tokens: tokens[::-1]))
)
APART = (
    equal(third(1, 2), Rational(34, 35)),
    equal(fourth(0, 0), Rational(76, 77)),
    Gt(fourth(0, 0), third(1, 2), evaluate=False),
)
OTHER_ROWS = tuple(Ge(first(x, y), other(a, b), evaluate=False) for other in (third, fourth))
OTHER_COLUMNS = tuple(Ge(second(x, y), other(a, b), evaluate=False) for other in (third, fourth))
PRIVATE_FIRST = Ge(third(x, y), fourth(a, b), evaluate=False)


def over_tokens(form: Any) -> Any:
    return Sum(form, (v, 0, vocabulary_size - 1))


# c(x_1) of a row, where ρ = e^{−g}: p(z|x)/p(z|x_1) = e^{γ − g}.
SECOND_RATE = over_tokens(after(v, x) * exp((row(x) - surprisal(x, v)) * w))
FIRST_RATE = over_tokens(before(v, y) * exp((column(y) - surprisal(v, y)) * w))
SECOND_DEFICIT = equal(c(x), exp(row(x) * w) * (1 - over_tokens(after(v, x) * (1 - h(surprisal(x, v))))))
FIRST_DEFICIT = equal(d(y), exp(column(y) * w) * (1 - over_tokens(before(v, y) * (1 - h(surprisal(v, y))))))
OPENED = Meaning(
    functions={
        h: Lambda(g, exp(-g * w)),
        c: Lambda(x, SECOND_RATE),
        d: Lambda(y, FIRST_RATE),
        one: Lambda((x, y), Integer(2)),
        first: Lambda((x, y), FIRST_SHARED.rhs),
        second: Lambda((x, y), SECOND_SHARED.rhs),
        third: Lambda((x, y), POINT_PRIVATE.rhs),
        fourth: Lambda((x, y), WEIGHT),
    },
    totals=((over_tokens(after(v, x)), Integer(1)), (over_tokens(before(v, y)), Integer(1))),
    domain=POSITIVE,
)
TRIED: Mapping[Any, Any] = {
    h: Lambda(g, exp(-g * w)),
    c: Lambda(x, 1 + x / Integer(3)),
    d: Lambda(y, 1 + y / Integer(5)),
    one: OPENED.functions[one],
    first: OPENED.functions[first],
    second: OPENED.functions[second],
    third: OPENED.functions[third],
    fourth: OPENED.functions[fourth],
    row: Lambda(x, Rational(1, 9)),
    column: Lambda(y, Rational(1, 8)),
    surprisal: Lambda((x, y), 1 + x + y),
    after: Lambda((v, x), (v + 1) / Integer(6)),
    before: Lambda((v, y), (v + 2) / Integer(9)),
    rate: Lambda(i, RATE),
    **LAWS,
}
CLOSED = Meaning(domain=POSITIVE, example=TRIED)

# --- the proof --------------------------------------------------------------------------------------------------------


def derivation() -> Derivation:
    """The theorem with its proof."""
    return Derivation(
        name="regions",
        title="Two tokens: how far privacy orders the weights of the regions",
        claim=Claim(
            r"For $w \geq 0$ a point of $R_1$ carries the largest weight; one of $R_{2,1}$ (only its first token is "
            r"shared) no less than those of $R_3$ and $R_4$ in its row, that is, with the same first token; one of "
            r"$R_{2,2}$ no less than those in its column. No other comparison of $R_{2,1}$ or $R_{2,2}$ with $R_3$ and "
            r"$R_4$, or of these two, holds in general: in the data of the last steps, at $w = 1$, the order is "
            r"reversed.",
            (*LARGEST, *OWN_ROW, *OWN_COLUMN, *REVERSED, *TRANSPOSED, *APART),
        ),
        assumptions=(
            r"Two positions, any number of tokens; $p = \sum_k a_k\, p(\cdot \mid k)$ and $p(x \mid z) > 0$ at the "
            r"points compared.",
            r"The raw rule; $A(x)$ is the terminal weight relative to $p(x \mid z)$, up to a factor that all points "
            r"share.",
        ),
        steps=(*_weights(), *_rates(), *_order(), *_elsewhere(), *_criterion(), *_reversed()),
        citations=("He2025", "Nisonoff2024"),
        instances=(on("squares-overlap"), on("diamonds"), on("slower-sampling")),
    )


def _weights() -> tuple[Step, ...]:
    prior, given, law = (symbol(name, positive=True) for name in ("a_z", "p(x|z)", "p(x)"))
    return (
        Step(
            "weights",
            r"The terminal law is proportional to $p(x \mid z)^{1+w} p(x)^{-w} (1/c_{x_1} + 1/d_{x_2})$. With "
            r"$e^{-g(x)} = p(z \mid x) = a_z\, p(x \mid z)/p(x)$ its weight relative to $p(x \mid z)$ is, up to "
            r"$a_z^{-w}$, the last factor times",
            (equal((given / law) ** w, prior**-w * (prior * given / law) ** w),),
            "Bayes' rule.",
            identities(),
        ),
        Step(
            "regions",
            r"A private token $x_1$, $p(z \mid x_1) = 1$, settles the class: $c_{x_1} = 1$, and $g(x) = 0$; likewise "
            r"$x_2$ and $d_{x_2}$. So the weights are, in $R_1$ (both tokens private), $R_{2,1}$ (the first shared), "
            r"$R_{2,2}$ (the second shared), $R_3$ (both shared, the point private, $g = 0$) and $R_4$ (the point "
            r"shared),",
            (equal(h(g), exp(-g * w)), *WEIGHTS),
            r"$h(g(x)) = p(z \mid x)^w$.",
            identities(replace(OPENED, functions={f: body for f, body in OPENED.functions.items() if f not in (c, d)})),
        ),
    )


def _rates() -> tuple[Step, ...]:
    return (
        *position_rates(),
        Step(
            "rates of the second reveal",
            r"Hence, in the contexts with one token revealed,",
            (ROWS, COLUMNS),
            r"$c_{x_1}$ is the rate of the second position after $x_1$, $d_{x_2}$ that of the first after $x_2$.",
            identities(
                Meaning(
                    functions={c: Lambda(x, rate(2)), d: Lambda(y, rate(1))},
                    domain=POSITIVE,
                    example={**LAWS, rate: Lambda(i, RATE)},
                )
            ),
            given=(AT_LEAST_ONE,),
        ),
        Step(
            "shared points lose",
            r"For $w \geq 0$ and $g \geq 0$",
            (KEPT,),
            r"$h(0) = 1$, and $h(g) = e^{-g w}$ falls.",
            rises(g, 0, meaning=Meaning(functions={h: Lambda(g, exp(-g * w))}, domain=POSITIVE)),
        ),
    )


def _order() -> tuple[Step, ...]:
    return (
        Step(
            "the largest weight",
            r"No point is ahead of one whose tokens are both private:",
            LARGEST,
            r"$c, d \geq 1$ and $h \leq 1$.",
            identities(CLOSED),
            given=(*WEIGHTS, ROWS, COLUMNS, KEPT),
        ),
        Step(
            "one row, one column",
            r"In its own row a point of $R_{2,1}$, in its own column one of $R_{2,2}$, is ahead of $R_3$ and $R_4$:",
            (*OWN_ROW, *OWN_COLUMN),
            r"The same $1/c_{x_1}$, or $1/d_{x_2}$, stands on both sides.",
            identities(CLOSED),
            given=(*WEIGHTS, ROWS, COLUMNS, KEPT),
        ),
    )


def _elsewhere() -> tuple[Step, ...]:
    here = {x: Integer(0), y: Integer(0), a: Integer(1), b: Integer(1)}
    slower, lower = Ge(c(a), c(x), evaluate=False), Ge(d(b), d(y), evaluate=False)
    return (
        Step(
            "rows whose second reveal is faster",
            r"A point $(x_1, x_2)$ of $R_{2,1}$ is ahead of those of $R_3$ and $R_4$ in every row $y_1$ with $c_{y_1} "
            r"\geq c_{x_1}$,",
            OTHER_ROWS,
            r"$1/c_{x_1} \geq 1/c_{y_1}$ and $1 \geq 1/d_{y_2}$.",
            identities(replace(CLOSED, facts=(slower,), example={**TRIED, **here})),
            given=(*WEIGHTS, COLUMNS, KEPT),
        ),
        Step(
            "columns whose first reveal is faster",
            r"One of $R_{2,2}$ is ahead of those in every column $y_2$ with $d_{y_2} \geq d_{x_2}$:",
            OTHER_COLUMNS,
            r"$1/d_{x_2} \geq 1/d_{y_2}$ and $1 \geq 1/c_{y_1}$.",
            identities(replace(CLOSED, facts=(lower,), example={**TRIED, **here})),
            given=(*WEIGHTS, ROWS, KEPT),
        ),
    )


def _criterion() -> tuple[Step, ...]:
    slow_row = Ge(exp(row(x) * w), c(x), evaluate=False)
    slow_column = Ge(exp(column(y) * w), d(y), evaluate=False)
    parts = exp(-row(x) * w) + exp(-column(y) * w)
    below, above = (
        Ge(third(x, y), parts, evaluate=False),
        Ge(2 * h(surprisal(x, y)), fourth(x, y), evaluate=False),
    )
    return (
        Step(
            "rates and posteriors",
            r"With $p(z \mid x_1) = e^{-\gamma}$ the ratio of the two laws after $x_1$ is $p(z \mid x)/p(z \mid x_1) = "
            r"e^{\gamma - g}$, so that",
            (SECOND_DEFICIT, FIRST_DEFICIT),
            r"These laws of the class, here written without $z$, have the sum one.",
            identities(replace(OPENED, example={**TRIED, c: OPENED.functions[c], d: OPENED.functions[d]})),
        ),
        Step(
            "rates are at most reciprocal posteriors",
            r"Therefore, with $p(z \mid x_2) = e^{-\eta}$,",
            (slow_row, slow_column),
            r"$h \leq 1$.",
            identities(
                Meaning(
                    domain=POSITIVE,
                    example={key: value for key, value in TRIED.items() if key not in (c, d)},
                )
            ),
            given=(SECOND_DEFICIT, FIRST_DEFICIT, KEPT),
        ),
        Step(
            "weights and posteriors",
            r"So for points of $R_3$ and of $R_4$",
            (below,),
            r"$1/c \geq e^{-\gamma w}$ and $1/d \geq e^{-\eta w}$.",
            identities(CLOSED),
            given=(POINT_PRIVATE, slow_row, slow_column),
        ),
        Step(
            "weights of shared points",
            "On the other side,",
            (above,),
            r"$c, d \geq 1$.",
            identities(CLOSED),
            given=(POINT_SHARED, ROWS, COLUMNS),
        ),
        Step(
            "when private points are ahead",
            r"A point $x$ of $R_3$ is ahead of a point $y$ of $R_4$ wherever neither of its tokens speaks less for the "
            r"class than $y$ does, $p(z \mid y) \leq p(z \mid x_1)$ and $p(z \mid y) \leq p(z \mid x_2)$:",
            (PRIVATE_FIRST,),
            r"Then $e^{-\gamma w} \geq h(g(y))$ and $e^{-\eta w} \geq h(g(y))$.",
            identities(
                replace(
                    CLOSED,
                    facts=(
                        Ge(exp(-row(x) * w), h(surprisal(a, b)), evaluate=False),
                        Ge(exp(-column(y) * w), h(surprisal(a, b)), evaluate=False),
                    ),
                )
            ),
            given=(below, above),
        ),
    )


# --- the order reversed -----------------------------------------------------------------------------------------------


def crossed(transposed: bool = False) -> Problem:
    """Three points of the class, ``(1, 2)`` in ``R2,1``, ``(0, 0)`` in ``R3`` and ``(0, 1)`` in ``R4``."""

    def turn(table: Mapping[tuple[int, int], str]) -> dict[Any, str]:
        return {x[::-1] if transposed else x: p for x, p in table.items()}

    target = turn(dict.fromkeys([(0, 0), (0, 1), (1, 2)], "1/3"))
    other = turn({(0, 1): "1/20", (0, 3): "1/10", (2, 0): "1/4", (1, 3): "3/5"})
    mixture = ClassMixture.of(4, 2, {"z": ("1/2", target), "other": ("1/2", other)}, name="crossed")
    return mixture.problem("z")


def apart() -> Problem:
    """Uniform classes; ``(1, 2)`` is in ``R3`` and ``(0, 0)``, which shares no token with it, in ``R4``."""
    target = dict.fromkeys([(0, 0), (0, 1), (1, 2)], "1/3")
    other = dict.fromkeys([(0, 0), (0, 2), (1, 3), (3, 2)], "1/4")
    return ClassMixture.of(4, 2, {"z": ("1/2", target), "other": ("1/2", other)}, name="apart").problem("z")


def weights(problem: Problem, strength: Fraction) -> dict[Any, Any]:
    """``{A(x): p(z|x)^w (1/c + 1/d)}``, each under the name of its region, in rational numbers."""
    chain = guided_chain(guidance(problem)).over(RATIONAL, strength)
    given: Any = problem.conditional
    law: Any = problem.unconditional
    found: dict[Any, Any] = {}
    for x, probability in terminal_law(chain).table.items():
        shown = (x[0], None), (None, x[1]), x
        private = [problem.prior * given.weight(part) == law.weight(part) for part in shown]
        name = {
            (True, True, True): one,
            (False, True, True): first,
            (True, False, True): second,
            (False, False, True): third,
            (False, False, False): fourth,
        }[tuple(private)]
        weight = probability / given.weight(x) * chain.exit_rate(0) * Fraction(str(problem.prior)) ** strength
        found[name(*map(Integer, x))] = to_sympy(weight)
    return found


def _reversed() -> tuple[Step, ...]:
    described = (
        r"the class uniform on $(0,0)$, $(0,1)$, $(1,2)$, and another, of equal prior, with the probabilities "
        r"$\frac{1}{20}$, $\frac{1}{10}$, $\frac{1}{4}$, $\frac{3}{5}$ at $(0,1)$, $(0,3)$, $(2,0)$, $(1,3)$. At $w = "
        r"1$ the order of the regions is reversed, also between $R_3$ and $R_4$ within one row:"
    )
    return (
        Step(
            "a reversed order",
            f"Let the data be {described}",
            REVERSED,
            "Exact rational arithmetic over the chain.",
            values(lambda: weights(crossed(), Fraction(1))),
        ),
        Step(
            "and its transpose",
            "With the tokens exchanged the same holds for $R_{2,2}$, and between $R_3$ and $R_4$ within one column:",
            TRANSPOSED,
            "Exact rational arithmetic over the chain.",
            values(lambda: weights(crossed(transposed=True), Fraction(1))),
        ),
        Step(
            "neither row nor column",
            r"Nor does it hold for points of $R_3$ and $R_4$ without a token in common: with the class uniform on "
            r"$(0,0)$, $(0,1)$, $(1,2)$, and another, of equal prior, on $(0,0)$, $(0,2)$, $(1,3)$, $(3,2)$, "
            r"at $w = 1$",
            APART,
            "Exact rational arithmetic over the chain.",
            values(lambda: weights(apart(), Fraction(1))),
        ),
    )


# --- data -------------------------------------------------------------------------------------------------------------


def on(name: str) -> Instance:
    """The inequalities of the theorem between all points of a built-in problem, in rational numbers."""

    def check(digits: int) -> list[Evidence]:
        found = []
        for strength in map(Fraction, (1, 2, 5)):
            table = weights(load(name), strength)
            pairs = wrong = 0
            for left, right in ((left, right) for left in table for right in table):
                comparable = (
                    (left.func == one and right.func != one)
                    or (left.func == first and right.func in (third, fourth) and left.args[0] == right.args[0])
                    or (left.func == second and right.func in (third, fourth) and left.args[1] == right.args[1])
                )
                pairs += comparable
                wrong += comparable and bool(table[left] < table[right])
            verdict = Verdict.REFUTED if wrong else Verdict.PROVED
            found.append(Evidence(f"w = {strength}", verdict, f"{pairs} pairs of {len(table)} points"))
        return found

    return Instance(name, check)
