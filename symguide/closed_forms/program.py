"""Tapes run on arrays: in doubles where they suffice, in wide numbers where they do not, in balls where all else fails.

1. *Doubles.* Sums of positive terms and divided differences lose next to nothing, while ``Λ s`` is moderate.
2. *Doubles with wide exponents.* ``e^{−Λ s}`` turns the relative error of ``Λ`` into ``Λ s`` times as much. Beyond
   ``MODERATE``, whatever is exponentiated is computed in wide numbers, and so is what depends on ``w`` alone.
3. *Wide numbers.* Where intermediate values leave the range of doubles, or where logarithms are wanted.
4. *Enclosures.* Where signed terms cancel more than wide numbers can spare.

Each step takes only the arguments for which the step before cannot vouch.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symguide.closed_forms.loops import Loops
from symguide.closed_forms.tape import FEW, Group, Rows, Tape
from symguide.numbers.divided_differences import exp_dd_float, exp_dd_wide, log_exp_dd_wide
from symguide.numbers.wide import Wide, product_error, stack, where

__all__ = ["Program"]

Array = NDArray[np.float64]
Flags = Any
"""An array of truth values."""

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
_CHUNK = 2_000_000
"""Wide registers computed at once."""


class _NotModerate(Exception):
    """Doubles do not suffice as exponents."""


class Program:
    """A function of arrays.

    Parameters
    ----------
    tape
        What to compute in doubles.
    wide
        Makes the tape to be run in wide numbers, when it is first needed.
    enclose
        ``enclose(arguments, output)``: the value to double precision, by a means that never fails; or ``None``.
    logarithms
        Whether everything is to be run in wide numbers.
    loops
        Machine code for what is run in doubles.

    >>> from symguide.symbols import u, w
    >>> function = Program(lambda: Tape([u**w], [w, u]), lambda: Tape([u**w], [w, u], in_logs=True))
    >>> function([[2.0], [3.0]], [0.5, 0.25])[0].round(12).tolist()
    [[0.25, 0.0625], [0.125, 0.015625]]
    """

    def __init__(
        self,
        tape: Callable[[], Tape],
        wide: Callable[[], Tape],
        enclose: Callable[[list[float], int], float] | None = None,
        logarithms: bool = False,
        loops: Loops | None = None,
    ) -> None:
        self._make_tape, self._make_wide = tape, wide
        self._enclose = enclose
        self._logarithms = logarithms
        self._loops = loops

    @cached_property
    def tape(self) -> Tape:
        """Run in doubles."""
        return self._make_tape()

    @cached_property
    def wide(self) -> Tape:
        """Run in wide numbers."""
        return self._make_wide()

    def __call__(self, *arguments: ArrayLike) -> list[Any]:
        """The outputs, each of the broadcast shape of the arguments."""
        return list(self.run(*arguments)[0])

    def run(self, *arguments: ArrayLike) -> tuple[Array, bool]:
        """The outputs along a first axis, and whether they are known to be finite."""
        values = [np.asarray(value, dtype=np.float64) for value in arguments]
        shape = np.broadcast_shapes(*(value.shape for value in values))
        values = [value.reshape((1,) * (len(shape) - value.ndim) + value.shape) for value in values]
        if 0 in shape:
            return np.zeros((len((self.wide if self._logarithms else self.tape).outputs), *shape)), True
        known = False
        with np.errstate(all="ignore"):
            if self._logarithms:
                outputs = np.empty((len(self.wide.outputs), *shape))
                self._run_wide(values, outputs, np.ones(shape, dtype=bool))
            else:
                run = _Doubles(self.tape, values, self._loops)
                outputs = run.outputs(shape)
                doubtful = run.doubtful(shape, outputs)
                known = not doubtful.any()
                if not known:
                    self._run_wide(values, outputs, doubtful)
        return outputs, known

    def _run_wide(self, values: list[Array], outputs: Array, wanted: Flags) -> None:
        for box in _boxes(wanted, sum(self.wide.sizes.values())):
            inside = [_cut(value, box) for value in values]
            run = _Wides(self.wide, inside)
            shape = tuple(len(index) for index in box)
            found = run.outputs(shape)
            place = np.ix_(*box)
            mask = wanted[place]
            for number, value in enumerate(found):
                outputs[number, *place] = np.where(mask, value, outputs[number, *place])
            if self._enclose is not None and run.cancelled:
                self._enclose_in(inside, outputs, box, mask & run.lost(shape))

    def _enclose_in(self, inside: list[Array], outputs: Array, box: tuple[Any, ...], lost: Flags) -> None:
        assert self._enclose is not None
        shape = lost.shape
        full = [np.broadcast_to(value, shape) for value in inside]
        for index in zip(*np.nonzero(lost), strict=True) if shape else [()] * bool(lost):
            at = tuple(axis[j] for axis, j in zip(box, index, strict=True))
            arguments = [float(value[index]) for value in full]
            for number in self.wide.cancelling:
                outputs[number, *at] = self._enclose(arguments, number)


def _boxes(wanted: Flags, registers: int) -> list[tuple[Any, ...]]:
    """Products of index lists that hold all places wanted, so that broadcasting survives."""
    if not wanted.any():
        return []
    box = []
    for axis in range(wanted.ndim):
        others = tuple(j for j in range(wanted.ndim) if j != axis)
        box.append(np.flatnonzero(wanted.any(axis=others)))
    size = registers * int(np.prod([len(index) for index in box], dtype=float))
    if size <= _CHUNK or not box:
        return [tuple(box)]
    longest = max(range(len(box)), key=lambda axis: len(box[axis]))
    parts = np.array_split(box[longest], min(len(box[longest]), -(-size // _CHUNK)))
    return [(*box[:longest], part, *box[longest + 1 :]) for part in parts]


def _cut(value: Array, box: tuple[Any, ...]) -> Array:
    """The part of an argument inside a box; axes of length one stay."""
    for axis, index in enumerate(box):
        if value.shape[axis] != 1:
            value = np.take(value, index, axis=axis)
    return value


class _Run:
    """A tape with values for its arguments."""

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


class _Wides(_Run):
    """In wide numbers."""

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


class _Doubles(_Run):
    """In doubles; what is exponentiated in wide numbers where it must be."""

    def __init__(self, tape: Tape, arguments: Sequence[Array], loops: Loops | None = None) -> None:
        super().__init__(tape, arguments)
        self.loops = loops
        self.banks = {mask: np.empty((size, *self.shapes[mask])) for mask, size in tape.sizes.items()}
        self.exact: _Wides | None = None
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
        self.exact = _Wides(self.tape, self.arguments, precise)
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


def _spare_bits(tape: Tape) -> int:
    """Divided differences are good to a few units of a double, everything else to ``2^−70``."""
    return 10 if any(tape.registers[j].operation in ("dd", "log_dd") for j in tape.needed) else 27


def _in_range(values: Array) -> bool:
    size = np.abs(values)
    return bool(((size > _LEAST) & (size < _MOST)).all())


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
