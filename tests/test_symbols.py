"""Symbols carry the assumptions that the formulas need."""

import pytest

from symguide.errors import SymguideError
from symguide.symbols import s, symbol, t, tau, u, w


def test_assumptions() -> None:
    assert w.is_real
    assert w.is_positive is None
    assert u.is_positive
    assert all(clock.is_nonnegative for clock in (s, t, tau))


def test_one_symbol_per_name_and_assumptions() -> None:
    assert symbol("x", positive=True) == symbol("x", positive=True)
    assert symbol("x", positive=True) != symbol("x")


@pytest.mark.parametrize("wrong", ["nonneg", "postive", "Real"])
def test_unknown_assumptions_are_refused(wrong: str) -> None:
    with pytest.raises(SymguideError, match=f"unknown assumption '{wrong}'"):
        symbol("x", **{wrong: True})
