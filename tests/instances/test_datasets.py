"""The built-in instances: their grids, their hand-computed weights, real data, and specifications that are none."""

import subprocess
import sys
from collections.abc import Mapping
from fractions import Fraction
from itertools import combinations, product
from types import ModuleType
from typing import Any

import pytest

from symguide.errors import DataError
from symguide.instances import datasets
from symguide.instances.datasets import DATASETS, load, load_mixture
from symguide.laws.law import TableLaw
from symguide.laws.markov import MarkovLaw
from symguide.sweeps.case import fingerprint

GRIDS: Mapping[str, tuple[int, int, int, str]] = {
    "interval-disjoint": (10, 1, 2, "high"),
    "interval-overlap": (10, 1, 2, "high"),
    "squares-overlap": (5, 2, 2, "high"),
    "squares-disjoint": (6, 2, 2, "high"),
    "diamonds": (12, 2, 2, "low"),
    "hypercubes-5d": (5, 5, 2, "high"),
    "hypercubes": (5, 5, 2, "high"),
    "slower-sampling": (2, 2, 2, "target"),
    "xor": (2, 2, 2, "even"),
    "words": (26, 5, 3, "en"),
    "words-all": (26, 5, 3, "en"),
    "digits": (2, 6, 10, "3"),
}
"""Vocabulary, length, number of classes, default target."""

EXTRAS = {"words": "wordfreq", "words-all": "wordfreq", "digits": "sklearn.datasets", "characters": "wordfreq"}

PAIRS = ("characters",)
"""Instances that are pairs of laws."""


def need(name: str) -> ModuleType:
    return pytest.importorskip(EXTRAS[name], reason='real data: pip install "symguide[examples]"')


def weights(spec: str, key: str) -> Mapping[tuple[int, ...], Any]:
    return load_mixture(spec).laws[key].weights


def test_every_dataset_is_covered():
    assert {*GRIDS, *PAIRS} == DATASETS.keys()
    with pytest.raises(TypeError):
        DATASETS["mine"] = DATASETS["xor"]  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize("name", GRIDS)
def test_dataset_is_an_exact_mixture_with_a_source(name: str):
    if name in EXTRAS:
        need(name)
    mixture, (vocabulary, length, classes, target) = load_mixture(name), GRIDS[name]
    problem = mixture.problem(target)

    assert (problem.vocabulary, problem.length, len(mixture.laws)) == (vocabulary, length, classes)
    assert DATASETS[name].target == target
    assert problem.source == DATASETS[name].source != ""
    assert (problem.name, problem.notes, DATASETS[name].description != "") == (name, (), True)
    assert problem.labels is None or len(problem.labels) == vocabulary
    assert set(mixture.priors.values()) == {Fraction(1, classes)}
    for law in (*mixture.laws.values(), mixture.marginal):
        assert all(type(weight) is Fraction and weight > 0 for weight in law.weights.values())
        assert sum(law.weights.values()) == 1
        assert all(len(tokens) == length and set(tokens) <= set(range(vocabulary)) for tokens in law.weights)


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "words-all"])
def test_loading_twice_gives_the_same_problem(name: str):
    if name in EXTRAS:
        need(name)
    first, second = load(name), load(name)
    assert fingerprint(first) == fingerprint(second)
    if name in PAIRS:  # Markov laws hold arrays
        return
    assert first == second
    assert list(first.conditional.weights) == list(second.conditional.weights)  # pyright: ignore[reportAttributeAccessIssue]


def test_interval_classes_by_hand():
    assert weights("interval-disjoint", "low") == {(v,): Fraction(1, 5) for v in range(5)}
    assert weights("interval-disjoint", "high") == {(v,): Fraction(1, 5) for v in range(5, 10)}
    assert weights("interval-overlap", "low") == {(v,): Fraction(1, 6) for v in range(6)}
    assert weights("interval-overlap", "high") == {(v,): Fraction(1, 6) for v in range(4, 10)}
    assert load("interval-overlap").unconditional.weight((4,)) == Fraction(1, 6)
    assert load("interval-overlap").unconditional.weight((6,)) == Fraction(1, 12)


