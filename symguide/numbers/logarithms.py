"""Sums and matrix products of numbers given by their logarithms."""

import numpy as np

__all__ = ["WEAK", "log_matmul", "log_peak", "log_total"]

WEAK = 1e-200
"""Sums of scaled products below this may have lost terms to underflow: they are formed again from logarithms."""


def log_matmul(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``ln(e^A e^B)`` for matrices of logarithms, without loss where products underflow.

    >>> log_matmul(np.array([[-800.0, -np.inf]]), np.array([[-900.0], [0.0]]))
    array([[-1700.]])
    """
    rows, columns = log_peak(left, 1), log_peak(right, 0)
    product = np.exp(left - rows) @ np.exp(right - columns)
    with np.errstate(divide="ignore"):
        found = np.log(product) + rows + columns
    weak = np.nonzero(product < WEAK)
    if weak[0].size:
        found[weak] = log_total(left[weak[0]] + right[:, weak[1]].T)
    return found


def log_total(logs: np.ndarray) -> np.ndarray:
    """``ln Σ e^x`` along the last axis.

    >>> log_total(np.array([[-1000.0, -1000.0], [-np.inf, -np.inf]])).round(3)
    array([-999.307,     -inf])
    """
    peak = log_peak(logs, -1)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(logs - peak).sum(axis=-1)) + peak[..., 0]


def log_peak(logs: np.ndarray, axis: int) -> np.ndarray:
    """The largest of some logarithms along an axis, kept; 0 where all are ``−inf``.

    >>> log_peak(np.array([[-np.inf, 3.0], [-np.inf, -np.inf]]), 1)
    array([[3.],
           [0.]])
    """
    peak = logs.max(axis=axis, keepdims=True, initial=-np.inf)
    return np.where(np.isneginf(peak), 0.0, peak)
