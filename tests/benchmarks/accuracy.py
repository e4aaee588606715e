"""How accurate compiled closed forms are near ties of exit rates, against naive partial fractions.

Run ``python tests/benchmarks/accuracy.py``. Exit rates along a reveal path differ by about a gap; per gap, the worst
relative error over all contexts and some mask fractions, in doubles, against 60 digits of mpmath. Partial fractions
lose digits near ties, and near the start of the clock (``u → 1``) everywhere.
"""

import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
from sympy import lambdify

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import show

from symguide.chain import guided_chain
from symguide.compiled import compile_solution
from symguide.mixture import ClassMixture
from symguide.solution import Solution, powers_of_u, solve
from symguide.symbols import u, w
from symguide.tilt import guidance

__all__ = ["main"]

GAPS = (Fraction(0), *(Fraction(1, 10**k) for k in (20, 16, 14, 12, 8, 4, 2)))
FRACTIONS = (1e-12, 1e-3, 0.1, 0.5, 0.9, 0.999, 1 - 1e-9)
STRENGTH = 1.0


def nearly_tied(gap: Fraction) -> Solution:
    """Two tokens for which ``Λ(M,M) = c(0) = 15/7`` at ``w = 1``, but for a gap in the data."""
    quarter = Fraction(1, 4)
    target = {(0, 0): quarter + gap, (0, 1): 2 * quarter, (1, 0): quarter - gap}
    other = {(0, 0): 2 * quarter, (1, 1): 2 * quarter}
    mixture = ClassMixture.of(2, 2, {"target": (quarter, target), "other": (3 * quarter, other)})
    return solve(guided_chain(guidance(mixture.problem("target"))))


def worst(found: Sequence[Sequence[float]], expected: Sequence[Sequence[mpmath.mpf]]) -> str:
    """The largest relative error; what is no number at all counts as infinite."""
    errors = [
        abs(mpmath.mpf(float(value)) / exact - 1) if np.isfinite(value) else mpmath.inf
        for row, exacts in zip(found, expected, strict=True)
        for value, exact in zip(row, exacts, strict=True)
    ]
    return mpmath.nstr(max(errors), 2)


def main() -> None:
    """One row per gap."""
    rows = []
    for gap in GAPS:
        solution = nearly_tied(gap)
        forms = list(solution.probabilities)
        fractions = np.array(FRACTIONS)
        compiled = compile_solution(solution, forms)(STRENGTH, fractions)
        naive = lambdify([w, u], [solution.spell_out(powers_of_u(form)[0]) for form in forms], "numpy")
        with np.errstate(all="ignore"):
            partial = [np.broadcast_to(value, fractions.shape) for value in naive(STRENGTH, fractions)]
        precise = compile_solution(solution, forms, target="mpmath")
        with mpmath.workdps(60):
            exact = [precise(mpmath.mpf(STRENGTH), mpmath.mpf(value)) for value in FRACTIONS]
            expected = [list(column) for column in zip(*exact, strict=True)]
            middle = [j for j, value in enumerate(FRACTIONS) if value <= 0.5]
            early = [[[row[j] for j in middle] for row in table] for table in (partial, expected)]
            row = worst(compiled, expected), worst(partial, expected), worst(*early)
            rows.append((f"{float(gap):.0e}", *row))
    headings = ("gap", "compiled, all u", "partial fractions, all u", "partial fractions, u <= 1/2")
    show("Worst relative error near ties of exit rates", headings, rows)


if __name__ == "__main__":
    main()
