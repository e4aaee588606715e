"""Closed forms as articles: a whole chain, abridged where it is long, or one context in full."""

from typing import Any

from symguide.chains.chain import Chain
from symguide.chains.ode import kolmogorov
from symguide.closed_forms.forms import (
    FORMS,
    Listing,
    abbreviations,
    closed_form,
    context_form,
    ode,
    schedule_equations,
    shared_form,
    terminal_form,
    tv_form,
)
from symguide.closed_forms.solution import Solution
from symguide.errors import DataError
from symguide.latex.article import document
from symguide.latex.formulas import SHOWN, Fragment, aligned
from symguide.latex.notation import context_tex, escape, notation_table, state, tex
from symguide.laws.law import Context, format_context
from symguide.laws.mixture import Problem
from symguide.schedules.noise_schedule import NoiseSchedule

__all__ = ["context_document", "solution_document"]

MOST_POWERS = 400
"""Powers of ``u`` up to which the form of one context is written in them too."""


def solution_document(
    solution: Solution,
    problem: Problem | None = None,
    rule: str = "rate",
    schedule: NoiseSchedule | None = None,
    limit: int | None = SHOWN,
    whole: Chain[Any] | None = None,
) -> str:
    r"""The closed form of a guided chain as an article: equations, closed forms both ways, TV, terminal law, notation.

    Parameters
    ----------
    solution
        The solved chain.
    problem, rule
        The data and the guidance rule it came from, to be told in the text.
    schedule
        The noise schedule to spell out; without one ``α`` stays a function.
    limit
        How many contexts and terms each list shows, fewer where they are long; the text says how many it leaves out.
        ``None``: everything.
    whole
        The chain of which the solution holds an :func:`excerpt`; the text tells of the whole.

    >>> from symguide.chains.family import representative
    >>> from symguide.closed_forms.solution import solve
    >>> source = solution_document(solve(representative(2)))
    >>> source.startswith(r"\documentclass"), r"d_{x_{2}}" in source
    (True, True)
    """
    solution = shared_form(solution)
    whole = solution.named.chain if whole is None else whole
    system = ode(kolmogorov(solution.named), limit, whole)
    forms = [closed_form(solution, form, limit, whole) for form in FORMS]
    # With a symbolic N the chain is seen along one sequence, so its contexts are not all that TV sums over.
    complete = isinstance(whole.vocabulary, int)
    survival = [tv_form(solution, form, limit, whole) for form in FORMS] if complete else []
    terminal = terminal_form(solution, limit, whole)
    shown = [system, *forms, *survival, terminal]
    names = abbreviations(solution, [value for item in shown for value in item.shown], limit)
    note = (
        "This document is abridged: every list says how much of it is left out. What any rate stands for follows from "
        r"the table of notation. \texttt{symguide export} writes everything with \texttt{-{}-all}, one context with "
        r"\texttt{-{}-context}."
    )
    abridged = f"\n\n{note}" if any(item.missing for item in (*shown, names)) else ""
    parts = [
        ("Problem", _story(solution, problem, rule, len(whole.states)) + abridged),
        ("Notation", notation_table()),
        ("Kolmogorov equations", system.display),
        ("Closed form", _both_ways(*forms)),
        ("Distance to the terminal law", "\n".join(item.display for item in survival)),
        ("Terminal law", _terminal_story(terminal)),
        ("Abbreviations", _explained(names)),
        ("Noise schedule", _schedule_story(schedule)),
    ]
    return document(_title(problem), parts)


