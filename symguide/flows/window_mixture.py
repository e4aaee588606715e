"""The normalised rule under piecewise constant guidance: a mixture over how many reveals fall into each window.

Reveal times are i.i.d. and uniform in ``u``, whatever the strengths. With windows ``1 = u_0 > … > u_J`` the law at
``u_J`` mixes the counts ``n_1 … n_J`` with the multinomial weights ``D!/(Π n_j! (D−n)!) · Π (u_{j−1} − u_j)^{n_j} ·
u_J^{D−n}``; a component averages, over the orders of revealing, products of one-token tilted conditionals, the ``m``-th
with the strength of its window. At ``u_J = 0`` every token is revealed: ``(J+D−1 choose D)`` components.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import factorial, prod
from typing import Any

from symguide.chains.chain import MAX_CONTEXTS, Chain, guided_chain
from symguide.chains.functionals import Distribution
from symguide.errors import DataError, NotExactError
from symguide.laws.law import Context, format_context
from symguide.laws.tilt import Tilt
from symguide.numbers.arithmetic import FLOATS, SYMBOLIC, Arithmetic
from symguide.numbers.number import Number, to_sympy
from symguide.schedules.guidance_schedule import GuidanceSchedule, Window

__all__ = ["Component", "mix", "window_mixture"]


@dataclass(frozen=True, slots=True)
class Component:
    """The law given how many reveals fall into each window, and the probability of that.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> Component((2, 0), Fraction(1, 4), Distribution(((0, 0),), (Fraction(1),), RATIONAL)).counts
    (2, 0)
    """

    counts: tuple[int, ...]
    weight: Any
    law: Distribution


def window_mixture(
    tilt: Tilt, schedule: GuidanceSchedule, arithmetic: Arithmetic, fraction: Number = Fraction(0)
) -> tuple[Component, ...]:
    """The components of the law at a mask fraction, from most reveals early to most late.

    Parameters
    ----------
    tilt
        A normalised tilt with its strength open.
    schedule
        Constant in every window; strengths and boundaries may be symbols where the arithmetic is SymPy.
    arithmetic
        Of the components; rationals for rational data, integer strengths and rational mask fractions.
    fraction
        Where the law is taken: the terminal law at 0.

    Raises
    ------
    DataError
        For raw intensities, whose reveal times depend on the strength, and for chains with dead positions.
    NotExactError
        For a strength that varies within a window.

    References
    ----------
    Rojas et al., arXiv:2507.08965: two tokens and three windows, six components.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> third = Fraction(1, 3)
    >>> early = GuidanceSchedule.of([(3, 1, 2 * third), (0, 2 * third, third), (0, third, 0)])
    >>> parts = window_mixture(guidance(load("squares-overlap"), "normalised"), early, RATIONAL)
    >>> [(part.counts, str(part.weight)) for part in parts][:3]
    [((2, 0, 0), '1/9'), ((1, 1, 0), '2/9'), ((1, 0, 1), '2/9')]
    >>> mix(parts)[2, 2]
    Fraction(1369, 23409)
    """
    if not tilt.normalised:
        raise DataError(
            "window mixture: the intensities are raw, so reveal times depend on the strengths and the law is no such "
            "mixture; use the normalised rule, or a flow"
        )
    windows = schedule.until(fraction)
    for window in windows:
        if not window.is_constant:
            raise NotExactError(
                f"guidance schedule {schedule}: its strength varies in a window, so there are infinitely many "
                "components; use schedule.refined(pieces), or a flow in balls"
            )
    chain = guided_chain(tilt, limit=MAX_CONTEXTS)
    _check(chain, windows)
    valued = [chain.over(arithmetic, _strength(window.strength, arithmetic)) for window in windows]
    masks = sum(token is None for token in chain.start)
    found: list[Component] = []
    for shown in [masks] if fraction == 0 else range(masks + 1):
        for counts, law in _components(valued, shown):
            states = tuple(context for context in chain.states if _revealed(chain, context) == shown)
            probabilities = tuple(law[chain.index[context]] for context in states)
            weight = _weight(counts, windows, masks, fraction, arithmetic)
            found.append(Component(counts, weight, Distribution(states, probabilities, arithmetic)))
    return tuple(found)


def mix(components: Sequence[Component]) -> Distribution:
    """``Σ weight · law``: the law that the components make up.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> one = Distribution(((0,), (1,)), (Fraction(1, 4), Fraction(3, 4)), RATIONAL)
    >>> mix([Component((1,), Fraction(1), one)])[(1,)]
    Fraction(3, 4)
    """
    arithmetic = components[0].law.arithmetic
    gathered: dict[Context, list[Any]] = {}
    for part in components:
        for context, probability in part.law.table.items():
            gathered.setdefault(context, []).append(part.weight * probability)
    return Distribution(tuple(gathered), tuple(map(arithmetic.total, gathered.values())), arithmetic)


def _components(valued: Sequence[Chain[Any]], reveals: int) -> Iterator[tuple[tuple[int, ...], list[Any]]]:
    """Counts with the law after as many reveals; components with a common beginning share it."""
    one = valued[0].arithmetic.number(Fraction(1)) if valued and valued[0].arithmetic else Fraction(1)

    def follow(first: int, counts: tuple[int, ...], law: dict[int, Any]) -> Iterator[tuple[tuple[int, ...], Any]]:
        if sum(counts) == reveals:
            yield counts, law
            return
        for j in range(first, len(valued)):
            longer = tuple(n + (k == j) for k, n in enumerate(counts))
            yield from follow(j, longer, _revealed_once(valued[j], law))

    yield from follow(0, (0,) * len(valued), {0: one})


def _revealed_once(chain: Chain[Any], law: dict[int, Any]) -> dict[int, Any]:
    """The law after one more reveal: any masked position with the same chance, its token by the tilted conditional."""
    assert chain.arithmetic is not None
    gathered: dict[int, list[Any]] = {}
    for state, reveals in enumerate(chain.incoming):
        for reveal in reveals:
            if reveal.source in law:
                into = law[reveal.source] * reveal.rate / chain.exit_rate(reveal.source)
                gathered.setdefault(state, []).append(into)
    return {state: chain.arithmetic.total(parts) for state, parts in gathered.items()}


def _weight(
    counts: Sequence[int], windows: Sequence[Window], masks: int, fraction: Number, arithmetic: Arithmetic
) -> Any:
    left = masks - sum(counts)
    ways = Fraction(factorial(masks), prod(map(factorial, counts)) * factorial(left))
    lengths = prod((window.length**n for window, n in zip(windows, counts, strict=True)), start=Fraction(1))
    return arithmetic.number(ways * lengths * (fraction**left if left else 1))


def _revealed(chain: Chain[Any], context: Context) -> int:
    return sum(token is not None for token in context) - sum(token is not None for token in chain.start)


def _strength(strength: Number, arithmetic: Arithmetic) -> Any:
    if arithmetic is SYMBOLIC:
        return to_sympy(strength)
    return float(strength) if arithmetic is FLOATS else strength


def _check(chain: Chain[Any], windows: Sequence[Window]) -> None:
    for state, context in enumerate(chain.states):
        masks = sum(token is None for token in context)
        if chain.exit_rate(state).at(SYMBOLIC, 0) != masks:
            raise DataError(
                f"context {format_context(context)} has a position that nothing reveals, so orders are not uniform and "
                "the law is no mixture over windows; use a flow"
            )
