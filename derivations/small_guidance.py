"""One token: what a little guidance does, to first order in ``w``.

At ``w = 0`` total variation falls with the slope ``u ln u KL(p(·|z) ‖ p)``, and the logarithm of the terminal law moves
by how much more the class expects a token than on average: ``ln(p(v|z)/p(v)) − KL``.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import flint
from sympy import Derivative, Function, Integer, Lambda, Sum, log

from symguide.asymptotics.taylor import taylor_tv
from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.chains.family import vocabulary_size
from symguide.evidence import Evidence, Verdict
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS
from symguide.proofs.derivation import Claim, Derivation, Instance, Step
from symguide.proofs.identities import Meaning, equal, identities
from symguide.symbols import symbol, u, w

# --- the words of the proof -------------------------------------------------------------------------------------------

v: Any = symbol("v", integer=True, nonnegative=True)
z: Any = symbol("z", positive=True)
divergence: Any = symbol("KL", nonnegative=True)
of_class, law, terminal = (Function(name, positive=True) for name in ("p|", "p", "h_"))
rate, distance = (Function(name, positive=True) for name in ("Z", "TV"))


def over_tokens(form: Any) -> Any:
    return Sum(form, (v, 0, vocabulary_size - 1))


INTENSITY = (of_class(v, z) / law(v)) ** w * of_class(v, z)
EVIDENCE = log(of_class(v, z) / law(v))
LAWS = {of_class: Lambda((v, z), (v + 1) / Integer(6)), law: Lambda(v, (5 - v) / Integer(12))}
WORDS = Meaning(
    functions={
        rate: Lambda(w, over_tokens(INTENSITY)),
        distance: Lambda(w, u ** rate(w)),
        terminal: Lambda((v, w), INTENSITY / rate(w)),
    },
    rules={divergence: over_tokens(of_class(v, z) * EVIDENCE)},
    sums={Integer(1): over_tokens(of_class(v, z))},
    example=LAWS,
)

RATE_SLOPE = equal(Derivative(rate(w), w), over_tokens(INTENSITY * EVIDENCE))
SLOPE = equal(Derivative(distance(w), w), log(u) * u ** rate(w) * over_tokens(INTENSITY * EVIDENCE))
AT_ZERO = equal((log(u) * u ** rate(w) * over_tokens(INTENSITY * EVIDENCE)).subs(w, 0), u * log(u) * divergence)
LAW_SLOPE = equal(Derivative(log(terminal(v, w)), w), EVIDENCE - over_tokens(INTENSITY * EVIDENCE) / rate(w))
LAW_AT_ZERO = equal((EVIDENCE - over_tokens(INTENSITY * EVIDENCE) / rate(w)).subs(w, 0), EVIDENCE - divergence)


def derivation() -> Derivation:
    """The theorem with its proof."""
    return Derivation(
        name="small guidance",
        title="One token: the first order in the guidance strength",
        claim=Claim(
            r"For one token, with $\mathrm{KL} = \sum_v p(v \mid z) \ln(p(v \mid z)/p(v))$, total variation at the "
            r"mask fraction $u$ and the terminal law $h_v$ have the slopes below, which at $w = 0$ are $u \ln u\, "
            r"\mathrm{KL}$ and $\ln(p(v \mid z)/p(v)) - \mathrm{KL}$.",
            (SLOPE, AT_ZERO, LAW_SLOPE, LAW_AT_ZERO),
        ),
        assumptions=(
            r"One position with tokens $0, \ldots, N-1$, any $N$; sums run over the support of $p(\cdot \mid z)$, and "
            r"there $p > 0$.",
        ),
        steps=(
            Step(
                "rate",
                r"$Z(w) = \sum_v p(v \mid z)^{1+w} p(v)^{-w}$ has the slope",
                (RATE_SLOPE, equal(rate(0), 1)),
                "Term by term; at $w = 0$ it sums a law.",
                identities(WORDS),
            ),
            Step(
                "total variation",
                r"$\mathrm{TV} = u^{Z(w)}$, so",
                (SLOPE, AT_ZERO),
                r"$Z(0) = 1$ and $Z'(0) = \mathrm{KL}$.",
                identities(WORDS),
            ),
            Step(
                "terminal law",
                r"$h_v(w) = p(v \mid z)^{1+w} p(v)^{-w} / Z(w)$, so",
                (LAW_SLOPE, LAW_AT_ZERO),
                "The same two values.",
                identities(WORDS),
            ),
        ),
        citations=("He2025",),
        instances=(on("interval-overlap"), on("digits:patch=1x1,row=3,column=3", needs=("sklearn",))),
    )


def on(name: str, needs: tuple[str, ...] = ()) -> Instance:
    """The Taylor series of a built-in problem against differences of TV itself, in balls."""

    def check(digits: int) -> Sequence[Evidence]:
        chain = guided_chain(guidance(load(name)))
        with flint.ctx.workdps(3 * digits):
            clock = flint.arb(2).log()
            slope = taylor_tv(chain, 1, "1/2", arithmetic=BALLS).coefficients[1]
            tiny = Fraction(1, 10**digits)
            ahead, behind = (expand(chain.over(BALLS, x)).survival(clock) for x in (tiny, -tiny))
            difference = (ahead - behind) / (2 * BALLS.number(tiny))
            close = abs(difference - slope) < flint.arb(10) ** -digits
        verdict = Verdict.AGREES if close else Verdict.REFUTED
        return [Evidence("slope at w = 0, u = 1/2", verdict, f"d TV/dw = {slope.str(8, radius=False)}")]

    return Instance(name, check, needs)


DERIVATION = derivation()