def test_square_classes_by_hand():
    assert weights("squares-overlap", "low") == {x: Fraction(1, 9) for x in product(range(3), repeat=2)}
    assert weights("squares-overlap", "high") == {x: Fraction(1, 9) for x in product(range(2, 5), repeat=2)}
    assert weights("squares-disjoint", "low") == {x: Fraction(1, 9) for x in product(range(3), repeat=2)}
    assert weights("squares-disjoint", "high") == {x: Fraction(1, 9) for x in product(range(3, 6), repeat=2)}
    problem = load("squares-overlap")
    assert problem.conditional.conditional((2, None), 1) == {v: Fraction(1, 3) for v in (2, 3, 4)}
    assert problem.unconditional.conditional((2, None), 1)[2] == Fraction(1, 3)


def test_diamonds_overlap_only_in_projection():
    low, high = weights("diamonds", "low"), weights("diamonds", "high")
    assert not low.keys() & high.keys()
    for axis in range(2):
        assert {x[axis] for x in low} & {x[axis] for x in high} == {5, 6}
    # A ball of radius 3: rows of 1, 3, 5, 7, 5, 3, 1.
    assert [sum(x[0] == row for x in low) for row in range(7)] == [1, 3, 5, 7, 5, 3, 1]
    assert {(a + 5, b + 5) for a, b in low} == high.keys()
    assert set(low.values()) == {Fraction(1, 25)}
    assert load("diamonds").conditional.weight((3, 0)) == Fraction(1, 25)


@pytest.mark.parametrize(("D", "side", "overlap"), [(1, 1, 0), (1, 4, 2), (2, 3, 1), (3, 2, 2), (4, 2, 0)])
def test_hypercubes_have_their_size_and_share_the_overlap(D: int, side: int, overlap: int):
    problem = load(f"hypercubes:D={D}, side={side}, overlap={overlap}")
    mixture = load_mixture(f"hypercubes:overlap={overlap},side={side},D={D}")
    low, high = mixture.laws["low"].weights, mixture.laws["high"].weights
    assert (problem.vocabulary, problem.length) == (2 * side - overlap, D)
    assert len(low) == len(high) == side**D
    assert low.keys() & high.keys() == set(product(range(side - overlap, side), repeat=D))
    assert max(high) == (2 * side - overlap - 1,) * D
    assert problem.conditional == mixture.laws["high"]


def test_hypercubes_5d_are_the_default_hypercubes():
    assert load_mixture("hypercubes-5d").laws == load_mixture("hypercubes:D=5,side=3,overlap=1").laws
    assert load_mixture("hypercubes:D=2,side=3,overlap=1").laws == load_mixture("squares-overlap").laws
    assert DATASETS["hypercubes-5d"].parameters == {}


def test_own_examples_by_hand():
    assert weights("slower-sampling", "target") == {(0, 1): Fraction(8, 9), (1, 1): Fraction(1, 9)}
    assert weights("slower-sampling", "other") == {(1, 0): Fraction(1, 2), (1, 1): Fraction(1, 2)}
    xor = load("xor")
    assert load_mixture("xor").laws["any"].weights == {x: Fraction(1, 4) for x in product(range(2), repeat=2)}
    assert xor.conditional.weight((0, 0)) == xor.conditional.weight((1, 1)) == Fraction(1, 2)
    assert xor.unconditional.weight((0, 1)) == Fraction(1, 8)
    # The first reveal says nothing about the class.
    for position in range(2):
        assert xor.conditional.conditional((None, None), position) == xor.unconditional.conditional(
            (None, None), position
        )


def spell(tokens: tuple[int, ...]) -> str:
    return "".join(chr(ord("a") + token) for token in tokens)


def test_words_are_the_commonest_with_their_frequencies():
    wordfreq = need("words")
    mixture = load_mixture("words:top=50,languages=de+fr")
    assert list(mixture.laws) == ["de", "fr"]
    assert mixture.labels == tuple("abcdefghijklmnopqrstuvwxyz")
    for language, law in mixture.laws.items():
        words = {spell(tokens): weight for tokens, weight in law.weights.items()}
        # The lists run from the commonest down, alphabetically where frequencies tie.
        listed = [w for w in wordfreq.iter_wordlist(language) if len(w) == 5 and all("a" <= c <= "z" for c in w)]
        assert words.keys() == set(listed[:50])
        first, *rest = listed[:50]
        for word in rest:
            ratio = wordfreq.get_frequency_dict(language)[word] / wordfreq.get_frequency_dict(language)[first]
            assert float(words[word] / words[first]) == pytest.approx(ratio, rel=1e-15)


