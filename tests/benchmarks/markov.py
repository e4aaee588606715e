"""How the cost of Markov pairs grows with the number of positions, fitted on log-log axes; against all contexts.

Run ``python tests/benchmarks/markov.py``; it takes some minutes (``--quick``: under one). On a machine that others use
set ``OPENBLAS_NUM_THREADS=1``: small matrix products gain little from threads and lose much when these must wait.
"""

import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import best, show, text
from markov_pairs import random_law, system

from symguide.chains.chain import guided_chain
from symguide.chains.functionals import terminal_law
from symguide.laws.markov import MarkovLaw
from symguide.laws.mixture import Problem
from symguide.laws.tilt import guidance
from symguide.markov_pairs.gaps import GapSystem
from symguide.markov_pairs.marginals import marginals
from symguide.markov_pairs.survival import survival
from symguide.numbers.arithmetic import FLOATS, RATIONAL

__all__ = ["main"]

STRENGTH = 2.0


def pair(vocabulary: int, length: int, homogeneous: bool = True) -> Problem:
    """Two random laws without zeros, always the same."""
    rng = np.random.default_rng(0)
    return Problem(*(random_law(rng, vocabulary, length, homogeneous) for _ in range(2)))


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The slope of time against size on log-log axes, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def _terminal(gaps: GapSystem) -> Any:
    return gaps.log_terminal([i % gaps.vocabulary for i in range(gaps.length)])


def scaling(title: str, work: Callable[[GapSystem], Any], vocabulary: int, lengths: Sequence[int], goal: str) -> None:
    """Time by ``D``, both rules and both kinds of chains, and the fitted exponents over the larger half."""
    kinds = [("rate", True), ("rate", False), ("normalised", True)]
    if work is survival:
        kinds = [("rate", True)]
    rows, columns = [], []
    for rule, homogeneous in kinds:
        times = []
        for length in lengths:
            problem = pair(vocabulary, length, homogeneous)
            spent = best(work, lambda p=problem, r=rule: system(p, r, FLOATS, STRENGTH), 3 if length < 150 else 1)
            times.append(spent)
        columns.append(times)
        kind = "homogeneous" if homogeneous else "by position"
        upper = len(lengths) // 2
        slope = exponent(lengths[upper:], times[upper:])
        rows.append((f"{rule}, {kind}", *map(text, times), f"{slope:.2f}"))
    show(f"{title}, N = {vocabulary}", ("rule, chain", *(f"D = {d}" for d in lengths), "exponent"), rows, goal)


def against_all_contexts() -> None:
    """One sequence's terminal probability by gaps and by the chain of all contexts, exactly: the same fraction."""
    rows = []
    for length in (2, 4, 6):
        law = MarkovLaw.of(["1/2", "1/2"], [["2/3", "1/3"], ["1/4", "3/4"]], length)
        other = MarkovLaw.of(["1/3", "2/3"], [["1/2", "1/2"], ["1/2", "1/2"]], length)
        problem, tokens = Problem(law, other), tuple(i % 2 for i in range(length))
        begun = time.perf_counter()
        chain = guided_chain(guidance(problem).at(2))
        expected = terminal_law(chain.over(RATIONAL, Fraction(2)))[tokens]
        all_contexts = time.perf_counter() - begun
        gaps = best(lambda g, x=tokens: g.terminal(x), lambda p=problem: system(p, "rate", RATIONAL, 2))
        assert system(problem, "rate", RATIONAL, 2).terminal(tokens) == expected
        ratio = f"{all_contexts / gaps:.0f}"
        rows.append((length, len(chain.states), text(all_contexts), text(gaps), ratio))
    headings = ("D", "contexts", "all contexts", "gaps", "ratio")
    show("Terminal probability of one sequence, N = 2, exact rationals", headings, rows, "Both give the same fraction.")


def main() -> None:
    """All tables."""
    quick = "--quick" in sys.argv[1:]
    against_all_contexts()
    lengths = (25, 50, 100, 200) if quick else (25, 50, 100, 200, 400)
    scaling("log_terminal of one sequence", _terminal, 30, lengths, "Goal: exponent at most 3; D = 200 in seconds.")
    lengths = (12, 25, 50) if quick else (25, 50, 100, 200)
    scaling("All single-position marginals", marginals, 30, lengths, "Goal: exponent at most 3.")
    lengths = (12, 25) if quick else (25, 50, 100)
    scaling("TV(u) for all u, and the last reveal", survival, 30, lengths, "Two powers of D; panels grow like its log.")


if __name__ == "__main__":
    main()
