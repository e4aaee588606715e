"""What finitely many steps cost, in two parts: from updating in parallel, and from the rates of a step.

Between a sampler and the exact chain stands the sampler with *frozen contexts*: every position runs its own exact law
over the step, in the context at its start. What it misses is the price of parallel updates; what separates the sampler
from it is the price of the one-step law, such as a hazard frozen at the start of the step. With ``h`` the step in time,
``β`` the hazard and ``A`` the generator on the clock, one step of a sampler is

    1 + hβ A + h² (K_2 + D) + O(h³)    against    1 + hβ A + h² (β² A²/2 − β' A/2) + O(h³),

``K_2`` the second order of the frozen contexts and ``D`` the defect of the one-step law. So at a time ``t`` where
``u > 0`` the law after steps of ``h = T/K`` misses the exact one by ``E T/K + O(1/K²)``, where

    dE/dτ = β A E + (K_2 + D − β² A²/2 + β' A/2) P,    E = 0 at the start.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import sympy

from symguide.chains.functionals import column
from symguide.errors import ClockError, SymguideError
from symguide.flows.flow import Flow, run
from symguide.flows.sampler_flows import exact_segment, sampler_flow, tilt_at
from symguide.flows.samplers import SAMPLERS
from symguide.flows.steps import Step
from symguide.flows.updates import Menus, Updates, parallel_updates
from symguide.laws.law import Context
from symguide.laws.mixture import Problem
from symguide.laws.strength import read_strength
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import FLOATS, Arithmetic
from symguide.numbers.number import read_number
from symguide.schedules.noise_schedule import NoiseSchedule
from symguide.symbols import t

__all__ = ["DEFECTS", "DiscretisationError", "discretisation_error", "leading_error"]

ACCURACY = 1e-9
"""Relative accuracy to which leading errors are integrated."""

FEWEST, MOST = 64, 16_384
"""Runge–Kutta steps to begin with, and at most."""

STIFFEST = 2_000.0
"""Largest expected number of reveals of one position, were it revealed again and again, that is stepped through."""


@dataclass(frozen=True, eq=False)
class DiscretisationError:
    """By how much the law of a sampler misses the exact one on every context, in two parts that add up.

    Attributes
    ----------
    states
        The contexts.
    parallel
        From updating all positions in the context at the start of a step.
    rates
        From the one-step law, which is not the exact law of a position over the step.
    arithmetic
        What the values are.

    >>> from symguide.instances.datasets import load
    >>> from symguide.schedules.published import log_linear
    >>> from symguide.flows.steps import uniform_steps
    >>> found = discretisation_error(load("xor"), "ancestral", 0, uniform_steps(log_linear(), 4, "1/2"))
    >>> abs(found.rates).max(), found.distance(found.parallel).round(6)
    (np.float64(0.0), np.float64(0.03125))
    """

    states: Sequence[Context]
    parallel: np.ndarray
    rates: np.ndarray
    arithmetic: Arithmetic

    @property
    def total(self) -> np.ndarray:
        """The whole."""
        return self.parallel + self.rates

    def distance(self, part: np.ndarray) -> Any:
        """``½ Σ_x |·|`` of a part: for the whole, the total variation between sampler and chain."""
        return self.arithmetic.total(abs(part)) / 2


def discretisation_error(
    problem: Problem,
    sampler: str,
    w: object,
    steps: Sequence[Step],
    arithmetic: Arithmetic = FLOATS,
    rule: str | None = None,
) -> DiscretisationError:
    """The error after some steps, and its two parts.

    Parameters and errors as for :func:`symguide.flows.sampler_flows.sampler_flow`.

    >>> from symguide.instances.datasets import load
    >>> from symguide.schedules.published import log_linear
    >>> from symguide.flows.steps import uniform_steps
    >>> found = discretisation_error(load("interval-overlap"), "euler", 1, uniform_steps(log_linear(), 4, "1/2"))
    >>> abs(found.parallel).max() < 1e-15, found.distance(found.rates).round(6)
    (np.True_, np.float64(0.024563))
    """
    kind = _with_one_step_law(sampler)
    chosen, strength = rule or kind.rule, read_strength(w)
    tilt = guidance(problem, chosen)
    survival = steps[-1].survival
    for step in steps[:-1]:
        survival = survival * step.survival
    exact = run(Flow((exact_segment(tilt, strength, survival, arithmetic),)))
    laws = [run(sampler_flow(problem, name, strength, steps, arithmetic, chosen)) for name in ("ancestral", sampler)]
    frozen, found = laws[0].column, laws[1].column
    there = column([exact[context] for context in laws[0].states], arithmetic)
    return DiscretisationError(laws[0].states, frozen - there, found - frozen, arithmetic)


def leading_error(
    problem: Problem, sampler: str, w: object, schedule: NoiseSchedule, time: object, rule: str | None = None
) -> DiscretisationError:
    """The coefficients of ``1/K`` in the error of ``K`` uniform steps from the horizon, read at a time ``t``.

    The limit of ``K (P_K − P)`` over grids that have ``t`` among their times, in doubles, by the classical Runge–Kutta
    method, its steps halved until :data:`ACCURACY`.

    Parameters
    ----------
    problem
        The conditional and unconditional law.
    sampler
        One with a one-step law. A clamp does not matter here: it is out of reach for small steps.
    w
        Guidance strength.
    schedule
        The noise schedule.
    time
        When the law is read, before ``u = 0``: there the hazard has no bound, and the order may drop.
    rule
        The guidance rule; that of the sampler by default.

    Raises
    ------
    SymguideError
        For a sampler without a one-step law, and where the integration does not settle.
    ClockError
        For a time outside ``(0, T)`` or without a finite hazard from the start to it.

    >>> from symguide.instances.datasets import load
    >>> from symguide.schedules.published import log_linear
    >>> found = leading_error(load("squares-overlap"), "euler", 1, log_linear(), "1/2")
    >>> [float(found.distance(part).round(6)) for part in (found.parallel, found.rates, found.total)]
    [0.235821, 0.136137, 0.297367]
    """
    kind = _with_one_step_law(sampler)
    strength = read_strength(w)
    tilt = tilt_at(guidance(problem, rule or kind.rule), strength)
    updates = parallel_updates(tilt)
    menus = updates.menus(FLOATS, float(strength))
    proposals = menus.shares
    if sampler == "exponential-jump":
        proposals = updates.chances_under(problem.unconditional, FLOATS)
    still, turning = DEFECTS[sampler](menus, proposals)
    nothing = np.zeros(menus.rates.shape)
    generator = _operator(updates, menus.rates, nothing, 1)
    # The second order of frozen contexts without its term in β', which cancels against that of the exact law.
    frozen = _operator(updates, menus.rates, -menus.rates * menus.paces / 2, 2)
    defects = [_operator(updates, part, nothing, 1) for part in (still, turning)]
    times = _interval(schedule, time)
    if float(menus.paces.max()) * float(schedule.clock_at(times[1])) > STIFFEST:
        raise SymguideError(
            f"guidance strength w is {strength}: rates reach {float(menus.paces.max()):.3g}, too large for the leading "
            "error to be integrated; use a smaller w"
        )
    hazard, slope = _hazards(schedule)

    def drift(at: float, state: np.ndarray) -> np.ndarray:
        """``d/dτ`` of ``P``, and of the two parts of ``E``."""
        beta, turn = hazard(at), slope(at)
        law = state[:, 0]
        moved = generator(state)
        out = beta * moved
        out[:, 1] += beta**2 * (frozen(law[:, None])[:, 0] - generator(moved[:, :1])[:, 0] / 2)
        out[:, 2] += beta**2 * defects[0](law[:, None])[:, 0] + turn * defects[1](law[:, None])[:, 0]
        return out

    begun = np.zeros((len(updates.states), 3))
    begun[updates.states.index((None,) * tilt.grid[1]), 0] = 1.0
    found = _integrated(drift, begun, times) * float(schedule.horizon)
    return DiscretisationError(updates.states, found[:, 1], found[:, 2], FLOATS)


Defect: TypeAlias = Callable[[Menus, np.ndarray], tuple[np.ndarray, np.ndarray]]

DEFECTS: Mapping[str, Defect] = MappingProxyType(
    {
        "ancestral": lambda menus, proposals: (0.0 * menus.rates, 0.0 * menus.rates),
        "euler": lambda menus, proposals: (menus.rates * menus.paces / 2, menus.rates / 2),
        "euler-entrywise": lambda menus, proposals: (menus.rates * menus.paces / 2, menus.rates / 2),
        "tau-leaping": lambda menus, proposals: (-menus.rates * menus.paces / 2, menus.rates / 2),
        "exponential-jump": lambda menus, proposals: (
            menus.rates * menus.paces / 2 - menus.rates**2 / (2 * np.where(proposals > 0, proposals, 1.0)),
            menus.rates / 2,
        ),
        "joint": lambda menus, proposals: (menus.rates * (1 - menus.paces) / 2, 0.0 * menus.rates),
    }
)
"""Per token, ``a`` and ``b`` of ``h² (a β² + b β')``: by how much a one-step law shows it more than the exact law of
the position over the step, ``hβ r_v − h² (β² λ + β') r_v/2``, to second order in ``h``."""


def _with_one_step_law(name: str) -> Any:
    kind = SAMPLERS.get(name)
    if kind is None or kind.law is None:
        known = ", ".join(key for key, value in SAMPLERS.items() if value.law is not None)
        raise SymguideError(
            f"sampler {name!r} has no one-step law, so no error in the step size; choose one of {known}"
        )
    return kind


def _operator(
    updates: Updates, first: np.ndarray, second: np.ndarray, order: int
) -> Callable[[np.ndarray], np.ndarray]:
    """The coefficient of ``h`` or ``h²`` of the kernel whose tokens are shown with ``h first + h² second``."""
    choices = [
        np.concatenate([shown.ravel(), -shown.sum(axis=1), [0.0]]) for shown in (np.asarray(first), np.asarray(second))
    ]
    alone = np.concatenate([np.zeros(first.size), np.ones(len(first)), [1.0]])
    zeroth, linear, square = (np.full(len(updates.moves.sources), value) for value in (1.0, 0.0, 0.0))
    for place in range(updates.moves.choices.shape[1]):
        at = updates.moves.choices[:, place]
        c0, c1, c2 = alone[at], choices[0][at], choices[1][at]
        zeroth, linear, square = zeroth * c0, linear * c0 + zeroth * c1, square * c0 + linear * c1 + zeroth * c2
    values = (zeroth, linear, square)[order]
    kept = np.flatnonzero(values)
    sources, targets, values = updates.moves.sources[kept], updates.moves.targets[kept], values[kept]
    size = len(updates.states)

    def apply(state: np.ndarray) -> np.ndarray:
        flows = state[sources] * values[:, None]
        return np.stack([np.bincount(targets, flows[:, j], minlength=size) for j in range(state.shape[1])], axis=1)

    return apply


def _interval(schedule: NoiseSchedule, time: object) -> tuple[float, float]:
    last = float(read_number(time, "time t", ClockError))
    if schedule.horizon is sympy.oo or not 0 < last < float(schedule.horizon):
        raise ClockError(
            f"time t is {last:g}: the error is of first order in the step inside (0, {schedule.horizon}), a finite "
            "interval, only; read the law there"
        )
    if schedule.hazard_at(schedule.horizon).is_infinite:
        raise ClockError(
            f"noise schedule {schedule.name!r}: its hazard is infinite at the start; start where it is finite"
        )
    return float(schedule.horizon), last


def _hazards(schedule: NoiseSchedule) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """``β`` and ``β'``."""
    value, slope = (
        sympy.lambdify(t, expression, "math") for expression in (schedule.hazard, sympy.diff(schedule.hazard, t))
    )
    return value, slope


def _integrated(
    drift: Callable[[float, np.ndarray], np.ndarray], begun: np.ndarray, times: tuple[float, float]
) -> np.ndarray:
    """Down from the first time to the last."""
    before, count = _stepped(drift, begun, times, FEWEST), 2 * FEWEST
    while count <= MOST:
        found = _stepped(drift, begun, times, count)
        if np.abs(found - before).max() <= ACCURACY * np.abs(found).max():
            return found
        before, count = found, 2 * count
    raise SymguideError(
        f"the leading error does not settle in {MOST} steps of its integration: rates are too large; use a smaller w"
    )


def _stepped(
    drift: Callable[[float, np.ndarray], np.ndarray], state: np.ndarray, times: tuple[float, float], count: int
) -> np.ndarray:
    h = (times[0] - times[1]) / count
    for j in range(count):
        at = times[0] - j * h
        a = drift(at, state)
        b = drift(at - h / 2, state + h / 2 * a)
        c = drift(at - h / 2, state + h / 2 * b)
        d = drift(at - h, state + h * c)
        state = state + h / 6 * (a + 2 * b + 2 * c + d)
    return state
