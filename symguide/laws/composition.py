"""Several conditions at once, each with its own strength."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from symguide.errors import DataError, StrengthError
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.tilt import Tilt, composed
from symguide.numbers.number import Number, canonical_string
from symguide.numbers.numeral import read_numeral, shortened

__all__ = ["LARGEST", "Composition"]

LARGEST = 1e6
"""The largest strength of a condition in either direction."""


@dataclass(frozen=True, slots=True)
class Composition:
    """Conditions with their strengths ``w_k``, in order: what stands in the place of one strength ``w``.

    Attributes
    ----------
    conditions
        Pairs (class, strength); below −1 a condition repels.

    Raises
    ------
    StrengthError
        For no conditions.
    DataError
        For a class that is named twice.

    >>> print(Composition.parse(["fr:2", "de:-3/2"]))
    fr:2,de:-3/2
    """

    conditions: tuple[tuple[str, Number], ...]

    def __post_init__(self) -> None:
        names = [name for name, _ in self.conditions]
        if not names:
            raise StrengthError("composed guidance has no conditions, so nothing is guided to; give CLASS:STRENGTH")
        for name in names:
            if names.count(name) > 1:
                raise DataError(f"condition {shortened(name)!r} is given twice, so two strengths hold; give it once")

    @classmethod
    def parse(cls, given: Iterable[str]) -> "Composition":
        """From texts ``CLASS:STRENGTH``, strengths read exactly.

        Raises
        ------
        StrengthError
            For a text without a colon, or whose strength is no number.

        >>> Composition.parse(["fr:0.5"]).strengths
        {'fr': Fraction(1, 2)}
        """
        found: list[tuple[str, Fraction]] = []
        for text in given:
            name, colon, strength = text.rpartition(":")
            if not colon or not name:
                raise StrengthError(
                    f"condition {shortened(text)!r} names no class and strength; write CLASS:STRENGTH, such as fr:2"
                )
            what = f"strength of condition {shortened(name)!r}"
            value = read_numeral(strength, what, StrengthError)
            if abs(value) > LARGEST:
                raise StrengthError(
                    f"{what} is {shortened(strength)}: no arithmetic here carries such powers; use at most {LARGEST:g}"
                )
            found.append((name, value))
        return cls(tuple(found))

    def __str__(self) -> str:
        return ",".join(f"{name}:{canonical_string(strength)}" for name, strength in self.conditions)

    @property
    def strengths(self) -> Mapping[str, Number]:
        """``{class: w_k}``."""
        return dict(self.conditions)

    def tilt(self, problem: Problem, rule: str = "rate") -> Tilt:
        """The guidance, between classes of the mixture behind a problem.

        Raises
        ------
        DataError
            For a pair of laws, and for a class that the mixture does not have.

        >>> from symguide.laws.mixture import ClassMixture
        >>> half = {(0,): "1/2", (1,): "1/2"}
        >>> mixture = ClassMixture.of(2, 1, {"a": ("1/2", {(0,): 1}), "b": ("1/2", half)})
        >>> [exponent for _, exponent in Composition.parse(["a:1"]).tilt(mixture.problem("b")).factors]
        [2, -1]
        """
        mixture: ClassMixture | None = problem.classes
        if mixture is None:
            raise DataError(f"{problem.name}: a pair of laws has no classes, so no conditions; give --w")
        return composed(mixture, self.strengths, rule)
