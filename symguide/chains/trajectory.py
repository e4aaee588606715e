"""The law of a chain at many times, for chains of any size and stiffness, with an error estimate.

Early on: uniformisation, a sum of positive terms that keeps the relative accuracy of small probabilities. Later: sums
of exponentials, where gaps between exit rates allow. Else, where ``Λ s`` is moderate uniformisation, and where it is
large the inverse Laplace transform by quadrature on a hyperbola around the exit rates,
whose error is absolute and does not know how stiff the chain is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil, exp, inf, lgamma, log, log1p, sqrt
from typing import Any

import numpy as np

from symguide.chains.array_chain import ArrayChain, Incoming, add_rows
from symguide.chains.contours import INSTANT, hyperbola, inflow_of, transforms_of
from symguide.chains.partial_fractions import PartialFractions, partial_fractions
from symguide.errors import ChainTooLargeError, ClockError, DataError
from symguide.numbers.divided_differences import exp_dd_float

__all__ = ["METHODS", "Survival", "Trajectory", "survival", "trajectory"]

METHODS = ("closed form", "partial fractions", "uniformisation", "contour")
"""How a trajectory may be computed; closed forms for one and two reveals only, partial fractions for chains of contexts
by position.
"""

GENTLE, MODERATE, DEEP = 30.0, 200.0, 16
"""``max Λ · s`` up to which uniformisation is taken, for all states and for TV alone, and the number of reveals beyond
which it is taken while it lasts: contours lose digits at every reveal.
"""

WINDOW = 10.0
"""Ratio of the times that share the nodes of one contour."""

NODES = 32
"""Nodes of a contour in the upper half plane: at ratio 10 the scalar error is about 3e-14."""

FINE_NODES = 60
"""Nodes where a small ``1 − TV`` is wanted: the error of quadrature is relative to powers of ``s``, not to it."""

LONE_NODES, LONE_WINDOW = 19, 2.0
"""Nodes of a contour for one time, besides three for every two levels, and its window."""

MAX_BYTES = 4 * 2**30
"""Memory that the values of a trajectory may take."""

_NODE_BYTES = 48
# For each context and node: a transform, and what its sum over nodes makes of it.

EARLY = 3.0
"""``max Λ · s`` up to which partial fractions would cancel."""

FEW = 8
"""Reveals up to which partial fractions are tried, of which there are ``2^k`` for each context."""

SHARP = 1e-12
"""Bound on the error of partial fractions up to which they are taken."""

CLEAR = 1e-12
"""Relative error up to which TV is taken from one contour for all contexts."""

SEEN, BAND = 35.0, 4.0
"""Logarithm of the share that cannot be seen in a double, and the range of ``Λs`` in a band of slow contexts."""

_LOG_ONLY = 1e15
"""``−ln TV`` above which only rates and the logarithms of jumps can be seen in it."""

LONG, DEEPEST, MAX_PRODUCTS = 1_800.0, 500.0, 2e7
"""``max Λ · s`` and ``−ln TV`` up to which uniformisation keeps twelve digits of TV, and its cost up to which it is
taken where contours do not keep as many.
"""

MAX_STEPS = 10_000
"""Steps of a uniformisation; more are left to the contour."""

_BLOCK, _PROBES = 32, 6
_EPSILON = float(np.finfo(float).eps)
_CLOSED, _CANCELS = 1e100, 0.02
_ROOM = 600.0
"""Means whose Poisson weights are normal doubles from the first on."""
_LEAST = 1e-290
"""Doubles below may have lost digits to underflow."""

Combine = Callable[[np.ndarray], np.ndarray]
Law = Callable[[ArrayChain, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The law of a chain at some times.

    Attributes
    ----------
    clocks
        The ``T`` times on the clock ``s``.
    probabilities
        ``(n, T)``: ``P_x(s)`` for every state of the chain.
    error
        ``(T,)``: the largest absolute error of any probability, estimated; see :func:`trajectory`.
    methods
        How each time was reached, a name of :data:`METHODS`.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.lattice import lattice
    >>> from symguide.laws.tilt import guidance
    >>> trajectory(lattice(guidance(load("hypercubes-5d"))).at(1.0), [0.1, 5000.0]).methods
    ('uniformisation', 'partial fractions')
    """

    clocks: np.ndarray
    probabilities: np.ndarray
    error: np.ndarray
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Survival:
    """``TV(P(s), P(∞))``, the probability that some token is still to be revealed, with its logarithms.

    Attributes
    ----------
    value, log, log_minus_log
        TV, ``ln TV`` and ``ln(−ln TV)``; the logarithms hold where TV under- or overflows.
    error
        The relative error of whichever is smaller, TV or ``1 − TV``, and of its logarithm where the number itself
        leaves the range of doubles; estimated, given the rates.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.lattice import lattice
    >>> from symguide.laws.tilt import guidance
    >>> chain = lattice(guidance(load("hypercubes-5d"), "normalised")).at(1.0)
    >>> abs(survival(chain, 0.5).value - (1 - (1 - exp(-0.5)) ** 5)) < 1e-15
    True
    """

    value: float
    log: float
    log_minus_log: float
    error: float


