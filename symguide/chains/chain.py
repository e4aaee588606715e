"""The guided reverse chain: reachable contexts, the reveals between them, and their rates in one arithmetic."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Generic, TypeVar

from symguide.errors import ChainTooLargeError, DataError
from symguide.laws.law import Context, context_key, format_context
from symguide.laws.strength import require_strength
from symguide.laws.tilt import Tilt
from symguide.numbers.arithmetic import Arithmetic
from symguide.numbers.expsum import ExpSum, Quotient

__all__ = ["MAX_CONTEXTS", "Chain", "Reveal", "assemble", "guided_chain"]

MAX_CONTEXTS = 60_000
"""Contexts beyond which a chain is not enumerated one by one."""

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Reveal(Generic[V]):
    """One reveal into a context: from which context (its index), at which position, which token, at what rate.

    >>> Reveal(source=0, position=1, token=4, rate=0.5).token
    4
    """

    source: int
    position: int
    token: int
    rate: V


@dataclass(frozen=True)
class Chain(Generic[V]):
    """A triangular continuous-time Markov chain on contexts, on the clock ``s``; values ``V`` live in one arithmetic.

    ``dP_x/ds = Σ_{reveals into x} rate · P_source − Λ(x) P_x``.

    Attributes
    ----------
    vocabulary, length
        ``N`` and ``D``.
    states
        Reachable contexts, by number revealed, then lexicographic with the mask first; the start is the first.
    incoming
        For every state, the reveals that lead to it.
    exit_rates
        The *distinct* exit rates; terminal and dead contexts share a zero.
    exit_of
        For every state, the index of its exit rate. Two states have one index exactly when their exit rates are the
        same function of ``w``, so ties are settled here, on exact data, for every arithmetic.
    arithmetic
        What the values are; ``None`` for exponential sums in an open ``w``.
    includes_unconditional
        Whether the chain also holds at ``w = −1``. It does not where the conditional law excludes tokens of the
        unconditional one: then ``w = −1`` is a chain of its own, on more contexts.
    multiplicity
        For a lumped chain, how many contexts each state stands for; ``None`` where every state is one context.
    is_part
        Whether contexts were left out, as by :meth:`ancestors`: exit rates then count reveals that are not listed.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> chain = guided_chain(guidance(load("xor")))
    >>> chain.states[:3], chain.exit_rate(0) == ExpSum.constant(Fraction(2)), chain.incoming[1][0].source
    (((None, None), (None, 0), (None, 1)), True, 0)
    """

    vocabulary: int
    length: int
    states: tuple[Context, ...]
    incoming: tuple[tuple[Reveal[V], ...], ...]
    exit_rates: tuple[V, ...]
    exit_of: tuple[int, ...]
    arithmetic: Arithmetic | None = None
    includes_unconditional: bool = True
    multiplicity: tuple[int, ...] | None = None
    is_part: bool = False

    @cached_property
    def index(self) -> Mapping[Context, int]:
        """The position of every state in ``states``."""
        return {context: j for j, context in enumerate(self.states)}

    @property
    def start(self) -> Context:
        """The context the chain starts from."""
        return self.states[0]

    @cached_property
    def terminal(self) -> tuple[int, ...]:
        """Indices of the terminal contexts (nothing masked)."""
        return tuple(j for j, context in enumerate(self.states) if None not in context)

    @cached_property
    def dead(self) -> tuple[int, ...]:
        """Indices of contexts with masks left and no way out."""
        sources = {reveal.source for reveals in self.incoming for reveal in reveals}
        return tuple(j for j, context in enumerate(self.states) if None in context and j not in sources)

    @cached_property
    def transient(self) -> tuple[int, ...]:
        """Indices of the contexts that will be left."""
        absorbing = {*self.terminal, *self.dead}
        return tuple(j for j in range(len(self.states)) if j not in absorbing)

    @cached_property
    def paces(self) -> tuple[int, ...] | None:
        """Which exit rate the contexts have that show the start and 0, 1, … tokens more, while they will be left.

        ``None`` where their number does not decide the rate. It does under the normalised rule: ``Λ`` counts masks.
        """
        rates: dict[int, set[int]] = {}
        for context, rate in zip(self.states, self.exit_of, strict=True):
            rates.setdefault(self.length - context.count(None), set()).add(rate)
        lively = {self.length - self.states[j].count(None) for j in self.transient}
        if any(len(rates[shown]) > 1 for shown in lively):
            return None
        return tuple(next(iter(rates[shown])) for shown in sorted(lively))

    @cached_property
    def is_rational(self) -> bool:
        """Whether the exponential sums of the chain have rational coefficients and bases only."""
        return all(isinstance(part, Fraction) for each in self._sums for pair in each.terms for part in pair)

    @cached_property
    def is_exact(self) -> bool:
        """Whether no float stands in the exponential sums of the chain."""
        return all(each.is_exact for each in self._sums)

    @cached_property
    def _sums(self) -> frozenset[ExpSum]:
        """The exponential sums that rates are made of: normalised ones are quotients, whose exit rates say nothing."""
        rates: set[Any] = {*self.exit_rates, *(reveal.rate for reveals in self.incoming for reveal in reveals)}
        parts = ((rate.numerator, rate.denominator) if isinstance(rate, Quotient) else (rate,) for rate in rates)
        return frozenset(part for pair in parts for part in pair)

    def exit_rate(self, state: int) -> V:
        """``Λ(x)``."""
        return self.exit_rates[self.exit_of[state]]

    def map(self, convert: Callable[[V], Any], arithmetic: Arithmetic | None = None) -> "Chain[Any]":
        """The same graph with every rate converted."""
        known: dict[V, Any] = {}

        def once(rate: V) -> Any:
            if rate not in known:
                known[rate] = convert(rate)
            return known[rate]

        incoming = tuple(
            tuple(Reveal(r.source, r.position, r.token, once(r.rate)) for r in reveals) for reveals in self.incoming
        )
        return replace(self, incoming=incoming, exit_rates=tuple(map(once, self.exit_rates)), arithmetic=arithmetic)

    def over(self, arithmetic: Arithmetic, w: Any) -> "Chain[Any]":
        """The chain at strength ``w`` with values in an arithmetic; the graph and the ties stay.

        Raises
        ------
        StrengthError
            For ``w < −1``, ``nan``, infinities, and for ``w = −1`` where that is a chain of its own.

        >>> from symguide.numbers.arithmetic import RATIONAL
        >>> from symguide.laws.tilt import guidance
        >>> from symguide.laws.mixture import ClassMixture
        >>> mixture = ClassMixture.of(2, 1, {"a": ("1/2", {(0,): 1}), "b": ("1/2", {(1,): 1})})
        >>> guided_chain(guidance(mixture.problem("a"))).over(RATIONAL, 3).exit_rates
        (Fraction(8, 1), Fraction(0, 1))
        """
        require_strength(w, self.includes_unconditional)
        return self.map(lambda rate: rate.at(arithmetic, w), arithmetic)  # pyright: ignore[reportAttributeAccessIssue]

    def ancestors(self, targets: Iterable[Context]) -> "Chain[V]":
        """The part of the chain from which some contexts are reached; their probabilities are unchanged in it.

        It is closed under predecessors, so it obeys the same Kolmogorov equations; exit rates count the reveals left
        out.
        """
        wanted: set[int] = set()
        stack = [self.index[context] for context in targets]
        while stack:
            state = stack.pop()
            if state not in wanted:
                wanted.add(state)
                stack.extend(reveal.source for reveal in self.incoming[state])
        kept = sorted(wanted)
        renumbered = {old: new for new, old in enumerate(kept)}
        incoming = tuple(
            tuple(Reveal(renumbered[r.source], r.position, r.token, r.rate) for r in self.incoming[old]) for old in kept
        )
        return replace(
            self,
            states=tuple(self.states[old] for old in kept),
            incoming=incoming,
            exit_of=tuple(self.exit_of[old] for old in kept),
            multiplicity=self.multiplicity and tuple(self.multiplicity[old] for old in kept),
            is_part=self.is_part or len(kept) < len(self.states),
        )

    def jump_law(self, initial: Sequence[Any] | None = None) -> tuple[V, ...]:
        """``h(x)``, the probability that the chain ever visits ``x``: the law of the embedded jump chain.

        ``h(x_S) = P_{x_S}(0) + Σ_{i∈S} h(x_{S∖i}) r_i(x_i|x_{S∖i}) / Λ(x_{S∖i})``; on terminal contexts this is the
        terminal law. ``initial`` is ``P(0)``, a value for every state; all at the start by default.
        """
        assert self.arithmetic is not None, "a chain of exponential sums has no values; use over(arithmetic, w)"
        begun = [self.arithmetic.number(Fraction(1))] if initial is None else initial
        weights: list[Any] = []
        flow: list[Any] = []
        leaving = set(self.transient)
        for state, incoming in enumerate(self.incoming):
            weight = self.arithmetic.total([*begun[state : state + 1], *(flow[r.source] * r.rate for r in incoming)])
            weights.append(weight)
            flow.append(weight / self.exit_rate(state) if state in leaving else weight)
        return tuple(weights)

    def holding_times(self) -> list[V]:
        """``1/Λ(x)``, the mean time that each state is held, and 0 where it is never left."""
        assert self.arithmetic is not None, "a chain of exponential sums has no values; use over(arithmetic, w)"
        zero, leaving = self.arithmetic.number(Fraction(0)), set(self.transient)
        return [1 / self.exit_rate(j) if j in leaving else zero for j in range(len(self.states))]  # pyright: ignore[reportOperatorIssue]

    def accumulate(self, rewards: Sequence[Any]) -> list[V]:
        """Expected sum of rewards, one per visited state, from every state on: ``V = reward + Σ r V(next) / Λ``."""
        assert self.arithmetic is not None, "a chain of exponential sums has no values; use over(arithmetic, w)"
        ahead: list[list[Any]] = [[] for _ in self.states]
        values: list[Any] = [None] * len(self.states)
        for state in reversed(range(len(self.states))):
            values[state] = rewards[state]
            if ahead[state]:
                values[state] = values[state] + self.arithmetic.total(ahead[state]) / self.exit_rate(state)
            for reveal in self.incoming[state]:
                ahead[reveal.source].append(reveal.rate * values[state])
        return values


def guided_chain(tilt: Tilt, start: Context | None = None, limit: int = MAX_CONTEXTS) -> Chain[Any]:
    """Enumerate the contexts that guidance reaches, with their rates as exponential sums in ``w``.

    Parameters
    ----------
    tilt
        The guidance; with a fixed strength (``tilt.at(w)``) the rates are constants.
    start
        A partially masked context to start from; all masks by default.
    limit
        Largest number of contexts to enumerate.

    Raises
    ------
    ChainTooLargeError
        When more contexts than ``limit`` are reachable.
    DataError
        When the start has the wrong length or probability zero.

    References
    ----------
    He, Rojas, Tao, arXiv:2506.10971, the guided reverse dynamics.

    >>> from symguide.laws.tilt import guidance
    >>> from symguide.laws.mixture import ClassMixture
    >>> mixture = ClassMixture.of(2, 2, {"a": ("1/2", {(0, 0): 1}), "b": ("1/2", {(1, 1): 1})})
    >>> guided_chain(guidance(mixture.problem("a"))).states
    ((None, None), (None, 0), (0, None), (0, 0))
    """
    vocabulary, length = tilt.grid
    first = (None,) * length if start is None else tuple(start)
    _check_start(tilt, first)
    if start is None:
        _check_size(tilt, limit)
    edges: dict[Context, list[tuple[Context, int, int, Any]]] = {first: []}
    exits: dict[Context, ExpSum] = {}
    unconditional = tilt.at(Fraction(-1)) if tilt.is_symbolic else None
    level = [first]
    while level:
        following: dict[Context, None] = {}
        for context in level:
            leaving: list[ExpSum] = []
            for position, shown in enumerate(context):
                if shown is not None:
                    continue
                intensities = tilt.intensities(context, position)
                if unconditional and unconditional.intensities(context, position).keys() != intensities.keys():
                    unconditional = None
                if not intensities:
                    continue
                whole = ExpSum.sum(intensities.values())
                leaving.append(ExpSum.constant(Fraction(1)) if tilt.normalised else whole)
                for token, intensity in intensities.items():
                    target = (*context[:position], token, *context[position + 1 :])
                    rate = Quotient(intensity, whole) if tilt.normalised else intensity
                    if target not in edges:
                        if len(edges) >= limit:
                            raise _too_large(tilt, limit)
                        edges[target] = []
                        following[target] = None
                    edges[target].append((context, position, token, rate))
            exits[context] = ExpSum.sum(leaving)
        level = list(following)
    chain = assemble(vocabulary, length, edges, exits)
    return replace(chain, includes_unconditional=not tilt.is_symbolic or unconditional is not None)


def _check_size(tilt: Tilt, limit: int) -> None:
    """Refuse before enumerating, where one law alone decides which contexts are reachable."""
    leading = tilt.leading_law
    if leading is not None and leading.count_contexts(limit) > limit:
        raise _too_large(tilt, limit)


def _too_large(tilt: Tilt, limit: int) -> ChainTooLargeError:
    vocabulary, length = tilt.grid
    return ChainTooLargeError(
        f"the guided chain with N = {vocabulary}, D = {length} has more than {limit} reachable contexts, the limit, "
        "so it is not enumerated; use fewer positions or a smaller support"
    )


def _check_start(tilt: Tilt, start: Context) -> None:
    length = tilt.grid[1]
    if len(start) != length:
        raise DataError(
            f"start {format_context(start)} has {len(start)} positions, but the laws have {length}; use None for masks"
        )
    if any(law.weight(start) == 0 for law, exponent in tilt.factors if exponent != 0):
        raise DataError(
            f"start {format_context(start)} has probability zero, so no conditional law exists there; "
            "start from tokens of the support"
        )


def assemble(
    vocabulary: int,
    length: int,
    edges: Mapping[Context, list[tuple[Context, int, int, Any]]],
    exits: Mapping[Context, ExpSum],
) -> Chain[Any]:
    """A chain from the reveals into every context, as (source, position, token, rate), and the exit rates.

    >>> one = ExpSum.constant(Fraction(1))
    >>> assemble(1, 1, {(None,): [], (0,): [((None,), 0, 0, one)]}, {(None,): one, (0,): ExpSum(())}).exit_of
    (0, 1)
    """
    states = tuple(sorted(edges, key=context_key))
    index = {context: j for j, context in enumerate(states)}
    incoming = tuple(
        tuple(Reveal(index[source], position, token, rate) for source, position, token, rate in edges[context])
        for context in states
    )
    distinct: dict[ExpSum, int] = {}
    exit_of = tuple(distinct.setdefault(exits[context], len(distinct)) for context in states)
    return Chain(vocabulary, length, states, incoming, tuple(distinct), exit_of)
