"""The contexts that guidance reaches, as arrays: one level per number of revealed tokens, for any ``D``.

A context ``x_S`` is a projection of support points to the positions ``S``, so a level is found by numbering
projections, and ``p(x_S)`` by summing weights over equal numbers. Intensities come from potentials: with
``g(x_S) = Π_j p_j(x_S)^{e_j}`` an intensity is ``q_i(v|x_S) = g(x_{S∪i})/g(x_S)``, and ``ln g`` is affine in ``w``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, combinations
from typing import TypeAlias

import numpy as np

from symguide.chains.array_chain import ArrayChain, Incoming
from symguide.chains.contexts import MASKED, ContextArray
from symguide.chains.functionals import Distribution
from symguide.errors import ChainTooLargeError, DataError, InfiniteRatioError, StrengthError
from symguide.laws.law import Context, format_context
from symguide.laws.products import as_table
from symguide.laws.strength import require_strength
from symguide.laws.tilt import Tilt
from symguide.numbers.arithmetic import FLOATS

__all__ = ["MAX_BYTES", "Lattice", "Level", "lattice", "require_told_apart"]

MAX_BYTES = 6 * 2**30
"""Memory that a lattice may take."""

MAX_LISTED = 100_000
"""Support points up to which a product is listed."""

SPREAD = 600.0
"""Logarithms that differ by less are exponentiated with one reference; others each with their own."""

LARGEST_EXPONENT = 1e6
"""Largest exponent of a law and largest logarithm of a power; powers have a relative error of about 4e-16 times that,
so below 1e-9."""

_SMALL = np.finfo(float).tiny / np.finfo(float).eps
"""Jump probabilities below are given by their logarithms too."""

MAX_SLACK = 32
"""How many times more codes than support points are numbered through a table; beyond, by sorting."""

Positions: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """The ``n`` reachable contexts with ``k`` tokens revealed.

    Attributes
    ----------
    sources, positions
        ``(n, k)``: the ``k`` contexts of the level below that lead to each, by index, and the position revealed.
    constant, slope
        ``(n,)``: ``ln g(x_S) = constant + w · slope``.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> lattice(guidance(load("interval-overlap"))).levels[1].sources.shape
    (6, 1)
    """

    sources: np.ndarray
    positions: np.ndarray
    constant: np.ndarray
    slope: np.ndarray


@dataclass(frozen=True)
class Lattice:
    """Levels of contexts with the logarithms of their potentials, for every strength of a tilt.

    Attributes
    ----------
    states
        The contexts, level by level.
    levels
        What leads to them, and their potentials.
    exponents
        ``(m, 2)``: constant and slope in ``w`` of the exponent of every law that counts.
    normalised
        Whether the intensities of each position are divided by their sum.
    includes_unconditional
        Whether the contexts are those of ``w = −1`` too.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> lattice(guidance(load("squares-overlap"))).offsets
    (0, 1, 7, 16)
    """

    states: ContextArray
    levels: tuple[Level, ...]
    exponents: np.ndarray
    normalised: bool
    includes_unconditional: bool

    @property
    def size(self) -> int:
        """How many contexts there are."""
        return len(self.states)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each level begins in ``states``, and the end."""
        return (0, *accumulate(len(level.constant) for level in self.levels))

    def at(self, w: float) -> ArrayChain:
        """The chain at one strength.

        Raises
        ------
        StrengthError
            For ``w < −1``, ``nan``, infinities, for ``w = −1`` where that is a chain of its own, and for strengths at
            which doubles no longer tell bases apart.
        """
        w = self._read_strength(w)
        incoming, log_exits = [], []
        below = self._potential(0, w)
        for k, level in enumerate(self.levels[1:], start=1):
            here = self._potential(k, w)
            into, log_exit = self._jumps(level, below, here)
            incoming.append(into)
            log_exits.append(log_exit)
            below = here
        log_exits.append(np.full(len(below), -np.inf))
        return ArrayChain(self.states, self.offsets, tuple(incoming), np.concatenate(log_exits), by_position=True)

    def tilted_law(self, w: float) -> Distribution:
        """``p_{z,w}(x) = g(x)/Σ g`` on the terminal contexts of the chain.

        >>> from symguide.instances.datasets import load
        >>> from symguide.laws.tilt import guidance
        >>> round(float(lattice(guidance(load("interval-overlap"))).tilted_law(1.0)[(4,)]), 12)
        0.1
        """
        potential = self._potential(len(self.levels) - 1, self._read_strength(w))
        if not len(potential):
            raise DataError("the tilted law has no support: its laws exclude one another; nothing can be compared")
        logs = potential - potential.max()
        weights = np.exp(logs)
        whole = weights.sum()
        return Distribution(self.terminal, weights / whole, FLOATS, logs - np.log(whole))

    def potentials(self, w: float) -> np.ndarray:
        """``ln g(x_S)`` of every context: the raw intensity of a reveal is ``g`` after it over ``g`` before.

        Raises
        ------
        StrengthError
            As :meth:`at`.

        >>> from symguide.instances.datasets import load
        >>> from symguide.laws.tilt import guidance
        >>> contexts = lattice(guidance(load("interval-overlap")))
        >>> np.exp(contexts.potentials(1.0)).round(6)
        array([1.      , 0.166667, 0.166667, 0.333333, 0.333333, 0.333333,
               0.333333])
        """
        w = self._read_strength(w)
        return np.concatenate([self._potential(k, w) for k in range(len(self.levels))])

    def rate_slopes(self, chain: ArrayChain) -> tuple[np.ndarray, ...]:
        """``∂ ln r/∂w`` of all reveals into every level but the first, at the strength of a chain of :meth:`at`.

        Raw rates grow by ``ln b``, the slope of the potential; shares by that less its mean at their position.

        >>> from symguide.instances.datasets import load
        >>> from symguide.laws.tilt import guidance
        >>> contexts = lattice(guidance(load("interval-overlap")))
        >>> contexts.rate_slopes(contexts.at(1.0))[0][-1].round(6)  # the token has twice the odds of its class
        array([0.693147])
        """
        slopes = []
        for k, into in enumerate(chain.incoming):
            level = self.levels[k + 1]
            slope = level.slope[:, None] - self.levels[k].slope[into.sources]
            if self.normalised:
                length = self.states.tokens.shape[1]
                slots, places = into.sources * length + level.positions, len(self.levels[k].slope) * length
                whole = np.bincount(slots.ravel(), into.jumps.ravel(), places)
                means = np.bincount(slots.ravel(), (into.jumps * slope).ravel(), places) / np.where(whole > 0, whole, 1)
                slope = slope - means[slots]
            slopes.append(slope)
        return tuple(slopes)

    @cached_property
    def terminal(self) -> ContextArray:
        """The contexts with nothing masked."""
        return self.states[self.offsets[-2] :]

    def rate_error(self, w: float) -> float:
        """About how large relative errors of exit rates are: sums of ratios of masses in doubles, raised to powers.

        Normalised exit rates are numbers of positions.

        >>> from symguide.instances.datasets import load
        >>> from symguide.laws.tilt import guidance
        >>> contexts = lattice(guidance(load("squares-overlap")))
        >>> contexts.rate_error(0.0) < 1e-15, contexts.rate_error(1000.0) > 1e-13
        (True, True)
        """
        if self.normalised:
            return 0.0
        flat, steep = self._sizes
        return float(np.finfo(float).eps) / 2 * (1.0 + flat + abs(w) * (1.0 + steep))

    def _read_strength(self, w: float) -> float:
        """A strength at which doubles carry the powers."""
        require_strength(w, self.includes_unconditional)
        require_told_apart(w, *self._sizes)
        return float(w)

    @cached_property
    def _sizes(self) -> tuple[float, float]:
        """The largest exponent or logarithm: at ``w = 0``, and how fast they grow in ``w``."""
        flat = np.concatenate([self.exponents[:, 0], *(level.constant for level in self.levels)])
        steep = np.concatenate([self.exponents[:, 1], *(level.slope for level in self.levels)])
        return float(np.abs(flat).max()), float(np.abs(steep).max())

    def _potential(self, k: int, w: float) -> np.ndarray:
        return self.levels[k].constant + w * self.levels[k].slope

    def _jumps(self, level: Level, below: np.ndarray, here: np.ndarray) -> tuple[Incoming, np.ndarray]:
        """Jump probabilities into a level and the logarithms of the exit rates below it."""
        sources = level.sources
        count, revealed = len(below), sources.shape[1]
        length = self.states.tokens.shape[1]
        # One sum over tokens per source, or per source and position where each position is normalised by itself.
        slots = sources * length + level.positions if self.normalised else sources
        places = count * length if self.normalised else count
        highest = float(here.max(initial=0.0))
        if here.size == 0 or highest - float(here.min()) < SPREAD:
            reference: np.ndarray | float = highest
            weights = np.broadcast_to(np.exp(here - highest)[:, None], sources.shape)
        else:
            references = np.full(places, -np.inf)
            for column in range(revealed):
                np.maximum.at(references, slots[:, column], here)
            reference = references
            weights = np.exp(here[:, None] - references[slots])
        sums = np.bincount(slots.ravel(), weights=weights.ravel(), minlength=places)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_sums = np.log(sums) + reference
            if self.normalised:
                positions = np.count_nonzero(sums.reshape(count, length), axis=1)
                jumps, log_exit = weights / (sums[slots] * positions[sources]), np.log(positions)
            else:
                jumps, log_exit = weights / sums[slots], np.where(sums > 0, log_sums - below, -np.inf)
            logs = None
            if jumps.min(initial=1.0) < _SMALL:
                logs = here[:, None] - log_sums[slots] - (np.log(positions[sources]) if self.normalised else 0.0)
        return Incoming(sources, jumps, logs), log_exit


