"""``symguide solve``: laws, distances and functionals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symguide.cli.arguments import at_least_one, composition_of, guidance_of, moments_of, problem_of
from symguide.cli.machine import answer_document
from symguide.cli.outputs import busy, otherwise, say, write_json
from symguide.cli.parameters import (
    DONE,
    GUIDANCE,
    HORIZON,
    JSON,
    NOISE,
    PROBLEM,
    RULE,
    TARGET,
    T,
    U,
    W,
    command,
    option,
)
from symguide.errors import ClockError, DataError

__all__ = ["solve_command"]


@command(
    "solve",
    PROBLEM,
    W,
    GUIDANCE,
    option(
        "--condition",
        metavar="CLASS:W",
        multiple=True,
        help="Several conditions instead of --w: once for each; below -1 a condition repels.",
    ),
    U,
    T,
    NOISE,
    HORIZON,
    TARGET,
    RULE,
    option("--states", is_flag=True, help="The law on all contexts too, at every mask fraction."),
    option("--top", metavar="N", help="Only the N most probable token tuples of every law."),
    option("--exact", is_flag=True, help="Rational or symbolic arithmetic, whatever the size."),
    option("--float", "floats", is_flag=True, help="Double precision, whatever the size."),
    JSON,
)
def solve_command(
    problem: str,
    w: Sequence[str],
    guidance_schedule: str | None,
    condition: Sequence[str],
    u: Sequence[str],
    t: Sequence[str],
    noise: str | None,
    horizon: str | None,
    target: str | None,
    rule: str,
    states: bool,
    top: str | None,
    exact: bool,
    floats: bool,
    as_json: bool,
) -> int:
    """Laws, total variation and functionals of a problem.

    The terminal law, how far the chain is from it at the mask fractions --u (or times --t), and functionals of it.
    Arithmetic is exact where the size allows.
    """
    strengths: Sequence[Any] = (
        [composition_of(condition, w, guidance_schedule)]
        if condition
        else guidance_of(w, guidance_schedule, noise, horizon)
    )
    if exact and floats:
        raise DataError("--exact and --float contradict each other; give one of them, or none")
    count = None if top is None else at_least_one("--top", top)
    if states and not (u or t):
        raise ClockError("--states asks for the law on the way, but not where; add --u (or --t with --noise)")
    moments = moments_of(u, t, noise, horizon, guidance_schedule)
    from symguide.answers.answer import answer

    path = "array" if floats else None
    if exact:
        path = "exact" if all(getattr(strength, "denominator", 1) == 1 for strength in strengths) else "symbolic"
    with busy(f"solving {problem}"), otherwise("drop --exact, and double precision answers" if exact else ""):
        found = answer(problem_of(problem, target), strengths, moments.fractions, rule, states, path, count)
    if as_json:
        write_json(answer_document(found, moments.times, count))
        for note in found.notes:
            say(f"note: {note}")
        return DONE
    from symguide.display.answers import answer_tables
    from symguide.display.tables import screen

    console = screen()
    console.print(answer_tables(found, moments.times, count, console.width))
    return DONE
