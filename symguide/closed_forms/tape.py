"""Closed forms as tapes: what is to be computed, each quantity once, level by level, with alike operations together.

A tape is read off SymPy expressions; :mod:`symguide.closed_forms.program` runs it in doubles and in wide numbers. Every
register is kept in the smallest shape it needs: what depends on ``w`` alone is computed once per ``w``, however many
mask fractions there are.
"""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false, reportCallIssue=false

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import mpmath
import numpy as np
from sympy import Add, Expr, Integer, Mul, Pow, Sum, Symbol, exp, lambdify, log

from symguide.errors import SymguideError
from symguide.numbers.exp_dd import exp_dd
from symguide.numbers.wide import Wide, stack

__all__ = ["ATOMS", "FEW", "Group", "Register", "Rows", "Tape"]

ATOMS = frozenset({"exp", "exponential", "dd", "log_dd"})
"""Operations that exponentiate."""
FEW = 4
"""Powers up to which the errors of their bases need not be watched."""
_SHORT = 5
"""Terms up to which sums are added one by one."""
_DIGITS = 60
"""To which constants are computed before they are rounded."""


@dataclass(frozen=True, slots=True)
class Register:
    """One quantity.

    Attributes
    ----------
    operation
        ``constant``, ``argument``, ``sum`` (of products ``c_1 x_1 + c_2 x_2 + …``), ``product``, ``times_log``,
        ``power`` (rational exponent), ``exponential`` (constant base), ``exp``, ``log``, ``logsumexp``, ``log_less``,
        ``dd``, ``log_dd`` (nodes, then the clock) or ``call``.
    operands
        Other registers; for a sum ``c_1, x_1, c_2, x_2, …``.
    data
        A constant, the place of an argument, an exponent, a base, a function.
    sign
        1 and −1 where it is known not to be of the other sign, 0 where it is not known.
    mask
        The arguments on which it depends, as bits.
    depth
        All operands have smaller ones.
    exponential
        Whether something that depends on an argument is exponentiated on the way to it.

    >>> from symguide.symbols import w
    >>> [(register.operation, register.mask) for register in Tape([3**w], [w]).registers]
    [('constant', 0), ('argument', 1), ('exponential', 1)]
    """

    operation: str
    operands: tuple[int, ...]
    data: Any
    sign: int
    mask: int
    depth: int
    exponential: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """Registers of one mask, by their places in the bank of that mask; places in sequence are a slice.

    >>> Rows.of(1, [2, 3, 4]), Rows.of(1, [2, 4]).listed()
    (Rows(mask=1, places=slice(2, 5, None)), [2, 4])
    >>> Rows.of(1, [2, 2]).shared()
    Rows(mask=1, places=slice(2, 3, None))
    """

    mask: int
    places: Any

    @classmethod
    def of(cls, mask: int, places: Sequence[int]) -> "Rows":
        """From places in any sequence."""
        first, count = places[0], len(places)
        if list(places) == list(range(first, first + count)):
            return cls(mask, slice(first, first + count))
        return cls(mask, np.array(places, dtype=np.intp))

    def listed(self) -> list[int]:
        """The places, one by one."""
        if isinstance(self.places, slice):
            return list(range(self.places.start, self.places.stop))
        return self.places.tolist()

    def shared(self) -> "Rows":
        """One row where all are the same register."""
        if isinstance(self.places, slice) or (self.places != self.places[0]).any():
            return self
        return Rows.of(self.mask, [int(self.places[0])])


@dataclass(frozen=True, slots=True)
class Group:
    """Registers computed in one step: the same operation with operands of the same masks.

    ``given`` says that all operands are arguments, which are exact; ``shared`` has one row for operands that are one
    register.

    >>> from symguide.symbols import w
    >>> [(group.operation, group.given) for group in Tape([3**w], [w]).groups][-1]
    ('exponential', True)
    """

    operation: str
    data: Any
    target: Rows
    operands: tuple[Rows, ...]
    shared: tuple[Rows, ...]
    registers: tuple[int, ...]
    given: bool