def context_document(
    solution: Solution,
    context: Context,
    problem: Problem | None = None,
    rule: str = "rate",
    schedule: NoiseSchedule | None = None,
    whole: Chain[Any] | None = None,
) -> str:
    r"""The closed form of one context as an article, complete: nothing is left out of it or of what it speaks of.

    Parameters
    ----------
    solution
        The solved chain, or the part of it from which the context is reached (``chain.ancestors([context])``).
    context
        Which one.
    problem, rule, schedule, whole
        As in :func:`solution_document`.

    Raises
    ------
    DataError
        If guidance never reaches the context.

    >>> from symguide.chains.family import representative
    >>> from symguide.closed_forms.solution import solve
    >>> solved = solve(representative(2))
    >>> r"\mathrm{TV}(s)" in context_document(solved, solved.states[1])
    False
    """
    solution = shared_form(solution)
    whole = solution.named.chain if whole is None else whole
    place = solution.named.chain.index.get(context)
    if place is None:
        raise DataError(
            f"context {format_context(context)} is never reached from {format_context(solution.states[0])}, "
            "so it has no closed form; name a context of the support"
        )
    terms = solution.expansion.terms[place]
    short = sum(map(len, terms)) <= MOST_POWERS
    forms = [context_form(solution, context, form) for form in FORMS[: 1 + short]]
    body = _both_ways(*forms)
    if not short:
        body += (
            f"\nOf its {len(terms)} divided differences each is a sum of powers of $u = e^{{-s}}$, as the table of "
            "notation has it."
        )
    used = [value for form in forms for value in form.shown]
    ending = ""
    if None not in context:
        value = solution.terminal[context]
        ending = aligned([(state(context, "0"), value)]).display
        used.append(value)
    subject = f"The one context ${context_tex(context)}$"
    if problem is not None and problem.labels is not None:
        named = ["M" if token is None else problem.labels[token] for token in context]
        subject += rf" (\emph{{{escape(' '.join(named))}}})"
    parts = [
        ("Problem", f"{_story(solution, problem, rule, len(whole.states))}\n\n{subject} is shown, in full."),
        ("Notation", notation_table()),
        ("Closed form", body),
        ("Terminal probability", ending),
        ("Abbreviations", _explained(abbreviations(solution, used, None))),
        ("Noise schedule", _schedule_story(schedule)),
    ]
    return document(_title(problem), parts)


def _title(problem: Problem | None) -> str:
    return "Closed form of the guided reverse chain" + (f": {problem.name}" if problem else "")


def _both_ways(differences: Fragment, powers: Fragment | None = None) -> str:
    text = f"As divided differences of the exponential, valid whichever exit rates coincide:\n{differences.display}"
    return text if powers is None else f"{text}\nIn powers of $u = e^{{-s}}$:\n{powers.display}"


def _story(solution: Solution, problem: Problem | None, rule: str, contexts: int) -> str:
    chain, strength = solution.named.chain, solution.named.w
    rates = "raw intensities" if rule == "rate" else "intensities divided by their sum at each position"
    tokens = f"N = {chain.vocabulary}" if isinstance(chain.vocabulary, int) else "N"
    lines = [
        f"Masked diffusion on $D = {chain.length}$ positions with ${tokens}$ tokens, guided by {rates} "
        f"({escape(rule)} rule). The chain starts from ${context_tex(chain.start)}$ "
        f"and has {contexts:,} contexts."
    ]
    if problem is not None:
        lines.append(
            (f"The target class is \\emph{{{escape(problem.target)}}}." if problem.target else "Two laws are compared.")
            + (f" Data: {escape(problem.source)}." if problem.source else "")
        )
        lines += [f"Note: {escape(note)}." for note in problem.notes]
        if problem.labels and problem.labels != tuple(map(str, range(problem.vocabulary))):
            names = ", ".join(f"{index}~=~{escape(label)}" for index, label in enumerate(problem.labels))
            lines.append(f"Tokens: {names}.")
    if strength.free_symbols:
        lines.append(
            "The formulas hold for every $w > -1$"
            + (", and for $w = -1$ too." if chain.includes_unconditional else "; $w = -1$ is a chain of its own.")
        )
    else:
        lines.append(f"The guidance strength is $w = {tex(strength)}$.")
    return "\n\n".join(lines)


def _terminal_story(law: Listing) -> str:
    if not law.missing:
        return law.display
    rows = (
        r"P_x(0) &= h(x), \qquad h(x_S) = \sum_{i \in S} h(x_{S \setminus i})\,"
        r" \frac{r_i(x_i \mid x_{S \setminus i})}{\Lambda_{x_{S \setminus i}}}",
    )
    return (
        "With $h = 1$ at the start, the probability $h$ that a context is ever reached gives the terminal law:\n"
        + (Fragment(rows) + law).display
    )


def _explained(block: Listing) -> str:
    return "Rates that are the same function of $w$ share one name.\n" + block.display if block.rows else ""


def _schedule_story(schedule: NoiseSchedule | None) -> str:
    block = schedule_equations(schedule).display
    if schedule is None:
        return "The mask fraction $u$ stands for any noise schedule:\n" + block
    source = f" ({escape(schedule.source)})" if schedule.source else ""
    return f"The noise schedule is \\emph{{{escape(schedule.name)}}}{source}, with hazard $\\beta(t)$:\n" + block
