"""Two tokens: stronger guidance may lower the posterior, and may unmask more slowly.

For one token ``E[log p(z|X)]`` rises and ``E[1/p(z|X)]`` falls in ``w``. For two neither is so: the first token that
most speaks for the class may lead to a point shared with another class, and to a context in which guidance has no more
to say. The tilted law of whole sequences is one token and monotone; what is lost is lost one reveal at a time. Where
the class excludes no token, ``TV`` and the mean time tend to the unguided ones also as ``w → −1``.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import flint
from sympy import Function, Ge, Gt, Integer, Lambda, Mul, Rational, factorrat, log

from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.chains.functionals import class_posterior, last_reveal, posterior, reciprocal_posterior, terminal_law
from symguide.evidence import Evidence, Verdict
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, FLOATS, RATIONAL, SYMBOLIC
from symguide.numbers.number import to_sympy
from symguide.proofs.derivation import Claim, Derivation, Figure, Instance, Step
from symguide.proofs.identities import Meaning, equal, identities, rises, values
from symguide.proofs.lemmas import LAWS, given_none, i, intensity, missing, over_tokens, v
from symguide.proofs.meaning import powers
from symguide.symbols import s, symbol, u, w

# --- the data ---------------------------------------------------------------------------------------------------------

SHARED, PRIVATE = (0, 1), (1, 1)
SOFT = Fraction(1, 1000)


@lru_cache
def decoy(soft: Fraction = Fraction(0)) -> Problem:
    """A class on a shared and a private point; the token ``0`` speaks for it, and leads to the shared one.

    With ``soft`` the class has that probability at the two other points too, so that it excludes none.
    """
    half = Fraction(1, 2) - soft
    target = {SHARED: half, PRIVATE: half} | ({(1, 2): soft, (2, 1): soft} if soft else {})
    other = {SHARED: "1/12", (1, 2): "1/2", (2, 1): "5/12"}
    return ClassMixture.of(3, 2, {"z": ("1/7", target), "other": ("6/7", other)}, name="decoy").problem("z")


# --- the words of the proof -------------------------------------------------------------------------------------------

a, c = symbol("a", positive=True), symbol("c", positive=True)
LETTERS: Mapping[int, Any] = {2: a, 7: a**2 * c}
"""``2^w = a`` and ``7^w = 4^w (7/4)^w = a² c``: in these letters all rates of the example are rational."""
GUIDED: Mapping[Any, Any] = {a: 1 + symbol("alpha", positive=True), c: 1 + symbol("gamma", positive=True)}
"""``w > 0``: ``2^w > 1`` and ``(7/4)^w > 1``."""

private, slow_private = (Function(name, positive=True) for name in ("P", "P^{n}"))
shared, slow_shared = (Function(name, positive=True) for name in ("S", "S^{n}"))
gap, slow_gap = Function("g", real=True), Function("g^{n}", real=True)
mean, slow_mean = Function("E", positive=True), Function("E^{n}", positive=True)
reciprocal, slow_reciprocal = Function("H", positive=True), Function("H^{n}", positive=True)
logarithm, slow_logarithm = Function("L", real=True), Function("L^{n}", real=True)
time, left = Function("tau", positive=True), Function("TV_", positive=True)
soft_reciprocal, soft_mean, soft_time = (Function(name, positive=True) for name in ("H^{s}", "E^{s}", "tau_s"))
slope, slow_slope = symbol("sigma", real=True), symbol("sigma_n", real=True)
token_posterior: Any = Function("pi", positive=True)


@lru_cache
def ends(rule: str) -> tuple[Any, Any]:
    """The probabilities of the shared and the private point in the letters ``a = 2^w``, ``c = (7/4)^w``."""
    law = terminal_law(guided_chain(guidance(decoy(), rule)).over(SYMBOLIC, w))

    def lettered(power: Any) -> Any:
        factors: Any = factorrat(power.base)
        return Mul(*(LETTERS[prime] ** count for prime, count in factors.items()))

    found = (law[x].replace(lambda part: part.is_Pow and part.exp == w, lettered) for x in (SHARED, PRIVATE))
    first, second = found
    return first, second


def in_strength(form: Any) -> Any:
    """The letters read as powers."""
    return form.xreplace({a: Integer(2) ** w, c: Rational(7, 4) ** w})


def at_zero(form: Any) -> Any:
    """The derivative at ``w = 0``."""
    return form.diff(w).subs(w, 0)


WHOLE = 1 + 2 * c + a * c
P = equal(private(a, c), (1 + 2 * a * c / (1 + a)) / WHOLE)
S = equal(shared(a, c), (a * c + 2 * c / (1 + a)) / WHOLE)
SLOW_P = equal(slow_private(a, c), (1 / (1 + a * c) + a / (1 + a)) / 2)
SLOW_S = equal(slow_shared(a, c), (a * c / (1 + a * c) + 1 / (1 + a)) / 2)
GAP = equal(gap(a, c), ((c - 1) * (a * (a - 1) + 2) + (a - 1) ** 2) / ((1 + a) * WHOLE))
SLOW_GAP = equal(slow_gap(a, c), a * (c - 1) / ((1 + a) * (1 + a * c)))
LARGER = Ge(Integer(2) ** w, 1, evaluate=False), Ge(Rational(7, 4) ** w, 1, evaluate=False)
AHEAD, SLOW_AHEAD = Gt(gap(a, c), 0, evaluate=False), Gt(slow_gap(a, c), 0, evaluate=False)
MEANS = (
    *(equal(f(a, c), Rational(3, 4) - g(a, c) / 4) for f, g in ((mean, gap), (slow_mean, slow_gap))),
    *(equal(f(a, c), Rational(3, 2) + g(a, c) / 2) for f, g in ((reciprocal, gap), (slow_reciprocal, slow_gap))),
    *(equal(f(a, c), -(1 + g(a, c)) * log(2) / 2) for f, g in ((logarithm, gap), (slow_logarithm, slow_gap))),
)
VANISHES = Ge(3 / a, private(a, c), evaluate=False)
SLOPES = equal(slope, -log(Rational(7, 4)) / 8), equal(slow_slope, -log(Rational(7, 4)) / 8)
TIMES = (
    equal(time(2), Rational(58341, 75950)),
    equal(time(3), Rational(17850529, 21571956)),
    Gt(time(3), time(2), evaluate=False),
)
TAIL = Rational(1, 2**16)
SURVIVALS = (
    Gt(3 * TAIL / 5, left(1), evaluate=False),
    Gt(left(2), 7 * TAIL / 10, evaluate=False),
    Gt(left(2), left(1), evaluate=False),
)
SOFTENED = (
    equal(soft_reciprocal(0), 7),
    Gt(Rational(8, 5), soft_reciprocal(1), evaluate=False),
    Gt(soft_reciprocal(2), Rational(5, 3), evaluate=False),
    Gt(soft_reciprocal(2), soft_reciprocal(1), evaluate=False),
    Gt(soft_mean(0), soft_mean(1), evaluate=False),
    Gt(soft_time(3), soft_time(2), evaluate=False),
)

# --- the proof --------------------------------------------------------------------------------------------------------


def derivation() -> Derivation:
    """The theorem with its proof."""
    return Derivation(
        name="not monotone",
        title="Two tokens: more guidance may lower the posterior, and may unmask more slowly",
        claim=Claim(
            r"There are data of two tokens on which, for every $w > 0$ and under both rules, $E = E[p(z \mid X)]$ and "
            r"$L = E[\ln p(z \mid X)]$ are below, and $H = E[1/p(z \mid X)]$ above, what they are without guidance: "
            r"there $g, g^n > 0$. Under the raw rule strong guidance gives up the private point of the class for the "
            r"shared one, and the mean time $\tau(w)$ of the last reveal and $\mathrm{TV}_w$ at $u = 2^{-16}$ rise "
            r"between some strengths. Where the class excludes no point, here with a mark $s$, $E$ may "
            r"fall, and $H$ and the mean time may rise, between strengths as well, $H$ not above its value at $w = 0$.",
            (AHEAD, SLOW_AHEAD, *MEANS, VANISHES, *SLOPES, TIMES[-1], SURVIVALS[-1], SOFTENED[0], *SOFTENED[3:]),
        ),
        assumptions=(
            r"In the data $N = 3$ and $D = 2$: the class, of prior $\frac{1}{7}$, is uniform on $(0,1)$ and $(1,1)$; "
            r"another has the probabilities $\frac{1}{12}$, $\frac{1}{2}$, $\frac{5}{12}$ at $(0,1)$, $(1,2)$, "
            r"$(2,1)$. $P$, $S$ are the terminal probabilities of $(1,1)$, $(0,1)$ under the raw rule, $P^n$, $S^n$ "
            r"under the normalised one, as functions of $a = 2^w$ and $c = (7/4)^w$; $g = S - P$ and $g^n = S^n - "
            r"P^n$.",
            r"That $H \leq 1/p(z)$ for $w \geq 0$ is shown under `drift'; at $w = 0$ it is $\sum_x p(x) / p(z)$ over "
            r"the points of the class.",
        ),
        steps=(*_ends(), *_posteriors(), *_paces()),
        citations=("He2025", "Nisonoff2024", "Rojas2025"),
        instances=(along("rate"), along("normalised")),
        figures=(
            Figure(
                "not monotone curves",
                r"The data of two tokens: $E[p(z \mid X)]$ of the terminal law under both rules, and under the raw "
                r"rule the mean time of the last reveal on the clock $s$. Dotted: $E[p(z \mid X)]$ without guidance.",
                _draw,
            ),
        ),
    )


def _letters() -> Meaning:
    """The names as what the chain gives, and expectations as sums over the two points."""
    first, second = (to_sympy(posteriors()[token_posterior(*point)]) for point in (SHARED, PRIVATE))
    bodies: dict[Any, Any] = {}
    for rule, names in (
        ("rate", (shared, private, gap, mean, reciprocal, logarithm)),
        ("normalised", (slow_shared, slow_private, slow_gap, slow_mean, slow_reciprocal, slow_logarithm)),
    ):
        at_shared, at_private = ends(rule)
        means = (at_shared * f(first) + at_private * f(second) for f in (lambda p: p, lambda p: 1 / p, log))
        bodies |= dict(zip(names, (at_shared, at_private, at_shared - at_private, *means), strict=True))
    return Meaning(functions={name: Lambda((a, c), body) for name, body in bodies.items()})


def posteriors() -> dict[Any, Any]:
    """``p(z|x)`` at the two points, in rational numbers."""
    law = terminal_law(guided_chain(guidance(decoy())).over(RATIONAL, Fraction(0)))
    return {
        token_posterior(*point): to_sympy(found)
        for point, found in zip(law.states, class_posterior(law, decoy()), strict=True)
    }


def _ends() -> tuple[Step, ...]:
    words = _letters()
    closed = Meaning(domain=GUIDED, example={**words.functions, a: Integer(2), c: Rational(7, 4)})
    return (
        Step(
            "where the chain ends",
            r"The terminal laws of the data are, under the raw and under the normalised rule,",
            (P, S, SLOW_P, SLOW_S),
            r"The chain of the data with $w$ open; its rates are products of powers of $2^w = a$ and $7^w = a^2 c$.",
            identities(words),
        ),
        Step(
            "powers that rise",
            r"For $w \geq 0$ both letters are at least one, for $w > 0$ larger:",
            LARGER,
            r"They begin at $1$ and have positive slopes.",
            rises(w, 0, meaning=Meaning(domain={w: symbol("w", nonnegative=True)})),
        ),
        Step(
            "the shared point is ahead",
            "The shared point is ahead of the private one by",
            (GAP, SLOW_GAP),
            "Both sides are multiplied out.",
            identities(words),
        ),
        Step(
            "at every strength",
            r"For $w > 0$ this is positive; for $w = 0$, $a = c = 1$, it is zero:",
            (AHEAD, SLOW_AHEAD),
            r"$a > 1$ and $c > 1$.",
            identities(closed),
            given=(GAP, SLOW_GAP),
        ),
        Step(
            "the private point is given up",
            r"For $w > 0$, under the raw rule, the private point keeps no more than",
            (VANISHES,),
            r"$a > 1$ and $c > 1$.",
            identities(closed),
            given=(P,),
        ),
    )


def paces(*strengths: int) -> dict[Any, Any]:
    """Mean times of the last reveal, and ``TV`` at ``u = 2^{−16}`` where powers of ``u`` are rational there."""
    chain = guided_chain(guidance(decoy()))
    found: dict[Any, Any] = {}
    for strength in strengths:
        found[time(strength)] = to_sympy(last_reveal(chain.over(RATIONAL, Fraction(strength))).mean)
        tail = expand(chain.over(SYMBOLIC, Integer(strength))).survival(s)
        found[left(strength)] = powers(tail).subs(u, TAIL)
    return found


def softened() -> dict[Any, Any]:
    """The same means and times where the class has a little probability at every point, in rational numbers."""
    problem = decoy(SOFT)
    chain = guided_chain(guidance(problem))
    found: dict[Any, Any] = {}
    for strength in range(4):
        reached = chain.over(RATIONAL, Fraction(strength))
        law = terminal_law(reached)
        found[soft_reciprocal(strength)] = to_sympy(reciprocal_posterior(law, problem))
        found[soft_mean(strength)] = to_sympy(posterior(law, problem))
        found[soft_time(strength)] = to_sympy(last_reveal(reached).mean)
    return found


def _posteriors() -> tuple[Step, ...]:
    words = _letters()
    by_strength = {
        name: at_zero(in_strength(ends(rule)[1])) for name, rule in ((slope, "rate"), (slow_slope, "normalised"))
    }
    return (
        Step(
            "posteriors",
            r"With $\pi(x) = p(z \mid x)$ the two points have",
            (equal(token_posterior(*SHARED), Rational(1, 2)), equal(token_posterior(*PRIVATE), Integer(1))),
            "Bayes' rule.",
            values(posteriors),
        ),
        Step(
            "what guidance does to them",
            r"Therefore, with $E = E[p(z \mid X)]$, $H = E[1/p(z \mid X)]$, $L = E[\ln p(z \mid X)]$,",
            MEANS,
            r"Sums over the two points, with $S + P = 1$. So for $w > 0$ both $E$ and $L$ are smaller than at $w = 0$, "
            r"and $H$ is larger; under the raw rule $g = 1 - 2P$ tends to one.",
            identities(words),
        ),
        Step(
            "slope without guidance",
            r"At $w = 0$ the probabilities $P$ and $P^n$ have the derivatives $\sigma$ and $\sigma_n$ by $w$:",
            SLOPES,
            r"So for small $w$ of either sign the posterior falls in $w$.",
            identities(Meaning(rules=by_strength)),
        ),
        Step(
            "no point excluded",
            r"Let the class have the probability $\frac{1}{1000}$ at each of $(1,2)$, $(2,1)$ and $\frac{499}{1000}$ "
            r"at each of the others, so that it excludes no point. With a mark $s$ for these data, under the raw rule,",
            SOFTENED,
            r"Exact rational arithmetic over the chain. At $w = 0$ $H^s$ is $1/p(z)$, so it falls first, then rises.",
            values(softened),
        ),
    )


def _paces() -> tuple[Step, ...]:
    return (
        Step(
            "the mean time rises",
            r"Under the raw rule the mean time of the last reveal on the clock $s$ is",
            TIMES,
            r"Exact rational arithmetic over the chain. More guidance leads to the context $(0, -)$ more often, whose "
            r"one token is known: it is revealed at the rate one at every strength.",
            values(lambda: paces(2, 3)),
        ),
        Step(
            "survival rises",
            r"And at $u = 2^{-16}$",
            SURVIVALS,
            r"Exit rates are in $\frac{1}{16}\mathbb{Z}$ there, so $\mathrm{TV}$ is a rational number. For small $u$ "
            r"it is nearly $u\, q_1(0)/(Z_1 + Z_2 - 1)$, what is left in the context $(0, -)$.",
            values(lambda: paces(1, 2)),
        ),
        Step(
            "strengths below zero",
            r"In any context, with $R_i$ the probability under $p_i$ of the tokens that the class excludes, $w = -1$ "
            r"has the position rate",
            (equal(over_tokens(intensity(i, v, Integer(-1))), 1 - missing(i)),),
            r"$q_i = p_i$ there. Where the class excludes no token it is one, as at $w = 0$, so that $\mathrm{TV}$ "
            r"and the mean time tend to the same as $w \to -1$ and as $w \to 0$. Between them they are not smaller, "
            r"as is shown under `domination': they are not monotone in $w$ on $-1 < w \leq 0$ unless constant.",
            identities(Meaning(sums={1 - missing(i): over_tokens(given_none(i, v))}, example=LAWS)),
        ),
    )


def _draw(axes: Any) -> None:
    """The data against ``w``."""
    strengths = [Fraction(j, 20) for j in range(161)]
    places = [float(strength) for strength in strengths]
    for rule, label, style in (("rate", "raw", "-"), ("normalised", "normalised", "--")):
        chain = guided_chain(guidance(decoy(), rule))
        chains = [chain.over(FLOATS, strength) for strength in strengths]
        curve = [float(posterior(terminal_law(reached), decoy())) for reached in chains]
        axes.plot(places, curve, style, color="C0", label=f"mean posterior, {label}")
        if rule == "rate":
            times = [float(last_reveal(reached).mean) for reached in chains]
            axes.plot(places, times, "-.", color="C1", label="mean time, raw")
    axes.axhline(0.75, color="0.6", linestyle=":", linewidth=0.8)
    axes.set(xlabel="guidance strength w", xlim=(places[0], places[-1]))
    axes.legend(frameon=False)


# --- data -------------------------------------------------------------------------------------------------------------


def along(rule: str) -> Instance:
    """The data at strengths between the integers, in balls: ``E[p(z|X)] < 3/4``, and under the raw rule ``TV``."""

    def check(digits: int) -> Sequence[Evidence]:
        chain = guided_chain(guidance(decoy(), rule))
        found = []
        with flint.ctx.workdps(digits):
            for strength in map(Fraction, ("1/100", "1/2", "5/2", "20")):
                value = posterior(terminal_law(chain.over(BALLS, strength)), decoy())
                held = value < BALLS.number(Fraction(3, 4))
                found.append(Evidence(f"w = {strength}", Verdict.ENCLOSED if held else Verdict.REFUTED, str(value)))
            if rule == "rate":
                lower, upper = (
                    expand(chain.over(BALLS, Fraction(j))).survival(BALLS.number(Fraction(2)).log()) for j in (2, 3)
                )
                held = lower < upper
                seen = f"{lower.str(8, radius=False)} < {upper.str(8, radius=False)}"
                found.append(
                    Evidence("TV at u = 1/2, w = 2 and 3", Verdict.ENCLOSED if held else Verdict.REFUTED, seen)
                )
        return found

    return Instance(f"decoy, {rule}", check)