class Tape:
    """The registers behind some expressions.

    Parameters
    ----------
    expressions
        What is wanted.
    arguments
        The symbols that will have values.
    definitions
        Abbreviations in the expressions, and of one another.
    complements
        ``{expression: 1 − expression}`` where both are known as sums of positive terms.
    in_logs
        Whether logarithms of positive exponential expressions are formed in the log domain: products become sums,
        sums ``logsumexp``.

    >>> from sympy import symbols
    >>> a, b, s = symbols("a b s", positive=True)
    >>> tape = Tape([a * exp(-b * s), exp(-b * s) + 1], [a, b, s])
    >>> [group.operation for group in tape.groups]
    ['constant', 'argument', 'argument', 'argument', 'sum', 'sum', 'exp', 'sum', 'sum']
    """

    def __init__(
        self,
        expressions: Iterable[Expr],
        arguments: Sequence[Symbol],
        definitions: Mapping[Any, Expr] | None = None,
        complements: Mapping[Expr, Expr] | None = None,
        in_logs: bool = False,
    ) -> None:
        self.registers: list[Register] = []
        self._interned: dict[Any, int] = {}
        self._seen: dict[Expr, int] = {}
        self._logs: dict[int, int] = {}
        self._definitions = dict(definitions or {})
        self._in_logs = in_logs
        self._numbers: dict[int, Wide] = {}  # by the first register of the group
        self._doubles: dict[int, tuple[Any, Any]] = {}
        self._blocks: dict[int, tuple[Rows | None, Rows] | None] = {}
        self._terms: dict[int, tuple[Rows, Rows] | None] = {}
        self._factors: dict[int, Rows | None] = {}
        self._complements: dict[int, Expr] = {}
        self.one = self._constant(Integer(1))
        for place, symbol in enumerate(arguments):
            self._seen[symbol] = self._new("argument", (), place, _sign_of(symbol), 1 << place)
        if in_logs:
            self._complements = {self._read(key): value for key, value in (complements or {}).items()}
        self.outputs = [self._read(expression) for expression in expressions]

    def in_logarithms(self, minus: bool) -> None:
        """Replace every output ``x`` by ``ln x``, or by ``ln(−ln x)``."""
        self.outputs = [self._log(output) for output in self.outputs]
        if minus:
            negative = self._constant(Integer(-1))
            self.outputs = [self._log(self._fold([negative, output])) for output in self.outputs]

    @cached_property
    def needed(self) -> list[int]:
        """The registers that the outputs need, operands first."""
        found: set[int] = set()
        waiting = list(self.outputs)
        while waiting:
            register = waiting.pop()
            if register not in found:
                found.add(register)
                waiting += self.registers[register].operands
        return sorted(found)

    @cached_property
    def signed(self) -> frozenset[int]:
        """Sums in which terms may cancel."""
        return frozenset(j for j in self.needed if self.registers[j].operation == "sum" and self._may_cancel(j))

    @cached_property
    def full(self) -> int:
        """The mask of the outputs together."""
        mask = 0
        for output in self.outputs:
            mask |= self.registers[output].mask
        return mask

    @cached_property
    def linear(self) -> tuple[int, ...] | None:
        """The sums behind outputs that are linear in what is exponentiated at full shape; ``None`` for other outputs.

        Coefficients are then of smaller shape.
        """
        found: set[int] = set()
        waiting = list(self.outputs)
        while waiting:
            j = waiting.pop()
            register = self.registers[j]
            if j in found or register.mask != self.full or register.operation in ATOMS | {"argument", "constant"}:
                continue
            if register.operation != "sum" or any(self.registers[c].mask == self.full for c in register.operands[::2]):
                return None
            found.add(j)
            waiting += register.operands[1::2]
        return tuple(sorted(found))

    @cached_property
    def cancelling(self) -> tuple[int, ...]:
        """The numbers of the outputs in which terms may cancel."""
        touched: dict[int, bool] = {}
        for j in self.needed:
            touched[j] = j in self.signed or any(touched[i] for i in self.registers[j].operands)
        return tuple(number for number, output in enumerate(self.outputs) if touched[output])

    @cached_property
    def guarded(self) -> Mapping[int, Rows]:
        """``{mask: registers of smaller shape that may leave the range of doubles}``."""
        risky = (j for j in self.places if self.registers[j].mask != self.full and self.registers[j].exponential)
        return {rows.mask: rows for rows in self._rows(risky)}

    @cached_property
    def shape_of_sums(self) -> tuple[list[Rows], list[Rows], int]:
        """Of linear outputs: their coefficients, their sums of several terms, and how deep such sums are nested."""
        sums = self.linear or ()
        coefficients = dict.fromkeys(c for j in sums for c in self.registers[j].operands[::2])
        several = [j for j in sums if len(self.registers[j].operands) > 2]
        return self._rows(coefficients), self._rows(several), len({self.registers[j].depth for j in sums})

    def _rows(self, registers: Iterable[int]) -> list[Rows]:
        places: dict[int, list[int]] = defaultdict(list)
        for j in registers:
            mask, place = self.places[j]
            places[mask].append(place)
        return [Rows.of(mask, sorted(found)) for mask, found in places.items()]

    def _amplifies(self, register: Register) -> bool:
        return register.operation in ATOMS or (register.operation == "power" and abs(register.data) > FEW)

    def numbers(self, group: Group) -> Wide:
        """The constants of a group, or the logarithms of its constant bases."""
        if group.registers[0] not in self._numbers:
            data = [self.registers[j].data for j in group.registers]
            exact = map(_logarithm, data) if group.operation == "exponential" else data
            self._numbers[group.registers[0]] = stack([Wide.near(value) for value in exact])
        return self._numbers[group.registers[0]]

    def doubles(self, group: Group) -> tuple[Any, Any]:
        """The same, as sums of two doubles."""
        if group.registers[0] not in self._doubles:
            self._doubles[group.registers[0]] = self.numbers(group).parts()
        return self._doubles[group.registers[0]]

    def block(self, group: Group) -> tuple[Rows | None, Rows] | None:
        """Coefficients and operands of long sums in one piece, places by term, then by register.

        ``None`` for short sums and for terms of several masks; ``None`` for coefficients that are all 1.
        """
        if group.registers[0] not in self._blocks:
            terms = self.terms(group) if len(group.operands) > 2 * _SHORT else None
            if terms is not None:
                front, back = terms
                ones = all(j == self.one for member in group.registers for j in self.registers[member].operands[::2])
                self._blocks[group.registers[0]] = (None if ones else front, back)
            else:
                self._blocks[group.registers[0]] = None
        return self._blocks[group.registers[0]]

    def terms(self, group: Group) -> tuple[Rows, Rows] | None:
        """Coefficients and operands of any sums as :meth:`block` has them; ``None`` for terms of several masks."""
        if group.registers[0] not in self._terms:
            fronts, backs = group.operands[::2], group.operands[1::2]
            uniform = len({rows.mask for rows in fronts}) == 1 and len({rows.mask for rows in backs}) == 1
            self._terms[group.registers[0]] = (_in_one(fronts), _in_one(backs)) if uniform else None
        return self._terms[group.registers[0]]

    def factor(self, group: Group) -> Rows | None:
        """The coefficients of a sum whose terms all have the same one."""
        if group.registers[0] not in self._factors:
            first, *others = group.operands[::2]
            listed = first.listed()
            same = bool(others) and all(rows.mask == first.mask and rows.listed() == listed for rows in others)
            self._factors[group.registers[0]] = first if same else None
        return self._factors[group.registers[0]]

    @cached_property
    def precise(self) -> frozenset[int]:
        """Registers whose errors something exponentiates, and all those of smaller shape."""
        found: set[int] = set()
        waiting = [i for j in self.needed if self._amplifies(self.registers[j]) for i in self.registers[j].operands]
        waiting += [j for j in self.needed if self.registers[j].mask != self.full]
        while waiting:
            register = waiting.pop()
            if register not in found:
                found.add(register)
                waiting += self.registers[register].operands
        return frozenset(found)

    @cached_property
    def places(self) -> Mapping[int, tuple[int, int]]:
        """``{register: (mask, place in its bank)}``: the outputs come last and side by side, in their sequence."""
        sizes: dict[int, int] = defaultdict(int)
        out: dict[int, tuple[int, int]] = {}
        last = dict.fromkeys(self.outputs)
        steps = (j for members in self._grouped.values() for j in members if j not in last)
        for j in (*steps, *last):
            mask = self.registers[j].mask
            out[j] = mask, sizes[mask]
            sizes[mask] += 1
        return out

    @cached_property
    def output_places(self) -> list[tuple[int, int]]:
        """``(mask, place)`` of every output."""
        return [self.places[output] for output in self.outputs]

    @cached_property
    def output_rows(self) -> Rows | None:
        """The outputs as rows of one bank, if they are."""
        masks = {mask for mask, _ in self.output_places}
        return Rows.of(masks.pop(), [place for _, place in self.output_places]) if len(masks) == 1 else None

    @cached_property
    def sizes(self) -> Mapping[int, int]:
        """``{mask: registers in its bank}``."""
        sizes: dict[int, int] = defaultdict(int)
        for mask, _ in self.places.values():
            sizes[mask] += 1
        return dict(sizes)

    @cached_property
    def _grouped(self) -> Mapping[Any, list[int]]:
        groups: dict[Any, list[int]] = defaultdict(list)
        for j in self.needed:
            register = self.registers[j]
            masks = tuple(self.registers[i].mask if i != self.one else -1 for i in register.operands)
            free = ("constant", "exponential")  # whose data form an array of their own
            data = None if register.operation in free else register.data
            signed = register.operation == "sum" and self._may_cancel(j)
            precise = j in self.precise
            groups[register.depth, register.operation, register.mask, masks, data, signed, precise].append(j)
        return dict(sorted(groups.items(), key=lambda item: item[0][0]))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The steps, in order."""
        out = []
        for (_, operation, mask, _, data, _, _), found in self._grouped.items():
            members = sorted(found, key=lambda j: self.places[j])
            operands = []
            for position in range(len(self.registers[members[0]].operands)):
                chosen = [self.places[self.registers[j].operands[position]] for j in members]
                operands.append(Rows.of(chosen[0][0], [place for _, place in chosen]))
            target = Rows.of(mask, [self.places[j][1] for j in members])
            used = {self.registers[i].operation for j in members for i in self.registers[j].operands}
            shared = tuple(rows.shared() for rows in operands)
            out.append(Group(operation, data, target, tuple(operands), shared, tuple(members), used == {"argument"}))
        return tuple(out)

    def _may_cancel(self, register: int) -> bool:
        return self.registers[register].sign == 0 and len(self.registers[register].operands) > 2

    def _new(self, operation: str, operands: tuple[int, ...], data: Any, sign: int, mask: int = 0) -> int:
        key = operation, operands, data
        if key not in self._interned:
            parts = [self.registers[j] for j in operands]
            for part in parts:
                mask |= part.mask
            depth = max((part.depth for part in parts), default=-1) + 1
            raised = any(part.exponential for part in parts) or (operation in ATOMS and mask != 0)
            self._interned[key] = len(self.registers)
            self.registers.append(Register(operation, operands, data, sign, mask, depth, raised))
        return self._interned[key]

    def _constant(self, value: Any) -> int:
        exact = _exact(value)
        return self._new("constant", (), exact, 1 if exact >= 0 else -1 if exact < 0 else 0)

    def _read(self, expression: Expr) -> int:
        if expression not in self._seen:
            meant = self._definitions.get(expression)
            if meant is not None:
                self._seen[expression] = register = self._read(meant)
                if self.registers[register].sign == 0:  # the abbreviation may know more than what it stands for
                    self.registers[register] = replace(self.registers[register], sign=_sign_of(expression))
            else:
                self._seen[expression] = self._spell(expression)
        return self._seen[expression]

    def _spell(self, expression: Expr) -> int:
        if expression.is_number and not expression.has(exp_dd):
            return self._constant(expression)
        match expression:
            case Add():
                return self._sum(expression.args)
            case Mul():
                return self._product(expression.args)
            case exp():
                return self._exp(self._read(expression.args[0]))
            case Pow():
                return self._power(expression.base, expression.exp)
            case log():
                inner = self._read(expression.args[0])
                return self._log(inner) if self._in_logs else self._plain_log(inner)
            case exp_dd():
                return self._new("dd", self._nodes(expression.args[0], expression.args[1]), None, 1)
            case Sum():
                return self._read(expression.doit())
        if not expression.args:
            raise SymguideError(f"symbol {expression} is neither an argument nor defined; add it to the arguments")
        function = _elementwise(expression.func, len(expression.args))
        return self._new("call", tuple(map(self._read, expression.args)), function, _sign_of(expression))

    def _nodes(self, nodes: Iterable[Expr], clock: Expr) -> tuple[int, ...]:
        registers = sorted(map(self._read, nodes), key=lambda j: (self.registers[j].mask, j))
        return (*registers, self._read(clock))

    def _sum(self, terms: Iterable[Expr]) -> int:
        pairs = []
        for term in terms:
            register = self._read(term)
            known = self.registers[register]
            single = known.operation == "sum" and len(known.operands) == 2
            pairs.append(known.operands if single else (self.one, register))
        return self._pairs(pairs)

    def _pairs(self, pairs: Iterable[tuple[int, ...]]) -> int:
        ordered = sorted(pairs, key=lambda pair: [(j != self.one, self.registers[j].mask) for j in pair] + list(pair))
        signs = {self.registers[c].sign * self.registers[x].sign for c, x in ordered}
        sign = signs.pop() if len(signs) == 1 else 0
        return self._new("sum", tuple(j for pair in ordered for j in pair), None, sign)

    def _product(self, factors: Iterable[Expr]) -> int:
        numbers, logs = [], []
        for factor in factors:
            register = self._read(factor)
            (logs if isinstance(factor, log) else numbers).append(register)
        if logs and numbers:
            front, back = self._fold(numbers), self._fold(logs)
            return self._new("times_log", (front, back), None, 0)
        return self._fold([*numbers, *logs])

    def _fold(self, registers: Sequence[int]) -> int:
        """A product, of smaller shapes first."""
        by_mask: dict[int, list[int]] = defaultdict(list)
        for j in registers:
            if j != self.one:
                by_mask[self.registers[j].mask].append(j)
        value: int | None = None
        for mask in sorted(by_mask, key=lambda mask: (mask.bit_count(), mask)):
            members = sorted(by_mask[mask])
            sign = 1
            for j in members:
                sign *= self.registers[j].sign
            part = members[0] if len(members) == 1 else self._new("product", tuple(members), None, sign)
            value = part if value is None else self._pairs([(value, part)])
        return self.one if value is None else value

    def _power(self, base: Expr, exponent: Expr) -> int:
        if exponent.is_Rational:
            inner = self._read(base)
            even = exponent.is_Integer and exponent % 2 == 0
            sign = 1 if even else self.registers[inner].sign
            return self._new("power", (inner,), Fraction(exponent.p, exponent.q), sign)
        if base.is_number and base.is_positive:
            return self._new("exponential", (self._read(exponent),), _exact(base), 1)
        power = self._read(exponent)
        return self._exp(self._fold([power, self._log(self._read(base))]))

    def _exp(self, exponent: int) -> int:
        return self._new("exp", (exponent,), None, 1)

    def _plain_log(self, register: int) -> int:
        known = self.registers[register]
        if known.operation == "exp":
            return known.operands[0]
        return self._new("log", (register,), None, 0)

    def _log(self, register: int) -> int:
        """The logarithm, in the log domain where that is wanted and possible."""
        if not self._in_logs:
            return self._plain_log(register)
        if register not in self._logs:
            value = self._push_log(register)
            if register in self._complements:
                value = self._new("log_less", (self._read(self._complements[register]), value), None, -1)
            self._logs[register] = value
        return self._logs[register]

    def _push_log(self, register: int) -> int:
        """Through everything that is known to be positive and exponentiates: beyond, values are in range."""
        known = self.registers[register]
        if known.operation == "constant":
            return self._constant(_logarithm(known.data))
        if known.operation == "exponential":
            return self._fold([self._constant(_logarithm(known.data)), known.operands[0]])
        if known.operation == "dd":
            return self._new("log_dd", known.operands, None, 0)
        if known.exponential and all(self.registers[j].sign > 0 for j in known.operands):
            if known.operation == "sum":
                pairs = zip(known.operands[::2], known.operands[1::2], strict=True)
                logs = [self._pairs([(self.one, self._log(j)) for j in pair]) for pair in pairs]
                return logs[0] if len(logs) == 1 else self._log_sum(logs)
            if known.operation == "product":
                return self._pairs([(self.one, self._log(j)) for j in known.operands])
            if known.operation == "power":
                return self._fold([self._constant(known.data), self._log(known.operands[0])])
        return self._plain_log(register)

    def _log_sum(self, logs: Sequence[int]) -> int:
        return self._new("logsumexp", tuple(sorted(logs, key=lambda j: (self.registers[j].mask, j))), None, 0)


def _in_one(kind: Sequence[Rows]) -> Rows:
    return Rows(kind[0].mask, np.array([rows.listed() for rows in kind], dtype=np.intp))


def _sign_of(expression: Expr) -> int:
    return 1 if expression.is_nonnegative else -1 if expression.is_nonpositive else 0


def _exact(value: Any) -> Any:
    """A rational, or an mpmath number of some 60 digits."""
    if isinstance(value, Fraction | mpmath.mpf):
        return value
    if value.is_Rational:
        return Fraction(int(value.p), int(value.q))
    with mpmath.workdps(_DIGITS):
        if value.is_Float:
            return mpmath.mpf(value._mpf_)
        number = value.evalf(_DIGITS)
        if not (number.is_Float or number.is_infinite):
            raise SymguideError(f"{value} is no real number, so the expression has no value; rewrite it")
        return number._to_mpmath(4 * _DIGITS)


def _logarithm(value: Any) -> Any:
    with mpmath.workdps(3 * _DIGITS):
        exact = mpmath.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value
        return mpmath.log(exact) if exact > 0 else mpmath.ninf if exact == 0 else mpmath.nan


@lru_cache(maxsize=256)
def _elementwise(function: Any, count: int) -> Any:
    """A function of which only doubles are known."""
    dummies = [Symbol(f"x{j}", real=True) for j in range(count)]
    return lambdify(dummies, function(*dummies), "numpy")
