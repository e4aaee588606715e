"""Choosing the steps of a sampler: a grid, and strengths if they are free, whose law comes closest to a target in TV.

Steps that update in parallel leave the support, so the distance is total variation: a divergence would be infinite. For
samplers that know the noise schedule by ``m = u'/u`` alone the grid is one of mask fractions, whatever the schedule.
The derivatives are exact: with the gains ``g(y)`` from mass on ``y`` after a step, a chance ``c`` of it has derivative
``Σ_moves P(x) g(y) ∂(Π choices)/∂c``, and chances are functions of ``m`` and ``w``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import flint
import numpy as np

from symguide.chains.contexts import MASKED
from symguide.chains.functionals import Distribution, tilted_law, total_variation
from symguide.errors import ChainTooLargeError, SymguideError
from symguide.evidence import Evidence, Verdict
from symguide.flows.adjoint import Derivatives, Functional
from symguide.flows.flow import Flow, run
from symguide.flows.sampler_flows import exact_segment, sampler_flow, tilt_at, value_of
from symguide.flows.samplers import SAMPLERS
from symguide.flows.search import Measured, Space, boundaries_of, bounds_of, measured, optimisers
from symguide.flows.steps import Step, steps_between
from symguide.flows.support_updates import SupportUpdates, support_updates
from symguide.flows.updates import Menus
from symguide.laws.mixture import Problem
from symguide.laws.tilt import Tilt, guidance
from symguide.numbers.arithmetic import BALLS, FLOATS, Arithmetic
from symguide.schedules.published import log_linear

__all__ = ["SAMPLERS_BY_FRACTION", "ChosenSteps", "choose_steps", "step_derivatives"]

Stays = Callable[[float, np.ndarray], tuple[np.ndarray, np.ndarray]]


def _ancestral(m: float, pace: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of ``m^λ`` by ``m`` and ``λ``."""
    return pace * m ** (pace - 1), m**pace * np.log(m)


