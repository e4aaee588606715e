"""The most probable sequences of a Markov pair, found without listing all."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import inf, log

import numpy as np

from symguide.errors import DataError
from symguide.markov_pairs.bridges import LogLinks
from symguide.markov_pairs.gaps import GapSystem
from symguide.numbers.arithmetic import FLOATS

__all__ = ["Ranking", "by_tilted_weight", "most_probable"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Sequences, the most probable first.

    Attributes
    ----------
    logs
        ``{x: ln h(x)}``.
    proved
        Whether no sequence left out is more probable than one of these.

    >>> Ranking({(0, 1): -0.5}, proved=True).proved
    True
    """

    logs: dict[tuple[int, ...], float]
    proved: bool


def by_tilted_weight(system: GapSystem) -> Iterator[tuple[tuple[int, ...], float]]:
    """Sequences with the logarithms of their tilted weights ``T(x) = Π_k p_k(x)^{e_k}``, largest first.

    The weight is a product over neighbours, so the best way to go on after a token is known (Viterbi's recursion), and
    a search that always extends the prefix of the best completion meets complete sequences in order.

    References
    ----------
    Viterbi, IEEE Trans. Inf. Theory 13 (1967); Hart, Nilsson, Raphael, IEEE Trans. Syst. Sci. Cybern. 4 (1968).

    >>> from symguide.numbers.arithmetic import FLOATS
    >>> from symguide.markov_pairs.gaps import guided_gaps
    >>> from symguide.laws.markov import MarkovLaw
    >>> from symguide.laws.mixture import Problem
    >>> from symguide.laws.tilt import guidance
    >>> law = MarkovLaw.of(["1/2", "1/2"], [["1/4", "3/4"], ["3/5", "2/5"]], length=3)
    >>> found = by_tilted_weight(guided_gaps(guidance(Problem(law, law))).over(FLOATS, 1))
    >>> [(x, round(float(np.exp(weight)), 4)) for x, weight in islice(found, 3)]
    [((0, 1, 0), 0.225), ((1, 0, 1), 0.225), ((0, 1, 1), 0.15)]
    """
    bridges, length = system.bridges, system.length
    first = bridges.logs([law.log_marginals[0] for law in bridges.laws], bridges.live[0])
    steps = [
        bridges.logs([law.log_step(i) for law in bridges.laws], bridges.live[i][:, None] & bridges.live[i + 1])
        for i in range(length - 1)
    ]
    ahead = [np.zeros(system.vocabulary)]
    for step in reversed(steps):
        ahead.insert(0, (step + ahead[0]).max(axis=1))
    # The negated best total comes first, then the prefix: of equals the first in the alphabet.
    queue: list[tuple[float, tuple[int, ...], float]] = [
        (-float(first[v] + ahead[0][v]), (v,), float(first[v]))
        for v in np.flatnonzero(first + ahead[0] > -inf).tolist()
    ]
    heapq.heapify(queue)
    while queue:
        _, prefix, weight = heapq.heappop(queue)
        if len(prefix) == length:
            yield prefix, weight
            continue
        row = steps[len(prefix) - 1][prefix[-1]]
        best = row + ahead[len(prefix)]
        for v in np.flatnonzero(best > -inf).tolist():
            heapq.heappush(queue, (-(weight + float(best[v])), (*prefix, v), weight + float(row[v])))


def most_probable(system: GapSystem, count: int, most: int = 100) -> Ranking:
    """The ``count`` sequences of largest terminal probability ``h``.

    For ``w ≥ 0`` all ``Z ≥ 1``, so averages over reveal orders give ``h(x) ≤ κ T(x)`` with ``κ = D/Σ_m Z_m`` (raw) or
    the mean of ``1/Z_m`` (normalised) at the start: once the tilted weights fall below the ``count``-th probability
    found, no other sequence can enter.

    Parameters
    ----------
    system
        Over :data:`symguide.numbers.arithmetic.FLOATS`.
    count
        How many are wanted.
    most
        How many sequences to look at, by tilted weight. Where they do not settle it, which is usual for long sequences
        and strong guidance, as many are looked at by their probability at ``w = 0``, and the best of all are returned.

    Raises
    ------
    DataError
        For a ``count`` below 1.

    >>> from symguide.numbers.arithmetic import FLOATS
    >>> from symguide.instances.datasets import load
    >>> from symguide.markov_pairs.gaps import guided_gaps
    >>> from symguide.laws.tilt import guidance
    >>> problem = load("characters:length=6")
    >>> ranking = most_probable(guided_gaps(guidance(problem)).over(FLOATS, 1), 1)
    >>> "".join(problem.labels[token] for x in ranking.logs for token in x), ranking.proved
    (' de de', True)
    """
    if count < 1:
        raise DataError(f"{count} sequences are asked for, so there is nothing to look for; ask for one at least")
    found: dict[tuple[int, ...], float] = {}
    kept: list[float] = []
    proved = True
    bound = _start_bound(system)
    for tokens, weight in by_tilted_weight(system):
        proved = len(kept) == count and weight + bound < kept[0]
        if proved or len(found) == most:
            break
        found[tokens] = system.log_terminal(tokens)
        (heapq.heappushpop if len(kept) == count else heapq.heappush)(kept, found[tokens])
    else:
        proved = True
    if not proved:
        unguided = by_tilted_weight(GapSystem(system.tilt, FLOATS, 0.0))
        found |= {x: system.log_terminal(x) for x, _ in islice(unguided, most) if x not in found}
    ordered = sorted(found, key=lambda x: (-found[x], x))[:count]
    return Ranking({x: found[x] for x in ordered}, proved)


def _start_bound(system: GapSystem) -> float:
    """``ln κ``, or ``∞`` where position rates may be below one."""
    powers = system.bridges.powers
    if len(powers) > 2 or max(powers) < 1:
        return inf
    # The rates of the start do not depend on the sequence.
    rates = LogLinks(system.bridges, (0,) * system.length).through(system.length)[0]
    count = log(system.length)
    if system.tilt.normalised:
        return float(np.logaddexp.reduce(-rates)) - count
    return count - float(np.logaddexp.reduce(rates))
