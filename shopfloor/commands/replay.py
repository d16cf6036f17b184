"""``shopfloor replay``: refused events through the log again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shopfloor.commands.options import AsJson, Config, check_target

if TYPE_CHECKING:
    from ingestion.stream.replay import Letter


def register(app: typer.Typer) -> None:
    app.command()(replay)


def replay(
    config: Config = None,
    export: Annotated[
        Path | None,
        typer.Option(help="Write the refused events with their reasons to this file, send none."),
    ] = None,
    mended: Annotated[
        Path | None, typer.Option(help="Send the events of a file that --export wrote and somebody mended.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters through the log again, as far as today's contract lets them pass.

    Repeating it is safe: an event that the lake already has is not sent.
    """
    import asyncio
    from dataclasses import asdict

    from ingestion.stream.replay import letters_in
    from ingestion.stream.replay import replay as replay_letters
    from shopfloor import wiring
    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings

    settings = LoadedSettings.read(config).settings
    output = Output(as_json)
    lake = wiring.lake(settings)
    if export is not None:
        check_target("--export", export)
        count = _write(export, letters_in(lake))
        output.result(
            {"exported": count, "file": str(export)},
            lambda console: console.print(f"{count:,} refused events in {export}; mend them, then --mended {export}"),
        )
        return

    async def run() -> None:
        async with wiring.event_log(settings, "replay") as log:
            letters = letters_in(lake) if mended is None else _read(mended)
            report = await replay_letters(letters, log, lake, dry_run)
        document = asdict(report)
        verb = "would be sent" if dry_run else "sent"
        output.result(
            document,
            lambda console: console.print(
                f"{report.letters:,} letters: {report.replayed:,} {verb}, "
                f"{report.already_there:,} already in the lake, {report.still_refused:,} still refused\n"
                + "\n".join(f"  {count:>8,}  {reason}" for reason, count in report.reasons.most_common(10))
            ),
        )

    asyncio.run(run())


def _write(path: Path, letters: "Iterator[Letter]") -> int:
    count = 0
    with path.open("w", encoding="utf-8") as lines:
        for letter in letters:
            document = {
                "letter_id": letter.letter_id,
                "refused_at": letter.refused_at.isoformat(),
                "reasons": letter.reasons,
                "event": letter.payload.decode(errors="replace"),
            }
            lines.write(json.dumps(document, ensure_ascii=False) + "\n")
            count += 1
    return count


def _read(path: Path) -> "Iterator[Letter]":
    from datetime import datetime

    from feature_repo.errors import BadInput, NotFound
    from ingestion.stream.replay import Letter

    if not path.is_file():
        raise NotFound(f"there is no file {path}; write one with --export")
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                document = json.loads(line.decode())
                event = document["event"]
                payload = event if isinstance(event, str) else json.dumps(event)
                yield Letter(document["letter_id"], payload.encode(), datetime.fromisoformat(document["refused_at"]))
            except (ValueError, KeyError, TypeError) as error:
                raise BadInput(f"{path}, line {number}: not a line that --export writes ({error!r})") from error