def require_told_apart(w: float, flat: float, steep: float) -> None:
    """Refuse strengths at which doubles do not carry the powers.

    Parameters
    ----------
    w
        The strength.
    flat, steep
        The largest exponent or logarithm of a power: at ``w = 0``, and how fast they grow in ``w``.

    >>> require_told_apart(1e7, 0.0, 1.0)
    Traceback (most recent call last):
    symguide.errors.StrengthError: guidance strength w is 1e+07: exponents of the laws, or logarithms of their ...
    """
    if flat + abs(w) * steep > LARGEST_EXPONENT:
        most = (LARGEST_EXPONENT - flat) / steep if steep > 0 else 0.0
        raise StrengthError(
            f"guidance strength w is {w:.6g}: exponents of the laws, or logarithms of their powers, reach "
            f"{flat + abs(w) * steep:.3g}, and doubles do not tell such powers apart; use "
            + (f"a smaller w (here up to {most:.6g})" if most > 0 else "smaller ones")
        )


def lattice(tilt: Tilt, start: Context | None = None, limit: int = MAX_BYTES) -> Lattice:
    """Number the contexts that guidance reaches, level by level.

    Parameters
    ----------
    tilt
        The guidance, of laws listed by their support; with a fixed strength (``tilt.at(w)``) the potentials are
        constants.
    start
        A partially masked context to start from; all masks by default.
    limit
        Bytes that the arrays may take.

    Raises
    ------
    ChainTooLargeError
        When a level would not fit, before it is built.
    DataError
        For laws whose support cannot be listed or is longer than :data:`MAX_LISTED`, and for a start of the wrong
        length or of probability zero.
    InfiniteRatioError
        Where a law with negative exponent excludes a context that the others reach.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> lattice(guidance(load("hypercubes-5d"))).size
    1024
    """
    length = tilt.grid[1]
    first = (None,) * length if start is None else tuple(start)
    if len(first) != length:
        raise DataError(
            f"start {format_context(first)} has {len(first)} positions, but the laws have {length}; use None for masks"
        )
    points, masses = _support(tilt, first)
    signs = [sign for sign in tilt.signs if sign != 0]
    exponents = np.array([pair for pair, sign in zip(tilt.exponents, tilt.signs, strict=True) if sign != 0])
    free = [i for i, token in enumerate(first) if token is None]
    # Numbers of the projections of all support points to the positions S, and which of them are reached.
    numbers: dict[Positions, np.ndarray] = {(): np.zeros(len(points), dtype=np.int32)}
    sizes: dict[Positions, int] = {(): 1}
    places: dict[Positions, np.ndarray] = {(): np.zeros(1, dtype=np.int32)}
    whole = np.array([[mass.sum()] for mass in masses])
    origin = np.array([[MASKED if token is None else token for token in first]], dtype=points.dtype)
    nothing = np.zeros((1, 0), dtype=np.int32)
    states, levels = [origin], [Level(nothing, nothing, *_potentials(whole, exponents))]
    unconditional, held = tilt.is_symbolic, 0
    for revealed in range(1, len(free) + 1):
        subsets = list(combinations(free, revealed))
        held = _require_memory(tilt, limit, held, subsets, sizes, len(points))
        following, parts, count = ({}, {}, {}), [], 0
        for subset in subsets:
            before, last = subset[:-1], subset[-1]
            codes = numbers[before].astype(np.int64) * tilt.grid[0] + points[:, last]
            number, size, example = _compress(codes, sizes[before] * tilt.grid[0])
            sums = np.stack([_grouped_sums(mass, number, size) for mass in masses])
            alive = _reached(tilt, signs, sums, points[example], subset)
            if unconditional:
                at_edge = [exponent[0] > exponent[1] for exponent in exponents]
                unconditional = bool((alive == (sums[at_edge] > 0).all(axis=0)).all())
            kept = example[alive]
            place = np.full(size, -1, dtype=np.int32)
            place[alive] = np.arange(count, count + len(kept), dtype=np.int32)
            count += len(kept)
            for table, entry in zip(following, (number, size, place), strict=True):
                table[subset] = entry
            others = [tuple(i for i in subset if i != position) for position in subset]
            sources = np.stack([places[other][numbers[other][kept]] for other in others], axis=1)
            tokens = np.broadcast_to(origin, (len(kept), length)).copy()
            tokens[:, subset] = points[kept][:, subset]
            positions = np.broadcast_to(np.array(subset, dtype=np.int32), sources.shape)
            parts.append((tokens, sources, positions, *_potentials(sums[:, alive], exponents)))
        numbers, sizes, places = following
        tokens, *arrays = (np.concatenate(part) for part in zip(*parts, strict=True))
        states.append(tokens)
        levels.append(Level(*arrays))
    return Lattice(
        ContextArray(np.concatenate(states)),
        tuple(levels),
        exponents,
        tilt.normalised,
        not tilt.is_symbolic or unconditional,
    )


