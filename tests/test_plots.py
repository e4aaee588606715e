"""The TV figure draws what the compiled closed form says."""

import matplotlib.pyplot as plt
import numpy as np

from symguide.chain import guided_chain
from symguide.compiled import compile_solution
from symguide.datasets import load
from symguide.plots import tv_curves
from symguide.solution import solve
from symguide.tilt import guidance


def test_curves_and_reference() -> None:
    solution = solve(guided_chain(guidance(load("squares-overlap"))))
    axes = tv_curves(solution, [0, 2])
    try:
        unguided, guided, reference = (line.get_xydata() for line in axes.get_lines())
        np.testing.assert_allclose(unguided[:, 1], reference[:, 1], rtol=1e-13)
        np.testing.assert_allclose(guided[:, 1], compile_solution(solution, solution.tv)(2.0, guided[:, 0]))
        inside = (guided[:, 0] > 0) & (guided[:, 0] < 1)
        assert (guided[inside, 1] < reference[inside, 1]).all()  # domination for w >= 0
    finally:
        plt.close(axes.figure)


def test_draws_into_given_axes() -> None:
    solution = solve(guided_chain(guidance(load("interval-overlap"))))
    figure, axes = plt.subplots()
    try:
        assert tv_curves(solution, [1], axes) is axes
        assert plt.get_fignums() == [figure.number]
    finally:
        plt.close(figure)