def trajectory(
    chain: ArrayChain,
    clocks: Sequence[float] | np.ndarray,
    method: str | None = None,
    initial: np.ndarray | None = None,
) -> Trajectory:
    """``P_x(s)`` of every state at every time.

    One or two reveals have closed forms, sums of positive terms. Partial fractions are sums of exponentials, taken
    where they cancel little; their error is a bound. Uniformisation,
    ``P(s) = Σ_n e^{−qs} (qs)^n/n! · (I + A/q)^n P(0)`` with ``q = max Λ``, adds positive numbers: its error is
    truncation, bounded by the Poisson tail, and rounding. The contour is
    ``P(s) = (1/2πi) ∫ e^{zs} (z − A)^{-1} P(0) dz`` on ``z = μ(1 + sin(iθ − a))``, one triangular sweep a node; its
    error is measured against a contour with more nodes at the ends and in the middle of every window of times, to
    which the rounding of the sum is added.

    Parameters
    ----------
    chain
        The chain, of any size.
    clocks
        Times ``s ≥ 0``.
    method
        A name of :data:`METHODS`; by ``max Λ · s`` if ``None``.
    initial
        ``P_x(0)`` for every state; all at the start by default.

    Raises
    ------
    ClockError
        For negative or infinite times.
    ChainTooLargeError
        When the values would not fit in memory, and for uniformisation where it would not come to an end.

    References
    ----------
    Jensen, Skand. Aktuarietidskr. 36 (1953) 87 (uniformisation); Weideman, Trefethen, Math. Comp. 76 (2007) 1341
    (hyperbolic contours for an interval of times).

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.lattice import lattice
    >>> from symguide.laws.tilt import guidance
    >>> chain = lattice(guidance(load("interval-overlap"))).at(1.0)
    >>> path = trajectory(chain, [0.0, 0.5])
    >>> path.probabilities[0].round(12), bool(path.error.max() < 1e-13)
    (array([1.        , 0.43459821]), True)
    """
    times = _read_clocks(clocks)
    if method not in (None, *METHODS):
        raise DataError(f"method {method!r} is unknown; choose one of {', '.join(METHODS)}")
    _require_memory(chain, 8 * (2 * len(times) + _BLOCK) + _NODE_BYTES * (NODES + 6), f" at {len(times)} times")
    begun = _all_at_start(chain) if initial is None else np.asarray(initial, dtype=np.float64)
    known = None
    if method is None:
        chosen, known = _choose(chain, times, initial is None)
    else:
        chosen = np.full(len(times), method)

    def exponentials(chain: ArrayChain, at: np.ndarray, initial: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        _require_start(chain, initial, METHODS[1])
        bounded = _Bounded.of(partial_fractions(chain), at) if known is None else known
        law = bounded.fractions.at(at)
        return np.maximum(law, 0.0, out=law), bounded.error(at)

    laws: dict[str, Law] = dict(zip(METHODS, (_closed_form, exponentials, _uniformised, _on_contours), strict=True))
    if len(times) and times.min() > 0 and (chosen == chosen[0]).all():
        name = str(chosen[0])
        return Trajectory(times, *laws[name](chain, times, begun), (name,) * len(times))
    out, error = np.zeros((chain.size, len(times))), np.zeros(len(times))
    out[:, times == 0] = begun[:, None]
    for name, law in laws.items():
        members: Any = np.flatnonzero((times > 0) & (chosen == name))
        if len(members):
            if members[-1] - members[0] + 1 == len(members):
                members = slice(members[0], members[-1] + 1)  # which is copied faster
            out[:, members], error[members] = law(chain, times[members], begun)
    return Trajectory(times, out, error, tuple(chosen.tolist()))


def _all_at_start(chain: ArrayChain) -> np.ndarray:
    law = np.zeros(chain.size)
    law[0] = 1.0
    return law


def _require_start(chain: ArrayChain, initial: np.ndarray, method: str) -> None:
    if initial[0] != 1.0:
        raise DataError(f"method {method!r} starts where the chain does; use another one for other initial laws")


def _choose(chain: ArrayChain, times: np.ndarray, at_start: bool) -> tuple[np.ndarray, "_Bounded | None"]:
    """A method for every time, and what was computed to find it."""
    fastest = float(chain.exits.max(initial=0.0))
    if at_start and chain.depth <= 2 and fastest < _CLOSED:
        return np.full(len(times), "closed form"), None
    steps = fastest * times
    limit = MAX_STEPS if chain.depth > DEEP else GENTLE
    chosen = np.array([METHODS[2] if count <= limit else METHODS[3] for count in steps], dtype=object)
    later = np.flatnonzero(steps > EARLY)
    if not at_start or not len(later) or not chain.by_position or chain.depth > FEW or fastest >= _CLOSED:
        return chosen, None
    try:
        bounded = _Bounded.of(partial_fractions(chain), times[later])
    except DataError:  # too many terms
        return chosen, None
    chosen[later[bounded.error(times[later]) <= SHARP]] = METHODS[1]
    return chosen, bounded


@dataclass(frozen=True, slots=True)
class _Bounded:
    """Partial fractions with their errors at some times, which bound those at later ones."""

    fractions: PartialFractions
    probes: np.ndarray
    errors: np.ndarray

    @classmethod
    def of(cls, fractions: PartialFractions, times: np.ndarray) -> "_Bounded":
        order = np.sort(times)
        probes = order[np.unique(np.linspace(0, len(order) - 1, _PROBES, dtype=int))]
        return cls(fractions, probes, fractions.error(probes))

    def error(self, times: np.ndarray) -> np.ndarray:
        return self.errors[np.searchsorted(self.probes, times, side="right") - 1]


def _is_moderate(chain: ArrayChain, time: float) -> bool:
    steps = float(chain.exits.max(initial=0.0)) * time
    return steps <= MODERATE or (chain.depth > DEEP and steps <= MAX_STEPS)


def survival(chain: ArrayChain, clock: float) -> Survival:
    """``TV(P(s), P(∞))`` with the relative accuracy of the smaller of TV and ``1 − TV``.

    Where one contour does not resolve TV, paths are gathered by the exit rate ``σ`` of the slowest context on them,
    and each band of rates is transformed with ``e^{−σs}`` and the probability of its paths taken out, so that rarely
    reached slow contexts are not lost among fast ones. A band is left out when its share, at most
    ``h e^{−σs} Σ_{j<D} (σs)^j/j!`` where it is visited with probability ``h``, cannot be seen.

    Raises
    ------
    ClockError
        For negative or infinite times.
    ChainTooLargeError
        When the transforms would not fit in memory.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.lattice import lattice
    >>> from symguide.laws.tilt import guidance
    >>> survival(lattice(guidance(load("interval-overlap"))).at(60.0), 0.5).log_minus_log
    40.49021...
    """
    (time,) = _read_clocks([clock])
    if time == 0 or not chain.transient.any():
        remains = bool(chain.transient[0])
        return Survival(float(remains), 0.0 if remains else -inf, -inf if remains else inf, 0.0)
    if _is_moderate(chain, float(time)):
        return _uniformised_survival(chain, float(time))
    _require_memory(chain, _NODE_BYTES * FINE_NODES, "")
    totals, errors = _on_contour(chain, np.array([time]), _split(chain))
    if totals[0, 0] < 0.5 and errors[0, 0] > CLEAR * totals[0, 0]:
        found, steps = _by_bands(chain, float(time)), float(chain.exits.max()) * float(time)
        if found.error > CLEAR and found.log > -DEEPEST and steps <= LONG and steps * chain.size <= MAX_PRODUCTS:
            return _uniformised_survival(chain, float(time))
        return found
    if totals[0, 0] >= 0.5 and errors[1, 0] > CLEAR * totals[1, 0]:
        totals, errors = _on_contour(chain, np.array([time]), _split(chain), FINE_NODES)
    remaining, absorbed = totals[:, 0].tolist()
    if remaining < 0.5:
        return _from_log_tv(log(remaining), float(errors[0, 0]) / remaining)
    if absorbed > 0:
        return _from_log_absorbed(log(absorbed), float(errors[1, 0]) / absorbed)
    return _from_log_absorbed(-inf, inf)


def _from_log_tv(log_tv: float, error: float) -> Survival:
    return Survival(exp(log_tv), log_tv, log(-log_tv) if log_tv < 0 else -inf, float(error))


def _from_log_absorbed(log_absorbed: float, error: float) -> Survival:
    """TV near 1, from the logarithm of ``1 − TV``."""
    absorbed = min(exp(log_absorbed), 1.0)
    log_tv = log1p(-absorbed)
    return Survival(1.0 - absorbed, log_tv, log(-log_tv) if absorbed > _LEAST else log_absorbed, float(error))


def _require_memory(chain: ArrayChain, each: int, what: str) -> None:
    """Refuse before so many bytes for each context are taken."""
    if chain.size * each > MAX_BYTES:
        raise ChainTooLargeError(
            f"the law of {chain.size} contexts{what} would take about {chain.size * each / 2**30:.1f} GiB, more than "
            f"the limit of {MAX_BYTES / 2**30:.1f}; use fewer times, fewer positions or a smaller support"
        )


def _read_clocks(clocks: Sequence[float] | np.ndarray) -> np.ndarray:
    times = np.asarray(clocks, dtype=np.float64).ravel()
    for time in times[~(np.isfinite(times) & (times >= 0))][:1]:
        raise ClockError(
            f"clock s is {time}: times run from 0 on; ask for finite s >= 0, the limit is the terminal law"
        )
    return times


def _windows(times: np.ndarray) -> list[np.ndarray]:
    """The times, by index, in groups whose ratios stay within a window."""
    groups: list[np.ndarray] = []
    rest = np.argsort(times, kind="stable")
    while len(rest):
        inside = times[rest] <= WINDOW * times[rest[0]]
        groups.append(rest[inside])
        rest = rest[~inside]
    return groups


def _split(chain: ArrayChain) -> Combine:
    """The mass still to move and the mass at rest."""
    moving = chain.transient
    return lambda values: np.stack([values[moving].sum(axis=0), values[~moving].sum(axis=0)])


def _closed_form(chain: ArrayChain, times: np.ndarray, initial: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most two reveals, sums of positive terms, ``q exp_dd((Λ_0, Λ_1), s)`` and ``q r exp_dd((Λ_0, Λ_1, 0), s)``."""
    if chain.depth > 2:
        raise DataError(f"a chain of {chain.depth} reveals has no closed form here; use another method")
    _require_start(chain, initial, METHODS[0])
    rate, out = float(chain.exits[0]), np.empty((chain.size, len(times)))
    out[0] = np.exp(-rate * times)
    left = -np.expm1(-rate * times)[None, :]
    if chain.depth == 2:
        exits = chain.exits[chain.level(1)][:, None]
        share = inflow_of(np.ones((1, 1)), chain.incoming[0].sources, chain.incoming[0].jumps)
        on_the_way = rate * exp_dd_float((np.full((1, 1), rate), exits), times)
        out[chain.level(1)] = share * on_the_way
        passed = left - on_the_way
        # Early on the difference would cancel.
        rows, columns = np.nonzero(passed < _CANCELS)
        slow = exits[rows, 0]
        passed[rows, columns] = rate * slow * exp_dd_float((rate, slow, np.zeros(1)), times[columns])
        left = share * np.where(exits > 0, passed, 0.0)
    if chain.depth:
        add_rows(out[chain.last], left, chain.incoming[-1].sources, chain.incoming[-1].jumps)
    return out, np.full(len(times), 100 * _EPSILON)


def _uniformised(chain: ArrayChain, times: np.ndarray, initial: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The law at the times and its relative error, by a sum of positive terms."""
    means, count = _means(chain, times)
    weights = _poisson(means, count)
    out = np.zeros((chain.size, len(times)))
    jumped = _jumped(chain, count, initial)
    for begin in range(0, count, _BLOCK):
        powers = np.stack(list(islice(jumped, _BLOCK)), axis=1)
        out += powers @ weights[:, begin : begin + _BLOCK].T
    return out, np.full(len(times), 2.0 * count * _EPSILON)


def _uniformised_survival(chain: ArrayChain, time: float) -> Survival:
    means, count = _means(chain, np.array([time]))
    split = _split(chain)
    totals = np.stack([split(law) for law in _jumped(chain, count, _all_at_start(chain))], axis=1)
    remaining, absorbed = (totals @ _poisson(means, count)[0]).tolist()
    error = 2.0 * count * _EPSILON
    if remaining < 0.5:
        return _from_log_tv(log(remaining), error)
    if absorbed > _LEAST:
        return _from_log_absorbed(log(absorbed), error)
    mean = float(chain.log_exits.max()) + log(time)
    with np.errstate(divide="ignore"):
        parts = [n * mean - lgamma(n + 1) + share for n, share in enumerate(np.log(totals[1]))]
    return _from_log_absorbed(float(np.logaddexp.reduce(parts)) - exp(mean), error)


def _means(chain: ArrayChain, times: np.ndarray) -> tuple[np.ndarray, int]:
    """Expected numbers of steps at the times, and how many to take."""
    fastest = float(chain.exits.max(initial=0.0))
    most = fastest * float(times.max())
    if most > MAX_STEPS:
        raise ChainTooLargeError(
            f"uniformisation takes max Λ · s = {most:.3g} steps here, more than the limit of {MAX_STEPS}; "
            "use the method contour"
        )
    # A sum over n of (n choose k) v m^n/n! is m^k/k! times an exponential series, whose tail is small soon for small m.
    count = ceil(most + 9 * sqrt(most)) + 30
    few = (n for n in range(1, count) if most == 0 or n * log(most) - lgamma(n + 1) < log(_EPSILON) - 3)
    return fastest * times, next(few, count) + chain.depth


def _jumped(chain: ArrayChain, count: int, initial: np.ndarray) -> Iterator[np.ndarray]:
    """The law after ``0, 1, …, count − 1`` steps of the chain that steps at the fastest rate."""
    fastest = float(chain.exits.max(initial=0.0)) or 1.0
    stay, leave = (fastest - chain.exits) / fastest, chain.exits / fastest
    sources, targets, jumps = chain.edges
    shares = leave[sources] * jumps
    law = initial
    for _ in range(count):
        yield law
        law = law * stay + np.bincount(targets, law[sources] * shares, minlength=chain.size)


def _poisson(means: np.ndarray, count: int) -> np.ndarray:
    """``e^{−m} m^n/n!`` for ``n < count``, a row for every mean, by ratios from the mode."""
    steps = np.arange(1, count)
    rows = np.empty((len(means), count))
    small = means < _ROOM
    rows[small, 0] = np.exp(-means[small])
    rows[small, 1:] = rows[small, :1] * np.cumprod(means[small, None] / steps, axis=1)
    for row in np.flatnonzero(~small):
        mode = min(int(means[row]), count - 1)
        up, down = np.cumprod(means[row] / steps[mode:]), np.cumprod(steps[:mode][::-1] / means[row])[::-1]
        rows[row] = np.concatenate([down, [1.0], up])
    return rows / rows.sum(axis=1, keepdims=True)


def _on_contours(chain: ArrayChain, times: np.ndarray, initial: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The law at the times and its absolute error; one contour for every window of times, all in one sweep."""
    windows = _windows(times)
    rules = [hyperbola(nodes, WINDOW) for nodes in (NODES, NODES + 6)]
    lasts = [float(times[window].max()) for window in windows]
    z = np.concatenate([nodes / last for last in lasts for nodes, _ in rules])
    transforms, passed = transforms_of(chain, z, initial, passed=True)
    # The last level gets what has passed the one below, so only that is summed over nodes.
    rows = np.concatenate([transforms, passed])
    into = chain.incoming[-1] if chain.depth else Incoming(np.zeros((0, 0), dtype=np.int32), np.zeros((0, 0)))
    gathered = float(into.jumps.sum(axis=1).max(initial=1.0))
    out, error, begin = np.empty((chain.size, len(times))), np.empty(len(times)), 0
    for window, last in zip(windows, lasts, strict=True):
        at = times[window] / last
        probes = np.unique([0, len(window) // 2, len(window) - 1])
        found = []
        for (nodes, weights), here in zip(rules, (at, at[probes]), strict=True):
            part = np.ascontiguousarray(rows[:, begin : begin + len(nodes)])
            begin += len(nodes)
            kernel = weights[:, None] * np.exp(np.outer(nodes, here)) / last
            # Re(Σ F c) as one product of real matrices.
            found.append(part.view(np.float64) @ np.stack([kernel.real, -kernel.imag], axis=1).reshape(-1, len(here)))
            if here is at:
                rounding = np.abs(part).max(axis=0, initial=0.0) @ np.abs(kernel) * _EPSILON * max(chain.depth, 1)
        law, first = np.maximum(found[0], 0.0), len(transforms)
        out[:first, window] = law[:first]
        if chain.depth:
            out[chain.last, window] = initial[chain.last, None] + inflow_of(law[first:], into.sources, into.jumps)
        error[window] = gathered * (np.abs(found[0][:, probes] - found[1]).max() + rounding)
    return out, error


def _on_contour(
    chain: ArrayChain, times: np.ndarray, combine: Combine = lambda values: values, nodes: int = NODES
) -> tuple[np.ndarray, np.ndarray]:
    """Values at times of one window and the absolute error of each row."""
    last = float(times.max())
    probes = np.unique([int(times.argmin()), len(times) // 2, int(times.argmax())])
    found = []
    for count in (nodes, nodes + 6):
        z, weights = hyperbola(count, WINDOW)
        transforms = combine(transforms_of(chain, z / last, _all_at_start(chain))) / last
        at = times if count == nodes else times[probes]
        kernel = weights[:, None] * np.exp(np.outer(z, at / last))
        found.append(np.real(transforms) @ np.real(kernel) - np.imag(transforms) @ np.imag(kernel))
        if count == nodes:
            rounding = np.abs(transforms) @ np.abs(kernel) * _EPSILON * chain.depth
    measured = np.abs(found[0][..., probes] - found[1]).max(axis=-1, keepdims=True)
    return np.maximum(found[0], 0.0), measured + rounding


def _by_bands(chain: ArrayChain, time: float) -> Survival:
    """TV where rates are large: paths gathered by the slowest context on them, in bands of exit rates."""
    exits = np.minimum(chain.exits, INSTANT)
    moving = np.flatnonzero(chain.transient)
    order = moving[np.argsort(chain.log_exits[moving], kind="stable")]
    with np.errstate(over="ignore"):
        pace = np.exp(chain.log_exits[order] + log(time))
    weights = chain.log_jump_law()[order]
    best = float((weights - pace).max())
    if best < -_LOG_ONLY:
        # Powers of the pace do not count beside its exponential.
        log_minus_log = log(-best) if best > -inf else float(chain.log_exits[order].min()) + log(time)
        return Survival(0.0, best, log_minus_log, _EPSILON * (log_minus_log + chain.depth))
    bounds = weights - pace + _log_exponential_sum(chain.depth - 1, pace)
    ahead = np.logaddexp.accumulate(bounds[::-1])[::-1]
    log_tv, log_errors, begin = -inf, [], 0
    while begin < len(order) and ahead[begin] > log_tv - SEEN and exits[order[begin]] <= exits[0]:
        base = float(exits[order[begin]])
        end = int(np.searchsorted(pace, base * time + BAND, side="right"))
        if float(np.logaddexp.reduce(bounds[begin:end])) > log_tv - SEEN:
            log_share, log_error = _band_share(chain, exits, time, base, order[begin:end])
            log_tv = float(np.logaddexp(log_tv, log_share))
            # The exponent is a rounded product with a rounded exponential.
            log_errors += [log_error, log_share + log(_EPSILON * (2.0 + abs(log(base))) * base * time)]
        begin = end
    error = exp(min(float(np.logaddexp.reduce(log_errors)) - log_tv, 700.0)) if log_tv > -inf else inf
    return _from_log_tv(log_tv, error if log_tv > log(_LEAST) else error / -log_tv)


def _log_exponential_sum(k: int, x: np.ndarray) -> np.ndarray:
    """``ln Σ_{j≤k} x^j/j!``, or a little more."""
    steep = x > 2 * k
    last = k * np.log(np.where(steep, x, 1.0)) - lgamma(k + 1) + log(2)
    return np.where(steep, last, np.minimum(x, k * np.log1p(x)))


def _band_share(
    chain: ArrayChain, exits: np.ndarray, time: float, base: float, members: np.ndarray
) -> tuple[float, float]:
    """``ln P(not at rest, and the slowest context so far is in the band)``, and the logarithm of its absolute error.

    Two copies of the chain, before and after the first visit to the band; each is carried divided by the probability
    ``h`` that its path is taken at all, so that nothing underflows.
    """
    band = np.zeros(chain.size, dtype=bool)
    band[members] = True
    kept, ahead = chain.transient & (exits >= base), _leading_to(chain, band)
    log_before, log_after = np.full(chain.size, -inf), np.full(chain.size, -inf)
    (log_after if band[0] else log_before)[0] = 0.0
    shares: list[tuple[np.ndarray, ...]] = []
    for k, into in enumerate(chain.incoming):
        below, here = chain.level(k), chain.level(k + 1)
        logs = into.log_jumps
        before, after = log_before[below][into.sources] + logs, log_after[below][into.sources] + logs
        entering = np.where(band[here][:, None], before, -inf)
        staying = np.where((ahead & kept & ~band)[here][:, None], before, -inf)
        after[~kept[here]] = -inf
        log_before[here] = np.logaddexp.reduce(staying, axis=1)
        log_after[here] = np.logaddexp.reduce(np.logaddexp(entering, after), axis=1)
        rates = exits[below][into.sources]
        shares.append(
            (
                _share(staying, log_before[here]) * rates,
                _share(entering, log_after[here]) * rates,
                _share(after, log_after[here]) * rates,
            )
        )
    scale = float(log_after.max())
    if scale == -inf:
        return -inf, -inf  # only slower contexts lead there
    # Poles may stand together once for every level; more nodes than they ask for add rounding.
    levels = 1 + int(np.flatnonzero([np.isfinite(log_after[chain.level(k)]).any() for k in range(chain.depth + 1)])[-1])
    contours = [hyperbola(LONE_NODES + (3 * levels) // 2 + more, LONE_WINDOW) for more in (0, 2)]
    z = np.concatenate([nodes for nodes, _ in contours]) / time
    after = before = np.ones((1, len(z)), dtype=np.complex128) / (z + (exits[0] - base))
    if not band[0]:
        after = np.zeros_like(before)
    total = np.exp(log_after[:1] - scale) @ after
    for k, (into, (staying, entering, remaining)) in enumerate(zip(chain.incoming, shares, strict=True)):
        here = chain.level(k + 1)
        poles = z + (np.maximum(exits[here], base)[:, None] - base)
        after = (inflow_of(before, into.sources, entering) + inflow_of(after, into.sources, remaining)) / poles
        before = inflow_of(before, into.sources, staying) / poles
        total += np.exp(log_after[here] - scale) @ after
    parts = [
        share * kernel * np.exp(nodes) / time
        for share, (nodes, kernel) in zip(np.split(total, [len(contours[0][0])]), contours, strict=True)
    ]
    value, finer = (float(part.sum().real) for part in parts)
    error = abs(finer - value) + float(np.abs(parts[1]).sum()) * _EPSILON * (chain.depth + 1)
    shift = scale - base * time
    return (log(value) if value > 0 else -inf) + shift, log(error) + shift


def _share(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    """``e^{part − whole}``, 0 for parts of nothing."""
    return np.exp(parts - np.where(np.isneginf(wholes), 0.0, wholes)[:, None])


def _leading_to(chain: ArrayChain, states: np.ndarray) -> np.ndarray:
    """Some states, and those from which they are reached."""
    found = states.copy()
    for k in reversed(range(chain.depth)):
        rows = np.flatnonzero(found[chain.level(k + 1)])
        found[chain.offsets[k] + chain.incoming[k].sources[rows].ravel()] = True
    return found
