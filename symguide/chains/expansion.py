"""The closed form of a triangular chain: sums over reveal paths, gathered by the exit rates along them.

``P_x(s) = Σ_paths Π r · exp_dd((Λ_0, …, Λ_n), s)``. Because ``exp_dd`` is symmetric, paths with the same multiset of
exit rates merge, and because it is confluent by definition, no case is ever singular. Each step of the recursion
appends a node: ``∫_0^s e^{−Λ(s−σ)} exp_dd(nodes, σ) dσ = exp_dd(nodes ∪ Λ, s)``.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np

from symguide.chains.chain import Chain
from symguide.errors import ChainTooLargeError
from symguide.numbers.arithmetic import FLOATS, Arithmetic
from symguide.numbers.divided_differences import log_exp_dd_float

__all__ = ["MAX_TERMS", "Expansion", "Nodes", "expand"]

MAX_TERMS = 400_000
"""Terms beyond which a closed form is not spelled out."""

V = TypeVar("V")
Nodes: TypeAlias = tuple[int, ...]
"""A sorted multiset of exit-rate indices of the chain."""


@dataclass(frozen=True, slots=True)
class Expansion(Generic[V]):
    """``P_x(s) = Σ_nodes C_x(nodes) · exp_dd(Λ_nodes, s)`` for every state of a chain with values in one arithmetic.

    >>> from symguide.symbols import s
    >>> from symguide.chains.family import representative
    >>> expansion = expand(representative(1).chain)
    >>> expansion.size, expansion.survival(s)
    (2, exp(-s*Z))
    """

    chain: Chain[V]
    terms: tuple[Mapping[Nodes, V], ...]

    @property
    def arithmetic(self) -> Arithmetic:
        """The arithmetic of the values."""
        assert self.chain.arithmetic is not None
        return self.chain.arithmetic

    @property
    def size(self) -> int:
        """How many terms there are in all."""
        return sum(map(len, self.terms))

    def combine(self, states: Iterable[int]) -> Mapping[Nodes, V]:
        """The terms of ``Σ_x P_x`` over some states, gathered."""
        gathered: dict[Nodes, list[V]] = defaultdict(list)
        for state in states:
            for nodes, coefficient in self.terms[state].items():
                gathered[nodes].append(coefficient)
        return {nodes: self.arithmetic.total(parts) for nodes, parts in gathered.items()}

    def at(self, s: Any, combinations: Iterable[Mapping[Nodes, V]]) -> list[Any]:
        """The value at clock ``s`` of some sums of terms, such as ``terms`` or :meth:`combine`; 0 for an empty one."""
        sums = list(combinations)
        needed = list(dict.fromkeys(nodes for terms in sums for nodes in terms))
        known = dict(zip(needed, _weights(self.chain, needed, s), strict=True))
        return [
            self.arithmetic.total([coefficient * known[nodes] for nodes, coefficient in terms.items()])
            for terms in sums
        ]

    def probabilities(self, s: Any) -> list[Any]:
        """``P_x(s)`` for every state."""
        return self.at(s, self.terms)

    @property
    def unfinished(self) -> Mapping[Nodes, V]:
        """The terms of ``TV(P(s), P(∞)) = Σ_x P_x`` over the contexts that will be left.

        Where the number of revealed tokens decides the exit rate (:attr:`Chain.paces`) it is a pure birth process, and
        the sum over the contexts that show as many is ``Λ_0 ⋯ Λ_{m−1} exp_dd((Λ_0, …, Λ_m), s)``.
        """
        chain = self.chain
        if chain.is_part or chain.paces is None:
            return self.combine(chain.transient)
        return self.births(chain.paces)

    def births(self, paces: Nodes) -> Mapping[Nodes, V]:
        """The terms of ``TV`` for a pure birth process with these exit rates, in the order of the births.

        >>> from symguide.chains.family import representative
        >>> expand(representative(1).chain).births((0,))
        {(0,): 1}
        """
        terms: dict[Nodes, Any] = {}
        weight: Any = self.arithmetic.number(Fraction(1))
        for place, pace in enumerate(paces):
            terms[tuple(sorted(paces[: place + 1]))] = weight
            weight = weight * self.chain.exit_rates[pace]
        return terms

    def survival(self, s: Any) -> Any:
        """``TV(P(s), P(∞)) = P(neither terminal nor dead at s)``."""
        return self.at(s, [self.unfinished])[0]

    def log_survival(self, s: float) -> float:
        """``ln TV`` in floats, formed in the log domain: finite where TV underflows."""
        terms = self.unfinished
        weights = _float_weights(self.chain, list(terms), s, log_exp_dd_float)
        coefficients = np.log([float(value) for value in terms.values()])  # pyright: ignore[reportArgumentType]
        return float(np.logaddexp.reduce(coefficients + np.array(weights)))


def expand(chain: Chain[V], limit: int = MAX_TERMS, initial: Sequence[V] | None = None) -> Expansion[V]:
    """Sum the reveal paths of a chain with values.

    Parameters
    ----------
    chain
        The chain, over an arithmetic.
    limit
        Most terms to gather.
    initial
        ``P_x(0)`` for every state; all at the start by default.

    Raises
    ------
    ChainTooLargeError
        When the closed form has more terms than ``limit``.

    References
    ----------
    The hypoexponential (Coxian phase-type) law of each reveal order; He, Rojas, Tao, arXiv:2506.10971, for two tokens.

    >>> from symguide.chains.family import rate_symbols
    >>> from symguide.chains.naming import named
    >>> from symguide.symbols import w
    >>> expand(named(rate_symbols(1, 2), w).chain).terms[-1]
    {(0, 1, 3): r(M,0->0,0)*r(M,M->M,0), (0, 2, 3): r(0,M->0,0)*r(M,M->0,M)}
    """
    arithmetic = chain.arithmetic
    assert arithmetic is not None, (
        "a chain of exponential sums has no values; use over(arithmetic, w) or named(chain, w)"
    )
    begun = [arithmetic.number(Fraction(1))] if initial is None else list(initial)
    terms: list[dict[Nodes, Any]] = []
    count = 0
    for state, last in enumerate(chain.exit_of):
        gathered: dict[Nodes, list[Any]] = defaultdict(list)
        if state < len(begun) and _is_something(begun[state]):
            gathered[(last,)].append(begun[state])
        for reveal in chain.incoming[state]:
            for nodes, coefficient in terms[reveal.source].items():
                gathered[tuple(sorted((*nodes, last)))].append(coefficient * reveal.rate)
        terms.append({nodes: arithmetic.total(parts) for nodes, parts in gathered.items()})
        count += len(gathered)
        if count > limit:
            raise ChainTooLargeError(
                f"the closed form of a chain with {len(chain.states)} contexts has more than {limit} terms; "
                "ask for its terminal law (u = 0), which needs none of them, or for fewer positions"
            )
    return Expansion(chain, tuple(terms))


def _is_something(value: Any) -> bool:
    """Whether a probability is not plainly zero; what is only an enclosure of zero counts."""
    return bool(value != 0) or hasattr(value, "mid")


def _weights(chain: Chain[Any], needed: list[Nodes], s: Any) -> list[Any]:
    assert chain.arithmetic is not None
    if chain.arithmetic is FLOATS:
        return _float_weights(chain, needed, s, FLOATS.exp_dd)
    return list(chain.arithmetic.exp_dds(chain.exit_rates, needed, s))


def _float_weights(chain: Chain[Any], needed: list[Nodes], s: Any, weight: Callable[..., Any]) -> list[Any]:
    """One array call per path length."""
    rates = np.stack(np.broadcast_arrays(*chain.exit_rates))
    by_length: dict[int, list[int]] = defaultdict(list)
    for place, nodes in enumerate(needed):
        by_length[len(nodes)].append(place)
    out: list[Any] = [None] * len(needed)
    for length, places in by_length.items():
        table = np.array([needed[place] for place in places])
        for place, value in zip(places, weight([rates[table[:, j]] for j in range(length)], s), strict=True):
            out[place] = value
    return out
