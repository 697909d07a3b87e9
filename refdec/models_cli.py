"""``refdec models``: what a model set holds, whether it is whole, and the proof that it cannot overflow."""

from __future__ import annotations

import json
from collections.abc import Callable
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


@models_app.command("list", help="The files of a model set.")
def list_command(directory: SetArgument, as_json: JsonOption = False) -> None:
    from refdec.models_io import COMPONENT_NAMES, eicci_kind, open_models

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
    rows += [
        {
            "model": "",
            "kind": eicci_kind(bank, index),
            "component": "",
            "file": str(path),
            "bytes": path.stat().st_size,
        }
        for bank, index, path in open_models(directory).eicci_files()
    ]
    _print(rows, directory, as_json)


@models_app.command(
    "check",
    help="Read every file of a model set: digest, shapes, ranges, and the proof that nothing overflows.",
)
def check_command(directory: SetArgument, as_json: JsonOption = False) -> None:
    from refdec.models_io import COMPONENT_NAMES, eicci_kind, open_models

    model_set = open_models(directory)
    rows: list[dict[str, object]] = []

    def check(what: dict[str, object], digest: Callable[[], str]) -> None:
        try:
            rows.append({**what, "verdict": "ok", "facts": digest()})
        except ModelError as error:
            rows.append({**what, "verdict": "bad", "facts": str(error)})

    for m, kind, c, _ in model_set.files():

        def load(m: int = m, kind: str = kind, c: int = c) -> str:
            if kind == "entropy":
                model_set.entropy(m, c)
            if kind == "rectifier" and model_set.has(m, "latent", c):
                return model_set.rectifier(m, c).digest
            return model_set.load(m, kind, c).digest

        check({"model": m, "kind": kind, "component": COMPONENT_NAMES[c]}, load)
    for bank, index, _ in model_set.eicci_files():
        what: dict[str, object] = {"model": "", "kind": eicci_kind(bank, index), "component": ""}
        check(what, lambda bank=bank, index=index: model_set.eicci(bank, index).digest)  # type: ignore[misc]
    _print(rows, directory, as_json)
    if any(row["verdict"] != "ok" for row in rows):
        raise typer.Exit(MISMATCH)


@models_app.command(
    "prove",
    help="The overflow proof: what no accumulator can exceed, bits, head-room; "
    "and that the bounds are tight.",
)
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
    from refdec.integer.model_file import load_model
    from refdec.models_io import open_models

    paths = [file]
    if file.is_dir():
        models = open_models(file)
        paths = [path for *_, path in models.files()] + [path for *_, path in models.eicci_files()]
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
