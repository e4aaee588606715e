r"""The divided difference of the exponential as a SymPy function: the atom of every closed form.

``exp_dd((Λ_0, …, Λ_n), s) = s^n exp[−Λ_0 s, …, −Λ_n s]`` is the clock-``s`` weight of a path whose contexts are left at
the rates ``Λ_j``: the hypoexponential (Coxian phase-type) law. It is symmetric, positive and entire in its nodes, so
coinciding exit rates are no special case of a closed form. Where somebody wants powers of ``u = e^{−s}``, this module
is the only one that has to ask which rates coincide.
"""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import mpmath
from sympy import (
    Add,
    Expr,
    Function,
    Mul,
    Ne,
    Pow,
    S,
    Tuple,
    binomial,
    cancel,
    default_sort_key,
    exp,
    factorial,
    log,
    together,
)
from sympy.core.relational import Relational

from symguide.errors import SymguideError
from symguide.numbers.divided_differences import exp_dd_mp

__all__ = ["confluent_equal", "exp_dd", "from_powers", "in_powers"]


class exp_dd(Function):
    """``exp_dd((Λ_0, …, Λ_n), s) = s^n exp[−Λ_0 s, …, −Λ_n s]``.

    One node gives ``exp(−Λ s)``; ``s = 0`` gives 0 for two or more nodes. Nodes are kept in a canonical order.

    References
    ----------
    McCurdy, Ng, Parlett, Math. Comp. 43 (1984), section 1.1, for the divided difference.

    >>> from sympy import symbols
    >>> a, b, s = symbols("a b s", positive=True)
    >>> exp_dd((b, a), s)
    exp_dd((a, b), s)
    >>> exp_dd((a, b), s).diff(s)
    -b*exp_dd((a, b), s) + exp(-a*s)
    >>> exp_dd((a, a), s).diff(a)
    -2*exp_dd((a, a, a), s)
    >>> exp_dd((a, b), s).rewrite(exp)
    exp(-b*s)/(a - b) + exp(-a*s)/(-a + b)
    """

    nargs = 2

    @classmethod
    def eval(cls, nodes: Any, s: Expr) -> Expr | None:
        ordered = tuple(sorted(nodes, key=default_sort_key))
        if len(ordered) == 1:
            return _decay(ordered[0], s)
        if s.is_zero:
            return S.Zero
        if ordered != tuple(nodes):
            return cls(Tuple(*ordered), s)
        return None

    @property
    def nodes(self) -> tuple[Expr, ...]:
        """The exit rates ``Λ_0 … Λ_n``, repeated ones repeated."""
        return tuple(self.args[0])

    @property
    def clock(self) -> Expr:
        """The argument ``s``."""
        return self.args[1]

    def _eval_is_positive(self) -> bool | None:
        return True if self.clock.is_positive and all(node.is_real for node in self.nodes) else None

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.clock.is_nonnegative and all(node.is_real for node in self.nodes) else None

    def _eval_is_real(self) -> bool | None:
        return True if self.clock.is_real and all(node.is_real for node in self.nodes) else None

    def _eval_derivative(self, symbol: Expr) -> Expr:
        *rest, last = self.nodes
        parts = [self.clock.diff(symbol) * (exp_dd(Tuple(*rest), self.clock) - last * self)]
        for node, count in Counter(self.nodes).items():
            slope = node.diff(symbol)
            if slope != 0:
                parts.append(-count * slope * exp_dd(Tuple(*self.nodes, node), self.clock))
        return Add(*parts)

    def _eval_rewrite_as_exp(self, nodes: Any, s: Expr, **hints: Any) -> Expr:
        return _partial_fractions(self.nodes, s)

    def _eval_rewrite(self, rule: Any, args: Any, **hints: Any) -> Expr | None:
        # The nodes sit in a Tuple, which SymPy's generic traversal would try to rewrite on its own.
        return self._eval_rewrite_as_exp(*self.args) if rule is exp else None

    def _eval_evalf(self, prec: int) -> Expr | None:
        nodes: list[Any] = [node._eval_evalf(prec + 10) for node in self.nodes]
        clock = self.clock._eval_evalf(prec + 10)
        if clock is None or not clock.is_Number or not all(node is not None and node.is_Number for node in nodes):
            return None
        with mpmath.workprec(prec + 10):
            value = exp_dd_mp([node._to_mpmath(prec + 10) for node in nodes], clock._to_mpmath(prec + 10))
        return Expr._from_mpmath(value, prec)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        nodes = r",\,".join(printer._print(node) for node in self.nodes)
        tex = rf"\mathcal{{E}}_{{{printer._print(self.clock)}}}\left[{nodes}\right]"
        return tex if exp is None else rf"{tex}^{{{exp}}}"


@lru_cache(maxsize=65536)
def confluent_equal(left: Expr, right: Expr) -> bool | None:
    """Whether two exit rates coincide: ``True``, ``False``, or ``None`` where that depends on free symbols.

    >>> from sympy import sqrt, symbols
    >>> confluent_equal(sqrt(8), 2 * sqrt(2)), confluent_equal(S(1), S(2)), confluent_equal(*symbols("a b"))
    (True, False, None)
    """
    if left == right:
        return True
    difference = left - right
    if difference.is_Number:
        return bool(difference == 0)
    if difference.free_symbols:
        return False if difference.is_nonzero else None
    value = difference.evalf(20)
    if value.is_Number and value._prec > 1 and value != 0:
        return False  # evalf vouches for the digits it gives
    return difference.equals(0)


