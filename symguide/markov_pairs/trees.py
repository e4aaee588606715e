"""Guided chains of laws that are Markov along a tree of positions, by connected components of masked positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from symguide.errors import ChainTooLargeError, NotExactError, SymguideError
from symguide.laws.strength import require_strength
from symguide.laws.tilt import Tilt
from symguide.laws.tree_law import TreeLaw
from symguide.markov_pairs.bridges import Bridges, LogLinks, ValueLinks
from symguide.markov_pairs.gaps import read_sequence
from symguide.numbers.arithmetic import FLOATS, Arithmetic
from symguide.numbers.number import shown

__all__ = ["MAX_COMPONENTS", "TreeSystem", "count_components", "guided_tree"]

MAX_COMPONENTS = 100_000
"""Connected components beyond which a sequence's terminal probability is refused."""


@dataclass(frozen=True)
class TreeSystem:
    """The guided chain of laws that are Markov along one tree, by connected components of masked positions.

    The rates of a masked position depend on the revealed tokens around its component alone, so after a reveal the
    components that it leaves are independent chains, as the gaps of :class:`symguide.markov_pairs.gaps.GapSystem` are:

        ``h(C) = Σ_{m∈C} r_m(x_m | C) Π_i h(C_i) / Λ(C)``,  ``C_i`` the components of ``C`` without ``m``.

    Every connected part of the tree is a component of some context. A tree with ``ℓ`` leaves has ``O(D^ℓ)`` of them, a
    star ``2^{D−1} + D − 1``: see :func:`count_components`.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> from symguide.laws.mixture import Problem
    >>> from symguide.laws.tilt import guidance
    >>> star = TreeLaw.of([None, 0, 0, 0], ["1/2", "1/2"], [["3/4", "1/4"], ["1/4", "3/4"]])
    >>> even = TreeLaw.of([None, 0, 0, 0], ["1/2", "1/2"], [["1/2", "1/2"], ["1/2", "1/2"]])
    >>> system = guided_tree(guidance(Problem(star, even)))
    >>> system.over(RATIONAL, 0).terminal((0, 0, 0, 0)) == star.weight((0, 0, 0, 0))
    True
    >>> round(system.over(FLOATS, 3).log_terminal((0, 0, 0, 0)), 6)
    -0.768797
    """

    tilt: Tilt
    arithmetic: Arithmetic | None = None
    w: Any = None

    def over(self, arithmetic: Arithmetic, w: Any) -> "TreeSystem":
        """The system at strength ``w``, with values in an arithmetic.

        Raises
        ------
        StrengthError
            For ``nan``, infinities and ``w < −1``.
        InfiniteRatioError
            Where a law with negative exponent excludes what the others allow.
        """
        require_strength(w)
        system = TreeSystem(self.tilt, arithmetic, w)
        _ = system.bridges
        return system

    @cached_property
    def bridges(self) -> Bridges:
        """The laws that matter at this strength, with their exponents."""
        assert self.arithmetic is not None, "a system without a strength has no values; use over(arithmetic, w)"
        return Bridges.of(self.tilt.factors, self.arithmetic, self.w)

    def terminal(self, tokens: Sequence[int]) -> Any:
        """``h(x)``, the probability that the chain ends in ``x``; as a float it may underflow.

        Raises
        ------
        DataError
            For tokens that are no sequence of the system.
        """
        if self.arithmetic is FLOATS:
            with np.errstate(under="ignore"):
                return np.exp(self.log_terminal(tokens))
        value = self._terminal(tokens, ValueLinks)
        return self.bridges.arithmetic.number(Fraction(0)) if value is None else value

    def log_terminal(self, tokens: Sequence[int]) -> float:
        """``ln h(x)`` in double precision; ``−inf`` where it is zero.

        Raises
        ------
        DataError
            For tokens that are no sequence of the system.
        NotExactError
            For systems over another arithmetic than floats.
        """
        if self.arithmetic is not FLOATS:
            raise NotExactError("log_terminal is a double, which other arithmetics do not hold; use over(FLOATS, w)")
        value = self._terminal(tokens, LogLinks)
        return -np.inf if value is None else float(value)

    def _terminal(self, tokens: Sequence[int], ring: Any) -> Any:
        """``h`` in logarithms or in values: ``ring`` says what products and sums are; ``None`` for zero."""
        laws: Any = self.bridges.laws
        vocabulary, length = self.tilt.grid
        read = read_sequence(tokens, vocabulary, length)
        if any(law.initial[read[law.order[0]]] == 0 for law in laws) or any(
            law.link(child)[read[parent], read[child]] == 0 for law in laws for parent, child in law.links
        ):
            return None
        tree = laws[0]
        sides = _sides(tree)
        known: dict[int, Any] = {}
        for component in sorted(_components(tree, sides), key=int.bit_count):
            nodes = [i for i in tree.order if component >> i & 1]
            context = tuple(None if component >> i & 1 else token for i, token in enumerate(read))
            tilted = self._tilted([law.given(nodes, context) for law in laws], ring)
            exits = ring.total(tilted)
            rates = tilted[np.arange(len(nodes)), [read[i] for i in nodes]]
            if self.tilt.normalised:
                rates = ring.divide(rates, exits)
                leaving = ring.number(len(nodes))
            else:
                leaving = ring.total(exits[None])[0]
            for row, m in enumerate(nodes):
                for side in sides[m]:
                    if part := component & side:
                        rates[row] = ring.multiply(rates[row], known[part])
            known[component] = ring.divide(ring.total(rates[None])[0], leaving)
        return known[(1 << length) - 1]

    def _tilted(self, tables: list[np.ndarray], ring: Any) -> np.ndarray:
        if ring is LogLinks:
            with np.errstate(divide="ignore"):
                return self.bridges.logs([np.log(table.astype(float)) for table in tables], np.array(True))
        found = np.empty(tables[0].shape, dtype=object)
        for where in np.ndindex(found.shape):
            found[where] = self.bridges.value([table[where] for table in tables])
        return found


