"""Problems as work that travels: a name, a target, and a fingerprint of the data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from fractions import Fraction
from hashlib import sha256
from typing import Any

import numpy as np

from symguide.errors import DataError
from symguide.instances.datasets import load
from symguide.laws.mixture import Problem

__all__ = ["Case", "fingerprint", "spelled"]


@dataclass(frozen=True, slots=True)
class Case:
    """A problem with its target, known by its content.

    A built-in instance travels to workers by its name, and is checked there to be the same; other problems travel
    whole.

    Attributes
    ----------
    name, target
        What the table calls them.
    fingerprint
        Of both laws and the prior.
    spec
        The name of a built-in instance.
    problem
        The problem itself; built-in instances leave it at home.

    >>> Case.of("xor").name, Case.of("xor").fingerprint == Case.of(load("xor")).fingerprint
    ('xor', True)
    """

    name: str
    target: str | None
    fingerprint: str
    spec: str | None = field(default=None, compare=False)
    problem: Problem | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, problem: "Problem | str | Case", target: str | None = None, spec: str | None = None) -> "Case":
        """From a problem, or from the name of a built-in instance, which may be given beside its problem."""
        if isinstance(problem, Case):
            return problem
        if isinstance(problem, str):
            return cls.of(load(problem, target), spec=problem)
        return cls(problem.name, problem.target, fingerprint(problem), spec, problem)

    def __reduce__(self) -> tuple[Any, ...]:
        problem = self.problem if self.spec is None else None
        return Case, (self.name, self.target, self.fingerprint, self.spec, problem)

    def load(self) -> Problem:
        """The problem, wherever this runs.

        Raises
        ------
        DataError
            Where a built-in instance is made of other data here.
        """
        if self.problem is not None:
            return self.problem
        assert self.spec is not None
        found = load(self.spec, self.target)
        if fingerprint(found) != self.fingerprint:
            raise DataError(
                f"{self.name}: its data on this worker differ from those where the work was asked for, so its "
                "numbers would be of another problem; install the same versions of symguide and its data packages"
            )
        return found


def fingerprint(problem: Problem) -> str:
    """32 hexadecimal digits that stand for both laws and the prior: equal for equal content, on every machine.

    >>> fingerprint(load("xor")) == fingerprint(load("slower-sampling"))
    False
    """
    digest = sha256()
    for part in _content((problem.conditional, problem.unconditional, problem.prior)):
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:32]


def _content(value: Any) -> Iterator[str]:
    """A law, or a part of one, spelled out: equal for equal content, on every machine."""
    if isinstance(value, tuple) and all(isinstance(item, int) for item in value):
        yield repr(value)
    elif isinstance(value, Mapping):
        yield f"{{{len(value)}"
        for key in sorted(value):
            yield from _content(key)
            yield from _content(value[key])
    elif isinstance(value, np.ndarray):
        yield repr(value.shape)
        yield from _content(value.ravel().tolist())
    elif isinstance(value, list | tuple):
        yield f"[{len(value)}"
        for item in value:
            yield from _content(item)
    elif is_dataclass(value):
        yield type(value).__name__
        for part in fields(value):
            yield from _content(getattr(value, part.name))
    else:
        yield spelled(value)


def spelled(value: Any) -> str:
    """A number or a text exactly, in a form that takes no time for long integers.

    >>> spelled(Fraction(10, 3)), spelled(0.5)
    ('a/3', '0x1.0000000000000p-1')
    """
    match value:
        case Fraction():
            return f"{value.numerator:x}/{value.denominator:x}"
        case float():
            return value.hex()
    return f"{type(value).__name__} {value}"
