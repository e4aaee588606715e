"""Data: mixtures of classes on one token grid, and the pair of laws that guidance compares."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sympy

from symguide.errors import DataError
from symguide.laws.law import SUM_TOLERANCE, Law, TableLaw
from symguide.laws.products import MixtureLaw, ProductLaw
from symguide.numbers.number import Number, is_exact, read_number, shown, total
from symguide.symbols import symbol

__all__ = ["ClassMixture", "Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What guidance needs: a conditional law, an unconditional law, and where they come from.

    For a class mixture these are ``p(·|z)`` and ``p(·) = Σ_k a_k p(·|k)``; as a *pair* they are any two laws on one
    token grid (autoguidance).

    Attributes
    ----------
    conditional, unconditional
        The two laws.
    target
        Name of the target class ``z``; ``None`` for a pair.
    prior
        ``a_z``, which makes ``p(z|x) = a_z p(x|z) / p(x)``; ``None`` for a pair.
    labels
        How the tokens ``0..N−1`` print, or ``None`` for their numbers.
    name, source
        What to call the problem, and whom to cite for its data.
    notes
        What a reader must know about how the data were read.
    classes
        The mixture behind the two laws; ``None`` for a pair.

    >>> strong = TableLaw.from_mapping(2, 1, {(0,): "3/4", (1,): "1/4"})
    >>> weak = TableLaw.from_mapping(2, 1, {(0,): "1/2", (1,): "1/2"})
    >>> Problem(strong, weak, name="autoguidance").vocabulary
    2
    """

    conditional: Law
    unconditional: Law
    target: str | None = None
    prior: Number | None = None
    labels: tuple[str, ...] | None = None
    name: str = "problem"
    source: str = ""
    notes: tuple[str, ...] = ()
    classes: "ClassMixture | None" = None

    def __post_init__(self) -> None:
        grids = [(law.vocabulary, law.length) for law in (self.conditional, self.unconditional)]
        if grids[0] != grids[1]:
            raise DataError(
                f"{self.name}: the conditional law lives on (N, D) = {grids[0]}, the unconditional one on {grids[1]}, "
                "so their tokens cannot be compared; give both one grid"
            )
        _check_labels(self.name, self.labels, self.vocabulary)

    @property
    def vocabulary(self) -> int:
        """``N``, the number of tokens without the mask."""
        return self.conditional.vocabulary

    @property
    def length(self) -> int:
        """``D``, the number of positions."""
        return self.conditional.length


