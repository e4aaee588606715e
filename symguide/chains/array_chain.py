"""The guided chain in double precision at any size: levels of contexts, and the jumps between neighbouring levels.

Jump probabilities and logarithms of exit rates are kept apart, so rates may leave the range of doubles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from symguide.chains.chain import Chain
from symguide.chains.contexts import ContextArray
from symguide.errors import StrengthError
from symguide.laws.law import format_context

__all__ = ["ArrayChain", "Incoming", "add_rows", "array_chain"]

_BLOCK = 1 << 16
"""Numbers that are added at once: what fits in a cache."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """The reveals into ``n`` contexts of one level, ``m`` for each.

    Attributes
    ----------
    sources
        ``(n, m)``: where each comes from, by index in the level below.
    jumps
        ``(n, m)``: the probability that its source is left this way, ``r/Λ(source)``; 0 where there are fewer than
        ``m``.
    logs
        Logarithms of the jumps, where some of them underflow.

    >>> Incoming(np.zeros((2, 1), dtype=np.int32), np.array([[0.25], [0.75]])).log_jumps.shape
    (2, 1)
    """

    sources: np.ndarray
    jumps: np.ndarray
    logs: np.ndarray | None = None

    @property
    def log_jumps(self) -> np.ndarray:
        """``ln(r/Λ(source))``, ``−inf`` where there is no jump."""
        if self.logs is not None:
            return self.logs
        with np.errstate(divide="ignore"):
            return np.log(self.jumps)


@dataclass(frozen=True)
class ArrayChain:
    """A triangular chain on the clock ``s`` as arrays; states are ordered by the number of revealed tokens.

    Attributes
    ----------
    states
        The contexts, or what a lumped chain has in their place; the first is the start, the last level is terminal.
    offsets
        Where each level begins in ``states``, and the end: level ``k`` is ``offsets[k]:offsets[k + 1]``.
    incoming
        The reveals into each level but the first.
    log_exits
        ``ln Λ(x)`` of every state; ``−inf`` for terminal and dead contexts.
    by_position
        Whether states are contexts, and the reveals into each those of its tokens in the order of their positions.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.lattice import lattice
    >>> from symguide.laws.tilt import guidance
    >>> chain = lattice(guidance(load("squares-overlap"))).at(1.0)
    >>> chain.size, chain.terminal[0], round(float(chain.jump_law()[chain.last][0]), 15)
    (16, (2, 2), 0.04)
    """

    states: Any
    offsets: tuple[int, ...]
    incoming: tuple[Incoming, ...]
    log_exits: np.ndarray
    by_position: bool = False

    @property
    def size(self) -> int:
        """How many contexts there are."""
        return self.offsets[-1]

    @property
    def depth(self) -> int:
        """How many reveals lead from the start to the end."""
        return len(self.incoming)

    def level(self, k: int) -> slice:
        """Where the states of one level stand, counted from the start."""
        return slice(self.offsets[k], self.offsets[k + 1])

    @property
    def last(self) -> slice:
        """Where the terminal contexts stand."""
        return self.level(self.depth)

    @property
    def terminal(self) -> Any:
        """The contexts with nothing masked."""
        return self.states[self.last]

    @cached_property
    def transient(self) -> np.ndarray:
        """For every state, whether it will be left."""
        return ~np.isneginf(self.log_exits)

    @cached_property
    def dead(self) -> np.ndarray:
        """For every state, whether it has masks left and no way out."""
        return ~self.transient & (np.arange(self.size) < self.offsets[-2])

    @cached_property
    def exits(self) -> np.ndarray:
        """``Λ(x)`` of every state, infinite where it overflows."""
        with np.errstate(over="ignore"):
            return np.exp(self.log_exits)

    @cached_property
    def edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All reveals at once: source, target, jump probability; those that never happen are left out."""
        parts = []
        for k, into in enumerate(self.incoming):
            rows, columns = np.nonzero(into.jumps)
            begin, end = self.offsets[k], self.offsets[k + 1]
            parts.append((into.sources[rows, columns] + begin, rows + end, into.jumps[rows, columns]))
        if not parts:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
        sources, targets, jumps = (np.concatenate(part) for part in zip(*parts, strict=True))
        return sources, targets, jumps

    def jump_law(self, initial: np.ndarray | None = None) -> np.ndarray:
        """``h(x)``, the probability that the chain ever visits ``x``; on the last level it is the terminal law.

        ``h(x_S) = P_{x_S}(0) + Σ_{i∈S} h(x_{S∖i}) r_i(x_i|x_{S∖i}) / Λ(x_{S∖i})``. ``initial`` is ``P(0)``; all at the
        start by default.
        """
        law = np.zeros(self.size) if initial is None else np.array(initial, dtype=np.float64)
        if initial is None:
            law[0] = 1.0
        for k, into in enumerate(self.incoming):
            law[self.level(k + 1)] += np.einsum("nm,nm->n", law[self.level(k)][into.sources], into.jumps)
        return law

    def log_jump_law(self) -> np.ndarray:
        """``ln h(x)``, where ``h`` itself would underflow."""
        law = np.zeros(self.size)
        for k, into in enumerate(self.incoming):
            parts = law[self.level(k)][into.sources] + into.log_jumps
            law[self.level(k + 1)] = np.logaddexp.reduce(parts, axis=1, initial=-np.inf)
        return law

    def holding_times(self) -> np.ndarray:
        """``1/Λ(x)``, the mean time that each state is held, and 0 where it is never left."""
        return np.where(self.transient, np.exp(-np.where(self.transient, self.log_exits, 0.0)), 0.0)

    def accumulate(self, rewards: Sequence[float] | np.ndarray) -> np.ndarray:
        """Expected sum of rewards, one per visited state, from every state on: ``V = reward + Σ jump · V(next)``."""
        values = np.array(rewards, dtype=np.float64)
        for k in reversed(range(len(self.incoming))):
            into, below = self.incoming[k], self.level(k)
            ahead = into.jumps * values[self.level(k + 1)][:, None]
            values[below] += np.bincount(into.sources.ravel(), ahead.ravel(), minlength=below.stop - below.start)
        return values


