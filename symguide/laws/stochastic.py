"""Arrays of probabilities: stochastic vectors and matrices, read and checked."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from sympy import Expr

from symguide.errors import DataError
from symguide.laws.law import SUM_TOLERANCE
from symguide.numbers.number import read_number, shown

__all__ = ["normalise_rows", "read_probabilities"]


def read_probabilities(given: Any, what: str) -> np.ndarray:
    """Probabilities as an array: of fractions where all are exact, else of floats.

    Raises
    ------
    DataError
        For ragged rows, and for what is no number of at least 0.

    >>> read_probabilities([["1/2", "1/2"]], "law").tolist()
    [[Fraction(1, 2), Fraction(1, 2)]]
    """
    if isinstance(given, np.ndarray) and given.dtype.kind == "f":
        values = given.astype(float)
        _refuse_bad(values, ~np.isfinite(values), what, "only finite numbers have a meaning here")
    else:
        try:
            listed = np.array(given, dtype=object)
        except ValueError:
            raise DataError(f"{what} are ragged, so they are no array; give rows of equal length") from None
        if any(isinstance(entry, list | tuple) for entry in listed.flat):
            raise DataError(f"{what} are ragged, so they are no array; give rows of equal length")
        values = np.empty(listed.shape, dtype=object)
        for where in np.ndindex(listed.shape):
            value = read_number(listed[where], f"{what}: entry {list(where)}", DataError)
            if isinstance(value, Expr):
                raise DataError(
                    f"{what}: entry {list(where)} is {shown(value)}: Markov laws hold fractions or floats; "
                    "give a number, or use a table of expressions"
                )
            values[where] = value
        if not all(isinstance(value, Fraction) for value in values.flat):
            values = values.astype(float)
    _refuse_bad(values, values < 0, what, "a probability is never negative")
    return values


def _refuse_bad(values: np.ndarray, bad: np.ndarray, what: str, why: str) -> None:
    if np.any(bad):
        where = tuple(np.argwhere(bad)[0])
        raise DataError(f"{what}: entry {list(map(int, where))} is {shown(values[where])}: {why}; correct it")


def normalise_rows(
    rows: np.ndarray, what: Callable[[tuple[int, ...]], str], empty: bool = False, decimal: bool = False
) -> tuple[np.ndarray, bool]:
    """Rows, along the last axis, divided by their sums where rounding made them miss one, and whether any was.

    Parameters
    ----------
    rows
        Of fractions or of floats.
    what
        The name of a row, given its index.
    empty
        Whether zero rows may stay.
    decimal
        Whether fractions may have been rounded too, as decimals are.

    Raises
    ------
    DataError
        For rows that do not sum to one, floats and decimals up to 1e-12.

    >>> normalise_rows(np.array([[0.5, 0.5], [0.0, 0.9]]), lambda row: f"entries of row {row[0]}")
    Traceback (most recent call last):
    symguide.errors.DataError: entries of row 1 sum to 0.9, not to 1, so they are no probabilities; rescale them
    """
    sums = rows.sum(axis=-1, keepdims=True)
    off = (sums != 1) & ~(empty & (sums == 0))
    if not off.any():
        return rows, False
    tolerance = SUM_TOLERANCE if rows.dtype == object else float(SUM_TOLERANCE)
    wrong = off if rows.dtype == object and not decimal else np.abs(sums - 1) * off > tolerance
    if wrong.any():
        where = tuple(np.argwhere(wrong)[0])
        raise DataError(
            f"{what(where[:-1])} sum to {shown(sums[where])}, not to 1, so they are no probabilities; rescale them"
        )
    return rows / np.where(sums == 0, 1, sums), True
