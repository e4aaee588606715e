"""How a result is known: verdicts in order of strength, and the evidence that carries them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

__all__ = ["Evidence", "Verdict", "weakest"]


class Verdict(IntEnum):
    """What a check found, from worst to best; combining takes the minimum.

    >>> min(Verdict.PROVED, Verdict.AGREES)
    <Verdict.AGREES: 2>
    >>> str(Verdict.AGREES)
    'agrees numerically'
    """

    REFUTED = 0
    UNKNOWN = 1
    AGREES = 2
    ENCLOSED = 3
    PROVED = 4

    def __str__(self) -> str:
        return "agrees numerically" if self is Verdict.AGREES else self.name.lower()

    @property
    def passes(self) -> bool:
        """Whether a reader may rely on the result; *unknown* never passes."""
        return self > Verdict.UNKNOWN


@dataclass(frozen=True, slots=True)
class Evidence:
    """The outcome of one check: its name, its verdict, and what was seen.

    Evidence is not a truth value: compare ``verdict`` or ask ``verdict.passes``.

    >>> Evidence("mass", Verdict.PROVED, "the probabilities sum to one identically")
    Evidence(check='mass', verdict=<Verdict.PROVED: 4>, detail='the probabilities sum to one identically')
    """

    check: str
    verdict: Verdict
    detail: str

    def __bool__(self) -> bool:
        raise TypeError(f"evidence of {self.check!r} has no truth value: compare its verdict ({self.verdict})")


def weakest(evidence: Iterable[Evidence]) -> Verdict:
    """The verdict of a whole: the weakest of its parts, and *unknown* when nothing was checked.

    >>> weakest([])
    <Verdict.UNKNOWN: 1>
    """
    return min((item.verdict for item in evidence), default=Verdict.UNKNOWN)