def in_powers(expression: Expr) -> tuple[Expr, frozenset[Relational]]:
    """Rewrite divided differences as powers of ``u`` (exponentials in ``s``), with the conditions for it.

    ``exp_dd((Λ_0 … Λ_n), s) = Σ_j e^{−Λ_j s} / Π_{i≠j} (Λ_i − Λ_j)`` for distinct nodes; a node of multiplicity ``m``
    brings powers of ``s`` up to ``m − 1``. The rewriting holds when the returned conditions hold: nodes that are not
    known to differ are taken as different, and the condition says so.

    >>> from sympy import log, symbols
    >>> a, b, u = symbols("a b u", positive=True)
    >>> in_powers(exp_dd((a, b), -log(u)))
    (u**a/(-a + b) + u**b/(a - b), frozenset({Ne(a, b)}))
    >>> in_powers(exp_dd((a, a), -log(u)))
    (-u**a*log(u), frozenset())
    """
    conditions: set[Relational] = set()
    atoms = sorted(expression.atoms(exp_dd), key=default_sort_key)
    replacement: dict[Expr, Expr] = {}
    for atom in atoms:
        distinct = sorted(set(atom.nodes), key=default_sort_key)
        for index, left in enumerate(distinct):
            for right in distinct[index + 1 :]:
                if confluent_equal(left, right) is None:
                    conditions.add(Ne(*sorted((left, right), key=default_sort_key)))
        replacement[atom] = _partial_fractions(atom.nodes, atom.clock)
    return expression.xreplace(replacement), frozenset(conditions)


def from_powers(expression: Expr, u: Expr) -> Expr:
    """Rewrite a sum of powers of ``u`` as divided differences at ``s = −ln u``: the inverse of :func:`in_powers`.

    By Newton's interpolation, ``u^{Λ_j} = Σ_k Π_{i<k} (Λ_i − Λ_j) · exp_dd((Λ_0 … Λ_k), s)``, so ``Σ_j A_j u^{Λ_j}``
    has the coefficients ``Σ_j A_j Π_{i<k} (Λ_i − Λ_j)``: an identity, without conditions. Coefficients must be free of
    ``u``.

    Raises
    ------
    SymguideError
        For terms that are no multiple of a power of ``u``.

    >>> from sympy import symbols
    >>> a, b, u = symbols("a b u", positive=True)
    >>> from_powers((u**a - u**b) / (b - a), u)
    exp_dd((a, b), -log(u))
    """
    gathered: dict[Expr, list[Expr]] = {}
    for term in Add.make_args(expression.expand(power_exp=False, power_base=False, log=False)):
        if term == 0:
            continue
        coefficient, power = term.as_independent(u)
        base, exponent = power.as_base_exp()
        if power != 1 and base != u:
            raise SymguideError(
                f"{term} is no multiple of a power of {u}; rewrite with in_powers only distinct exit rates"
            )
        gathered.setdefault(exponent if power != 1 else S.Zero, []).append(coefficient)
    rates = sorted(gathered, key=default_sort_key)
    parts = []
    for k in range(len(rates)):
        weights = [Mul(Add(*gathered[rate]), *(node - rate for node in rates[:k])) for rate in rates]
        coefficient = cancel(together(Add(*weights)))
        parts.append(coefficient * exp_dd(Tuple(*rates[: k + 1]), -log(u)))
    return Add(*parts)


def _partial_fractions(nodes: Sequence[Expr], s: Expr) -> Expr:
    """Inverse Laplace transform of ``Π_j 1/(σ + Λ_j)`` by residues, equal nodes gathered."""
    groups: list[tuple[Expr, int]] = []
    for node in nodes:
        for index, (known, count) in enumerate(groups):
            if confluent_equal(known, node):
                groups[index] = known, count + 1
                break
        else:
            groups.append((node, 1))
    parts = []
    for index, (node, count) in enumerate(groups):
        # Taylor coefficients in σ + Λ of e^{σ s} Π_{i≠j} (σ + Λ_i)^{−m_i}, up to order m_j − 1.
        series = [s**k / factorial(k) for k in range(count)]
        for other, (far, multiplicity) in enumerate(groups):
            if other != index:
                gap = far - node
                factor = [binomial(-multiplicity, k) * gap ** (-multiplicity - k) for k in range(count)]
                series = [Add(*(series[i] * factor[k - i] for i in range(k + 1))) for k in range(count)]
        parts.append(Mul(_decay(node, s), series[count - 1]))
    return Add(*parts)


def _decay(rate: Expr, s: Expr) -> Expr:
    """``e^{−Λ s}``, as a power of ``u`` where ``s = −ln u``."""
    return Pow((-s).args[0], rate) if isinstance(-s, log) else exp(-rate * s)
