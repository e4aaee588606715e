"""How accurate compiled closed forms are where it is hardest, against the formulas that one would write down.

Run ``python tests/benchmarks/accuracy.py``. Per regime, the worst relative error of TV and of every probability that is
a normal double, against hundreds of digits computed by another route. Powers of ``u`` are the textbook formulas, with
rates ``Σ c b^w`` in doubles: they divide by gaps between exit rates, cancel near the start of the clock, raise ``u`` to
rates whose rounding errors ``Λ s`` multiplies, and overflow. What is no number counts as infinite.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from sympy import lambdify

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import show
from many_digits import digits_for, gentle, near_tie, reference, small_prior
from strategies import HARD, Instance

from symguide.chains.chain import guided_chain
from symguide.closed_forms.compiled import compile_solution
from symguide.closed_forms.solution import powers_of_u, solve
from symguide.laws.tilt import guidance
from symguide.symbols import u, w

__all__ = ["main"]

NORMAL = 2.0**-1022


@dataclass(frozen=True)
class Regime:
    """Where a closed form is evaluated; mask fractions are given, or follow from ``Λ s`` for every exit rate ``Λ``."""

    name: str
    instances: Sequence[Instance]
    strengths: Sequence[float]
    fractions: Sequence[float] = ()
    spans: Sequence[float] = ()


_EARLY = (1 - 1e-6, 1 - 1e-9, 1 - 2.0**-53)
_MIDDLE = (1e-12, 1e-3, 0.1, 0.5, 0.9)
_LARGE = (100.0, 300.0, 500.0, 700.0)
REGIMES = (
    *(
        Regime(f"gap {gap}, 1e-12 <= u <= 0.9", [near_tie(Fraction(gap))], (1.0,), _MIDDLE)
        for gap in ("0", "1e-20", "1e-14", "1e-8", "1e-3")
    ),
    *(
        Regime(f"gap {gap}, u -> 1", [near_tie(Fraction(gap))], (1.0,), _EARLY)
        for gap in ("0", "1e-20", "1e-14", "1e-8", "1e-3")
    ),
    *(
        Regime(
            f"{length} token{'s' * (length > 1)}, w in [200, 1000], Z s in [100, 700]",
            [gentle(length, seed) for seed in range(5 - length)],
            (200.0, 333.3, 512.7, 1000.0),
            spans=_LARGE,
        )
        for length in (1, 2, 3)
    ),
    Regime("u = 0 and Z up to 1e2900, w = 1000", [small_prior(2, Fraction(1, 50)), HARD["squares"]], (1000.0,), (0.0,)),
    Regime("TV with slow contexts, w = 1000", [HARD["squares"], HARD["xor"]], (1000.0,), (1e-300, 0.5, 0.99)),
)


def main() -> None:
    """One row per regime."""
    rows = []
    for regime in REGIMES:
        compiled, naive = [mpmath.mpf(0)], [mpmath.mpf(0)]
        for instance in regime.instances:
            for found, powers, exact in _values(instance, regime):
                compiled.append(_error(found, exact))
                naive.append(_error(powers, exact))
        rows.append((regime.name, str(len(compiled) - 1), mpmath.nstr(max(compiled), 2), mpmath.nstr(max(naive), 2)))
    show("Worst relative errors", ("regime", "values", "compiled", "powers of u"), rows)


def _values(instance: Instance, regime: Regime) -> Iterable[tuple[float, float, Any]]:
    """Compiled value, naive value and truth, wherever the truth is a normal double."""
    solution = solve(guided_chain(guidance(instance.problem)))
    forms = [solution.tv, *solution.probabilities]
    compiled = compile_solution(solution, forms)
    naive = lambdify([w, u], [solution.spell_out(powers_of_u(form)[0]) for form in forms], "numpy")
    for strength in regime.strengths:
        exact = reference(instance, "rate", strength, digits_for(instance, strength, 1e-16))
        points = list(regime.fractions)
        points += [float(mpmath.exp(-span / rate)) for rate in exact.exits.values() for span in regime.spans]
        points = sorted({point for point in points if point == 0 or 1e-300 <= point < 1})
        points = points[:: max(1, len(points) // 12)]
        if not points:
            continue
        found = compiled(strength, np.array(points))
        for j, point in enumerate(points):
            with np.errstate(all="ignore"):
                try:
                    written = [float(value) for value in naive(strength, np.float64(point))]
                except (OverflowError, ZeroDivisionError):
                    written = [np.nan] * len(forms)
            clock = exact.clock(point)
            truths = [exact.tv(clock), *(exact.at(clock, [context]) for context in solution.states)]
            for value, other, truth in zip(found, written, truths, strict=True):
                if abs(truth) > NORMAL:
                    yield float(value[j]), other, truth


def _error(value: float, truth: Any) -> Any:
    return abs(mpmath.mpf(value) / truth - 1) if np.isfinite(value) else mpmath.inf


if __name__ == "__main__":
    main()