def guided_tree(tilt: Tilt, limit: int = MAX_COMPONENTS) -> TreeSystem:
    """The system of components of a tilt whose laws are all Markov along one tree of positions.

    Raises
    ------
    SymguideError
        For a tilt with another law, and for laws along different trees.
    ChainTooLargeError
        With their number, where the tree has more components than ``limit``.

    >>> from symguide.laws.mixture import Problem
    >>> from symguide.laws.tilt import guidance
    >>> star = TreeLaw.of([None, *[0] * 40], [0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]])
    >>> guided_tree(guidance(Problem(star, star)))
    Traceback (most recent call last):
    symguide.errors.ChainTooLargeError: the tree of 41 positions with 40 leaves has 1099511627816 connected parts, ...
    """
    for j, (law, _) in enumerate(tilt.factors):
        if not isinstance(law, TreeLaw):
            raise SymguideError(
                f"tree: law {j} of the tilt is a {type(law).__name__}, not Markov along a tree of positions (nor is a "
                "mixture of such classes), so components are not independent; give TreeLaws, or use guided_chain"
            )
    trees = {law.parents: law for law, _ in tilt.factors if isinstance(law, TreeLaw)}
    if len(trees) > 1:
        raise SymguideError(
            f"tree: the laws are Markov along different trees, of parents {shown(sorted(map(str, trees)))}, so "
            "components are not independent; give all one tree and one root"
        )
    (law,) = trees.values()
    count = count_components(law)
    if count > limit:
        leaves = sum(not below for below in law.children)
        raise ChainTooLargeError(
            f"the tree of {law.length} positions with {leaves} leaves has {count} connected parts, more than the limit "
            f"of {limit}, so they are not followed; use a tree with fewer leaves, such as a chain"
        )
    return TreeSystem(tilt)


def count_components(law: TreeLaw) -> int:
    """The number of connected parts of a tree: ``Σ_i f(i)`` with ``f(i) = Π_{children c} (1 + f(c))``.

    >>> count_components(TreeLaw.of([None, 0, 1], [1.0], [[1.0]]))
    6
    """
    below: dict[int, int] = {}
    for i in reversed(law.order):
        below[i] = 1
        for child in law.children[i]:
            below[i] *= 1 + below[child]
    return sum(below.values())


def _sides(law: TreeLaw) -> list[list[int]]:
    """For every position, the parts of the tree around it, as bits."""
    under = [0] * law.length
    for i in reversed(law.order):
        under[i] = sum((under[child] for child in law.children[i]), start=1 << i)
    whole = (1 << law.length) - 1
    return [
        [under[child] for child in law.children[i]] + [whole ^ under[i]] * (law.parents[i] is not None)
        for i in range(law.length)
    ]


def _components(law: TreeLaw, sides: list[list[int]]) -> set[int]:
    """All connected parts, as bits."""
    whole = (1 << law.length) - 1
    found = {whole}
    stack = [whole]
    while stack:
        component = stack.pop()
        for i in range(law.length):
            if component >> i & 1:
                for side in sides[i]:
                    part = component & side
                    if part and part not in found:
                        found.add(part)
                        stack.append(part)
    return found
