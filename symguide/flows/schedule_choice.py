"""Choosing a guidance schedule: the piecewise constant strength whose terminal law comes closest to a target.

The distance is ``KL(P ‖ Q)`` or ``TV(P, Q)`` from the terminal law ``P`` to a law ``Q`` of the target, its derivatives
are exact (:mod:`symguide.flows.adjoint`), and the optimiser is SciPy's: L-BFGS-B within bounds, SLSQP where the law
also has to reach a value. The problem is not convex: what is found from several starts is the best of them, a local
optimum. What is reported of it is the value of the very schedule reported, enclosed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import flint
import numpy as np

from symguide.chains.functionals import (
    Distribution,
    class_posterior,
    column,
    entropy,
    kl_divergence,
    posterior,
    tilted_law,
    total_variation,
)
from symguide.chains.lattice import Lattice, lattice
from symguide.errors import DataError, NotExactError, StrengthError, SymguideError
from symguide.evidence import Evidence, Verdict
from symguide.flows.adjoint import Functional, derivatives, terminal_probabilities
from symguide.flows.guided_flow import passage, schedule_flow
from symguide.flows.search import (
    Measured,
    Space,
    boundaries_of,
    bounds_of,
    measured,
    optimisers,
    remembered,
    require_double,
)
from symguide.laws.law import Context
from symguide.laws.mixture import Problem
from symguide.laws.tilt import Tilt, guidance
from symguide.numbers.arithmetic import BALLS, FLOATS, Arithmetic
from symguide.numbers.number import Number
from symguide.numbers.numeral import shortened
from symguide.schedules.guidance_schedule import GuidanceSchedule

__all__ = ["DISTANCES", "ChosenSchedule", "Measured", "Target", "choose_schedule"]

DISTANCES = ("kl", "tv")
"""What is minimised."""

DIGITS = 9
"""Decimals that strengths and boundaries are rounded to."""
MAX_ENCLOSED_CONTEXTS = 3000
"""Contexts up to which the value is enclosed in balls."""
SMOOTHINGS = (1e-2, 1e-4, 1e-6)
"""``TV`` is minimised as ``½ Σ √(d² + ε²) − ε`` with ``ε`` times the largest probability of the target, again and
again."""
REACHED = 1e-5
"""How far a value that is to be reached may be missed."""
AGREEMENT = 1e-9
"""How far the search may be from the value that is enclosed, per unit of the logarithms in it."""
CLEARLY = 1e-8
"""By how much a schedule has to be closer than a constant strength to be called so."""
GRID = 129
"""Constant strengths that are tried, evenly in ``ln(1 + w)``, before the best are refined."""
BITS = (128, 1024, 8192)
"""Working precisions of balls, until they are finite."""
_LEAST = 1e-300


@dataclass(frozen=True, slots=True)
class Target:
    """What the terminal law should be close to, and what it has to reach.

    Attributes
    ----------
    kind
        ``"tilted"``: the law is the tilted law of strength ``value``. ``"posterior"`` and ``"entropy"``: the law is the
        class law ``p(·|z)``, among those whose mean posterior ``E[p(z|X)]``, or entropy in nats, is ``value``.
    value
        The strength, the posterior, or the entropy.

    >>> Target("posterior", Fraction(9, 10)).reference
    Fraction(0, 1)
    """

    kind: str
    value: Fraction

    def __post_init__(self) -> None:
        if self.kind not in ("tilted", "posterior", "entropy"):
            raise SymguideError(f"target {self.kind!r} is unknown; choose tilted, posterior or entropy")
        require_double(self.value, f"target {self.kind}")
        spelled = shortened(str(self.value))
        if self.kind == "tilted" and self.value <= -1:
            raise StrengthError(f"target: w = {spelled} has no tilted law of this chain; use w > -1")
        if self.kind == "posterior" and not 0 < self.value <= 1:
            raise DataError(f"target: a mean posterior of {spelled} is outside (0, 1], so no law has it; correct it")
        if self.kind == "entropy" and self.value < 0:
            raise DataError(f"target: an entropy of {spelled} is negative, so no law has it; correct it")

    @property
    def reference(self) -> Fraction:
        """The strength of the tilted law that the terminal law should be close to."""
        return self.value if self.kind == "tilted" else Fraction(0)


@dataclass(frozen=True, slots=True)
class ChosenSchedule:
    """A schedule that was found.

    Attributes
    ----------
    schedule
        The strength in time, in decimals.
    value
        The distance of its terminal law.
    reached
        The mean posterior or the entropy, where one had to be reached.
    gradient
        The largest derivative along which there is room to move, of the Lagrangian where a value had to be reached; of
        TV with its corners rounded off by the last of :data:`SMOOTHINGS`.
    starts
        What each start led to, the first one from the best constant strength.
    constant
        The best constant strength that was found, and its distance; ``None`` where none reaches the value.
    evidence
        How the value is known, whether the search saw the same, and whether a constant strength is worse.

    >>> from symguide.instances.datasets import load
    >>> found = choose_schedule(load("interval-overlap"), Target("tilted", Fraction(2)), "kl", windows=1)
    >>> round(float(found.schedule.strengths[0]), 6), found.evidence[0].verdict
    (2.0, <Verdict.ENCLOSED: 3>)
    """

    schedule: GuidanceSchedule
    value: Measured
    reached: Measured | None
    gradient: float
    starts: tuple[float, ...]
    constant: tuple[Number, float] | None
    evidence: tuple[Evidence, ...]


def choose_schedule(
    problem: Problem,
    target: Target,
    distance: str = "kl",
    windows: int | Sequence[object] = 4,
    rule: str = "rate",
    free: bool = False,
    bounds: tuple[object, object] = (Fraction(-9, 10), 10),
    starts: int = 4,
    seed: int = 0,
) -> ChosenSchedule:
    """The piecewise constant schedule whose terminal law is closest to the target, as far as several starts find it.

    Parameters
    ----------
    problem
        The conditional and unconditional law.
    target
        What to come close to.
    distance
        One of :data:`DISTANCES`.
    windows
        How many equal windows in ``u``, or the boundaries between them, ``1 > u_1 > … > u_{J−1} > 0``.
    rule
        The guidance rule.
    free
        Whether the boundaries are chosen as well.
    bounds
        The least and the largest strength.
    starts
        How many starts, the first from the best constant strength, the others random.
    seed
        Of these.

    Raises
    ------
    SymguideError
        For unknown names, less than one window or start, and without SciPy.
    ClockError
        For boundaries that do not decrease between 1 and 0.
    StrengthError
        For bounds below −1 or in the wrong order.
    DataError
        For laws whose contexts cannot be listed, dead contexts, and a value that no start reaches.

    >>> from symguide.instances.datasets import load
    >>> found = choose_schedule(load("squares-overlap"), Target("tilted", Fraction(1)), "kl", windows=2)
    >>> found.value.number < found.constant[1]
    True
    """
    if distance not in DISTANCES:
        raise SymguideError(f"distance {distance!r} is unknown; choose one of {', '.join(DISTANCES)}")
    if starts < 1:
        raise SymguideError(f"starts is {starts}: without one nothing is searched; give at least 1")
    low, high = bounds_of(bounds)
    tilt = guidance(problem, rule)
    space = Space(boundaries_of(windows), free, (float(low), float(high)))
    search = _Search(problem, tilt, lattice(tilt), target, distance, space)
    search.contexts.at(float(high))  # refuses strengths too large for doubles, by their name
    tools = optimisers()
    constant = search.best_constant(tools)
    rng = np.random.default_rng(seed)
    found: list[tuple[float, np.ndarray]] = []
    for number in range(starts):
        begin = space.start(constant[0] if number == 0 else None, rng)
        found.append(search.descend(tools.minimize, begin))
    best = min(found, key=lambda item: item[0])
    if not np.isfinite(best[0]):
        raise DataError(
            f"target: {target.kind} {shortened(str(target.value))} is reached from none of {starts} starts with "
            f"strengths from {low} to {high}: the nearest is {search.nearest(found):.6g}; ask for less, widen the "
            "bounds, or try more starts"
        )
    schedule = search.schedule(best[1])
    return search.report(schedule, tuple(value for value, _ in found), constant)


@dataclass(frozen=True)
class _Search:
    """The objective and the constraint as functions of strengths and, if they are free, of the lengths of windows."""

    problem: Problem
    tilt: Tilt
    contexts: Lattice
    target: Target
    distance: str
    space: Space

    @cached_property
    def posterior(self) -> np.ndarray:
        """``p(z|x)`` of the terminal contexts."""
        states = self.contexts.terminal
        return class_posterior(Distribution(states, np.ones(len(states)), FLOATS), self.problem)

    # --- functionals ---

    def objective(self, smoothing: float) -> Functional:
        """The distance to the reference law; TV with its corners rounded off."""
        tilted = self.contexts.tilted_law(float(self.target.reference))
        reference = tilted.column
        if self.distance == "kl":
            logs = tilted.logs
            assert logs is not None

            def divergence(law: np.ndarray) -> tuple[float, np.ndarray]:
                ratio = np.log(np.maximum(law, _LEAST)) - logs
                return float(law @ ratio), ratio + 1

            return divergence
        width = smoothing * float(reference.max())

        def variation(law: np.ndarray) -> tuple[float, np.ndarray]:
            apart = law - reference
            size = np.sqrt(apart**2 + width**2)
            return float((size - width).sum()) / 2, apart / np.where(size > 0, size, 1) / 2

        return variation

    def constraint(self) -> Functional | None:
        """What has to reach the value of the target."""
        if self.target.kind == "tilted":
            return None
        if self.target.kind == "posterior":
            posterior = self.posterior
            return lambda law: (float(law @ posterior), posterior)

        def disorder(law: np.ndarray) -> tuple[float, np.ndarray]:
            logs = np.log(np.maximum(law, _LEAST))
            return -float(law @ logs), -logs - 1

        return disorder

    def at(self, variables: np.ndarray, functional: Functional) -> tuple[float, np.ndarray]:
        """A functional of the terminal law and its derivatives by the variables."""
        found = derivatives(self.contexts, *self.space.unpack(variables), functional)
        return found.value, self.space.pack(variables, found)

    def miss(self, variables: np.ndarray) -> tuple[float, np.ndarray]:
        """By how much the value of the target is missed."""
        constraint = self.constraint()
        assert constraint is not None
        value, gradient = self.at(variables, constraint)
        return value - float(self.target.value), gradient

    # --- search ---

    def best_constant(self, tools: Any) -> tuple[float, float | None]:
        """The best constant strength that a grid finds, or that which comes nearest to the value to be reached; and its
        distance, where the value is reached.
        """
        constraint, objective = self.constraint(), self.objective(0.0)

        def distance(w: float) -> float:
            return objective(terminal_probabilities(self.contexts, [w], []))[0]

        def miss(w: float) -> float:
            assert constraint is not None
            return constraint(terminal_probabilities(self.contexts, [w], []))[0] - float(self.target.value)

        def refined(score: Callable[[float], float], values: list[float]) -> list[float]:
            """The least values of a score next to those that are least among neighbours."""
            places = [j for j, v in enumerate(values) if v <= min(values[max(j - 1, 0) : j + 2])]
            found = [grid[j] for j in places]
            for j in places:
                around = (grid[max(j - 1, 0)], grid[min(j + 1, len(grid) - 1)])
                if around[0] < around[1]:
                    options = {"xatol": 1e-12, "maxiter": 200}
                    found.append(tools.minimize_scalar(score, bounds=around, method="bounded", options=options).x)
            return list(map(float, found))

        low, high = self.space.bounds
        grid = (np.geomspace(1 + low, 1 + high, GRID) - 1).clip(low, high).tolist() if high > low else [low]
        if constraint is None:
            best = min(refined(distance, list(map(distance, grid))), key=distance)
            return best, distance(best)
        misses = list(map(miss, grid))
        candidates = refined(lambda w: abs(miss(w)), list(map(abs, misses)))
        for j, (before, after) in enumerate(pairwise(misses)):
            if before * after < 0:
                candidates.append(float(tools.brentq(miss, grid[j], grid[j + 1], xtol=1e-13)))
        reaching = [w for w in candidates if abs(miss(w)) <= REACHED]
        if not reaching:
            return min(candidates, key=lambda w: abs(miss(w))), None
        best = min(reaching, key=distance)
        return best, distance(best)

    def descend(self, minimise: Callable[..., Any], begin: np.ndarray) -> tuple[float, np.ndarray]:
        """The distance reached from a start, infinite where the value of the target is not; and where."""
        box = self.space.box
        settings: dict[str, Any] = {"method": "L-BFGS-B", "options": {"maxiter": 1000, "ftol": 1e-15, "gtol": 1e-11}}
        if self.target.kind != "tilted":
            miss = remembered(self.miss)
            constraint = {"type": "eq", "fun": lambda x: miss(x)[0], "jac": lambda x: miss(x)[1]}
            settings = {"method": "SLSQP", "constraints": [constraint], "options": {"maxiter": 200, "ftol": 1e-12}}
        # Where it began is a candidate too: rounded corners may lead away from one.
        places = [begin]
        for smoothing in SMOOTHINGS if self.distance == "tv" else (0.0,):
            function = partial(self.at, functional=self.objective(smoothing))
            found = minimise(function, places[-1], jac=True, bounds=box, **settings).x
            places.append(np.clip(found, *np.array(box).T))
        distances = [self.at(place, self.objective(0.0))[0] if self._reaches(place) else np.inf for place in places]
        best = int(np.argmin(distances))
        return (distances[best], places[best]) if np.isfinite(distances[best]) else (np.inf, places[-1])

    def _reaches(self, variables: np.ndarray) -> bool:
        return self.target.kind == "tilted" or abs(self.miss(variables)[0]) <= REACHED

    def nearest(self, found: Sequence[tuple[float, np.ndarray]]) -> float:
        """The value nearest to that of the target that some start has reached."""
        missed = [self.miss(place)[0] for _, place in found]
        return float(self.target.value) + min(missed, key=abs)

    # --- what was found ---

    def schedule(self, variables: np.ndarray) -> GuidanceSchedule:
        """The schedule in decimals, but for boundaries that were given."""
        strengths, boundaries = self.space.unpack(variables)
        inner = (
            [round(Fraction(float(edge)), DIGITS) for edge in boundaries] if self.space.free else self.space.boundaries
        )
        values = [round(Fraction(float(w)), DIGITS) for w in strengths]
        edges = [Fraction(1), *inner, Fraction(0)]
        return GuidanceSchedule.of(list(zip(values, edges, edges[1:], strict=False)))

    def report(
        self, schedule: GuidanceSchedule, starts: tuple[float, ...], constant: tuple[float, float | None]
    ) -> ChosenSchedule:
        """The schedule with what is known of it."""
        in_balls = self.contexts.size <= MAX_ENCLOSED_CONTEXTS
        measure = self._enclosed if in_balls else self._doubles
        value, reached = measure(schedule)
        if not value.is_finite():
            raise NotExactError(
                f"the distance of the schedule {schedule} is not known at {BITS[-1]} bits; use smaller strengths"
            )
        strengths, boundaries = (np.array(list(map(float, part))) for part in _parts(schedule))
        direct = derivatives(self.contexts, strengths, boundaries, self.objective(0.0)).value
        apart = abs(direct - float(value.mid()))
        agrees = Verdict.AGREES if apart <= AGREEMENT * self.scale else Verdict.REFUTED
        known_how = Verdict.ENCLOSED if in_balls else agrees
        evidence = [
            Evidence("value", known_how, f"in balls: {value.str(20)}" if in_balls else "by trajectories in doubles"),
            Evidence("search", agrees, f"it had {direct!r}, {apart:.1e} away"),
        ]
        gradient, price = self._gradient(strengths, boundaries)
        known = None
        if constant[1] is not None:
            steady = GuidanceSchedule.of([(round(Fraction(constant[0]), DIGITS), 1, 0)])
            other, there = measure(steady)
            known = (steady.windows[0].strength, max(float(other.mid()), 0.0))
            slack = 0.0
            if reached is not None and there is not None:
                # What the two miss of the value to be reached is worth that much distance.
                slack = 2 * price * abs(float((reached - there).mid()))
            better = len(schedule.windows) > 1 and bool(value + (CLEARLY * self.scale + slack) < other)
            found = (Verdict.ENCLOSED if in_balls else Verdict.AGREES) if better else Verdict.UNKNOWN
            words = f"the best constant strength found has {known[1]!r}"
            evidence.append(Evidence("better than the constant found", found, words))
        return ChosenSchedule(
            schedule,
            measured(value, in_balls),
            None if reached is None else measured(reached, in_balls),
            gradient,
            starts,
            known,
            tuple(evidence),
        )

    @cached_property
    def scale(self) -> float:
        """How large the logarithms are that distances are made of: doubles know these no better."""
        logs = self.contexts.tilted_law(float(self.target.reference)).logs
        assert logs is not None
        return max(1.0, float(np.abs(logs).max())) if self.distance == "kl" else 1.0

    def _gradient(self, strengths: np.ndarray, boundaries: np.ndarray) -> tuple[float, float]:
        """The largest derivative along which there is room to move, and the multiplier of what has to be reached."""

        def gradient_of(functional: Functional) -> np.ndarray:
            found = derivatives(self.contexts, strengths, boundaries, functional)
            return np.concatenate([found.by_strength, found.by_boundary]) if self.space.free else found.by_strength

        gradient, price = gradient_of(self.objective(SMOOTHINGS[-1])), 0.0
        at_low, at_high = self.space.at_bounds(strengths, len(gradient))
        inside = ~(at_low | at_high)
        constraint = self.constraint()
        if constraint is not None:
            normal = gradient_of(constraint)
            size = float(normal[inside] @ normal[inside])
            price = float(gradient[inside] @ normal[inside]) / size if size > 0 else 0.0
            gradient = gradient - price * normal
        gradient = np.where(at_low, np.minimum(gradient, 0), np.where(at_high, np.maximum(gradient, 0), gradient))
        return float(np.abs(gradient).max(initial=0.0)), abs(price)

    def _enclosed(self, schedule: GuidanceSchedule) -> tuple[flint.arb, flint.arb | None]:
        """The distance, and what had to be reached, in balls."""
        value, reached = flint.arb("nan"), None
        for bits in BITS:
            with flint.ctx.workprec(bits):
                value, reached = self._measured(passage(schedule_flow(self.tilt, schedule, BALLS)).end, BALLS)
            if value.is_finite():
                break
        return value, reached

    def _doubles(self, schedule: GuidanceSchedule) -> tuple[flint.arb, flint.arb | None]:
        found = passage(schedule_flow(self.tilt, schedule, FLOATS, contexts=self.contexts)).end
        value, reached = self._measured(found, FLOATS)
        return flint.arb(float(value)), None if reached is None else flint.arb(float(reached))

    def _measured(self, law: Distribution, field: Arithmetic) -> tuple[Any, Any]:
        there = [j for j, x in enumerate(law.states) if None not in x]
        states: list[Context] = [law.states[j] for j in there]
        complete = Distribution(tuple(states), column([law.column[j] for j in there], field), field)
        reference = self.target.reference
        strength: Any = float(reference) if field is FLOATS else reference
        active = self.tilt.at(reference) if reference in (-1, 0) else self.tilt
        wanted = tilted_law(active, complete.states, field, strength)
        measure = kl_divergence if self.distance == "kl" else total_variation
        value = measure(complete, wanted)
        if self.target.kind == "tilted":
            return value, None
        if self.target.kind == "entropy":
            return value, entropy(complete)
        return value, posterior(complete, self.problem)


def _parts(schedule: GuidanceSchedule) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
    """Strengths, and the boundaries between windows."""
    return schedule.strengths, schedule.boundaries[1:-1]
