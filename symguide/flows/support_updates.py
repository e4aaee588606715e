"""Parallel updates on large supports, in doubles: contexts on the support one by one, all others in two lumps.

Tokens that are each possible but not together lead off the support, where whatever is masked stays masked. There are
far more such contexts than others: the marginal laws of five-letter words allow 26^5 tuples, most of them no word.
Nothing is ever asked of one of them, so they are lumped by what matters, whether anything in them is masked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain as chained
from itertools import combinations
from typing import Any

import numpy as np
from sympy import Integer

from symguide.chains.contexts import MASKED, ContextArray
from symguide.chains.lattice import Lattice, lattice
from symguide.errors import ChainTooLargeError
from symguide.flows.flow import Part
from symguide.flows.updates import FLOAT_TIE_DIGITS, INSTANT, Menus
from symguide.laws.law import Context, Law
from symguide.laws.tilt import Tilt
from symguide.numbers.arithmetic import FLOATS, Arithmetic

__all__ = [
    "MAX_SUPPORT_MOVES",
    "SupportKernel",
    "SupportMoves",
    "SupportUpdates",
    "stands_for_others",
    "support_updates",
]

MAX_SUPPORT_MOVES = 20_000_000
"""Moves between contexts on the support beyond which they are not listed."""


@dataclass(frozen=True, eq=False)
class SupportMoves:
    """The moves of a step between contexts on the support.

    Attributes
    ----------
    states
        The contexts on the support, level by level, then two that stand for all others: with a mask, and with none.
        They begin with ``N``, which is no token: see :func:`stands_for_others`.
    sources, targets
        ``(m,)``: from which context each move leads to which, by index, the lumps excepted.
    choices
        ``(m, D)``: the choices that a move consists of, as in :class:`symguide.flows.flow.Moves`.
    sites
        ``(n, D)``: for every context on the support its masked positions among all of them, else −1.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> list(support_updates(guidance(load("xor"))).moves.states[-2:])
    [(2, None), (2, 2)]
    """

    states: ContextArray
    sources: np.ndarray
    targets: np.ndarray
    choices: np.ndarray
    sites: np.ndarray


@dataclass(frozen=True, eq=False)
class SupportKernel(Part):
    """A step of parallel updates on a large support.

    ``P'(y) = Σ_{moves x → y} Π_choices · P(x)`` on the support. The mass of ``x`` that is missing there has left it,
    and has no mask with probability ``Π_i (1 − stay_i)`` less that of the complete contexts on the support.

    Attributes
    ----------
    moves
        Between which contexts, by which choices.
    chances
        The probability of every choice.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> found = support_updates(guidance(load("xor")))
    >>> menus = found.menus(FLOATS, 0.0)
    >>> step = found.kernel(menus.shares / 2, 1 - menus.paces / 2, FLOATS)
    >>> step.push(np.eye(len(step.states))[0]).round(3)  # masked, four halves, two words; 01 and 10 are none
    array([0.25 , 0.125, 0.125, 0.125, 0.125, 0.062, 0.062, 0.   , 0.125])
    """

    moves: SupportMoves
    chances: np.ndarray

    @property
    def states(self) -> Sequence[Context]:
        return self.moves.states

    @property
    def arithmetic(self) -> Arithmetic:
        return FLOATS

    @cached_property
    def move_probabilities(self) -> np.ndarray:
        """``(m,)``: the probability of every move, given its source."""
        product = self.chances[self.moves.choices[:, 0]]
        for place in range(1, self.moves.choices.shape[1]):
            product *= self.chances[self.moves.choices[:, place]]
        return product

    @cached_property
    def _leaving(self) -> np.ndarray:
        """``(2, n)``: the probabilities of leaving every context for the lumps."""
        moves, sites = self.moves, self.moves.sites
        count = len(sites)
        stays = self.chances[-1 - len(self.moves.sites[sites >= 0]) :]
        complete_now = np.all(sites < 0, axis=1)
        complete = np.where(complete_now, 1.0, np.prod(1.0 - np.where(sites >= 0, stays[sites], 0.0), axis=1))
        everywhere = np.bincount(moves.sources, self.move_probabilities, minlength=count)
        ends = complete_now[moves.targets]
        finished = np.bincount(moves.sources[ends], self.move_probabilities[ends], minlength=count)
        off, off_complete = np.maximum(1.0 - everywhere, 0.0), np.maximum(complete - finished, 0.0)
        return np.stack([np.maximum(off - off_complete, 0.0), np.minimum(off, off_complete)])

    def push(self, probabilities: np.ndarray) -> np.ndarray:
        inside = probabilities[:-2]
        flows = inside[self.moves.sources] * self.move_probabilities
        kept = np.bincount(self.moves.targets, flows, minlength=len(inside))
        return np.concatenate([kept, probabilities[-2:] + self._leaving @ inside])


@dataclass(frozen=True, eq=False)
class SupportUpdates:
    """What parallel updates can do on a large support; the words are those of :class:`symguide.flows.updates.Updates`.

    Attributes
    ----------
    lattice
        The contexts, and their potentials.
    moves
        All moves of one step between them.
    contexts, positions
        ``(n,)``: for every masked position of every context, which they are.
    tokens
        ``(n, m)``: the tokens that it can show, then −1.
    targets
        ``(n, m)``: the context that shows it and nothing else, then −1.
    """

    lattice: Lattice
    moves: SupportMoves
    contexts: np.ndarray
    positions: np.ndarray
    tokens: np.ndarray
    targets: np.ndarray

    @property
    def states(self) -> ContextArray:
        """The contexts on the support, and the two lumps.

        >>> from symguide.instances.datasets import load
        >>> from symguide.laws.tilt import guidance
        >>> len(support_updates(guidance(load("xor"))).states)
        9
        """
        return self.moves.states

    def menus(self, arithmetic: Arithmetic, w: Any) -> Menus:
        """Rates and shares at one strength, in doubles whatever the arithmetic.

        Raises
        ------
        StrengthError
            For ``w < −1``, ``nan``, infinities, and strengths at which doubles no longer tell bases apart.

        >>> from symguide.instances.datasets import load
        >>> from symguide.laws.tilt import guidance
        >>> support_updates(guidance(load("squares-overlap"))).menus(FLOATS, 1.0).paces[0].round(12)
        array([1.66666667])
        """
        potentials = self.lattice.potentials(float(w))
        offered = self.tokens != MASKED
        logs = np.where(offered, potentials[self.targets] - potentials[self.contexts][:, None], -np.inf)
        highest = logs.max(axis=1, keepdims=True, initial=-np.inf)
        alive = offered.any(axis=1, keepdims=True)
        reference = np.where(alive, highest, 0.0)
        weights = np.exp(logs - reference)
        whole = weights.sum(axis=1, keepdims=True)
        shares = weights / np.where(alive, whole, 1.0)
        if self.lattice.normalised:
            return Menus(shares, shares, alive.astype(float), alive, FLOATS)
        with np.errstate(over="ignore"):
            rates, paces = np.exp(logs), whole * np.exp(reference)
        return Menus(np.minimum(rates, INSTANT), shares, np.minimum(paces, INSTANT), alive, FLOATS)

    def chances_under(self, law: Law, arithmetic: Arithmetic) -> np.ndarray:
        """``(n, m)``: the probabilities ``p(v|x_S)`` that a law gives to the tokens that can be shown.

        >>> from symguide.instances.datasets import load
        >>> from symguide.laws.tilt import guidance
        >>> problem = load("interval-overlap")
        >>> support_updates(guidance(problem)).chances_under(problem.unconditional, FLOATS).round(3)
        array([[0.167, 0.167, 0.083, 0.083, 0.083, 0.083]])
        """
        under = lattice(Tilt(((law, Integer(1)),)))
        place = {context: j for j, context in enumerate(under.states)}
        inside = np.array([place.get(context, -1) for context in self.lattice.states])
        logs = np.append(under.potentials(0.0), -np.inf)[inside]
        steps = np.where(self.tokens != MASKED, logs[self.targets], -np.inf) - logs[self.contexts][:, None]
        return np.exp(steps)

    def ranks(self, w: Any) -> np.ndarray:
        """``(n, m)``: the shares in order, as :meth:`symguide.flows.updates.Updates.ranks`, but within each position
        only, and equal where doubles agree to :data:`symguide.flows.updates.FLOAT_TIE_DIGITS` digits.

        >>> from symguide.instances.datasets import load
        >>> from symguide.laws.tilt import guidance
        >>> support_updates(guidance(load("interval-overlap"))).ranks(0.5)
        array([[0, 0, 1, 1, 1, 1]])
        """
        shares = self.menus(FLOATS, w).shares
        order = np.argsort(shares, axis=1, kind="stable")
        ordered = np.take_along_axis(shares, order, axis=1)
        rises = np.diff(ordered, axis=1) > 10.0**-FLOAT_TIE_DIGITS * ordered[:, 1:]
        unoffered = np.count_nonzero(self.tokens == MASKED, axis=1)[:, None]
        ranks = np.concatenate([np.zeros((len(shares), 1), dtype=np.int64), np.cumsum(rises, axis=1)], axis=1)
        first = np.take_along_axis(ranks, np.minimum(unoffered, ranks.shape[1] - 1), axis=1)
        out = np.empty_like(ranks)
        np.put_along_axis(out, order, ranks - first, axis=1)
        return np.where(self.tokens != MASKED, out, -1)

    def kernel(self, shown: np.ndarray, stay: np.ndarray, arithmetic: Arithmetic) -> SupportKernel:
        """The step in which every position shows a token or stays masked; see
        :meth:`symguide.flows.updates.Updates.kernel`.

        >>> from symguide.instances.datasets import load
        >>> from symguide.laws.tilt import guidance
        >>> found = support_updates(guidance(load("xor")))
        >>> menus = found.menus(FLOATS, 1.0)
        >>> found.kernel(menus.shares, 0 * menus.paces, FLOATS).push(np.eye(9)[0])
        array([0.  , 0.  , 0.  , 0.  , 0.  , 0.25, 0.25, 0.  , 0.5 ])
        """
        return SupportKernel(self.moves, self.listed(shown, stay, 1.0))

    def listed(self, shown: np.ndarray, stay: np.ndarray, certain: float) -> np.ndarray:
        """What every choice has: tokens, masks, and what is certain; masks that nothing can replace are.

        >>> from symguide.instances.datasets import load
        >>> from symguide.laws.tilt import guidance
        >>> found = support_updates(guidance(load("interval-overlap")))
        >>> found.listed(np.full((1, 6), 0.125), np.full((1, 1), 0.25), 1.0).sum()
        np.float64(2.0)
        """
        offered = self.tokens != MASKED
        alive = offered.any(axis=1, keepdims=True)
        return np.concatenate(
            [np.where(offered, shown, 0.0).ravel(), np.where(alive, stay, certain).ravel(), [certain]]
        )


def support_updates(tilt: Tilt, limit: int = MAX_SUPPORT_MOVES) -> SupportUpdates:
    """The contexts on the support, and all moves of parallel updates between them.

    Parameters
    ----------
    tilt
        The guidance, of laws listed by their support.
    limit
        Largest number of moves to list.

    Raises
    ------
    ChainTooLargeError
        When there are more moves than ``limit``; otherwise as :func:`symguide.chains.lattice.lattice`.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> len(support_updates(guidance(load("hypercubes-5d"))).moves.sources)
    16807
    """
    graph = lattice(tilt)
    tokens = graph.states.tokens
    count, length = tokens.shape
    revealed = np.count_nonzero(tokens != MASKED, axis=1)
    moves = sum(int(size) << level for level, size in enumerate(np.bincount(revealed)))
    if moves > limit:
        raise ChainTooLargeError(
            f"parallel updates with N = {tilt.grid[0]}, D = {length} make {moves} moves between contexts on the "
            f"support, more than the limit of {limit}, so they are not listed; use fewer positions or a smaller support"
        )
    parents, edges = _edges(graph)
    sites = np.full((count, length), -1)
    masked = tokens == MASKED
    sites[masked] = np.arange(np.count_nonzero(masked))
    contexts, positions = np.nonzero(masked)
    # Tokens of a site in order: edges by site, then token.
    shown, sources, targets = edges
    at = sites[sources, shown]
    token = tokens[targets, shown]
    order = np.lexsort((token, at))
    at, token, targets = at[order], token[order], targets[order]
    offered = np.bincount(at, minlength=len(contexts))
    place = np.arange(len(at)) - (np.cumsum(offered) - offered)[at]
    width = int(offered.max(initial=0))
    menu, lead = (np.full((len(contexts), width), MASKED) for _ in range(2))
    menu[at, place], lead[at, place] = token, targets
    listed = _moves(tokens, parents, sites, menu)
    lumps = np.full((2, length), tilt.grid[0], dtype=tokens.dtype)
    lumps[0, -1] = MASKED if length > 1 else tilt.grid[0] + 1  # one position has no context off the support
    states = ContextArray(np.concatenate([tokens, lumps]))
    return SupportUpdates(graph, SupportMoves(states, *listed, sites), contexts, positions, menu, lead)


def stands_for_others(context: Context, vocabulary: int) -> bool:
    """Whether a context is one of the two lumps.

    >>> stands_for_others((2, None), 2), stands_for_others((1, None), 2)
    (True, False)
    """
    return context[0] is not None and context[0] >= vocabulary


def _edges(graph: Lattice) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """``(n, D)``: the context with one position masked, −1 where it is; and position, source, target of every edge."""
    parents = np.full(graph.states.tokens.shape, -1)
    found: list[tuple[np.ndarray, ...]] = []
    for level, (before, begin, end) in zip(
        graph.levels[1:], zip(graph.offsets, graph.offsets[1:], graph.offsets[2:], strict=False), strict=True
    ):
        targets = np.broadcast_to(np.arange(begin, end)[:, None], level.sources.shape)
        sources = level.sources + before
        parents[targets, level.positions] = sources
        found.append((level.positions.ravel(), sources.ravel(), targets.ravel()))
    if not found:
        nothing = np.zeros(0, dtype=np.int64)
        return parents, (nothing, nothing, nothing)
    shown, sources, targets = (np.concatenate(part) for part in zip(*found, strict=True))
    return parents, (shown, sources, targets)


def _moves(
    tokens: np.ndarray, parents: np.ndarray, sites: np.ndarray, menu: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sources, targets and choices: the tokens of every site in turn, then the masks of every site, then certainty."""
    length = tokens.shape[1]
    total, width = menu.shape
    certain = total * (width + 1)
    vocabulary = int(tokens.max(initial=0)) + 1
    offered = menu != MASKED
    codes = (np.arange(total)[:, None] * vocabulary + menu)[offered]
    where = np.flatnonzero(offered.ravel())
    parts: list[tuple[np.ndarray, ...]] = []
    for subset in chained.from_iterable(combinations(range(length), size) for size in range(length + 1)):
        ends = np.flatnonzero((tokens[:, list(subset)] != MASKED).all(axis=1))
        begin = ends
        for position in subset:
            begin = parents[begin, position]
        choices = np.full((len(ends), length), certain, dtype=np.int32 if certain < 2**31 else np.int64)
        for position in range(length):
            site = sites[begin, position]
            if position in subset:
                choices[:, position] = where[np.searchsorted(codes, site * vocabulary + tokens[ends, position])]
            else:
                choices[:, position] = np.where(site >= 0, total * width + site, certain)
        parts.append((begin, ends, choices))
    sources, targets, choices = (np.concatenate(part) for part in zip(*parts, strict=True))
    return sources, targets, choices
