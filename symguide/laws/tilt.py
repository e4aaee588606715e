"""Guidance as one formula: a product of token laws to powers that sum to one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from sympy import Expr, Integer, expand

from symguide.errors import InfiniteRatioError, StrengthError, SymguideError
from symguide.laws.law import Context, Law, format_context
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.rules import RULES
from symguide.numbers.expsum import ExpSum
from symguide.numbers.number import Number, canonical_string, read_number, to_sympy
from symguide.symbols import w

__all__ = ["RULES", "Tilt", "composed", "guidance", "power_product"]


@dataclass(frozen=True, slots=True)
class Tilt:
    """Raw reveal intensities ``q_i(v|x_S) = Π_j p_j(v|x_S)^{e_j}`` with exponents affine in ``w`` and ``Σ_j e_j = 1``.

    The rate of the chain is ``q_i``, or ``q_i / Z_i`` with ``Z_i = Σ_v q_i`` when ``normalised``.

    Conventions: a factor with exponent 0 is 1; a zero with positive exponent makes the intensity 0; a zero with
    negative exponent, where nothing else vanishes, is an error. With symbolic ``w`` the domain is ``w > −1``.

    Attributes
    ----------
    factors
        Pairs (law, exponent); exponents are SymPy expressions in :data:`symguide.symbols.w`.
    normalised
        Whether the intensities of each position are divided by their sum.

    References
    ----------
    Nisonoff et al., arXiv:2406.01572, predictor-free guidance (rate power); Rojas et al., arXiv:2507.08965
    (normalised).

    >>> from symguide.instances.datasets import load
    >>> tilt = guidance(load("interval-overlap"))
    >>> [exponent for _, exponent in tilt.factors], tilt.normalised
    ([w + 1, -w], False)
    >>> tilt.intensities((None,), 0)[4]  # 1^w 1/6: the classes share the token evenly
    ExpSum(terms=((Fraction(1, 1), Fraction(1, 6)),))
    """

    factors: tuple[tuple[Law, Expr], ...]
    normalised: bool = False

    def __post_init__(self) -> None:
        exponents = [exponent for _, exponent in self.factors]
        for exponent in exponents:
            if not exponent.diff(w).is_number or exponent.free_symbols - {w}:
                raise StrengthError(
                    f"tilt exponent {exponent} is not affine in w with numeric coefficients, "
                    "so the rates are no exponential sums; substitute numbers for the other symbols"
                )
        if expand(sum(exponents, start=Integer(0))) != 1:
            raise StrengthError(
                f"tilt exponents {exponents} sum to {expand(sum(exponents, start=Integer(0)))}, not to 1, "
                "so the intensities have no scale; correct them"
            )
        grids = {(law.vocabulary, law.length) for law, _ in self.factors}
        if len(grids) > 1:
            raise SymguideError(f"tilt: its laws live on different grids (N, D): {sorted(grids)}; give all one grid")

    @property
    def grid(self) -> tuple[int, int]:
        """``(N, D)``."""
        law = self.factors[0][0]
        return law.vocabulary, law.length

    @property
    def exponents(self) -> tuple[tuple[float, float], ...]:
        """Constant and slope in ``w`` of every exponent.

        >>> from symguide.instances.datasets import load
        >>> guidance(load("xor")).exponents
        ((1.0, 1.0), (0.0, -1.0))
        """
        affine = [_affine(exponent) for _, exponent in self.factors]
        return tuple((float(constant), float(slope)) for constant, slope in affine)

    @property
    def signs(self) -> tuple[int | None, ...]:
        """The sign of every exponent on the domain, 0 where it vanishes on all of it, ``None`` where it changes.

        >>> from symguide.instances.datasets import load
        >>> guidance(load("xor")).signs, guidance(load("xor")).at(3).signs
        ((1, None), (1, -1))
        """
        return tuple(0 if exponent == 0 else _sign(exponent) for _, exponent in self.factors)

    @property
    def is_symbolic(self) -> bool:
        """Whether the strength is left open (``w > −1``)."""
        return any(exponent.has(w) for _, exponent in self.factors)

    @property
    def leading_law(self) -> Law | None:
        """The law whose contexts are the reachable ones: the only one that can make an intensity vanish, if there is
        one.
        """
        positive = [law for law, exponent in self.factors if exponent != 0 and _sign(exponent) == 1]
        return positive[0] if len(positive) == 1 else None

    def at(self, strength: Number) -> "Tilt":
        """The tilt at one strength, for which exponents of 0 switch their law off.

        Needed at ``w = −1``, where the reachable contexts are those of the unconditional law, and for pairs whose zero
        pattern depends on the sign of ``w``. A float is the decimal that it spells.

        Raises
        ------
        StrengthError
            For ``w < −1``.

        >>> from symguide.instances.datasets import load
        >>> [exponent for _, exponent in guidance(load("xor")).at(0.1).factors]
        [11/10, -1/10]
        """
        value = _exactly(strength, "guidance strength w")
        if not isinstance(value, Expr) and value < -1:
            raise StrengthError(
                f"guidance strength w is {canonical_string(value)}: below -1 the chain is not defined; use w >= -1"
            )
        point = to_sympy(value)
        return Tilt(tuple((law, exponent.subs(w, point)) for law, exponent in self.factors), self.normalised)

    def intensities(self, context: Context, position: int) -> dict[int, ExpSum]:
        """``{v: q_i(v|x_S)}`` over the tokens of positive intensity; empty for a dead position.

        Raises
        ------
        InfiniteRatioError
            Where a law with negative exponent excludes a token that no other law excludes.

        >>> from symguide.laws.mixture import ClassMixture
        >>> half = {(0,): "1/2", (1,): "1/2"}
        >>> mixture = ClassMixture.of(2, 1, {"a": ("1/2", {(0,): 1}), "b": ("1/2", half)})
        >>> guidance(mixture.problem("a")).intensities((None,), 0)[0].expression(w)
        (4/3)**w
        """
        tables = [law.conditional(context, position) if exponent != 0 else {} for law, exponent in self.factors]
        return self.intensities_of(tables, context, position)

    def intensities_of(
        self, tables: Sequence[Mapping[int, Number]], context: Context, position: int
    ) -> dict[int, ExpSum]:
        """The same from conditional laws ``{v: p_j(v|x_S)}`` of all factors; context and position name the place."""
        active = [(table, exponent) for table, (_, exponent) in zip(tables, self.factors, strict=True) if exponent != 0]
        tokens = sorted(set().union(*(table.keys() for table, _ in active)))
        out: dict[int, ExpSum] = {}
        for token in tokens:
            factors = [(table.get(token, 0), exponent) for table, exponent in active]
            if not self._vanishes(factors, context, position, token):
                out[token] = power_product(factors)
        return out

    def _vanishes(self, factors: list[tuple[Any, Expr]], context: Context, position: int, token: int) -> bool:
        signs = [_sign(exponent) for value, exponent in factors if value == 0]
        if 1 in signs:
            return True
        if not signs:
            return False
        where = f"context {format_context(context)}, position {position}, token {token}"
        if None in signs:
            raise InfiniteRatioError(
                f"{where}: the law with exponent -w excludes the token, so its intensity is infinite for w > 0 and 0 "
                "for w < 0; give a numeric w <= 0, or a denominator law that covers the support"
            )
        raise InfiniteRatioError(
            f"{where}: a law with negative exponent excludes the token, so its intensity is infinite; "
            "use a denominator law that covers the support"
        )


def guidance(problem: Problem, rule: str = "rate") -> Tilt:
    """The tilt ``p(v|x_S,z)^{1+w} p(v|x_S)^{−w}`` of a problem under a named rule.

    Parameters
    ----------
    problem
        Conditional and unconditional law (a class mixture with its target, or a pair).
    rule
        ``"rate"`` (raw intensities) or ``"normalised"``.

    Raises
    ------
    SymguideError
        For an unknown rule.

    References
    ----------
    He, Rojas, Tao, arXiv:2506.10971 (rate); Rojas et al., arXiv:2507.08965 (normalised).

    >>> from symguide.laws.mixture import ClassMixture
    >>> problem = ClassMixture.of(2, 1, {"a": (1, {(0,): "1/3", (1,): "2/3"})}).problem("a")
    >>> [exponent for _, exponent in guidance(problem, "normalised").factors]
    [w + 1, -w]
    """
    if rule not in RULES:
        raise SymguideError(f"guidance rule {rule!r} is unknown; choose one of {', '.join(RULES)}")
    return Tilt(((problem.conditional, 1 + w), (problem.unconditional, -w)), rule == "normalised")


def composed(mixture: ClassMixture, strengths: Mapping[str, object], rule: str = "rate") -> Tilt:
    """Several conditions, each with its own strength: ``p(v|x_S)^{1−Σ_k γ_k} Π_k p(v|x_S,k)^{γ_k}``, ``γ_k = 1 + w_k``.

    One condition of strength ``w`` is :func:`guidance`; one of strength ``−1`` is no condition. Below ``−1`` a
    condition is negative: it repels.

    Parameters
    ----------
    mixture
        The classes.
    strengths
        ``w_k`` by class, any real numbers, or expressions affine in :data:`symguide.symbols.w` for a strength that
        moves them together.
    rule
        ``"rate"`` (raw intensities) or ``"normalised"``.

    Raises
    ------
    StrengthError
        For no conditions, and for strengths that are no numbers and not affine in ``w``.
    DataError
        For a class that the mixture does not have.
    InfiniteRatioError
        When a chain is built where a negative condition excludes a token that the others allow.

    References
    ----------
    arXiv:2604.05730 (composed prompts, normalised).

    >>> laws = {"a": {(0,): "3/4", (1,): "1/4"}, "b": {(0,): "1/4", (1,): "3/4"}}
    >>> mixture = ClassMixture.of(2, 1, {name: ("1/2", law) for name, law in laws.items()})
    >>> both = composed(mixture, {"a": 0, "b": 0})
    >>> [exponent for _, exponent in both.factors], both.intensities((None,), 0)[0].expression(w)
    ([1, 1, -1], 3/8)
    """
    if rule not in RULES:
        raise SymguideError(f"guidance rule {rule!r} is unknown; choose one of {', '.join(RULES)}")
    if not strengths:
        raise StrengthError("composed guidance has no conditions, so nothing is guided to; give {class: strength}")
    powers = []
    for name, strength in strengths.items():
        law = mixture.problem(name).conditional
        powers.append((law, expand(1 + to_sympy(_exactly(strength, f"strength of {name!r}")))))
    rest = expand(1 - sum((power for _, power in powers), start=Integer(0)))
    return Tilt((*powers, (mixture.marginal, rest)), rule == "normalised")


def power_product(factors: list[tuple[Any, Expr]]) -> ExpSum:
    """``Π_j value_j^{e_j}`` for exponents affine in ``w``, as the one-term exponential sum ``c b^w``.

    >>> power_product([(Fraction(1, 2), 1 + w), (Fraction(1, 3), -w)]).expression(w)
    (3/2)**w/2
    """
    coefficient: Any = Fraction(1)
    base: Any = Fraction(1)
    for value, exponent in factors:
        constant, slope = _affine(exponent)
        coefficient = coefficient * _power(value, constant)
        base = base * _power(value, slope)
    return ExpSum.of([(coefficient, base)])


def _exactly(strength: object, what: str) -> Number:
    """A strength for exponents, which have to sum to one: a float is the decimal that it spells."""
    value = read_number(strength, what, StrengthError)
    return Fraction(repr(value)) if isinstance(value, float) else value


@lru_cache(maxsize=256)
def _affine(exponent: Expr) -> tuple[Expr, Expr]:
    """Constant and slope of an exponent in ``w``."""
    return exponent.subs(w, 0), exponent.diff(w)


@lru_cache(maxsize=256)
def _sign(exponent: Expr) -> int | None:
    """The sign of an affine exponent on the whole domain ``w > −1``, or ``None`` where it changes."""
    edge, slope = exponent.subs(w, -1), exponent.diff(w)
    if edge >= 0 and slope >= 0:
        return 1
    return -1 if edge <= 0 and slope <= 0 else None


def _power(value: Any, exponent: Expr) -> Any:
    """``value^exponent``, exactly: a rational stays one for integer exponents, else it becomes a SymPy power."""
    if isinstance(exponent, Integer):
        return value ** int(exponent)
    return value ** float(exponent) if isinstance(value, float) else to_sympy(value) ** exponent
