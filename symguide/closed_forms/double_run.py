"""Tapes run in doubles: compiled loops where there are some, and watches for what doubles cannot vouch for."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from symguide.closed_forms.loops import Loops
from symguide.closed_forms.tape import FEW, Group, Rows, Tape
from symguide.closed_forms.wide_run import Array, Flags, Run, WideRun
from symguide.numbers.divided_differences import exp_dd_float
from symguide.numbers.wide import product_error

__all__ = ["DoubleRun"]

MODERATE = 64.0
"""``Λ s`` up to which rates need no low parts."""
GONE = 760.0
"""``Λ s`` beyond which nothing is left in doubles."""
_LEAST, _MOST = 1e-290, 1e280
"""Doubles in between multiply and divide without surprises."""
_LARGE = 1e20
"""Far more than a power of the clock should be."""
_NORMAL = 2.3e-308
"""A normal double, and about the least."""
_NONE = 0.0
"""The low part of a double about which no more is known."""
_BLOCK = 1 << 15
"""Doubles added at once."""


class _NotModerate(Exception):
    """Doubles do not suffice as exponents."""


class DoubleRun(Run):
    """In doubles; what is exponentiated in wide numbers where it must be.

    >>> from symguide.symbols import u, w
    >>> run = DoubleRun(Tape([u**w], [w, u]), [np.array([2.0]), np.array([0.5])])
    >>> run.outputs((1,))[0], run.doubtful((1,), run.outputs((1,)))
    (array([0.25]), array([False]))
    """

    def __init__(self, tape: Tape, arguments: Sequence[Array], loops: Loops | None = None) -> None:
        super().__init__(tape, arguments)
        self.loops = loops
        self.banks = {mask: np.empty((size, *self.shapes[mask])) for mask, size in tape.sizes.items()}
        self.exact: WideRun | None = None
        self.raised: list[tuple[Array, Array, Array, int]] = []
        self.odd: list[Flags] = []
        try:
            for group in tape.groups:
                self._step(group)
            if not all(_in_range(self.get(rows)) for rows in tape.guarded.values()):
                raise _NotModerate
        except _NotModerate:
            self._refine()

    def _refine(self) -> None:
        precise = self.tape.precise
        self.exact = WideRun(self.tape, self.arguments, precise)
        self.raised, self.odd, self.cancelled = [], [], list(self.exact.cancelled)
        for group in self.tape.groups:
            if group.registers[0] in precise:
                self.banks[group.target.mask][group.target.places] = self.exact.get(group.target).value()
            else:
                self._step(group)

    def get(self, rows: Rows, part: slice = slice(None)) -> Array:
        """The values of some registers, or of a part of them."""
        bank, places = self.banks[rows.mask], rows.places
        return bank[places][part] if isinstance(places, slice) else np.take(bank, places[part], axis=0)

    def put(self, rows: Rows, part: slice, out: Array) -> Array:
        """The same, into an array of the shape of a sum."""
        if isinstance(rows.places, slice) or self.shapes[rows.mask] != out.shape[1:]:
            out[...] = self.get(rows, part)
        else:
            np.take(self.banks[rows.mask], rows.places[part], axis=0, out=out, mode="clip")  # other modes buffer
        return out

    def parts(self, group: Group, number: int) -> tuple[Array, Any]:
        """An operand with its low parts, as far as they are known; in one row where all are the same register."""
        if self.exact is None:
            return self.get(group.shared[number]), _NONE
        return self.exact.get(group.operands[number]).parts()

    def _step(self, group: Group) -> None:
        bank, places = self.banks[group.target.mask], group.target.places
        if group.operation != "sum":
            value = self._compute(group)
            if value is not None:  # it is not there yet
                bank[places] = value
        elif isinstance(places, slice):
            self._sum(group, bank[places])
        else:
            out = np.empty((len(places), *bank.shape[1:]))
            self._sum(group, out)
            bank[places] = out

    def _compute(self, group: Group) -> Any:
        values = group.operands
        match group.operation:
            case "constant":
                return self._fixed(group)[0]
            case "argument":
                return self.arguments[group.data][None]
            case "product":
                product = self.get(values[0])
                for other in values[1:]:
                    product = product * self.get(other)
                return product
            case "times_log":
                front, back = self.get(values[0]), self.get(values[1])
                return np.where(front == 0, 0.0, front * back)
            case "power":
                return self._power(group)
            case "exponential" | "exp":
                return self._exp(group)
            case "log":
                value = self.get(values[0])
                if self.tape.registers[group.registers[0]].exponential:
                    self.odd.append(((np.abs(value - 1) < 0.01) | ~(value > _LEAST)).any(axis=0))
                return np.log(value)
            case "dd":
                return self._divided_difference(group)
        return group.data(*(self.get(rows) for rows in values))

    def _power(self, group: Group) -> Array:
        exponent = group.data
        base, low = self.parts(group, 0)
        if abs(exponent) <= FEW:
            return 1.0 / base if exponent == -1 else np.float_power(base, float(exponent))
        if self.exact is None:
            raise _NotModerate
        return np.float_power(base, float(exponent)) * (1.0 + float(exponent) * np.where(base == 0, 0.0, low / base))

    def _fixed(self, group: Group) -> tuple[Array, Array]:
        trail = (1,) * len(self.shapes[group.target.mask])
        high, low = self.tape.doubles(group)
        return high.reshape(-1, *trail), low.reshape(-1, *trail)

    def _exp(self, group: Group) -> Array:
        exponent, low = self.parts(group, 0)
        if group.operation == "exponential":
            given, (high, more) = exponent, self._fixed(group)
            if self.loops is not None and self.exact is None:
                exponent, low = (np.empty((len(high), *given.shape[1:])) for _ in range(2))
                self.loops.products(*(part.reshape(len(part), -1) for part in (exponent, low, given, high, more)))
            else:
                exponent = given * high
                missed = product_error(given, high, exponent)
                missed += given * more
                low = missed if self.exact is None else missed + low * high
        if group.operation == "exp" or not group.given:
            self._require_moderate(exponent)
        value = np.exp(exponent)
        if low is not _NONE:
            value *= 1.0 + (low if np.abs(low).max() < 1 else np.where(np.abs(low) < 1, low, 0.0))
        if group.target.mask == self.tape.full:
            self.raised.append((value, -exponent, np.ones(()), 0))
        return value

    def _divided_difference(self, group: Group) -> Array | None:
        *pairs, (s, s_low) = (self.parts(group, number) for number in range(len(group.operands)))
        rates, lows = [high for high, _ in pairs], [low for _, low in pairs]
        slowest = rates[0]
        for rate in rates[1:]:
            slowest = np.minimum(slowest, rate)
        if self.exact is None and not slowest.max() * s.max() <= MODERATE:
            self._require_moderate(_exponent(slowest, s))
        done = self._in_loops(group, rates, s)
        value = exp_dd_float(rates, s, () if self.exact is None else lows, s_low) if done is None else done
        if group.target.mask == self.tape.full:
            self.raised.append((value, slowest, s, len(rates) - 1))
        return None if done is not None else value

    def _in_loops(self, group: Group, rates: list[Array], s: Array) -> Array | None:
        """Divided differences put in place by compiled loops, where all rates meet one clock."""
        places = group.target.places
        if self.loops is None or self.exact is not None or not 2 <= len(rates) <= 4 or len(s) != 1:
            return None
        if not isinstance(places, slice):
            return None
        whole = self.shapes[group.target.mask]
        shape = np.broadcast_shapes(*{rate.shape[1:] for rate in rates})
        axis = len(shape) - _trailing(shape)
        if shape[:axis] != whole[:axis] or s.size != prod(whole[axis:]):
            return None
        flat = np.empty((len(rates), len(group.registers), prod(shape)))
        for values, rate in zip(flat, rates, strict=True):
            values.reshape(len(values), *shape)[...] = rate
        flat.sort(axis=0)
        if not (flat[-1].max() * s.max() < _MOST and s.min() >= 0):  # nor where one of them is no number
            return None
        out = self.banks[group.target.mask][places]
        self.loops.differences(out.reshape(len(out), -1), flat, s.ravel() + 0.0)  # no negative zeros
        return out

    def _sum_in_loops(self, group: Group, out: Array) -> bool:
        """Whether compiled loops did it: terms have the shape of the sum, and coefficients that of its first axes."""
        terms = self.tape.terms(group) if self.loops is not None else None
        if self.loops is None or terms is None or not out.flags.c_contiguous:
            return False
        coefficients, others = terms
        shape = self.shapes[coefficients.mask]
        axis = len(shape) - _trailing(shape)
        if self.shapes[others.mask] != out.shape[1:] or shape[:axis] != out.shape[1 : axis + 1]:
            return False
        banks = (self.banks[rows.mask].reshape(len(self.banks[rows.mask]), -1) for rows in terms)
        fronts, backs = banks
        self.loops.sums(out.reshape(len(out), -1), coefficients.places, fronts, others.places, backs)
        return True

    def _require_moderate(self, exponent: Array) -> None:
        size = np.abs(exponent)
        if size.max() <= MODERATE:
            return
        if self.exact is None and ((size > MODERATE) & (size < GONE)).any():
            raise _NotModerate

    def _sum(self, group: Group, out: Array) -> None:
        signed = group.registers[0] in self.tape.signed
        if not signed and self._sum_in_loops(group, out):
            return
        block = None if signed else self.tape.block(group)
        if block is not None and out.size * len(group.operands) < _BLOCK:
            coefficients, others = block
            terms = self.get(others)
            np.add.reduce(terms if coefficients is None else self.get(coefficients) * terms, axis=0, out=out)
            return
        step = max(1, _BLOCK // max(1, out[0].size))
        for first in range(0, len(out), step):
            part = slice(first, first + step)
            size = self._sum_part(group, out[part], part, signed)
            if size is not None:
                self.cancelled.append((~(np.abs(out[part]) >= 1e-3 * size) & (size > 0)).any(axis=0))

    def _sum_part(self, group: Group, out: Array, part: slice, signed: bool) -> Array | None:
        """Some registers at a time, so that what is added stays near the processor."""
        size = np.zeros(out.shape) if signed else None
        factor = None if signed else self.tape.factor(group)
        if factor is not None:
            one = self.is_one(factor)
            total = out if one else np.empty_like(out)  # near the processor until it is whole
            self.put(group.operands[1], part, total)
            term = np.empty_like(out)
            for others in group.operands[3::2]:
                total += self.put(others, part, term)
            if not one:
                np.multiply(total, self.get(factor, part), out=out)
            return None
        for place, (coefficients, others) in enumerate(zip(group.operands[::2], group.operands[1::2], strict=True)):
            term = self.get(others, part)
            if not self.is_one(coefficients):
                term = np.multiply(self.get(coefficients, part), term, out=None if place else out)
            if place:
                out += term
            elif term is not out:
                out[...] = term
            if size is not None:
                size += np.abs(term)
        return size

    def outputs(self, shape: tuple[int, ...]) -> Array:
        """The outputs along a first axis: a part of a bank, where they lie side by side."""
        rows = self.tape.output_rows
        if rows is not None and self.shapes[rows.mask] == shape:
            return self.get(rows)
        out = np.empty((len(self.tape.outputs), *shape))
        for number, (mask, row) in enumerate(self.tape.output_places):
            out[number] = self.banks[mask][row]
        return out

    def doubtful(self, shape: tuple[int, ...], outputs: Array) -> Flags:
        """Where doubles cannot vouch for the outputs."""
        out = self.lost(shape)
        for flag in self.odd:
            out |= flag
        if self.tape.linear is None:
            for bank in self.banks.values():
                out |= ~np.isfinite(bank).all(axis=0)
            for value, rate, s, count in self.raised:
                if not value.min() >= _LEAST:
                    out |= ((value < _LEAST) & (_bound(rate, s, count) > -np.inf)).any(axis=0)
            return out | ~((np.abs(outputs) > _LEAST) & np.isfinite(outputs)).all(axis=0)
        for value, *_ in self.raised:
            if not value.max() < _LARGE:
                out |= ~(value < _LARGE).all(axis=0)
        return self._underflown(out)

    def _underflown(self, out: Flags) -> Flags:
        """Terms that underflow where their coefficients, or the tiny sums they are part of, make them count."""
        coefficients, sums, nested = self.tape.shape_of_sums
        largest = np.zeros((1,) * out.ndim)
        for rows in coefficients:
            largest = np.maximum(largest, np.log(np.abs(self.get(rows)).max(axis=0)))
        largest = largest * nested
        out |= ~(largest < np.log(_MOST))
        near = np.zeros_like(out)
        for value, rate, s, count in self.raised:
            if not value.min() >= _LEAST:
                poor = (value < _NORMAL) | (_exponent(rate, s) < np.log(_NORMAL))
                bound = _bound(rate, s, count)
                out |= (poor & (bound + largest > np.log(_NORMAL))).any(axis=0)
                near |= (poor & (bound + largest > np.log(_NORMAL) - 40)).any(axis=0)
        if near.any():
            for rows in sums:
                out |= near & (np.abs(self.get(rows)) < np.exp(largest - 690)).any(axis=0)
        return out


def _trailing(shape: tuple[int, ...]) -> int:
    """How many axes at the end have length one."""
    count = 0
    while count < len(shape) and shape[-1 - count] == 1:
        count += 1
    return count


def _exponent(rate: Array, s: Array) -> Any:
    return np.where(rate == 0, 0.0, -rate * s)


def _bound(rate: Array, s: Array, count: int) -> Array:
    """Above the logarithm of a divided difference: ``ln(s^n e^{−Λ s})`` for the smallest rate, ``−∞`` for a limit."""
    return np.where(np.isinf(s), -np.inf, _exponent(rate, s) + (count * np.log(s) if count else 0.0))


def _in_range(values: Array) -> bool:
    size = np.abs(values)
    return bool(((size > _LEAST) & (size < _MOST)).all())