def _support(tilt: Tilt, start: Context) -> tuple[np.ndarray, list[np.ndarray]]:
    """The points that any law charges and that agree with the start, and the weight of each under every law."""
    laws = [law for law, sign in zip((law for law, _ in tilt.factors), tilt.signs, strict=True) if sign != 0]
    arrays = [as_table(law, MAX_LISTED).arrays for law in laws]
    rows, inverse = np.unique(np.concatenate([tokens for tokens, _, _ in arrays]), axis=0, return_inverse=True)
    fits = np.ones(len(rows), dtype=bool)
    for position, token in enumerate(start):
        if token is not None:
            fits &= rows[:, position] == token
    masses, offset = [], 0
    for tokens, weights, _ in arrays:
        mass = np.zeros(len(rows))
        mass[inverse.ravel()[offset : offset + len(tokens)]] = weights
        masses.append(mass[fits])
        offset += len(tokens)
    if not all(mass.any() for mass in masses):
        raise DataError(
            f"start {format_context(start)} has probability zero, so no conditional law exists there; "
            "start from tokens of the support"
        )
    return rows[fits], masses


def _compress(codes: np.ndarray, bound: int) -> tuple[np.ndarray, int, np.ndarray]:
    """Consecutive numbers for codes in ``0..bound−1``, in order, how many there are, and where one of each stands."""
    if bound > MAX_SLACK * len(codes):
        _, example, number = np.unique(codes, return_index=True, return_inverse=True)
        return number.astype(np.int32), len(example), example
    example = np.full(bound, -1, dtype=np.int64)
    example[codes] = np.arange(len(codes))
    seen = example >= 0
    lookup = np.cumsum(seen, dtype=np.int32) - np.int32(1)
    example = example[seen]
    return lookup[codes], len(example), example


