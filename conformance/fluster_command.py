"""``refconf fluster``: the options of the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from refdec.command import UsageError


def fluster(
    suite: Annotated[Path, typer.Argument(metavar="SUITE", help="Folder of a suite of pictures.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to make.")],
    decoder: Annotated[
        str | None,
        typer.Option("--decoder", help="Another decoder for the launcher: 'CMD {input} {output}'."),
    ] = None,
    decoder_name: Annotated[str, typer.Option("--decoder-name", help="Its name in Fluster.")] = "external",
    decoder_planes: Annotated[
        str, typer.Option("--decoder-planes", help="Order of its RGB planes: gbr (as gbrp says) or rgb.")
    ] = "gbr",
    rejects: Annotated[
        list[int] | None,
        typer.Option(
            "--rejects", help="Exit code by which it refuses a stream; 3, 4, 5 by default. Repeatable."
        ),
    ] = None,
) -> None:
    from conformance.fluster.export import OURS, Foreign, export
    from conformance.suite.records import is_picture_suite, open_pictures
    from conformance.verify.external import parse_command

    if not is_picture_suite(suite):
        raise UsageError(f"{suite} holds no suite of pictures")
    if output.exists() and (not output.is_dir() or output.resolve() == suite.resolve()):
        raise UsageError(f"--output {output}: expected a folder of its own")
    if decoder_planes not in ("gbr", "rgb"):
        raise UsageError(f"--decoder-planes {decoder_planes}: expected gbr or rgb")
    if decoder_name == OURS["name"]:
        raise UsageError(f"--decoder-name {decoder_name}: that is our own decoder's")
    codes = tuple(rejects or (3, 4, 5))
    if 0 in codes:
        raise UsageError("--rejects 0: a decoder that ends with 0 has accepted the stream")
    foreign = []
    if decoder is not None:
        words = parse_command(decoder, "raw").words
        foreign.append(Foreign(decoder_name, words, codes, decoder_planes))
    for name, count in export(open_pictures(suite), output, foreign).items():
        typer.echo(f"{name}: {count} vectors")
    typer.echo(f"run: python {output / 'launch.py'} run -d {OURS['name']} -t 600")
