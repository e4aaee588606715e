"""Derivations: a claim, its assumptions, and steps that a machine checks, with what each check is worth.

A step shows formulas and says why they hold. Its check sees exactly those formulas, so a step that shows something
wrong is refuted by its own check. What the checks establish are the formulas; the words between are for the reader.
"""

import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import Any, TypeAlias

from symguide.errors import SymguideError
from symguide.evidence import Evidence, Verdict, weakest
from symguide.proofs.identities import Check, Content, Formulas, Meaning, sentence

__all__ = [
    "REFERENCES",
    "Claim",
    "Derivation",
    "Figure",
    "Instance",
    "Outcome",
    "Progress",
    "Proof",
    "Reference",
    "Step",
    "catalogue",
    "run",
    "select",
]


@dataclass(frozen=True, slots=True)
class Reference:
    """A source: authors, title, where it appeared, and its address.

    >>> print(REFERENCES["McCurdy1984"].where)
    Math. Comp. 43 (1984)
    """

    authors: str
    title: str
    where: str
    address: str = ""

    def __str__(self) -> str:
        return f"{self.authors}, {self.title}, {self.where}"


REFERENCES: Mapping[str, Reference] = MappingProxyType(
    {
        "He2025": Reference(
            "Y. He, K. Rojas, M. Tao",
            "What Exactly Does Guidance Do in Masked Discrete Diffusion Models",
            "arXiv:2506.10971 (2025)",
            "https://arxiv.org/abs/2506.10971",
        ),
        "Rojas2025": Reference(
            "K. Rojas, Y. He, C.-H. Lai, Y. Takida, Y. Mitsufuji, M. Tao",
            "Improving Classifier-Free Guidance in Masked Diffusion",
            "arXiv:2507.08965 (2025)",
            "https://arxiv.org/abs/2507.08965",
        ),
        "Nisonoff2024": Reference(
            "H. Nisonoff, J. Xiong, S. Allenspach, J. Listgarten",
            "Unlocking Guidance for Discrete State-Space Diffusion and Flow Models",
            "arXiv:2406.01572 (2024)",
            "https://arxiv.org/abs/2406.01572",
        ),
        "Schiff2024": Reference(
            "Y. Schiff et al.",
            "Simple Guidance Mechanisms for Discrete Diffusion Models",
            "arXiv:2412.10193 (2024)",
            "https://arxiv.org/abs/2412.10193",
        ),
        "Campbell2022": Reference(
            "A. Campbell, J. Benton, V. De Bortoli, T. Rainforth, G. Deligiannidis, A. Doucet",
            "A Continuous Time Framework for Discrete Denoising Models",
            "arXiv:2205.14987 (2022)",
            "https://arxiv.org/abs/2205.14987",
        ),
        "McCurdy1984": Reference(
            "A. McCurdy, K. C. Ng, B. N. Parlett",
            "Accurate computation of divided differences of the exponential function",
            "Math. Comp. 43 (1984)",
        ),
        "Pusa2011": Reference(
            "M. Pusa",
            "Rational approximations to the matrix exponential in burnup calculations",
            "Nucl. Sci. Eng. 169 (2011); higher orders: 182 (2016)",
        ),
        "Johansson2017": Reference(
            "F. Johansson",
            "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic",
            "IEEE Trans. Comput. 66 (2017)",
        ),
    }
)
"""Read-only: every source that a derivation may cite, by key."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be shown: LaTeX prose, and the formulas it announces, each of which a step must show.

    >>> from sympy import Eq
    >>> from symguide.symbols import u
    >>> Claim("Two halves are one.", (Eq(u / 2 + u / 2, u, evaluate=False),)).content
    (Eq(u, u),)
    """

    statement: str
    content: Content


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a plain name, a statement in LaTeX prose, formulas, why they hold, and the check they are put to.

    What a step is given are formulas that earlier steps show; :func:`run` sees to that.

    >>> from sympy import Eq
    >>> from symguide.proofs.identities import identities
    >>> from symguide.symbols import u
    >>> step = Step("halves", "Two halves.", (Eq(u / 2 + u / 2, u, evaluate=False),), "Addition.", identities())
    >>> step.examine().verdict
    <Verdict.PROVED: 4>
    """

    name: str
    statement: str
    content: Content
    justification: str
    check: Check
    given: Content = ()

    def examine(self) -> Evidence:
        """Put the formulas to the check, with those that are given; what a check cannot carry is *unknown*."""
        try:
            found = self.check(self.content, self.given) if self.given else self.check(self.content)
            return Evidence(self.name, *found)
        except SymguideError as problem:
            return Evidence(self.name, Verdict.UNKNOWN, str(problem))


@dataclass(frozen=True, slots=True)
class Instance:
    """Data on which the claim is tried: its name, what tries it at so many digits, and the packages it needs.

    >>> Instance("nothing", lambda digits: ()).needs
    ()
    """

    name: str
    verify: Callable[[int], Sequence[Evidence]]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: its name, a caption in LaTeX prose, and what draws it into Matplotlib axes. It is no part of a proof.

    >>> Figure("nothing", "Nothing.", lambda axes: None).file
    'nothing.pdf'
    """

    name: str
    caption: str
    draw: Callable[[Any], None]

    @property
    def file(self) -> str:
        """What its file is called."""
        return "-".join(self.name.split()) + ".pdf"


