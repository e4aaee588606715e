"""Figures draw what closed forms and answers say."""

import matplotlib.pyplot as plt
import numpy as np

from symguide.answers.samples import sample_answer
from symguide.chains.chain import guided_chain
from symguide.closed_forms.compiled import compile_solution
from symguide.closed_forms.solution import solve
from symguide.display.plots import figure_pdf, sampler_curves, tv_curves
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.proofs.derivation import Figure, catalogue
from symguide.schedules.published import log_linear


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


def test_sampler_curves_draw_what_the_command_line_answers() -> None:
    strengths = [0.0, 3.0, 8.0]
    axes = sampler_curves(load("interval-overlap"), ["tau-leaping", "euler"], strengths, log_linear(), 50, 25)
    try:
        leaping, euler, exact = (line.get_xydata() for line in axes.get_lines())
        np.testing.assert_allclose(leaping[:, 0], strengths)
        found = sample_answer(load("interval-overlap"), "tau-leaping", 50, log_linear(), 8, at_step=25)
        assert leaping[2, 1] == found.tv_to_exact.value > 0.2
        assert euler[2, 1] < 1e-12
        np.testing.assert_allclose(exact[:, 1], [0.5 ** (1 / 3 + 2 / 3 * 2**w) for w in strengths], atol=1e-13)
    finally:
        plt.close(axes.figure)


def test_figures_of_derivations_are_pdf() -> None:
    figures = [figure for derivation in catalogue().values() for figure in derivation.figures]
    assert "tau-leaping-curves.pdf" in [figure.file for figure in figures]
    for figure in figures:
        assert figure_pdf(figure).startswith(b"%PDF-")
    assert plt.get_fignums() == []


def test_one_figure_is_one_file() -> None:
    figure = Figure("two words", "A line.", lambda axes: axes.plot([0, 1], [1, 0]))
    assert figure.file == "two-words.pdf"
    assert figure_pdf(figure) == figure_pdf(figure)
