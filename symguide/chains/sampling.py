"""Exact sampling: terminal laws and whole trajectories of a guided chain, without time steps.

A context is held for ``Exp(Λ(x))`` on the clock ``s`` and left by the reveal of token ``v`` at position ``i`` with
probability ``r_i(v|x_S)/Λ(x)``: nothing is discretised. Draws pick among weights that are whole multiples of
``2^-62``, summed without error. Randomness comes from the generator that is handed in, and one seed gives one answer.
"""

from dataclasses import dataclass
from math import ceil, inf, log2
from typing import Any

import numpy as np

from symguide.chains.array_chain import ArrayChain, Incoming, array_chain
from symguide.chains.chain import Chain
from symguide.chains.contexts import MASKED, ContextArray
from symguide.chains.histograms import HistogramLattice
from symguide.errors import ClockError, DataError
from symguide.laws.law import Context
from symguide.numbers.number import shown
from symguide.schedules.noise_schedule import NoiseSchedule

__all__ = ["Trajectories", "check_draws", "draw", "sample_alike", "sample_terminal", "sample_trajectories"]

_BITS = 62
"""Probabilities are drawn in multiples of two to minus this."""


@dataclass(frozen=True, slots=True, eq=False)
class Trajectories:
    """``n`` runs of a guided chain from one start with ``m`` masks, as what every reveal did and when.

    Attributes
    ----------
    start
        The context that all runs start from.
    positions, tokens
        ``(n, m)`` integers: where each reveal of a run took place and what it showed; −1 after a run has died.
    clocks
        ``(n, m)``: the clock ``s`` of each reveal, increasing along a run; infinite after a run has died.

    >>> runs = Trajectories((None, None), np.array([[1, 0]]), np.array([[3, 5]]), np.array([[0.5, 2.0]]))
    >>> runs.contexts(1)[0], runs.terminal[0], runs.at(1.0)[0]
    ((None, 3), (5, 3), (None, 3))
    """

    start: Context
    positions: np.ndarray
    tokens: np.ndarray
    clocks: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def dead(self) -> np.ndarray:
        """``(n,)``: which runs ended in a dead context, with masks left and no way out."""
        return (self.positions == MASKED).any(axis=1)

    @property
    def fractions(self) -> np.ndarray:
        """``(n, m)``: the mask fraction ``u = e^{−s}`` of each reveal, decreasing along a run; 0 after its death."""
        return np.exp(-self.clocks)

    def times(self, schedule: NoiseSchedule) -> np.ndarray:
        """``(n, m)``: the time ``t`` of each reveal under a noise schedule, decreasing along a run.

        ``nan`` for what never happens: reveals after a run has died, and after the end of a schedule that leaves masks.

        >>> from symguide.schedules.published import cosine
        >>> Trajectories((None,), np.array([[0]]), np.array([[1]]), np.array([[np.log(2)]])).times(cosine()).round(12)
        array([[0.33333333]])
        """
        fractions = self.fractions
        happens = (fractions >= float(schedule.u_end)) & (self.positions != MASKED)
        times = np.full(fractions.shape, np.nan)
        times[happens] = schedule.time_at(fractions[happens])
        return times

    def contexts(self, reveals: int) -> ContextArray:
        """The ``n`` contexts after so many reveals; a run that has died stays where it died."""
        if not 0 <= reveals <= self.positions.shape[1]:
            raise DataError(
                f"reveals is {reveals}: the runs make {self.positions.shape[1]} of them; ask for one of 0..that"
            )
        counted = np.arange(self.positions.shape[1]) < reveals
        return self._showing(np.broadcast_to(counted, self.positions.shape))

    @property
    def terminal(self) -> ContextArray:
        """The ``n`` contexts at the end, ``u → 0``: token tuples, and dead contexts with their masks."""
        return self.contexts(self.positions.shape[1])

    def at(self, clock: float) -> ContextArray:
        """The ``n`` contexts at a clock ``s``: draws from the law ``P(u = e^{−s})``.

        Raises
        ------
        ClockError
            For ``s < 0`` and ``nan``.
        """
        if not clock >= 0:
            raise ClockError(f"clock s is {clock}: it runs from 0 (the start) upwards; correct it")
        return self._showing(self.clocks <= clock)

    def _showing(self, which: np.ndarray) -> ContextArray:
        """The start with some of the reveals of every run."""
        first = [MASKED if token is None else token for token in self.start]
        found = np.tile(np.array(first, dtype=np.int32), (len(self), 1))
        runs, reveals = np.nonzero(which & (self.positions != MASKED))
        found[runs, self.positions[runs, reveals]] = self.tokens[runs, reveals]
        return ContextArray(found)


