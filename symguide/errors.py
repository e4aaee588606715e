"""What can go wrong, as one small family of exceptions.

Every message is one line that names the object, the value found there, the consequence, and the remedy.
"""

__all__ = [
    "ChainTooLargeError",
    "ClockError",
    "DataError",
    "InfiniteRatioError",
    "InfiniteValueError",
    "NotExactError",
    "StrengthError",
    "SymguideError",
]


class SymguideError(Exception):
    """Base class of every error that symguide raises on purpose."""


class DataError(SymguideError):
    """A law, a prior, a context or a problem file that does not describe probabilities on token tuples."""


class StrengthError(SymguideError):
    """A guidance strength outside the range on which the guided chain is defined."""


class ClockError(SymguideError):
    """A mask fraction, a time, a horizon or a noise schedule outside its domain."""


class InfiniteRatioError(SymguideError):
    """An intensity that divides by the probability of a token the denominator law excludes."""


class InfiniteValueError(DataError):
    """A divergence or an expectation that is infinite."""


class ChainTooLargeError(SymguideError):
    """A guided chain beyond the size that the asked path can carry."""


class NotExactError(SymguideError):
    """Floating-point data where an exact statement was asked for."""
