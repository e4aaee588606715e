"""Lumps of independent, alike positions as arrays: histograms of token types, for any number of positions.

Tokens to which every class gives one weight are of one *type*. Contexts with the same number of revealed tokens of
every type have one probability, and the reveal of a type leads from one histogram to the next.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from math import comb, factorial, lgamma, log, prod

import mpmath
import numpy as np

from symguide.chains.array_chain import ArrayChain, Incoming
from symguide.chains.contexts import MASKED, ContextArray
from symguide.chains.lattice import require_told_apart
from symguide.chains.lump import Lumping
from symguide.errors import ChainTooLargeError, DataError, InfiniteRatioError
from symguide.laws.products import ProductLaw
from symguide.laws.strength import require_strength
from symguide.laws.tilt import Tilt
from symguide.numbers.arithmetic import PRECISE
from symguide.numbers.number import Number

__all__ = ["MAX_HISTOGRAMS", "HistogramLattice", "histogram_lattice"]

MAX_HISTOGRAMS = 3_000_000
"""Histograms beyond which none are listed."""


@dataclass(frozen=True)
class HistogramLattice:
    """Histograms of revealed token types with the logarithms of their potentials, for every strength of a tilt.

    The peer of :class:`symguide.chains.lattice.Lattice` for mixtures of i.i.d. positions.

    Attributes
    ----------
    length
        ``D``.
    types
        The tokens of every type.
    levels
        ``(n, T)`` histograms for every number of revealed tokens, in lexicographic order.
    reference
        ``(T,)``: the logarithm that the laws of every type are relative to.
    constants, slopes
        ``ln g`` of one context of every histogram is ``constant + w · slope``, −inf where it is not reached.
    log_conditional, log_unconditional
        ``ln p(x|z)`` and ``ln p(x)`` of a token tuple of every terminal histogram, relative to ``Π reference``.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.lump import lump
    >>> from symguide.laws.tilt import guidance
    >>> problem = load("hypercubes-5d")
    >>> found = histogram_lattice(lump(problem), guidance(problem))
    >>> found.types, found.levels[1].tolist()
    (((2,), (3, 4)), [[0, 1], [1, 0]])
    """

    length: int
    types: tuple[tuple[int, ...], ...]
    levels: tuple[np.ndarray, ...]
    reference: np.ndarray
    constants: tuple[np.ndarray, ...]
    slopes: tuple[np.ndarray, ...]
    normalised: bool
    includes_unconditional: bool
    log_conditional: np.ndarray
    log_unconditional: np.ndarray

    def at(self, w: float) -> ArrayChain:
        """The chain at one strength; its states are histograms.

        Raises
        ------
        StrengthError
            For strengths outside the range, and for those at which doubles no longer tell bases apart.
        """
        require_strength(w, self.includes_unconditional)
        sizes = (np.abs(np.concatenate(part)) for part in (self.constants, self.slopes))
        require_told_apart(w, *(float(size[np.isfinite(size)].max(initial=0.0)) for size in sizes))
        tokens = np.array([len(members) for members in self.types], dtype=np.float64)
        potentials = [constant + w * slope for constant, slope in zip(self.constants, self.slopes, strict=True)]
        incoming, log_exits = [], []
        for k in range(1, self.length + 1):
            below, here = self.levels[k - 1], potentials[k]
            after = np.stack([_rank(below + step, k) for step in np.eye(len(tokens), dtype=np.int64)], axis=1)
            reach = here[after] + np.log(tokens)
            highest = reach.max(axis=1)
            shares = np.exp(reach - np.where(np.isfinite(highest), highest, 0.0)[:, None])
            sums = shares.sum(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                pace = np.zeros(len(below)) if self.normalised else np.log(sums) + highest - potentials[k - 1]
                alive = np.isfinite(highest) & np.isfinite(potentials[k - 1])
                log_exits.append(np.where(alive, log(self.length - k + 1) + pace, -np.inf))
                shares = np.where(alive[:, None], shares / sums[:, None], 0.0)
            sources = np.zeros((len(here), len(tokens)), dtype=np.int32)
            jumps = np.zeros((len(here), len(tokens)))
            for column in range(len(tokens)):
                sources[after[:, column], column] = np.arange(len(below), dtype=np.int32)
                jumps[after[:, column], column] = shares[:, column]
            incoming.append(Incoming(sources, jumps))
        log_exits.append(np.full(len(self.levels[-1]), -np.inf))
        offsets = (0, *accumulate(map(len, self.levels)))
        return ArrayChain(np.concatenate(self.levels), offsets, tuple(incoming), np.concatenate(log_exits))

    @cached_property
    def log_multiplicity(self) -> np.ndarray:
        """``ln`` of how many token tuples every terminal histogram stands for: ``D! Π_t n_t^{c_t}/c_t!``."""
        counts = self.levels[-1]
        tokens = np.array([len(members) for members in self.types], dtype=np.float64)
        factorials = np.array([lgamma(k + 1) for k in range(self.length + 1)])
        return factorials[-1] + (counts * np.log(tokens) - factorials[counts]).sum(axis=1)

    @cached_property
    def support_size(self) -> int:
        """How many token tuples have positive probability."""
        reached = np.isfinite(self.constants[-1])
        choices = [len(members) for members in self.types]
        return sum(_tuples(row, choices) for row in self.levels[-1][reached].tolist())

    def contexts(self, limit: int = 10**6) -> tuple[ContextArray, np.ndarray]:
        """All reachable contexts, by number revealed and then lexicographically, and the histogram of each by index.

        All contexts of one histogram are equally probable at all times, so its probability is shared out evenly.

        Raises
        ------
        ChainTooLargeError
            When there are more than ``limit``.

        >>> from symguide.instances.datasets import load
        >>> from symguide.chains.lump import lump
        >>> from symguide.laws.tilt import guidance
        >>> problem = load("squares-overlap")
        >>> contexts, places = histogram_lattice(lump(problem), guidance(problem)).contexts()
        >>> len(contexts), contexts[1], places[:4].tolist()
        (16, (None, 2), [0, 2, 1, 1])
        """
        kinds = np.array([[token, t] for t, members in enumerate(self.types) for token in members])
        kinds = np.concatenate([[[MASKED, -1]], kinds[np.argsort(kinds[:, 0])]])
        if len(kinds) ** self.length > limit:
            raise ChainTooLargeError(
                f"{len(kinds)}^{self.length} contexts are more than {limit}, so they are not listed; ask for histograms"
            )
        digits = np.indices((len(kinds),) * self.length).reshape(self.length, -1).T
        counts = np.stack([(kinds[:, 1][digits] == t).sum(axis=1) for t in range(len(self.types))], axis=1)
        revealed = counts.sum(axis=1)
        starts = np.cumsum([0, *map(len, self.levels)])
        places = np.empty(len(digits), dtype=np.int64)
        reached = np.zeros(len(digits), dtype=bool)
        for k in range(self.length + 1):
            members = revealed == k
            rank = _rank(counts[members], k)
            places[members] = starts[k] + rank
            reached[members] = np.isfinite(self.constants[k])[rank]
        order = np.argsort(revealed, kind="stable")
        order = order[reached[order]]
        return ContextArray(kinds[:, 0][digits[order]]), places[order]

    def tuples(self, histogram: Sequence[int]) -> Iterator[tuple[int, ...]]:
        """The token tuples of one terminal histogram, in lexicographic order."""
        kind = {token: t for t, members in enumerate(self.types) for token in members}
        left, chosen = list(histogram), []
        options = [iter(sorted(kind))]
        while options:
            token = next((v for v in options[-1] if left[kind[v]]), None)
            if token is None:
                options.pop()
                if chosen:
                    left[kind[chosen.pop()]] += 1
                continue
            chosen.append(token)
            left[kind[token]] -= 1
            if len(chosen) < self.length:
                options.append(iter(sorted(kind)))
                continue
            yield tuple(chosen)
            left[kind[chosen.pop()]] += 1


def histogram_lattice(lumping: Lumping, tilt: Tilt, limit: int = MAX_HISTOGRAMS) -> HistogramLattice:
    """Histograms of token types for a problem of i.i.d. positions.

    Parameters
    ----------
    lumping
        One by posterior and number.
    tilt
        Guidance of the lumped problem, with open or fixed strength.
    limit
        Largest number of histograms.

    Raises
    ------
    ChainTooLargeError
        When there are more.
    DataError
        For a lumping of another kind.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.lump import lump
    >>> from symguide.laws.tilt import guidance
    >>> problem = load("hypercubes:D=1000")
    >>> len(str(histogram_lattice(lump(problem), guidance(problem)).support_size))
    478
    """
    laws = [law for _, law in lumping.classes if isinstance(law, ProductLaw)]
    if lumping.kind != "posterior and number":
        raise DataError(f"{lumping.problem.name}: it lumps by {lumping.kind}, so histograms of token types lose more")
    length, factors = tilt.grid[1], [law.factors[0] for law in laws]
    grouped: dict[tuple[Number, ...], list[int]] = defaultdict(list)
    for token in _tokens(lumping, tilt, factors):
        grouped[tuple(factor.get(token, Fraction(0)) for factor in factors)].append(token)
    types = tuple(map(tuple, grouped.values()))
    count = comb(length + len(types), len(types))
    if count > limit:
        raise ChainTooLargeError(
            f"{lumping.problem.name}: {len(types)} types of tokens at {length} positions make {count:.3g} histograms, "
            f"more than {limit}, so its terminal law is not listed; use fewer positions or coarser classes"
        )
    # Relative to the largest class weight of every type, because w multiplies the error of what is left.
    reference = np.array([max(_logarithm(weight) for weight in weights) for weights in grouped])
    relative = np.array([[_logarithm(weight) for weight in weights] for weights in grouped]).T - reference
    priors = [_logarithm(prior) if prior is not None else 0.0 for prior, _ in lumping.classes]
    levels, constants, slopes = [], [], []
    unconditional = tilt.is_symbolic and sum(map(len, types)) == len(set().union(*factors))
    for revealed in range(length + 1):
        counts = _compositions(revealed, len(types))
        classes = [np.where(counts > 0, counts * np.where(counts > 0, row, 0.0), 0.0).sum(axis=1) for row in relative]
        conditional, whole = _pair(lumping, classes, priors)
        alive = np.ones(len(counts), dtype=bool)
        constant, slope = counts @ reference, np.zeros(len(counts))
        for mass, (at_zero, rise), sign in zip((conditional, whole), tilt.exponents, tilt.signs, strict=True):
            if sign == 0:
                continue
            if sign == 1:
                alive &= np.isfinite(mass)
            elif not np.isfinite(mass[alive]).all():
                raise InfiniteRatioError(
                    f"{lumping.problem.name}: a law with negative exponent excludes tokens that the others reach, so "
                    "their intensities are infinite; use a denominator law that covers the support"
                )
            constant = constant + at_zero * np.where(alive, mass, 0.0)
            slope = slope + rise * np.where(alive, mass, 0.0)
        unconditional = unconditional and bool((alive == np.isfinite(whole)).all())
        levels.append(counts)
        constants.append(np.where(alive, constant, -np.inf))
        slopes.append(np.where(alive, slope, 0.0))
    includes = not tilt.is_symbolic or unconditional
    return HistogramLattice(
        length,
        types,
        tuple(levels),
        reference,
        tuple(constants),
        tuple(slopes),
        tilt.normalised,
        includes,
        conditional,
        whole,
    )


def _tokens(lumping: Lumping, tilt: Tilt, factors: Sequence[Mapping[int, Number]]) -> list[int]:
    """The tokens that no law with positive exponent excludes."""
    mixture = lumping.problem.classes
    everything = set().union(*factors)
    if mixture is None:
        pair = (set(factors[0]), set(factors[1]))
    else:
        pair = (set(factors[list(mixture.laws).index(lumping.problem.target or "")]), everything)
    return sorted(everything.intersection(*(law for law, sign in zip(pair, tilt.signs, strict=True) if sign == 1)))


def _pair(lumping: Lumping, classes: list[np.ndarray], priors: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """``ln p(x|z)`` and ``ln p(x)`` of one context of every histogram, up to the reference."""
    mixture = lumping.problem.classes
    if mixture is None:
        return classes[0], classes[1]
    target = list(mixture.laws).index(lumping.problem.target or "")
    return classes[target], np.logaddexp.reduce([a + p for a, p in zip(priors, classes, strict=True)], axis=0)


def _logarithm(value: Number) -> float:
    if value == 0:
        return -np.inf
    with mpmath.workdps(30):
        return float(mpmath.log(PRECISE.number(value)))


def _compositions(total: int, parts: int) -> np.ndarray:
    """All ways to write a number as an ordered sum, lexicographically, an ``(n, parts)`` array."""
    if parts == 1:
        return np.array([[total]])
    if parts == 2:
        first = np.arange(total + 1)
        return np.stack([first, total - first], axis=1)
    blocks = [_compositions(total - first, parts - 1) for first in range(total + 1)]
    return np.concatenate([np.insert(block, 0, first, axis=1) for first, block in enumerate(blocks)])


def _rank(counts: np.ndarray, total: int) -> np.ndarray:
    """Where compositions stand among :func:`_compositions`."""
    rank, left = np.zeros(len(counts), dtype=np.int64), np.full(len(counts), total)
    for place in range(counts.shape[1] - 1):
        parts = counts.shape[1] - place - 1
        ways = np.array([comb(n + parts, parts) for n in range(total + 1)], dtype=np.int64)
        rank += ways[left] - ways[left - counts[:, place]]
        left = left - counts[:, place]
    return rank


def _tuples(histogram: Sequence[int], choices: Sequence[int]) -> int:
    """``D! Π_t n_t^{c_t}/c_t!``."""
    orders = factorial(sum(histogram)) // prod(map(factorial, histogram))
    return orders * prod(n**c for n, c in zip(choices, histogram, strict=True))
