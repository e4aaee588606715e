"""The guided chain a second time: from joint tables by plain sums, with laws by linear algebra.

Nothing of the package is used but the joint tables of an instance: conditionals sum the tables, rates are formed by
their definition, the generator is a matrix over *all* contexts, the terminal law solves the linear equations of the
jump chain, and the law at ``u`` is the matrix exponential in ball arithmetic.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Any

import flint
from strategies import Instance, Table

__all__ = ["SecondRoute", "agree", "ball", "conditional", "guided"]

Context = tuple[int | None, ...]

ALL = ("rate", "normalised")


def ball(value: Fraction) -> flint.arb:
    """An enclosure of a rational."""
    return flint.arb(flint.fmpq(value.numerator, value.denominator))


def agree(left: flint.arb, right: flint.arb, digits: int = 30) -> bool:
    """Whether two enclosures overlap and are so narrow that they share that many digits."""
    narrow = flint.arb(10) ** -digits * abs(right) if right != 0 else flint.arb(10) ** (-2 * digits)
    return bool(left.overlaps(right)) and bool((left - right).rad() <= narrow)


def matches(tokens: Iterable[int], context: Context) -> bool:
    """Whether tokens carry the revealed ones."""
    return all(shown in (None, token) for token, shown in zip(tokens, context, strict=True))


def conditional(table: Table, context: Context, position: int) -> dict[int, Fraction]:
    """``{v: p(v_i | x_S)}`` by summing the joint table; empty where the context has probability zero."""
    sums: dict[int, Fraction] = {}
    for tokens, weight in table.items():
        if matches(tokens, context):
            sums[tokens[position]] = sums.get(tokens[position], Fraction(0)) + weight
    whole = sum(sums.values(), Fraction(0))
    return {token: weight / whole for token, weight in sums.items()}


def exact_power(value: Fraction, exponent: Fraction) -> Fraction:
    """A rational to an integer power."""
    assert exponent.denominator == 1
    return value ** int(exponent)


def ball_power(value: Fraction, exponent: Fraction) -> flint.arb:
    """An enclosure of a rational to a rational power."""
    return ball(value) ** ball(exponent)


def intensity(p: Fraction, q: Fraction, w: Fraction, power: Callable[[Fraction, Fraction], Any]) -> Any:
    """``p^{1+w} q^{−w}``, where an exponent 0 gives 1 and a zero with positive exponent gives 0 (``None``)."""
    if (p == 0 and 1 + w > 0) or (q == 0 and -w > 0):
        return None
    assert p != 0 or 1 + w == 0
    assert q != 0 or w == 0, "infinite ratio"
    return power(p, 1 + w) * power(q, -w) if w not in (0, -1) else power(p if w == 0 else q, Fraction(1))


@dataclass(frozen=True)
class SecondRoute:
    """A chain as a table of rates between contexts, in rationals or in balls."""

    start: Context
    contexts: tuple[Context, ...]
    rates: dict[tuple[Context, Context], Any]

    @cached_property
    def index(self) -> dict[Context, int]:
        """The row of every context."""
        return {context: j for j, context in enumerate(self.contexts)}

    @cached_property
    def exits(self) -> dict[Context, Any]:
        """``Λ(x)``, left out where nothing leaves."""
        sums: dict[Context, Any] = {}
        for (source, _), rate in self.rates.items():
            sums[source] = sums[source] + rate if source in sums else rate
        return sums

    @cached_property
    def reachable(self) -> set[Context]:
        """The contexts to which a path of positive rates leads."""
        found, frontier = {self.start}, [self.start]
        following: dict[Context, list[Context]] = {}
        for source, target in self.rates:
            following.setdefault(source, []).append(target)
        while frontier:
            fresh = [target for target in following.get(frontier.pop(), ()) if target not in found]
            found.update(fresh)
            frontier.extend(fresh)
        return found

    @property
    def transient(self) -> set[Context]:
        """Reachable contexts that will be left."""
        return self.reachable & self.exits.keys()

    def visits(self) -> dict[Context, Any]:
        """Probability of ever visiting each reachable context: ``h = e_start + Jᵀ h``, solved as a linear system."""
        kept = sorted(self.reachable, key=self.index.__getitem__)
        row = {context: j for j, context in enumerate(kept)}
        exact = isinstance(next(iter(self.rates.values()), Fraction(0)), Fraction)
        matrix = (flint.fmpq_mat if exact else flint.arb_mat)(len(kept), len(kept))
        right = (flint.fmpq_mat if exact else flint.arb_mat)(len(kept), 1)
        right[row[self.start], 0] = 1
        for j in range(len(kept)):
            matrix[j, j] = 1
        for (source, target), rate in self.rates.items():
            if source in row:
                chance = rate / self.exits[source]
                matrix[row[target], row[source]] = (
                    flint.fmpq(-chance.numerator, chance.denominator) if exact else -chance
                )
        solved = matrix.solve(right)
        values = [solved[j, 0] for j in range(len(kept))]
        if exact:
            values = [Fraction(int(value.p), int(value.q)) for value in values]
        return dict(zip(kept, values, strict=True))

    def terminal(self) -> dict[Context, Any]:
        """The terminal law, on the reachable contexts without masks."""
        return {context: value for context, value in self.visits().items() if None not in context}

    def at(self, u: Fraction) -> dict[Context, flint.arb]:
        """``P_x(u)`` on the reachable contexts: the start's row of ``exp(−ln(u) A)``, in balls."""
        kept = sorted(self.reachable, key=self.index.__getitem__)
        row = {context: j for j, context in enumerate(kept)}
        generator = flint.arb_mat(len(kept), len(kept))
        for (source, target), rate in self.rates.items():
            if source in row:
                value = ball(rate) if isinstance(rate, Fraction) else rate
                generator[row[source], row[target]] = value
                generator[row[source], row[source]] -= value
        flow = (generator * -ball(u).log()).exp()
        return {context: flow[row[self.start], row[context]] for context in kept}


def guided(
    instance: Instance, rule: str, w: Fraction, start: Context | None = None, exact: bool | None = None
) -> SecondRoute:
    """The guided chain by definition: rationals at integer ``w``, balls otherwise (or if ``exact`` is false)."""
    power = exact_power if (w.denominator == 1 if exact is None else exact) else ball_power
    contexts = tuple(product((None, *range(instance.vocabulary)), repeat=instance.length))
    rates: dict[tuple[Context, Context], Any] = {}
    for context in contexts:
        for position, shown in enumerate(context):
            if shown is not None:
                continue
            p = conditional(instance.conditional, context, position)
            q = conditional(instance.unconditional, context, position)
            if (not p and 1 + w > 0) or (not q and w != 0):
                continue  # the context has probability zero under a law that counts: nothing leads there
            found = {
                token: intensity(p.get(token, Fraction(0)), q.get(token, Fraction(0)), w, power)
                for token in range(instance.vocabulary)
            }
            raw = {token: value for token, value in found.items() if value is not None}
            whole = sum(list(raw.values())[1:], start=next(iter(raw.values()))) if raw else None
            for token, value in raw.items():
                target = (*context[:position], token, *context[position + 1 :])
                rates[context, target] = value / whole if rule == "normalised" else value
    return SecondRoute((None,) * instance.length if start is None else start, contexts, rates)
