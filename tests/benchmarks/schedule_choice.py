"""Derivatives by all strengths of a guidance schedule, against the value.

Run ``python tests/benchmarks/schedule_choice.py``. KL from the terminal law to the tilted law of ``w = 1``: the value
alone, the value with its derivatives by all ``J`` strengths and boundaries, and one-sided differences, which take
``J + 1`` values; beside them the value by the library's trajectories, a route of its own. Medians of alternating runs.
"""

import statistics
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import show, text
from benchmarks.trajectories import random_mixture

from symguide.chains.lattice import lattice
from symguide.flows.adjoint import derivatives, terminal_probabilities
from symguide.flows.flow import run
from symguide.flows.guided_flow import schedule_flow
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import FLOATS
from symguide.schedules.guidance_schedule import GuidanceSchedule

__all__ = ["main"]

WINDOWS = (2, 8, 32)
REPEATS = 11


def medians(works: list[Callable[[], object]]) -> list[float]:
    """Median seconds of each, run in turn."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(REPEATS):
        for work, spent in zip(works, times, strict=True):
            begun = time.perf_counter()
            work()
            spent.append(time.perf_counter() - begun)
    return [statistics.median(spent) for spent in times]


def main() -> None:
    """One row per instance, rule and number of windows."""
    instances = {
        "2D N = 30": random_mixture(30, 2),
        "3D N = 6": random_mixture(6, 3),
        "hypercubes-5d": load("hypercubes-5d"),
        "digits": load("digits"),
    }
    rows = []
    for name, problem in instances.items():
        for rule in ("rate", "normalised"):
            tilt = guidance(problem, rule)
            contexts = lattice(tilt)
            reference = contexts.tilted_law(1.0).column

            def divergence(law: np.ndarray, reference: np.ndarray = reference) -> tuple[float, np.ndarray]:
                ratio = np.log(np.maximum(law, 1e-300) / reference)
                return float(law @ ratio), ratio + 1

            for count in WINDOWS:
                strengths = np.linspace(0, 4, count)
                boundaries = 1 - np.arange(1, count) / count
                windows = [
                    (Fraction(4 * j, count - 1), 1 - Fraction(j, count), 1 - Fraction(j + 1, count))
                    for j in range(count)
                ]
                schedule = GuidanceSchedule.of(windows)

                def value(contexts=contexts, w=strengths, u=boundaries, functional=divergence) -> object:
                    return functional(terminal_probabilities(contexts, w, u))

                def gradient(contexts=contexts, w=strengths, u=boundaries, functional=divergence) -> object:
                    return derivatives(contexts, w, u, functional)

                def trajectories(tilt=tilt, schedule=schedule, contexts=contexts) -> object:
                    return run(schedule_flow(tilt, schedule, FLOATS, contexts=contexts))

                alone, both, other = medians([value, gradient, trajectories])
                cells = (text(alone), text(both), f"{both / alone:.2f}", "5", f"{(count + 1) * alone / both:.1f}")
                rows.append((name, rule, count, *cells, text(other)))
    headings = (
        "instance",
        "rule",
        "J",
        "value",
        "with derivatives",
        "ratio",
        "goal",
        "against differences",
        "trajectories",
    )
    show("Derivatives by all strengths and boundaries", headings, rows, f"Medians of {REPEATS} runs in turn.")


if __name__ == "__main__":
    main()
