"""The page and the code say the same: tables, statement ids, error classes."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from refdec import errors
from refdec.codestream import headers
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.syntax import Rule, fields_of
from refdec.codestream.tool_syntax import TON

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "codestream.md").read_text(encoding="utf-8")


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "codestream_tables", ROOT / "tools" / "codestream_tables.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rules() -> list[Rule]:
    return [rule for s in (PIH, TON, RDI) for field in fields_of(s.elements) for rule in field.rules]


def test_tables_are_those_of_the_description() -> None:
    assert load_tool().page(PAGE) == PAGE


def test_every_element_has_an_id_of_its_own() -> None:
    fields = [field for s in (PIH, TON, RDI) for field in fields_of(s.elements)]
    assert len({field.id for field in fields}) == len(fields)
    for segment in (PIH, TON, RDI):
        ids = [field.id for field in fields_of(segment.elements)]
        assert all(i.startswith(f"CS-{segment.name}-") for i in ids)


def test_error_classes_of_the_page() -> None:
    codes = dict(re.findall(r"^\| (CS-[A-Z]{3}-R?\d{2}) \|.*\| ([a-z]+) \|$", PAGE, re.MULTILINE))
    for rule in rules():
        if rule.id != "CS-RDI-R01":
            assert codes[rule.id] == ("warning" if rule.tolerated else rule.error.code)
    for name, code in re.findall(r"^\| `(\w+Error)` \| `([a-z-]+)` \|", PAGE, re.MULTILINE):
        assert getattr(errors, name).code == code


def test_public_objects_say_what_they_are() -> None:
    for name, value in vars(headers).items():
        if isinstance(value, type) and value.__module__ == headers.__name__:
            assert value.__doc__, name