def sample_terminal(chain: ArrayChain | Chain[Any], size: int, rng: np.random.Generator) -> ContextArray:
    """Draws from the terminal law ``h(x)``, ``u → 0``, without their trajectories.

    Parameters
    ----------
    chain
        A chain at one strength, in arrays or of floats.
    size
        ``n``, how many draws.
    rng
        The source of randomness.

    Returns
    -------
    ContextArray
        ``n`` token tuples; with probability ``h(x)`` of a dead context ``x`` that context, with its masks.

    Raises
    ------
    DataError
        For a chain of lumps, for no generator, and for a size that counts nothing.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.lattice import lattice
    >>> from symguide.laws.tilt import guidance
    >>> chain = lattice(guidance(load("xor"))).at(1.0)
    >>> sorted(set(sample_terminal(chain, 50, np.random.default_rng(1))))
    [(0, 0), (1, 1)]
    """
    chain, tokens = _read_chain(chain)
    check_draws(size, rng)
    absorbing = np.flatnonzero(~chain.transient)
    return ContextArray(tokens[absorbing[draw(chain.jump_law()[absorbing], size, rng)]])


def sample_trajectories(chain: ArrayChain | Chain[Any], size: int, rng: np.random.Generator) -> Trajectories:
    """Whole trajectories by first hitting: hold for ``Exp(Λ(x))`` on the clock, jump with ``r/Λ(x)``, level by level.

    Parameters and errors are those of :func:`sample_terminal`.

    References
    ----------
    Gillespie, J. Phys. Chem. 81 (1977) 2340, the direct method; Zheng et al., arXiv:2409.02908, the first-hitting
    sampler of masked diffusion.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.lattice import lattice
    >>> from symguide.laws.tilt import guidance
    >>> runs = sample_trajectories(lattice(guidance(load("xor"))).at(1.0), 50, np.random.default_rng(1))
    >>> sorted(set(runs.contexts(1)), key=str), sorted(set(runs.terminal))
    ([(0, None), (1, None), (None, 0), (None, 1)], [(0, 0), (1, 1)])
    """
    chain, tokens = _read_chain(chain)
    check_draws(size, rng)
    states, clocks = _walk(chain, size, rng)
    positions = np.full(clocks.shape, MASKED, dtype=np.int32)
    shown = np.full(clocks.shape, MASKED, dtype=np.int32)
    for k in range(chain.depth):
        runs = np.flatnonzero(states[:, k + 1] >= chain.offsets[k + 1])
        before, after = tokens[states[runs, k]], tokens[states[runs, k + 1]]
        positions[runs, k] = (before != after).argmax(axis=1)
        shown[runs, k] = after[np.arange(len(runs)), positions[runs, k]]
    return Trajectories(chain.states[0], positions, shown, clocks)


def sample_alike(histograms: HistogramLattice, w: float, size: int, rng: np.random.Generator) -> Trajectories:
    """Whole trajectories where positions are independent and alike given the class, for any number of positions.

    A run through the histograms of token types says when types are revealed; positions follow in uniform order, and
    tokens are uniform in their type.

    Parameters
    ----------
    histograms
        Of the lumped problem.
    w
        Guidance strength.
    size, rng
        As for :func:`sample_terminal`.

    Raises
    ------
    StrengthError
        For a strength that the histograms do not speak of.
    DataError
        As :func:`sample_terminal`.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.histograms import histogram_lattice
    >>> from symguide.chains.lump import lump
    >>> from symguide.laws.tilt import guidance
    >>> problem = load("hypercubes:D=100,side=3,overlap=1")
    >>> histograms = histogram_lattice(lump(problem), guidance(problem))
    >>> sample_alike(histograms, 2.0, 5, np.random.default_rng(0)).terminal.tokens.shape
    (5, 100)
    """
    check_draws(size, rng)
    chain = histograms.at(w)
    states, clocks = _walk(chain, size, rng)
    positions = rng.permuted(np.tile(np.arange(histograms.length, dtype=np.int32), (size, 1)), axis=1)
    counts = np.array([len(members) for members in histograms.types])
    members = np.full((len(counts), counts.max()), MASKED, dtype=np.int32)
    for kind, tokens in enumerate(histograms.types):
        members[kind, : len(tokens)] = tokens
    shown = np.empty(clocks.shape, dtype=np.int32)
    for k in range(chain.depth):
        kinds = (chain.states[states[:, k + 1]] - chain.states[states[:, k]]).argmax(axis=1)
        shown[:, k] = members[kinds, rng.integers(counts[kinds])]
    gone = states[:, 1:] < chain.offsets[1:-1]
    return Trajectories(
        (None,) * histograms.length, np.where(gone, MASKED, positions), np.where(gone, MASKED, shown), clocks
    )


