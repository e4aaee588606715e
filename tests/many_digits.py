"""The guided chain at hundreds of digits, by exponential polynomials: a reference for everything that is compiled, and
instances that ask for it.

Nothing of the package is used but joint tables: rates are formed by their definition in mpmath, and the triangular
equations ``dP_x/ds = Σ r P_y − Λ_x P_x`` are integrated one after another as sums ``Σ c s^k e^{−Λ s}``. Their terms
cancel without mercy; digits make up for it. Rates closer than any gap of rational data are one rate.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import combinations, product
from math import log10
from random import Random
from typing import Any

import mpmath
from laws.second_route import conditional
from strategies import Instance, mixture, uniform

__all__ = ["Reference", "digits_for", "gentle", "near_tie", "reference", "small_prior"]

Context = tuple[int | None, ...]
_TIE = 200
"""Digits to which different rates may agree."""


def near_tie(gap: Fraction) -> Instance:
    """``Λ(M,M) = c(0) = 15/7`` at ``w = 1``, two rates along one path, but for a gap in the data."""
    quarter = Fraction(1, 4)
    target = {(0, 0): quarter + gap, (0, 1): 2 * quarter, (1, 0): quarter - gap}
    return mixture(2, 2, [(quarter, target), (3 * quarter, uniform([(0, 0), (1, 1)]))])


def small_prior(length: int, prior: Fraction) -> Instance:
    """A rare class: bases up to ``1/prior``, and rates as low as ``prior`` near ``w = −1``."""
    tokens = [(0, 0, 0), (0, 1, 1), (1, 1, 0), (1, 1, 1)]
    other = [(0, 0, 0), (0, 0, 1), (1, 0, 0), (0, 1, 0)]
    tables = [uniform(dict.fromkeys(x[:length] for x in support)) for support in (tokens, other)]
    return mixture(2, length, [(prior, tables[0]), (1 - prior, tables[1])])


def gentle(length: int, seed: int, vocabulary: int = 2) -> Instance:
    """Laws within a few percent of each other: ``Z`` is moderate for ``w`` in the hundreds."""
    random = Random(seed)
    points = list(product(range(vocabulary), repeat=length))
    heavy = [{x: 1000 + random.randint(-40, 40) for x in points} for _ in range(2)]
    tables = [{x: Fraction(weight, sum(table.values())) for x, weight in table.items()} for table in heavy]
    return mixture(vocabulary, length, [(Fraction(1, 2), table) for table in tables])


class Reference:
    """``P_x`` of every reachable context as ``{Λ: [coefficients of s^k e^{−Λ s}]}``, in digits enough."""

    def __init__(self, rates: Mapping[tuple[Context, Context], Any], length: int, digits: int) -> None:
        self.digits = digits
        incoming: dict[Context, list[tuple[Context, Any]]] = defaultdict(list)
        exits: dict[Context, Any] = defaultdict(mpmath.mpf)
        for (source, target), rate in rates.items():
            incoming[target].append((source, rate))
            exits[source] += rate
        start: Context = (None,) * length
        self.laws: dict[Context, dict[Any, list[Any]]] = {}
        self._known: list[Any] = []
        self.exits = {context: self._rate(value) for context, value in exits.items()}
        with mpmath.workdps(digits):
            for shown in range(length + 1):
                for context in sorted({start, *incoming}, key=str):
                    if sum(token is not None for token in context) != shown:
                        continue
                    sources = [(y, rate) for y, rate in incoming[context] if y in self.laws]
                    if context == start:
                        self.laws[context] = {self._exit(context): [mpmath.mpf(1)]}
                    elif sources:
                        self.laws[context] = self._integrate(sources, self._exit(context))

    def _exit(self, context: Context) -> Any:
        return self.exits.get(context, self._rate(mpmath.mpf(0)))

    def _rate(self, value: Any) -> Any:
        """One representative of all rates that are the same to ``_TIE`` digits."""
        for known in self._known:
            if abs(known - value) <= abs(value) * mpmath.mpf(10) ** -_TIE:
                return known
        self._known.append(value)
        return value

    def _integrate(self, sources: Iterable[tuple[Context, Any]], exit_rate: Any) -> dict[Any, list[Any]]:
        drive: dict[Any, list[Any]] = defaultdict(list)
        for source, rate in sources:
            for decay, coefficients in self.laws[source].items():
                row = drive[decay]
                row += [mpmath.mpf(0)] * (len(coefficients) - len(row))
                for k, value in enumerate(coefficients):
                    row[k] += rate * value
        out: dict[Any, list[Any]] = {}
        for decay, row in drive.items():
            gap = exit_rate - decay
            if gap == 0:  # p' = c
                out[decay] = [mpmath.mpf(0), *(value / (k + 1) for k, value in enumerate(row))]
            else:  # p' + gap p = c, from the highest power down
                solved = [mpmath.mpf(0)] * (len(row) + 1)
                for k in reversed(range(len(row))):
                    solved[k] = (row[k] - (k + 1) * solved[k + 1]) / gap
                out[decay] = solved[:-1]
        own = out.setdefault(exit_rate, [mpmath.mpf(0)])
        own[0] -= sum((row[0] for row in out.values()), mpmath.mpf(0))
        return out

    @property
    def transient(self) -> list[Context]:
        """Contexts that will be left."""
        return [context for context in self.laws if context in self.exits]

    def clock(self, u: float) -> Any:
        """``−ln u``."""
        with mpmath.workdps(self.digits):
            return -mpmath.log(mpmath.mpf(u)) if u else mpmath.inf

    def at(self, s: Any, contexts: Iterable[Context]) -> Any:
        """``Σ_x P_x(s)`` over some contexts."""
        with mpmath.workdps(self.digits):
            sums: dict[Any, list[Any]] = defaultdict(list)
            for context in contexts:
                for decay, row in self.laws[context].items():
                    sums[decay].append(row[0] if s == mpmath.inf else mpmath.polyval(row[::-1], s))
            if s == mpmath.inf:
                return mpmath.fsum(sums.get(self._rate(mpmath.mpf(0)), []))
            return mpmath.fsum(mpmath.fsum(parts) * mpmath.exp(-decay * s) for decay, parts in sums.items())

    def tv(self, s: Any) -> Any:
        """``TV(P(s), P(∞))``."""
        return self.at(s, self.transient)

    def arrived(self, s: Any) -> Any:
        """``1 − TV``."""
        return self.at(s, [context for context in self.laws if context not in self.exits])


def digits_for(instance: Instance, w: float, s: float) -> int:
    """Enough for chains of three tokens: near-ties, early clocks, and rates as different as ``b^w`` makes them."""
    ratios = [
        value / conditional(instance.unconditional, context, position)[token]
        for context in _contexts(instance)
        for position, shown in enumerate(context)
        if shown is None
        for token, value in conditional(instance.conditional, context, position).items()
    ]
    spread = log10(max(max(ratios), 1 / min(ratios)))
    early = max(0.0, -log10(s)) if s else 0.0
    return int(300 + 4 * early + 4 * abs(w) * spread)


def reference(instance: Instance, rule: str, w: float, digits: int) -> Reference:
    """The chain of an instance by definition, ``w`` being the double it is."""
    rates: dict[tuple[Context, Context], Any] = {}
    with mpmath.workdps(digits):
        power = mpmath.mpf(w)

        def number(value: Fraction) -> Any:
            return mpmath.mpf(value.numerator) / value.denominator

        for context in _contexts(instance):
            for position, shown in enumerate(context):
                if shown is not None:
                    continue
                p = conditional(instance.conditional, context, position)
                q = conditional(instance.unconditional, context, position)
                found = {v: number(value) * (number(value) / number(q[v])) ** power for v, value in p.items()}
                whole = mpmath.fsum(found.values())
                for token, value in found.items():
                    target = (*context[:position], token, *context[position + 1 :])
                    rates[context, target] = value / whole if rule == "normalised" else value
        return Reference(rates, instance.length, digits)


def _contexts(instance: Instance) -> Iterable[Context]:
    """Partial views of the support."""
    places = range(instance.length)
    masks = [set(chosen) for count in range(instance.length + 1) for chosen in combinations(places, count)]
    views = [
        tuple(None if j in mask else token for j, token in enumerate(tokens))
        for tokens, mask in product(instance.conditional, masks)
    ]
    return dict.fromkeys(views)
