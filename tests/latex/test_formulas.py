"""LaTeX that parses everywhere, that ``pdflatex`` compiles, and of which nothing runs off the page."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from math_core import LatexError, LatexToMathML
from strategies import RULE_NAMES, Instance, instances
from sympy import Abs, Eq, Expr, Function, Ge, Integer, Limit, Mul, Rational, Sum, Symbol, Tuple, exp, log, sqrt
from typesetting import needs_pdflatex, overfull, typeset

from symguide.chains.chain import guided_chain
from symguide.chains.family import rate_symbols, representative
from symguide.chains.naming import named
from symguide.chains.ode import kolmogorov, unknown
from symguide.closed_forms.documents import context_document, solution_document
from symguide.closed_forms.forms import (
    ROWS,
    closed_form,
    context_form,
    excerpt,
    ode,
    schedule_equations,
    shared_form,
    terminal_form,
    tv_form,
)
from symguide.closed_forms.solution import Solution, solve
from symguide.errors import DataError, SymguideError
from symguide.instances.datasets import load
from symguide.latex.article import compile_pdf, document
from symguide.latex.formulas import WIDTH, Fragment, definitions, equations, width
from symguide.latex.notation import NOTATION, escape, notation_table, state, tex
from symguide.laws.mixture import ClassMixture
from symguide.laws.tilt import guidance
from symguide.numbers.exp_dd import exp_dd
from symguide.schedules.published import SCHEDULES
from symguide.symbols import s, symbol, u, w

_PARSER = LatexToMathML(fancy_error=False)


def parse(mathematics: str) -> None:
    """A parser that refuses unbalanced braces and fences, missing arguments, unknown commands, double scripts."""
    _PARSER.convert_with_local_state(mathematics, displaystyle=True)


@cache
def solution(name: str) -> Solution:
    rule = "normalised" if name.startswith("normalised ") else "rate"
    return solve(guided_chain(guidance(load(name.removeprefix("normalised ")), rule)))


# --- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b", r"a\_b"),
        ("50% & #1 $x$ {y}", r"50\% \& \#1 \$x\$ \{y\}"),
        ("\\begin{x}", r"\textbackslash{}begin\{x\}"),
        ("~^<>|", r"\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}\textbar{}"),
        ("naïve Łódź Straße", "na\\\"{\\i}ve \\L{}\\'{o}d\\'{z} Stra\\ss{}e"),
        ("e\u0301", r"\'{e}"),
        ("Λ ≥ 2·λ", r"$\Lambda$ $\geq$ 2$\cdot$$\lambda$"),
        ("語\u0007", "U+8A9EU+0007"),
        ("a\nb\u00a0c", "a b~c"),
    ],
)
def test_plain_text_is_escaped(text: str, expected: str) -> None:
    assert escape(text) == expected


@needs_pdflatex
def test_any_text_can_be_typeset(tmp_path: Path) -> None:
    ranges = [(0x01, 0x0530), (0x1E00, 0x2300), (0x4E00, 0x4E10), (0x1F600, 0x1F604), (0xE000, 0xE003)]
    characters = [chr(code) for low, high in ranges for code in range(low, high)]
    lines = [escape(" ".join(characters[i : i + 12])) for i in range(0, len(characters), 12)]
    log_ = typeset(document("All % of $it_", [("A_B & C", "\n\n".join(lines))]), tmp_path)
    assert "Missing character" not in log_
    assert not overfull(log_)


# --- formulas ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Z", "Z_{z,w}"),
        ("M", r"\mathrm{M}"),
        ("Lambda_(M,2)", r"\Lambda_{(\mathrm{M},2)}"),
        ("Z_1", "Z_{1}"),
        ("Z_3(M,1,M)", r"Z_{3}(\mathrm{M},1,\mathrm{M})"),
        ("c_12", "c_{12}"),
        ("r(M,0->0,0)", r"r(\mathrm{M},0 \to 0,0)"),
        ("r_2(5|13,M)", r"r_{2}(5 \mid 13,\mathrm{M})"),
        ("p(0,1|z)", r"p(0,1 \mid z)"),
        ("p(0,1|a_b %)", r"p(0,1 \mid \text{a\_b \%})"),
        ("p(0|M)", r"p(0 \mid \mathrm{M})"),
        ("a_1", "a_{1}"),
        ("x_1", "x_{1}"),
        ("tau", r"\tau"),
        ("N", "N"),
        ("rate 1%", r"\text{rate 1\%}"),
        ("sigma_max", r"\sigma_{\mathrm{max}}"),
        ("p_{z,1}", "p_{z,1}"),
    ],
)
def test_names_print_as_the_paper_has_them(name: str, expected: str) -> None:
    assert tex(Symbol(name)) == expected
    parse(expected)


def test_general_laws_print_as_the_paper_has_them() -> None:
    family = representative(2)
    assert [tex(rate) for rate in family.definitions] == ["Z_{1}", "Z_{2}", "c_{x_{1}}", "d_{x_{2}}"]
    assert tex(next(iter(representative(1).definitions))) == "Z_{z,w}"
    assert state(family.chain.states[1], "u") == r"P_{(x_{1},\mathrm{M})}(u)"
    assert tex(unknown((None, 2), s)) == r"P_{(\mathrm{M},2)}(s)"


def test_order_of_factors_and_signs() -> None:
    a, b = symbol("Lambda_(M,M)", positive=True), symbol("c_0", positive=True)
    assert tex(b - a) == r"c_{0} - \Lambda_{(\mathrm{M},\mathrm{M})}"
    assert tex(u / (-a - b)) == r"- \frac{u}{\Lambda_{(\mathrm{M},\mathrm{M})} + c_{0}}"
    assert tex(u / (-a - b) ** 2) == r"\frac{u}{\left(\Lambda_{(\mathrm{M},\mathrm{M})} + c_{0}\right)^{2}}"
    assert tex(-(a + b) * unknown((None,), s)).endswith(r"\, P_{(\mathrm{M})}(s)")
    assert tex(Rational(1, 3) * exp_dd((a, b), s)).startswith(r"\frac{1}{3}\, \mathcal{E}_{s}")
    assert tex(Mul(Rational(1, 2), u + 1, evaluate=False)) == r"\frac{u + 1}{2}"
    assert tex(Function("p|", positive=True)(a, b) ** w) == r"p(\Lambda_{(\mathrm{M},\mathrm{M})} \mid c_{0})^{w}"


def corpus() -> list[Expr]:
    """Formulas of every shape that closed forms, derivations and data bring, far too wide for a line."""
    names = [
        symbol(f"Lambda_({','.join('M' if j == i else str(j) for j in range(7))})", positive=True) for i in range(7)
    ]
    total = sum(names, start=Integer(0))
    big = Rational(7**120, 3**200)
    v = Symbol("v", integer=True)
    wide = sum((name**w for name in names), start=Integer(0))
    return [
        wide,
        wide**2 / total**3,
        u**total,
        exp(-s * total),
        total ** (w * total),
        exp_dd(Tuple(*names, Integer(0)), s),
        u * exp_dd(Tuple(*names, Integer(0)), s) / wide,
        big,
        -big * big**w * u,
        Integer(7**300),
        Rational(1, 7**300),
        log(wide) / w,
        sqrt(total**3 + wide**3),
        Sum(wide * v**w, (v, 0, 9)),
        Limit(wide * u, u, 0),
        Mul(Rational(1, 2), wide + u, evaluate=False),
        sum((u**k / (wide - k) for k in range(1, 4)), start=Integer(0)),
        Abs(wide - big),
    ]


@pytest.mark.parametrize("number", range(len(corpus())))
def test_wide_formulas_are_broken_to_fit_and_parse(number: int) -> None:
    formula = corpus()[number]
    for fragment in (equations([formula]), equations([Eq(Symbol("x"), formula, evaluate=False)])):
        parse(str(fragment))
        # A magnitude is the one thing here that cannot be opened over lines.
        if not formula.has(Abs):
            assert len(fragment.rows) > 1
            assert max(map(width, fragment.rows)) <= WIDTH


def test_breaking_lines_loses_no_digit() -> None:
    number = Integer(7**300)
    assert "".join(re.findall(r"\d", str(equations([number])))) == str(number)


def test_relations_share_one_column_and_fit_beside_it() -> None:
    long_name = Function("F")(*(symbol(f"x_{i}") for i in range(6)))
    right = sum((symbol(f"a_{i}") ** w for i in range(40)), start=Integer(0))
    rows = equations([Eq(long_name, u, evaluate=False), Eq(s, right, evaluate=False), Ge(u, 0, evaluate=False)]).rows
    column = max(width(row.partition("&")[0]) for row in rows)
    assert max(column + width(row.partition("&")[2]) for row in rows) <= WIDTH
    assert rows[-1].startswith(r"u &\geq 0")


@needs_pdflatex
def test_widths_are_not_underestimated(tmp_path: Path) -> None:
    """The estimate against what TeX measures, over rows of every kind."""
    fragments = [equations([formula]) for formula in corpus()]
    fragments += [closed_form(solution("squares-overlap"), form) for form in ("divided differences", "powers of u")]
    fragments += [closed_form(solve(representative(2)), "powers of u"), ode(kolmogorov(representative(3)))]
    rows = [row.replace("&", "") for fragment in fragments for row in fragment.rows]
    measured = [rf"\setbox0\hbox{{$\displaystyle {row}$}}\typeout{{WIDTH \the\wd0}}" for row in rows]
    log_ = typeset(
        document("Widths", [("Widths", "\n".join([*measured, "x", r"\typeout{EM \the\fontdimen6\textfont2}"]))]),
        tmp_path,
    )
    em = float(re.findall(r"^EM ([\d.]+)pt", log_, re.MULTILINE)[0])
    true = [float(value) / em for value in re.findall(r"^WIDTH ([\d.]+)pt", log_, re.MULTILINE)]
    assert len(true) == len(rows)
    short = [(row, width(row), wide) for row, wide in zip(rows, true, strict=True) if width(row) < 0.99 * wide]
    assert not short
    assert sum(map(width, rows)) < 1.5 * sum(true)


# --- fragments --------------------------------------------------------------------------------------------------------


def fragments_of(subject: Solution) -> Iterable[Fragment]:
    yield ode(kolmogorov(subject.named))
    for form in ("divided differences", "powers of u"):
        yield closed_form(subject, form)
        if not isinstance(subject.named.chain.vocabulary, Expr):  # TV then sums over sequences that are not followed
            yield tv_form(subject, form)
    yield terminal_form(subject)
    yield definitions(subject.definitions)
    yield closed_form(shared_form(subject), "powers of u")


@settings(max_examples=20)
@given(instances())
def test_fragments_of_random_instances_parse_and_fit(instance: Instance) -> None:
    for rule in RULE_NAMES:
        for fragment in fragments_of(solve(guided_chain(guidance(instance.problem, rule)))):
            parse(str(fragment))
            assert max(map(width, fragment.rows), default=0) <= WIDTH


def test_fragments_of_general_and_symbolic_data_parse() -> None:
    symbolic = solve(guided_chain(guidance(ClassMixture.symbolic(3, 2).problem("1"))))
    general = [solve(representative(2)), solve(representative(3)), solve(named(rate_symbols(2, 2), w)), symbolic]
    for subject in general:
        for fragment in fragments_of(subject):
            parse(str(fragment))
            assert max(map(width, fragment.rows)) <= WIDTH


def test_the_parser_would_refuse_broken_fragments() -> None:
    good = str(closed_form(solution("squares-overlap"), "powers of u"))
    parse(good)
    for wrong in (
        good.replace("}", "", 1),
        good.replace(r"\left(", "(", 1),
        good.replace(r"\frac", r"\farc", 1),
        good.replace("aligned", "alinged", 1),
    ):
        with pytest.raises(LatexError):
            parse(wrong)


def test_two_tokens_print_as_the_paper_writes_them() -> None:
    shown = closed_form(shared_form(solve(representative(2))), "powers of u").rows
    assert shown[1] == (
        r"P_{(x_{1},\mathrm{M})}(u) &= \frac{r_{1}(x_{1}) \left(u^{c_{x_{1}}} - u^{Z_{1} + Z_{2}}\right)}"
        r"{Z_{1} + Z_{2} - c_{x_{1}}}"
    )
    assert shown[-1] == r"&\text{where } Z_{1} + Z_{2} \neq c_{x_{1}},\  Z_{1} + Z_{2} \neq d_{x_{2}}"


def test_what_is_left_out_is_counted() -> None:
    subject = solution("squares-overlap")
    for fragment, shown, what in (
        (closed_form(subject, limit=5), 5, "11 of 16 contexts left out"),
        (closed_form(subject, "powers of u", limit=5), 5, "11 of 16 contexts left out"),
        (terminal_form(subject, limit=2), 2, "7 of 9 terminal contexts left out"),
        (ode(kolmogorov(subject.named), limit=3), 4, "13 of 16 equations left out"),
    ):
        assert what in str(fragment)
        assert sum("P_{" in row.partition("&")[0] for row in fragment.rows) == shown
    assert "left out" not in str(closed_form(subject))


LARGE = "hypercubes:D=6,side=2,overlap=1"


@cache
def large() -> tuple[Solution, Solution]:
    """A chain with no ties but those of its symmetry, whole and as a document has it."""
    chain = guided_chain(guidance(load(LARGE)))
    part = excerpt(chain, 8)
    return solve(chain, limit=10**6), solve(part, limit=10**6)


def test_an_excerpt_says_of_the_whole_what_the_whole_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symguide.closed_forms.forms.MOST_TERMS", 50)
    large.cache_clear()
    whole, part = large()
    chain = whole.named.chain
    assert len(part.states) < len(whole.states)
    for form in ("divided differences", "powers of u"):
        for write in (closed_form, tv_form):
            assert write(part, form, 8, chain) == write(whole, form, 8)
    assert terminal_form(part, 3, chain) == terminal_form(whole, 3)
    assert ode(kolmogorov(part.named), 8, chain) == ode(kolmogorov(whole.named), 8)


def test_total_variation_is_abridged_by_terms() -> None:
    whole, _ = large()
    short, long = tv_form(whole, limit=5), tv_form(whole, limit=None)
    assert (short.missing, long.missing) == (len(whole.expansion.combine(whole.named.chain.transient)) - 5, 0)
    assert f"({short.missing} of {short.missing + 5} terms left out)" in str(short)
    assert sum(long.shown) == whole.tv
    # The terms shown are those of contexts that show least, in full.
    assert set(short.shown[0].args) <= set(whole.tv.args)
    assert max(len(atom.nodes) for atom in short.shown[0].atoms(exp_dd)) < max(
        len(atom.nodes) for atom in whole.tv.atoms(exp_dd)
    )


def test_total_variation_of_the_normalised_rule_is_short() -> None:
    chain = guided_chain(guidance(load("words:length=3,top=5"), "normalised"))
    whole, part = solve(chain), solve(excerpt(chain.ancestors(chain.states[-3:])))
    for solution in (whole, part):
        assert str(tv_form(solution, "powers of u", whole=chain)).count("u^{") == 2  # 3 u + u^3 − 3 u^2
    assert tv_form(part, limit=2, whole=chain).missing == 1


def test_lists_stop_after_two_pages_unless_all_is_asked_for() -> None:
    whole, _ = large()
    assert terminal_form(whole).missing > 0
    assert len(terminal_form(whole).rows) <= ROWS + 1
    subject = solution("squares-overlap")
    assert closed_form(subject, limit=None) == closed_form(subject, limit=16)


def test_one_context_is_written_in_full() -> None:
    whole, chain = large()[0], guided_chain(guidance(load(LARGE)))
    context = chain.states[-1]
    alone = solve(chain.ancestors([context]))
    block = context_form(alone, context)
    assert (block.shown, block.missing) == ((whole[context],), 0)
    assert "left out" not in str(block)
    source = context_document(alone, context, load(LARGE), whole=chain)
    parse(str(block))
    assert "left out" not in source
    assert f"{len(whole.states):,} contexts" in source
    with pytest.raises(DataError, match=r"context \(0, 0, 0, 0, 0, 0\) is never reached"):
        context_document(alone, (0,) * 6)


def test_documents_say_that_they_are_abridged() -> None:
    subject = solution("squares-overlap")
    assert "abridged" in solution_document(subject, limit=5)
    assert "abridged" not in solution_document(subject)
    assert "abridged" not in solution_document(subject, limit=None)


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(SymguideError, match="form 'powers' is unknown"):
        closed_form(solution("xor"), "powers")


def test_powers_of_u_are_not_written_where_rates_coincide() -> None:
    """At a fixed strength two differently named rates may be equal; then only the divided difference is right."""
    chain = named(rate_symbols(2, 2), w)
    start, first = chain.chain.exit_rate(0), chain.chain.exit_rate(chain.chain.index[(0, None)])
    equal = replace(chain, definitions={**chain.definitions, start: Integer(3), first: Integer(3)})
    apart = replace(chain, definitions={**chain.definitions, start: Integer(3), first: Integer(2)})
    place = chain.chain.index[(0, None)]
    assert closed_form(solve(equal), "powers of u").rows[place].startswith(r"P_{(0,\mathrm{M})}(s) &= r(")
    assert r"\mathcal{E}_{s}" in closed_form(solve(equal), "powers of u").rows[place]
    settled = closed_form(solve(apart), "powers of u")
    assert r"\mathcal{E}" not in settled.rows[place]
    assert "c_{0}" in str(settled)
    assert r"\neq c_{0}" not in str(settled)  # 3 and 2 differ: nothing to say
    assert r"\neq c_{0}" in str(closed_form(solve(chain), "powers of u"))


def test_only_definitions_in_use_are_printed_with_what_they_use() -> None:
    a, b, c = (symbol(name, positive=True) for name in ("c_0", "Z_1", "d_1"))
    meanings = {a: b + 1, b: 2**w, c: 3**w}
    assert definitions(meanings, [u**a]).rows == ("c_{0} &= Z_{1} + 1", "Z_{1} &= 2^{w}")
    assert len(definitions(meanings).rows) == 3


def test_shared_form_means_the_same() -> None:
    subject = solution("digits:patch=1x2,row=3")
    shared = shared_form(subject)
    assert shared is not subject
    assert [shared.spell_out(p) for p in shared.probabilities] == [subject.spell_out(p) for p in subject.probabilities]
    assert shared_form(solution("xor")) is solution("xor")


def test_notebooks_show_fragments() -> None:
    fragment = closed_form(solution("xor"))
    assert fragment._repr_latex_() == f"$\\displaystyle {fragment}$"
    assert (fragment + fragment).rows == fragment.rows * 2
    assert Fragment(()).display == ""


def test_notation_and_schedules_parse() -> None:
    for mathematics, meaning in NOTATION:
        parse(mathematics)
        for inside in meaning.split("$")[1::2]:
            parse(inside)
    for kind in SCHEDULES.values():
        fragment = schedule_equations(kind.build())
        parse(str(fragment))
        assert max(map(width, fragment.rows)) <= WIDTH


# --- documents --------------------------------------------------------------------------------------------------------


def documents() -> dict[str, Callable[[], str]]:
    def of(name: str, schedule: str | None = None, limit: int = 24) -> Callable[[], str]:
        rule = "normalised" if name.startswith("normalised ") else "rate"
        build = None if schedule is None else SCHEDULES[schedule].build
        return lambda: solution_document(
            solution(name), load(name.removeprefix("normalised ")), rule, build and build(), limit
        )

    def fixed() -> str:
        problem = load("squares-overlap")
        return solution_document(solve(guided_chain(guidance(problem)), Rational(1, 3)), problem)

    def symbolic() -> str:
        problem = ClassMixture.symbolic(3, 2).problem("1")
        return solution_document(solve(guided_chain(guidance(problem))), problem)

    def labelled() -> str:
        half = {(0,): Fraction(1, 2), (1,): Fraction(1, 2)}
        classes = {"50% {a_b}": ("1/2", half), "ł & 語": ("1/2", {(0,): 1})}
        mixture = ClassMixture.of(2, 1, classes, labels=("#", "\\n"), name="ρ_1 ≤ $", source="me & you, 2 % <x>")
        problem = mixture.problem("50% {a_b}")
        return solution_document(solve(guided_chain(guidance(problem))), problem)

    return {
        "one token": of("interval-overlap", "constant"),
        "two tokens": of("squares-overlap", "cosine-mdlm"),
        "normalised": of("normalised squares-overlap", "geometric"),
        "three tokens": of("hypercubes:D=3,side=2,overlap=1", "log-linear", 30),
        "five tokens": of("hypercubes:D=5,side=2,overlap=1", "polynomial", 60),
        "digits": of("normalised digits:patch=1x3,row=3", "cosine", 12),
        "general two": lambda: solution_document(solve(representative(2))),
        "general three": lambda: solution_document(solve(representative(3))),
        "every rate a symbol": lambda: solution_document(solve(named(rate_symbols(2, 3), w)), limit=40),
        "fixed strength": fixed,
        "symbolic data": symbolic,
        "awkward labels": labelled,
    }


@needs_pdflatex
@pytest.mark.parametrize("name", documents())
def test_documents_compile_and_nothing_runs_off_the_page(name: str, tmp_path: Path) -> None:
    log_ = typeset(documents()[name](), tmp_path)
    assert not overfull(log_)
    assert "Missing character" not in log_
    assert "undefined" not in log_


def test_document_says_what_it_is_about() -> None:
    source = solution_document(
        solution("squares-overlap"), load("squares-overlap"), "rate", SCHEDULES["linear"].build()
    )
    for part in ("squares-overlap", "$D = 2$", "$N = 5$", "arXiv:2506.10971", r"\emph{linear}", r"w > -1", "TV"):
        assert part in source
    assert r"\mathrm{TV}(" not in solution_document(solve(representative(2))).replace(notation_table(), "")


# --- PDF --------------------------------------------------------------------------------------------------------------


@needs_pdflatex
def test_pdf_is_made_beside_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "law.pdf"
    assert compile_pdf(document("One", [("Law", "$1$")]), target) == target
    assert target.read_bytes().startswith(b"%PDF")
    assert [path.name for path in tmp_path.iterdir()] == ["law.pdf"]


@needs_pdflatex
def test_a_failed_pdf_names_the_error_and_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "law.pdf"
    target.write_bytes(b"before")
    with pytest.raises(SymguideError, match=r"law\.pdf: pdflatex stopped with 'Undefined control sequence\.'"):
        compile_pdf(document("One", [("Law", r"$\nonsense$")]), target)
    assert target.read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1


def test_without_pdflatex_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SymguideError, match="pdflatex is not installed, so there is no PDF; install texlive"):
        compile_pdf(document("One", [("Law", "$1$")]), tmp_path / "law.pdf")


def test_a_pdf_without_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SymguideError, match="there is no folder"):
        compile_pdf("", tmp_path / "missing" / "law.pdf")


LATE = {
    "a sum of fractions": w + (symbol("a", positive=True) + 1) / 3,
    "a divided difference": exp_dd((symbol("a", positive=True), symbol("b", positive=True)), s),
    "a function of u": Function("f")(u),
}


@pytest.mark.parametrize("base", LATE.values(), ids=LATE)
@pytest.mark.parametrize("exponent", [-1, -2, Rational(-1, 2), Rational(-3, 2)])
@pytest.mark.parametrize("front", [Integer(1), Integer(-1), Integer(3), symbol("c", positive=True), -u])
def test_negative_powers_of_what_stands_late_are_fractions(base: Expr, exponent: Expr, front: Expr) -> None:
    """SymPy hands them to the printer of products, whose factors would be base and exponent."""
    written = tex(front * base**exponent)
    assert r"\frac" in written
    parse(written)
    before, _, after = written.partition(r"\frac")
    assert tex(base).strip("()") in after or r"\mathcal{E}" in after or "f" in after
    assert before.strip() in ("", "-")
