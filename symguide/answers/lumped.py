"""Answers for lumped chains: histograms of token types in place of contexts, for any number of positions."""

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from math import exp, inf, isfinite, log
from typing import Any

import numpy as np

from symguide.answers.arrays import clock, tv_at
from symguide.answers.results import FUNCTIONALS, Quantity, Result, nearest
from symguide.chains.array_chain import array_chain
from symguide.chains.chain import Chain
from symguide.chains.functionals import Distribution, entropy, kl_divergence, last_reveal, total_variation
from symguide.chains.histograms import HistogramLattice
from symguide.errors import ChainTooLargeError, InfiniteValueError, StrengthError
from symguide.flows.flow import Segment
from symguide.laws.law import Context
from symguide.laws.mixture import Problem
from symguide.numbers.arithmetic import FLOATS
from symguide.numbers.number import Number, shown
from symguide.schedules.guidance_schedule import GuidanceSchedule

__all__ = ["MAX_LISTED", "lumped_results", "lumped_schedule_results"]

MAX_LISTED = 100_000
"""Token tuples that a terminal law lists."""
PIECES = 64
"""Parts of a window in whose middle a varying strength is taken."""


def lumped_results(
    problem: Problem,
    histograms: HistogramLattice,
    lumps: Chain[Any],
    w: Number,
    fractions: Sequence[Number],
    top: int | None,
) -> list[Result]:
    """The answers at one strength, one for every mask fraction.

    Parameters
    ----------
    problem, histograms, lumps
        What is asked about, its histograms of token types, and its chain on lumps by posterior and number.
    w, fractions
        Strength and mask fractions.
    top
        How many token tuples, the most probable, to list of a terminal law of more than :data:`MAX_LISTED`.

    Raises
    ------
    ChainTooLargeError
        When there are more than that, and ``top`` is not given.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.histograms import histogram_lattice
    >>> from symguide.chains.lump import lump, lumped_chain
    >>> from symguide.laws.tilt import guidance
    >>> problem = load("hypercubes-5d")
    >>> tilt, found = guidance(problem), lump(problem)
    >>> results = lumped_results(
    ...     problem, histogram_lattice(found, tilt), lumped_chain(found, tilt), Fraction(1), [], top=None
    ... )
    >>> round(results[0].terminal[3, 3, 3, 3, 3].value, 15)
    0.004938271604938
    """
    _require_listed(problem, histograms, top)
    strength = nearest(w)
    if not isfinite(strength):
        raise StrengthError(f"guidance strength w is {shown(w)}: it leaves the range of doubles; use a smaller w")
    chain = histograms.at(strength)
    masses = chain.jump_law()[chain.last]
    try:
        coarse = array_chain(lumps.over(FLOATS, strength))
    except StrengthError:
        coarse = chain  # its exit rates are logarithms, so they do not overflow
    whole = histograms.support_size <= MAX_LISTED
    terminal = _most_probable(histograms, masses, None if whole else top)
    found = _functionals(problem, histograms, masses, strength, last_reveal(chain).mean)
    if not fractions:
        return [Result(w, None, None, None, None, terminal, None, found, None, whole=whole)]
    results = []
    for u in fractions:
        tv, log_tv, log_minus_log_tv, notes = tv_at(coarse, u)
        results.append(Result(w, u, tv, log_tv, log_minus_log_tv, terminal, None, found, None, notes, whole))
    return results


