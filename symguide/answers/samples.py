"""Questions about samplers, with numbers: the law after so many steps, and how far it is from the laws it is meant for.

Which arithmetic answers is reported as ``path``: ``exact`` (rationals, where every probability is one and they are few)
or ``array`` (doubles).
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import flint
import numpy as np

from symguide.answers.in_time import passages
from symguide.answers.results import Quantity
from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.chains.functionals import Distribution, tilted_law, total_variation
from symguide.errors import ChainTooLargeError, ClockError, DataError, NotExactError, SymguideError
from symguide.flows.flow import Flow, laws, run
from symguide.flows.guided_flow import Passage
from symguide.flows.sampler_flows import exact_segment, final_kernel, graph_at, sampler_flow, tilt_at, value_of
from symguide.flows.samplers import SAMPLERS
from symguide.flows.steps import steps_between, uniform_times
from symguide.flows.support_updates import stands_for_others
from symguide.laws.law import Context
from symguide.laws.mixture import Problem
from symguide.laws.strength import read_strength
from symguide.laws.tilt import Tilt, guidance
from symguide.numbers.arithmetic import FLINT, FLOATS, RATIONAL, SYMBOLIC, Arithmetic
from symguide.numbers.exp_dd import in_powers
from symguide.numbers.number import Number, is_exact, to_sympy
from symguide.schedules.guidance_schedule import GuidanceSchedule
from symguide.schedules.noise_schedule import NoiseSchedule
from symguide.symbols import u as u_symbol

__all__ = ["SampleAnswer", "sample_answer"]

MAX_EXACT_STEPS = 200
"""Steps up to which grids, and laws where they are rational, are kept exact."""

MAX_EXACT_CONTEXTS = 300
MAX_EXACT_TERMS = 400


@dataclass(frozen=True, slots=True)
class SampleAnswer:
    """The law of a sampler after some step.

    Attributes
    ----------
    masked
        The probability that some token is still masked, before any final step.
    tv_to_exact, tv_to_exact_now, tv_to_tilted
        The distance of the law, masks included, to the terminal law of the guided chain, to its law at the same time,
        and to the tilted law, of the mean strength under a guidance schedule.
    off_support
        The mass on contexts that the conditional law excludes, complete ones too.
    terminal
        The law on complete contexts, in lexicographic order; where there are too many off the support, without these.

    >>> from symguide.instances.datasets import load
    >>> from symguide.schedules.published import log_linear
    >>> sample_answer(load("xor"), "ancestral", 2, log_linear(), 1).off_support
    Quantity(value=0.25, exact=Fraction(1, 4))
    """

    sampler: str
    rule: str
    path: str
    steps: int
    step: int
    time: Number
    w: Number | GuidanceSchedule
    final: str | None
    masked: Quantity
    tv_to_exact: Quantity
    tv_to_exact_now: Quantity
    tv_to_tilted: Quantity
    off_support: Quantity
    terminal: Mapping[Context, Quantity]
    notes: tuple[str, ...] = ()


def sample_answer(
    problem: Problem,
    sampler: str,
    steps: int,
    schedule: NoiseSchedule,
    w: object,
    rule: str | None = None,
    end: object = 0,
    final: str | None = None,
    at_step: int | None = None,
    path: str | None = None,
) -> SampleAnswer:
    """The exact law of a sampler after ``at_step`` of its steps, on a grid uniform in ``t``.

    Parameters
    ----------
    problem
        The conditional and unconditional law.
    sampler
        A key of :data:`symguide.flows.samplers.SAMPLERS`.
    steps
        How many steps the grid has from the horizon to ``end``.
    schedule
        The noise schedule.
    w
        Guidance strength, or a guidance schedule: a step takes the strength at its start, and exact laws are those of
        the schedule itself.
    rule
        The guidance rule; that of the sampler by default.
    end
        The time at which the last step ends.
    final
        What happens to masks after the last step, a key of :data:`symguide.flows.samplers.FINALS`.
    at_step
        After which step the law is read, 0 being the start; the last by default.
    path
        ``"exact"`` or ``"array"``; by what is possible if ``None``.

    Raises
    ------
    SymguideError
        For unknown names, ``at_step`` outside the grid, and a final step that the law is read before.
    StrengthError, ClockError
        For values outside their ranges, and an infinite hazard where rates are frozen.
    ChainTooLargeError
        When there are too many contexts or moves.

    >>> from symguide.instances.datasets import load
    >>> from symguide.schedules.published import log_linear
    >>> found = sample_answer(load("squares-overlap"), "euler", 4, log_linear(), 1, at_step=2)
    >>> found.path, found.masked.exact, round(found.tv_to_exact_now.value, 6)
    ('exact', Fraction(392, 729), 0.10584)
    """
    kind = SAMPLERS.get(sampler)
    if kind is None:
        known = ", ".join(SAMPLERS)
        raise SymguideError(f"sampler {sampler!r} is unknown, so it takes no steps; choose one of {known}")
    if path not in (None, "exact", "array"):
        raise DataError(f"path {path!r} is unknown; choose exact or array")
    times = uniform_times(schedule, steps, end)
    reached = steps if at_step is None else at_step
    if not 0 <= reached <= steps:
        raise ClockError(f"step {reached} is asked for, but the sampler takes {steps}; ask for one of 0..{steps}")
    if final is not None and reached < steps:
        raise ClockError(
            f"final step {final!r}: the law is read after step {reached} of {steps}, before it would happen; drop one"
        )
    chosen, strength = rule or kind.rule, w if isinstance(w, GuidanceSchedule) else read_strength(w)
    if isinstance(strength, GuidanceSchedule) and len(strength.windows) == 1 and strength.is_piecewise_constant:
        strength = strength.windows[0].strength
    asked = _Question(problem, sampler, chosen, strength, schedule, times, reached, final)
    # A long grid is one of doubles: exact hazards and mask fractions are SymPy's, a millisecond each.
    short = len(times) <= MAX_EXACT_STEPS + 1
    steady = not isinstance(strength, GuidanceSchedule) and is_exact(strength)
    if path != "array" and short and steady and all(law.is_exact for law, _ in asked.tilt.factors):
        with suppress(NotExactError, ChainTooLargeError):
            return _exact(asked)
    if path == "exact":
        raise NotExactError(
            f"sampler {sampler!r}: its probabilities here are irrational or too many for exact arithmetic; "
            "use the array path"
        )
    return _floats(asked if short else asked.in_doubles())


@dataclass(frozen=True)
class _Question:
    problem: Problem
    sampler: str
    rule: str
    w: Number | GuidanceSchedule
    schedule: NoiseSchedule
    times: tuple[Number, ...]
    reached: int
    final: str | None

    @property
    def tilt(self) -> Tilt:
        return guidance(self.problem, self.rule)

    @property
    def mean(self) -> Number:
        """The strength, on average over ``u``."""
        return self.w.mean if isinstance(self.w, GuidanceSchedule) else self.w

    @property
    def strengths(self) -> list[Number]:
        """The strength of every step: that at its start."""
        if not isinstance(self.w, GuidanceSchedule):
            return [self.w] * (len(self.times) - 1)
        return [self.w.at(self.schedule.mask_fraction_at(time)) for time in self.times[:-1]]

    @property
    def fraction(self) -> Any:
        """The mask fraction where the law is read."""
        return self.schedule.mask_fraction_at(self.times[self.reached])

    def in_doubles(self) -> "_Question":
        """The same with a grid of doubles."""
        return replace(self, times=tuple(map(float, self.times)))

    def run(self, arithmetic: Arithmetic) -> tuple[Distribution, Distribution]:
        """The law before and after the final step."""
        if self.sampler == "first-hitting" and self.reached:
            # Exact times compose, and one part to the end is rational where many are not.
            before = self.guided(arithmetic, self.fraction)
        else:
            steps = steps_between(self.schedule, self.times)
            flow = sampler_flow(self.problem, self.sampler, self.strengths, steps, arithmetic, self.rule)
            before = next(law for j, law in enumerate(laws(flow)) if j == self.reached)
        if self.final is None:
            return before, before
        kernel = final_kernel(self.problem, self.tilt, self.final, self.strengths[-1], before.states, arithmetic)
        return before, run(Flow((kernel,)), before)

    def guided(self, arithmetic: Arithmetic, survival: Any) -> Distribution:
        """The exact law where ``u`` has come down to ``survival``."""
        if isinstance(self.w, GuidanceSchedule):
            found = self.in_time[0](Fraction(survival) if isinstance(survival, float | int) else survival).end
            values = [float(p.mid() if isinstance(p, flint.arb) else p) for p in found.probabilities]
            return Distribution(found.states, np.array(values), FLOATS)
        return run(Flow((exact_segment(self.tilt, self.w, survival, arithmetic),)))

    @cached_property
    def in_time(self) -> tuple[Callable[[Any], Passage], tuple[str, ...]]:
        """The flow of the guidance schedule, and how good it is."""
        assert isinstance(self.w, GuidanceSchedule)
        return passages(self.tilt, self.w)


def _exact(asked: _Question) -> SampleAnswer:
    if not isinstance(asked.w, Fraction) or asked.w.denominator != 1:
        raise NotExactError("powers at a fractional strength are irrational in general; use the array path")
    chain = graph_at(asked.tilt, asked.w, lambda tilt: guided_chain(tilt, limit=MAX_EXACT_CONTEXTS))
    if not chain.is_rational:
        raise NotExactError("the data are not rational; use the array path")
    before, after = (law.map(_fraction, RATIONAL) for law in asked.run(FLINT))
    exact = asked.guided(FLINT, 0).map(_fraction, RATIONAL)
    if asked.fraction == 0:
        now, here = exact, after
    else:
        expand(chain.over(FLOATS, float(asked.w)), MAX_EXACT_TERMS)  # refuses what would be too long
        powers = asked.guided(SYMBOLIC, u_symbol).map(lambda value: in_powers(value)[0], SYMBOLIC)
        now = powers.map(lambda value: value.xreplace({u_symbol: asked.fraction}), SYMBOLIC)
        if all(value.is_Rational for value in now.probabilities):
            now, here = now.map(_fraction, RATIONAL), after
        else:
            here = after.map(to_sympy, SYMBOLIC)
    return _answer(asked, "exact", before, after, exact, total_variation(here, now))


def _fraction(value: Any) -> Fraction:
    """A rational of SymPy or of python-flint."""
    return Fraction(int(value.p), int(value.q))


def _floats(asked: _Question) -> SampleAnswer:
    before, after = asked.run(FLOATS)
    exact = asked.guided(FLOATS, 0)
    now = exact if asked.fraction == 0 else asked.guided(FLOATS, asked.fraction)
    return _answer(asked, "array", before, after, exact, total_variation(after, now))


def _answer(
    asked: _Question, path: str, before: Distribution, after: Distribution, exact: Distribution, now: Any
) -> SampleAnswer:
    field = after.arithmetic
    complete = [j for j, context in enumerate(exact.states) if None not in context]
    mean = asked.mean
    tilted = tilted_law(tilt_at(asked.tilt, mean), [exact.states[j] for j in complete], field, value_of(mean, field))
    known = set(exact.states)
    vocabulary = asked.tilt.grid[0]
    terminal = {
        x: Quantity.of(p)
        for x, p in zip(after.states, after.probabilities, strict=True)
        if None not in x and p != 0 and not stands_for_others(x, vocabulary)
    }
    return SampleAnswer(
        asked.sampler,
        asked.rule,
        path,
        len(asked.times) - 1,
        asked.reached,
        asked.times[asked.reached],
        asked.w,
        asked.final,
        _mass(before, lambda x: None in x),
        Quantity.of(total_variation(after, exact)),
        Quantity.of(now),
        Quantity.of(total_variation(after, tilted)),
        _mass(after, lambda x: x not in known),
        dict(sorted(terminal.items())),
        _notes(asked),
    )


def _notes(asked: _Question) -> tuple[str, ...]:
    if not isinstance(asked.w, GuidanceSchedule):
        return ()
    return (f"the tilted law is the one at the mean strength {asked.mean}", *asked.in_time[1])


def _mass(law: Distribution, where: Callable[[Context], bool]) -> Quantity:
    charged = [p for x, p in zip(law.states, law.probabilities, strict=True) if where(x)]
    return Quantity.of(law.arithmetic.total(charged))
