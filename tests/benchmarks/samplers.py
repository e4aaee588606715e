"""The exact law of a sampler against estimating it by simulation.

Run ``python tests/benchmarks/samplers.py``. Fifty ancestral steps of the normalised rule under the log-linear schedule.
Exact: everything from the laws on, contexts and moves included. Simulated: a million runs, all at once in NumPy, the
tables of token laws being given and not timed; the total variation of such an estimate to the law is measured, and the
time to reach 1e-3 follows from the law ``1/√n``, which is checked at a quarter of the runs.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import best, show, text

from symguide.chains.contexts import MASKED
from symguide.chains.functionals import Distribution
from symguide.flows.flow import run
from symguide.flows.sampler_flows import sampler_flow
from symguide.flows.steps import Step, uniform_steps
from symguide.flows.updates import Updates, parallel_updates
from symguide.instances.datasets import load
from symguide.laws.mixture import Problem
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import FLOATS
from symguide.schedules.published import log_linear

__all__ = ["main"]

STEPS, RUNS, GOAL = 50, 10**6, 1e-3


def exact(problem: Problem, steps: tuple[Step, ...]) -> Distribution:
    """What is timed: contexts, moves, all steps."""
    return run(sampler_flow(problem, "ancestral", 1, steps))


class Simulation:
    """Runs of the sampler as rows of context numbers, by tables of cumulative token laws."""

    def __init__(self, updates: Updates, length: int) -> None:
        menus = updates.menus(FLOATS, 1.0)
        size = len(updates.states)
        self.tokens = np.array([[MASKED if v is None else v for v in x] for x in updates.states], dtype=np.int64)
        self.radix = (self.tokens.max() + 2) ** np.arange(length)
        codes = (self.tokens + 1) @ self.radix
        self.index = np.full(int(codes.max()) + 1, -1)
        self.index[codes] = np.arange(size)
        self.site = np.full((size, length), -1)
        self.site[updates.contexts, updates.positions] = np.arange(len(updates.contexts))
        self.cumulative = np.cumsum(menus.shares, axis=1)
        self.shown = updates.tokens

    def run(self, steps: tuple[Step, ...], size: int, rng: np.random.Generator) -> np.ndarray:
        """How often each context is reached."""
        states = np.zeros(size, dtype=np.int64)
        for step in steps:
            rows = self.tokens[states]
            for position in range(rows.shape[1]):
                sites = self.site[states, position]
                moving = np.flatnonzero((sites >= 0) & (rng.random(size) < 1 - float(step.survival)))
                draws = rng.random(len(moving))[:, None]
                columns = (self.cumulative[sites[moving]] < draws).sum(axis=1)
                rows[moving, position] = self.shown[sites[moving], np.minimum(columns, self.shown.shape[1] - 1)]
            states = self.index[(rows + 1) @ self.radix]
        return np.bincount(states, minlength=len(self.tokens))


def measure(spec: str) -> tuple[str, ...]:
    """A row of the table."""
    problem, rng = load(spec), np.random.default_rng(0)
    steps = uniform_steps(log_linear(), STEPS)
    seconds = best(lambda _: exact(problem, steps), lambda: None, 3)
    law = exact(problem, steps)
    simulation = Simulation(parallel_updates(guidance(problem, "normalised")), problem.length)

    def distance(size: int) -> float:
        return float(np.abs(simulation.run(steps, size, rng) / size - law.column).sum() / 2)

    spent = best(lambda _: simulation.run(steps, RUNS, rng), lambda: None, 1)
    few, many = np.mean([distance(RUNS // 4) for _ in range(2)]), np.mean([distance(RUNS) for _ in range(2)])
    needed = spent * (many / GOAL) ** 2
    return (
        spec,
        str(len(law.states)),
        text(seconds),
        text(spent),
        f"{many:.2e}",
        f"{few / many:.2f}",
        text(needed),
        f"{needed / seconds:.0f}",
    )


def main() -> None:
    """Both, on a square and on a cube of five dimensions."""
    rows = [measure(spec) for spec in ("hypercubes:D=2,side=16,overlap=2", "hypercubes-5d")]
    heads = (
        "",
        "contexts",
        "exact law",
        "10^6 runs",
        "their TV",
        "TV ratio, 4 x runs",
        "to TV 1e-3",
        "ratio (goal 100)",
    )
    show(f"{STEPS} ancestral steps", heads, rows, "TV ratio: 2 where errors fall as 1/sqrt(n)")


if __name__ == "__main__":
    main()
