"""Terminal laws of piecewise constant guidance at the working precision of mpmath."""

from collections.abc import Sequence
from typing import Any

import mpmath

from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.laws.tilt import Tilt
from symguide.numbers.arithmetic import PRECISE

__all__ = ["precise_law"]


def precise_law(tilt: Tilt, strengths: Sequence[Any], boundaries: Sequence[Any]) -> dict[Any, Any]:
    """The terminal law at the working precision of mpmath, by divided differences, one window after the other."""
    chain = guided_chain(tilt)
    law: list[Any] = [mpmath.mpf(j == 0) for j in range(len(chain.states))]
    edges = [mpmath.mpf(1), *boundaries, mpmath.mpf(0)]
    for strength, high, low in zip(strengths, edges, edges[1:], strict=True):
        here = chain.over(PRECISE, strength)
        if low == 0:
            ends = here.jump_law(law)
            return {chain.states[j]: ends[j] for j in chain.terminal}
        law = list(expand(here, initial=law).probabilities(mpmath.log(high / low)))
    raise AssertionError