def draw(weights: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Indices with probabilities in proportion to some weights, each known to ``2^-63``.

    >>> draw(np.array([0.0, 3.0]), 2, np.random.default_rng(0))
    array([1, 1])
    """
    sums = np.cumsum(_multiples(weights / weights.sum()))
    return np.searchsorted(sums, rng.integers(sums[-1], size=size, dtype=np.uint64), side="right")


def check_draws(size: int, rng: np.random.Generator) -> None:
    """Refuse what is no generator, and a size that counts nothing.

    >>> check_draws(3, 0)
    Traceback (most recent call last):
    symguide.errors.DataError: rng is 0: draws take their randomness from a NumPy generator; give numpy.random...
    """
    if not isinstance(rng, np.random.Generator):
        raise DataError(
            f"rng is {shown(repr(rng))}: draws take their randomness from a NumPy generator; "
            "give numpy.random.default_rng(seed)"
        )
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 0:
        raise DataError(f"size is {shown(repr(size))}: that counts no draws; give a whole number")


def _walk(chain: ArrayChain, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """``n`` runs through the levels: ``(n, depth + 1)`` states, and the ``(n, depth)`` clocks of entering them.

    A run that has died stays where it is; what it never enters has an infinite clock.
    """
    states = np.zeros((size, chain.depth + 1), dtype=np.int64)
    clocks = np.full((size, chain.depth), inf)
    now = np.zeros(size)
    for k, into in enumerate(chain.incoming):
        here, below = states[:, k], chain.level(k)
        runs = np.flatnonzero((here >= below.start) & chain.transient[here])
        with np.errstate(over="ignore"):
            now[runs] += rng.standard_exponential(len(runs)) * np.exp(-chain.log_exits[here[runs]])
        clocks[runs, k] = now[runs]
        states[:, k + 1] = here
        states[runs, k + 1] = chain.offsets[k + 1] + _leave(into, here[runs] - below.start, rng)
    return states, clocks


def _leave(into: Incoming, sources: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Where runs that stand in some states of a level go, by index in the next level."""
    edges = np.flatnonzero(into.jumps > 0)
    edges = edges[np.argsort(into.sources.ravel()[edges], kind="stable")]
    after, origin = edges // into.jumps.shape[1], into.sources.ravel()[edges]
    # Sums run on from source to source and wrap around; differences within a source are right all the same.
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(_multiples(into.jumps.ravel()[edges]))])
    low, high = np.searchsorted(origin, sources), np.searchsorted(origin, sources, side="right")
    base = sums[low]
    drawn = rng.integers(sums[high] - base, dtype=np.uint64)
    high = high - 1
    for _ in range(ceil(log2((high - low).max(initial=0) + 1))):
        middle = (low + high) >> 1
        beyond = sums[middle + 1] - base <= drawn
        low, high = np.where(beyond, middle + 1, low), np.where(beyond, high, middle)
    return after[low]


def _multiples(probabilities: np.ndarray) -> np.ndarray:
    return np.rint(np.ldexp(probabilities, _BITS)).astype(np.uint64)


def _read_chain(chain: ArrayChain | Chain[Any]) -> tuple[ArrayChain, np.ndarray]:
    """The chain as arrays, and the tokens of its states."""
    if isinstance(chain, Chain):
        lumped = chain.multiplicity is not None
        arrays = array_chain(chain)
    else:
        lumped, arrays = not isinstance(chain.states, ContextArray), chain
    if lumped:
        raise DataError(
            "chain: its states stand for several contexts each, so they are no draws; sample the chain on contexts, "
            "or lumps of alike positions by sample_alike"
        )
    return arrays, ContextArray.of(arrays.states).tokens
