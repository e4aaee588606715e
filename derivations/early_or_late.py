"""Guidance early or late, two tokens: what it does to the law, to first order for both rules and in full on examples.

With ``A`` what a tilt of the first token revealed does to ``p(·|z)``, and ``B`` that of the second, guidance ``w(u)``
moves the terminal law by ``∫ w(u) (2u A + 2(1−u) B) du``, for raw and for normalised intensities alike. So early
guidance acts through the marginals and late guidance through the conditionals, and which of them moves the law more, or
nearer to the tilted law, depends on the data.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from itertools import product
from random import Random
from typing import Any

import flint
from sympy import Eq, Function, Integer, Integral, Lambda, Rational, Sum, Tuple, exp, log

from symguide.chains.family import MASK_SYMBOL, TokenProbability, vocabulary_size
from symguide.chains.functionals import Distribution, law_distribution, tilted_law, total_variation
from symguide.evidence import Evidence, Verdict
from symguide.flows.flow import run
from symguide.flows.guided_flow import schedule_flow
from symguide.flows.window_mixture import mix, window_mixture
from symguide.instances.datasets import load
from symguide.laws.law import TableLaw
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, RATIONAL
from symguide.proofs.derivation import Claim, Derivation, Instance, Step
from symguide.proofs.identities import Check, Content, Meaning, equal, identities, sentence
from symguide.schedules.guidance_schedule import GuidanceSchedule
from symguide.symbols import symbol, u, w

v: Any = symbol("v", integer=True, nonnegative=True)
x: Any = symbol("x_1", integer=True, nonnegative=True)
y: Any = symbol("x_2", integer=True, nonnegative=True)
# p(·|z) through its marginals and conditionals, and the logarithms of their ratios to those of p.
f1, f2, f21, f12 = (Function(name, positive=True) for name in ("f_1", "f_2", "f_2|", "f_1|"))
l1, l2, l21, l12 = (Function(name, real=True) for name in ("l_1", "l_2", "l_2|", "l_1|"))
m, m1, m2, whole_21, whole_12 = (symbol(name, real=True) for name in ("m", "m_1", "m_2", "m_21", "m_12"))
joint, log_ratio = symbol("f", positive=True), symbol("l", real=True)
HALF, THIRD = Rational(1, 2), Rational(1, 3)


def over(form: Any) -> Any:
    """The sum over all tokens."""
    return Sum(form, (v, 0, vocabulary_size - 1))


def p(position: int, token: Any, given: Any = None, of_class: bool = True) -> Any:
    """A token law of ``p(·|z)``, or of ``p``: a marginal, or a conditional given the other token."""
    shown = MASK_SYMBOL if given is None else given
    context = (MASK_SYMBOL, shown) if position == 1 else (shown, MASK_SYMBOL)
    return TokenProbability(Integer(position), token, Tuple(*context), Integer(of_class))


def _ratio(position: int, token: Any, given: Any = None) -> Any:
    return log(p(position, token, given) / p(position, token, given, False))


FUNCTIONS = {
    f1: Lambda(x, p(1, x)),
    f2: Lambda(y, p(2, y)),
    f21: Lambda((y, x), p(2, y, x)),
    f12: Lambda((x, y), p(1, x, y)),
    l1: Lambda(x, _ratio(1, x)),
    l2: Lambda(y, _ratio(2, y)),
    l21: Lambda((y, x), _ratio(2, y, x)),
    l12: Lambda((x, y), _ratio(1, x, y)),
}
m21, m12 = over(f21(v, x) * l21(v, x)), over(f12(v, y) * l12(v, y))
ONES = {
    over(p(1, v)): Integer(1),
    over(p(2, v)): Integer(1),
    over(p(2, v, x)): Integer(1),
    over(p(1, v, y)): Integer(1),
}
MEANS = {m1: over(f1(v) * l1(v)), m2: over(f2(v) * l2(v))}
BAYES = {p(1, x, y, flag): p(1, x, None, flag) * p(2, y, x, flag) / p(2, y, None, flag) for flag in (True, False)}
# The chain rule, for the law, for the log ratio, and for its mean.
CHAIN = {joint: f1(x) * f21(y, x), log_ratio: l1(x) + l21(y, x), whole_12: m - m2, whole_21: m - m1}
EARLY = HALF * joint * ((l1(x) - m1) + (l2(y) - m2))
LATE = HALF * joint * ((l21(y, x) - m21) + (l12(x, y) - m12))
REST = HALF * joint * ((m21 - whole_21) + (m12 - whole_12))
A, B, C = symbol("A", real=True), symbol("B", real=True), symbol("C", real=True)
MEANING = Meaning(FUNCTIONS, {**ONES, **MEANS, **BAYES, **CHAIN, A: EARLY, B: LATE, C: REST})

# --- six components ---------------------------------------------------------------------------------------------------

STRENGTHS = tuple(symbol(f"w_{j}", real=True) for j in (1, 2, 3))
CUTS: tuple[Any, ...] = (Integer(1), symbol("u_1", positive=True), symbol("u_2", positive=True), Integer(0))
LENGTHS = tuple(CUTS[j] - CUTS[j + 1] for j in range(3))


def one_tilted(law: Any, ratio: Any, token: Any, strength: Any, *given: Any) -> Any:
    """One token tilted: ``f e^{w l} / Σ f e^{w l}``."""
    weight = law(v, *given) * exp(strength * ratio(v, *given))
    return law(token, *given) * exp(strength * ratio(token, *given)) / over(weight)


def component(first: Any, second: Any) -> Any:
    """The law where the first reveal has one strength and the second another: the mean over the two orders."""
    one = one_tilted(f1, l1, x, first) * one_tilted(f21, l21, y, second, x)
    return HALF * (one + one_tilted(f2, l2, y, first) * one_tilted(f12, l12, x, second, y))


WEIGHTS = {
    (j, k): (1 if j == k else 2) * LENGTHS[j] * LENGTHS[k] for j in range(3) for k in range(j, 3)
}  # both in window j, or one in each
MIXTURE = sum((c * component(STRENGTHS[j], STRENGTHS[k]) for (j, k), c in WEIGHTS.items()), start=Integer(0))


def slope(j: int) -> Any:
    """How the mixture begins to change with the strength of a window."""
    return MIXTURE.diff(STRENGTHS[j]).subs(dict.fromkeys(STRENGTHS, 0))


def effect(j: int) -> Any:
    return (CUTS[j] ** 2 - CUTS[j + 1] ** 2) * A + ((1 - CUTS[j + 1]) ** 2 - (1 - CUTS[j]) ** 2) * B


moved = tuple(symbol(f"D_{j}", real=True) for j in (1, 2, 3))
BOTH_RULES = equal(Integral(w * (2 * u * A + 2 * (1 - u) * B), (u, CUTS[2], CUTS[1])), w * effect(1))
FURTHER = equal((5 * A + B) ** 2 - (A + 5 * B) ** 2, 24 * (A**2 - B**2))
NEARER = equal(
    (Rational(2, 3) * (A - B) - C) ** 2 - (-Rational(2, 3) * (A - B) - C) ** 2, -Rational(8, 3) * (A - B) * C
)
RAMPS = equal((4 * A + 2 * B) ** 2 - (2 * A + 4 * B) ** 2, 12 * (A**2 - B**2))

# --- in full ----------------------------------------------------------------------------------------------------------

WHEN = ("early", "middle", "late")
MIXTURES, STRENGTH = 60, 3


def placed(j: int, strength: int = STRENGTH) -> GuidanceSchedule:
    """All guidance in one of three equal windows."""
    cuts = [Fraction(3 - k, 3) for k in range(4)]
    return GuidanceSchedule.of([(strength if k == j else 0, cuts[k], cuts[k + 1]) for k in range(3)])


def random_mixture(seed: int) -> Problem:
    """Two classes of equal prior on two tokens of three kinds, weights 1 to 9 before they are normalised."""
    random = Random(seed)
    laws = []
    for _ in range(2):
        weights = [random.randint(1, 9) for _ in range(9)]
        laws.append({(k // 3, k % 3): Fraction(weight, sum(weights)) for k, weight in enumerate(weights)})
    return ClassMixture.of(3, 2, {"z": ("1/2", laws[0]), "other": ("1/2", laws[1])}).problem("z")


def soft_xor() -> Problem:
    """Uniform marginals in both laws: only the conditionals know the class."""
    table = {(0, 0): "3/8", (0, 1): "1/8", (1, 0): "1/8", (1, 1): "3/8"}
    everything = dict.fromkeys(table, "1/4")
    return ClassMixture.of(2, 2, {"z": ("1/2", table), "other": ("1/2", everything)}).problem("z")


def terminal(problem: Problem, rule: str, schedule: GuidanceSchedule) -> Distribution:
    """The terminal law: rational for the normalised rule, in balls for raw intensities."""
    tilt = guidance(problem, rule)
    if rule == "normalised":
        return mix(window_mixture(tilt, schedule, RATIONAL))
    law = run(schedule_flow(tilt, schedule, BALLS))
    kept = [(context, p) for context, p in law.table.items() if None not in context]
    return Distribution(tuple(x for x, _ in kept), tuple(p for _, p in kept), BALLS)


def moved_by(law: Distribution, problem: Problem) -> Any:
    """``TV`` from the conditional law to what guidance in one window makes of it."""
    assert isinstance(problem.conditional, TableLaw)
    return total_variation(law, law_distribution(problem.conditional, law.arithmetic))


def missed_by(law: Distribution, problem: Problem, strength: int) -> Any:
    """``TV`` to the tilted law of some strength."""
    return total_variation(law, tilted_law(guidance(problem), law.states, law.arithmetic, Fraction(strength)))


@lru_cache(maxsize=1)
def counts() -> Mapping[str, tuple[int, int, int]]:
    """In how many of the mixtures each window is the one; every comparison exact, or of disjoint balls."""
    questions: Mapping[str, tuple[Callable[..., Any], bool]] = {
        "moves": (moved_by, True),
        "own": (partial(missed_by, strength=STRENGTH), False),
        "mean": (partial(missed_by, strength=STRENGTH // 3), False),
    }
    wins = {(rule, name): [0, 0, 0] for rule in ("normalised", "rate") for name in questions}
    problems = [random_mixture(seed) for seed in range(MIXTURES)]
    with flint.ctx.workprec(128):
        for problem, rule in product(problems, ("normalised", "rate")):
            laws = [terminal(problem, rule, placed(j)) for j in range(3)]
            for name, (measure, largest) in questions.items():
                values = [measure(law, problem) if largest else -measure(law, problem) for law in laws]
                for j in range(3):
                    wins[rule, name][j] += all(values[j] > values[k] for k in range(3) if k != j)
    return {f"{rule}, {name}": (won[0], won[1], won[2]) for (rule, name), won in wins.items()}


def count(rule: str, name: str, j: int) -> Any:
    """The name of a count."""
    return Function(f"n_{name}", integer=True)(symbol(WHEN[j]), symbol(rule))


def distance(name: str, j: int) -> Any:
    """The name of a distance on an example."""
    return Function(f"TV_{name}", positive=True)(symbol(WHEN[j]))


EXAMPLES: Mapping[str, Callable[[], Problem]] = {"soft": soft_xor, "squares": lambda: load("squares-overlap")}


def tabulated() -> Check:
    """The check of counts and of distances on examples, recomputed."""

    def check(content: Content) -> tuple[Verdict, str]:
        table: dict[Any, Any] = {}
        names = {str(part.func) for item in content for part in item.atoms(Function)}
        if any(name.startswith("n_") for name in names):
            for key, wins in counts().items():
                rule, _, name = key.partition(", ")
                table |= {count(rule, name, j): wins[j] for j in range(3)}
        for example, problem in EXAMPLES.items():
            if f"TV_{example}" in names:
                laws = [terminal(problem(), "normalised", placed(j)) for j in range(3)]
                table |= {distance(example, j): moved_by(law, problem()) for j, law in enumerate(laws)}
        for item in content:
            left: Any = item.args[0]
            right: Any = item.args[1]
            if not isinstance(item, Eq) or left not in table:
                return Verdict.UNKNOWN, f"{sentence(item)} names nothing of the table"
            value = Rational(Fraction(table[left]).numerator, Fraction(table[left]).denominator)
            if value != right:
                return Verdict.REFUTED, f"{left} is {value}, not {right}"
        if not content:
            return Verdict.UNKNOWN, "no number is shown, so nothing was checked"
        enclosed = any("rate" in str(item) for item in content)
        seen = "disjoint balls" if enclosed else "exact rationals"
        return Verdict.ENCLOSED if enclosed else Verdict.PROVED, f"{len(content)} numbers, compared as {seen}"

    return check


def integrated() -> Check:
    """Identities in which the integrals of polynomials are taken."""

    def check(content: Content) -> tuple[Verdict, str]:
        sides = [[side.doit() if isinstance(side, Integral) else side for side in item.args] for item in content]
        return identities()(tuple(equal(*taken) for taken in sides))

    return check


def won(rule: str, name: str, *numbers: int) -> tuple[Any, ...]:
    """A row of the table."""
    return tuple(equal(count(rule, name, j), Integer(number)) for j, number in enumerate(numbers))


TABLE = (
    *won("normalised", "moves", 9, 0, 51),
    *won("normalised", "own", 11, 0, 49),
    *won("normalised", "mean", 1, 35, 24),
)
RAW_TABLE = (*won("rate", "moves", 18, 22, 20), *won("rate", "own", 12, 35, 13), *won("rate", "mean", 0, 49, 11))

# --- the proof --------------------------------------------------------------------------------------------------------

# p(x|z) as it is reached from a context without further guidance: from two masks, and after either token.
from_start, after_first, after_second = joint, f21(y, x), f12(x, y)
at_start = (
    f1(x) * l1(x) * after_first
    + f2(y) * l2(y) * after_second
    - (over(f1(v) * l1(v)) + over(f2(v) * l2(v))) * from_start
)
after_one = f1(x) * (f21(y, x) * l21(y, x) - m21 * after_first) + f2(y) * (f12(x, y) * l12(x, y) - m12 * after_second)


def derivation() -> Derivation:
    """The theorem with its proof."""
    return Derivation(
        name="early or late",
        title="Early or late? Guidance in time, for two tokens",
        claim=Claim(
            r"To first order in the strengths, guidance $w(u)$ of two tokens moves the terminal law from "
            r"$p(x \mid z)$ by an integral, below that over a window, under both rules: $A$ and $B$ are what a tilt "
            r"of the first and of the second reveal does, and $C$ is what the tilted law has beyond $A + B$. With "
            r"products of $A$, $B$, $C$ read as $\langle f, g \rangle = \sum_x f g / p(x \mid z)$: of three equal "
            r"windows the early one moves the law further than the late one exactly when "
            r"$\langle A, A \rangle > \langle B, B \rangle$, and comes nearer to the tilted law of the same mean "
            r"strength exactly when $\langle A - B, C \rangle > 0$.",
            (BOTH_RULES, FURTHER, NEARER, RAMPS),
        ),
        assumptions=(
            r"Two tokens, any vocabulary. $f_1, f_2, f_{2|}, f_{1|}$ are the marginals and conditionals of "
            r"$f = p(x \mid z)$; $l_1, l_2, l_{2|}, l_{1|}$ the logarithms of their ratios to those of $p$, all finite "
            r"on the support of $f$; $m_1, m_2$ the means of $l_1, l_2$ under $f$.",
            r"The divergences to $p(\cdot \mid z)$ begin with the square $\langle \cdot, \cdot \rangle$ of the "
            r"change, $\chi^2$ with all and KL with half of it, so what is said of squares is said of both at small "
            r"strengths. The tables are at $w = 3$ in one window, in TV.",
        ),
        steps=(*_first_order(), *_consequences(), *_in_full()),
        citations=("Rojas2025", "He2025"),
        instances=tuple(
            Instance(f"{name}, {rule}", partial(_begins, name, rule))
            for name in ("squares-overlap", "slower-sampling")
            for rule in ("rate", "normalised")
        ),
    )


def _first_order() -> tuple[Step, ...]:
    return (
        Step(
            "a reveal",
            r"To first order, raw rates change by $f l$, and normalised ones by $f (l - m)$:",
            (
                equal((f1(x) * exp(w * l1(x))).diff(w).subs(w, 0), f1(x) * l1(x)),
                equal(one_tilted(f1, l1, x, w).diff(w).subs(w, 0), f1(x) * (l1(x) - over(f1(v) * l1(v)))),
            ),
            "Derivatives at $w = 0$, where the rates are those of the conditional law.",
            identities(MEANING),
        ),
        Step(
            "what it leads to",
            r"Without guidance the law to come from two masks is $f$, and after one token it is the conditional law. "
            r"So changed rates in two masks, and in contexts with one, which hold $u^2$ and $f_i\, u (1 - u)$, change "
            r"the terminal law at the rates $2A$ and $2B$ per unit of these:",
            (equal(at_start, 2 * A), equal(after_one, 2 * B)),
            r"A reveal at a changed rate gains the law after it and loses the law before it. With $l - m$ in place of "
            r"$l$ the loss is the same, for $\sum_v f_1(v) (l_1(v) - m_1) = 0$ and the gain has the $- m_1$: the rules "
            "agree. Duhamel's formula adds the effects of all times; it is exact to first order.",
            identities(MEANING),
        ),
        Step(
            "guidance in time",
            r"With $ds = du/u$, a window of strength $w$, here the middle one, adds",
            (
                equal(Integral(2 * A * u**2 / u + 2 * B * u * (1 - u) / u, (u, CUTS[2], CUTS[1])), effect(1)),
                BOTH_RULES,
            ),
            "Integrals of polynomials.",
            integrated(),
        ),
        Step(
            "six components",
            r"Another way to the same, for the normalised rule: three windows with strengths $w_1, w_2, w_3$ make a "
            r"mixture of six laws, with weights",
            (equal(sum(WEIGHTS.values(), start=Integer(0)), 1), *(equal(slope(j), effect(j)) for j in range(3))),
            "Two independent uniform $u$, of which both, or one each, fall into windows; each component is the mean "
            "over the two orders of a product of tilted conditionals. The derivatives by the three strengths are those "
            "above.",
            identities(MEANING),
        ),
        Step(
            "the tilted law",
            r"The tilted law begins with $f (l - m)$, which is $A + B$ and a rest:",
            (equal(joint * (log_ratio - m), A + B + C),),
            r"$l = l_1 + l_{2|} = l_2 + l_{1|}$, and so for their means. $C$ says that guidance forgets how much the "
            "class tells about the other token: it vanishes when that is the same for all first tokens.",
            identities(MEANING),
        ),
    )


def _consequences() -> tuple[Step, ...]:
    thirds = [effect(j).subs({CUTS[1]: 2 * THIRD, CUTS[2]: THIRD}) for j in range(3)]
    ramp_up, ramp_down = 2 * (1 - u), 2 * u
    return (
        Step(
            "three equal windows",
            r"Guidance in the first, second, third of three equal windows moves the law by",
            (
                equal(9 * thirds[0], 5 * A + B),
                equal(9 * thirds[1], 3 * A + 3 * B),
                equal(9 * thirds[2], A + 5 * B),
            ),
            "The boundaries are $2/3$ and $1/3$.",
            identities(),
        ),
        Step(
            "which moves further",
            r"Early against late:",
            (FURTHER, equal((5 * A + B) ** 2 - (3 * A + 3 * B) ** 2, 8 * (A - B) * (2 * A + B))),
            r"In the form $\langle \cdot, \cdot \rangle$. $A$ is made of marginals and $B$ of conditionals: early "
            "guidance moves more where single tokens tell the class, late guidance where only both do.",
            identities(),
        ),
        Step(
            "which comes nearer",
            r"Against the tilted law of the same mean strength, a third of the strength in the window:",
            (equal(3 * thirds[0] - (A + B + C), Rational(2, 3) * (A - B) - C), NEARER),
            r"Squared distances, early minus late.",
            identities(),
        ),
        Step(
            "ramps",
            r"Ramp-up $2(1-u)$, ramp-down $2u$ and constant guidance of mean one:",
            (
                equal(Integral(ramp_down * (2 * u * A + 2 * (1 - u) * B), (u, 0, 1)), (4 * A + 2 * B) / 3),
                equal(Integral(ramp_up * (2 * u * A + 2 * (1 - u) * B), (u, 0, 1)), (2 * A + 4 * B) / 3),
                equal(Integral(2 * u * A + 2 * (1 - u) * B, (u, 0, 1)), A + B),
                RAMPS,
            ),
            "Half way between the windows and constant guidance: the same two conditions decide, and constant guidance "
            r"is the one nearest to the tilted law unless $\langle A - B, C \rangle$ is large beside "
            r"$\langle A - B, A - B \rangle$.",
            integrated(),
        ),
    )


def _in_full() -> tuple[Step, ...]:
    return (
        Step(
            "late moves more",
            r"In full, $w = 3$ in one window, normalised rule, TV to $p(\cdot \mid z)$. Two bits that agree with "
            r"probability $3/4$ against independent ones, where the marginals know nothing and $A = 0$:",
            (
                equal(distance("soft", 0), Rational(151, 6936)),
                equal(distance("soft", 1), Rational(151, 2312)),
                equal(distance("soft", 2), Rational(755, 6936)),
            ),
            "Six components, in rational arithmetic: in the ratio $1 : 3 : 5$, as only the second token is tilted.",
            tabulated(),
        ),
        Step(
            "early moves more",
            r"Two overlapping squares:",
            (
                equal(distance("squares", 0), Rational(140, 1377)),
                equal(distance("squares", 1), Rational(28, 459)),
                equal(distance("squares", 2), Rational(1232, 23409)),
            ),
            "The same arithmetic, the opposite order.",
            tabulated(),
        ),
        Step(
            "random mixtures, normalised rule",
            rf"{MIXTURES} random mixtures of two classes on $\{{0,1,2\}}^2$, seeds $0$ to ${MIXTURES - 1}$: how often "
            r"each window moves the law most, comes nearest to the tilted law of its own strength $3$, and to that of "
            r"the mean strength $1$:",
            TABLE,
            "Every distance is rational, every comparison exact. Late guidance usually does most, and comes nearest to "
            "its own tilted law; nearest to that of the mean strength it is seldom the early one.",
            tabulated(),
        ),
        Step(
            "random mixtures, raw rule",
            "The same under raw intensities:",
            RAW_TABLE,
            "Every distance is a ball, and every comparison between disjoint ones. Raw early guidance also reveals "
            "more tokens early, which leaves less for later windows: the middle window catches up.",
            tabulated(),
        ),
    )


def _begins(name: str, rule: str, digits: int) -> Sequence[Evidence]:
    """The derivative of the terminal law by the strength of each window, by a tiny strength in balls of many digits."""
    problem, tiny = load(name), Fraction(1, 10 ** (digits + 5))
    law, base = problem.conditional, problem.unconditional
    worst = flint.arb(0)
    with flint.ctx.workprec(int(8 * digits) + 100):
        for j, share in enumerate([(5, 1), (3, 3), (1, 5)]):
            cuts = [Fraction(3 - k, 3) for k in range(4)]
            schedule = GuidanceSchedule.of([(tiny if k == j else 0, cuts[k], cuts[k + 1]) for k in range(3)])
            found = run(schedule_flow(guidance(problem, rule), schedule, BALLS))
            for context in found.states:
                if None in context:
                    continue
                weight = BALLS.number(law.weight(context))
                change = (found[context] - weight) / BALLS.number(tiny)
                first, second = _tilts(law, base, context)
                worst = max(worst, abs(change - weight * (share[0] * first + share[1] * second) / 18))
    good = worst < flint.arb(10) ** -digits
    seen = f"within {float(worst):.1e} of the derivatives, every token pair and window"
    return (Evidence("first order", Verdict.AGREES if good else Verdict.REFUTED, seen),)


def _tilts(law: Any, base: Any, context: Any) -> tuple[Any, Any]:
    """``2A/f`` and ``2B/f`` from the tables themselves."""

    def centred(given: Any, position: int) -> Any:
        ours, theirs = law.conditional(given, position), base.conditional(given, position)
        logs = {token: BALLS.number(ours[token] / theirs[token]).log() for token in ours}
        mean = sum((BALLS.number(ours[token]) * logs[token] for token in ours), start=flint.arb(0))
        return logs[context[position]] - mean

    first = centred((None, None), 0) + centred((None, None), 1)
    return first, centred((context[0], None), 1) + centred((None, context[1]), 0)
