"""Flows: what happens to a law over contexts, part by part: exact time on the clock, and steps of samplers.

Every part is a linear map on laws that keeps their mass. All parts of a flow act on one list of contexts; a context
that a part does not speak of stays as it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import inf
from typing import Any

import numpy as np
import sympy

from symguide.chains.array_chain import ArrayChain
from symguide.chains.chain import Chain
from symguide.chains.contexts import ContextArray
from symguide.chains.expansion import expand
from symguide.chains.functionals import Distribution, column
from symguide.chains.trajectory import trajectory
from symguide.errors import ClockError, DataError
from symguide.laws.law import Context, context_key, format_context
from symguide.numbers.arithmetic import FLOATS, Arithmetic

__all__ = ["Flow", "Kernel", "Moves", "Part", "Segment", "laws", "run"]


class Part(ABC):
    """One part of a flow: a linear map on laws over its contexts, in one arithmetic."""

    @property
    @abstractmethod
    def states(self) -> Sequence[Context]:
        """The contexts that the part speaks of."""

    @property
    @abstractmethod
    def arithmetic(self) -> Arithmetic:
        """What probabilities are."""

    @abstractmethod
    def push(self, probabilities: np.ndarray) -> np.ndarray:
        """The law after the part, from the law before it; one value for every context of the part."""


@dataclass(frozen=True)
class Segment(Part):
    """Exact time: a guided chain for some length ``s`` of the clock, from whatever law it meets.

    ``P(s) = e^{As} P(0)``; with ``s = ∞`` every context moves on until it is terminal or dead.

    Attributes
    ----------
    chain
        A chain over an arithmetic, or as arrays. Different segments may have different chains.
    clock_length
        ``s = ln(u/u')`` in that arithmetic; ``math.inf`` or SymPy's ``oo`` for the end.

    Raises
    ------
    ClockError
        For a negative length.
    DataError
        For a chain of exponential sums, which has no values, and for a lumped one.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> segment = Segment(guided_chain(guidance(load("xor"))).over(RATIONAL, 1), inf)
    >>> half = column([Fraction(0), Fraction(1, 2), *[Fraction(0)] * 4, Fraction(1, 2)], RATIONAL)
    >>> segment.push(half)[-2:]
    array([Fraction(1, 2), Fraction(1, 2)], dtype=object)
    """

    chain: Chain[Any] | ArrayChain
    clock_length: Any

    def __post_init__(self) -> None:
        if isinstance(self.chain, Chain):
            if self.chain.arithmetic is None:
                raise DataError("segment: its chain has exponential sums for rates; give chain.over(arithmetic, w)")
            if self.chain.multiplicity is not None:
                raise DataError(
                    "segment: its chain is lumped, so its states are no contexts; give the chain on contexts"
                )
        length = self.clock_length
        if getattr(length, "is_negative", False) or (not isinstance(length, sympy.Expr) and not length >= 0):
            raise ClockError(f"segment: its clock length is {length}: the clock does not run backwards; give s >= 0")

    @property
    def states(self) -> Sequence[Context]:
        return self.chain.states

    @property
    def arithmetic(self) -> Arithmetic:
        if isinstance(self.chain, ArrayChain):
            return FLOATS
        assert self.chain.arithmetic is not None
        return self.chain.arithmetic

    @property
    def is_endless(self) -> bool:
        """Whether nothing is left to move afterwards.

        >>> from symguide.instances.datasets import load
        >>> from symguide.chains.lattice import lattice
        >>> from symguide.laws.tilt import guidance
        >>> Segment(lattice(guidance(load("xor"))).at(1.0), 3.0).is_endless
        False
        """
        return bool(self.clock_length == inf) or self.clock_length is sympy.oo

    def push(self, probabilities: np.ndarray) -> np.ndarray:
        if isinstance(self.chain, ArrayChain):
            if self.is_endless:
                return np.where(self.chain.transient, 0.0, self.chain.jump_law(probabilities))
            return trajectory(self.chain, [float(self.clock_length)], initial=probabilities).probabilities[:, 0]
        begun = probabilities.tolist()
        if self.is_endless:
            weights = list(self.chain.jump_law(begun))
            for state in self.chain.transient:
                weights[state] = self.arithmetic.number(Fraction(0))
            return column(weights, self.arithmetic)
        return column(expand(self.chain, initial=begun).probabilities(self.clock_length), self.arithmetic)


@dataclass(frozen=True, eq=False)
class Moves:
    """The moves that a step can make between contexts, each a product of independent choices.

    Attributes
    ----------
    states
        The contexts.
    sources, targets
        ``(m,)``: from which context each move leads to which, by index; every context has moves.
    choices
        ``(m, d)``: the choices that a move consists of, by their place in an array of probabilities.

    >>> Moves(((None,), (0,)), np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([[0], [1], [2]])).choices.shape
    (3, 1)
    """

    states: Sequence[Context]
    sources: np.ndarray
    targets: np.ndarray
    choices: np.ndarray


@dataclass(frozen=True, eq=False)
class Kernel(Part):
    """A step that is no exact time, of a sampler or at its end: a stochastic matrix.

    ``P'(y) = Σ_{moves x → y} Π_choices · P(x)``.

    Attributes
    ----------
    moves
        Between which contexts, by which choices.
    chances
        The probability of every choice.
    field
        What these are.

    >>> moves = Moves(((None,), (0,)), np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([[0], [1], [2]]))
    >>> Kernel(moves, np.array([0.25, 0.75, 1.0]), FLOATS).push(np.array([0.5, 0.5]))
    array([0.125, 0.875])
    """

    moves: Moves
    chances: np.ndarray
    field: Arithmetic

    @property
    def states(self) -> Sequence[Context]:
        return self.moves.states

    @property
    def arithmetic(self) -> Arithmetic:
        return self.field

    @property
    def probabilities(self) -> np.ndarray:
        """``(m,)``: the probability of every move, given its source.

        >>> moves = Moves(((None,), (0,)), np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([[0, 2], [1, 2], [2, 2]]))
        >>> Kernel(moves, np.array([0.25, 0.75, 1.0]), FLOATS).probabilities
        array([0.25, 0.75, 1.  ])
        """
        product = self.chances[self.moves.choices[:, 0]]
        for place in range(1, self.moves.choices.shape[1]):
            product = product * self.chances[self.moves.choices[:, place]]
        return product

    def push(self, probabilities: np.ndarray) -> np.ndarray:
        flows = probabilities[self.moves.sources] * self.probabilities
        if self.field is FLOATS:
            return np.bincount(self.moves.targets, flows, minlength=len(self.states))
        gathered: list[list[Any]] = [[] for _ in self.states]
        for target, flow in zip(self.moves.targets.tolist(), flows.tolist(), strict=True):
            if flow != 0:
                gathered[target].append(flow)
        return column([self.field.total(parts) for parts in gathered], self.field)


@dataclass(frozen=True)
class Flow:
    """Parts in order, on the contexts of all of them.

    Raises
    ------
    DataError
        For no parts, and for parts in different arithmetics or on different grids.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.lattice import lattice
    >>> from symguide.laws.tilt import guidance
    >>> contexts = lattice(guidance(load("squares-overlap")))
    >>> early = Flow((Segment(contexts.at(3.0), np.log(2)), Segment(contexts.at(0.0), inf)))
    >>> round(float(run(early)[2, 2]), 12)
    0.004125184928
    """

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise DataError("flow: it has no parts, so nothing happens; give segments or kernels")
        fields = list(dict.fromkeys(part.arithmetic.name for part in self.parts))
        if len(fields) > 1:
            raise DataError(f"flow: its parts are in the arithmetics {', '.join(fields)}; put them all in one")
        lengths = {len(part.states[0]) for part in self.parts}
        if len(lengths) > 1:
            raise DataError(f"flow: its parts have contexts of {sorted(lengths)} positions; give all one grid")

    @property
    def arithmetic(self) -> Arithmetic:
        """What probabilities are."""
        return self.parts[0].arithmetic

    @cached_property
    def states(self) -> Sequence[Context]:
        """The contexts of all parts: the list that they share, else by number revealed, then lexicographic."""
        distinct = _distinct([part.states for part in self.parts])
        if len(distinct) == 1:
            return distinct[0]
        return tuple(sorted({context for states in distinct for context in states}, key=context_key))

    @cached_property
    def places(self) -> tuple[np.ndarray | None, ...]:
        """For every part, where its contexts stand among all of them; ``None`` for one that has them all in order.

        >>> from symguide.instances.datasets import load
        >>> from symguide.chains.lattice import lattice
        >>> from symguide.laws.tilt import guidance
        >>> Flow((Segment(lattice(guidance(load("xor"))).at(1.0), 1.0),)).places
        (None,)
        """
        known: dict[int, np.ndarray | None] = {}
        index: dict[Context, int] = {}
        for part in self.parts:
            if id(part.states) in known:
                continue
            if _same(part.states, self.states):
                known[id(part.states)] = None
                continue
            index = index or {context: j for j, context in enumerate(self.states)}
            known[id(part.states)] = np.array([index[context] for context in part.states])
        return tuple(known[id(part.states)] for part in self.parts)


def run(flow: Flow, start: Distribution | Context | None = None) -> Distribution:
    """The law after all parts.

    Parameters
    ----------
    flow
        What happens.
    start
        The law before, or one context; all masks by default.

    Raises
    ------
    DataError
        For a start outside the contexts of the flow, or in another arithmetic.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.lattice import lattice
    >>> from symguide.laws.tilt import guidance
    >>> chain = lattice(guidance(load("interval-overlap"))).at(1.0)
    >>> law = run(Flow((Segment(chain, 0.25), Segment(chain, 0.25))))
    >>> abs(law[(None,)] - run(Flow((Segment(chain, 0.5),)))[(None,)]) < 1e-14
    np.True_
    """
    *_, last = laws(flow, start)
    return last


def laws(flow: Flow, start: Distribution | Context | None = None) -> Iterator[Distribution]:
    """The law before the first part and after every part. Parameters and errors as for :func:`run`.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.lattice import lattice
    >>> from symguide.laws.tilt import guidance
    >>> chain = lattice(guidance(load("interval-overlap"))).at(1.0)
    >>> [round(float(law[(None,)]), 3) for law in laws(Flow((Segment(chain, 0.5), Segment(chain, inf))))]
    [1.0, 0.435, 0.0]
    """
    law = _begin(flow, start)
    yield Distribution(flow.states, law, flow.arithmetic)
    for part, places in zip(flow.parts, flow.places, strict=True):
        if places is None:
            law = part.push(law)
        else:
            law = law.copy()
            law[places] = part.push(law[places])
        yield Distribution(flow.states, law, flow.arithmetic)


def _begin(flow: Flow, start: Distribution | Context | None) -> np.ndarray:
    field = flow.arithmetic
    if start is None:
        start = (None,) * len(flow.states[0])
    if not isinstance(start, Distribution):
        start = Distribution((tuple(start),), (field.number(Fraction(1)),), field)
    if start.arithmetic is not field:
        raise DataError(f"start: it is in the arithmetic {start.arithmetic.name}, the flow in {field.name}; use one")
    if _same(start.states, flow.states):
        return start.column
    index = {context: j for j, context in enumerate(flow.states)}
    law = column([field.number(Fraction(0))] * len(flow.states), field)
    for context, probability in zip(start.states, start.probabilities, strict=True):
        if context not in index:
            raise DataError(
                f"start {format_context(context)}: no part of the flow speaks of it, so nothing would happen there; "
                "start from contexts that the parts reach"
            )
        law[index[context]] = probability
    return law


def _distinct(lists: Sequence[Sequence[Context]]) -> list[Sequence[Context]]:
    found: list[Sequence[Context]] = []
    for states in lists:
        if not any(_same(states, known) for known in found):
            found.append(states)
    return found


def _same(left: Sequence[Context], right: Sequence[Context]) -> bool:
    if left is right:
        return True
    if isinstance(left, ContextArray) and isinstance(right, ContextArray):
        return np.array_equal(left.tokens, right.tokens)
    return isinstance(left, tuple) and left == right
