"""Tapes run in wide numbers: what any run is, and the run that neither overflows nor underflows."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symguide.closed_forms.tape import Group, Rows, Tape
from symguide.numbers.divided_differences import exp_dd_wide, log_exp_dd_wide
from symguide.numbers.wide import Wide, stack, where

__all__ = ["Array", "Flags", "Run", "WideRun"]

Array = NDArray[np.float64]
Flags = Any
"""An array of truth values."""


class Run:
    """A tape with values for its arguments.

    >>> from symguide.symbols import u, w
    >>> Run(Tape([u**w], [w, u]), [np.ones((3, 1)), np.ones(2)]).shapes[3]
    (3, 2)
    """

    def __init__(self, tape: Tape, arguments: Sequence[Array]) -> None:
        self.tape = tape
        self.arguments = arguments
        self.shapes = {mask: self._shape(mask) for mask in tape.sizes}
        self.cancelled: list[Flags] = []

    def _shape(self, mask: int) -> tuple[int, ...]:
        chosen = [value.shape for j, value in enumerate(self.arguments) if mask >> j & 1]
        ones = (1,) * (self.arguments[0].ndim if self.arguments else 0)
        return np.broadcast_shapes(ones, *chosen)

    def lost(self, shape: tuple[int, ...]) -> Flags:
        """Where signed terms cancelled."""
        out = np.zeros(shape, dtype=bool)
        for flag in self.cancelled:
            out |= flag
        return out

    def is_one(self, rows: Rows) -> bool:
        """Whether these registers are all the constant 1."""
        mask, place = self.tape.places.get(self.tape.one, (-1, -1))
        first = rows.places.start if isinstance(rows.places, slice) else rows.places[0]
        return rows.mask == mask and first == place

    def numbers(self, group: Group) -> Wide:
        """Constants in the shape of a bank."""
        trail = (1,) * len(self.shapes[group.target.mask])
        return self.tape.numbers(group).each(lambda part: part.reshape(-1, *trail))


class WideRun(Run):
    """In wide numbers: doubles with a low part, and exponents that never overflow.

    >>> from symguide.symbols import u, w
    >>> tape = Tape([u**w], [w, u], in_logs=True)
    >>> WideRun(tape, [np.array([3000.0]), np.array([0.5])]).outputs((1,))[0]
    array([0.])
    """

    def __init__(self, tape: Tape, arguments: Sequence[Array], only: frozenset[int] | None = None) -> None:
        super().__init__(tape, arguments)
        self.banks: dict[int, Wide] = {}
        for mask, size in tape.sizes.items():
            self.banks[mask] = Wide(*(np.empty((size, *self.shapes[mask])) for _ in range(3)))
        for group in tape.groups:
            if only is None or group.registers[0] in only:
                self.banks[group.target.mask].put(group.target.places, self._compute(group))

    def outputs(self, shape: tuple[int, ...]) -> list[Array]:
        """The outputs as doubles."""
        values = {mask: np.broadcast_to(bank.value(), (len(bank.high), *shape)) for mask, bank in self.banks.items()}
        return [values[mask][row] for mask, row in self.tape.output_places]

    def get(self, rows: Rows) -> Wide:
        """The values of some registers."""
        return self.banks[rows.mask][rows.places]

    def _compute(self, group: Group) -> Wide:
        values = group.operands
        match group.operation:
            case "constant":
                return self.numbers(group)
            case "argument":
                return Wide.of(self.arguments[group.data][None])
            case "sum":
                return self._sum(group)
            case "product" | "times_log":
                out = self.get(values[0])
                for other in values[1:]:
                    out = out * self.get(other)
                return out
            case "power":
                return _power(self.get(values[0]), group.data)
            case "exponential":
                return (self.numbers(group) * self.get(values[0])).exp()
            case "exp":
                return self.get(values[0]).exp()
            case "log":
                return self._watched(group, self.get(values[0]).log())
            case "log_less":
                rest, direct = self.get(values[0]), self.get(values[1])
                small = rest.exponent < 0
                return where(small, where(small, rest, Wide.of(0.0)).log1m(), direct)
            case "logsumexp":
                return self._watched(group, _logsumexp(stack([self.get(rows) for rows in values])))
            case "dd":
                return exp_dd_wide(stack([self.get(rows) for rows in values[:-1]]), self.get(values[-1]))
            case "log_dd":
                return log_exp_dd_wide(stack([self.get(rows) for rows in values[:-1]]), self.get(values[-1]))
        return Wide.of(group.data(*(self.get(rows).value() for rows in values)))

    def _watched(self, group: Group, logarithm: Wide) -> Wide:
        """Logarithms next to 0 have the absolute error that their argument has as a relative one."""
        if self.tape.registers[group.registers[0]].exponential:
            self.cancelled.append((logarithm.exponent < -_spare_bits(self.tape)).any(axis=0))
        return logarithm

    def _sum(self, group: Group) -> Wide:
        terms = []
        for coefficients, others in zip(group.operands[::2], group.operands[1::2], strict=True):
            term = self.get(others)
            terms.append(term if self.is_one(coefficients) else self.get(coefficients) * term)
        if len(terms) == 1:
            return terms[0]
        stacked = stack(terms)
        total = stacked.sum()
        if group.registers[0] in self.tape.signed:
            top = stacked.exponent.max(axis=0)
            self.cancelled.append((np.isfinite(top) & (total.exponent - top < -_spare_bits(self.tape))).any(axis=0))
        return total


def _spare_bits(tape: Tape) -> int:
    """Divided differences are good to a few units of a double, everything else to ``2^−70``."""
    return 10 if any(tape.registers[j].operation in ("dd", "log_dd") for j in tape.needed) else 27


def _power(base: Wide, exponent: Fraction) -> Wide:
    if exponent.denominator == 1 and abs(exponent) <= 64:
        return base.power(int(exponent))
    size = where(base.high < 0, -base, base) if exponent.denominator == 1 else base
    value = (size.log() * Wide.near(exponent)).exp()
    return where((base.high < 0) & (exponent.numerator % 2 == 1), -value, value)


def _logsumexp(values: Wide) -> Wide:
    """``ln Σ e^x``, relatively accurate where the largest ``x`` is 0."""
    values = values.pick(values.order()[::-1])
    top = values[0]
    none = np.isposinf(top.exponent)  # infinities subtract to no number
    others = (values[1:] - where(none, Wide.of(0.0), top)).exp().sum()
    return where(none, top, top + (-others).log1m())
