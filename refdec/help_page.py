"""Help pages that show a command's options in groups."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class GroupedCommand(TyperCommand):
    """A command whose help page shows its options in the groups that their ``rich_help_panel`` names."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section a group, in the order in which groups are met; options of no group last."""
        other = "Other options"
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                own = "Arguments" if param.param_type_name == "argument" else other
                groups.setdefault(getattr(param, "rich_help_panel", None) or own, []).append(record)
        if other in groups:
            groups[other] = groups.pop(other)
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
