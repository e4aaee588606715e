"""One token: guidance empties what the class shares with others and leaves the rest of it as it was.

With ``ρ(v) = p(z|v)`` the terminal law is proportional to ``p(v|z) ρ(v)^w``. A token is private where ``ρ = 1``. As
``w → ∞`` the law becomes ``p(·|z)`` given that the token is private; where none is, given that ``ρ`` is largest (He,
Rojas, Tao, arXiv:2506.10971).
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sympy import Function, Ge, Integer, Lambda, Limit, Rational, Sum, exp, oo

from symguide.chains.chain import guided_chain
from symguide.chains.family import vocabulary_size
from symguide.chains.functionals import terminal_law
from symguide.evidence import Evidence, Verdict
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import RATIONAL
from symguide.proofs.derivation import Claim, Derivation, Instance, Step
from symguide.proofs.identities import Meaning, equal, identities, times
from symguide.symbols import symbol, w

# --- the words of the proof -------------------------------------------------------------------------------------------

v: Any = symbol("v", integer=True, nonnegative=True)
i, j, k = (symbol(name, integer=True, positive=True) for name in "ijk")
n, m = (symbol(name, integer=True, positive=True) for name in "nm")
prior, least, mass, rest = (symbol(name, positive=True) for name in ("a_z", "g", "B", "C"))
z: Any = symbol("z", positive=True)
of_class, law, posterior = (Function(name, positive=True) for name in ("p|", "p", "rho"))
own, common, surprisal = (Function(name, positive=True) for name in ("b_", "c_", "g_"))
private, shared = (Function(name, positive=True) for name in ("P_", "Q_"))
f: Any = Function("f", real=True)
distance: Any = symbol("TV", positive=True)


def over_tokens(form: Any) -> Any:
    return Sum(form, (v, 0, vocabulary_size - 1))


def over(index: Any, form: Any, size: Any) -> Any:
    return Sum(form, (index, 1, size))


INTENSITY = (of_class(v, z) / law(v)) ** w * of_class(v, z)
LAWS = Meaning(
    functions={posterior: Lambda(v, prior * of_class(v, z) / law(v))},
    sums={Integer(1): over_tokens(of_class(v, z))},
    example={of_class: Lambda((v, z), (v + 1) / Integer(6)), law: Lambda(v, (5 - v) / Integer(12))},
)
OWN = {of_class: LAWS.example[of_class]}
TILTED = equal(
    INTENSITY / over_tokens(INTENSITY),
    of_class(v, z) * posterior(v) ** w / over_tokens(of_class(v, z) * posterior(v) ** w),
)

WEIGHT = common(i) * exp(-surprisal(i) * w)
TOTAL = over(j, own(j), n) + over(i, WEIGHT, m)
PRIVATE, SHARED = equal(private(j), own(j) / TOTAL), equal(shared(i), WEIGHT / TOTAL)
PARTS = Meaning(functions={private: Lambda(j, PRIVATE.rhs), shared: Lambda(i, SHARED.rhs)})
ALL_PRIVATE = over(j, private(j), n)
CONDITIONAL = equal(private(j) / ALL_PRIVATE, own(j) / over(j, own(j), n))
MOMENTS = equal(over(j, f(j) * private(j), n) / ALL_PRIVATE, over(j, f(j) * own(j), n) / over(j, own(j), n))
LIMITS = (
    equal(Limit(PRIVATE.rhs, w, oo), own(j) / over(j, own(j), n)),
    equal(Limit(SHARED.rhs, w, oo), 0),
)
APART = times(
    Rational(1, 2),
    Sum(own(j) / over(k, own(k), n) - private(j), (j, 1, n)) + over(i, shared(i), m),
)
DISTANCE = equal(distance, over(i, WEIGHT, m) / TOTAL)

# --- the proof --------------------------------------------------------------------------------------------------------


def derivation() -> Derivation:
    """The theorem with its proof."""
    return Derivation(
        name="shared and private",
        title="One token: guidance empties the shared region and leaves the private one as it was",
        claim=Claim(
            r"Let $\rho(v) = p(z \mid v)$. Let $b_j$, $j = 1, \ldots, n$, be the probabilities $p(v \mid z)$ of the "
            r"private tokens of the class, where $\rho = 1$, and $c_i$, $i = 1, \ldots, m$, those of the shared ones, "
            r"where $\rho = e^{-g_i} < 1$. The terminal law gives them $P_j$ and $Q_i$. Given that the token is "
            r"private, every mean of a function $f$ is that of the class, for every $w$; and as $w \to \infty$ only "
            r"private tokens are left.",
            (TILTED, PRIVATE, SHARED, MOMENTS, *LIMITS, DISTANCE),
        ),
        assumptions=(
            r"One token, of any number $N$; $p = \sum_k a_k\, p(\cdot \mid k)$, and $v$ runs over the tokens of the "
            r"class.",
            r"$w > -1$. For the limits $n \geq 1$; for $n = 0$ see the last steps.",
        ),
        steps=(*_law(), *_private_region(), *_limits()),
        citations=("He2025", "Nisonoff2024"),
        instances=(on("interval-overlap"), on("interval-disjoint"), on("words:length=1,top=60", needs=("wordfreq",))),
    )


def _law() -> tuple[Step, ...]:
    return (
        Step(
            "posterior",
            r"By Bayes' rule $\rho(v) = p(z \mid v) = a_z\, p(v \mid z)/p(v)$, so the terminal law, which is the "
            r"tilted law, is",
            (equal(posterior(v), prior * of_class(v, z) / law(v)), TILTED),
            r"The intensity is $a_z^{-w}$ times $p(v \mid z) \rho(v)^w$, and the constant cancels.",
            identities(LAWS),
        ),
        Step(
            "disjoint supports",
            r"Where no other class has a token of this one, $p(v) = a_z\, p(v \mid z)$, so $\rho = 1$ everywhere, and "
            r"guidance has no effect:",
            (
                equal(posterior(v), 1),
                equal(TILTED.lhs, of_class(v, z)),
            ),
            r"$\sum_v p(v \mid z) = 1$.",
            identities(
                replace(LAWS, functions={**LAWS.functions, law: Lambda(v, prior * of_class(v, z))}, example=OWN)
            ),
        ),
        Step(
            "private and shared tokens",
            r"In general $\rho(v)^w$ is $1$ for the private tokens and $e^{-g_i w}$ for the shared ones:",
            (PRIVATE, SHARED, equal(ALL_PRIVATE + over(i, shared(i), m), 1)),
            "The sum over all tokens is one over both regions.",
            identities(PARTS),
        ),
        Step(
            "reweighting",
            r"Relative to the class, a shared token has $\rho^w$ of the weight of a private one:",
            (equal((shared(i) / common(i)) / (private(j) / own(j)), exp(-surprisal(i) * w)),),
            "The total cancels.",
            identities(PARTS),
        ),
    )


def _private_region() -> tuple[Step, ...]:
    return (
        Step(
            "given that it is private",
            r"The law of the token given that it is private is that of the class, whatever $w$ is, and so are its "
            r"moments:",
            (CONDITIONAL, MOMENTS),
            r"All $P_j$ have the factor $1/(\sum_j b_j + \sum_i c_i e^{-g_i w})$ in common. With $f(v) = v$ and $f(v) "
            r"= v^2$ this is mean and variance.",
            identities(PARTS),
        ),
    )


def _limits() -> tuple[Step, ...]:
    lowered = common(i) * exp(-(least + surprisal(i)) * w)
    scale = exp(-least * w)
    total = over(j, own(j) * scale, n) + over(i, lowered, m)
    return (
        Step(
            "strong guidance",
            r"As $w \to \infty$ the shared region is emptied, and the private one gets all:",
            LIMITS,
            r"Each of finitely many $e^{-g_i w}$ vanishes, and $\sum_j b_j > 0$.",
            identities(),
        ),
        Step(
            "how far from it",
            r"The total variation between the law and its limit is what the shared tokens still have,",
            (Ge(own(j) / over(k, own(k), n) - private(j), 0, evaluate=False), equal(distance, APART), DISTANCE),
            r"Private tokens only gain and shared ones only lose, so no magnitude is needed.",
            identities(Meaning(functions=PARTS.functions, rules={distance: APART})),
        ),
        Step(
            "no private token",
            r"Where every token is shared, let $b_j$ be those with the largest $\rho = e^{-g}$, and $\rho = e^{-(g + "
            r"g_i)}$ for the others. Then $e^{-g w}$ cancels, and all is as before, with the tokens of largest $p(z "
            r"\mid v)$ in place of the private ones:",
            (
                equal(own(j) * scale / total, PRIVATE.rhs),
                equal(lowered / total, SHARED.rhs),
            ),
            r"So the limits and the distance are those found before.",
            identities(),
        ),
    )


# --- data -------------------------------------------------------------------------------------------------------------


def on(name: str, needs: tuple[str, ...] = ()) -> Instance:
    """The law given that the token is private, and its weight, on a built-in problem, in rational numbers."""

    def check(digits: int) -> Sequence[Evidence]:
        problem = load(name)
        chain = guided_chain(guidance(problem))
        tokens = [chain.states[state] for state in chain.terminal]
        given: dict[Any, Any] = {x: problem.conditional.weight(x) for x in tokens}
        posteriors = {x: given[x] * problem.prior / problem.unconditional.weight(x) for x in tokens}
        found = []
        for strength in (0, 1, 2, 10):
            ends = terminal_law(chain.over(RATIONAL, Fraction(strength))).table
            parts = {x: given[x] * posteriors[x] ** strength for x in tokens}
            held = all(ends[x] * sum(parts.values()) == parts[x] for x in tokens)
            private = [x for x in tokens if posteriors[x] == 1]
            kept, own = (sum((law[x] for x in private), Fraction(0)) for law in (ends, given))
            held = held and all(ends[x] * own == given[x] * kept for x in private)
            verdict = Verdict.PROVED if held else Verdict.REFUTED
            found.append(Evidence(f"w = {strength}", verdict, f"{len(private)} of {len(tokens)} tokens are private"))
        return found

    return Instance(name, check, needs)