def test_word_frequencies_are_the_decimals_they_spell():
    wordfreq = need("words")
    frequencies = wordfreq.get_frequency_dict("en")
    about, their = Fraction(repr(frequencies["about"])), Fraction(repr(frequencies["their"]))
    words = {spell(x): weight for x, weight in weights("words:top=2,languages=en", "en").items()}
    assert words == {"about": about / (about + their), "their": their / (about + their)}


def test_words_ties_are_broken_alphabetically(monkeypatch: pytest.MonkeyPatch):
    def lists(module: str) -> Any:
        assert module == "wordfreq"
        fake = ModuleType("wordfreq")
        frequencies = {"be": 0.2, "ad": 0.1, "ab": 0.1, "ac": 0.1, "ÿz": 0.9, "a1": 0.9, "Az": 0.9, "abc": 0.9}
        fake.available_languages = lambda wordlist: {"en": "best.gz"}  # pyright: ignore[reportAttributeAccessIssue]
        fake.get_frequency_dict = lambda language, wordlist: frequencies  # pyright: ignore[reportAttributeAccessIssue]
        return fake

    monkeypatch.setattr(datasets, "import_module", lists)
    law = load_mixture("words:length=2,languages=en,top=3").laws["en"]
    assert law.weights == {(0, 1): Fraction(1, 4), (0, 2): Fraction(1, 4), (1, 4): Fraction(1, 2)}


def test_all_words_of_three_languages():
    need("words-all")
    problem = load("words-all", "fr")
    assert isinstance(problem.unconditional, TableLaw)
    words = list(problem.unconditional.weights)
    # The lists are a snapshot that ends in 2021 (wordfreq's SUNSET.md), so their size does not change.
    assert len(words) == 57_253
    # Contexts with a masked token left, counted without the package.
    shown = [positions for size in range(5) for positions in combinations(range(5), size)]
    assert sum(len({tuple(word[i] for i in positions) for word in words}) for positions in shown) == 212_437
    assert {spell(word) for word in words} >= {"about", "cette", "nicht"}


def test_digits_count_a_binarised_patch():
    images = need("digits").load_digits()
    for patch, row, column in (((2, 3), 3, 3), ((3, 1), 0, 7)):
        height, width = patch
        mixture = load_mixture(f"digits:patch={height}x{width},row={row},column={column}")
        assert list(mixture.laws) == [str(digit) for digit in range(10)]
        for digit in (0, 3):
            counts: dict[tuple[int, ...], int] = {}
            of_digit = [image for image, label in zip(images.images, images.target, strict=True) if label == digit]
            for image in of_digit:
                cells = product(range(row, row + height), range(column, column + width))
                pixels = tuple(int(image[i][j] > 7) for i, j in cells)
                counts[pixels] = counts.get(pixels, 0) + 1
            expected = {pixels: Fraction(count, len(of_digit)) for pixels, count in counts.items()}
            assert mixture.laws[str(digit)].weights == expected
    assert load("digits", "0").labels == ("0", "1")
    assert load_mixture("digits").laws == load_mixture("digits:column=3,row=3,patch=2x3").laws


def test_character_models_are_a_pair_of_markov_laws():
    need("characters")
    problem = load("characters:target=de,languages=de+en,length=7,top=50")
    assert isinstance(problem.conditional, MarkovLaw) and isinstance(problem.unconditional, MarkovLaw)
    assert (problem.vocabulary, problem.length, problem.target, problem.prior) == (27, 7, None, None)
    assert problem.name == "characters:target=de,languages=de+en,length=7,top=50"
    assert problem.source == DATASETS["characters"].source
    assert DATASETS["characters"].target is None
    with pytest.raises(DataError, match="it is a pair of laws without classes, so target 'de' has no meaning"):
        load("characters", "de")
    with pytest.raises(DataError, match="it is a pair of laws, so there is no mixture"):
        load_mixture("characters:top=50")


