"""Figures of closed forms: functions return Matplotlib axes and neither show nor save."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from symguide.compiled import compile_solution
from symguide.solution import Solution

__all__ = ["tv_curves"]


def tv_curves(solution: Solution, strengths: Sequence[float], axes: Axes | None = None) -> Axes:
    """Plot ``TV(P(u), P(0))`` against the mask fraction ``u`` for several guidance strengths.

    The dashed reference is ``1 − (1 − u)^D``, the unguided and the normalised value: for ``w ≥ 0`` the raw rule stays
    below it, for ``−1 < w ≤ 0`` above.

    Parameters
    ----------
    solution
        A closed form with open ``w``.
    strengths
        One curve for each.
    axes
        Where to draw; a new figure by default.

    References
    ----------
    He, Rojas, Tao, arXiv:2506.10971, the figures of TV along the reverse dynamics.

    >>> from symguide.chain import guided_chain
    >>> from symguide.datasets import load
    >>> from symguide.solution import solve
    >>> from symguide.tilt import guidance
    >>> axes = tv_curves(solve(guided_chain(guidance(load("squares-overlap")))), [0, 1, 4])
    >>> [line.get_label() for line in axes.get_lines()]
    ['w = 0', 'w = 1', 'w = 4', '1 - (1 - u)^2']
    >>> plt.close(axes.figure)
    """
    if axes is None:
        axes = plt.subplots(layout="constrained")[1]
    u = np.linspace(0.0, 1.0, 401)
    value = compile_solution(solution, solution.tv)
    for strength in strengths:
        axes.plot(u, value(strength, u), label=f"w = {strength:g}")
    length = solution.named.chain.length
    axes.plot(u, 1 - (1 - u) ** length, color="0.3", linestyle="--", linewidth=1, label=f"1 - (1 - u)^{length}")
    axes.set(xlabel="mask fraction u", ylabel="TV(P(u), P(0))", xlim=(1, 0), ylim=(0, 1))
    axes.legend(frameon=False)
    return axes
