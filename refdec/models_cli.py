"""``refdec models``: what a model set holds, whether it is whole, and the proof that it cannot overflow."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refdec.command import MISMATCH, JsonOption, UsageError, print_rows
from refdec.errors import ModelError

if TYPE_CHECKING:
    from refdec.integer.model_file import Model
    from refdec.integer.proof import ProofRow

models_app = typer.Typer(
    help="Model sets: what is there, is it whole, can it overflow.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

SetArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the model set.")]


@models_app.command("list")
def list_command(directory: SetArgument, as_json: JsonOption = False) -> None:
    """The files of a model set."""
    from refdec.models_io import COMPONENT_NAMES, open_models

    rows: list[dict[str, object]] = [
        {
            "model": m,
            "kind": kind,
            "component": COMPONENT_NAMES[c],
            "file": str(path),
            "bytes": path.stat().st_size,
        }
        for m, kind, c, path in open_models(directory).files()
    ]
    _print(rows, directory, as_json)


@models_app.command("check")
def check_command(directory: SetArgument, as_json: JsonOption = False) -> None:
    """Read every file of a model set: digest, shapes, ranges, and the proof that nothing overflows."""
    from refdec.models_io import COMPONENT_NAMES, open_models

    model_set = open_models(directory)
    rows: list[dict[str, object]] = []
    for m, kind, c, _ in model_set.files():
        try:
            facts = model_set.load(m, kind, c).digest
            if kind == "entropy":
                model_set.entropy(m, c)
            verdict = "ok"
        except ModelError as error:
            verdict, facts = "bad", str(error)
        row = {"model": m, "kind": kind, "component": COMPONENT_NAMES[c], "verdict": verdict, "facts": facts}
        rows.append(row)
    _print(rows, directory, as_json)
    if any(row["verdict"] != "ok" for row in rows):
        raise typer.Exit(MISMATCH)


@models_app.command("prove")
def prove_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Model file, or the folder of a set.")],
    every: Annotated[
        bool, typer.Option("--channels", help="Every channel, not only a layer's tightest.")
    ] = False,
    witness: Annotated[
        bool,
        typer.Option(
            "--witness", help="Execute the input that reaches each bound, and show what it reached."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """The overflow proof: what no accumulator can exceed, bits, head-room; and that the bounds are tight."""
    from refdec.integer.model_file import load_model
    from refdec.models_io import open_models

    paths = [path for *_, path in open_models(file).files()] if file.is_dir() else [file]
    rows: list[dict[str, object]] = []
    for path in paths:
        name = str(path.relative_to(file)) if file.is_dir() else path.name
        rows += [{"file": name, **row} for row in _proof_rows(load_model(path), every, witness)]
    _print(rows, file, as_json)


def _proof_rows(model: Model, every: bool, witness: bool) -> list[dict[str, object]]:
    from refdec.integer.proof import report
    from refdec.integer.witness import model_witnesses

    rows: list[ProofRow] = report(model)
    if not every:
        tightest: dict[tuple[str, str], ProofRow] = {}
        for row in rows:
            known = tightest.setdefault((row.graph, row.node), row)
            if row.bound > known.bound:
                tightest[row.graph, row.node] = row
        rows = list(tightest.values())
    reached: dict[tuple[str, str, int], list[int]] = {}
    if witness:
        for found in model_witnesses(model, all_channels=every):
            reached.setdefault((found.graph, found.node, found.channel), []).append(found.reached)
    table = []
    for row in rows:
        facts = asdict(row)
        del facts["seen"]
        if witness:
            sums = reached.get((row.graph, row.node, row.channel))
            facts |= {"reached_lo": sums and min(sums), "reached_hi": sums and max(sums)}
        table.append(facts)
    return table


def _print(rows: list[dict[str, object]], where: Path, as_json: bool) -> None:
    if not rows:
        raise UsageError(f"{where} holds no model file")
    if as_json:
        typer.echo(json.dumps(rows))
    else:
        print_rows(rows)
