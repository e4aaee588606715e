"""How far compiled closed forms are from what no program can leave out: exponentials, and bytes to write.

Run ``python tests/benchmarks/floor.py``, with ``OMP_NUM_THREADS=1`` for one thread. All states of random mixtures at
200 times. The floor is one ``np.exp`` over as many random numbers as the closed form has distinct exponents, counted on
its tape (powers of constants to ``w``, and ``e^{−Λ s}`` for every distinct rate and time), and one ``np.full`` of as
many doubles as come out. It leaves out forming exponents and rates, every sum, every division between exponentials, and
every check. Both are timed alternately in this run, and the ratio is the median of the ratios of neighbours. The first
call, which reads the tape and compiles the loops of the numba backend, is shown apart and not counted. Errors are the
largest relative ones of probabilities above 1e-250, against ball arithmetic at a few of the times.
"""

import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import flint
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import show, text
from benchmarks.trajectories import CHECKED, TIMES, random_mixture
from sympy import log

from symguide.chains.chain import guided_chain
from symguide.closed_forms.compiled import BACKENDS, compile_solution
from symguide.closed_forms.solution import Solution, solve
from symguide.closed_forms.tape import Tape
from symguide.laws.tilt import guidance
from symguide.symbols import s, u, w

__all__ = ["main"]

CASES = ((30, 2), (50, 1), (6, 3))
"""Tokens and positions."""
STRENGTHS = (1.0, 5.0)
REPEATS = 201


def exponents(tape: Tape, sizes: dict[int, int]) -> int:
    """How many distinct numbers are exponentiated, for ``sizes`` values of the arguments of each mask."""
    found = set()
    for j in tape.needed:
        register = tape.registers[j]
        if register.operation == "exponential":
            found.add((register.mask, j))
        elif register.operation == "exp":
            found.add((register.mask, *_factors(tape, register.operands[0])))
        elif register.operation == "dd":
            *nodes, clock = register.operands
            found |= {(register.mask, node, clock) for node in nodes if tape.registers[node].data != 0}
    return sum(sizes[mask] for mask, *_ in found)


def _factors(tape: Tape, exponent: int) -> tuple[int, ...]:
    """``(Λ, s)`` of an exponent ``(−1 · Λ) · s``, which is the one that a divided difference has for ``Λ``."""
    register = tape.registers[exponent]
    if register.operation != "sum" or len(register.operands) != 2:
        return (exponent,)
    front, clock = register.operands
    inner = tape.registers[front]
    minus = inner.operation == "sum" and len(inner.operands) == 2 and tape.registers[inner.operands[0]].data == -1
    return (inner.operands[1], clock) if minus else (front, clock)


def alternately(work: Callable[[], object], floor: Callable[[], object]) -> tuple[float, float, float]:
    """Median seconds of both, and the median of the ratios of neighbours."""
    pairs = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        between = time.perf_counter()
        floor()
        pairs.append((between - begun, time.perf_counter() - between))
    spent, least = (statistics.median(column) for column in zip(*pairs, strict=True))
    return spent, least, statistics.median(a / b for a, b in pairs)


def _error(solution: Solution, values: np.ndarray, strength: float, fractions: np.ndarray) -> float:
    """The largest relative error, of some forty states."""
    states = range(0, len(values), max(1, len(values) // 40))
    forms = [solution[solution.named.chain.states[j]] for j in states]
    balls = compile_solution(solution, forms, target="balls")
    worst = 0.0
    for time_ in CHECKED:
        exact = [float(ball) for ball in balls(flint.arb(strength), flint.arb(float(fractions[time_])))]
        pairs = [(values[j, time_], value) for j, value in zip(states, exact, strict=True) if value > 1e-250]
        worst = max(worst, *(abs(found / value - 1) for found, value in pairs))
    return worst


def main() -> None:
    """One row per case, strength and backend."""
    fractions = np.linspace(0.995, 0.005, TIMES)
    rng = np.random.default_rng(0)
    rows = []
    for vocabulary, length in CASES:
        solution = solve(guided_chain(guidance(random_mixture(vocabulary, length))))
        states = solution.named.chain.states
        forms = [solution[state] for state in states]
        tape = Tape(forms, [w, u], {**solution.definitions, s: -log(u)})
        count = exponents(tape, {0: 1, 1: 1, 2: TIMES, 3: TIMES})
        numbers = -rng.random(count)
        shape = (len(states), TIMES)
        for backend in BACKENDS:
            if backend != "numpy" and find_spec(backend) is None:
                print(f"{backend} is not installed: its rows are left out")
                continue
            function = compile_solution(solution, forms, backend=backend, stacked=True)
            for strength in STRENGTHS:
                begun = time.perf_counter()
                values = function(strength, fractions)
                first = time.perf_counter() - begun
                spent, least, ratio = alternately(
                    lambda function=function, strength=strength: function(strength, fractions),
                    lambda numbers=numbers, shape=shape: (np.exp(numbers), np.full(shape, 1.0)),
                )
                error = _error(solution, values, strength, fractions)
                name = f"{length}D N = {vocabulary}, w = {strength:g}"
                cells = (text(first), text(spent), text(least), f"{ratio:.1f}", f"{error:.0e}")
                rows.append((name, backend, f"{count:,}", f"{values.nbytes / 1e6:.2f} MB", *cells))
    headings = ("case", "backend", "exponents", "written", "first call", "then", "floor", "ratio", "error")
    show(f"All states at {TIMES} times against the floor", headings, rows, "Medians; ratios of neighbours in time.")


if __name__ == "__main__":
    main()
