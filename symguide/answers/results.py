"""A number as answers give it, what is answered at one strength and one mask fraction, and the functionals in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import inf, isfinite
from typing import Any

import flint
import sympy
from sympy import Expr

from symguide.chains.functionals import (
    Distribution,
    column,
    entropy,
    kl_divergence,
    posterior,
    reciprocal_posterior,
    total_variation,
)
from symguide.closed_forms.compiled import enclose
from symguide.errors import DataError, InfiniteValueError, NotExactError
from symguide.laws.composition import Composition
from symguide.laws.law import Context
from symguide.laws.mixture import Problem
from symguide.numbers.arithmetic import RATIONAL, SYMBOLIC
from symguide.numbers.number import Number, to_sympy
from symguide.schedules.guidance_schedule import GuidanceSchedule

__all__ = ["FUNCTIONALS", "Quantity", "Result", "finite", "functionals", "middle", "nearest"]

FUNCTIONALS = (
    "entropy",
    "posterior",
    "reciprocal_posterior",
    "kl_to_class",
    "kl_to_tilted",
    "tv_to_tilted",
    "mean_unmasking_clock",
)
"""The functionals of a terminal law that answers report."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number: its double, correctly rounded up to one unit, and its exact form where there is one."""

    value: float
    exact: Number | None

    @classmethod
    def of(cls, value: Any) -> "Quantity":
        """From a value of any arithmetic.

        >>> Quantity.of(Fraction(1, 4))
        Quantity(value=0.25, exact=Fraction(1, 4))
        """
        if isinstance(value, Fraction):
            return cls(nearest(value), value)
        if isinstance(value, sympy.Rational):
            return cls.of(Fraction(int(value.p), int(value.q)))
        if isinstance(value, Expr):
            return cls(middle(enclose(value, {})), value)
        return cls(float(value), None)


@dataclass(frozen=True, slots=True)
class Result:
    """The answers at one strength ``w``, or what stands in its place, and, where given, at one mask fraction ``u``.

    ``terminal`` is the law sampled as ``u → 0``, ``states`` the law at ``u``; ``functionals`` are of the terminal law
    and are ``None`` where they do not exist (a posterior of a pair) or are infinite.

    Attributes
    ----------
    notes
        What a reader of these numbers must know.
    whole
        Whether ``terminal`` lists every token tuple of positive probability.

    >>> from symguide.answers.answer import answer
    >>> from symguide.instances.datasets import load
    >>> answer(load("interval-overlap"), [Fraction(1)]).results[0].functionals["tv_to_tilted"]
    Quantity(value=0.0, exact=Fraction(0, 1))
    """

    w: Number | GuidanceSchedule | Composition
    u: Number | None
    tv: Quantity | None
    log_tv: float | None
    log_minus_log_tv: float | None
    terminal: Mapping[Context, Quantity]
    states: Mapping[Context, Quantity] | None
    functionals: Mapping[str, Quantity | None]
    dead: Quantity | None
    notes: tuple[str, ...] = ()
    whole: bool = True


def functionals(
    problem: Problem, law: Distribution, tilted: Callable[[], Distribution], mean_clock: Any
) -> tuple[dict[str, Quantity | None], tuple[str, ...]]:
    """The functionals of a terminal law, ``None`` where one does not exist, and a note on those that are infinite.

    Only the mean unmasking clock exists for a law that has lost mass to dead contexts; the others are left out there
    by whoever asks.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.functionals import law_distribution
    >>> problem = load("interval-overlap")
    >>> law = law_distribution(problem.conditional, RATIONAL)
    >>> functionals(problem, law, lambda: law, Fraction(1))[0]["posterior"]
    Quantity(value=0.8333333333333334, exact=Fraction(5, 6))
    """
    # Logarithms of rationals are SymPy's.
    logs = law.map(to_sympy, SYMBOLIC) if law.arithmetic is RATIONAL else law
    like = tilted()
    tilted_logs = like.map(to_sympy, SYMBOLIC) if law.arithmetic is RATIONAL else like
    computed: dict[str, Callable[[], Any]] = {
        "entropy": lambda: entropy(logs),
        "posterior": lambda: posterior(law, problem),
        "reciprocal_posterior": lambda: reciprocal_posterior(law, problem),
        "kl_to_class": lambda: kl_divergence(logs, _class_law(problem, logs)),
        "kl_to_tilted": lambda: kl_divergence(logs, tilted_logs),
        "tv_to_tilted": lambda: total_variation(law, like),
        "mean_unmasking_clock": lambda: mean_clock,
    }
    out: dict[str, Quantity | None] = dict.fromkeys(FUNCTIONALS)
    infinite = []
    for name in FUNCTIONALS:
        try:
            out[name] = Quantity.of(computed[name]())
        except InfiniteValueError:
            infinite.append(name)
        except DataError:
            out[name] = None
    notes = (f"{' and '.join(infinite)} {'is' if len(infinite) == 1 else 'are'} infinite",) if infinite else ()
    return out, notes


def _class_law(problem: Problem, law: Distribution) -> Distribution:
    weights = [law.arithmetic.number(problem.conditional.weight(x)) for x in law.states]
    return Distribution(law.states, column(weights, law.arithmetic), law.arithmetic)


def middle(ball: flint.arb) -> float:
    """The double of an enclosure that is tight enough to have one.

    Raises
    ------
    NotExactError
        For a wider one.

    >>> middle(flint.arb("0.25"))
    0.25
    """
    if ball.is_finite() and (ball.rad() < flint.arb(2) ** -1100 or ball.rad() < abs(ball) * flint.arb(2) ** -52):
        return float(ball)
    raise NotExactError(
        f"a value is only known to lie in {ball.str(6)}, too wide for a number, at the highest precision tried; "
        "use the array path"
    )


def finite(ball: flint.arb) -> float | None:
    """The double of an enclosure, ``None`` where there is none in range.

    >>> finite(flint.arb(0).log()) is None
    True
    """
    value = middle(ball) if ball.is_finite() else inf
    return value if isfinite(value) else None


def nearest(value: Number) -> float:
    """The double nearest to an exact number, infinite beyond their range.

    >>> nearest(Fraction(10**400))
    inf
    """
    try:
        return float(value)
    except OverflowError:
        return inf
