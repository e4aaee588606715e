"""Normalising tokens and mask together, step by step: as steps shrink it is the raw rule, not the normalised one.

The posterior of one step gives a masked position the tokens ``(1 − m) p(v)`` and the mask ``m``, with ``m = u'/u``.
Guided as a whole, tokens have ``(1 − m) q(v)`` and the mask ``m``; normalised as a whole, a token is shown at the rate
``q(v)`` on the clock. Guided and normalised over tokens alone it is shown at ``q(v)/Z``: two branches of one public
code base (Schiff et al., arXiv:2412.10193) tend to different chains.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from sympy import Function, Integer, Lambda, Limit, Sum, Tuple, exp

from symguide.chains.family import MASK_SYMBOL, TokenProbability, representative, vocabulary_size
from symguide.chains.functionals import total_variation
from symguide.evidence import Evidence, Verdict
from symguide.flows.flow import Flow, run
from symguide.flows.sampler_flows import exact_segment, sampler_flow
from symguide.flows.steps import uniform_steps
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import FLOATS
from symguide.proofs.derivation import Claim, Derivation, Instance, Step
from symguide.proofs.identities import Meaning, equal, identities
from symguide.schedules.published import log_linear
from symguide.symbols import s, symbol, w

(rate,) = representative(1).definitions
Z, m = symbol("Z", positive=True), symbol("m", positive=True)
left = symbol("l", positive=True)
"""``1 − m``, for which a power of a product is the product of powers."""
v: Any = symbol("v", integer=True, nonnegative=True)
q: Any = Function("q", positive=True)


def p(token: Any, of_class: bool = False) -> Any:
    """``p(v)``, or ``p(v|z)``."""
    return TokenProbability(Integer(1), token, Tuple(MASK_SYMBOL), Integer(of_class))


def over_tokens(form: Any) -> Any:
    return Sum(form, (v, 0, vocabulary_size - 1))


INTENSITY = (p(v, True) / p(v)) ** w * p(v, True)
MEANING = Meaning({q: Lambda(v, INTENSITY)}, {Z: rate}, representative(1).definitions)


def shown(mask: Any, rates: Any, whole: Any) -> Any:
    """The probability of a token after a step in which an unguided mask stays with ``mask``."""
    return (1 - mask) * rates / (mask + (1 - mask) * whole)


def pace(rates: Any, whole: Any) -> Any:
    """The rate of a token on the clock, as steps shrink."""
    return Limit(shown(exp(-s), rates, whole) / s, s, 0)


STEP = equal(left * q(v) / (m + over_tokens(left * q(v))), left * q(v) / (m + left * Z))


def derivation() -> Derivation:
    """The limit with its proof."""
    return Derivation(
        name="joint normalisation",
        title="Normalising tokens and mask together: the continuous limit is the raw rule",
        claim=Claim(
            r"Let $m = u'/u$, $l = 1 - m$ and $q(v) = p(v \mid z)^{1+w} p(v)^{-w}$ with $Z = \sum_v q(v)$. The "
            r"posterior of one step, guided and normalised over tokens and mask, shows a token with the probability "
            r"below. On the clock $s$, $m = e^{-s}$, this happens at the rate $q(v)$, the one of the rate power rule, "
            r"whereas normalising over tokens first leads to the rate $q(v)/Z$.",
            (STEP, equal(pace(q(v), Z), q(v)), equal(pace(q(v) / Z, Integer(1)), q(v) / Z)),
        ),
        assumptions=(
            r"One masked position in any context, any number of tokens; $w > -1$.",
            r"Steps are exact posteriors of the mask process: tokens $(1 - m) p(v)$, mask $m$, under either law.",
        ),
        steps=(
            Step(
                "guided posterior",
                "The power product of the two posteriors gives tokens and mask",
                (
                    equal((left * p(v, True)) ** (1 + w) * (left * p(v)) ** (-w), left * q(v)),
                    equal(m ** (1 + w) * m ** (-w), m),
                ),
                "Exponents sum to one, so what the laws share comes out as it is.",
                identities(MEANING),
            ),
            Step(
                "normalised together",
                "Divided by the sum over tokens and mask a token is shown with",
                (equal(Z, over_tokens(q(v))), STEP),
                "Only $q$ depends on the token.",
                identities(MEANING),
            ),
            Step(
                "limit",
                "With $m = e^{-s}$ a token is shown at the rate",
                (equal(pace(q(v), Z), q(v)),),
                r"At $s = 0$ the denominator is 1, and $1 - e^{-s}$ vanishes with slope 1.",
                identities(MEANING),
            ),
            Step(
                "tokens first",
                "Normalised over tokens first, with $q/Z$ in place of $q$ and 1 in place of $Z$,",
                (
                    equal(shown(m, q(v) / Z, Integer(1)), (1 - m) * q(v) / Z),
                    equal(pace(q(v) / Z, Integer(1)), q(v) / Z),
                ),
                "which is the ancestral step of the normalised rule.",
                identities(MEANING),
            ),
            Step(
                "unmasking",
                "Together, a position is unmasked with",
                (equal(over_tokens(shown(m, q(v), Z)), (1 - m) * Z / (m + (1 - m) * Z)),),
                "Only $q$ depends on the token.",
                identities(MEANING),
            ),
        ),
        citations=("Schiff2024", "Nisonoff2024", "Rojas2025"),
        instances=tuple(
            Instance(name, lambda digits, name=name: _distances(name))
            for name in ("squares-overlap", "xor", "slower-sampling", "interval-overlap")
        ),
    )


def _distances(name: str) -> Sequence[Evidence]:
    """The sampler against both chains, at ``t = 1/4`` and with more and more steps."""
    problem, found = load(name), []
    counts = (30, 60, 120, 240)
    ends = {
        rule: run(Flow((exact_segment(guidance(problem, rule), Fraction(2), Fraction(1, 4), FLOATS),)))
        for rule in ("rate", "normalised")
    }
    laws = [run(sampler_flow(problem, "joint", 2, uniform_steps(log_linear(), count, "1/4"))) for count in counts]
    for rule, end in ends.items():
        distances = [float(total_variation(law, end)) for law in laws]
        shrinks = all(0.4 < after / before < 0.6 for before, after in pairwise(distances))
        listed = ", ".join(f"{value:.2e}" for value in distances)
        words = f"TV {listed} after {', '.join(map(str, counts))} steps"
        expected = shrinks if rule == "rate" else distances[-1] > 0.01 and not shrinks
        found.append(Evidence(f"{rule} rule", Verdict.AGREES if expected else Verdict.REFUTED, words))
    return found
