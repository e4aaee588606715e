"""Functionals of the terminal law under a piecewise constant guidance schedule, with all their derivatives.

Forwards, the laws ``P_j`` where windows meet; backwards, ``b_j(x)``, what the functional gains from mass on ``x``
there. A window of length ``s`` is ``e^{As} = Re Σ_k κ_k (z_k − A)^{−1}`` on a contour, so the derivative by its
strength is

    Re Σ_k κ_k y_kᵀ (∂A/∂w) x_k,    x_k = (z_k − A)^{−1} P_j,    y_k = (z_k − Aᵀ)^{−1} b_{j+1},

where ``x_k`` was needed to get on and ``y_k`` is needed to get back: all derivatives together cost two more passes than
the value, and are those of the value computed. By its length it is ``b_{j+1}ᵀ A P_{j+1}``. The last window, down to
``u = 0``, is a jump chain.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from symguide.chains.array_chain import ArrayChain
from symguide.chains.contours import INSTANT, expected_transforms, hyperbola, inflow_of, inverted, transforms_of
from symguide.chains.lattice import Lattice
from symguide.errors import ClockError, DataError

__all__ = ["Derivatives", "Functional", "derivatives", "terminal_probabilities"]

Functional: TypeAlias = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""From the law on terminal contexts to a number and its derivative by every probability."""

NODES, RATIO = 20, 2.0
"""Nodes of a contour, and the window it is made for: exponentials are good to 2e-14 then. With fewer nodes quadrature
costs more, with more nodes the rounding of the large terms on a wider contour.
"""


@dataclass(frozen=True, slots=True)
class Derivatives:
    """A functional and its derivatives.

    Attributes
    ----------
    value
        The functional.
    by_strength
        ``(J,)``: by the strength of every window.
    by_boundary
        ``(J − 1,)``: by the mask fraction at which every window but the last ends.

    >>> Derivatives(1.0, np.zeros(2), np.zeros(1)).value
    1.0
    """

    value: float
    by_strength: np.ndarray
    by_boundary: np.ndarray


@dataclass(frozen=True)
class _Window:
    """A chain for a while: the poles and weights of its contour, and the law before, as transforms and after."""

    chain: ArrayChain
    poles: np.ndarray
    weights: np.ndarray
    transforms: np.ndarray
    after: np.ndarray


def terminal_probabilities(
    contexts: Lattice, strengths: Sequence[float] | np.ndarray, boundaries: Sequence[float] | np.ndarray
) -> np.ndarray:
    """The law on terminal contexts.

    Parameters
    ----------
    contexts
        The contexts of a tilt with its strength open.
    strengths
        ``w_1, …, w_J``.
    boundaries
        ``1 > u_1 > … > u_{J−1} > 0``, where windows meet.

    Raises
    ------
    ClockError
        For boundaries that do not decrease from 1 to 0, or are not one less than strengths.
    DataError
        Where mass is lost to dead contexts.
    StrengthError
        As :meth:`symguide.chains.lattice.Lattice.at`.

    >>> from symguide.chains.lattice import lattice
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> contexts = lattice(guidance(load("squares-overlap")))
    >>> round(float(terminal_probabilities(contexts, [3.0, 0.0], [0.5])[0]), 12)
    0.004125184928
    """
    _, law, chain = _forwards(contexts, strengths, boundaries)
    return chain.jump_law(law)[chain.last]


def derivatives(
    contexts: Lattice,
    strengths: Sequence[float] | np.ndarray,
    boundaries: Sequence[float] | np.ndarray,
    functional: Functional,
) -> Derivatives:
    """A functional of the terminal law, with its derivatives by all strengths and boundaries.

    Parameters and errors as for :func:`terminal_probabilities`.

    >>> from symguide.chains.lattice import lattice
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> contexts = lattice(guidance(load("squares-overlap")))
    >>> first = lambda law: (float(law[0]), np.eye(len(law))[0])  # the probability of (2, 2)
    >>> found = derivatives(contexts, [3.0, 0.0], [0.5], first)
    >>> found.by_strength.round(6), found.by_boundary.round(6)
    (array([-0.006611, -0.00039 ]), array([0.007867]))
    """
    windows, law, chain = _forwards(contexts, strengths, boundaries)
    visits = chain.jump_law(law)
    value, gradient = functional(visits[chain.last])
    gains = np.zeros(chain.size)
    gains[chain.last] = gradient
    gains = chain.accumulate(gains)
    by_strength, by_length = np.empty(len(windows) + 1), np.empty(len(windows))
    by_strength[-1] = _by_last_strength(contexts, chain, visits, gains)
    for j, window in reversed(list(enumerate(windows))):
        by_length[j] = _drift(window.chain, window.after, gains)
        back = expected_transforms(window.chain, window.poles, gains)
        by_strength[j] = _by_strength(contexts, window, back)
        gains = inverted(back, window.weights)
    # A boundary ends one window and begins the next: s_j = ln(u_{j−1}/u_j).
    following = np.append(by_length[1:], 0.0)
    return Derivatives(value, by_strength, (following - by_length) / np.asarray(boundaries, dtype=np.float64))


