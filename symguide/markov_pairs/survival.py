"""How long Markov pairs take: TV along the clock and the last reveal, for homogeneous chains of any length."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from symguide.chains.functionals import LastReveal
from symguide.errors import ClockError, NotExactError, SymguideError
from symguide.markov_pairs.bridges import quotient
from symguide.markov_pairs.gaps import GapSystem, require_memory
from symguide.numbers.arithmetic import FLOATS

__all__ = ["Survival", "survival"]

_DEGREES = (10, 12)
"""Degrees of the polynomials; beyond 14 the eigenvectors of the derivative would lose digits."""
_NEGLIGIBLE = 1e-16
"""TV at which a curve may end."""
_TINY = 1e-120
"""TV at which any curve ends."""
_ZERO = 1e-140
"""What is taken for zero: squares of smaller numbers are no normal doubles."""


@dataclass(frozen=True)
class Survival:
    """``TV(u) = P(neither terminal nor dead at u)``, by polynomials on panels of the clock, with its error.

    Attributes
    ----------
    edges
        Where the panels begin and end on the clock ``s = −ln u``; beyond the last, TV is below 1e-16.
    values
        TV at the Chebyshev points of every panel, shape ``(panels, degree + 1)``.
    coarse
        The same at a lower degree: the difference of both curves is the error estimate.
    last
        Mean and variance, on the clock, of the time of the last reveal, whose distribution function is ``1 − TV``.
    last_error
        How far the lower degree is off these.

    >>> fine, coarse, unknown = np.array([[1.0, 0.5, 0.0]]), np.array([[1.0, 0.0]]), LastReveal(None, None)
    >>> line = Survival(np.array([0.0, 1.0]), fine, coarse, unknown, unknown)
    >>> line.at(np.exp([0.0, -0.25]))
    array([1.  , 0.75])
    """

    edges: np.ndarray
    values: np.ndarray
    coarse: np.ndarray
    last: LastReveal
    last_error: LastReveal

    def at(self, u: Any) -> np.ndarray:
        """TV at mask fractions ``u``; 0 past the last panel.

        Raises
        ------
        ClockError
            Outside ``[0, 1]``.
        """
        return _evaluate(self.edges, self.values, u)

    def error(self, u: Any) -> np.ndarray:
        """Estimated absolute error of :meth:`at`: the difference to the coarser curve, which is off by more."""
        return np.abs(self.at(u) - _evaluate(self.edges, self.coarse, u))


def survival(system: GapSystem, tolerance: float = 1e-9, smallest: float = 1e-6) -> Survival:
    """TV along the clock and the law of the last reveal, for homogeneous chains.

    With ``S_gap`` the chance that a gap is not settled yet, the gaps of a split being independent,

        ``dS_gap/ds = −Λ S_gap + Σ_{m,v} r_m(v) (S_left + S_right − S_left S_right)``,  ``S_gap = 1`` at ``s = 0``,

    where ``S = 0`` for dead gaps and where nothing is masked. A gap is known by its size and the tokens at its ends, so
    there are ``D (N + 1)²`` of them, each a linear equation once the smaller ones are solved: by collocation at the
    Chebyshev points of panels whose length is set by the last coefficient of TV in the Chebyshev polynomials. All is
    done at degrees 10 and 12, and the difference is reported. ``O(D² N³)`` operations per Chebyshev point.

    Under the normalised rule, where nothing can die, the reveal times are independent and ``TV = 1 − (1 − u)^D``.

    Parameters
    ----------
    system
        Over :data:`symguide.numbers.arithmetic.FLOATS`.
    tolerance
        The last coefficient allowed at degree 10, relative to TV.
    smallest
        The curve goes at least to this mask fraction, and on to where TV is below 1e-16; below 1e-120 it ends.

    Raises
    ------
    SymguideError
        For chains that are not homogeneous, and for a ``tolerance`` or ``smallest`` out of range.
    NotExactError
        For systems over another arithmetic.
    ChainTooLargeError
        Where that takes more memory than :data:`symguide.markov_pairs.gaps.MAX_BYTES`.
    StrengthError
        Where intensities span more than doubles hold (very large ``w``).

    >>> from symguide.markov_pairs.gaps import guided_gaps
    >>> from symguide.laws.markov import MarkovLaw
    >>> from symguide.laws.mixture import Problem
    >>> from symguide.laws.tilt import guidance
    >>> law = MarkovLaw.of([0.5, 0.5], [[0.25, 0.75], [0.75, 0.25]], length=9)
    >>> curve = survival(guided_gaps(guidance(Problem(law, law))).over(FLOATS, 3))
    >>> round(float(curve.at(0.1)), 9), round(1 - 0.9**9, 9), bool(curve.error(0.1) < 1e-10)
    (0.612579511, 0.612579511, True)
    """
    if system.arithmetic is not FLOATS:
        raise NotExactError("survival is computed in double precision, which other arithmetics do not hold; use FLOATS")
    if not all(law.is_homogeneous or law.length == 1 for law in system.bridges.laws):
        raise SymguideError(
            "survival: the transitions depend on the position, so gaps of one size differ and are too many to follow; "
            "use homogeneous chains, or guided_chain for few positions"
        )
    if not (1e-13 <= tolerance <= 0.1 and 0 < smallest <= 1):
        raise SymguideError(
            f"survival: tolerance is {tolerance!r} and smallest {smallest!r}, but doubles reach 1e-13 to 0.1 and mask "
            "fractions lie in (0, 1]; correct them"
        )
    dies = system.bridges.may_die
    types = _Independent(system.length) if system.tilt.normalised and not dies else _GapTypes.of(system)
    edges, coarse = _choose_panels(types, tolerance, smallest)
    values = _follow(types, edges)
    last, before = _last_reveal(edges, values), _last_reveal(edges, coarse)
    last_error = LastReveal(abs(last.mean - before.mean), abs(last.variance - before.variance))
    return Survival(edges, values, coarse, last, last_error)


@dataclass(frozen=True)
class _Independent:
    """``D`` reveals at independent standard exponential times."""

    length: int

    def start(self) -> float:
        """The clock."""
        return 0.0

    def panel(self, degree: int, length: float, clock: float) -> tuple[np.ndarray, float]:
        """See :meth:`_GapTypes.panel`."""
        u = np.exp(-(clock + length * _collocation(degree)[0]))
        with np.errstate(divide="ignore"):
            return -np.expm1(self.length * np.log1p(-u)), clock + length

    @property
    def fastest(self) -> float:
        """The largest exit rate."""
        return float(self.length)


@dataclass(frozen=True)
class _GapTypes:
    """Gaps of a homogeneous chain by size and ends: token ``a`` or ``N`` for the end of the sequence.

    ``bridges[j]`` is ``T`` over ``j`` steps, shape ``(N + 1, N + 1)``; no chain shows what is 0 there.
    """

    bridges: np.ndarray
    exits: np.ndarray
    normalised: bool

    @classmethod
    def of(cls, system: GapSystem) -> "_GapTypes":
        length, size = system.length, system.vocabulary
        require_memory(
            8 * (length + 2) * (size + 1) ** 2 * (3 * max(_DEGREES) + 8),
            f"the settling of all gaps (N = {size}, D = {length})",
            "use fewer positions or a smaller vocabulary",
        )
        tilted, live = system.bridges, system.bridges.live
        found = np.zeros((length + 2, size + 1, size + 1))
        for steps in range(1, length):
            found[steps, :size, :size] = np.any(live[: length - steps], axis=0, keepdims=True).T
        if length > 1:
            logs = [law.logs_between(0) for law in tilted.laws]
            found[1:length, :size, :size] = tilted.floats(logs, found[1:length, :size, :size] > 0)
        logs = [law.log_marginals for law in tilted.laws]
        found[1 : length + 1, size, :size] = tilted.floats(logs, live)
        found[1 : length + 1, :size, size] = live[::-1]
        found[length + 1, size, size] = 1.0
        exits = np.zeros_like(found)
        types = cls(found, exits, system.tilt.normalised)
        for steps in range(2, length + 2):
            through = types.through(steps)
            whole = through.sum(axis=0)
            if types.normalised:
                whole = found[steps] * (through > 0).astype(float).sum(axis=0)
            exits[steps] = quotient(whole, found[steps])
        return types

    def through(self, steps: int) -> np.ndarray:
        """``T_j T_{steps−j}`` for ``j = 1..steps−1``."""
        return self.bridges[1:steps, :, :-1] @ self.bridges[steps - 1 : 0 : -1, :-1, :]

    @property
    def fastest(self) -> float:
        """The largest exit rate."""
        return float(self.exits.max())

    def start(self) -> np.ndarray:
        """``S`` of all gaps when the clock starts."""
        return (self.exits > 0).astype(float)

    def panel(self, degree: int, length: float, alive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From ``S`` of all gaps where a panel begins: that of the whole sequence in it, and of all gaps at its end."""
        total, states = len(self.bridges) - 1, self.bridges.shape[1]
        # T S and T (1 − S) of left parts from short to long, and of right parts from long to short.
        open_left = np.zeros((degree + 1, states, total + 1, states - 1))
        done_left = np.zeros_like(open_left)
        open_right = np.zeros((degree + 1, total + 1, states - 1, states))
        bare_right = self.bridges[::-1, :-1, :]
        ends = np.zeros_like(alive)
        values = np.zeros((degree + 1, states, states))
        for steps in range(1, total + 1):
            if steps > 1:
                lefts, rights = slice(1, steps), slice(total - steps + 1, total)
                parts = open_left[:, :, lefts], done_left[:, :, lefts], open_right[:, rights], bare_right[rights]
                gains = self._normalised_gains(steps, *parts) if self.normalised else self._gains(steps, *parts)
                values = _relax(degree, length * self.exits[steps], length * gains, alive[steps])
                ends[steps] = values[-1]
            block = self.bridges[steps] * values
            open_left[:, :, steps] = block[:, :, :-1]
            done_left[:, :, steps] = (self.bridges[steps] - block)[:, :, :-1]
            open_right[:, total - steps] = block[:, :-1, :]
        return values[:, -1, -1], ends

    def _gains(
        self, steps: int, open_left: np.ndarray, done_left: np.ndarray, open_right: np.ndarray, bare_right: np.ndarray
    ) -> np.ndarray:
        """``Σ_j (T_j S_j · T_k + T_j (1 − S_j) · T_k S_k) / T``, ``j + k`` steps in all, at the Chebyshev points."""
        count, states = open_left.shape[:2]
        first = open_left.reshape(count * states, -1) @ bare_right.reshape(-1, states)
        second = done_left.reshape(count, states, -1) @ open_right.reshape(count, -1, states)
        return quotient(first.reshape(count, states, states) + second, self.bridges[steps])

    def _normalised_gains(
        self, steps: int, open_left: np.ndarray, done_left: np.ndarray, open_right: np.ndarray, bare_right: np.ndarray
    ) -> np.ndarray:
        """The same with every term divided by ``Z_m T``."""
        gains = np.zeros((len(open_left), *self.bridges.shape[1:]))
        for j, through in enumerate(self.through(steps)):
            sums = open_left[:, :, j] @ bare_right[j] + done_left[:, :, j] @ open_right[:, j]
            gains += quotient(sums, through)
        return gains


