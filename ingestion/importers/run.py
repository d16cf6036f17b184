"""One import from end to end: look at the files, stage, send, report."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

import msgspec

from feature_repo.errors import BadInput, Corrupt, TryLater
from ingestion.importers.checkpoint import Checkpoint, only_one, write_durably
from ingestion.importers.delivery import Delivery
from ingestion.importers.report import Report
from ingestion.importers.source import Format, Source
from ingestion.importers.staging import Importer, Progress, Staging
from ingestion.transports.log import EventLog

REFUSED_COLUMN = "refused_because"
"""First column of the file of refused lines; an import of the mended file passes over it."""


async def run_import(
    importer: Importer,
    log: EventLog,
    folder: Path,
    now: Callable[[], datetime],
    progress: Progress,
    markets: Collection[str] = (),
    again: bool = False,
) -> Report:
    """Import what no earlier run has put into this log and return the report, which is also kept in ``folder``.

    A finished import is not sent a second time unless ``again``. Raises BadInput before anything is sent when the
    source does not fit, and TryLater when log or disk take no more; the same call then goes on where it was.
    """
    import_id = import_id_of(importer)
    with only_one(folder / f"{import_id}.lock"):
        path = folder / f"{import_id}.json"
        identity = await log.identity()
        checkpoint = Checkpoint.read(path)
        if checkpoint is None or checkpoint.log != identity or (checkpoint.complete and again):
            checkpoint = Checkpoint(import_id, identity, now().isoformat())
        report = Report(import_id, importer.name, [str(source.path) for source in importer.sources])
        if checkpoint.complete:
            return _earlier(report, folder)
        staging = Staging(folder / f"{import_id}.staging", checkpoint.started_at)
        try:
            importer.stage(staging, report, progress)
            if not report.lines_read:
                raise BadInput(f"{importer.sources[0].path} has no lines below its header; there is nothing to import")
            await Delivery(log, checkpoint, path, markets).send(staging, report, progress)
            _finish(importer, staging, report, folder)
        except OSError as error:
            raise TryLater(f"{error.filename or folder}: {error.strerror}; mend it and run the import again") from error
        finally:
            staging.close()
        checkpoint.complete = True
        checkpoint.write(path)
        return report


def import_id_of(importer: Importer) -> str:
    """The same for the same bytes read by the same rules, wherever the files lie."""
    digest = hashlib.sha256(importer.fingerprint.encode())
    for source in importer.sources:
        digest.update(source.digest.encode())
    return f"{importer.name}-{digest.hexdigest()[:16]}"


def _earlier(report: Report, folder: Path) -> Report:
    """A finished import, as its report tells it."""
    path = folder / f"{report.import_id}-report.json"
    try:
        report.stored = json.loads(path.read_bytes()) | {"already_complete": True}
    except (OSError, ValueError) as error:
        raise Corrupt(f"the report {path} of this finished import cannot be read ({error}); use --again") from error
    return report


def _finish(importer: Importer, staging: Staging, report: Report, folder: Path) -> None:
    staging.report_refused(report)
    report.lines_refused = staging.count("SELECT count(*) FROM (SELECT DISTINCT file, line FROM refused)")
    report.refused_files = [
        str(written) for source in importer.sources if (written := _write_refused(source, staging, report, folder))
    ]
    write_durably(folder / f"{report.import_id}-report.json", json.dumps(report.as_json(), indent=2))


def _write_refused(source: Source, staging: Staging, report: Report, folder: Path) -> Path | None:
    """The refused lines of a source as they stood there, each after its reason, for a person to mend."""
    cursor = staging.db.cursor()
    query = "SELECT line, any_value(field || ': ' || reason ORDER BY field) FROM refused WHERE file = ? AND line > 0"
    rows = cursor.execute(query + " GROUP BY line ORDER BY line", [str(source.path)])
    refused = rows.fetchone()
    if refused is None:
        return None
    delimited = source.format is Format.CSV
    path = folder / f"{report.import_id}-refused-{source.path.name.split('.')[0]}.{'csv' if delimited else 'jsonl'}"
    with path.open("w", encoding="utf-8") as stream:
        if delimited:
            stream.write(f"{REFUSED_COLUMN}{source.delimiter}{source.header.rstrip()}\n")
        for line, text in source.texts():
            while refused is not None and refused[0] < line:
                refused = rows.fetchone()
            if refused is None:
                break
            if refused[0] == line:
                stream.write(f"{_with_reason(refused[1], text, source)}\n")
    cursor.close()
    return path


def _with_reason(reason: str, text: str, source: Source) -> str:
    if source.format is Format.CSV:
        cell = io.StringIO()
        csv.writer(cell, delimiter=source.delimiter, quoting=csv.QUOTE_ALL, lineterminator="").writerow([reason])
        return f"{cell.getvalue()}{source.delimiter}{text}"
    try:
        record = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return msgspec.json.encode({REFUSED_COLUMN: reason} | record).decode() if isinstance(record, dict) else text
