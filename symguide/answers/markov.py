"""Answers for Markov pairs: gaps in place of contexts, for any number of positions."""

from collections.abc import Sequence
from math import exp, inf, isfinite, log

from symguide.answers.arrays import clock
from symguide.answers.results import FUNCTIONALS, Quantity, Result, nearest
from symguide.errors import ChainTooLargeError, StrengthError, SymguideError
from symguide.laws.law import Context
from symguide.laws.mixture import Problem
from symguide.markov_pairs.gaps import GapSystem
from symguide.markov_pairs.marginals import marginals
from symguide.markov_pairs.sequences import Ranking, most_probable
from symguide.markov_pairs.survival import Survival, survival
from symguide.numbers.arithmetic import FLOATS
from symguide.numbers.number import Number, shown

__all__ = ["markov_results"]

_LEAST = 1e-6
"""Mask fraction down to which the curve of TV is followed in any case."""

_KNOWN = 1e-12
"""Errors of TV above are reported."""


def markov_results(
    problem: Problem, system: GapSystem, w: Number, fractions: Sequence[Number], top: int | None
) -> list[Result]:
    """The answers at one strength, one for every mask fraction.

    Listed are the ``top`` most probable sequences, none for 0. Functionals of the terminal law that are sums over all
    sequences do not exist here; TV and the mean of the last reveal do where both laws are homogeneous.

    Raises
    ------
    ChainTooLargeError
        Without ``top``: all sequences are too many to list.
    StrengthError
        For a strength beyond the doubles.

    >>> from fractions import Fraction
    >>> from symguide.instances.datasets import load
    >>> from symguide.markov_pairs.gaps import guided_gaps
    >>> from symguide.laws.tilt import guidance
    >>> problem = load("characters:length=12")
    >>> (result,) = markov_results(problem, guided_gaps(guidance(problem)), Fraction(0), [Fraction(1, 2)], top=1)
    >>> round(result.tv.value, 9), round(1 - 0.5**12, 9), result.whole
    (0.999755859, 0.999755859, False)
    """
    if top is None:
        raise ChainTooLargeError(
            f"{problem.name}: the terminal law is over {problem.vocabulary}^{problem.length} sequences, too many to "
            "list; ask for the most probable with --top"
        )
    strength = nearest(w)
    if not isfinite(strength):
        raise StrengthError(f"guidance strength w is {shown(w)}: it leaves the range of doubles; use a smaller w")
    valued = system.over(FLOATS, strength)
    dead = _dead(valued)
    ranking = most_probable(valued, top) if top else Ranking({}, proved=True)
    terminal: dict[Context, Quantity] = {x: Quantity(exp(log_h), None) for x, log_h in sorted(ranking.logs.items())}
    notes: tuple[str, ...] = ()
    if not ranking.proved:
        notes += ("sequences that were not looked at may be more probable than those listed",)
    curve = None
    try:
        curve = survival(valued, smallest=min([_LEAST, *(float(u) for u in fractions if u != 0)]))
    except (StrengthError, ChainTooLargeError) as error:
        notes += (f"TV is left out: {error}",)
    except SymguideError:
        notes += ("TV is left out: transitions depend on the position",)
    found: dict[str, Quantity | None] = dict.fromkeys(FUNCTIONALS)
    if curve is not None and curve.last.mean is not None:
        found["mean_unmasking_clock"] = Quantity(curve.last.mean, None)
    if not fractions:
        return [Result(w, None, None, None, None, terminal, None, found, dead, notes, whole=False)]
    survivals = [(None, None, None, 0.0) if curve is None else _tv_at(curve, u) for u in fractions]
    error = max(error for *_, error in survivals)
    if error > _KNOWN:
        notes += (f"TV is known to a relative error of about {error:.0e}",)
    return [
        Result(w, u, tv, log_tv, log_minus_log_tv, terminal, None, found, dead, notes, whole=False)
        for u, (tv, log_tv, log_minus_log_tv, _) in zip(fractions, survivals, strict=True)
    ]


def _tv_at(curve: Survival, u: Number) -> tuple[Quantity, float | None, float | None, float]:
    """TV at a mask fraction, its logarithm, the logarithm of minus that, and its relative error."""
    at = exp(-inf if u == 0 else -clock(u))
    value = min(float(curve.at(at)), 1.0)
    if value <= 0.0:
        return Quantity(0.0, None), None, None, 0.0
    return Quantity(value, None), log(value), log(-log(value)) if value < 1 else None, float(curve.error(at)) / value


def _dead(system: GapSystem) -> Quantity | None:
    """The mass of dead gaps, which take a second law of positive exponent: that of −1 < w < 0."""
    if not system.bridges.may_die:
        return None
    lost = 1.0 - float(marginals(system)[0].sum())
    return Quantity(lost, None) if lost > _KNOWN else None
