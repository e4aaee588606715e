"""``symguide prove``: derivations run, checked and written."""

from __future__ import annotations

from collections.abc import Sequence

from symguide.cli.arguments import digits_of
from symguide.cli.machine import proof_document as proof_for_machines
from symguide.cli.outputs import check_folder, check_pdflatex, publish, write_json
from symguide.cli.parameters import DONE, FAILED, JSON, argument, command, option

__all__ = ["prove_command"]

ALL = "derivations"
"""The document with all of them."""


@command(
    "prove",
    argument("names", metavar="[NAME...]", nargs=-1, required=False),
    option(
        "--out", metavar="DIR", default="out", help="Where the LaTeX goes, a file per derivation and all in one  [out]."
    ),
    option("--pdf", is_flag=True, help="PDF too, by pdflatex."),
    option("--digits", metavar="N", default="50", help="Decimal digits at which instances are verified  [50]."),
    JSON,
)
def prove_command(names: Sequence[str], out: str, pdf: bool, digits: str, as_json: bool) -> int:
    """Run derivations: derive, check, write LaTeX.

    Every derivation, or those of some names: each step is checked, the claim is tried on the built-in instances, real
    data included, and a document is written. Exits with 1 if anything is refuted or unknown.
    """
    precision = digits_of(digits)
    check_folder(out)
    if pdf:
        check_pdflatex()
    from symguide.display.reports import progress_bar, proof_tables
    from symguide.display.tables import screen
    from symguide.proofs.derivation import run, select
    from symguide.proofs.papers import proof_document

    derivations = select(names)
    with progress_bar(derivations) as tell:
        proofs = [run(derivation, precision, tell(derivation)) for derivation in derivations]
    documents = {"-".join(proof.derivation.name.split()): proof_document([proof]) for proof in proofs}
    figures: dict[str, dict[str, bytes]] = {stem: {} for stem in documents}
    for stem, proof in zip(documents, proofs, strict=True):
        if proof.derivation.figures:
            from symguide.display.plots import figure_pdf

            figures[stem] = {figure.file: figure_pdf(figure) for figure in proof.derivation.figures}
    if len(proofs) > 1:
        documents[ALL] = proof_document(proofs)
        figures[ALL] = {name: content for drawn in figures.values() for name, content in drawn.items()}
    *files, together = publish(out, documents, pdf, figures)
    if len(proofs) == 1:
        files, together = [together], []
    passed = all(proof.verdict.passes for proof in proofs)
    if as_json:
        write_json(
            {
                "digits": precision,
                "verdict": str(min(proof.verdict for proof in proofs)),
                "derivations": [
                    proof_for_machines(proof) | {"files": written} for proof, written in zip(proofs, files, strict=True)
                ],
                "files": together,
            }
        )
    console = screen(to_stderr=as_json)
    console.print(
        proof_tables(
            proofs, list(dict.fromkeys([*together, *(name for written in files for name in written)])), console.width
        )
    )
    return DONE if passed else FAILED
