"""How accurate compiled closed forms are near ties of exit rates, against naive partial fractions.

Run ``python tests/benchmarks/accuracy.py``. Two laws whose exit rates differ by a gap; at each gap the worst relative error
over all contexts and a grid of mask fractions, in doubles, against 60 digits of mpmath.
"""

import sys
from fractions import Fraction
from itertools import product
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

GAPS = (Fraction(0), *(Fraction(1, 10**k) for k in (20, 16, 12, 8, 4, 2)))
FRACTIONS = (1e-12, 1e-3, 0.1, 0.5, 0.9, 0.999, 1 - 1e-9)
STRENGTH = 1.0


def nearly_tied(gap: Fraction) -> Solution:
    """Two tokens of which the first leaves all but the same law of the second behind, whatever it is."""
    table = dict(zip(product(range(2), repeat=2), map(Fraction, ("3/8", "1/8", "1/8", "3/8")), strict=True))
    table[0, 0] += gap
    table[0, 1] -= gap
    even = dict.fromkeys(table, Fraction(1, 4))
    mixture = ClassMixture.of(2, 2, {"tilted": (Fraction(1, 2), table), "even": (Fraction(1, 2), even)})
    return solve(guided_chain(guidance(mixture.problem("tilted"))))


def worst(found: list[list[float]], expected: list[list[mpmath.mpf]]) -> str:
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
            rows.append((f"{float(gap):.0e}", worst(compiled, expected), worst(partial, expected)))
    show("Worst relative error near ties of exit rates", ("gap", "compiled", "partial fractions"), rows)


if __name__ == "__main__":
    main()
