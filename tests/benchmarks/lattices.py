"""Terminal laws of many contexts: all five-letter words against the passes over arrays that cannot be avoided.

Run ``python tests/benchmarks/lattices.py``; needs wordfreq. The passes: for every set of positions one ``np.unique`` of
the words projected to it, and one ``np.bincount`` of their weights under each of the two laws. Peak memory is that of
NumPy's arrays, as tracemalloc sees it, against the arrays that hold the contexts (tokens, sources and positions).
"""

import sys
import tracemalloc
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import best, show, text

from symguide.chains.lattice import Lattice, lattice
from symguide.instances.datasets import load
from symguide.laws.mixture import Problem
from symguide.laws.tilt import guidance

__all__ = ["main"]

STRENGTHS = np.linspace(0.125, 4.0, 32)


def passes(tokens: np.ndarray, weights: list[np.ndarray], vocabulary: int) -> None:
    """Number the projections to every set of positions, and add up their weights."""
    length = tokens.shape[1]
    for size in range(1, length + 1):
        for subset in combinations(range(length), size):
            codes = np.zeros(len(tokens), dtype=np.int64)
            for position in subset:
                codes = codes * vocabulary + tokens[:, position]
            _, numbers = np.unique(codes, return_inverse=True)
            for weight in weights:
                np.bincount(numbers, weight)


def terminal_laws(problem: Problem, strengths: Any) -> Lattice:
    """What is timed: contexts, then a terminal law for every strength."""
    contexts = lattice(guidance(problem))
    for w in strengths:
        contexts.at(float(w)).jump_law()
    return contexts


def peak(work: Any) -> int:
    """Most bytes held at once by what some work allocates."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def measure(spec: str, target: str) -> tuple[tuple[str, ...], tuple[int, float]]:
    """A row of the table, and the number of contexts with the time they take."""
    problem = load(spec, target)
    conditional, unconditional = problem.conditional.arrays, problem.unconditional.arrays  # pyright: ignore[reportAttributeAccessIssue]
    tokens = unconditional[0].astype(np.int64)
    weights = [np.resize(conditional[1], len(tokens)), unconditional[1]]
    floor = best(lambda _: passes(tokens, weights, problem.vocabulary), lambda: None, 3)
    one = best(lambda _: terminal_laws(problem, [1.0]), lambda: None, 3)
    many = best(lambda _: terminal_laws(problem, STRENGTHS), lambda: None, 2)
    contexts = terminal_laws(problem, [1.0])
    held = contexts.states.tokens.nbytes + sum(x.sources.nbytes + x.positions.nbytes for x in contexts.levels)
    most = peak(lambda: terminal_laws(problem, [1.0]))
    row = (
        f"{spec} -> {target}",
        f"{contexts.size:,}",
        text(floor),
        text(one),
        f"{one / floor:.2f}",
        f"{many / one:.2f}",
        f"{most / held:.1f}",
    )
    return row, (contexts.size, one)


def main() -> None:
    """Time and memory for words of three languages, then time against the number of contexts."""
    measured = [
        measure(spec, target)
        for spec, target in (
            ("words:top=300", "fr"),
            ("words:top=3000", "fr"),
            ("words-all", "fr"),
            ("words-all", "en"),
            ("words-all:length=6", "fr"),
            ("words-all:length=7", "fr"),
        )
    ]
    rows, sizes = [row for row, _ in measured], [size for _, size in measured]
    slope = np.polyfit(*np.log(np.array(sizes)).T, 1)[0]
    show(
        "Terminal laws of words",
        ("", "contexts", "passes", "one w", "ratio (goal 4)", "32 w / one (goal 10)", "peak / contexts (goal 6)"),
        rows,
        f"time grows as contexts^{slope:.2f}",
    )


if __name__ == "__main__":
    main()
