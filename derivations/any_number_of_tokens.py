"""Any number of tokens, by induction: the trajectory over orders and over sets, the terminal law, the distance to it.

``P_x = Σ_orders Π r · s^n exp[−Λ_0 s, …, −Λ_n s] = Σ_{R⊆S} C_{S,R} u^{Λ_R}`` with ``C_{S,R} = Σ_{i∈S∖R} r_i C_{S∖i,R} /
(Λ_S − Λ_R)``; the terminal law is that of a jump chain, ``h_S = Σ_i h_{S∖i} r_i / Λ_{S∖i}``; and ``TV`` is the
probability that a mask is left (He, Rojas, Tao, arXiv:2506.10971, for one and two tokens).
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from sympy import (
    Abs,
    Add,
    Derivative,
    Expr,
    Function,
    Ge,
    Integer,
    Integral,
    Lambda,
    Limit,
    Rational,
    Sum,
    Tuple,
    exp,
    oo,
)

from symguide.chains.chain import guided_chain
from symguide.chains.naming import named
from symguide.checks.verification import Candidate, verify
from symguide.evidence import Evidence
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.exp_dd import exp_dd
from symguide.proofs.derivation import Claim, Derivation, Instance, Step
from symguide.proofs.identities import Meaning, equal, identities, times
from symguide.symbols import s, symbol, u, w

# --- the words of the proof -------------------------------------------------------------------------------------------

i, j, k = (symbol(name, integer=True, positive=True) for name in "ijk")
n, m, count = (symbol(name, integer=True, positive=True) for name in ("n", "m", "K"))
a, b, c = (symbol(name, positive=True) for name in ("Lambda_0", "Lambda_n", "Lambda_1"))
exit_rate: Any = symbol("Lambda", positive=True)
first, last, both = (Function(name, real=True) for name in ("A", "B", "F"))
inner, whole = Function("K", real=True), Function("E", real=True)
rate: Any = Function("r_", positive=True)
path, before, weight = (Function(name, positive=True) for name in ("P", "P_", "rho_"))
short, long = Function("e_", positive=True), Function("f_", positive=True)
rate_of: Any = Function("Lambda_", positive=True)
coefficient, old, own = Function("C_", real=True), Function("B_", real=True), symbol("C_S", real=True)
occupied, arrived, stays, visits = (Function(name, positive=True) for name in ("G_", "J_", "I_", "h_"))
here, TV, sigma = (symbol(name, positive=True) for name in ("h", "TV", "sigma"))
flow, mass, leaving = Function("r", nonnegative=True), before, rate_of
ends, gain, limit_law = Function("Q_", positive=True), Function("g_", nonnegative=True), visits
HALF = Rational(1, 2)


def dd(*rates: Any) -> Any:
    return exp_dd(Tuple(*rates), s)


def over(index: Any, form: Any, size: Any) -> Any:
    return Sum(form, (index, 1, size))


# --- divided differences of any order ---------------------------------------------------------------------------------

QUOTIENT = (first(s) - last(s)) / (b - a)
NODES = Meaning(
    functions={both: Lambda(s, QUOTIENT)},
    rules={
        Derivative(first(s), s): inner(s) - a * first(s),
        Derivative(last(s), s): inner(s) - b * last(s),
        first(0): whole(0),
        last(0): whole(0),
    },
    example={
        first: Lambda(s, dd(a, c)),
        last: Lambda(s, dd(c, b)),
        inner: Lambda(s, exp(-c * s)),
        whole: Lambda(s, dd(c, a, b)),
    },
)
SLOPE = equal(Derivative(both(s), s), first(s) - b * both(s))
OTHER_SLOPE = equal(Derivative(both(s), s), last(s) - a * both(s))

# --- all orders of revealing ------------------------------------------------------------------------------------------

ORDERS = over(i, rate(i) * over(j, weight(i, j) * long(i, j, s), m), n)
PATHS = Meaning(
    functions={path: Lambda(s, ORDERS), before: Lambda((i, s), over(j, weight(i, j) * short(i, j, s), m))},
    rules={Derivative(long(i, j, s), s): short(i, j, s) - exit_rate * long(i, j, s), long(i, j, 0): Integer(0)},
    example={
        short: Lambda((i, j, s), exp(-i * s)),
        long: Lambda((i, j, s), (exp(-i * s) - exp(-exit_rate * s)) / (exit_rate - i)),
        exit_rate: Rational(7, 2),
    },
)
FORWARD = equal(Derivative(path(s), s), over(i, rate(i) * before(i, s), n) - exit_rate * path(s))
REVEAL_ORDERS = equal(path(s), ORDERS)

# --- all sets of revealed positions -----------------------------------------------------------------------------------

CLOSED = over(k, coefficient(k) * u ** rate_of(k), count) + own * u**exit_rate
RECURSION = over(i, rate(i) * old(i, k), n) / (exit_rate - rate_of(k))
SETS = Meaning(
    functions={
        coefficient: Lambda(k, RECURSION),
        path: Lambda(s, CLOSED.subs(u, exp(-s))),
        before: Lambda((i, s), over(k, old(i, k) * exp(-rate_of(k) * s), count)),
    },
    rules={own: -over(k, RECURSION, count)},
)
SUBSETS = equal(path(s), over(k, coefficient(k) * exp(-rate_of(k) * s), count) + own * exp(-exit_rate * s))
COEFFICIENTS = equal(coefficient(k), RECURSION), equal(own, -over(k, coefficient(k), count))

# --- the end ----------------------------------------------------------------------------------------------------------

ON_THE_WAY = over(k, coefficient(k) * u ** rate_of(k), count)
# Integrals over all s: G of P, J of e and I of f.
SPENT = Meaning(
    functions={
        occupied: Lambda(i, over(j, weight(i, j) * arrived(i, j), m)),
        stays: Lambda((i, j), arrived(i, j) / exit_rate),
    }
)
STAY = over(i, rate(i) * over(j, weight(i, j) * stays(i, j), m), n)
VISITED = equal(exit_rate * STAY, over(i, rate(i) * occupied(i), n))
JUMPS = equal(here, over(i, rate(i) * visits(i) / rate_of(i), n))
JUMPING = Meaning(
    functions={**SPENT.functions, visits: Lambda(i, rate_of(i) * occupied(i))}, rules={here: exit_rate * STAY}
)

FLOW = Meaning(functions={leaving: Lambda(k, over(j, flow(k, j), count))})
BALANCE = over(k, over(j, flow(j, k) * mass(j), count) - leaving(k) * mass(k), count)

# P_i of contexts with masks, Q_j of those without, h_j what those end with, g_j what they still gain.
INFLOW = Integral(over(i, flow(i, j) * before(i, sigma), n), (sigma, s, oo))
APART = times(HALF, over(i, Abs(mass(i)), n) + over(j, Abs(ends(j) - limit_law(j)), m))
NOW = equal(over(j, ends(j), m), 1 - over(i, mass(i), n))
FINALLY = equal(over(j, gain(j), m), 1 - over(j, ends(j), m))
DISTANCE = equal(TV, over(i, mass(i), n))
MASSES = Meaning(
    functions={limit_law: Lambda(j, ends(j) + gain(j))},
    rules={TV: APART},
    sums={NOW.rhs: NOW.lhs, FINALLY.rhs: FINALLY.lhs},
    example={
        mass: Lambda(i, 1 / (4 * n)),
        ends: Lambda(j, 3 / (4 * m)),
        gain: Lambda(j, 1 / (4 * m)),
    },
)

# --- the proof --------------------------------------------------------------------------------------------------------


def derivation() -> Derivation:
    """The theorem with its proof."""
    return Derivation(
        name="any number of tokens",
        title="Any number of tokens: trajectory, terminal law and total variation by induction",
        claim=Claim(
            r"Let $x_S$ be a context with $n \geq 1$ revealed tokens, left at the rate $\Lambda$, and for $i \leq n$ "
            r"let $r_i$ be the rate of its last reveal at the $i$-th of them. Then $P = P_{x_S}$ is a sum over the "
            r"orders $j$ in which the tokens may be revealed, $\rho_i(j)$ being the product of the rates before the "
            r"last and $f_i(j, s) = s^n \exp[-\Lambda_0 s, \ldots, -\Lambda_n s]$ at the exit rates along the order; "
            r"where exit rates differ it is a sum over the subsets $k$ of $S$, with the coefficients $C_k$ and, for "
            r"$S$ itself, $C_S$. The terminal law is that of a jump chain, and $\mathrm{TV}$ is the probability of a "
            r"mask.",
            (REVEAL_ORDERS, SUBSETS, *COEFFICIENTS, JUMPS, DISTANCE),
        ),
        assumptions=(
            r"$D$ positions, any $D$, and any number of tokens; the rates $r$ are those of any rule.",
            r"Contexts with masks have positive exit rates, those without have none. (A context with masks whose rates "
            r"are all zero would count as terminal.)",
            r"All is masked at $s = 0$.",
        ),
        steps=(*_divided_differences(), *_trajectory(), *_terminal_law(), *_total_variation()),
        citations=("He2025", "Nisonoff2024", "Rojas2025", "McCurdy1984"),
        instances=(
            on("hypercubes:D=3,side=2,overlap=1"),
            on("hypercubes:D=3,side=2,overlap=1", "normalised"),
            on("words:length=3,languages=en+fr,top=8", needs=("wordfreq",)),
            on("digits:patch=1x3,row=3", needs=("sklearn",)),
        ),
    )


def _divided_differences() -> tuple[Step, ...]:
    return (
        Step(
            "one rate",
            r"The divided difference $\mathcal{E}_s[\Lambda_0, \ldots, \Lambda_n] = s^n \exp[-\Lambda_0 s, \ldots, "
            r"-\Lambda_n s]$ of one rate, and of two, satisfies",
            (
                equal(Derivative(exp(-a * s), s), -a * exp(-a * s)),
                equal(dd(a, b), (exp(-a * s) - exp(-b * s)) / (b - a)),
                equal(Derivative(dd(a, b), s), exp(-a * s) - b * dd(a, b)),
            ),
            "Differentiation.",
            identities(),
        ),
        Step(
            "one rate more",
            r"Let $A$ and $B$ be those of $\Lambda_0, \ldots, \Lambda_{n-1}$ and of $\Lambda_1, \ldots, \Lambda_n$, "
            r"$K$ that of the rates they share, $0$ if there are none, and suppose that $A' = K - \Lambda_0 A$, $B' = "
            r"K - \Lambda_n B$ and $A(0) = B(0)$. Then $F = \mathcal{E}_s[\Lambda_0, \ldots, \Lambda_n]$ satisfies",
            (equal(both(s), QUOTIENT), SLOPE, OTHER_SLOPE, equal(both(0), 0)),
            r"$F = (A - B)/(\Lambda_n - \Lambda_0)$ is the recursion of divided differences. They are symmetric, so "
            r"any of the rates may be the last, and the same holds for the next $n$; and continuous, so it holds where "
            r"rates coincide.",
            identities(NODES),
        ),
    )


def _trajectory() -> tuple[Step, ...]:
    return (
        Step(
            "nothing revealed",
            r"The start is left at the rate $\Lambda_0$ and never entered, so it has the probability $e^{-\Lambda_0 "
            r"s}$:",
            (equal(Derivative(path(s), s), -a * path(s)), equal(path(0), 1)),
            "This begins the induction.",
            identities(Meaning(functions={path: Lambda(s, exp(-a * s))})),
        ),
        Step(
            "orders of revealing",
            r"Suppose that each $P_i$, the probability of $x_S$ with its $i$-th token masked, is the sum over the $m = "
            r"(n-1)!$ orders of the others, $P_i = \sum_j \rho_i(j)\, e_i(j, s)$. Appending the exit rate $\Lambda$ to "
            r"the order makes $f_i(j, s)$ of $e_i(j, s)$, and the sum over all orders satisfies the Kolmogorov "
            r"equation of $x_S$, and begins with nothing:",
            (REVEAL_ORDERS, FORWARD, equal(path(0), 0)),
            r"By the step before the last, $f' = e - \Lambda f$ and $f(0) = 0$. A linear equation with given initial "
            r"value has one solution.",
            identities(PATHS),
        ),
        Step(
            "sets of revealed positions",
            r"Suppose that each $P_i$ is the sum $\sum_k B_i(k)\, e^{-\Lambda_k s}$ over the $K = 2^n - 1$ proper "
            r"subsets of $S$, $B_i(k)$ being zero for the subsets that contain position $i$. Where no $\Lambda_k$ is "
            r"$\Lambda$ the same equation and initial value hold for",
            (SUBSETS, *COEFFICIENTS, FORWARD, equal(path(0), 0)),
            r"Finite sums may be taken in either order; then the coefficients of each $e^{-\Lambda_k s}$ agree. So "
            r"both sums are $P_{x_S}$.",
            identities(SETS),
        ),
    )


def _terminal_law() -> tuple[Step, ...]:
    return (
        Step(
            "what dies out",
            r"As $u \to 0$, with positive rates, a context with masks is left with nothing, and one without, whose "
            r"exit rate is $0$, with $C_S$:",
            (
                equal(Limit(ON_THE_WAY + own * u**exit_rate, u, 0), 0),
                equal(Limit(ON_THE_WAY + own, u, 0), own),
            ),
            r"Each power of $u$ vanishes, and there are finitely many.",
            identities(),
        ),
        Step(
            "time spent",
            r"Let $J_i(j)$ and $I_i(j)$ be the integrals over all $s$ of $e_i(j, s)$ and $f_i(j, s)$. As $f' = e - "
            r"\Lambda f$ and $f$ begins and ends with $0$, $I_i(j) = J_i(j) / \Lambda$. So with $G_i = \int P_i\, ds$ "
            r"a context with masks spends its time such that",
            (equal(stays(i, j), arrived(i, j) / exit_rate), VISITED),
            r"$\int P\, ds = \sum_i r_i \sum_j \rho_i(j)\, I_i(j)$.",
            identities(SPENT),
        ),
        Step(
            "jump chain",
            r"Let $h = \Lambda \int P\, ds$: with mass one it is the probability of ever being in the context, since "
            r"each visit ends at the rate $\Lambda$; it is $1$ for the start. Then",
            (JUMPS,),
            r"$G_i = h_i / \Lambda_i$. A context without masks keeps what it gets, $\sum_i r_i G_i$: the same formula.",
            identities(JUMPING),
        ),
    )


def _total_variation() -> tuple[Step, ...]:
    return (
        Step(
            "mass",
            r"Let $k$ run over all contexts and $r(j, k)$ be the rate from $j$ to $k$. The total probability does not "
            r"change:",
            (equal(leaving(k), over(j, flow(k, j), count)), equal(BALANCE, 0)),
            "Exit rates are sums of rates, and both sums run over all pairs of contexts.",
            identities(FLOW),
        ),
        Step(
            "contexts without masks only gain",
            r"Let $i$ run over the contexts with masks and $j$ over those without. What $j$ still gains after $s$ is",
            (Ge(INFLOW, 0, evaluate=False),),
            "It is never left, and no rate is negative.",
            identities(Meaning(example={before: Lambda((i, s), exp(-i * s)), flow: Lambda((i, j), i / j)})),
        ),
        Step(
            "total variation",
            r"So with $Q_j$ the probability of $j$ at $u$, $g_j$ what it still gains and $h_j = Q_j + g_j$ what it "
            r"ends with,",
            (
                NOW,
                FINALLY,
                equal(TV, APART),
                equal(APART, times(HALF, over(i, mass(i), n) + over(j, gain(j), m))),
                DISTANCE,
            ),
            "The total is one at every $u$ and at the end, where contexts with masks have nothing.",
            identities(MASSES),
        ),
    )


# --- data -------------------------------------------------------------------------------------------------------------


def on(name: str, rule: str = "rate", needs: tuple[str, ...] = ()) -> Instance:
    """The sum over the orders of revealing, on a built-in problem."""

    def check(digits: int) -> Sequence[Evidence]:
        chain = named(guided_chain(guidance(load(name), rule)), w)
        orders: list[list[tuple[Expr, tuple[Any, ...]]]] = []
        for state, reveals in enumerate(chain.chain.incoming):
            node = chain.chain.exit_rate(state)
            ways = [(x * y.rate, (*nodes, node)) for y in reveals for x, nodes in orders[y.source]]
            orders.append(ways or [(Integer(1), (node,))])
        forms = {
            context: Add(*(x * dd(*nodes) for x, nodes in ways))
            for context, ways in zip(chain.chain.states, orders, strict=True)
        }
        return verify(
            Candidate(chain, forms), Fraction(3, 2), [Fraction(1, 2), Fraction(1, 10)], digits=digits
        ).evidence

    return Instance(name if rule == "rate" else f"{name}, {rule}", check, needs)