def _choose_panels(types: Any, tolerance: float, smallest: float) -> tuple[np.ndarray, np.ndarray]:
    """Edges on the clock, and ``S`` of the whole sequence on the panels between, at the lower degree."""
    degree = _DEGREES[0]
    found: list[np.ndarray] = []
    edges = [0.0]
    length, state = 1 / max(types.fastest, 1.0), types.start()
    while True:
        values, after = types.panel(degree, length, state)
        last_coefficient = abs(_signs(degree) @ values) / degree
        stretch = 0.9 * (tolerance * values[0] / max(last_coefficient, _ZERO)) ** (1 / degree)
        if stretch >= 0.9 or values[0] <= _TINY:
            state = after
            found.append(values)
            edges.append(edges[-1] + length)
            if values[-1] <= (_NEGLIGIBLE if edges[-1] >= -np.log(smallest) else _TINY):
                return np.array(edges), np.array(found)
        length *= np.clip(stretch, 0.3, 2.0)


def _follow(types: Any, edges: np.ndarray) -> np.ndarray:
    """``S`` of the whole sequence on given panels, at the higher degree."""
    found = []
    state = types.start()
    for length in np.diff(edges):
        values, state = types.panel(_DEGREES[1], length, state)
        found.append(values)
    return np.array(found)


