"""How long it takes to decide the large-``w`` regime: of five-dimensional cubes, and of many random instances.

Run with ``python tests/benchmarks/regimes.py``. Times include the enumeration of contexts and the bounds.
"""

import random
import sys
from collections import Counter
from fractions import Fraction
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import best, show, text

from symguide.asymptotics.regime import regime
from symguide.instances.datasets import load
from symguide.laws.mixture import ClassMixture, Problem

__all__ = ["main"]


def random_problems(count: int, length: int, vocabulary: int, seed: int = 1) -> list[Problem]:
    """Two classes each, on supports of all sizes."""
    generator, grid = random.Random(seed), list(product(range(vocabulary), repeat=length))

    def table() -> dict[tuple[int, ...], Fraction]:
        support = generator.sample(grid, generator.randint(1, len(grid)))
        weights = [generator.randint(1, 9) for _ in support]
        return {x: Fraction(weight, sum(weights)) for x, weight in zip(support, weights, strict=True)}

    half = Fraction(1, 2)
    made = [ClassMixture.of(vocabulary, length, {"a": (half, table()), "b": (half, table())}) for _ in range(count)]
    return [mixture.problem("a") for mixture in made]


def decide(problems: list[Problem]) -> list[str]:
    """The regimes of some problems."""
    return [str(regime(problem).kind) for problem in problems]


def main() -> None:
    """One row per kind of instance."""
    rows = []
    for name, prepare in (
        ("hypercubes-5d", lambda: [load("hypercubes-5d")]),
        ("200 random, D = 2, N = 3", lambda: random_problems(200, 2, 3)),
        ("200 random, D = 3, N = 3", lambda: random_problems(200, 3, 3)),
    ):
        kinds = ", ".join(f"{kind}: {count}" for kind, count in sorted(Counter(decide(prepare())).items()))
        rows.append((name, kinds, text(best(decide, prepare, 2))))
    show("Large-w regimes", ("instances", "regimes", "time"), rows)


if __name__ == "__main__":
    main()
