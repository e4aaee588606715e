"""Guided chains of Markov laws as systems of gaps: the branching peer of the chain, for any number of positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from sympy import Expr

from symguide.errors import ChainTooLargeError, DataError, NotExactError, SymguideError
from symguide.laws.markov import MarkovLaw
from symguide.laws.strength import require_strength
from symguide.laws.tilt import Tilt
from symguide.markov_pairs.bridges import Bridges, LogLinks, ValueLinks, reveal_orders
from symguide.numbers.arithmetic import FLOATS, Arithmetic
from symguide.numbers.expsum import ExpSum, Quotient
from symguide.numbers.number import shown

__all__ = ["MAX_BYTES", "Gap", "GapSystem", "Split", "guided_gaps", "read_sequence", "require_memory"]

MAX_BYTES = 2 * 2**30
"""Memory beyond which a computation is refused before it begins."""

End: TypeAlias = tuple[int, int] | None


class Gap(NamedTuple):
    """Masked positions between two revealed tokens, each (position, token); ``None`` is the end of the sequence.

    >>> Gap(None, (3, 0)).right
    (3, 0)
    """

    left: End
    right: End


@dataclass(frozen=True, slots=True)
class Split:
    """One reveal inside a gap: position, token, rate, and the gaps that it leaves, at most two.

    >>> Split(position=1, token=4, rate=0.5, gaps=(Gap(None, (1, 4)),)).rate
    0.5
    """

    position: int
    token: int
    rate: Any
    gaps: tuple[Gap, ...]


@dataclass(frozen=True)
class GapSystem:
    """The guided chain of laws that are Markov along one chain of positions, by gaps between revealed tokens.

    The rates of a masked position depend on the two revealed tokens around it alone, so the generator of the chain is a
    sum over gaps, each term acting on its own gap: after a split the two parts are *independent* chains, and a value
    that does not depend on how their reveals interleave, such as a terminal probability, is a product over them:

        ``h(gap) = Σ_m r_m(x_m | gap) h(left of m) h(right of m) / Λ(gap)``,  ``Λ = Σ_m Z_m`` or, normalised,
        the number of masks.

    One sequence takes time ``O(D³ N)`` and memory ``O(D² N)``: see :mod:`symguide.markov_pairs.bridges` for how.

    Attributes
    ----------
    tilt
        The guidance, over Markov laws.
    arithmetic, w
        What values are, and at which strength; ``None`` before :meth:`over`.

    References
    ----------
    The dynamics: Nisonoff et al., arXiv:2406.01572 (raw); Rojas et al., arXiv:2507.08965 (normalised).

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> from symguide.laws.mixture import Problem
    >>> from symguide.laws.tilt import guidance
    >>> strong = MarkovLaw.of(["1/2", "1/2"], [["1/3", "2/3"], ["2/3", "1/3"]], length=400)
    >>> weak = MarkovLaw.of(["1/2", "1/2"], [["1/2", "1/2"], ["1/4", "3/4"]], length=400)
    >>> system = guided_gaps(guidance(Problem(strong, weak)))
    >>> [str(split.rate) for split in system.over(RATIONAL, 2).splits(Gap((7, 1), (9, 0)))]
    ['25/32', '25/72']
    >>> floats = system.over(FLOATS, 2)
    >>> float(floats.terminal([0, 1] * 200)), round(floats.log_terminal([0, 1] * 200), 6)
    (1.39...e-32, -73.351401)
    """

    tilt: Tilt
    arithmetic: Arithmetic | None = None
    w: Any = None

    def over(self, arithmetic: Arithmetic, w: Any) -> "GapSystem":
        """The system at strength ``w``, with values in an arithmetic.

        Raises
        ------
        StrengthError
            For ``nan``, infinities and ``w < −1``.
        InfiniteRatioError
            Where a law with negative exponent excludes what the others allow.
        """
        require_strength(w)
        system = GapSystem(self.tilt, arithmetic, w)
        _ = system.bridges
        return system

    @property
    def vocabulary(self) -> int:
        """``N``."""
        return self.tilt.grid[0]

    @property
    def length(self) -> int:
        """``D``."""
        return self.tilt.grid[1]

    @property
    def start(self) -> Gap:
        """The gap that the chain starts from: all positions."""
        return Gap(None, None)

    @cached_property
    def bridges(self) -> Bridges:
        """What guidance makes of the laws between two revealed tokens."""
        assert self.arithmetic is not None, "a system without a strength has no values; use over(arithmetic, w)"
        return Bridges.of(self.tilt.factors, self.arithmetic, self.w)

    def splits(self, gap: Gap) -> tuple[Split, ...]:
        """The reveals inside a gap, by position and token, from the definition of the rates; none in a dead gap.

        Raises
        ------
        DataError
            For a gap without masks, and one whose ends have probability zero.
        """
        bridges = self.bridges
        # A number decides which laws matter where one has zeros; an open strength holds for all w > −1.
        strength = self.w if isinstance(self.w, Fraction | Expr) else Fraction(float(self.w))
        tilt = self.tilt if isinstance(strength, Expr) else self.tilt.at(strength)
        revealed = dict(end for end in gap if end is not None)
        context = tuple(revealed.get(i) for i in range(self.length))
        first = 0 if gap.left is None else gap.left[0] + 1
        last = self.length - 1 if gap.right is None else gap.right[0] - 1
        if not 0 <= first <= last < self.length:
            raise DataError(
                f"gap {tuple(gap)} holds no position of 0..{self.length - 1}, so nothing is revealed in it; correct it"
            )
        found = []
        for position in range(first, last + 1):
            intensities = tilt.intensities(context, position)
            whole = ExpSum.sum(intensities.values())
            for token, intensity in intensities.items():
                rate = Quotient(intensity, whole) if tilt.normalised else intensity
                here = (position, token)
                parts = (Gap(gap.left, here),) * (position > first) + (Gap(here, gap.right),) * (position < last)
                found.append(Split(position, token, rate.at(bridges.arithmetic, self.w), parts))
        return tuple(found)

    def terminal(self, tokens: Sequence[int]) -> Any:
        """``h(x)``, the probability that the chain ends in ``x``; as a float it may underflow: :meth:`log_terminal`.

        Raises
        ------
        DataError
            For tokens that are no sequence of the system.
        ChainTooLargeError
            In floats, where that takes more memory than :data:`MAX_BYTES`.
        """
        if self.arithmetic is FLOATS:
            with np.errstate(under="ignore"):
                return np.exp(self.log_terminal(tokens))
        bridges = self.bridges
        read = read_sequence(tokens, self.vocabulary, self.length)
        if any(_excludes(law, read) for law in bridges.laws):
            return bridges.arithmetic.number(Fraction(0))
        links = ValueLinks(bridges, read)
        return np.multiply.reduce(links.across(0)) * reveal_orders(links, self.tilt.normalised)

    def log_terminal(self, tokens: Sequence[int]) -> float:
        """``ln h(x)`` in double precision, also where ``h(x)`` underflows; ``−inf`` where it is zero.

        Raises
        ------
        DataError
            For tokens that are no sequence of the system.
        ChainTooLargeError
            Where that takes more memory than :data:`MAX_BYTES`.
        NotExactError
            For systems over another arithmetic than floats.
        """
        if self.arithmetic is not FLOATS:
            raise NotExactError("log_terminal is a double, which other arithmetics do not hold; use over(FLOATS, w)")
        bridges = self.bridges
        read = read_sequence(tokens, self.vocabulary, self.length)
        if any(_excludes(law, read) for law in bridges.laws):
            return -np.inf
        size = 8 * (self.length + 1) * self.length * self.vocabulary * (2 * len(bridges.laws) + 8)
        require_memory(size, f"the terminal probability of {self.length} tokens", "use shorter sequences")
        links = LogLinks(bridges, read)
        return float(links.across(0).sum() + reveal_orders(links, self.tilt.normalised))


def guided_gaps(tilt: Tilt) -> GapSystem:
    """The system of gaps of a tilt whose laws are all Markov along the chain of positions.

    Raises
    ------
    SymguideError
        For a tilt with another law. A mixture of Markov classes is one: it is not Markov, because far away tokens tell
        of the class.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> guided_gaps(guidance(load("xor")))
    Traceback (most recent call last):
    symguide.errors.SymguideError: gaps: law 0 of the tilt is a TableLaw, not Markov along the positions (nor is a ...
    """
    for j, (law, _) in enumerate(tilt.factors):
        if not isinstance(law, MarkovLaw):
            raise SymguideError(
                f"gaps: law {j} of the tilt is a {type(law).__name__}, not Markov along the positions (nor is a "
                "mixture of Markov classes: far away tokens tell of the class), so gaps are not independent; give a "
                "pair of Markov laws, the unconditional one fitted to the data of all classes, or use guided_chain"
            )
    return GapSystem(tilt)


def read_sequence(tokens: Sequence[int], vocabulary: int, length: int) -> tuple[int, ...]:
    """A terminal context, checked.

    Raises
    ------
    DataError
        For a wrong length, and tokens out of range.

    >>> read_sequence([0, 2], vocabulary=2, length=2)
    Traceback (most recent call last):
    symguide.errors.DataError: token 2 in [0, 2] is outside the vocabulary 0..1, so no law speaks of it; correct it
    """
    try:
        read = tuple(tokens)
    except TypeError:
        raise DataError(
            f"{shown(repr(tokens))} is no sequence of tokens, so it has no probability; give {length} tokens"
        ) from None
    if len(read) != length:
        raise DataError(
            f"tokens {shown(list(read))} have length {len(read)}, but the laws have {length}, so they are no "
            "terminal context; pad or cut them"
        )
    for token in read:
        if isinstance(token, bool) or not isinstance(token, int | np.integer) or not 0 <= token < vocabulary:
            raise DataError(
                f"token {shown(repr(token))} in {shown(list(read))} is outside the vocabulary "
                f"0..{vocabulary - 1}, so no law speaks of it; correct it"
            )
    return tuple(map(int, read))


def require_memory(size: float, what: str, remedy: str, limit: int = MAX_BYTES) -> None:
    """Refuse what takes too much memory before any is taken.

    Raises
    ------
    ChainTooLargeError
        With the estimate and the alternatives.

    >>> require_memory(3 * 2**30, "this", "use less")
    Traceback (most recent call last):
    symguide.errors.ChainTooLargeError: this takes about 3.0 GiB, more than the limit of 2.0 GiB, so it is not ...
    """
    if size > limit:
        raise ChainTooLargeError(
            f"{what} takes about {size / 2**30:.1f} GiB, more than the limit of {limit / 2**30:.1f} GiB, "
            f"so it is not begun; {remedy}"
        )


def _excludes(law: MarkovLaw, tokens: tuple[int, ...]) -> bool:
    """Whether a sequence has probability zero, by the zeros of the data."""
    pairs = pairwise(tokens)
    return bool(law.initial[tokens[0]] == 0 or any(law.step(i)[pair] == 0 for i, pair in enumerate(pairs)))