def array_chain(chain: Chain[Any]) -> ArrayChain:
    """A chain of floats as arrays; states keep their order.

    Raises
    ------
    StrengthError
        Where an exit rate leaves the range of doubles.

    >>> from symguide.numbers.arithmetic import FLOATS
    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> array_chain(guided_chain(guidance(load("xor"))).over(FLOATS, 1.0)).size
    7
    """
    with np.errstate(over="ignore"):
        exits = np.array([float(rate) for rate in chain.exit_rates])[list(chain.exit_of)]
    for state in np.flatnonzero(~np.isfinite(exits))[:1]:
        raise StrengthError(
            f"context {format_context(chain.states[int(state)])}: its exit rate leaves the range of doubles, so jumps "
            "from it are unknown; use a smaller w, or the lattice, which works with logarithms"
        )
    revealed = np.array([sum(token is not None for token in context) for context in chain.states])
    levels = range(int(revealed[0]), chain.length + 1)
    offsets = (*np.searchsorted(revealed, levels).tolist(), len(revealed))
    incoming = []
    for below, first, end in zip(offsets[:-2], offsets[1:-1], offsets[2:], strict=True):
        reveals = chain.incoming[first:end]
        sources = np.zeros((end - first, max(map(len, reveals), default=0)), dtype=np.int32)
        jumps = np.zeros(sources.shape)
        for row, into in enumerate(reveals):
            for column, reveal in enumerate(into):
                sources[row, column] = reveal.source - below
                jumps[row, column] = float(reveal.rate) / exits[reveal.source]
        incoming.append(Incoming(sources, jumps))
    with np.errstate(divide="ignore"):
        return ArrayChain(ContextArray.of(chain.states), offsets, tuple(incoming), np.log(exits))


def add_rows(out: np.ndarray, rows: np.ndarray, places: np.ndarray, weights: np.ndarray) -> None:
    """``out_x = Σ_m weights_xm · rows_{places_xm}``, in blocks that fit the cache; weights of 0 count for nothing.

    Parameters
    ----------
    out
        ``(n, T)``, overwritten.
    rows
        ``(N, T)``.
    places, weights
        ``(n, m)``.

    >>> out = np.empty((1, 2))
    >>> add_rows(out, np.array([[1.0, 2.0], [10.0, 20.0]]), np.array([[0, 1]]), np.array([[3.0, 1.0]]))
    >>> out
    array([[13., 26.]])
    """
    step = max(1, _BLOCK // max(out.shape[1], 1))
    if not places.shape[1] or not weights.all():
        out[...] = 0.0
        for first in range(0, len(out), step):
            block = slice(first, first + step)
            for column in range(places.shape[1]):
                some = np.flatnonzero(weights[block, column])
                out[block][some] += rows[places[block, column][some]] * weights[block, column][some, None]
        return
    room = np.empty((min(step, len(out)), out.shape[1]), dtype=out.dtype)
    for first in range(0, len(out), step):
        block = slice(first, first + step)
        into, term = out[block], room[: len(out[block])]
        for column in range(places.shape[1]):
            np.take(rows, places[block, column], axis=0, out=term, mode="clip")  # the mode that needs no copy
            if column:
                term *= weights[block, column, None]
                into += term
            else:
                np.multiply(term, weights[block, column, None], out=into)
