"""Guidance that varies in time, taken as constant on short parts: how far apart the laws can be.

With the generators ``A`` and ``Ã`` of both and the law ``P̃`` under the latter, Duhamel's formula and the contraction of
``ℓ¹`` by what follows give, at any later time,

    TV(P, P̃) ≤ Σ_parts Σ_x O_x sup_w Σ_y |r_xy(w) − r_xy(w̃)|,    O_x = ∫ P̃_x ds,

with the supremum over the strengths of the part. The inner sum rises as ``w`` leaves ``w̃`` to either side: raw rates
``c b^w`` are monotone, and the shares of a normalised position are an exponential family, whose total variation is. So
the supremum is at an end of their range.
"""

from dataclasses import dataclass
from math import inf

import numpy as np

from symguide.chains.array_chain import ArrayChain
from symguide.chains.lattice import Lattice
from symguide.errors import StrengthError
from symguide.flows.flow import Segment
from symguide.flows.guided_flow import Passage, passage, schedule_flow
from symguide.flows.varying import strengths_between
from symguide.laws.tilt import Tilt
from symguide.numbers.arithmetic import FLOATS
from symguide.schedules.guidance_schedule import GuidanceSchedule, Window

__all__ = ["Refinement", "refinement"]


@dataclass(frozen=True, slots=True)
class Refinement:
    """A passage with a strength that is constant on short parts.

    Attributes
    ----------
    passage
        The laws.
    bound
        What the law can be away from that of the varying strength in total variation, at any mask fraction. The bound
        is proved, and evaluated in doubles, whose rounding it leaves out. It falls like the length of the parts, the
        distance itself like its square.

    >>> from symguide.chains.lattice import lattice
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> tilt, ramp = guidance(load("squares-overlap")), GuidanceSchedule.named("ramp-up", 2)
    >>> [round(refinement(tilt, lattice(tilt), ramp, pieces).bound, 4) for pieces in (16, 64)]
    [0.0421, 0.0104]
    """

    passage: Passage
    bound: float


def refinement(tilt: Tilt, contexts: Lattice, schedule: GuidanceSchedule, pieces: int) -> Refinement:
    """The passage to the end with every window of varying strength cut into equal parts, and how far off it can be.

    Parameters
    ----------
    tilt, contexts
        The guidance with its strength open, and its contexts.
    schedule
        The strength in time.
    pieces
        Parts of a window; each takes the strength in its middle.

    Raises
    ------
    StrengthError
        As :meth:`symguide.chains.lattice.Lattice.at` does.

    >>> from symguide.chains.lattice import lattice
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> tilt, steady = guidance(load("xor")), GuidanceSchedule.named("constant", 2)
    >>> refinement(tilt, lattice(tilt), steady, 8).bound
    0.0
    """
    flow = schedule_flow(tilt, schedule.refined(pieces), FLOATS, contexts=contexts)
    found = passage(flow)
    origins = [window for window in schedule.windows for _ in range(1 if window.is_constant else pieces)]
    parts = schedule.refined(pieces).windows
    total = 0.0
    for part, origin, segment, before, after in zip(
        parts, origins, flow.parts, found.laws, found.laws[1:], strict=False
    ):
        if origin.is_constant:
            continue
        assert isinstance(segment, Segment)
        assert isinstance(segment.chain, ArrayChain)
        occupied = _occupied(segment.chain, before.column - after.column)
        apart = _largest_difference(contexts, segment.chain, origin, part)
        total += float(np.where(occupied > 0, occupied, 0.0) @ np.where(occupied > 0, apart, 0.0))
    return Refinement(found, min(total, 1.0) if total < inf else 1.0)


def _occupied(chain: ArrayChain, lost: np.ndarray) -> np.ndarray:
    """``∫ P ds`` from what every context has lost on the way, ``P(0) − P(s) = −A ∫ P ds``."""
    return chain.jump_law(np.where(chain.transient, lost, 0.0)) * chain.holding_times()


def _largest_difference(contexts: Lattice, chain: ArrayChain, origin: Window, part: Window) -> np.ndarray:
    """``sup_w Σ_y |r_xy(w) − r_xy(w̃)|`` of every context over a part of a window."""
    strengths = strengths_between(origin.strength, part.high, part.low)
    largest = np.zeros(chain.size)
    for end in (strengths.lower(), strengths.upper()):
        try:
            other = contexts.at(max(float(end), -1.0))
        except StrengthError:
            return np.full(chain.size, inf)  # nothing is known there but TV ≤ 1
        largest = np.maximum(largest, _differences(chain, other))
    return largest


def _differences(chain: ArrayChain, other: ArrayChain) -> np.ndarray:
    """``Σ_y |r_xy − r'_xy|`` of every context."""
    out = np.zeros(chain.size)
    for k, (mine, theirs) in enumerate(zip(chain.incoming, other.incoming, strict=True)):
        level = chain.level(k)
        rates = chain.exits[level][mine.sources] * mine.jumps
        apart = np.abs(rates - other.exits[level][theirs.sources] * theirs.jumps)
        out[level] += np.bincount(mine.sources.ravel(), apart.ravel(), minlength=level.stop - level.start)
    return out
