"""Many contexts at once: an array of tokens that reads as a sequence of contexts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from symguide.laws.law import Context

__all__ = ["MASKED", "ContextArray"]

MASKED = -1
"""The mask in arrays of tokens."""


@dataclass(frozen=True, slots=True, eq=False)
class ContextArray(Sequence[Context]):
    """``n`` contexts as an ``(n, D)`` array of integers, the mask being −1.

    >>> ContextArray.of([(None, 3), (1, 3)])[0]
    (None, 3)
    """

    tokens: np.ndarray

    @classmethod
    def of(cls, contexts: Sequence[Context]) -> "ContextArray":
        """From contexts of one length; an array stays as it is."""
        if isinstance(contexts, ContextArray):
            return contexts
        rows = [[MASKED if token is None else token for token in context] for context in contexts]
        return cls(np.array(rows, dtype=np.int64).reshape(len(rows), len(rows[0]) if rows else 0))

    @overload
    def __getitem__(self, index: int) -> Context: ...
    @overload
    def __getitem__(self, index: slice) -> "ContextArray": ...
    def __getitem__(self, index: int | slice) -> "Context | ContextArray":
        if isinstance(index, slice):
            return ContextArray(self.tokens[index])
        return _context(self.tokens[index].tolist())

    def __len__(self) -> int:
        return len(self.tokens)

    def __iter__(self) -> Iterator[Context]:
        return map(_context, self.tokens.tolist())

    def order(self) -> np.ndarray:
        """The permutation that sorts the contexts: lexicographically, the mask first."""
        return np.lexsort(self.tokens.T[::-1])


def _context(row: list[int]) -> Context:
    return tuple(None if token == MASKED else token for token in row)
