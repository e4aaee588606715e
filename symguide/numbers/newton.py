r"""Many divided differences of the exponential in balls, by Newton's table over shared blocks of nodes.

With the nodes of a path sorted, ``e[Λ_0 … Λ_n] = s^n exp[−Λ_0 s, …, −Λ_n s]`` obeys

    e[Λ_0 … Λ_n] = (e[Λ_0 … Λ_{n−1}] − e[Λ_1 … Λ_n]) / (Λ_n − Λ_0),    e[Λ, …, Λ] = s^n/n! · e^{−Λs},

and paths that share nodes share the blocks below. The table is filled at the midpoints of the nodes and of the clock,
where only its own rounding cancels; the radii come in afterwards, as a bound on the relative change. By
``e[…] = s^n ∫ exp(−s Σ Λ_j t_j)`` over the simplex (Hermite–Genocchi) the logarithmic derivatives are tilted means,
``∂ ln e/∂Λ_j = −s E[t_j]``, and the recursion with ``Λ_j`` repeated gives ``(Λ_j − Λ_i) s E[t_j] ≤ 1`` for every
other node. So

    −∂ ln e/∂Λ_j ∈ [0, min(s, 1/(Λ_j − Λ_i))],    ∂ ln e/∂s ∈ [−Λ_i, n/s − Λ_i]   for the smallest node Λ_i.
"""

from collections.abc import Sequence
from math import factorial

import flint

from symguide.numbers.divided_differences import exp_dd_ball

__all__ = ["exp_dd_balls"]

GUARD = 64
"""Bits beyond the working precision in which the table is filled."""
LOST = 8
"""Bits below the working precision at which a block is not trusted to the table."""
WIDE = flint.arb("0.125")
"""Relative change beyond which nodes and clock are followed to their ends instead."""
_UNIT = flint.arb(0, 1)


def exp_dd_balls(rates: Sequence[flint.arb], needed: Sequence[tuple[int, ...]], s: flint.arb) -> list[flint.arb]:
    """Enclosures of ``s^n exp[−Λ_0 s, …, −Λ_n s]`` for many multisets of nodes, given by their places in ``rates``.

    Nodes that nearly coincide, for which the table would cancel, are left to a matrix exponential; nodes or a clock too
    wide for a relative bound are followed to their ends, the divided difference being monotone in every ``Λ_j s``.

    >>> rates = [flint.arb(1), flint.arb(2), flint.arb(0)]
    >>> first, second = exp_dd_balls(rates, [(0, 1), (0, 2, 2)], flint.arb(2).log())
    >>> first.overlaps(flint.arb(0.25)), second.overlaps(flint.arb(2).log() - 0.5)
    (True, True)
    """
    if s == flint.arb("inf") or not s > 0:
        return [exp_dd_ball([rates[j] for j in nodes], s) for nodes in needed]
    table = _Table(rates, s)
    blocks = [table.sorted(nodes) for nodes in needed]
    bits = flint.ctx.prec
    with flint.ctx.workprec(bits + GUARD):
        values = [table.block(block) for block in blocks]
    out: list[flint.arb] = []
    for block, value in zip(blocks, values, strict=True):
        change = table.change(block)
        if not change < WIDE:
            value = _between_ends([rates[table.order[place]] for place in block], s)
        else:
            if value.rel_accuracy_bits() < bits - LOST:
                value = exp_dd_ball([table.nodes[place] for place in block], table.clock)
            value = value + value * (_UNIT * (2 * change))  # e^x − 1 ≤ 2x below one half
        out.append(value)
    return out


class _Table:
    """Blocks of sorted nodes at the midpoints, each filled once; places are ranks among the rates."""

    def __init__(self, rates: Sequence[flint.arb], s: flint.arb) -> None:
        middles = [rate.mid() for rate in rates]
        self.order = sorted(range(len(rates)), key=middles.__getitem__)
        self.rank = {j: place for place, j in enumerate(self.order)}
        self.nodes = [middles[j] for j in self.order]
        self.radii = [rates[j].rad() for j in self.order]
        self.widest = max(self.radii)
        self.clock, self.spread, self.shortest, self.longest = s.mid(), s.rad(), s.lower(), s.upper()
        self.exact = self.spread == 0 and self.widest == 0
        self.blocks: dict[tuple[int, ...], flint.arb] = {}
        self.gaps: dict[tuple[int, int], flint.arb] = {}
        self.shares: dict[tuple[int, int], flint.arb] = {}

    def sorted(self, nodes: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted([self.rank[j] for j in nodes]))

    def block(self, places: tuple[int, ...]) -> flint.arb:
        """The value at the midpoints."""
        known = self.blocks.get(places)
        if known is None:
            first, last = places[0], places[-1]
            if first == last:
                n = len(places) - 1
                known = (-self.nodes[first] * self.clock).exp()
                if n:
                    known = known * self.clock**n / factorial(n)
            else:
                gap = self.gaps.get((first, last))
                if gap is None:
                    gap = self.gaps[first, last] = 1 / (self.nodes[last] - self.nodes[first])
                known = (self.block(places[:-1]) - self.block(places[1:])) * gap
            self.blocks[places] = known
        return known

    def change(self, places: tuple[int, ...]) -> flint.arb:
        """A bound on the change of the logarithm within the radii of nodes and clock."""
        if self.exact:
            return self.spread
        least, n = places[0], len(places) - 1
        total = self.shares.get((least, -1 - n))
        if total is None:
            slowest = abs(self.nodes[least]) + self.widest
            clock = self.spread * (slowest + n / self.shortest) if self.shortest > 0 else flint.arb("inf")
            total = self.shares[least, -1 - n] = clock + self.radii[least] * self.longest
        for place in places[1:]:
            share = self.shares.get((least, place))
            if share is None:
                share = self.shares[least, place] = self._share(least, place)
            total = total + share
        return total

    def _share(self, least: int, place: int) -> flint.arb:
        """``δ_j max s E[t_j]`` for the radius ``δ_j`` of a node."""
        radius = self.radii[place]
        apart = self.nodes[place] - radius - self.nodes[least] - self.radii[least]
        return radius / apart if apart * self.longest > 1 else radius * self.longest


def _between_ends(nodes: Sequence[flint.arb], s: flint.arb) -> flint.arb:
    """From both ends of every ``Λ_j s``, in which ``exp[−Λ_0 s, …, −Λ_n s]`` decreases."""
    exponents = [node * s for node in nodes]
    if not all(exponent.is_finite() for exponent in exponents):
        return flint.arb("nan")
    one = flint.arb(1)
    ends = [exp_dd_ball([end(exponent) for exponent in exponents], one) for end in (flint.arb.lower, flint.arb.upper)]
    return s ** (len(nodes) - 1) * ends[0].union(ends[1])
