"""Several conditions at once, each with its own strength: what is left of the theory of one condition, and what is not.

With ``γ_k = 1 + w_k`` the intensities are ``q(v) = p(v)^{1−Σγ_k} Π_k p(v|k)^{γ_k}``. Closed forms and the tilted law of
one token carry over; ``Z ≥ 1``, mass one, and "more guidance, more of the class" do not. Negative strengths
``−1 < w < 0`` of a single condition are the case in which ``Z ≤ 1`` is a theorem.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from sympy import Add, Eq, Expr, Function, Ge, Integer, Lambda, Limit, Rational, Sum, Tuple, exp, log

from symguide.chains.chain import guided_chain
from symguide.chains.family import MASK_SYMBOL, TokenProbability, representative, vocabulary_size
from symguide.chains.functionals import law_distribution, posterior, terminal_law, tilted_law
from symguide.chains.naming import NamedChain
from symguide.chains.ode import kolmogorov, unknown
from symguide.evidence import Verdict
from symguide.laws.law import Context
from symguide.laws.mixture import ClassMixture
from symguide.laws.tilt import composed, guidance
from symguide.numbers.arithmetic import RATIONAL, SYMBOLIC
from symguide.numbers.number import to_sympy
from symguide.proofs.derivation import Claim, Derivation, Step
from symguide.proofs.identities import Check, Content, Meaning, equal, identities, sentence, solves
from symguide.symbols import symbol, u, w

v: Any = symbol("v", integer=True, nonnegative=True)
a, b = symbol("gamma_a", real=True), symbol("gamma_b", real=True)
q: Any = Function("q", positive=True)
p_a: Any = Function("p_a", positive=True)
p_b: Any = Function("p_b", positive=True)
l_a: Any = Function("l_a", real=True)
l_b: Any = Function("l_b", real=True)

FAMILY = representative(1)
(MASKED, SHOWN), (Z,) = FAMILY.chain.states, FAMILY.definitions
x: Any = SHOWN[0]


def p(token: Any) -> Any:
    """``p(v)``."""
    return TokenProbability(Integer(1), token, Tuple(MASK_SYMBOL), Integer(0))


def over(form: Any) -> Any:
    """The sum over all tokens."""
    return Sum(form, (v, 0, vocabulary_size - 1))


# The chain of one token for any intensities q.
(REVEAL,) = FAMILY.chain.incoming[1]
GENERAL = NamedChain(FAMILY.chain.map(lambda rate: q(x) if rate == REVEAL.rate else rate, SYMBOLIC), {Z: over(q(v))}, w)
PLAIN = Meaning(sums=GENERAL.definitions)
INTENSITY = p(v) ** (1 - a - b) * p_a(v) ** a * p_b(v) ** b
POWERS = Meaning(functions={q: Lambda(v, INTENSITY)}, sums={})
# In logarithms: p_k(v) = p(v) e^{l_k(v)}.
EXPONENTIAL = Meaning(functions={p_a: Lambda(v, p(v) * exp(l_a(v))), p_b: Lambda(v, p(v) * exp(l_b(v)))})
WEIGHT = p(v) * exp(a * l_a(v) + b * l_b(v))
TOTAL = over(WEIGHT)


def mean(form: Any) -> Any:
    """The expectation under the tilted law, a ratio of sums."""
    return over(WEIGHT * form) / TOTAL


PATH = (1 - u**Z) * q(x) / Z
TRAJECTORY = equal(unknown(MASKED, u), u**Z), equal(unknown(SHOWN, u), PATH)
MIXED = equal(mean(l_a(v)).diff(b), mean(l_a(v) * l_b(v)) - mean(l_a(v)) * mean(l_b(v)))

# --- examples ---------------------------------------------------------------------------------------------------------

_HALF = "1/2"
COIN = {
    "a": (_HALF, {(0,): "3/4", (1,): "1/4"}),
    "b": (_HALF, {(0,): "1/4", (1,): "3/4"}),
}
XOR = {
    "a": (_HALF, {(0, 0): _HALF, (1, 1): _HALF}),
    "b": (_HALF, {(0, 1): _HALF, (1, 0): _HALF}),
}
_THIRD = "1/3"
SHARED = {
    "a": (_HALF, {(0, 0): _THIRD, (1, 1): _THIRD, (2, 2): _THIRD}),
    "b": (_HALF, {(0, 1): _THIRD, (1, 0): _THIRD, (2, 2): _THIRD}),
}
APART = {"a": (_HALF, {(0,): 1}), "b": (_HALF, {(1,): 1})}

z_coin, tv_coin = symbol("Z_coin", positive=True), Function("TV_coin", positive=True)
posterior_a, posterior_both = symbol("E_a", positive=True), symbol("E_ab", positive=True)
dead_xor, dead_shared, dead_apart = (symbol(f"P_{name}", positive=True) for name in ("xor", "shared", "apart"))
end_shared, tilted_shared = symbol("P_22", positive=True), symbol("p_22", positive=True)


# Any two draws are equal with probability Σ p², small where a law is diverse.
NARROW = {"z": (_HALF, {(0,): _HALF, (1,): _HALF}), "other": (_HALF, {(0,): 1})}
same_conditional, same_negative = symbol("s_0", positive=True), symbol("s_1", positive=True)


def _same(strength: int) -> Fraction:
    """The probability that two draws from the terminal law are equal."""
    tilt = guidance(_mixture(NARROW).problem("z"))
    law = terminal_law(guided_chain(tilt).over(RATIONAL, Fraction(strength)))
    return sum((probability**2 for probability in law.probabilities), start=Fraction(0))


def _mixture(classes: Mapping[str, Any]) -> ClassMixture:
    laws = [law for _, law in classes.values()]
    tokens = max(token for law in laws for context in law for token in context) + 1
    return ClassMixture.of(tokens, len(next(iter(laws[0]))), dict(classes))


def _dead(classes: Mapping[str, Any]) -> Fraction:
    """The mass that both conditions together lose to dead contexts."""
    chain = guided_chain(composed(_mixture(classes), {"a": 0, "b": 0})).over(RATIONAL, Fraction(0))
    weights = chain.jump_law()
    return sum((weights[j] for j in chain.dead), start=Fraction(0))


def _shared(of: str) -> Fraction:
    tilt = composed(_mixture(SHARED), {"a": 0, "b": 0})
    law = terminal_law(guided_chain(tilt).over(RATIONAL, Fraction(0)))
    place: Context = (2, 2)
    return law[place] if of == "end" else tilted_law(tilt, law.states, RATIONAL, Fraction(0))[place]


def _posterior(both: bool) -> Fraction:
    mixture = _mixture(COIN)
    problem = mixture.problem("a")
    if not both:
        return posterior(law_distribution(mixture.laws["a"], RATIONAL), problem)  # pyright: ignore[reportArgumentType]
    chain = guided_chain(composed(mixture, {"a": 0, "b": 0})).over(RATIONAL, Fraction(0))
    return posterior(terminal_law(chain), problem)


def _coin() -> Fraction:
    return guided_chain(composed(_mixture(COIN), {"a": 0, "b": 0})).over(RATIONAL, Fraction(0)).exit_rate(0)


VALUES: Mapping[Expr, Callable[[], Fraction]] = {
    z_coin: _coin,
    posterior_a: lambda: _posterior(False),
    posterior_both: lambda: _posterior(True),
    dead_xor: lambda: _dead(XOR),
    dead_shared: lambda: _dead(SHARED),
    dead_apart: lambda: _dead(APART),
    end_shared: lambda: _shared("end"),
    tilted_shared: lambda: _shared("tilted"),
    same_conditional: lambda: _same(0),
    same_negative: lambda: _same(-1),
}


def computed() -> Check:
    """The check of named values by exact rational arithmetic over the chains of the examples."""

    def check(content: Content) -> tuple[Verdict, str]:
        for item in content:
            left: Any = item.args[0]
            right = item.args[1]
            if not isinstance(item, Eq) or left not in VALUES:
                return Verdict.UNKNOWN, f"{sentence(item)} names no value of the examples"
            value = to_sympy(VALUES[left]())
            if value != right:
                return Verdict.REFUTED, f"{left} is {value}, not {right}"
        if not content:
            return Verdict.UNKNOWN, "no number is shown, so nothing was checked"
        return Verdict.PROVED, f"{len(content)} rational number{'s' * (len(content) > 1)}, exactly"

    return check


SLOW = equal(z_coin, Rational(3, 4))
LOST = equal(dead_shared, Rational(2, 3))
LESS = equal(posterior_both, Rational(1, 2))

# --- negative guidance ------------------------------------------------------------------------------------------------

ratio: Any = Function("r", positive=True)
SINGLE = p(v) * ratio(v) ** (1 + w)
CONVEX = Ge(over(SINGLE * log(ratio(v)) ** 2), 0, evaluate=False)

# --- the proof --------------------------------------------------------------------------------------------------------


def derivation() -> Derivation:
    """The theorem with its proof."""
    return Derivation(
        name="composed",
        title="Composed guidance: what several conditions keep of one, and what they lose",
        claim=Claim(
            r"For conditions $a, b, \ldots$ with powers $\gamma_k = 1 + w_k$ of any sign and the intensities "
            r"$q(v) = p(v)^{1 - \sum \gamma_k} \prod_k p(v \mid k)^{\gamma_k}$, one token follows the law below, which "
            r"ends in the tilted law, as for one condition. But $Z$ may be below one at strengths $w_k \geq 0$, so "
            r"composed guidance may unmask more slowly than none; mass may be lost in dead contexts although the "
            r"tilted law exists; and a second condition may lower the posterior of the first.",
            (*TRAJECTORY, MIXED, SLOW, LOST, LESS),
        ),
        assumptions=(
            r"One position for the general statements, any number of tokens; all laws positive there. With $l_k(v) = "
            r"\ln p(v \mid k)/p(v)$, expectations are under the tilted law. Two conditions are written out; more only "
            r"make the formulas longer.",
            r"The examples have two classes $a$, $b$ of equal prior, both conditions at $w_a = w_b = 0$, so "
            r"$q = p(v \mid a)\, p(v \mid b) / p(v)$.",
        ),
        steps=(*_kept(), *_lost(), *_negative()),
        citations=("He2025", "Nisonoff2024"),
    )


def _kept() -> tuple[Step, ...]:
    return (
        Step(
            "trajectory",
            "Kept: for any intensities with $Z = \\sum_v q(v) > 0$ one token has the law",
            TRAJECTORY,
            "The Kolmogorov equations know of $q$ and $Z$ only, not of what they are made of.",
            solves(kolmogorov(GENERAL), PLAIN),
        ),
        Step(
            "terminal law",
            "Kept: it ends in the tilted law, proportional to the intensities:",
            (equal(Limit(PATH, u, 0), q(x) / Z),),
            "$Z > 0$.",
            identities(PLAIN),
        ),
        Step(
            "exponential family",
            r"Kept: the tilted laws are an exponential family in the powers, with the statistics $l_k$:",
            (equal(INTENSITY, WEIGHT),),
            r"$p(v \mid k) = p(v) e^{l_k(v)}$.",
            identities(EXPONENTIAL),
        ),
        Step(
            "own strength",
            r"Kept: the mean log ratio of a condition rises with its own strength, by its variance:",
            (
                equal(mean(l_a(v)).diff(a), mean(l_a(v) ** 2) - mean(l_a(v)) ** 2),
                equal(over(WEIGHT * (l_a(v) - mean(l_a(v))) ** 2) / TOTAL, mean(l_a(v) ** 2) - mean(l_a(v)) ** 2),
            ),
            "The derivative of a ratio of sums; the second line has only squares on its left.",
            identities(),
        ),
        Step(
            "other strengths",
            r"With the strength of another condition it changes by the covariance, which has no sign of its own:",
            (MIXED, equal(mean(l_a(v)).diff(b), mean(l_b(v)).diff(a))),
            "The same derivative; covariances are symmetric.",
            identities(),
        ),
    )


def _lost() -> tuple[Step, ...]:
    la, lb = (log(Rational(3, 2)), log(Rational(1, 2))), (log(Rational(1, 2)), log(Rational(3, 2)))
    half = Rational(1, 2)
    covariance = Add(*(half * s * t for s, t in zip(la, lb, strict=True))) - (half * Add(*la)) * (half * Add(*lb))
    scale, h, k = symbol("g", real=True), symbol("h", positive=True), symbol("k", positive=True)
    return (
        Step(
            "Z below one",
            r"Lost: $Z \geq 1$. Two coins, $p(\cdot \mid a) = (3/4, 1/4)$ and $p(\cdot \mid b) = (1/4, 3/4)$:",
            (SLOW,),
            r"$Z = 2 \cdot \tfrac34 \cdot \tfrac14 / \tfrac12$. So $\mathrm{TV} = u^{3/4} > u$: slower than without "
            "guidance, and the domination of one condition fails.",
            computed(),
        ),
        Step(
            "freezing",
            r"With both powers at $g$, and $p(v) = h$, $p(v \mid a)\, p(v \mid b) = k h^2$ for either side ($h = 1/2$, "
            r"$k = 3/4$), it is $k^g$ and falls to zero:",
            (equal(2 * h ** (1 - 2 * scale) * (k * h**2) ** scale, 2 * h * k**scale),),
            r"So the token freezes at the mask as $g \to \infty$; no regime of a single condition does that.",
            identities(),
        ),
        Step(
            "a condition against another",
            r"Lost: guidance raises the posterior. With $p(a \mid x)$ averaged over the class law of $a$, and over "
            r"the law that both conditions make:",
            (equal(posterior_a, Rational(5, 8)), LESS),
            "The two conditions cancel, and the terminal law is uniform.",
            computed(),
        ),
        Step(
            "negative covariance",
            r"At powers $0$ the covariance of $l_a$ and $l_b$ for the two coins is negative:",
            (equal(covariance, -(log(3) ** 2) / 4),),
            r"$l_a = \mu \pm \tfrac12 \ln 3$ and $l_b = \mu \mp \tfrac12 \ln 3$ with equal weights.",
            logarithms(),
        ),
        Step(
            "dead contexts",
            r"Lost: mass one. Classes uniform on $\{00, 11\}$ and on $\{01, 10\}$ leave $Z = 0$ after one reveal:",
            (equal(dead_xor, Integer(1)),),
            "Either token may come first, and then each class excludes what the other one asks for.",
            computed(),
        ),
        Step(
            "dead contexts beside a tilted law",
            r"With $22$ added to both supports, the tilted law is all on $22$, but the chain loses two thirds:",
            (equal(tilted_shared, Integer(1)), equal(end_shared, Rational(1, 3)), LOST),
            r"The first reveal is uniform over three tokens, and only $2$ can be completed.",
            computed(),
        ),
        Step(
            "disjoint supports",
            r"Lost: conditions with disjoint supports leave the law alone. Composed they are dead from the start:",
            (equal(dead_apart, Integer(1)),),
            "No token has a positive intensity.",
            computed(),
        ),
    )


def _negative() -> tuple[Step, ...]:
    meaning = Meaning(sums={Integer(1): over(p(v))})
    return (
        Step(
            "one condition, in its ratio",
            r"One condition, with $r(v) = p(v \mid z)/p(v)$: $Z(w) = \sum_v p(v)\, r(v)^{1+w}$ is one at $w = -1$, "
            r"and at $w = 0$ it is $\sum_v p(v \mid z)$, which is one too:",
            (
                equal(over(SINGLE).subs(w, -1), 1),
                equal(over(SINGLE).subs(w, 0), over(p(v) * ratio(v))),
            ),
            "Where $p$ has tokens that the class excludes, the first value is below one.",
            identities(meaning),
        ),
        Step(
            "convexity",
            r"It is convex in $w$:",
            (equal(over(SINGLE).diff(w, 2), over(SINGLE * log(ratio(v)) ** 2)), CONVEX),
            r"So $Z \leq 1$ for $-1 \leq w \leq 0$, where it lies below its secant, and $Z \geq 1$ for $w \geq 0$: "
            r"negative guidance unmasks more slowly under the raw rule, $\mathrm{TV} = u^{Z} \geq u$, and every masked "
            r"position of a longer sequence is revealed at rate $Z_i \leq 1$, so at least $D u$ masks are left in the "
            "mean. For composed conditions the segment between two points with $Z = 1$ need not exist.",
            squares(meaning),
        ),
        Step(
            "diversity",
            r"Whether that restores diversity depends on which of the laws is the broader one. A fair coin mixed with "
            r"a constant is less diverse than the coin: two draws are equal with probability, at $w = 0$ and $w = -1$,",
            (equal(same_conditional, Rational(1, 2)), equal(same_negative, Rational(5, 8))),
            "What negative guidance lowers without exception, for one token, is the mean of $l_z$: see its own "
            "strength above.",
            computed(),
        ),
    )


def logarithms() -> Check:
    """The check of an equation between logarithms of rationals, expanded into logarithms of primes."""

    def check(content: Content) -> tuple[Verdict, str]:
        for item in content:
            left, right = item.args
            difference = (left - right).replace(lambda part: isinstance(part, log), _by_primes)  # pyright: ignore
            if difference.expand() != 0:
                return Verdict.REFUTED, f"{sentence(item)} is wrong: the difference is {difference.expand()}"
        if not content:
            return Verdict.UNKNOWN, "no formula is shown, so nothing was checked"
        return Verdict.PROVED, f"{len(content)} formula in logarithms of primes"

    return check


def _by_primes(form: Any) -> Any:
    above, below = form.args[0].as_numer_denom()
    parts = [power * log(prime) for prime, power in above.factors().items() if prime != 1]
    return Add(*parts, *(-power * log(prime) for prime, power in below.factors().items() if prime != 1))


def squares(meaning: Meaning) -> Check:
    """Identities, and bounds on sums whose every term is a square times something positive."""

    def check(content: Content) -> tuple[Verdict, str]:
        bounds = [item for item in content if isinstance(item, Ge)]
        for item in bounds:
            left, right = item.args
            if right != 0 or not isinstance(left, Sum) or not left.function.is_nonnegative:
                return Verdict.UNKNOWN, f"{sentence(item)}: no sum of terms that are nonnegative each"
        verdict, detail = identities(meaning)(tuple(item for item in content if item not in bounds))
        return verdict, f"{detail}; {len(bounds)} sum of nonnegative terms"

    return check