def _grouped_sums(values: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Sums over groups, each correct to about one unit in the last place.

    Every value is split into a multiple of a power of two that its whole group sums without error, and a small rest.

    References
    ----------
    Rump, Ogita, Oishi, SIAM J. Sci. Comput. 31 (2008) 189, ExtractVector.
    """
    largest = np.zeros(count)
    np.maximum.at(largest, groups, values)
    members = np.bincount(groups, minlength=count)
    exponent = np.frexp(largest)[1] + np.frexp(members + 2.0)[1]
    unit = np.ldexp(1.0, exponent)[groups]
    high = (unit + values) - unit
    return np.bincount(groups, high, count) + np.bincount(groups, values - high, count)


def _potentials(sums: np.ndarray, exponents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``ln Π_j p_j^{e_j}`` as constant and slope in ``w``.

    Exponents sum to one, so it is ``ln p_0 + Σ_j e_j ln(p_j/p_0)``: exponents, which multiply errors, meet logarithms
    of ratios only, each rounded once.
    """
    ratios = np.array([_log_ratio(mass, sums[0]) for mass in sums[1:]]).reshape(len(sums) - 1, sums.shape[1])
    constants, slopes = exponents[1:].T
    return np.log(sums[0]) + constants @ ratios, slopes @ ratios


def _log_ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        ratio = above / below
        near = (ratio > _SMALL) & (ratio < 1 / _SMALL)
        return np.where(near, np.log(ratio), np.log(above) - np.log(below))


def _reached(
    tilt: Tilt, signs: Sequence[int | None], sums: np.ndarray, examples: np.ndarray, subset: Positions
) -> np.ndarray:
    alive = np.ones(sums.shape[1], dtype=bool)
    for sign, mass in zip(signs, sums, strict=True):
        if sign == 1:
            alive &= mass > 0
    for sign, mass in zip(signs, sums, strict=True):
        infinite = np.flatnonzero(alive & (mass == 0)) if sign != 1 else np.empty(0)
        if len(infinite):
            context = tuple(int(v) if i in subset else None for i, v in enumerate(examples[infinite[0]]))
            raise InfiniteRatioError(
                f"context {format_context(context)}: a law with negative exponent excludes it, so the intensities into "
                "it are infinite; use a denominator law that covers the support"
            )
    return alive


def _require_memory(
    tilt: Tilt,
    limit: int,
    held: int,
    subsets: Sequence[Positions],
    sizes: dict[Positions, int],
    points: int,
) -> int:
    """Bytes held after a level of these subsets, at most; an error where that passes the limit."""
    vocabulary, length = tilt.grid
    revealed = len(subsets[0])
    contexts = sum(min(points, sizes[subset[:-1]] * vocabulary) for subset in subsets)
    numbers = 2 * len(subsets) * points * 4
    held += contexts * (8 * length + 24 * revealed + 32)
    if held + numbers > limit:
        raise ChainTooLargeError(
            f"the guided chain with N = {vocabulary}, D = {length} has up to {contexts} contexts with {revealed} "
            f"revealed alone and would take about {(held + numbers) / 2**30:.1f} GiB, more than the limit of "
            f"{limit / 2**30:.1f}; use fewer positions, a smaller support, or laws with structure (Markov, products)"
        )
    return held