def _joint(m: float, pace: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of ``m/(m + (1 − m) λ)`` by ``m`` and ``λ``."""
    whole = m + (1 - m) * pace
    return pace / whole**2, -m * (1 - m) / whole**2


SAMPLERS_BY_FRACTION: Mapping[str, Stays] = MappingProxyType({"ancestral": _ancestral, "joint": _joint})
"""Read-only: samplers whose steps depend on ``m = u'/u`` alone; derivatives of the chance that a mask stays."""

DIGITS = 9
"""Decimals that strengths and mask fractions are rounded to."""
MAX_ENCLOSED_MOVES = 5_000
"""Moves up to which the law is followed in balls."""
SMOOTHINGS = (1e-2, 1e-4, 1e-6)
"""As for schedules: TV with its corners rounded off, less and less."""
AGREEMENT = 1e-9
"""How far the search may be from the value that is reported, before something is wrong."""


@dataclass(frozen=True, slots=True)
class ChosenSteps:
    """Steps that were found.

    Attributes
    ----------
    fractions
        The mask fractions of the grid, from 1 down to 0.
    strengths
        One for every step.
    value
        The total variation between the law after the last step and the target.
    uniform
        The same for steps of one length, at the strength given or the best constant one found.
    starts
        What each start led to; the first one is the uniform grid.
    evidence
        How the value is known, and the comparison with the uniform grid.

    >>> from symguide.instances.datasets import load
    >>> found = choose_steps(load("xor"), "ancestral", 2, 1, strength=1, starts=1)
    >>> found.fractions, round(found.value.number, 9)  # both reveals in one step lead nowhere
    ((Fraction(1, 1), Fraction(1, 2), Fraction(0, 1)), 0.25)
    """

    fractions: tuple[Fraction, ...]
    strengths: tuple[Fraction, ...]
    value: Measured
    uniform: float
    starts: tuple[float, ...]
    evidence: tuple[Evidence, ...]


def step_derivatives(
    updates: SupportUpdates,
    sampler: str,
    strengths: Sequence[float] | np.ndarray,
    boundaries: Sequence[float] | np.ndarray,
    functional: Functional,
) -> Derivatives:
    """A functional of the law on the support after the last step, with its derivatives by strengths and boundaries.

    Parameters
    ----------
    updates
        Contexts and moves.
    sampler
        A key of :data:`SAMPLERS_BY_FRACTION`.
    strengths
        ``w_1, …, w_K``.
    boundaries
        ``1 > u_1 > … > u_{K−1} > 0``, where steps meet.
    functional
        Of the law on the contexts of the support; mass elsewhere counts for nothing.

    >>> from symguide.instances.datasets import load
    >>> found = support_updates(guidance(load("xor"), "normalised"))
    >>> word = lambda law: (float(law[5]), np.eye(len(law))[5])  # the probability of 00
    >>> step_derivatives(found, "ancestral", [1.0, 1.0], [0.5], word).by_boundary.round(12)
    array([0.])
    """
    edges = np.concatenate([[1.0], np.asarray(boundaries, dtype=np.float64), [0.0]])
    size = len(updates.lattice.states)
    slopes = np.concatenate([level.slope for level in updates.lattice.levels])
    ratios = np.where(updates.tokens != MASKED, slopes[updates.targets] - slopes[updates.contexts][:, None], 0.0)
    law = np.eye(1, size)[0]
    passed = []
    for strength, (before, after) in zip(strengths, pairwise(edges), strict=True):
        menus = updates.menus(FLOATS, float(strength))
        step = Step(float(before), float(after), float("nan"), float(after / before))
        law_of = SAMPLERS[sampler].law
        assert law_of is not None
        shown, stay = law_of(menus, step, np.array([]))
        kernel = updates.kernel(shown, stay, FLOATS)
        passed.append((menus, float(after / before), stay, kernel, law))
        law = kernel.push(np.append(law, [0.0, 0.0]))[:-2]
    value, gains = functional(law)
    by_strength, by_ratio = np.empty(len(passed)), np.empty(len(passed))
    for k, (menus, m, stay, kernel, before) in reversed(list(enumerate(passed))):
        moves = updates.moves
        flows = before[moves.sources] * kernel.move_probabilities * gains[moves.targets]
        for target, (d_shown, d_stay) in zip(
            (by_ratio, by_strength), _changes(updates, sampler, menus, m, stay, ratios), strict=True
        ):
            change = updates.listed(d_shown, d_stay, 0.0)
            relative = np.where(kernel.chances > 0, change / np.where(kernel.chances > 0, kernel.chances, 1.0), 0.0)
            target[k] = sum(float(flows @ relative[moves.choices[:, i]]) for i in range(moves.choices.shape[1]))
        gains = np.bincount(moves.sources, kernel.move_probabilities * gains[moves.targets], minlength=size)
    by_end, by_start = by_ratio / edges[:-1], -by_ratio * edges[1:] / edges[:-1] ** 2
    return Derivatives(value, by_strength, by_end[:-1] + by_start[1:])


def _changes(
    updates: SupportUpdates, sampler: str, menus: Menus, m: float, stay: np.ndarray, ratios: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Derivatives of what is shown and of what stays, by ``m`` and by ``w``."""
    mean = (menus.shares * ratios).sum(axis=1, keepdims=True)
    d_pace = np.zeros_like(mean) if updates.lattice.normalised else menus.paces * mean
    d_share = menus.shares * (ratios - mean)
    by_m, by_pace = (
        SAMPLERS_BY_FRACTION[sampler](m, menus.paces) if m > 0 else (np.zeros_like(stay), np.zeros_like(stay))
    )
    by_m, by_w = np.where(menus.alive, by_m, 0.0), np.where(menus.alive, by_pace * d_pace, 0.0)
    return (-by_m * menus.shares, by_m), (-by_w * menus.shares + (1 - stay) * d_share, by_w)


def choose_steps(
    problem: Problem,
    sampler: str,
    steps: int,
    target: object,
    strength: object | None = None,
    kind: str = "tilted",
    rule: str | None = None,
    bounds: tuple[object, object] = (Fraction(-9, 10), 10),
    starts: int = 4,
    seed: int = 0,
) -> ChosenSteps:
    """The grid of a sampler, and its strengths, whose law is closest to a target, as far as several starts find it.

    Parameters
    ----------
    problem
        The conditional and unconditional law.
    sampler
        A key of :data:`SAMPLERS_BY_FRACTION`.
    steps
        How many.
    target
        The strength of the target law.
    strength
        The strength of all steps; chosen for each step, within the bounds, if ``None``.
    kind
        ``"tilted"``: the target is the tilted law; ``"guided"``: the terminal law of the exact chain.
    rule, bounds, starts, seed
        As for :func:`symguide.flows.schedule_choice.choose_schedule`; the rule is the sampler's by default.

    Raises
    ------
    SymguideError
        For unknown names, less than one step or start, and without SciPy.
    StrengthError
        For strengths and bounds not above −1.
    ChainTooLargeError
        When there are too many moves.

    >>> from symguide.instances.datasets import load
    >>> found = choose_steps(load("squares-overlap"), "ancestral", 3, 1, strength=1, kind="guided", starts=2)
    >>> found.value.number < found.uniform
    True
    """
    if sampler not in SAMPLERS_BY_FRACTION:
        raise SymguideError(
            f"sampler {sampler!r}: no grid is chosen for it; choose one of {', '.join(SAMPLERS_BY_FRACTION)}, whose "
            "steps depend on mask fractions alone"
        )
    if kind not in ("tilted", "guided"):
        raise SymguideError(f"target {kind!r} is unknown; choose tilted or guided")
    if steps < 1:
        raise SymguideError(f"steps is {steps}: a sampler that takes none stays where it is; give at least 1")
    if starts < 1:
        raise SymguideError(f"starts is {starts}: without one nothing is searched; give at least 1")
    wanted = bounds_of((target, target))[0]
    low, high = bounds_of(bounds if strength is None else (strength, strength))
    begin = min(max(wanted, low), high)
    tilt = guidance(problem, rule or SAMPLERS[sampler].rule)
    updates = support_updates(tilt)
    space = Space(boundaries_of(steps), True, (float(low), float(high)))
    reference = _reference(tilt, updates, kind, wanted)
    minimise = optimisers().minimize

    def at(variables: np.ndarray, smoothing: float) -> tuple[float, np.ndarray]:
        found = step_derivatives(updates, sampler, *space.unpack(variables), _variation(updates, reference, smoothing))
        return found.value, space.pack(variables, found)

    rng = np.random.default_rng(seed)
    found: list[tuple[float, np.ndarray]] = []
    for number in range(starts):
        place = space.start(float(begin) if number == 0 else None, rng)
        for smoothing in SMOOTHINGS:
            options = {"maxiter": 500, "ftol": 1e-15, "gtol": 1e-11}
            box = space.box
            done = minimise(at, place, args=(smoothing,), jac=True, bounds=box, method="L-BFGS-B", options=options)
            place = np.clip(done.x, *np.array(box).T)
        found.append((at(place, 0.0)[0], place))
    best = min(found, key=lambda item: item[0])
    strengths, inner = (tuple(round(Fraction(float(x)), DIGITS) for x in part) for part in space.unpack(best[1]))
    fractions = (Fraction(1), *inner, Fraction(0))
    direct = step_derivatives(
        updates, sampler, list(map(float, strengths)), list(map(float, inner)), _variation(updates, reference, 0.0)
    ).value

    # Against steps of one length at the constant strength that suits them best.
    def alike(w: float) -> float:
        return at(space.start(w, rng), 0.0)[0]

    best_alike = float(begin)
    if low < high:
        grid = np.linspace(float(low), float(high), 33).tolist()
        middle = int(np.argmin([alike(w) for w in grid]))
        around = (grid[max(middle - 1, 0)], grid[min(middle + 1, 32)])
        polished = optimisers().minimize_scalar(alike, bounds=around, method="bounded").x
        best_alike = min((float(begin), grid[middle], float(polished)), key=alike)
    uniform = alike(best_alike)
    value, evidence = _report(problem, tilt, updates, sampler, strengths, fractions, kind, wanted, direct)
    better = Verdict.AGREES if value.number < uniform - AGREEMENT else Verdict.UNKNOWN
    compared = Evidence("better than uniform", better, f"steps of one length at w = {best_alike:.6g} have {uniform!r}")
    return ChosenSteps(fractions, strengths, value, uniform, tuple(number for number, _ in found), (evidence, compared))


def _reference(tilt: Tilt, updates: SupportUpdates, kind: str, strength: Fraction) -> np.ndarray:
    """The target on the terminal contexts of the support."""
    contexts = updates.lattice
    if kind == "tilted":
        return contexts.tilted_law(float(strength)).column
    chain = contexts.at(float(strength))
    return chain.jump_law()[chain.last]


def _variation(updates: SupportUpdates, reference: np.ndarray, smoothing: float) -> Functional:
    """TV with its corners rounded off; what is not complete on the support is all off the target."""
    first, width = updates.lattice.offsets[-2], smoothing * float(reference.max())

    def variation(law: np.ndarray) -> tuple[float, np.ndarray]:
        apart = law[first:] - reference
        size = np.sqrt(apart**2 + width**2)
        gradient = np.zeros(len(law))
        gradient[first:] = (apart / np.where(size > 0, size, 1.0) - 1) / 2
        return float((size - width).sum() + 1 - law[first:].sum()) / 2, gradient

    return variation


def _report(
    problem: Problem,
    tilt: Tilt,
    updates: SupportUpdates,
    sampler: str,
    strengths: tuple[Fraction, ...],
    fractions: tuple[Fraction, ...],
    kind: str,
    wanted: Fraction,
    direct: float,
) -> tuple[Measured, Evidence]:
    """The value of the very steps reported: in balls where they are few, else in doubles by the other list of moves."""
    field: Arithmetic = BALLS if len(updates.moves.sources) <= MAX_ENCLOSED_MOVES else FLOATS
    rule = "normalised" if tilt.normalised else "rate"
    steps = steps_between(log_linear(), fractions)  # whose u is t
    try:
        law = run(sampler_flow(problem, sampler, list(strengths), steps, field, rule))
    except ChainTooLargeError:
        field = FLOATS
        law = run(sampler_flow(problem, sampler, list(strengths), steps, field, rule))
    if kind == "guided":
        other = run(Flow((exact_segment(tilt, wanted, Fraction(0), field),)))
    else:
        complete = [x for x in updates.lattice.terminal]
        other = tilted_law(tilt_at(tilt, wanted), complete, field, value_of(wanted, field))
    value = _ball(total_variation(law, Distribution(other.states, other.probabilities, field)))
    apart = abs(float(value.mid()) - direct)
    if not apart <= AGREEMENT:  # nor is no number close
        return measured(value, False), Evidence(
            "value", Verdict.REFUTED, f"the search had {direct!r}, not {value.str(20)}"
        )
    if field is BALLS:
        return measured(value, True), Evidence(
            "value", Verdict.ENCLOSED, f"in balls: {value.str(20)}; the search {direct!r}"
        )
    return measured(value, False), Evidence("value", Verdict.AGREES, f"two lists of moves are {apart:.1e} apart")


def _ball(value: Any) -> flint.arb:
    return value if isinstance(value, flint.arb) else flint.arb(float(value))
