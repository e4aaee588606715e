"""Certified laws of all states, given the rates: divided differences in balls against the matrix exponential of Arb.

Run ``python tests/benchmarks/certified.py``. Both start from the rates of the chain as balls and enclose ``P_x(s)`` for
every context; that the enclosures overlap is asserted, and how many digits each of them holds is shown.
"""

import sys
from fractions import Fraction
from itertools import product
from math import log10
from pathlib import Path
from typing import Any

import flint
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import best, show, text

from symguide.chains.chain import Chain, guided_chain
from symguide.chains.expansion import expand
from symguide.laws.mixture import ClassMixture
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS

__all__ = ["main"]

CASES = ((2, 10, 50), (2, 10, 1000), (3, 6, 50))
"""Positions, tokens, digits."""
STRENGTH = Fraction(3, 2)


def chain(length: int, vocabulary: int) -> Chain[Any]:
    """Two random classes with full support, always the same."""
    rng = np.random.default_rng(0)
    classes = {}
    for name in ("target", "other"):
        weights = rng.integers(1, 50, vocabulary**length).tolist()
        table = zip(product(range(vocabulary), repeat=length), weights, strict=True)
        classes[name] = Fraction(1, 2), {tokens: Fraction(weight, sum(weights)) for tokens, weight in table}
    return guided_chain(guidance(ClassMixture.of(vocabulary, length, classes).problem("target")))


def ours(given: tuple[Chain[flint.arb], flint.arb]) -> list[flint.arb]:
    """From the rates to the law, the sum over reveal paths included."""
    rates, clock = given
    return expand(rates).probabilities(clock)


def peer(given: tuple[Chain[flint.arb], flint.arb]) -> list[flint.arb]:
    """The start's row of ``exp(A s)``."""
    rates, clock = given
    size = len(rates.states)
    generator = flint.arb_mat(size, size)
    for target, reveals in enumerate(rates.incoming):
        generator[target, target] = -rates.exit_rate(target) * clock
        for reveal in reveals:
            generator[reveal.source, target] = reveal.rate * clock
    flow = generator.exp()
    return [flow[0, j] for j in range(size)]


def digits(law: list[flint.arb]) -> str:
    """Digits of the least accurate probability."""
    return f"{min(value.rel_accuracy_bits() for value in law) * log10(2):.0f}"


def main() -> None:
    """One row per case."""
    rows = []
    for length, vocabulary, accuracy in CASES:
        with flint.ctx.workdps(accuracy):
            given = chain(length, vocabulary).over(BALLS, STRENGTH), flint.arb(2).log()
            left, right = ours(given), peer(given)
            assert all(a.overlaps(b) for a, b in zip(left, right, strict=True))
            mine = best(ours, lambda given=given: given, 20)
            theirs = best(peer, lambda given=given: given, 3 if length == 2 else 1)
        states = len(given[0].states)
        ratio = f"{theirs / mine:.0f}"
        rows.append(
            (length, vocabulary, states, accuracy, text(mine), digits(left), text(theirs), digits(right), ratio)
        )
    headings = ("D", "N", "contexts", "digits", "closed form", "digits", "arb_mat.exp", "digits", "ratio")
    show("Certified laws of all states, given the rates", headings, rows, "Goal: ratio 50, 50, 200.")


if __name__ == "__main__":
    main()
