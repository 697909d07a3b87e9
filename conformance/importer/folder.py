"""A folder of official checkpoints to a model set.

Each kind of model file has a rule: which checkpoint it is made from, and the function that makes it.
:data:`RULES` lists them; further kinds are added by appending to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from conformance.importer.analysis import import_analysis
from conformance.importer.checkpoint import Checkpoint, read_checkpoint
from conformance.importer.entropy import convert_entropy
from conformance.importer.filters import FOLDER as FILTER_FOLDER
from conformance.importer.filters import convert_filters, eicci_names
from conformance.importer.networks import OPERATING_POINTS, convert_networks, synthesis_name
from conformance.importer.summary import Summary, summarise
from refdec.errors import ModelError
from refdec.integer.model_file import Model, save_model
from refdec.models_io import COMPONENT_NAMES, MODEL_IDS, file_name
from refdec.official_files import BETAS

SCHEMES = ("w16a16", "w8a16")


@dataclass(frozen=True)
class Options:
    """What the caller chose for networks that have to be quantised.

    :param scheme: ``w16a16``, ``w8a16`` ...; the entropy stage needs none, it is exact integers already.
    :param calibrate: pictures or streams to take activation ranges from.
    :param thorough: try two ways to choose the networks' scales, not one: much slower, a little closer.
    :param networks: whether to convert the networks behind the residual at all.
    """

    scheme: str = "w16a16"
    calibrate: Sequence[Path] = ()
    networks: bool = True
    thorough: bool = False


@dataclass(frozen=True)
class Rule:
    """How one kind of model file is made.

    :param kind: kind of the model file, see :mod:`refdec.models_io`.
    :param source: checkpoint file, with ``{component}`` and ``{beta}`` to fill in.
    :param convert: checkpoint, component and options to model.
    """

    kind: str
    source: str
    convert: Callable[[Checkpoint, int, Options], Model]

    def checkpoint_name(self, model_id: int, component: int) -> str:
        return self.source.format(component=COMPONENT_NAMES[component], beta=BETAS[model_id])


RULES: list[Rule] = [
    Rule(
        "entropy", "VM_common_int/{component}_{beta}.pth", lambda ckpt, c, _options: convert_entropy(ckpt, c)
    ),
]


@dataclass
class Report:
    """What an import made, and what it could not make because the checkpoint is not there.

    :param written: model file, checkpoint, digest.
    :param absent: checkpoint files that the folder lacks.
    :param summary: the same as a table, and what it means for decoding.
    """

    written: list[tuple[str, str, str]] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    summary: Summary = field(default_factory=Summary)


def import_folder(
    source: Path,
    output: Path,
    options: Options = Options(),
    progress: Callable[[str], None] = lambda _line: None,
) -> Report:
    """Make every model file that the checkpoints in a folder allow. The same checkpoints give the same
    bytes; each file appears whole or not at all.

    :raises ModelError: a checkpoint is damaged or does not fit, or there is none at all.
    """
    if not source.is_dir():
        raise ModelError(f"{source} is no folder")
    report, ranges = Report(), dict[int, str]()

    def read(name: str) -> Checkpoint | None:
        return read_checkpoint(source / name, name) if (source / name).is_file() else None

    def write(target: str, name: str, model: Model) -> None:
        (output / target).parent.mkdir(parents=True, exist_ok=True)
        save_model(output / target, model)
        report.written.append((target, name, model.digest))

    for model_id, beta in zip(MODEL_IDS, BETAS, strict=True):
        made: dict[tuple[str, int], Model] = {}
        for rule in RULES:
            for component in (0, 1):
                name = rule.checkpoint_name(model_id, component)
                checkpoint = read(name)
                if checkpoint is None:
                    report.absent.append(name)
                    continue
                progress(name)
                model = rule.convert(checkpoint, component, options)
                made[rule.kind, component] = model
                write(file_name(model_id, rule.kind, component), name, model)
        if options.networks and ("entropy", 0) in made and ("entropy", 1) in made:
            names = [synthesis_name(point, c, beta) for point in OPERATING_POINTS for c in (0, 1)]
            report.absent += [name for name in names if not (source / name).is_file()]
            entropy = made["entropy", 0], made["entropy", 1]
            for part in convert_networks(
                read, model_id, beta, entropy, options.scheme, options.calibrate, options.thorough, progress
            ):
                write(file_name(model_id, part.kind, part.component), part.source, part.model)
                ranges[model_id] = str(part.model.provenance["calibrated_on"])
            report.written += import_analysis(read, model_id, beta, output)
    if options.networks:
        for target, name, model in convert_filters(read, options.scheme, options.calibrate, progress):
            write(target, name, model)
        if (source / FILTER_FOLDER).is_dir():
            report.absent += [name for name in eicci_names() if not (source / name).is_file()]
    if not report.written:
        raise ModelError(
            f"{source} holds none of the official checkpoints, e.g. {report.absent[0]} "
            "(give the folder that contains VM_common_int)"
        )
    made = [target for target, _, _ in report.written]
    report.summary = summarise(source, output, made, ranges, not options.networks)
    return report