def _forwards(
    contexts: Lattice, strengths: Sequence[float] | np.ndarray, boundaries: Sequence[float] | np.ndarray
) -> tuple[list[_Window], np.ndarray, ArrayChain]:
    """All windows but the last; the law where that begins, and its chain."""
    edges = np.concatenate([[1.0], np.asarray(boundaries, dtype=np.float64), [0.0]])
    if len(edges) != len(strengths) + 1 or not (np.diff(edges) < 0).all():
        raise ClockError(
            f"windows: {len(strengths)} strengths need {len(strengths) - 1} boundaries that decrease between 1 and 0, "
            f"but they are {[float(edge) for edge in edges[1:-1]]}; correct them"
        )
    law = np.zeros(contexts.size)
    law[0] = 1.0
    z, weights = hyperbola(NODES, RATIO)
    windows: list[_Window] = []
    chain = contexts.at(float(strengths[0]))
    if chain.dead.any():
        raise DataError(
            "some contexts are dead, so the terminal law has lost mass and has no divergence; drop the condition that "
            "excludes what the others need"
        )
    for before, after, following in zip(edges, edges[1:-1], strengths[1:], strict=False):
        length = float(np.log(before / after))
        poles, kernel = z / length, weights * np.exp(z) / length
        transforms = transforms_of(chain, poles, law)
        law = inverted(transforms, kernel)
        windows.append(_Window(chain, poles, kernel, transforms, law))
        chain = contexts.at(float(following))
    return windows, law, chain


def _by_strength(contexts: Lattice, window: _Window, back: np.ndarray) -> float:
    """``Re Σ_k κ_k Σ_{x→y} (∂r_xy/∂w) x_k(x) (y_k(y) − y_k(x))``."""
    chain, total = window.chain, 0.0
    ahead = window.transforms * window.weights
    exits = np.minimum(chain.exits, INSTANT)
    for k, slopes in enumerate(contexts.rate_slopes(chain)):
        into, here, there = chain.incoming[k], chain.level(k), chain.level(k + 1)
        growth = into.jumps * slopes * exits[here][into.sources]
        leaving = np.bincount(into.sources.ravel(), growth.ravel(), minlength=here.stop - here.start)
        total += float(np.einsum("nk,nk->", inflow_of(ahead[here], into.sources, growth), back[there]).real)
        total -= float(np.einsum("n,n->", leaving, np.einsum("nk,nk->n", ahead[here], back[here]).real))
    return total


def _by_last_strength(contexts: Lattice, chain: ArrayChain, visits: np.ndarray, gains: np.ndarray) -> float:
    """``Σ_x h(x) Σ_y (∂/∂w jump_xy) b(y)``."""
    total = 0.0
    for k, slopes in enumerate(contexts.rate_slopes(chain)):
        into, here = chain.incoming[k], chain.level(k)
        flows = visits[here][into.sources] * into.jumps
        growth = flows * slopes
        # Σ_y jump_xy = 1: what all slopes share moves nothing.
        mean = np.bincount(into.sources.ravel(), (into.jumps * slopes).ravel(), minlength=here.stop - here.start)
        total += float(((growth - flows * mean[into.sources]) * gains[chain.level(k + 1)][:, None]).sum())
    return total


def _drift(chain: ArrayChain, law: np.ndarray, gains: np.ndarray) -> float:
    """``bᵀ A P = Σ_{x→y} P(x) r_xy (b(y) − b(x))``."""
    total = 0.0
    for k, into in enumerate(chain.incoming):
        here = chain.level(k)
        flow = (law[here] * np.minimum(chain.exits[here], INSTANT))[into.sources] * into.jumps
        total += float((flow * (gains[chain.level(k + 1)][:, None] - gains[here][into.sources])).sum())
    return total
