"""Tapes run on arrays: in doubles where they suffice, in wide numbers where they do not, in balls where all else fails.

1. *Doubles.* Sums of positive terms and divided differences lose next to nothing, while ``Λ s`` is moderate.
2. *Doubles with wide exponents.* ``e^{−Λ s}`` turns the relative error of ``Λ`` into ``Λ s`` times as much. Where that
   is large, whatever is exponentiated is computed in wide numbers, and so is what depends on ``w`` alone.
3. *Wide numbers.* Where intermediate values leave the range of doubles, or where logarithms are wanted.
4. *Enclosures.* Where signed terms cancel more than wide numbers can spare.

Each step takes only the arguments for which the step before cannot vouch.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from symguide.closed_forms.double_run import DoubleRun
from symguide.closed_forms.loops import Loops
from symguide.closed_forms.tape import Tape
from symguide.closed_forms.wide_run import Array, Flags, WideRun

__all__ = ["Program"]

_CHUNK = 2_000_000
"""Wide registers computed at once."""


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
                run = DoubleRun(self.tape, values, self._loops)
                outputs = run.outputs(shape)
                doubtful = run.doubtful(shape, outputs)
                known = not doubtful.any()
                if not known:
                    self._run_wide(values, outputs, doubtful)
        return outputs, known

    def _run_wide(self, values: list[Array], outputs: Array, wanted: Flags) -> None:
        for box in _boxes(wanted, sum(self.wide.sizes.values())):
            inside = [_cut(value, box) for value in values]
            run = WideRun(self.wide, inside)
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
