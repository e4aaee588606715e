"""A fixed number of reveals a step, by confidence: no rates, no clock, still a finite stochastic matrix.

Every masked position draws a token from the normalised guided law, and the ``k`` draws of largest probability are kept,
ties to the lowest position. A set ``A`` is kept with values ``v_A`` when all other draws rank below the worst of them:

    P(A, v_A) = Π_{i∈A} p_i(v_i) · Π_{i∉A} P(the draw at i ranks below min_A).

References
----------
Chang et al. (MaskGIT), arXiv:2202.04200; Nie et al. (LLaDA), arXiv:2502.09992; Xie et al. (Show-o), arXiv:2408.12528.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, product
from typing import Any

import numpy as np

from symguide.chains.contexts import MASKED
from symguide.chains.functionals import column
from symguide.errors import DataError
from symguide.flows.flow import Kernel, Moves
from symguide.flows.updates import Menus, Updates
from symguide.laws.law import Context
from symguide.numbers.arithmetic import FLOATS

__all__ = ["confidence_kernel", "reveal_counts"]


def reveal_counts(positions: int, steps: int) -> tuple[int, ...]:
    """``k_j = ⌊D/K⌋ + [j ≤ D mod K]``, for the steps ``j = 1, …, K``.

    Raises
    ------
    DataError
        For less than one step.

    >>> reveal_counts(5, 3), reveal_counts(2, 4)
    ((2, 2, 1), (1, 1, 0, 0))
    """
    if steps < 1:
        raise DataError(f"steps is {steps}: a sampler that takes no step stays where it is; give at least 1")
    return tuple(positions // steps + (j < positions % steps) for j in range(steps))


def confidence_kernel(updates: Updates, menus: Menus, ranks: np.ndarray, count: int) -> Kernel:
    """The step that keeps ``count`` draws, or all where fewer positions can draw.

    Parameters
    ----------
    updates, menus
        Contexts, and the shares that tokens are drawn with.
    ranks
        Of the shares, as :meth:`Updates.ranks` finds them: they decide which draw is kept.
    count
        How many.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> from symguide.flows.updates import parallel_updates
    >>> found = parallel_updates(guidance(load("squares-overlap"), "normalised"))
    >>> step = confidence_kernel(found, found.menus(FLOATS, 1.0), found.ranks(Fraction(1)), 1)
    >>> {found.states[j]: round(float(p), 3) for j, p in zip(step.moves.targets[:5], step.probabilities)}
    {(2, None): 0.04, (3, None): 0.4, (4, None): 0.4, (None, 3): 0.08, (None, 4): 0.08}
    """
    sites = [np.flatnonzero(updates.contexts == j) for j in range(len(updates.states))]
    sources: list[int] = []
    targets: list[int] = []
    chances: list[Any] = []
    index = {context: j for j, context in enumerate(updates.states)}
    for j, context in enumerate(updates.states):
        for target, chance in _kept(updates, menus, ranks, context, sites[j], count):
            sources.append(j)
            targets.append(index[target])
            chances.append(chance)
    moves = Moves(
        updates.states, np.array(sources), np.array(targets), np.arange(len(chances), dtype=np.int64)[:, None]
    )
    return Kernel(moves, column(chances, menus.arithmetic), menus.arithmetic)


def _kept(
    updates: Updates, menus: Menus, ranks: np.ndarray, context: Context, sites: np.ndarray, count: int
) -> Iterator[tuple[Context, Any]]:
    """Where a step leads from a context, and with which probability."""
    zero = menus.arithmetic.number(Fraction(0))
    drawing = [site for site in sites.tolist() if updates.tokens[site, 0] != MASKED]
    columns = {site: np.flatnonzero(updates.tokens[site] != MASKED).tolist() for site in drawing}
    for kept in combinations(drawing, min(count, len(drawing))):
        others = [site for site in drawing if site not in kept]
        for chosen in product(*(columns[site] for site in kept)):
            chance = menus.arithmetic.number(Fraction(1))
            after = list(context)
            for site, place in zip(kept, chosen, strict=True):
                chance = chance * menus.shares[site, place]
                after[updates.positions[site]] = int(updates.tokens[site, place])
            # The worst kept draw: the least probable one, of equals that of the highest position.
            order = [(int(ranks[a, v]), -int(updates.positions[a])) for a, v in zip(kept, chosen, strict=True)]
            for site in others if order else ():
                here = -int(updates.positions[site])
                below = [v for v in columns[site] if (int(ranks[site, v]), here) < min(order)]
                chance = chance * menus.arithmetic.total([zero, *(menus.shares[site, v] for v in below)])
            if chance != 0 or menus.arithmetic is not FLOATS:
                yield tuple(after), chance
