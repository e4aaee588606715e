"""``symguide verify``: a closed form checked by independent routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from symguide.cli.arguments import digits_of, moments_of, problem_of, required_strengths
from symguide.cli.machine import evidence_document
from symguide.cli.outputs import busy, write_json
from symguide.cli.parameters import DONE, FAILED, HORIZON, JSON, NOISE, PROBLEM, RULE, TARGET, T, U, W, command, option

if TYPE_CHECKING:
    from fractions import Fraction

    from symguide.checks.verification import Report
    from symguide.laws.tilt import Tilt
    from symguide.numbers.number import Number

__all__ = ["verify_command"]


@command(
    "verify",
    PROBLEM,
    W,
    U,
    T,
    NOISE,
    HORIZON,
    TARGET,
    RULE,
    option("--digits", metavar="N", default="50", help="Decimal digits of numerical agreement  [50]."),
    JSON,
)
def verify_command(
    problem: str,
    w: Sequence[str],
    u: Sequence[str],
    t: Sequence[str],
    noise: str | None,
    horizon: str | None,
    target: str | None,
    rule: str,
    digits: str,
    as_json: bool,
) -> int:
    """Check the closed form of a problem by independent routes.

    Residual, initial value, mass, positivity and limit as identities; the Kolmogorov equations integrated at many
    digits; enclosures by ball arithmetic. At the mask fractions --u (or times --t), 1/2 unless given. Exits with 1 if
    anything is refuted or unknown.
    """
    strengths = required_strengths(w)
    precision = digits_of(digits)
    moments = moments_of(u, t, noise, horizon)
    from fractions import Fraction

    from symguide.evidence import weakest
    from symguide.laws.tilt import guidance

    with busy(f"checking {problem}"):
        loaded = problem_of(problem, target)
        points = [_rational(fraction) for fraction in moments.fractions] or [Fraction(1, 2)]
        found = _check(guidance(loaded, rule), strengths, points, precision)
    verdict = weakest(item for checked in found for item in checked.report.evidence)
    if as_json:
        write_json(
            {
                "problem": loaded.name,
                "target": loaded.target,
                "rule": rule,
                "digits": precision,
                "verdict": str(verdict),
                "notes": list(loaded.notes),
                "results": [checked.document() for checked in found],
            }
        )
        return DONE if verdict.passes else FAILED
    from symguide.display.reports import evidence_tables
    from symguide.display.tables import screen

    screen().print(evidence_tables(loaded, rule, [(checked.title, checked.report) for checked in found], verdict))
    return DONE if verdict.passes else FAILED


def _rational(fraction: Number) -> Fraction:
    """The mask fraction of a time may be irrational; what is checked there is checked at a fraction 30 digits close."""
    from fractions import Fraction

    from sympy import N

    return fraction if isinstance(fraction, Fraction) else Fraction(str(N(fraction, 30)))


class Checked(NamedTuple):
    """What was checked at one strength, and what was found."""

    w: Fraction
    fractions: list[Fraction]
    checked: int
    contexts: int
    report: Report

    @property
    def title(self) -> str:
        """For people."""
        part = f", {self.checked} of {self.contexts} contexts" if self.checked < self.contexts else ""
        return f"w = {self.w}{part}"

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "w": str(self.w),
            "u": [str(fraction) for fraction in self.fractions],
            "contexts": self.contexts,
            "contexts_checked": self.checked,
            "verdict": str(self.report.verdict),
            "evidence": evidence_document(self.report.evidence),
            "notes": list(self.report.notes),
        }


def _check(tilt: Tilt, strengths: list[Fraction], fractions: list[Fraction], digits: int) -> list[Checked]:
    """Check the closed form at some strengths: with ``w`` open where one form covers them."""
    from symguide.chains.chain import guided_chain
    from symguide.chains.naming import named
    from symguide.checks.verification import sample, verify
    from symguide.closed_forms.solution import solve
    from symguide.errors import InfiniteRatioError
    from symguide.numbers.number import to_sympy
    from symguide.symbols import w

    try:
        general = None if set(strengths) == {-1} else guided_chain(tilt)
    except InfiniteRatioError:
        general = None  # of a pair that excludes tokens, which ones depends on the sign of w
    found = []
    for strength in strengths:
        if general is None or strength == -1:
            chain, symbol = guided_chain(tilt.at(strength)), to_sympy(strength)
        else:
            chain, symbol = general, w
        part = sample(chain)
        whole = None if part is chain else named(chain, symbol)
        report = verify(solve(part, symbol), strength, fractions, digits=digits, whole=whole)
        found.append(Checked(strength, fractions, len(part.states), len(chain.states), report))
    return found
