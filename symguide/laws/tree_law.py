"""Laws that are Markov along a tree of positions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from symguide.errors import DataError
from symguide.laws.law import Context, Law, format_context
from symguide.laws.stochastic import normalise_rows, read_probabilities
from symguide.numbers.number import Number

__all__ = ["TreeLaw"]


@dataclass(frozen=True, eq=False)
class TreeLaw(Law):
    """``p(x) = π(x_root) Π_i P_i(x_parent(i), x_i)`` along a rooted tree; build it with :meth:`of`.

    Attributes
    ----------
    vocabulary, length
        ``N`` and ``D``.
    parents
        The parent of every position, ``None`` for the root.
    initial
        ``π``, shape ``(N,)``: an object array of fractions, or an array of floats.
    transitions
        ``P_i`` by position, shape ``(D, N, N)``; that of the root means nothing.
    """

    vocabulary: int
    length: int
    parents: tuple[int | None, ...]
    initial: np.ndarray
    transitions: np.ndarray

    @classmethod
    def of(cls, parents: Sequence[int | None], initial: Any, transitions: Any, name: str = "tree law") -> "TreeLaw":
        """The law of a tree, the law of its root's token, and one transition matrix, or one for every other position.

        Parameters
        ----------
        parents
            The parent of every position, ``None`` for the root.
        initial
            ``N`` probabilities.
        transitions
            An ``N × N`` matrix, rows by the parent's token, or ``{position: matrix}`` for all but the root.
        name
            What errors call the law.

        Raises
        ------
        DataError
            For parents that make no tree, wrong shapes, and rows that are no probabilities.

        >>> star = TreeLaw.of([None, 0, 0], ["1/2", "1/2"], [["3/4", "1/4"], ["1/4", "3/4"]])
        >>> star.conditional((None, 1, 1), 0)
        {0: Fraction(1, 10), 1: Fraction(9, 10)}
        """
        tree = _read_parents(parents, name)
        others = [i for i, parent in enumerate(tree) if parent is not None]
        if isinstance(transitions, Mapping) and sorted(transitions) != others:
            raise DataError(
                f"{name}: transitions are given for {sorted(transitions)}, but the positions below the root are "
                f"{others}; give one matrix for each"
            )
        given = transitions if isinstance(transitions, Mapping) else dict.fromkeys(others, transitions)
        start = read_probabilities(initial, f"{name}: initial law")
        size = start.shape[0] if start.ndim == 1 else 0
        steps = {i: read_probabilities(given[i], f"{name}: transitions to position {i}") for i in others}
        for what, array, shape in (
            ("initial law", start, (max(size, 1),)),
            *((f"transitions to position {i}", step, (size, size)) for i, step in steps.items()),
        ):
            if array.shape != shape:
                raise DataError(
                    f"{name}: the {what} have shape {array.shape}, but {shape} belongs there; "
                    "give N probabilities and N x N matrices, rows by the parent's token"
                )
        exact = all(array.dtype == object for array in (start, *steps.values()))
        whole = np.zeros((len(tree), size, size), dtype=object if exact else float)
        for i, step in steps.items():
            whole[i] = normalise_rows(
                step if exact else step.astype(float),
                lambda row, i=i: f"{name}: transitions to position {i} from token {row[0]}",
                empty=True,
            )[0]
        first, _ = normalise_rows(start[None] if exact else start[None].astype(float), lambda _: f"{name}: initial law")
        law = cls(size, len(tree), tree, first[0], whole)
        for parent, child in law.links:
            for token in np.flatnonzero(law.reachable[parent] & ~(whole[child] != 0).any(axis=1)):
                raise DataError(
                    f"{name}: token {token} is reached at position {parent}, but its transitions to position {child} "
                    "sum to 0, so nothing can stand there; give its row"
                )
        return law

    @property
    def is_exact(self) -> bool:
        """Whether the data are fractions."""
        return self.initial.dtype == object

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """The children of every position."""
        return tuple(tuple(i for i, p in enumerate(self.parents) if p == j) for j in range(self.length))

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Positions, parents before children."""
        found = [self.parents.index(None)]
        for i in found:
            found.extend(self.children[i])
        return tuple(found)

    @property
    def links(self) -> tuple[tuple[int, int], ...]:
        """Pairs of parent and child."""
        return tuple((parent, i) for i in self.order if (parent := self.parents[i]) is not None)

    def link(self, child: int) -> np.ndarray:
        """The transition matrix to a position from its parent."""
        return self.transitions[child]

    @cached_property
    def reachable(self) -> np.ndarray:
        """Whether ``p(v_i) > 0``, shape ``(D, N)``."""
        found = np.tile(self.initial != 0, (self.length, 1))
        for parent, child in self.links:
            found[child] = (self.transitions[child][found[parent]] != 0).any(axis=0)
        return found

    def given(self, component: Sequence[int], context: Context) -> np.ndarray:
        """``p(v_m | x_S)`` for all positions of a masked component, in the order of :attr:`order`, by two sweeps.

        Raises
        ------
        DataError
            If the tokens around the component exclude one another.

        >>> star = TreeLaw.of([None, 0, 0], ["1/2", "1/2"], [["3/4", "1/4"], ["1/4", "3/4"]])
        >>> [str(p) for p in star.given([0, 2], (None, 0, None))[:, 0]]
        ['3/4', '5/8']
        """
        inside = set(component)
        order = [i for i in self.order if i in inside]
        upward: dict[int, np.ndarray] = {}
        messages: dict[int, np.ndarray] = {}
        for i in reversed(order):
            for child in self.children[i]:
                step = self.transitions[child]
                messages[child] = step @ upward[child] if child in inside else step[:, context[child]]
            upward[i] = self.initial * 0 + 1
            for child in self.children[i]:
                upward[i] = upward[i] * messages[child]
        downward: dict[int, np.ndarray] = {}
        rows = []
        for i in order:
            parent = self.parents[i]
            if parent is None:
                downward[i] = self.initial
            elif parent not in inside:
                downward[i] = self.transitions[i][context[parent]]
            else:
                beside = downward[parent]
                for child in self.children[parent]:
                    if child != i:
                        beside = beside * messages[child]
                downward[i] = beside @ self.transitions[i]
            row = downward[i] * upward[i]
            whole = row.sum()
            if whole == 0:
                raise DataError(
                    f"context {format_context(context)} has probability zero under this law, so it has no conditional "
                    "law; condition on tokens of the support"
                )
            rows.append(row / whole)
        return np.array(rows)

    def weight(self, context: Context) -> Number:
        """See :meth:`symguide.laws.law.Law.weight`."""
        upward: dict[int, np.ndarray] = {}
        for i in reversed(self.order):
            product = self.initial * 0 + 1
            for child in self.children[i]:
                product = product * (self.transitions[child] @ upward[child])
            token = context[i]
            if token is not None:
                product = product * (np.arange(self.vocabulary) == token)
            upward[i] = product
        value = (self.initial * upward[self.order[0]]).sum()
        return value if isinstance(value, Fraction) else float(value)

    def conditional(self, context: Context, position: int) -> Mapping[int, Number]:
        """See :meth:`symguide.laws.law.Law.conditional`."""
        if context[position] is not None:
            raise DataError(
                f"context {format_context(context)}: position {position} is revealed already, so it has no reveal law; "
                "ask for a masked position"
            )
        if self.weight(context) == 0:
            raise DataError(
                f"context {format_context(context)} has probability zero under this law, so it has no conditional law; "
                "condition on tokens of the support"
            )
        component = [position]
        for i in component:
            parent = self.parents[i]
            around = (*self.children[i], *((parent,) if parent is not None else ()))
            component.extend(j for j in around if context[j] is None and j not in component)
        row = self.given(component, context)[[i for i in self.order if i in component].index(position)]
        return {v: p if isinstance(p, Fraction) else float(p) for v, p in enumerate(row) if p}

    def count_contexts(self, most: int) -> int:
        """See :meth:`symguide.laws.law.Law.count_contexts`; by the tokens that a subtree leaves to its root."""
        possible: dict[int, Counter[frozenset[int]]] = {}
        for i in reversed(self.order):
            sets = Counter({frozenset(map(int, np.flatnonzero(self.reachable[i]))): 1})
            for child in self.children[i]:
                merged: Counter[frozenset[int]] = Counter()
                for below, count in possible[child].items():
                    above = frozenset(map(int, np.flatnonzero(self.transitions[child][:, list(below)].any(axis=1))))
                    for tokens, other in sets.items():
                        if tokens & above:
                            merged[tokens & above] += count * other
                sets = merged
            revealed = [(frozenset([token]), count) for tokens, count in sets.items() for token in tokens]
            for tokens, count in revealed:
                sets[tokens] += count
            possible[i] = sets
            if sets.total() > most:
                break
        return sets.total()


def _read_parents(parents: Sequence[int | None], name: str) -> tuple[int | None, ...]:
    listed = tuple(parents)
    roots = [i for i, parent in enumerate(listed) if parent is None]
    if len(roots) != 1:
        raise DataError(f"{name}: positions {roots} have no parent, but a tree has one root; give all others a parent")
    for i, parent in enumerate(listed):
        if parent is not None and (
            isinstance(parent, bool) or not isinstance(parent, int) or not 0 <= parent < len(listed)
        ):
            raise DataError(
                f"{name}: the parent of position {i} is {parent!r}, which is no position of 0..{len(listed) - 1}; "
                "correct it"
            )
    reached = {roots[0]}
    for _ in listed:
        reached |= {i for i, parent in enumerate(listed) if parent in reached}
    if len(reached) < len(listed):
        lost = sorted(set(range(len(listed))) - reached)
        raise DataError(
            f"{name}: positions {lost} do not descend from the root {roots[0]}, so this is no tree; cut the cycle"
        )
    return listed
