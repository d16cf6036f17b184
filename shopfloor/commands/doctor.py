"""``shopfloor doctor``: what is in force, from where, and whether each address answers."""

from typing import TYPE_CHECKING, Any

import typer

from shopfloor.commands.options import AsJson, Config

if TYPE_CHECKING:
    from rich.console import Console

    from shopfloor.settings import Settings


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(config: Config = None, as_json: AsJson = False) -> None:
    """Show what is set, from where, and whether each part answers. Exit status 69 when one does not."""
    import asyncio

    from shopfloor.checkup import checkup
    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings

    loaded = LoadedSettings.read(config)
    output = Output(as_json)
    findings = asyncio.run(checkup(loaded.settings))
    document = {
        "settings": {
            name: {"value": value, "from": loaded.sources[name]} for name, value in _shown(loaded.settings).items()
        },
        "checks": {each.part: {"ok": each.ok, "says": each.says, **each.details} for each in findings},
    }
    output.result(document, lambda console: _draw(console, document))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(69)


def _shown(settings: "Settings") -> dict[str, Any]:
    """Settings without secrets: keys as their number, addresses without their user's password."""
    from shopfloor.checkup import without_password

    shown = settings.model_dump(mode="json")
    for part in ("events", "online", "lake", "models"):
        shown[part] = without_password(getattr(settings, f"{part}_address"))
    shown["keys"] = f"{len(settings.keys)} set"
    return dict(shown)


def _draw(console: "Console", document: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("setting", "value", "from")
    for name, setting in document["settings"].items():
        value = setting["value"]
        text = ", ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name, text, setting["from"])
    console.print(table)
    for part, check in document["checks"].items():
        mark = ("ok ", "green") if check["ok"] else ("bad", "red")
        console.print(Text.assemble(mark, f" {part}: {check['says']}"))