def lumped_schedule_results(
    problem: Problem,
    histograms: HistogramLattice,
    schedule: GuidanceSchedule,
    fractions: Sequence[Number],
    top: int | None,
) -> list[Result]:
    """The answers under a guidance schedule, as :func:`lumped_results` gives them for one strength.

    Where the strength varies it is taken as constant on :data:`PIECES` parts of a window, and the note says what half
    as many parts move.

    >>> from symguide.chains.histograms import histogram_lattice
    >>> from symguide.chains.lump import lump
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> problem = load("hypercubes-5d")
    >>> early = GuidanceSchedule.of([(3, 1, "1/2"), (0, "1/2", 0)])
    >>> histograms = histogram_lattice(lump(problem), guidance(problem))
    >>> (result,) = lumped_schedule_results(problem, histograms, early, [], None)
    >>> round(sum(q.value for q in result.terminal.values()), 12)
    1.0
    """
    _require_listed(problem, histograms, top)
    steady, notes = schedule, [f"the tilted law is the one at the mean strength {schedule.mean}"]
    if not schedule.is_piecewise_constant:
        steady = schedule.refined(PIECES)
        coarse, fine = (_through(histograms, each, Fraction(0))[0] for each in (schedule.refined(PIECES // 2), steady))
        apart = float(np.abs(coarse - fine).sum()) / 2
        notes.append(
            f"the strength varies and is taken constant on {PIECES} parts of a window: half as many parts move the "
            f"terminal law by {apart:.1e} in TV, and as the error falls with the square of their number, it is "
            f"estimated as {apart / 3:.1e}"
        )
    law, mean, last = _through(histograms, steady, Fraction(0))
    masses, whole = law[last], histograms.support_size <= MAX_LISTED
    terminal = _most_probable(histograms, masses, None if whole else top)
    found = _functionals(problem, histograms, masses, nearest(schedule.mean), mean)
    remarks = tuple(notes)
    if not fractions:
        return [Result(schedule, None, None, None, None, terminal, None, found, None, remarks, whole)]
    results = []
    for u in fractions:
        at_u, _, last = _through(histograms, steady, u)
        tv = float(at_u[: last.start].sum())
        log_tv = log(tv) if tv > 0 else None
        log_minus_log_tv = log(-log_tv) if log_tv else None
        quantity = Quantity(tv, None)
        results.append(
            Result(schedule, u, quantity, log_tv, log_minus_log_tv, terminal, None, found, None, remarks, whole)
        )
    return results


def _through(histograms: HistogramLattice, schedule: GuidanceSchedule, u: Number) -> tuple[np.ndarray, float, slice]:
    """The law on histograms at a mask fraction, the mean time spent so far, and where terminal ones are."""
    chain = histograms.at(nearest(schedule.at(1)))
    law, mean = np.eye(1, chain.size)[0], 0.0
    for window in schedule.until(u):
        chain = histograms.at(nearest(window.strength))
        length = inf if window.low == 0 else clock(window.low / window.high)
        after = Segment(chain, length).push(law)
        mean += float((law - after) @ chain.accumulate(chain.holding_times()))
        law = after
    return law, mean, chain.last


def _require_listed(problem: Problem, histograms: HistogramLattice, top: int | None) -> None:
    if top is None and histograms.support_size > MAX_LISTED:
        raise ChainTooLargeError(
            f"{problem.name}: the terminal law has about 10^{len(str(histograms.support_size)) - 1} token tuples, more "
            f"than the {MAX_LISTED} that are listed; ask for the most probable with --top"
        )


def _functionals(
    problem: Problem, histograms: HistogramLattice, masses: np.ndarray, w: float, mean_clock: float
) -> dict[str, Quantity | None]:
    """The functionals on histograms: all token tuples of one have the same probability under every law compared."""
    multiplicity, levels = histograms.log_multiplicity, tuple(map(tuple, histograms.levels[-1].tolist()))
    law = Distribution(levels, masses, FLOATS)

    def like(logarithms: np.ndarray) -> Distribution:
        shares = np.exp(logarithms + multiplicity - (logarithms + multiplicity).max())
        return Distribution(levels, shares / shares.sum(), FLOATS)

    tilted = like(histograms.constants[-1] + w * histograms.slopes[-1])
    given = like(histograms.log_conditional + histograms.levels[-1] @ histograms.reference)
    found: dict[str, float] = {
        "entropy": float(entropy(law) + (masses * multiplicity).sum()),
        "kl_to_tilted": float(kl_divergence(law, tilted)),
        "tv_to_tilted": float(total_variation(law, tilted)),
        "mean_unmasking_clock": mean_clock,
    }
    with suppress(InfiniteValueError):
        found["kl_to_class"] = float(kl_divergence(law, given))
    if problem.prior is not None:
        posterior = float(problem.prior) * np.exp(histograms.log_conditional - histograms.log_unconditional)
        found["posterior"] = float((masses * posterior).sum())
        if (posterior[masses > 0] > 0).all():
            found["reciprocal_posterior"] = float((masses[masses > 0] / posterior[masses > 0]).sum())
    return {name: Quantity(found[name], None) if name in found else None for name in FUNCTIONALS}


def _most_probable(histograms: HistogramLattice, masses: np.ndarray, top: int | None) -> dict[Context, Quantity]:
    """Token tuples with their probabilities in lexicographic order, the most probable or all."""
    with np.errstate(divide="ignore"):
        each = np.log(masses) - histograms.log_multiplicity
    kept: list[tuple[Context, float]] = []
    for j in np.argsort(-each, kind="stable").tolist():
        if each[j] == -np.inf or (top is not None and len(kept) >= top):
            break
        room = None if top is None else top - len(kept)
        kept += [(x, exp(each[j])) for x in islice(histograms.tuples(histograms.levels[-1][j].tolist()), room)]
    return {x: Quantity(p, None) for x, p in sorted(kept, key=lambda pair: pair[0])}
