"""The steps of a sampler: a grid of times, and what a noise schedule makes of each step."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import sympy
from sympy import Expr

from symguide.errors import ClockError
from symguide.numbers.number import Number, is_exact, read_number, to_sympy
from symguide.schedules.noise_schedule import NoiseSchedule

__all__ = ["Step", "steps_between", "uniform_steps", "uniform_times"]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a sampler from ``t`` to ``t' < t``.

    Attributes
    ----------
    start, end
        ``t`` and ``t'``.
    pace
        ``h β(t)`` with ``h = t − t'``: what the step is on the clock where the hazard is frozen at its start.
    survival
        ``u(t')/u(t) = (1 − α(t'))/(1 − α(t))``: an unguided mask stays with this probability.

    >>> Step(1.0, 0.75, 0.25, 0.75).survival
    0.75
    """

    start: Number
    end: Number
    pace: Number
    survival: Number

    @property
    def has_finite_hazard(self) -> bool:
        """Whether ``β`` is finite where the step starts.

        >>> Step(1.0, 0.75, float("inf"), 0.75).has_finite_hazard
        False
        """
        return self.pace not in (sympy.oo, float("inf"))


def uniform_times(schedule: NoiseSchedule, count: int, end: object = 0) -> tuple[Number, ...]:
    """The ``count + 1`` times of a grid uniform in ``t``, from the horizon down to ``end``.

    Raises
    ------
    ClockError
        For less than one step, an end outside ``[0, T)``, and an infinite horizon.

    >>> from symguide.schedules.published import log_linear
    >>> [str(time) for time in uniform_times(log_linear(), 2, "1/2")]
    ['1', '3/4', '1/2']
    """
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise ClockError(f"steps is {count!r}: a sampler that takes no step stays where it is; give at least 1")
    if schedule.horizon is sympy.oo:
        raise ClockError(
            f"noise schedule {schedule.name!r} has an infinite horizon, so no uniform grid starts there; "
            "give a finite one"
        )
    last = read_number(end, "end of the steps", ClockError)
    first = read_number(schedule.horizon, "horizon", ClockError)
    inside = to_sympy(last).is_nonnegative and (to_sympy(first) - to_sympy(last)).is_positive
    if not inside:
        raise ClockError(
            f"end of the steps is {last}: it lies outside [0, {first}), so there is no way to it; correct it"
        )
    h = (first - last) / count
    return (*(first - j * h for j in range(count)), last)


def steps_between(schedule: NoiseSchedule, times: Sequence[object]) -> tuple[Step, ...]:
    """The steps along a grid of decreasing times, exact where the times are.

    Raises
    ------
    ClockError
        For fewer than two times, times that do not decrease, and times outside ``[0, T]``.

    >>> from symguide.schedules.published import cosine
    >>> steps_between(cosine(), [1, "1/3", 0])[1]
    Step(start=Fraction(1, 3), end=Fraction(0, 1), pace=sqrt(3)*pi/6, survival=Fraction(0, 1))
    >>> steps_between(cosine(), [1.0, 0.5])[0].survival
    0.7071067811865475
    """
    grid = [read_number(time, "time of a step", ClockError) for time in times]
    if len(grid) < 2:
        raise ClockError(f"steps: {len(grid)} times make no step; give at least two, from the start to the end")
    for before, after in pairwise(grid):
        if not before > after:
            raise ClockError(
                f"steps: after time {before} comes {after}: the reverse chain runs from the horizon down; "
                "give decreasing times"
            )
    if all(map(is_exact, grid)):
        fractions: list[Any] = [schedule.mask_fraction_at(time) for time in grid]
        paces: list[Any] = [to_sympy(before - after) * schedule.hazard_at(before) for before, after in pairwise(grid)]
        survivals = [after / before for before, after in pairwise(fractions)]
    else:
        points = np.array(grid, dtype=np.float64)
        at = schedule.mask_fraction_at(points)
        paces = (-np.diff(points) * schedule.hazard_at(points[:-1])).tolist()
        survivals = (at[1:] / at[:-1]).tolist()
    return tuple(
        Step(before, after, _plain(pace), _plain(survival))
        for before, after, pace, survival in zip(grid, grid[1:], paces, survivals, strict=False)
    )


def uniform_steps(schedule: NoiseSchedule, count: int, end: object = 0) -> tuple[Step, ...]:
    """The steps along :func:`uniform_times`; errors as there.

    >>> from symguide.schedules.published import log_linear
    >>> [str(step.pace) for step in uniform_steps(log_linear(), 4)]
    ['1/4', '1/3', '1/2', '1']
    """
    return steps_between(schedule, uniform_times(schedule, count, end))


def _plain(value: Any) -> Number:
    """A SymPy rational as a ``Fraction``; an infinite hazard, whatever sign SymPy's limit gives it, as ``oo``."""
    if isinstance(value, float):
        return value
    assert isinstance(value, Expr)
    return sympy.oo if value.is_infinite else read_number(value, "step", ClockError)
