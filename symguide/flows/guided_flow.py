"""Guidance in time as a flow: one part per window, exact for a constant strength and enclosed for a varying one."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Any

import numpy as np

from symguide.chains.array_chain import ArrayChain
from symguide.chains.chain import MAX_CONTEXTS, Chain, guided_chain
from symguide.chains.functionals import Distribution, column
from symguide.chains.lattice import Lattice, lattice
from symguide.errors import InfiniteRatioError, NotExactError, StrengthError
from symguide.flows.flow import Flow, Part, Segment, laws
from symguide.flows.varying import Enclosed, enclosure, through
from symguide.laws.law import Context, format_context
from symguide.laws.tilt import Tilt
from symguide.numbers.arithmetic import BALLS, FLOATS, PRECISE, RATIONAL, SYMBOLIC, Arithmetic
from symguide.numbers.number import Number, to_sympy
from symguide.schedules.guidance_schedule import GuidanceSchedule, Window

__all__ = ["Passage", "VaryingSegment", "passage", "schedule_flow"]


@dataclass(frozen=True)
class VaryingSegment(Part):
    """A window in which the strength varies with ``u``, from whatever law it meets; values are balls.

    Attributes
    ----------
    chain
        Exponential sums in ``w``.
    window
        The strength and its mask fractions.

    >>> from symguide.instances.datasets import load
    >>> from symguide.symbols import u
    >>> from symguide.laws.tilt import guidance
    >>> chain = guided_chain(guidance(load("interval-overlap")))
    >>> part = VaryingSegment(chain, Window(3 * (1 - u), Fraction(1), Fraction(0)))
    >>> start = [BALLS.number(Fraction(number)) for number in (1, 0, 0, 0, 0, 0, 0)]
    >>> part.push(column(start, BALLS))[1].str(8, radius=False)
    '0.095341863'
    """

    chain: Chain[Any]
    window: Window

    @property
    def states(self) -> Sequence[Context]:
        return self.chain.states

    @property
    def arithmetic(self) -> Arithmetic:
        return BALLS

    def through(self, probabilities: Sequence[Any]) -> Enclosed:
        """The law after the window, and the time before absorption in it."""
        return through(self.chain, self.window.strength, probabilities, self.window.high, self.window.low)

    def push(self, probabilities: np.ndarray) -> np.ndarray:
        return column(self.through(probabilities.tolist()).law, BALLS)


def schedule_flow(
    tilt: Tilt,
    schedule: GuidanceSchedule,
    arithmetic: Arithmetic,
    fraction: Number = Fraction(0),
    *,
    contexts: Lattice | None = None,
    limit: int = MAX_CONTEXTS,
) -> Flow:
    """The flow of a guided chain from ``u = 1`` down to a mask fraction under a guidance schedule.

    Parameters
    ----------
    tilt
        The guidance with its strength open.
    schedule
        The strength in time. Where it varies within a window the values are balls, at flint's precision.
    arithmetic
        What probabilities are; rationals only for one window that reaches the end (the normalised rule has
        :func:`symguide.flows.window_mixture.window_mixture`).
    fraction
        Where the flow stops.
    contexts
        For chains of any size in doubles, their lattice; strengths are then constant in every window.
    limit
        Largest number of contexts that are enumerated.

    Raises
    ------
    NotExactError
        For a varying strength in another arithmetic than balls.
    StrengthError
        Where a window needs laws on contexts that an earlier one reaches without them (``w = −1``, then another).

    >>> from symguide.instances.datasets import load
    >>> from symguide.flows.flow import run
    >>> from symguide.laws.tilt import guidance
    >>> early = GuidanceSchedule.of([(3, 1, "1/2"), (0, "1/2", 0)])
    >>> law = run(schedule_flow(guidance(load("squares-overlap")), early, FLOATS))
    >>> round(float(law[2, 2]), 12)
    0.004125184928
    """
    parts: list[Part] = []
    known: dict[Number | None, Chain[Any]] = {}
    for window in schedule.until(fraction) or (_at_start(schedule),):
        if not window.is_constant and arithmetic is not BALLS:
            raise NotExactError(
                f"guidance schedule {schedule}: its strength varies from u = {window.high} to {window.low}, so the law "
                f"has no closed form in {arithmetic.name} arithmetic; use balls, or schedule.refined(pieces)"
            )
        length = _clock_length(window, arithmetic)
        if contexts is not None and (window.strength != -1 or contexts.includes_unconditional):
            parts.append(Segment(contexts.at(float(window.strength)), length))
            continue
        if contexts is not None:
            parts.append(Segment(lattice(tilt.at(Fraction(-1))).at(-1.0), length))
            continue
        chain = _chain(tilt, window, known, limit)
        if window.is_constant:
            strength = to_sympy(window.strength) if arithmetic is SYMBOLIC else window.strength
            strength = float(window.strength) if arithmetic is FLOATS else strength
            parts.append(Segment(chain.over(arithmetic, strength), length))
        else:
            parts.append(VaryingSegment(chain, window))
    return Flow(tuple(parts))


@dataclass(frozen=True)
class Passage:
    """What became of a flow.

    Attributes
    ----------
    laws
        The law before the first part, and after every part.
    mean_clock
        ``∫ TV ds``: the expected time before the last reveal, as far as the flow goes.
    lost
        Indices of the contexts with masks that no window leaves any more.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> steady = GuidanceSchedule.of([(2, 1, "1/2"), (2, "1/2", 0)])
    >>> found = passage(schedule_flow(guidance(load("xor"), "normalised"), steady, FLOATS))
    >>> round(float(found.mean_clock), 14), found.lost
    (1.5, ())
    """

    laws: tuple[Distribution, ...]
    mean_clock: Any
    lost: tuple[int, ...]

    @property
    def end(self) -> Distribution:
        """The last law."""
        return self.laws[-1]


def passage(flow: Flow, start: Distribution | Context | None = None) -> Passage:
    """Run a flow of segments, with the time that it takes.

    With ``V_x`` the expected time to absorption under the chain of a segment, ``∫ TV ds = Σ_x (P_x − P'_x) V_x`` over
    it. Parameters and errors as for :func:`symguide.flows.flow.run`.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> early = GuidanceSchedule.of([(3, 1, "1/2"), (0, "1/2", 0)])
    >>> found = passage(schedule_flow(guidance(load("squares-overlap")), early, FLOATS))
    >>> [round(float(law[None, None]), 6) for law in found.laws], round(float(found.mean_clock), 6)
    ([1.0, 0.000388, 0.0], 1.041841)
    """
    arithmetic = flow.arithmetic
    found = [next(laws(flow, start))]
    mean: Any = arithmetic.number(Fraction(0))
    index = {context: j for j, context in enumerate(flow.states)}
    lost: tuple[int, ...] = ()
    for part in flow.parts:
        places = [index[context] for context in part.states]
        _require_known(found[-1], places)
        held = found[-1].column[places]
        if isinstance(part, VaryingSegment):
            enclosed = part.through(held.tolist())
            left, spent = column(enclosed.law, BALLS), enclosed.unabsorbed
            chain: Chain[Any] | ArrayChain = part.chain
        else:
            assert isinstance(part, Segment)
            left, chain = part.push(held), part.chain
            ahead: Any = chain.accumulate(chain.holding_times())  # pyright: ignore[reportArgumentType]
            gone = zip(held.tolist(), left.tolist(), ahead, strict=True)
            spent = arithmetic.total([(p - q) * time for p, q, time in gone])
        mean = mean + spent
        law = found[-1].column.copy()
        law[places] = left
        found.append(Distribution(flow.states, law, arithmetic))
        stuck = chain.dead if isinstance(chain, Chain) else np.flatnonzero(chain.dead).tolist()
        lost = tuple(places[j] for j in stuck)
    return Passage(tuple(found), mean, lost)


def _require_known(before: Distribution, places: Sequence[int]) -> None:
    """Refuse mass on unfinished contexts of which a part knows nothing."""
    inside = set(places)
    for j, context in enumerate(before.states):
        if j not in inside and None in context and before.column[j] != 0:
            raise StrengthError(
                f"context {format_context(context)} is reached at w = -1, but p(.|z) excludes it, so it has no guided "
                "law in the next window; keep w = -1 to the end, or use w > -1 before"
            )


def _chain(tilt: Tilt, window: Window, known: dict[Number | None, Chain[Any]], limit: int) -> Chain[Any]:
    """One chain for all strengths where there is one, else one for each."""
    if None not in known:
        try:
            known[None] = guided_chain(tilt, limit=limit)
        except InfiniteRatioError:
            if not window.is_constant:
                raise
    general = known.get(None)
    if general is not None and (window.strength != -1 or general.includes_unconditional):
        return general
    if window.strength not in known:
        known[window.strength] = guided_chain(tilt.at(window.strength), limit=limit)
    return known[window.strength]


def _at_start(schedule: GuidanceSchedule) -> Window:
    """A window of no length, where the flow has not begun."""
    first = schedule.windows[0]
    strength = first.strength if first.is_constant else schedule.at(Fraction(1))
    return Window(strength, Fraction(1), Fraction(1))


def _clock_length(window: Window, arithmetic: Arithmetic) -> Any:
    """``s = ln(high/low)``."""
    if window.low == 0:
        return inf
    ratio = window.high / window.low
    if arithmetic is FLOATS:
        return float(PRECISE.log(PRECISE.number(ratio)))
    if arithmetic is RATIONAL:
        raise NotExactError(
            f"window {window}: its length ln({ratio}) is irrational; use SymPy, floats or balls, or the window mixture"
        )
    return arithmetic.log(enclosure(ratio) if arithmetic is BALLS else arithmetic.number(ratio))
