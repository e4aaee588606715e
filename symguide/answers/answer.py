"""Questions with numbers: laws, TV and functionals of one problem at given strengths and mask fractions.

Which arithmetic answers is decided by size and reported as ``path``: ``exact`` (rational data, integer ``w``),
``symbolic`` (SymPy, other rational ``w``), ``lumped`` (doubles over lumps, where positions are independent and alike
given the class), ``markov`` (doubles over gaps, where both laws are Markov), ``array`` (doubles over arrays of
contexts, any size).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import Any, TypeVar

from sympy import Expr

from symguide.answers.arrays import array_results
from symguide.answers.exact import exact_results
from symguide.answers.in_time import PATHS_IN_TIME, schedule_results
from symguide.answers.lumped import lumped_results, lumped_schedule_results
from symguide.answers.markov import markov_results
from symguide.answers.results import Quantity, Result
from symguide.chains.chain import Chain, guided_chain
from symguide.chains.expansion import expand
from symguide.chains.histograms import HistogramLattice, histogram_lattice
from symguide.chains.lattice import Lattice, lattice
from symguide.chains.lump import Lumping, lump, lumped_chain
from symguide.errors import (
    ChainTooLargeError,
    ClockError,
    DataError,
    InfiniteRatioError,
    NotExactError,
    StrengthError,
    SymguideError,
)
from symguide.laws.composition import Composition
from symguide.laws.markov import MarkovLaw
from symguide.laws.mixture import Problem
from symguide.laws.products import MixtureLaw, ProductLaw
from symguide.laws.strength import read_strength
from symguide.laws.tilt import Tilt, guidance
from symguide.markov_pairs.gaps import guided_gaps
from symguide.numbers.arithmetic import FLOATS
from symguide.numbers.number import Number, is_exact, read_number, shown, to_sympy
from symguide.schedules.guidance_schedule import GuidanceSchedule
from symguide.symbols import u as u_symbol

__all__ = ["PATHS", "Answer", "Quantity", "Result", "answer", "read_fraction"]

PATHS: Mapping[str, str] = {
    "exact": "rational arithmetic",
    "symbolic": "SymPy at the given strength",
    "lumped": "double precision over lumps of contexts",
    "markov": "double precision over gaps of a Markov pair, no sums over all sequences",
    "array": "double precision over arrays of contexts",
}
"""The arithmetics that answer, by name."""

G = TypeVar("G", Chain[Any], HistogramLattice, Lattice)
T = TypeVar("T")

MAX_EXACT_CONTEXTS = 2_000
MAX_SYMBOLIC_CONTEXTS = 150
MAX_TABULATED = 1_000_000
MAX_EXACT_TERMS = 4_000
MAX_POWER_BITS = 12_000
MAX_ROOT_BITS = 2_000


@dataclass(frozen=True, slots=True)
class Answer:
    """Results over ``w``, then ``u``, with the path that was taken and what a reader must know.

    >>> from symguide.instances.datasets import load
    >>> answer(load("xor"), [Fraction(0)], rule="normalised").rule
    'normalised'
    """

    problem: Problem
    rule: str
    path: str
    results: tuple[Result, ...]
    notes: tuple[str, ...] = field(default=())


def answer(
    problem: Problem,
    strengths: Sequence[Number | GuidanceSchedule | Composition],
    fractions: Sequence[Number] = (),
    rule: str = "rate",
    states: bool = False,
    path: str | None = None,
    top: int | None = None,
    kept: dict[str, Any] | None = None,
) -> Answer:
    """Terminal laws, TV and functionals of a guided chain.

    Parameters
    ----------
    problem
        The conditional and unconditional law.
    strengths
        Guidance strengths ``w ≥ −1``, exact; or guidance schedules, see
        :func:`symguide.answers.in_time.schedule_results`; or compositions of several conditions, for which functionals
        speak of the target of the problem, and the tilted law is theirs.
    fractions
        Mask fractions ``u ∈ [0, 1]``, exact; with none, only terminal quantities.
    rule
        A name in :data:`symguide.laws.tilt.RULES`.
    states
        Whether to report the law at every ``u`` too.
    path
        Force a path; by size if ``None``.
    top
        How many token tuples, the most probable, to list of a law that is too long to be listed whole; without it such
        laws are refused. Other laws are listed whole.
    kept
        Where graphs of contexts are kept from one call to the next, for one problem and rule.

    Raises
    ------
    StrengthError, ClockError
        For values outside the ranges above.
    ChainTooLargeError
        When no path can carry the chain.

    >>> from symguide.instances.datasets import load
    >>> found = answer(load("squares-overlap"), [Fraction(1)], [Fraction(1, 2)])
    >>> found.path, found.results[0].terminal[2, 2].exact, round(found.results[0].tv.value, 6)
    ('exact', Fraction(1, 25), 0.643562)
    """
    fractions = [read_fraction(fraction) for fraction in fractions]
    if not strengths:
        raise StrengthError("there are no guidance strengths, so no chain is meant; give one or more values of w")
    if path not in (None, *PATHS):
        raise DataError(f"path {path!r} is unknown; choose one of {', '.join(PATHS)}")
    schedules = [strength for strength in strengths if isinstance(strength, GuidanceSchedule)]
    if schedules:
        return _in_time(problem, schedules, len(strengths) - len(schedules), fractions, rule, states, path, top)
    compositions = [strength for strength in strengths if isinstance(strength, Composition)]
    if compositions:
        return _composed(problem, compositions, len(strengths) - len(compositions), fractions, rule, states, path)
    strengths = [read_strength(strength) for strength in strengths]
    tilt, kept = guidance(problem, rule), {} if kept is None else kept
    chains = None if path in ("array", "lumped", "markov") else _small_chains(tilt, strengths, fractions, path, kept)
    taken = _choose(problem, chains, strengths, fractions, states, path, kept)
    found: list[Result] = []
    if taken == "lumped":
        lumping = _lumping(problem, kept)
        assert lumping is not None
        lumps = _by_strength(tilt, strengths, "lumps", partial(lumped_chain, lumping), kept)
        histograms = _by_strength(tilt, strengths, "histograms", partial(histogram_lattice, lumping), kept)
        if states:
            raise DataError(f"{problem.name}: the law on the way is not listed for lumps; use --float, or leave it out")
        for w in strengths:
            found += lumped_results(problem, histograms[w], lumps[w], w, fractions, top)
    elif taken == "markov":
        if states:
            raise DataError(f"{problem.name}: the law on the way is not listed for Markov pairs; leave it out")
        for w in strengths:
            found += markov_results(problem, guided_gaps(tilt), w, fractions, top)
    elif taken == "array" or chains is None:
        if _are_markov(problem):
            problem = _tabulated(problem)
            tilt = guidance(problem, rule)
        lattices = _by_strength(tilt, strengths, "lattice", lattice, kept)
        for w in strengths:
            found += array_results(problem, _at(tilt, w), lattices[w], w, fractions, states)
    else:
        for w in strengths:
            found += exact_results(problem, _at(tilt, w), chains[w], w, fractions, states, taken)
    results = tuple(found)
    return Answer(problem, rule, taken, results, (*problem.notes, *_remarks(results)))


def _in_time(
    problem: Problem,
    schedules: Sequence[GuidanceSchedule],
    others: int,
    fractions: Sequence[Number],
    rule: str,
    states: bool,
    path: str | None,
    top: int | None,
) -> Answer:
    """The answers under guidance schedules, all by one path."""
    if others:
        raise StrengthError("strengths and guidance schedules in one question have no common path; ask one by one")
    if path is not None and path not in PATHS_IN_TIME:
        raise DataError(f"path {path!r} knows no guidance in time; choose one of {', '.join(PATHS_IN_TIME)}")
    tilt = guidance(problem, rule)
    if path == "lumped" or (path in (None, "array") and _is_unlisted(problem)):
        lumping = lump(problem)
        if lumping is None or lumping.kind != "posterior and number" or states:
            raise DataError(
                f"{problem.name}: its positions are not independent and alike given the class, or the law on the way "
                "is asked for, which is not listed for lumps; use fewer positions, or the array path"
            )
        histograms = histogram_lattice(lumping, tilt)
        lumped = (lumped_schedule_results(problem, histograms, each, fractions, top) for each in schedules)
        results = tuple(result for each in lumped for result in each)
        return Answer(problem, rule, "lumped", results, (*problem.notes, *_remarks(results)))
    found = [schedule_results(problem, tilt, each, fractions, states, path) for each in schedules]
    taken = sorted({path for path, _ in found})
    if len(taken) > 1:
        raise DataError(f"the schedules need different paths: {', '.join(taken)}; ask one by one, or force one of them")
    results = tuple(result for _, results in found for result in results)
    return Answer(problem, rule, taken[0], results, (*problem.notes, *_remarks(results)))


def _composed(
    problem: Problem,
    compositions: Sequence[Composition],
    others: int,
    fractions: Sequence[Number],
    rule: str,
    states: bool,
    path: str | None,
) -> Answer:
    """The answers under composed guidance, whose exponents are numbers: any strength is none."""
    if others:
        raise StrengthError("strengths and composed conditions in one question have no common path; ask one by one")
    if path in ("lumped", "markov"):
        raise DataError(f"path {path!r} knows one condition only; choose exact, symbolic or array")
    nothing, found, paths = Fraction(0), [], set()
    for composition in compositions:
        tilt, kept = composition.tilt(problem, rule), {}
        chains = None if path == "array" else _small_chains(tilt, [nothing], fractions, path, kept)
        taken = "array" if chains is None else _choose(problem, chains, [nothing], fractions, states, path, kept)
        if chains is None or taken not in ("exact", "symbolic"):
            taken = "array"
            results = array_results(problem, tilt, lattice(tilt), nothing, fractions, states)
        else:
            results = exact_results(problem, tilt, chains[nothing], nothing, fractions, states, taken)
        found += [replace(result, w=composition) for result in results]
        paths.add(taken)
    if len(paths) > 1:
        raise DataError(f"the compositions need different paths: {', '.join(sorted(paths))}; ask one by one")
    results = tuple(found)
    return Answer(problem, rule, paths.pop(), results, (*problem.notes, *_remarks(results)))


def _by_strength(
    tilt: Tilt, strengths: Sequence[Number], name: str, build: Callable[[Tilt], G], kept: dict[str, Any]
) -> dict[Number, G]:
    """The graph at every strength: one for all ``w`` where there is one, else one for each.

    ``w = −1`` may reach more contexts, and pairs with singular supports have no graph for all ``w``.
    """
    general = None
    if any(w != -1 for w in strengths):
        with suppress(InfiniteRatioError):
            general = _once(name, lambda: build(tilt), kept)
    return {
        w: general if general is not None and (w != -1 or general.includes_unconditional) else build(tilt.at(w))
        for w in strengths
    }


def _once(name: str, build: Callable[[], T], kept: dict[str, Any]) -> T:
    """What is built at the first call and kept, also where that is a refusal."""
    if name not in kept:
        try:
            kept[name] = build()
        except (ChainTooLargeError, InfiniteRatioError) as error:
            kept[name] = error.with_traceback(None)
    if isinstance(kept[name], SymguideError):
        raise kept[name]
    return kept[name]


def _lumping(problem: Problem, kept: dict[str, Any]) -> Lumping | None:
    return _once("lumping", lambda: lump(problem), kept)


def _terms(chain: Chain[Any], kept: dict[str, Any]) -> int:
    """How many terms the law on the way has, whatever the strength."""
    own = kept if kept.get("chain") is chain else {}
    return _once("terms", lambda: expand(chain.over(FLOATS, 0.0)).size, own)


def _small_chains(
    tilt: Tilt, strengths: Sequence[Number], fractions: Sequence[Number], path: str | None, kept: dict[str, Any]
) -> dict[Number, Chain[Any]] | None:
    """Chains of exponential sums, where data are exact and contexts few enough; ``None`` where they are not."""
    exact = all(law.is_exact for law, _ in tilt.factors) and all(map(is_exact, (*strengths, *fractions)))
    if not exact:
        if path is None:
            return None
        raise NotExactError(f"path {path!r} needs exact data, strengths and mask fractions; give fractions, not floats")
    try:
        return _by_strength(tilt, strengths, "chain", partial(guided_chain, limit=MAX_EXACT_CONTEXTS), kept)
    except ChainTooLargeError:
        if path is None:
            return None
        raise ChainTooLargeError(
            f"path {path!r} carries {MAX_EXACT_CONTEXTS} contexts, and this chain has more; use the array path"
        ) from None


def read_fraction(value: object) -> Number:
    """Read a mask fraction ``u ∈ [0, 1]``.

    Raises
    ------
    ClockError
        For what is no number, and for one outside.

    >>> read_fraction("1/3")
    Fraction(1, 3)
    """
    fraction = read_number(value, "mask fraction u", ClockError)
    if isinstance(fraction, Expr):
        inside = fraction.is_number and fraction.is_real and _decided(fraction >= 0) and _decided(fraction <= 1)
    else:
        inside = 0 <= fraction <= 1
    if not inside:
        raise ClockError(f"mask fraction u is {shown(fraction)}: outside [0, 1] the law is not defined; correct it")
    return fraction


def _decided(relation: Any) -> bool:
    """Whether a relation between numbers holds, refused where SymPy cannot tell: within 10^−4000 or so of equality."""
    if relation not in (True, False):
        raise ClockError(
            f"mask fraction u is {shown(relation.lhs)}: it cannot be told from {relation.rhs}, an end of the clock; "
            "give that end, or a time further inside"
        )
    return bool(relation)


def _remarks(results: Sequence[Result]) -> tuple[str, ...]:
    """What a reader of the numbers must know."""
    remarks = [f"w = {result.w}: {note}" for result in results for note in result.notes]
    remarks += [
        f"w = {result.w}: dead contexts hold mass {result.dead.value:.6g}; functionals of the terminal law are left out"
        for result in results
        if result.dead is not None and result.dead.value > 0
    ]
    if any(isinstance(q.exact, Expr) and q.exact.has(u_symbol) for r in results if (q := r.tv) is not None):
        remarks.append("exact forms with powers too large to write out are left in the mask fraction u")
    return tuple(dict.fromkeys(remarks))


def _are_markov(problem: Problem) -> bool:
    return all(isinstance(law, MarkovLaw) for law in (problem.conditional, problem.unconditional))


def _is_unlisted(problem: Problem) -> bool:
    """Whether laws list no support, and have too many contexts for it to be listed."""
    laws = (problem.conditional, problem.unconditional)
    return any(
        isinstance(law, ProductLaw | MixtureLaw) and law.count_contexts(MAX_TABULATED) > MAX_TABULATED for law in laws
    )


def _tabulated(problem: Problem) -> Problem:
    """The same pair of Markov laws, listed by their supports."""
    laws = (problem.conditional, problem.unconditional)
    listed, other = (law.table() if isinstance(law, MarkovLaw) else law for law in laws)
    return replace(problem, conditional=listed, unconditional=other)


def _at(tilt: Tilt, w: Number) -> Tilt:
    """The tilt with the laws of exponent 0 switched off, where there are any."""
    return tilt.at(w) if w in (-1, 0) else tilt


def _choose(
    problem: Problem,
    chains: Mapping[Number, Chain[Any]] | None,
    strengths: Sequence[Number],
    fractions: Sequence[Number],
    states: bool,
    path: str | None,
    kept: dict[str, Any],
) -> str:
    """The asked path if the sizes allow it, else the most exact one they allow."""
    if path == "markov" and not _are_markov(problem):
        raise DataError(f"{problem.name}: its laws are not both Markov along the positions; use the array path")
    if path == "markov":
        return path
    if path == "array" and not _are_markov(problem):
        # Double precision was asked for: products of many positions have too many contexts for arrays, but few lumps.
        lumping = None if states or not _is_unlisted(problem) else _lumping(problem, kept)
        return "lumped" if lumping is not None and lumping.kind == "posterior and number" else path
    if _are_markov(problem) and chains is None and path in (None, "array"):
        return "array" if (problem.vocabulary + 1) ** problem.length <= MAX_TABULATED else "markov"
    if path == "lumped" or chains is None:
        # The law on the way is listed for contexts, not for lumps.
        lumping = None if states and path is None else _lumping(problem, kept)
        if lumping is not None and lumping.kind == "posterior and number":
            return "lumped"
        if path == "lumped":
            raise DataError(
                f"{problem.name}: its positions are not independent and alike given the class, so they do not lump; "
                "use the array path"
            )
        return "array"
    distinct = list({id(chain): chain for chain in chains.values()}.values())
    _require_numbers(distinct)
    contexts = max(len(chain.states) for chain in distinct)
    bits = max(_power_bits(chain, w) for w, chain in chains.items())
    terms = max(_terms(chain, kept) for chain in distinct) if fractions else 0
    integral = all(isinstance(w, Fraction) and w.denominator == 1 for w in strengths)
    # SymPy handles roots of long integers far more slowly than rationals.
    most_bits = MAX_POWER_BITS if integral else MAX_ROOT_BITS
    fits = terms <= MAX_EXACT_TERMS and bits <= most_bits
    if path is None:
        if fits and integral and all(chain.is_rational for chain in distinct):
            return "exact"
        if fits and contexts <= MAX_SYMBOLIC_CONTEXTS:
            return "symbolic"
        return _choose(problem, None, strengths, fractions, states, None, kept)
    most = MAX_SYMBOLIC_CONTEXTS if path == "symbolic" else MAX_EXACT_CONTEXTS
    if contexts > most or not fits:
        raise ChainTooLargeError(
            f"path {path!r} carries {most} contexts, {MAX_EXACT_TERMS} terms and powers of {most_bits} bits, "
            f"and this needs {contexts} contexts, {terms} terms, {shown(bits)} bits; use the array path"
        )
    return path


def _require_numbers(chains: Sequence[Chain[Any]]) -> None:
    for chain in chains:
        symbols = set().union(*(to_sympy(x).free_symbols for rate in chain.exit_rates for pair in rate for x in pair))
        if symbols:
            raise DataError(
                f"the data contain the symbols {sorted(map(str, symbols))}, so there are no numbers to answer with; "
                "substitute values, or take the closed form from solve"
            )


def _power_bits(chain: Chain[Any], w: Number) -> int:
    """About how many bits the largest power ``b^w`` of the chain has."""
    bases = {base for rate in chain.exit_rates for base, _ in rate if isinstance(base, Fraction)}
    widest = max((max(base.numerator.bit_length(), base.denominator.bit_length()) for base in bases), default=1)
    return int(abs(w) * widest)