@dataclass(frozen=True, slots=True)
class Derivation:
    """A result with its proof.

    Attributes
    ----------
    name, title
        What it is asked by, and what it is called; plain text.
    claim
        What is shown.
    assumptions
        Under which conditions, LaTeX prose.
    steps
        In order.
    citations
        Keys of :data:`REFERENCES`.
    instances
        On what data the claim is tried besides.
    figures
        What its document shows.

    Raises
    ------
    SymguideError
        For a claim without formulas, a citation that does not resolve, no steps, and two of one name.

    >>> from sympy import Eq
    >>> from symguide.symbols import u
    >>> Derivation("empty", "Nothing", Claim("Nothing holds.", (Eq(u, u, evaluate=False),)), (), ())
    Traceback (most recent call last):
    symguide.errors.SymguideError: derivation 'empty' has no steps, so it shows nothing; give it some
    """

    name: str
    title: str
    claim: Claim
    assumptions: tuple[str, ...]
    steps: tuple[Step, ...]
    citations: tuple[str, ...] = ()
    instances: tuple[Instance, ...] = ()
    figures: tuple[Figure, ...] = ()

    def __post_init__(self) -> None:
        for key in self.citations:
            if key not in REFERENCES:
                raise SymguideError(
                    f"derivation {self.name!r} cites {key!r}, which no reference resolves; "
                    f"add it to REFERENCES or cite one of {', '.join(REFERENCES)}"
                )
        if not self.claim.content:
            raise SymguideError(
                f"derivation {self.name!r} claims no formula, so no machine can tell whether its steps show it; add one"
            )
        if not self.steps:
            raise SymguideError(f"derivation {self.name!r} has no steps, so it shows nothing; give it some")
        for kind, names in (("steps", [x.name for x in self.steps]), ("instances", [x.name for x in self.instances])):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise SymguideError(f"derivation {self.name!r}: two {kind} are called {twice[0]!r}; rename one")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step or an instance: evidence, or the reason why it was not run.

    >>> Outcome("digits", (), 0.0, "scikit-learn is missing").verdict
    <Verdict.UNKNOWN: 1>
    """

    name: str
    evidence: tuple[Evidence, ...]
    seconds: float
    not_run: str = ""

    @property
    def verdict(self) -> Verdict:
        """The weakest of the evidence; *unknown* where there is none."""
        return weakest(self.evidence)


@dataclass(frozen=True, slots=True)
class Proof:
    """A derivation that was run.

    Attributes
    ----------
    derivation
        What was run.
    steps
        What became of every step, in order, and last whether the steps show what is claimed.
    instances
        What became of every instance.

    >>> from sympy import Eq
    >>> from symguide.proofs.identities import identities
    >>> from symguide.symbols import u
    >>> shown = (Eq((1 + u) ** 2, 1 + 2 * u + u**2, evaluate=False),)
    >>> step = Step("square", "A square.", shown, "Multiplying out.", identities())
    >>> proof = run(Derivation("square", "A square", Claim("A square.", shown), (), (step,)))
    >>> proof.verdict, proof.failed
    (<Verdict.PROVED: 4>, ())
    """

    derivation: Derivation
    steps: tuple[Outcome, ...]
    instances: tuple[Outcome, ...]

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What the theorem rests on: the steps in order, then the claim."""
        return tuple(item for outcome in self.steps for item in outcome.evidence)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Steps and instances that are refuted or unknown; an instance that was not run is neither."""
        outcomes = (*self.steps, *self.instances)
        return tuple(outcome for outcome in outcomes if not outcome.not_run and not outcome.verdict.passes)

    @property
    def verdict(self) -> Verdict:
        """The weakest step. Instances cannot strengthen or weaken a proof, but one that fails brings it down."""
        return min([weakest(self.evidence), *(outcome.verdict for outcome in self.failed)])

    @property
    def seconds(self) -> float:
        """How long it took."""
        return sum(outcome.seconds for outcome in (*self.steps, *self.instances))


Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is next, how many steps and instances are done, and how many there are."""


