"""Exact lumping: contexts that guidance cannot tell apart become one state.

For class guidance the rates at a context depend on the class posterior and on the class laws of the masked positions.
So contexts merge by

* class posterior and number of revealed tokens, where every class law is a product with one factor at all positions;
* class posterior and revealed positions, where every class law is a product;
* the histogram of revealed tokens, where every class law is exchangeable.

For a pair of laws the posterior says nothing: each is a class of its own. Nothing else is lumped: exchangeability alone
does not make the posterior sufficient, nor do posterior and number suffice where factors depend on the position.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import factorial, prod
from typing import Any

from symguide.chains.chain import Chain, assemble
from symguide.errors import ChainTooLargeError
from symguide.laws.law import Context, Law, TableLaw
from symguide.laws.mixture import Problem
from symguide.laws.products import ProductLaw, as_product
from symguide.laws.tilt import Tilt
from symguide.numbers.expsum import ExpSum, Quotient
from symguide.numbers.number import Number, total

__all__ = ["MAX_LUMPS", "Lumping", "lump", "lumped_chain"]

MAX_LUMPS = 60_000
"""Lumps beyond which a chain is not built."""

Key = Hashable


@dataclass(frozen=True)
class Lumping:
    """Which contexts of a problem merge, and why they may.

    Attributes
    ----------
    problem
        What is lumped.
    kind
        ``"posterior and number"``, ``"posterior and positions"`` or ``"histogram"``.
    classes
        Priors and laws of the classes; products for the first two kinds. The two laws of a pair, without priors.

    >>> from symguide.instances.datasets import load
    >>> lump(load("hypercubes-5d")).kind
    'posterior and number'
    """

    problem: Problem
    kind: str
    classes: tuple[tuple[Number | None, Law], ...]


def lump(problem: Problem) -> Lumping | None:
    """The coarsest lumping whose conditions hold exactly, ``None`` where none does.

    Only exact data are lumped: that floats factor cannot be known.

    >>> from symguide.instances.datasets import load
    >>> lump(load("slower-sampling")).kind
    'posterior and positions'
    """
    classes = _classes(problem)
    products = [as_product(law) for _, law in classes]
    if all(product is not None for product in products):
        factored = tuple((prior, product) for (prior, _), product in zip(classes, products, strict=True) if product)
        alike = all(product.is_iid for _, product in factored)
        return Lumping(problem, "posterior and number" if alike else "posterior and positions", factored)
    if problem.length > 1 and all(_is_exchangeable(law) for _, law in classes):
        return Lumping(problem, "histogram", classes)
    return None


def lumped_chain(lumping: Lumping, tilt: Tilt, limit: int = MAX_LUMPS) -> Chain[Any]:
    """The guided chain on lumps; each is represented by one of its contexts and counts them in ``multiplicity``.

    Parameters
    ----------
    lumping
        From :func:`lump`.
    tilt
        Guidance of the lumped problem, with open or fixed strength.
    limit
        Largest number of lumps.

    Raises
    ------
    ChainTooLargeError
        When there are more lumps.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> problem = load("hypercubes-5d")
    >>> chain = lumped_chain(lump(problem), guidance(problem))
    >>> len(chain.states), sum(chain.multiplicity)
    (11, 1024)
    """
    length = tilt.grid[1]
    start: Context = (None,) * length
    edges: dict[Context, list[tuple[Context, int, int, Any]]] = {start: []}
    exits: dict[Context, ExpSum] = {}
    counts: dict[Context, Fraction] = {start: Fraction(1)}
    unconditional = tilt.is_symbolic
    level: dict[Key, tuple[Context, Any]] = {None: (start, tuple(prior for prior, _ in lumping.classes))}
    for revealed in range(length):
        following: dict[Key, tuple[Context, Any]] = {}
        for context, posterior in level.values():
            # Positions that lumps do not tell apart are revealed from the left.
            shown = [revealed]
            if lumping.kind == "posterior and positions":
                shown = [i for i, token in enumerate(context) if token is None]
            alike = (length - revealed) // len(shown)
            leaving: list[ExpSum] = []
            for position in shown:
                tables = _tables(lumping, context, position, posterior)
                intensities = tilt.intensities_of(tables, context, position)
                if unconditional and tables[1].keys() != intensities.keys():
                    unconditional = False
                if not intensities:
                    continue
                whole = ExpSum.sum(intensities.values())
                leaving.append(_times(alike, ExpSum.constant(Fraction(1)) if tilt.normalised else whole))
                merged: Counter[tuple[Context, ExpSum]] = Counter()
                for token, intensity in intensities.items():
                    after = _update(lumping, posterior, position, token)
                    key = _key(lumping, context, position, token, after)
                    if key not in following:
                        target = (*context[:position], token, *context[position + 1 :])
                        if len(edges) >= limit:
                            raise ChainTooLargeError(
                                f"the guided chain of {lumping.problem.name} has more than {limit} lumps by "
                                f"{lumping.kind}, the limit; use fewer positions"
                            )
                        following[key] = target, after
                        edges[target], counts[target] = [], Fraction(0)
                    target = following[key][0]
                    counts[target] += counts[context] * alike / (revealed + 1)
                    merged[target, intensity] += 1
                for (target, intensity), tokens in merged.items():
                    together = _times(alike * tokens, intensity)
                    rate = Quotient(together, whole) if tilt.normalised else together
                    edges[target].append((context, position, target[position] or 0, rate))
            exits[context] = ExpSum.sum(leaving)
        level = following
    for context, _ in level.values():
        exits[context] = ExpSum(())
    chain = assemble(tilt.grid[0], length, edges, exits)
    multiplicity = tuple(int(counts[context]) for context in chain.states)
    return replace(chain, multiplicity=multiplicity, includes_unconditional=not tilt.is_symbolic or unconditional)


def _classes(problem: Problem) -> tuple[tuple[Number | None, Law], ...]:
    if problem.classes is None:
        return ((None, problem.conditional), (None, problem.unconditional))
    return tuple((problem.classes.priors[key], law) for key, law in problem.classes.laws.items())


def _tables(lumping: Lumping, context: Context, position: int, posterior: Any) -> list[Mapping[int, Number]]:
    """Conditional and unconditional law of one masked position."""
    if lumping.kind == "histogram":
        problem = lumping.problem
        return [law.conditional(context, position) for law in (problem.conditional, problem.unconditional)]
    factors = _factors(lumping, position)
    if lumping.problem.classes is None:
        return factors
    target = list(lumping.problem.classes.laws).index(lumping.problem.target or "")
    tokens = sorted({token for factor, weight in zip(factors, posterior, strict=True) if weight for token in factor})
    mixed = {token: total([p * f.get(token, 0) for p, f in zip(posterior, factors, strict=True)]) for token in tokens}
    return [factors[target], mixed]


def _update(lumping: Lumping, posterior: Any, position: int, token: int) -> Any:
    """The class posterior after one more token; nothing for pairs and histograms, which need none."""
    if lumping.kind == "histogram" or lumping.problem.classes is None:
        return None
    factors = _factors(lumping, position)
    joint = [p * f.get(token, Fraction(0)) for p, f in zip(posterior, factors, strict=True)]
    whole = sum(joint, start=Fraction(0))
    return tuple(value / whole for value in joint)


def _factors(lumping: Lumping, position: int) -> list[Mapping[int, Number]]:
    return [law.factors[position] for _, law in lumping.classes if isinstance(law, ProductLaw)]


def _key(lumping: Lumping, context: Context, position: int, token: int, posterior: Any) -> Key:
    """What the context after a reveal is known by."""
    if lumping.kind == "histogram":
        return tuple(sorted([token, *(v for v in context if v is not None)]))
    if lumping.kind == "posterior and positions":
        return frozenset([position, *(i for i, v in enumerate(context) if v is not None)]), posterior
    return posterior


def _times(count: int, rate: ExpSum) -> ExpSum:
    return ExpSum.of((coefficient * count, base) for base, coefficient in rate)


def _is_exchangeable(law: Law) -> bool:
    """Whether permuting positions leaves every weight as it is."""
    if not isinstance(law, TableLaw) or not all(isinstance(weight, Fraction) for weight in law.weights.values()):
        return False
    groups: dict[tuple[int, ...], list[Number]] = defaultdict(list)
    for tokens, weight in law.weights.items():
        groups[tuple(sorted(tokens))].append(weight)
    return all(
        len(weights) == factorial(law.length) // prod(map(factorial, Counter(tokens).values()))
        and all(weight == weights[0] for weight in weights)
        for tokens, weights in groups.items()
    )
