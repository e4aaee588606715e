"""Figures of closed forms and of samplers: functions return Matplotlib axes and neither show nor save."""

from collections.abc import Sequence
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from symguide.answers.samples import sample_answer
from symguide.closed_forms.compiled import compile_solution
from symguide.closed_forms.solution import Solution
from symguide.laws.mixture import Problem
from symguide.proofs.derivation import Figure
from symguide.schedules.noise_schedule import NoiseSchedule

__all__ = ["figure_pdf", "sampler_curves", "tv_curves"]


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

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.closed_forms.solution import solve
    >>> from symguide.laws.tilt import guidance
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


def sampler_curves(
    problem: Problem,
    samplers: Sequence[str],
    strengths: Sequence[float],
    schedule: NoiseSchedule,
    steps: int,
    at_step: int | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Plot the total variation of samplers to the exact terminal law against ``w``, and that of the guided chain.

    Parameters
    ----------
    problem
        The conditional and unconditional law.
    samplers
        Keys of :data:`symguide.flows.samplers.SAMPLERS`, one curve for each, all under the rate power rule.
    strengths
        Where.
    schedule, steps, at_step
        As :func:`symguide.answers.samples.sample_answer` takes them.
    axes
        Where to draw; a new figure by default.

    References
    ----------
    He, Rojas, Tao, arXiv:2506.10971, the figure of TV against ``w`` at a fixed time in one dimension.

    >>> from symguide.instances.datasets import load
    >>> from symguide.schedules.published import log_linear
    >>> axes = sampler_curves(load("interval-overlap"), ["euler", "tau-leaping"], [0, 4, 8], log_linear(), 10, 5)
    >>> [line.get_label() for line in axes.get_lines()]
    ['euler', 'tau-leaping', 'exact chain']
    >>> plt.close(axes.figure)
    """
    if axes is None:
        axes = plt.subplots(layout="constrained")[1]
    for name in (*samplers, "first-hitting"):
        found = [
            sample_answer(problem, name, steps, schedule, float(w), "rate", at_step=at_step, path="array").tv_to_exact
            for w in strengths
        ]
        values = [quantity.value for quantity in found]
        if name == "first-hitting":
            axes.plot(strengths, values, color="0.3", linestyle="--", linewidth=1, label="exact chain")
        else:
            axes.plot(strengths, values, label=name)
    axes.set(xlabel="guidance strength w", ylabel="TV to the terminal law")
    axes.legend(frameon=False)
    return axes


def figure_pdf(figure: Figure) -> bytes:
    """The figure of a derivation as a PDF, the same bytes for the same figure.

    >>> figure_pdf(Figure("line", "A line.", lambda axes: axes.plot([0, 1], [0, 1])))[:5]
    b'%PDF-'
    """
    canvas = Canvas(figsize=(6.4, 4.0), layout="constrained")
    figure.draw(canvas.add_subplot())
    written = BytesIO()
    canvas.savefig(written, format="pdf", metadata={"CreationDate": None})
    return written.getvalue()