def run(derivation: Derivation, digits: int = 50, progress: Progress | None = None) -> Proof:
    """Check every step and every instance, in order.

    Parameters
    ----------
    derivation
        What to run.
    digits
        Decimal digits to which instances are verified.
    progress
        Called before each step and instance, and once at the end with an empty name.

    >>> from sympy import Eq
    >>> from symguide.proofs.identities import identities
    >>> from symguide.symbols import u
    >>> shown = (Eq((1 + u) ** 2, 1 + u**2, evaluate=False),)
    >>> step = Step("square", "A square.", shown, "Forgetting the middle.", identities())
    >>> proof = run(Derivation("wrong", "A square", Claim("A square.", shown), (), (step,)))
    >>> proof.failed[0].name, proof.failed[0].evidence[0].detail
    ('square', '(u + 1)**2 = u**2 + 1 is wrong at u = 1/3: 16/9 against 10/9')
    """
    tell = progress or (lambda name, done, total: None)
    total = len(derivation.steps) + len(derivation.instances)
    steps: list[Outcome] = []
    instances: list[Outcome] = []
    for step in derivation.steps:
        tell(step.name, len(steps), total)
        begun = perf_counter()
        groundless = _without_ground(step, derivation.steps[: len(steps)])
        evidence = step.examine() if groundless is None else groundless
        steps.append(Outcome(step.name, (evidence,), perf_counter() - begun))
    for instance in derivation.instances:
        tell(instance.name, len(steps) + len(instances), total)
        begun = perf_counter()
        evidence, not_run = _try(instance, digits)
        instances.append(Outcome(instance.name, evidence, perf_counter() - begun, not_run))
    tell("", total, total)
    steps.append(Outcome("claim", (_claimed(derivation),), 0.0))
    return Proof(derivation, tuple(steps), tuple(instances))


def _without_ground(step: Step, earlier: Sequence[Step]) -> Evidence | None:
    """What a step takes as given and no step before it shows, or only for other strengths or under a condition."""
    for item in step.given:
        showing = [other for other in earlier if item in other.content]
        if not showing:
            return Evidence(step.name, Verdict.UNKNOWN, f"{sentence(item)} is used, but no earlier step shows it")
        if not any(_covers(other, step) for other in showing):
            reason = "was shown for another range of its symbols, or under a condition"
            return Evidence(step.name, Verdict.UNKNOWN, f"{sentence(item)} is used, but {reason}")
    return None


