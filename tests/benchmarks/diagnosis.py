"""Diagnosis of masked positions against the log-softmax passes that their log-probabilities take.

Run ``python tests/benchmarks/diagnosis.py``.
"""

import sys
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import best

from symguide.flows.diagnosis import DIAGNOSED, diagnose
from symguide.flows.steps import uniform_steps
from symguide.schedules.published import log_linear

__all__ = ["main"]

POSITIONS, VOCABULARY, REPEATS = 400, 50_000, 3
SHORT = 2
"""Steps for the samplers whose tokens have laws of their own in every step."""


def main() -> None:
    """One line per sampler: seconds, and how many log-softmax passes that is."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(2, POSITIONS, VOCABULARY)) * 3
    conditional, unconditional = (log_softmax(rows, axis=1) for rows in logits)
    grid = uniform_steps(log_linear(), 50, "1/100")
    one = best(lambda rows: log_softmax(rows, axis=1), lambda: logits[0], REPEATS)
    print(f"log-softmax of {POSITIONS} x {VOCABULARY}: {one:.2f} s")
    for sampler in DIAGNOSED:
        steps = grid[:SHORT] if sampler in ("euler-entrywise", "exponential-jump") else grid
        taken = best(lambda g, s=sampler: diagnose(conditional, unconditional, 2.0, g, s), lambda g=steps: g, REPEATS)
        print(f"{sampler:18s} {len(steps):3d} steps {taken:6.2f} s = {taken / (2 * one):5.2f} x two passes")


if __name__ == "__main__":
    main()
