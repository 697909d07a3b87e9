"""The ``refconf bounds`` command. Heavy modules are imported late."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from refdec.command import JsonOption, UsageError


def bounds(
    suite: Annotated[Path, typer.Argument(metavar="SUITE", help="Folder of a suite of pictures.")],
    models: Annotated[
        Path | None,
        typer.Option("--models", help="Model set; the suite's own by default."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Pattern of stream names, e.g. 'odd-*'. Repeatable.")
    ] = None,
    apart: Annotated[
        str, typer.Option("--apart", help="Pattern of streams without which the shares are shown as well.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    from conformance.bounds import measure
    from conformance.suite.records import is_picture_suite, open_pictures

    if not is_picture_suite(suite):
        raise UsageError(f"{suite} holds no suite of pictures")
    rows = measure(open_pictures(suite), models, only or None, apart=apart)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows]))
        return
    typer.echo("model\tgraph\tnode\top\tproved\treached\t%\t" + ("% without\t" if apart else "") + "streams")
    for row in rows:
        proved, reached = (f"{low}..{high}" for low, high in (row.proved, row.reached))
        streams = " ".join(dict.fromkeys(row.streams))
        rest = f"{'' if row.rest is None else row.rest}\t" if apart else ""
        place = f"{row.model.removesuffix('.safetensors')}\t{row.graph}\t{row.node}\t{row.op}"
        typer.echo(f"{place}\t{proved}\t{reached}\t{row.percent}\t{rest}{streams}")
