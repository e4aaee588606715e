"""Guidance strengths under the names the field gives them; the package itself speaks ``w``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from types import MappingProxyType
from typing import Any

import numpy as np
import sympy

from symguide.errors import StrengthError
from symguide.numbers.number import Number, read_number

__all__ = ["CONVENTIONS", "Convention", "from_w", "read_strength", "require_strength", "to_w"]


@dataclass(frozen=True, slots=True)
class Convention:
    """One way to name a guidance strength.

    Attributes
    ----------
    formula
        How the label relates to ``w``.
    description
        Where the label stands in the guided law; ``c`` and ``u`` are conditional and unconditional logits.
    source
        Who uses it.
    to_w, from_w
        The relation, both ways.

    >>> CONVENTIONS["gamma"].formula
    'gamma = 1 + w'
    """

    formula: str
    description: str
    source: str
    to_w: Callable[[Number], Number]
    from_w: Callable[[Number], Number]


def _same(value: Number) -> Number:
    return value


def _minus_one(value: Number) -> Number:
    return value - 1


def _plus_one(value: Number) -> Number:
    return value + 1


def _from_temperature(value: Number) -> Number:
    return 1 / value - 1


def _to_temperature(value: Number) -> Number:
    if value == -1:
        return inf if isinstance(value, float) else sympy.oo
    return 1 / (1 + value)


CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {
        "w": Convention(
            "w",
            "p(v|z)^(1+w) p(v)^(-w): -1 unconditional, 0 conditional",
            "He, Rojas, Tao, arXiv:2506.10971; Rojas et al., arXiv:2507.08965",
            _same,
            _same,
        ),
        "gamma": Convention(
            "gamma = 1 + w",
            "rate power p(v|z)^gamma p(v)^(1-gamma): 0 unconditional, 1 conditional",
            "Nisonoff et al., arXiv:2406.01572; Schiff et al., arXiv:2412.10193",
            _minus_one,
            _plus_one,
        ),
        "guidance-scale": Convention(
            "s = 1 + w",
            "logits u + s (c - u): 0 unconditional, 1 conditional",
            "aMUSEd (arXiv:2401.01808) and open-muse code, Meissonic (arXiv:2410.08261)",
            _minus_one,
            _plus_one,
        ),
        "cfg-scale": Convention(
            "s = w",
            "logits (1 + s) c - s u, also written u + (s + 1)(c - u): -1 unconditional, 0 conditional",
            "Muse (arXiv:2301.00704), LLaDA (arXiv:2502.09992), Show-o (arXiv:2408.12528)",
            _same,
            _same,
        ),
        "temperature": Convention(
            "1 / T = 1 + w",
            "classifier guidance p(v) p(z|v)^(1/T): infinite unconditional, 1 conditional",
            "Nisonoff et al., arXiv:2406.01572",
            _from_temperature,
            _to_temperature,
        ),
    }
)
"""Read-only: every label by name. One word, two meanings: Show-o calls its ``cfg-scale`` a guidance scale."""


def read_strength(value: object, what: str = "guidance strength w") -> Number:
    """Read a strength ``w ≥ −1``; expressions with symbols pass unless they are below ``−1`` whatever the symbols.

    Raises
    ------
    StrengthError
        For ``w < −1``, ``nan``, infinities, booleans, complex numbers, and what is no number at all.

    >>> read_strength("-1/2"), read_strength(3), read_strength(0.5)
    (Fraction(-1, 2), Fraction(3, 1), 0.5)
    >>> read_strength("-3/2")
    Traceback (most recent call last):
    symguide.errors.StrengthError: guidance strength w is -3/2: below -1 the guided chain is not defined; use ...
    """
    number = read_number(value, what, StrengthError)
    if isinstance(number, sympy.Expr):
        if number.is_real is False:
            raise StrengthError(f"{what} is {number}: a strength is a real number; use w >= -1 (-1 is unconditional)")
        below = (number + 1).is_negative
    else:
        below = number < -1
    if below:
        raise StrengthError(
            f"{what} is {number}: below -1 the guided chain is not defined; use w >= -1 (-1 is unconditional)"
        )
    return number


def require_strength(w: Any, includes_unconditional: bool = True) -> None:
    """Refuse values of ``w`` of any arithmetic, arrays included, for which a chain with open ``w`` does not speak.

    Raises
    ------
    StrengthError
        For ``nan``, infinities and ``w < −1``, and for ``w = −1`` unless the chain includes the unconditional one.

    >>> require_strength(np.array([-0.5, 3.0]), includes_unconditional=False)
    >>> require_strength(-1, includes_unconditional=False)
    Traceback (most recent call last):
    symguide.errors.StrengthError: guidance strength w is -1: the chain holds for finite w > -1 (w = -1 is a ...
    """
    if isinstance(w, sympy.Expr) and not w.is_number:
        return
    if isinstance(w, np.ndarray):
        good = np.isfinite(w) & (w >= -1 if includes_unconditional else w > -1)
        wrong = None if good.all() else w[~good].flat[0]
    else:
        finite = w - w == 0  # false for nan and infinities, in every arithmetic; a wide ball is taken at its word
        inside = bool(w >= -1) if includes_unconditional else bool(w > -1)
        wrong = None if (finite or hasattr(w, "mid")) and inside else w
    if wrong is not None:
        range_ = "w >= -1" if includes_unconditional else "w > -1 (w = -1 is a chain of its own: use tilt.at(-1))"
        raise StrengthError(f"guidance strength w is {wrong}: the chain holds for finite {range_}; correct it")


def to_w(value: object, convention: str) -> Number:
    """The strength ``w`` behind a label: ``w = s`` or ``w = s − 1`` or ``w = 1/T − 1``; exact on exact input.

    The infinite temperature (``math.inf`` or ``sympy.oo``) is ``w = −1``.

    Parameters
    ----------
    value
        A number, its spelling, or an expression.
    convention
        A key of :data:`CONVENTIONS`.

    Raises
    ------
    StrengthError
        For an unknown convention, a temperature that is not positive, and everything :func:`read_strength` refuses.

    >>> to_w("7.5", "guidance-scale"), to_w("1/4", "temperature"), to_w(2, "cfg-scale")
    (Fraction(13, 2), Fraction(3, 1), Fraction(2, 1))
    """
    chosen = _convention(convention)
    if convention == "temperature" and isinstance(value, float | sympy.Expr) and value == sympy.oo:
        return -1.0 if isinstance(value, float) else Fraction(-1)
    number = read_number(value, convention, StrengthError)
    if convention == "temperature" and (number.is_nonpositive if isinstance(number, sympy.Expr) else number <= 0):
        raise StrengthError(f"temperature is {number}: 1/T = 1 + w has no strength there; use a temperature above 0")
    return read_strength(chosen.to_w(number), "w" if convention == "w" else f"w behind {convention} {number}")


def from_w(w: object, convention: str) -> Number:
    """The label that a convention gives to the strength ``w``: the inverse of :func:`to_w`.

    The temperature of ``w = −1`` is infinite: ``sympy.oo``, or ``math.inf`` for a float.

    Raises
    ------
    StrengthError
        For an unknown convention and everything :func:`read_strength` refuses.

    >>> {name: str(from_w("1/2", name)) for name in CONVENTIONS}
    {'w': '1/2', 'gamma': '3/2', 'guidance-scale': '3/2', 'cfg-scale': '1/2', 'temperature': '2/3'}
    """
    return _convention(convention).from_w(read_strength(w))


def _convention(name: str) -> Convention:
    if not isinstance(name, str) or name not in CONVENTIONS:
        raise StrengthError(
            f"strength convention {name!r} is unknown, so its numbers mean nothing; "
            f"choose one of {', '.join(CONVENTIONS)}"
        )
    return CONVENTIONS[name]