def test_target_of_choice():
    assert load("squares-overlap", "low").conditional == load_mixture("squares-overlap").laws["low"]
    with pytest.raises(DataError, match="there is no class 'middle'; choose one of 'low', 'high'"):
        load("squares-overlap", "middle")


def test_default_target_that_is_not_among_the_classes():
    need("words")
    with pytest.raises(DataError, match=r"the usual target 'en' is not among its classes.*'fr', 'de'"):
        load("words:languages=fr+de,top=5")
    assert load("words:languages=fr+de,top=5", "de").target == "de"
    assert load("words:languages=fr,top=5").target == "fr"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("word", "no built-in instance 'word'.*did you mean 'words'.*interval-disjoint.*digits"),
        ("", "no built-in instance ''"),
        ("Xor", "did you mean 'xor'"),
        ("xor:D=2", "xor: there is no parameter 'D'.*takes none"),
        ("hypercubes-5d:side=2", "hypercubes-5d: there is no parameter 'side'.*takes none"),
        ("hypercubes:", "hypercubes: there is no parameter ''.*takes D, side, overlap"),
        ("hypercubes:sid=3", "no parameter 'sid'.*did you mean 'side'"),
        ("hypercubes:D=2,D=2", "D is given twice"),
        ("hypercubes:D", "D has no value"),
        ("hypercubes:D=", "D has no value"),
        ("hypercubes:D=two", "D is 'two'"),
        ("hypercubes:D=2.0", "D is '2.0'"),
        ("hypercubes:D=-1", "D is '-1'"),
        ("hypercubes:D=٣", "D is '٣'"),
        ("hypercubes:D=0", "D is 0"),
        ("hypercubes:side=0", "side is 0"),
        ("hypercubes:side=2,overlap=3", "overlap is 3, but the side is 2"),
        ("hypercubes:D=1,side=100001", "hypercubes: side is 100001, more tokens.*lower side"),
        ("hypercubes:D=999999999,side=1", "hypercubes: D is 999999999, more positions.*lower D"),
        ("hypercubes:D=99999999999999999999", "D is '99999999999999999999'"),
        ("words:length=0", "length is 0"),
        ("words:top=0", "top is 0"),
        ("words-all:top=3", "words-all: there is no parameter 'top'.*takes length, languages"),
        ("characters:length=0", "characters: length is 0"),
        ("characters:length=99999", "more positions than the 10000"),
        ("characters:target=xx", "characters: target 'xx' is not among the languages en, fr"),
        ("digits:patch=2", "patch is '2'.*2x3"),
        ("digits:patch=0x3", "height is 0"),
        ("digits:patch=9x1,row=0", "patch of 9x1 at row 0, column 3 leaves the image of 8x8"),
        ("digits:row=7", "patch of 2x3 at row 7, column 3 leaves the image of 8x8"),
        ("digits:column=6", "leaves the image of 8x8"),
        ("digits:row=-1", "row is '-1'"),
    ],
)
def test_bad_specifications_are_told_in_one_line(spec: str, message: str):
    with pytest.raises(DataError, match=message) as caught:
        load(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("words:languages=xx", "no list for language 'xx'.*de, el, en"),
        ("words:languages=en+", "no list for language ''"),
        ("words:languages=en+en", "'en' is listed twice"),
        ("words:length=60", "'en' has no words of 60 letters"),
        ("words:length=999999999", "'en' has no words of 999999999 letters"),
    ],
)
def test_words_that_do_not_exist(spec: str, message: str):
    need("words")
    with pytest.raises(DataError, match=message) as caught:
        load(spec)
    assert "\n" not in str(caught.value)


def test_real_data_are_imported_only_when_asked_for():
    use = "import sys, symguide.instances.datasets as d; d.load('xor')"
    code = f"{use}; print(*{{'wordfreq', 'sklearn', 'scipy'}} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


@pytest.mark.parametrize(("name", "package"), [("words", "wordfreq"), ("words-all", "wordfreq"), ("digits", "sklearn")])
def test_missing_extra_is_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch):
    def missing(module: str) -> ModuleType:
        raise ModuleNotFoundError(f"No module named {module!r}")

    monkeypatch.setattr(datasets, "import_module", missing)
    with pytest.raises(DataError, match=rf'{package} cannot be imported.*pip install "symguide\[examples\]"'):
        load(name)