def _relax(degree: int, exits: np.ndarray, gains: np.ndarray, start: np.ndarray) -> np.ndarray:
    """``S`` with ``dS/dx = −Λ S + G`` on ``[0, 1]``, at the Chebyshev points; 0 where nothing leaves.

    The derivative is one matrix for all gaps: in its eigenvectors each ``Λ`` is a division.
    """
    _, first, eigenvalues, vectors, inverse = _collocation(degree)
    values = np.zeros_like(gains)
    values[0] = start
    leaving = exits > 0
    right = gains[1:, leaving] - first[:, None] * start[leaving]
    values[1:, leaving] = (vectors @ ((inverse @ right) / (eigenvalues[:, None] + exits[leaving]))).real
    values[np.abs(values) < _ZERO] = 0.0
    return values


@cache
def _collocation(degree: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points ``(1 − cos(π k / n)) / 2``; of the derivative of the polynomial through values there, without its first
    row: the first column, and eigenvalues and eigenvectors (with their inverse) of the others.
    """
    angles = np.pi * np.arange(degree + 1) / degree
    # cos a − cos b = −2 sin((a + b)/2) sin((a − b)/2): differences keep their digits.
    gaps = np.sin((angles[:, None] + angles) / 2) * np.sin((angles[:, None] - angles) / 2)
    np.fill_diagonal(gaps, 1.0)
    signs = _signs(degree)
    derivative = signs / signs[:, None] / gaps
    np.fill_diagonal(derivative, 0.0)
    np.fill_diagonal(derivative, -derivative.sum(axis=1))
    eigenvalues, vectors = np.linalg.eig(derivative[1:, 1:])
    return np.sin(angles / 2) ** 2, derivative[1:, 0], eigenvalues, vectors, np.linalg.inv(vectors)


def _signs(degree: int) -> np.ndarray:
    """Barycentric weights of the Chebyshev points."""
    signs = (-1.0) ** np.arange(degree + 1)
    signs[[0, -1]] /= 2
    return signs


def _evaluate(edges: np.ndarray, values: np.ndarray, u: Any) -> np.ndarray:
    """The curve at mask fractions, by the barycentric formula on the panels."""
    fractions = np.asarray(u, dtype=float)
    if not ((fractions >= 0) & (fractions <= 1)).all():
        raise ClockError(f"mask fraction u is {u}: it runs from 1 (all masked) to 0 (the end); correct it")
    with np.errstate(divide="ignore"):
        clock = -np.log(fractions)
    panel = np.clip(np.searchsorted(edges, clock, side="right") - 1, 0, len(values) - 1)
    place = np.minimum(clock - edges[panel], edges[panel + 1] - edges[panel]) / (edges[panel + 1] - edges[panel])
    gaps = place[..., None] - _collocation(values.shape[1] - 1)[0]
    hits = gaps == 0
    weights = _signs(values.shape[1] - 1) / np.where(hits, 1.0, gaps)
    weights = np.where(hits.any(axis=-1, keepdims=True), hits, weights)
    found = (weights * values[panel]).sum(axis=-1) / weights.sum(axis=-1)
    return np.where(clock > edges[-1], 0.0, found)


def _last_reveal(edges: np.ndarray, values: np.ndarray) -> LastReveal:
    """``E = ∫ S ds`` and ``E² + Var = 2 ∫ s S ds``, by Clenshaw and Curtis' rule on the panels."""
    degree = values.shape[1] - 1
    angles = np.pi * np.arange(degree + 1) / degree
    orders = np.arange(0, degree + 1, 2)
    halves = np.where((orders == 0) | (orders == degree), 0.5, 1.0)
    weights = (np.cos(np.outer(angles, orders)) * halves / (1 - orders**2)).sum(axis=1) * 2 / degree
    weights[[0, -1]] /= 2
    lengths = np.diff(edges)[:, None]
    mass = lengths * weights * values
    clock = edges[:-1, None] + lengths * _collocation(degree)[0]
    mean = float(mass.sum())
    return LastReveal(mean, float(2 * (mass * clock).sum()) - mean**2)
