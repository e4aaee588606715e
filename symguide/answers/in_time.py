"""Answers under guidance in time: laws, TV and functionals of one problem for a guidance schedule.

Rational where the normalised rule makes it so (``exact``), closed forms with enclosures for the doubles while they are
short (``symbolic``), doubles otherwise (``array``): from enclosures where the strength varies, or, for chains too large
for those, from piecewise constant schedules whose refinement is measured.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, log, log10
from typing import Any

import flint
import numpy as np
from sympy import Expr

from symguide.answers.results import FUNCTIONALS, Quantity, Result, finite, functionals, middle
from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.chains.functionals import Distribution, tilted_law, total_variation
from symguide.chains.lattice import lattice
from symguide.errors import ChainTooLargeError, InfiniteRatioError, NotExactError, StrengthError
from symguide.flows.guided_flow import Passage, passage, schedule_flow
from symguide.flows.refinement import refinement
from symguide.flows.varying import strengths_between
from symguide.flows.window_mixture import mix, window_mixture
from symguide.laws.law import Context
from symguide.laws.mixture import Problem
from symguide.laws.tilt import Tilt
from symguide.numbers.arithmetic import BALLS, FLOATS, RATIONAL, SYMBOLIC
from symguide.numbers.exp_dd import in_powers
from symguide.numbers.number import Number, is_exact, to_sympy
from symguide.schedules.guidance_schedule import GuidanceSchedule

__all__ = ["PATHS_IN_TIME", "passages", "schedule_results"]

PATHS_IN_TIME = ("exact", "symbolic", "array", "lumped")
"""The paths that answer under a guidance schedule."""

MAX_CLOSED_TERMS = 400
"""Terms of one window, times windows, up to which closed forms are written out."""
MAX_ENCLOSED_CONTEXTS = 300
"""Contexts up to which a varying strength is followed in balls."""
MAX_ENCLOSED_WORK = 1000
"""Contexts times the fastest exit rate up to which it is: some seconds."""
PIECES, MOST_PIECES = 64, 1024
"""Parts of a window in whose middle a varying strength is taken for other chains, at the least and at the most."""
FINE = 1e-9
"""Parts are halved until that moves laws by less in TV,"""
MAX_REFINED_WORK = 400_000
"""or there are so many of them, times contexts."""


@dataclass(frozen=True, slots=True)
class _Law:
    """A law on contexts as quantities, with what is needed of it."""

    table: dict[Context, Quantity]
    unfinished: Quantity
    log_unfinished: float | None
    log_minus_log: float | None


def schedule_results(
    problem: Problem,
    tilt: Tilt,
    schedule: GuidanceSchedule,
    fractions: Sequence[Number],
    states: bool = False,
    path: str | None = None,
) -> tuple[str, tuple[Result, ...]]:
    """The path taken, and the results at every mask fraction (one, of terminal quantities alone, without any).

    ``"exact"`` is ``"symbolic"`` where the law is irrational: for raw intensities, and for other than integer ``w``.
    Distances to the tilted law are to the one at the schedule's mean strength ``∫ w du``.

    Raises
    ------
    NotExactError
        For ``"exact"`` or ``"symbolic"`` where the strength varies or a number is a float.
    ChainTooLargeError
        For closed forms that would be too long.

    >>> from symguide.instances.datasets import load
    >>> from symguide.schedules.guidance_spec import parse_guidance_schedule
    >>> from symguide.laws.tilt import guidance
    >>> problem, early = load("xor"), parse_guidance_schedule("3@1:0.5,0@0.5:0")
    >>> path, (result,) = schedule_results(problem, guidance(problem, "normalised"), early, [Fraction(1, 2)])
    >>> path, result.tv.exact, result.functionals["mean_unmasking_clock"].exact
    ('exact', Fraction(3, 4), Fraction(3, 2))
    """
    if any(isinstance(part, Expr) and part.free_symbols for part in (schedule.mean, *schedule.boundaries)):
        raise StrengthError(
            f"guidance schedule {schedule}: it has open symbols, so there are no numbers to answer with; "
            "substitute values, or take the closed form from schedule_flow"
        )
    taken = _choose(tilt, schedule, fractions, path)
    answers, bits = {"exact": (_rational, 256), "symbolic": (_closed, 256), "array": (_doubles, 128)}[taken]
    with flint.ctx.workprec(bits):
        return taken, tuple(answers(problem, tilt, schedule, fractions, states))


def _choose(tilt: Tilt, schedule: GuidanceSchedule, fractions: Sequence[Number], path: str | None) -> str:
    numbers = (*schedule.strengths, *schedule.boundaries, *fractions)
    exact = all(law.is_exact for law, _ in tilt.factors) and all(map(is_exact, numbers))
    steady = schedule.is_piecewise_constant
    if path in ("exact", "symbolic") and not (exact and steady):
        raise NotExactError(
            f"guidance schedule {schedule}: closed forms need exact numbers and a constant strength in every window; "
            "use a piecewise constant schedule, or the array path"
        )
    if path == "array" or not (exact and steady):
        return "array"
    whole = all(isinstance(w, Fraction) and w.denominator == 1 for w in schedule.strengths)
    rational = tilt.normalised and whole and -1 not in schedule.strengths
    rational = rational and all(isinstance(number, Fraction) for number in (*schedule.boundaries, *fractions))
    try:
        chain = guided_chain(tilt, limit=MAX_CLOSED_TERMS)
        terms = expand(chain.over(FLOATS, 0.0), MAX_CLOSED_TERMS * 10).size * len(schedule.windows)
    except ChainTooLargeError:
        if path is not None:
            raise
        return "array"
    except InfiniteRatioError:
        return "array"
    rational = rational and not chain.dead and chain.is_rational
    if rational and path != "symbolic":
        return "exact"
    return "symbolic" if path is not None or terms <= MAX_CLOSED_TERMS else "array"


# --- rational ---------------------------------------------------------------------------------------------------------


def _rational(
    problem: Problem, tilt: Tilt, schedule: GuidanceSchedule, fractions: Sequence[Number], states: bool
) -> list[Result]:
    law = mix(window_mixture(tilt, schedule, RATIONAL))
    terminal = {x: Quantity.of(p) for x, p in law.table.items()}
    # Every token is revealed at rate one, whatever the strengths: the mean of the last of D.
    mean = sum((Fraction(1, k) for k in range(1, tilt.grid[1] + 1)), start=Fraction(0))
    found, notes = _functionals(problem, tilt, schedule, law, mean, None)
    laws: list[tuple[Number | None, _Law | None]] = [(None, None)]
    if fractions:
        laws = [(u, _of_exact(mix(window_mixture(tilt, schedule, RATIONAL, u)), u)) for u in fractions]
    return [_result(schedule, u, at_u, terminal, found, None, notes, states) for u, at_u in laws]


def _of_exact(law: Distribution, u: Number) -> _Law:
    table = {x: Quantity.of(p) for x, p in law.table.items()}
    tv = sum((p for x, p in law.table.items() if None in x), start=Fraction(0))
    return _Law(table, Quantity.of(tv), *_logs(BALLS.number(tv)))


# --- closed forms -----------------------------------------------------------------------------------------------------


def _closed(
    problem: Problem, tilt: Tilt, schedule: GuidanceSchedule, fractions: Sequence[Number], states: bool
) -> list[Result]:
    def both(u: Number) -> tuple[Passage, ...]:
        return tuple(passage(schedule_flow(tilt, schedule, field, u)) for field in (SYMBOLIC, BALLS))

    forms, balls = both(Fraction(0))
    written = [in_powers(value)[0] for value in forms.end.probabilities]
    quantities = [_pair(ball, form) for ball, form in zip(balls.end.probabilities, written, strict=True)]
    there = [j for j, x in enumerate(forms.end.states) if None not in x]
    terminal = {forms.end.states[j]: quantities[j] for j in there}
    law = Distribution(tuple(terminal), tuple(written[j] for j in there), SYMBOLIC)
    dead = _sum_of(balls.end, forms.end, balls.lost)
    found, notes = _functionals(problem, tilt, schedule, law, in_powers(forms.mean_clock)[0], dead)
    laws: list[tuple[Number | None, _Law | None]] = [(None, None)]
    if fractions:
        laws = [(u, _of_forms(*both(u))) for u in fractions]
    return [_result(schedule, u, at_u, terminal, found, dead, notes, states) for u, at_u in laws]


def _of_forms(forms: Passage, balls: Passage) -> _Law:
    written = [in_powers(value)[0] for value in forms.end.probabilities]
    quantities = map(_pair, balls.end.probabilities, written)
    leaving = [j for j, x in enumerate(forms.end.states) if None in x and j not in balls.lost]
    tv = BALLS.total([balls.end.probabilities[j] for j in leaving])
    form = SYMBOLIC.total([written[j] for j in leaving])
    table = dict(zip(forms.end.states, quantities, strict=True))
    return _Law(table, _pair(tv, form), *_logs(tv))


def _logs(tv: flint.arb) -> tuple[float | None, float | None]:
    if not tv > 0:
        return None, None
    return finite(tv.log()), finite((-tv.log()).log()) if tv < 1 else None


def _pair(ball: flint.arb, form: Any) -> Quantity:
    exact = Quantity.of(form).exact if getattr(form, "is_Rational", False) else form
    return Quantity(0.0 if form == 0 else middle(ball), exact)


def _sum_of(balls: Distribution, forms: Distribution, places: Sequence[int]) -> Quantity | None:
    if not places:
        return None
    form = in_powers(SYMBOLIC.total([forms.probabilities[j] for j in places]))[0]
    return _pair(BALLS.total([balls.probabilities[j] for j in places]), form)


# --- doubles ----------------------------------------------------------------------------------------------------------


def _doubles(
    problem: Problem, tilt: Tilt, schedule: GuidanceSchedule, fractions: Sequence[Number], states: bool
) -> list[Result]:
    run, notes = passages(tilt, schedule)
    whole = run(Fraction(0))
    there = [j for j, x in enumerate(whole.end.states) if None not in x]
    terminal = {whole.end.states[j]: _double(whole.end.probabilities[j]) for j in there}
    terminal = dict(sorted(terminal.items()))
    law = Distribution(tuple(terminal), np.array([q.value for q in terminal.values()]), FLOATS)
    lost = [whole.end.probabilities[j] for j in whole.lost]
    dead = _double(sum(lost[1:], start=lost[0])) if lost else None
    found, remarks = _functionals(problem, tilt, schedule, law, _double(whole.mean_clock).value, dead)
    laws: list[tuple[Number | None, _Law | None]] = [(None, None)]
    if fractions:
        laws = [(u, _of_doubles(run(u))) for u in fractions]
    notes = (*notes, *remarks)
    return [_result(schedule, u, at_u, terminal, found, dead, notes, states) for u, at_u in laws]


def passages(tilt: Tilt, schedule: GuidanceSchedule) -> tuple[Callable[[Number], Passage], tuple[str, ...]]:
    """What runs the flow down to a mask fraction, in doubles or balls, and how good that is.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> run, notes = passages(guidance(load("xor")), GuidanceSchedule.of([(3, 1, "1/2"), (0, "1/2", 0)]))
    >>> round(float(run(Fraction(1, 2)).end[None, None]), 6), notes
    (0.25, ())
    """
    if schedule.is_piecewise_constant:
        contexts = lattice(tilt)
        return lambda u: passage(schedule_flow(tilt, schedule, FLOATS, u, contexts=contexts)), ()
    if not _may_be_enclosed(tilt, schedule):
        return _refined(tilt, schedule)

    def enclosed(u: Number) -> Passage:
        return passage(schedule_flow(tilt, schedule, BALLS, u))

    return enclosed, ("the strength varies: laws are enclosed by Taylor steps, and given by their midpoints",)


def _may_be_enclosed(tilt: Tilt, schedule: GuidanceSchedule) -> bool:
    """Whether balls get through in seconds: their steps are short where rates are fast, and each takes all contexts."""
    try:
        chain = guided_chain(tilt, limit=MAX_ENCLOSED_CONTEXTS)
    except ChainTooLargeError:
        return False
    strengths = [strengths_between(window.strength, window.high, window.low) for window in schedule.windows]
    ends = [max(float(end), -1.0) for ball in strengths for end in (ball.lower(), ball.upper())]
    # Rates are convex in w, so the fastest is at an end.
    fastest = max(max(chain.over(FLOATS, end).exit_rates) for end in ends if end > -1 or chain.includes_unconditional)
    return len(chain.states) * fastest <= MAX_ENCLOSED_WORK


def _refined(tilt: Tilt, schedule: GuidanceSchedule) -> tuple[Callable[[Number], Passage], tuple[str, ...]]:
    contexts, pieces = lattice(tilt), PIECES
    coarse = refinement(tilt, contexts, schedule, pieces // 2)
    while True:
        fine = refinement(tilt, contexts, schedule, pieces)
        apart = total_variation(coarse.passage.end, fine.passage.end)
        if apart < FINE or pieces == MOST_PIECES or 2 * pieces * contexts.size > MAX_REFINED_WORK:
            break
        coarse, pieces = fine, 2 * pieces
    steady = schedule.refined(pieces)
    note = (
        f"the strength varies and is taken constant on {pieces} parts of a window, which moves laws by less than "
        f"{_rounded_up(fine.bound)} in TV: half as many parts move the terminal law by {apart:.1e}, and as the error "
        f"falls with the square of their number, it is estimated as {apart / 3:.1e}"
    )
    return lambda u: passage(schedule_flow(tilt, steady, FLOATS, u, contexts=contexts)), (note,)


def _rounded_up(bound: float) -> str:
    """Two digits that are not below."""
    unit = 10.0 ** (floor(log10(bound)) - 1) if bound > 0 else 1.0
    return f"{ceil(bound / unit) * unit:.1e}"


def _of_doubles(found: Passage) -> _Law:
    table = {x: _double(p) for x, p in zip(found.end.states, found.end.probabilities, strict=True)}
    lost = set(found.lost)
    held = [
        p
        for j, (x, p) in enumerate(zip(found.end.states, found.end.probabilities, strict=True))
        if None in x and j not in lost
    ]
    tv = sum(held[1:], start=held[0])
    if isinstance(tv, flint.arb):
        return _Law(table, _double(tv), *_logs(tv))
    value = float(tv)
    log_tv = log(value) if value > 0 else None
    return _Law(table, Quantity(value, None), log_tv, log(-log_tv) if log_tv else None)


def _double(value: Any) -> Quantity:
    return Quantity(float(value.mid()) if isinstance(value, flint.arb) else float(value), None)


# --- what all of them share -------------------------------------------------------------------------------------------


def _functionals(
    problem: Problem, tilt: Tilt, schedule: GuidanceSchedule, law: Distribution, mean_clock: Any, dead: Quantity | None
) -> tuple[dict[str, Quantity | None], tuple[str, ...]]:
    if dead is not None and dead.value > 0:
        return {**dict.fromkeys(FUNCTIONALS), "mean_unmasking_clock": Quantity.of(mean_clock)}, ()
    strength = schedule.mean
    if law.arithmetic is RATIONAL and not (isinstance(strength, Fraction) and strength.denominator == 1):
        law = law.map(to_sympy, SYMBOLIC)
    given: Any = {FLOATS: float, SYMBOLIC: to_sympy}.get(law.arithmetic, lambda value: value)(strength)
    found, notes = functionals(problem, law, lambda: tilted_law(tilt, law.states, law.arithmetic, given), mean_clock)
    return found, (f"the tilted law is the one at the mean strength {strength}", *notes)


def _result(
    schedule: GuidanceSchedule,
    u: Number | None,
    law: _Law | None,
    terminal: dict[Context, Quantity],
    found: dict[str, Quantity | None],
    dead: Quantity | None,
    notes: tuple[str, ...],
    states: bool,
) -> Result:
    if law is None:
        return Result(schedule, u, None, None, None, terminal, None, found, dead, notes)
    shown = law.table if states else None
    return Result(
        schedule, u, law.unfinished, law.log_unfinished, law.log_minus_log, terminal, shown, found, dead, notes
    )
