"""Numerals: how an exact number is spelled, however long, and the one reader of such spellings; it needs no SymPy."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

from symguide.errors import SymguideError

__all__ = ["LONGEST", "long_integers", "read_numeral", "shortened"]

LONGEST = 4000
"""Characters of the longest numeral; Python itself refuses to convert much longer ones."""

_NUMERAL = re.compile(r"[+-]?(\d+/\d+|(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?)", re.IGNORECASE | re.ASCII)
_LONG_EXPONENT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)e[+-]?\d{5,}", re.IGNORECASE | re.ASCII)
_REMEDY = "write a fraction or a decimal, such as -1/2 or 0.25"


def read_numeral(text: str, what: str, error: type[SymguideError] = SymguideError) -> Fraction:
    """The number that a text spells: an integer, a fraction or a decimal, exactly; text is never evaluated.

    ``what`` names the object in the error.

    Raises
    ------
    SymguideError
        Of the class ``error``, for any other text, zero denominators, and more than :data:`LONGEST` characters.

    >>> read_numeral("0.25", "prior"), read_numeral("-1/2", "w"), read_numeral("1e-3", "u")
    (Fraction(1, 4), Fraction(-1, 2), Fraction(1, 1000))
    >>> read_numeral("1/0", "u")
    Traceback (most recent call last):
    symguide.errors.SymguideError: u is '1/0': its denominator is zero, so it is no number; write a fraction ...
    """
    stripped = text.strip()
    if len(stripped) > LONGEST:
        raise error(f"{what} is a text of {len(stripped)} characters: numbers are read up to {LONGEST}; shorten it")
    if _LONG_EXPONENT.fullmatch(stripped):
        raise error(f"{what} is {shortened(stripped)}: exponents are read up to four digits; rescale it")
    if stripped.lower().lstrip("+-") in {"nan", "inf", "infinity", "oo"}:
        raise error(f"{what} is {stripped}: only finite numbers have a meaning here; {_REMEDY}")
    if not _NUMERAL.fullmatch(stripped):
        raise error(f"{what} is {shortened(repr(text))}: that is no number, and text is never evaluated; {_REMEDY}")
    try:
        return Fraction(stripped)
    except ZeroDivisionError:
        raise error(
            f"{what} is {shortened(repr(text))}: its denominator is zero, so it is no number; {_REMEDY}"
        ) from None


@contextmanager
def long_integers() -> Iterator[None]:
    """Exact numbers may have more digits than Python writes by default.

    >>> with long_integers():
    ...     len(str(10**5000))
    5001
    """
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


def shortened(text: str, most: int = 40) -> str:
    """A text as an error message shows it: in full while short, else its two ends.

    >>> shortened("x" * 99, 12)
    'xxxxx..xxxxx'
    """
    half = most // 2 - 1
    return text if len(text) <= most else f"{text[:half]}..{text[-half:]}"
