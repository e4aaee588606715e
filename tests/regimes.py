"""Instances of every regime, and TV by brute force: closed forms in balls of many digits, owing nothing to limits."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from itertools import product
from typing import Any

import flint
from strategies import HARD, Instance, Table, hypercubes, mixture, uniform

from symguide.chains.chain import Chain
from symguide.chains.expansion import expand
from symguide.numbers.arithmetic import BALLS

__all__ = ["EXPECTED", "brute_tv", "clock", "digits"]

_HALF = Fraction(1, 2)


def _table(weights: Mapping[str, int]) -> Table:
    whole = sum(weights.values())
    return {tuple(map(int, key)): Fraction(weight, whole) for key, weight in weights.items()}


def _two(vocabulary: int, target: Mapping[str, int], other: Mapping[str, int]) -> Instance:
    tables = [_table(target), _table(other)]
    return mixture(vocabulary, len(next(iter(target))), [(_HALF, table) for table in tables])


EXPECTED: Mapping[str, tuple[Instance, str]] = {
    "one token": (mixture(3, 1, [(_HALF, _table({"0": 1, "1": 2})), (_HALF, _table({"1": 1, "2": 1}))]), "double"),
    "one token, same laws": (mixture(3, 1, [(_HALF, _table({"0": 1, "1": 2}))] * 2), "saturating"),
    "full supports, D = 2": (_two(2, {"00": 1, "01": 2, "11": 1}, {"00": 2, "10": 1, "01": 1, "11": 3}), "double"),
    "point target, D = 2": (_two(2, {"11": 1}, {"11": 8, "00": 16, "10": 18, "01": 12}), "double"),
    # Disjoint classes, but no token settles which one it is.
    "disjoint classes, D = 2": (_two(2, {"00": 9, "11": 1}, {"01": 1, "10": 1}), "double"),
    "point target, D = 3": (
        _two(2, {"001": 1}, {"001": 7, "010": 6, "110": 3, "101": 9, "011": 3, "000": 9, "111": 4}),
        "double",
    ),
    "general laws, D = 3": (
        _two(
            2,
            {"000": 4, "111": 9, "101": 6, "011": 5, "110": 4},
            {"000": 8, "111": 16, "101": 16, "011": 12, "110": 8, "010": 11, "100": 16, "001": 18},
        ),
        "double",
    ),
    "first reveal avoids a settled class, D = 2": (
        _two(3, {"20": 5, "21": 7, "11": 6, "22": 8}, {"20": 2, "21": 2, "11": 2, "22": 4, "01": 6, "00": 4, "10": 6}),
        "single",
    ),
    "independent given one token, D = 2": (
        _two(2, {"01": 1, "11": 8}, {"01": 8, "11": 7, "10": 6}),
        "single",
    ),
    "neutral seldom, D = 3": (
        _two(
            2,
            {"101": 6, "000": 8, "001": 8, "111": 2, "011": 9, "100": 1},
            {"101": 8, "000": 2, "011": 10, "010": 4},
        ),
        "single",
    ),
    "squares": (hypercubes(2), "saturating"),
    "cubes": (hypercubes(3, side=2), "saturating"),
    "cubes apart": (
        mixture(4, 3, [(_HALF, uniform(product((2, 3), repeat=3))), (_HALF, uniform(product((0, 1), repeat=3)))]),
        "saturating",
    ),
    # The first token is 0 or 1 alike; after 0 the second tells nothing, after 1 it tells a little.
    "half of the paths neutral": (
        _two(3, {"00": 25, "01": 25, "10": 26, "11": 24}, {"00": 1, "01": 1, "10": 1, "11": 1, "20": 4}),
        "saturating",
    ),
    "xor": (HARD["xor"], "saturating"),
    "slower sampling": (HARD["slower sampling"], "saturating"),
    "single class": (HARD["single class"], "saturating"),
    "identical classes": (HARD["identical classes"], "saturating"),
    "one symbol": (HARD["one symbol"], "saturating"),
}
"""Instances with the first word of their regime."""


@contextmanager
def digits(count: int) -> Iterator[None]:
    """Balls of so many digits."""
    with flint.ctx.workprec(int(count * 3.33) + 20):
        yield


def clock(u: Fraction) -> flint.arb:
    """``s = −ln u``."""
    return -flint.arb(flint.fmpq(u.numerator, u.denominator)).log()


def brute_tv(chain: Chain[Any], w: Fraction, u: Fraction) -> flint.arb:
    """TV from the sum over reveal orders."""
    return expand(chain.over(BALLS, w)).survival(clock(u))