def _covers(shown: Step, step: Step) -> bool:
    """Whether what one step shows may serve another: in its range of symbols, under conditions that it has too, and
    where no name means something else.
    """
    if not isinstance(shown.check, Formulas):
        return True
    meaning = step.check.meaning if isinstance(step.check, Formulas) else Meaning()
    here = shown.check.meaning
    in_range = dict(here.domain) in ({}, dict(meaning.domain)) and set(here.facts) <= set(meaning.facts)
    return in_range and _clash(here, meaning) is None


def _clash(left: Meaning, right: Meaning) -> Any:
    """A name that means one thing here and another there."""
    for mine, other in ((left.functions, right.functions), (left.rules, right.rules)):
        for name, value in mine.items():
            if name in other and other[name] != value:
                return name
    return None


def _claimed(derivation: Derivation) -> Evidence:
    plain = [step for step in derivation.steps if not isinstance(step.check, Formulas) or not step.check.meaning.facts]
    shown = {item for step in plain for item in step.content}
    for item in derivation.claim.content:
        if item not in shown:
            return Evidence("claim", Verdict.UNKNOWN, f"{sentence(item)} is claimed, but no step shows it")
    return Evidence("claim", Verdict.PROVED, "every formula of the claim is shown by a step")


def _try(instance: Instance, digits: int) -> tuple[tuple[Evidence, ...], str]:
    missing = [package for package in instance.needs if importlib.util.find_spec(package) is None]
    if missing:
        return (), f'{", ".join(missing)} is missing; pip install "symguide[examples]"'
    try:
        return tuple(instance.verify(digits)), ""
    except SymguideError as problem:
        return (Evidence(instance.name, Verdict.UNKNOWN, str(problem)),), ""


def catalogue() -> Mapping[str, Derivation]:
    """Every derivation by name, from the files that come with the package, in the order of their file names.

    Each file has a function ``derivation()`` or a constant ``DERIVATION``.

    Raises
    ------
    SymguideError
        Where the files are missing, and for a file without a derivation.

    >>> list(catalogue())[-1:]
    ['two tokens']
    """
    found: dict[str, Derivation] = {}
    for path in sorted(_folder().glob("[!_]*.py")):
        spec = importlib.util.spec_from_file_location(f"symguide_derivation_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if hasattr(module, "derivation"):
            derivation = module.derivation()
        elif hasattr(module, "DERIVATION"):
            derivation = module.DERIVATION
        else:
            raise SymguideError(f"{path}: there is neither derivation() nor DERIVATION, so it shows nothing; add one")
        if derivation.name in found:
            raise SymguideError(f"{path}: a derivation called {derivation.name!r} exists already; rename one of them")
        found[derivation.name] = derivation
    return found


def _folder() -> Path:
    """Inside an installed package, or beside the package in its repository."""
    for folder in (Path(str(files("symguide"))) / "derivations", Path(__file__).parents[2] / "derivations"):
        if folder.is_dir():
            return folder
    raise SymguideError("the folder of derivations is missing, so there is nothing to prove; reinstall symguide")


def select(names: Iterable[str] = ()) -> tuple[Derivation, ...]:
    """The derivations of these names, or all of them; spaces, ``-`` and ``_`` are the same, and so are capitals.

    Raises
    ------
    SymguideError
        For a name that no derivation has.

    >>> [derivation.title for derivation in select(["single-token"])]
    ['One token: the guided trajectory ends in the tilted law']
    """
    known = catalogue()
    asked = [" ".join(name.replace("-", " ").replace("_", " ").split()).casefold() for name in names]
    for name in asked:
        if name not in known:
            raise SymguideError(f"derivation {name!r} is unknown; choose one of {', '.join(map(repr, known))}")
    return tuple(known[name] for name in dict.fromkeys(asked)) if asked else tuple(known.values())