@dataclass(frozen=True)
class ClassMixture:
    """``K ≥ 1`` classes with priors ``a_k > 0``, ``Σ a_k = 1``, and class laws ``p(x|k)`` on one token grid.

    >>> mixture = ClassMixture.of(2, 1, {"a": ("1/2", {(0,): 1}), "b": ("1/2", {(0,): "1/2", (1,): "1/2"})})
    >>> mixture.marginal.weights
    {(0,): Fraction(3, 4), (1,): Fraction(1, 4)}
    """

    laws: Mapping[str, TableLaw | ProductLaw]
    priors: Mapping[str, Number]
    labels: tuple[str, ...] | None = None
    name: str = "mixture"
    source: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.laws:
            raise DataError(f"{self.name}: there are no classes, so there is no law to guide; give at least one")
        if self.laws.keys() != self.priors.keys():
            raise DataError(f"{self.name}: classes {list(self.laws)} but priors for {list(self.priors)}; match them")
        grids = {key: (law.vocabulary, law.length) for key, law in self.laws.items()}
        if len(set(grids.values())) > 1:
            raise DataError(f"{self.name}: the classes live on different grids (N, D): {grids}; give all one grid")
        _check_labels(self.name, self.labels, next(iter(grids.values()))[0])

    @classmethod
    def of(
        cls,
        vocabulary: int,
        length: int,
        classes: Mapping[str, tuple[object, Any]],
        *,
        labels: tuple[str, ...] | None = None,
        name: str = "mixture",
        source: str = "",
        decimal: bool = False,
    ) -> "ClassMixture":
        """A mixture from ``{class: (prior, law)}``, each law a :class:`TableLaw`, a
        :class:`ProductLaw`, a mapping, pairs, or an array.

        ``decimal`` says that numbers may have been rounded: see :meth:`TableLaw.from_mapping`.

        Raises
        ------
        DataError
            For laws or priors that are no probabilities, and for laws on different grids.
        """
        laws: dict[str, TableLaw | ProductLaw] = {}
        given: dict[str, Number] = {}
        for key, (prior, data) in classes.items():
            where = f"{name}: class {key!r}"
            laws[key] = _read_law(vocabulary, length, data, where, decimal)
            value = read_number(prior, f"{where}: prior", DataError)
            if value.is_positive is False if isinstance(value, sympy.Expr) else value <= 0:
                raise DataError(
                    f"{where}: prior is {shown(value)}: a class needs a positive prior; correct it or drop the class"
                )
            given[key] = value
        priors, rescaled = _normalise_priors(given, name, decimal)
        notes = tuple(f"law of class {key!r} was divided by its sum" for key, law in laws.items() if law.rescaled)
        notes += ("the priors were divided by their sum",) * rescaled
        return cls(laws, priors, labels, name, source, notes)

    @classmethod
    def symbolic(cls, vocabulary: int, length: int, classes: int = 2) -> "ClassMixture":
        """The mixture whose data are symbols: weights ``p(x|k)`` and priors ``a_k``, ``k = 1..K``.

        >>> ClassMixture.symbolic(1, 1).marginal.weights
        {(0,): a_1*p(0|1) + a_2*p(0|2)}
        """
        names = [str(k) for k in range(1, classes + 1)]
        laws = {key: TableLaw.symbolic(vocabulary, length, key) for key in names}
        return cls(laws, {key: symbol(f"a_{key}", positive=True) for key in names}, name="symbolic mixture")

    @cached_property
    def marginal(self) -> TableLaw | MixtureLaw:
        """``p(x) = Σ_k a_k p(x|k)``; listed where all class laws are."""
        parts = [(self.priors[key], law) for key, law in self.laws.items()]
        listed = [(prior, law) for prior, law in parts if isinstance(law, TableLaw)]
        return TableLaw.mixture(listed) if len(listed) == len(parts) else MixtureLaw(tuple(parts))

    def problem(self, target: str) -> Problem:
        """The pair ``p(·|z)`` and ``p(·)`` for the target class ``z``.

        Raises
        ------
        DataError
            If there is no such class.
        """
        if target not in self.laws:
            raise DataError(
                f"{self.name}: there is no class {target!r}; choose one of {', '.join(map(repr, self.laws))}"
            )
        return Problem(
            self.laws[target],
            self.marginal,
            target,
            self.priors[target],
            self.labels,
            self.name,
            self.source,
            self.notes,
            self,
        )


def _check_labels(name: str, labels: tuple[str, ...] | None, vocabulary: int) -> None:
    if labels is None:
        return
    if len(labels) != vocabulary:
        raise DataError(
            f"{name}: there are {len(labels)} labels for a vocabulary of {vocabulary}, so it is open which token has "
            "which; give one per token"
        )
    first: dict[str, int] = {}
    for token, label in enumerate(labels):
        if first.setdefault(label, token) != token:
            raise DataError(
                f"{name}: label {shown(repr(label))} stands for the tokens {first[label]} and {token}, so what is "
                "printed would be ambiguous; give each token a label of its own"
            )


def _read_law(vocabulary: int, length: int, data: Any, where: str, decimal: bool) -> TableLaw | ProductLaw:
    if isinstance(data, TableLaw | ProductLaw):
        law = data
    elif hasattr(data, "ndim"):
        law = TableLaw.from_array(data, where)
    else:
        return TableLaw.from_mapping(vocabulary, length, data, where, decimal)
    if (law.vocabulary, law.length) != (vocabulary, length):
        raise DataError(
            f"{where}: the law lives on (N, D) = {(law.vocabulary, law.length)}, the mixture on "
            f"{(vocabulary, length)}; "
            "give both one grid"
        )
    return law


def _normalise_priors(given: dict[str, Number], name: str, decimal: bool) -> tuple[dict[str, Number], bool]:
    if not given:
        raise DataError(f"{name}: there are no classes, so there is no law to guide; give at least one")
    values = list(given.values())
    whole = total(values)
    if whole == 1 or (isinstance(whole, sympy.Expr) and (whole.free_symbols or whole.equals(1))):
        return given, False
    if (decimal or not all(map(is_exact, values))) and abs(whole - 1) <= SUM_TOLERANCE:
        return {key: value / whole for key, value in given.items()}, True
    raise DataError(f"{name}: the priors sum to {shown(whole)}, not to 1, so they are no probabilities; rescale them")
