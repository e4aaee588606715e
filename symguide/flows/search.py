"""The search for schedules: its variables, its optimisers, and numbers with what is known of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from itertools import pairwise
from typing import Any, NamedTuple

import flint
import numpy as np

from symguide.errors import ClockError, StrengthError, SymguideError
from symguide.flows.adjoint import Derivatives
from symguide.numbers.number import read_number
from symguide.numbers.numeral import shortened

__all__ = [
    "SHORTEST",
    "Measured",
    "Space",
    "boundaries_of",
    "bounds_of",
    "measured",
    "optimisers",
    "remembered",
    "require_double",
]

SHORTEST = 1e-3
"""The least length of a window whose boundaries are free,"""
WIDEST = 7.0
"""and the largest logarithm of a ratio of such lengths, but for it."""


@dataclass(frozen=True, slots=True)
class Space:
    """Strengths of windows, and if their boundaries are free, logarithms of their lengths by that of the last.

    Attributes
    ----------
    boundaries
        Where windows meet, or met before they are moved.
    free
        Whether they are moved.
    bounds
        The least and the largest strength.

    >>> space = Space((Fraction(1, 2),), True, (0.0, 3.0))
    >>> space.unpack(np.array([1.0, 2.0, 0.0]))
    (array([1., 2.]), array([0.5]))
    """

    boundaries: tuple[Fraction, ...]
    free: bool
    bounds: tuple[float, float]

    @property
    def count(self) -> int:
        """How many windows there are."""
        return len(self.boundaries) + 1

    @property
    def box(self) -> list[tuple[float, float]]:
        """The bounds of all variables."""
        return [self.bounds] * self.count + [(-WIDEST, WIDEST)] * (self.count - 1) * self.free

    def unpack(self, variables: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Strengths, and boundaries; free lengths are shares ``e^θ`` of what :data:`SHORTEST` leaves."""
        if not self.free:
            return variables, np.array(self.boundaries, dtype=np.float64)
        return variables[: self.count], 1 - np.cumsum(self._least + self._room * self._shares(variables))[:-1]

    def pack(self, variables: np.ndarray, found: Derivatives) -> np.ndarray:
        """Derivatives by the variables."""
        if not self.free:
            return found.by_strength
        # u_j = 1 − Σ_{i ≤ j} length_i, and the length of the last window moves no boundary.
        by_length = np.append(-np.cumsum(found.by_boundary[::-1])[::-1], 0.0)
        shares = self._shares(variables)
        return np.concatenate([found.by_strength, self._room * (shares * (by_length - shares @ by_length))[:-1]])

    def start(self, strength: float | None, rng: np.random.Generator) -> np.ndarray:
        """Where to begin: a constant, or anywhere."""
        if strength is not None:
            lengths = -np.diff([1.0, *map(float, self.boundaries), 0.0])
            strengths = np.full(self.count, strength)
        else:
            lengths = rng.dirichlet(np.full(self.count, 4.0))
            strengths = rng.uniform(*self.bounds, self.count)
        if not self.free:
            return strengths
        return np.concatenate([strengths, np.clip(np.log(lengths[:-1] / lengths[-1]), -WIDEST, WIDEST)])

    def at_bounds(self, strengths: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Which of so many variables are at their lower, and at their upper bounds; boundaries never are."""
        low, high = (np.zeros(size, dtype=bool) for _ in range(2))
        low[: self.count] = strengths <= self.bounds[0] + 1e-6
        high[: self.count] = strengths >= self.bounds[1] - 1e-6
        return low, high

    @property
    def _least(self) -> float:
        return min(SHORTEST, 0.1 / self.count)

    @property
    def _room(self) -> float:
        return 1 - self.count * self._least

    def _shares(self, variables: np.ndarray) -> np.ndarray:
        weights = np.exp(np.append(variables[self.count :], 0.0))
        return weights / weights.sum()


class Measured(NamedTuple):
    """A number, and the doubles between which it is enclosed, if it is.

    >>> Measured(0.5, (0.5, 0.5)).number
    0.5
    """

    number: float
    interval: tuple[float, float] | None


def remembered(function: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray], Any]:
    """The same, computed once where it is asked for twice in turn.

    >>> calls = []
    >>> once = remembered(lambda x: calls.append(1))
    >>> once(np.ones(2)), once(np.ones(2)), len(calls)
    (None, None, 1)
    """
    last: dict[bytes, Any] = {}

    def remembering(variables: np.ndarray) -> Any:
        key = variables.tobytes()
        if key not in last:
            last.clear()
            last[key] = function(variables)
        return last[key]

    return remembering


def measured(ball: flint.arb, encloses: bool) -> Measured:
    """The middle, and doubles around the ball; nothing that is measured here is negative.

    >>> measured(flint.arb("0.5"), False)
    Measured(number=0.5, interval=None)
    """
    number = max(float(ball.mid()), 0.0)
    if not encloses:
        return Measured(number, None)
    low, high = (float(end) for end in (ball.lower(), ball.upper()))
    return Measured(number, (max(np.nextafter(low, -np.inf).item(), 0.0), np.nextafter(high, np.inf).item()))


def bounds_of(bounds: tuple[object, object]) -> tuple[Fraction, Fraction]:
    """The least and the largest strength.

    Raises
    ------
    StrengthError
        For what is no range above −1.

    >>> bounds_of(("-1/2", 3))
    (Fraction(-1, 2), Fraction(3, 1))
    """
    low, high = (_fraction(bound, "bound of strengths") for bound in bounds)
    for bound in (low, high):
        require_double(bound, "bound of strengths")
    if float(low) <= -1 or high < low:
        raise StrengthError(
            f"bounds: strengths from {shortened(str(low))} to {shortened(str(high))} are no range above -1, so there "
            "is nothing to choose from; give low > -1 and high >= low"
        )
    return low, high


def boundaries_of(windows: int | Sequence[object]) -> tuple[Fraction, ...]:
    """Where windows meet: so many equal ones, or as given.

    Raises
    ------
    SymguideError
        For less than one window.
    ClockError
        For boundaries that do not decrease between 1 and 0.

    >>> boundaries_of(3), boundaries_of(["0.7", "1/5"])
    ((Fraction(2, 3), Fraction(1, 3)), (Fraction(7, 10), Fraction(1, 5)))
    """
    if isinstance(windows, int):
        if windows < 1:
            raise SymguideError(f"windows is {windows}: without one there is no strength to choose; give at least 1")
        return tuple(1 - Fraction(j, windows) for j in range(1, windows))
    edges = [_fraction(edge, "boundary") for edge in windows]
    if any(float(before) <= float(after) for before, after in pairwise([Fraction(1), *edges, Fraction(0)])):
        listed = ", ".join(shortened(str(edge)) for edge in edges)
        raise ClockError(f"boundaries {listed} do not decrease between 1 and 0 as doubles; correct them")
    return tuple(edges)


def require_double(value: Fraction, what: str) -> None:
    """Refuse what is too large for a double.

    >>> require_double(Fraction(10) ** 400, "bound of strengths")
    Traceback (most recent call last):
    symguide.errors.StrengthError: bound of strengths is 1000000000000000000...: it leaves the range of doubles; ...
    """
    try:
        float(value)
    except OverflowError:
        raise StrengthError(f"{what} is {shortened(str(value))}: it leaves the range of doubles; use less") from None


def _fraction(value: object, what: str) -> Fraction:
    number = read_number(value, what, SymguideError)
    if isinstance(number, Fraction | float):
        return Fraction(number)
    raise SymguideError(f"{what} is {number}, which is no rational number, so nothing is searched; give one")


def optimisers() -> Any:
    """SciPy's optimisers.

    Raises
    ------
    SymguideError
        Without SciPy.

    >>> optimisers().__name__
    'scipy.optimize'
    """
    try:
        return import_module("scipy.optimize")
    except ImportError as error:
        raise SymguideError(
            "SciPy is not installed, so there is no optimiser; pip install 'symguide[optimise]'"
        ) from error
