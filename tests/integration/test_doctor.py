import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shopfloor.cli import app


def run(monkeypatch: pytest.MonkeyPatch, **variables: str) -> tuple[int, dict[str, dict[str, dict[str, object]]]]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["doctor", "--json"])
    return result.exit_code, json.loads(result.stdout)


@contextmanager
def a_service_that_says(body: bytes) -> Iterator[str]:
    """The port of an HTTP server that answers every GET with ``body``."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield str(server.server_port)
        finally:
            server.shutdown()
            thread.join()


class TestDoctor:
    def test_a_new_shop_is_healthy(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        code, document = run(monkeypatch, SHOPFLOOR_DATA=str(tmp_path))
        assert code == 0
        assert all(check["ok"] for check in document["checks"].values())
        assert document["settings"]["data"] == {"value": str(tmp_path), "from": "SHOPFLOOR_DATA"}
        assert document["settings"]["port"]["from"] == "default"

    def test_a_file_where_the_data_folder_should_be(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").touch()
        code, document = run(monkeypatch, SHOPFLOOR_DATA=str(tmp_path / "file"))
        assert code == 69
        failing = {part for part, check in document["checks"].items() if not check["ok"]}
        assert failing >= {"data", "events", "online", "lake"}
        assert f"{tmp_path / 'file'} is no folder" in str(document["checks"]["online"]["says"])

    def test_looking_at_a_new_shop_makes_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        code, document = run(monkeypatch)
        assert code == 0
        assert "it is made when first needed" in str(document["checks"]["lake"]["says"])
        assert list(tmp_path.iterdir()) == []

    def test_what_is_there_is_asked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SHOPFLOOR_DATA", str(tmp_path))
        assert CliRunner().invoke(app, ["maintain", "--json"]).exit_code == 0
        (tmp_path / "online.db").write_text("garbage " * 1000)
        code, document = run(monkeypatch)
        assert code == 69
        assert "Delta tables" in str(document["checks"]["lake"]["says"])
        assert [part for part, check in document["checks"].items() if not check["ok"]] == ["online"]
        assert "is no readable SQLite file" in str(document["checks"]["online"]["says"])

    def test_a_part_that_fails_in_a_way_of_its_own_is_a_finding(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(settings: object) -> None:
            raise RuntimeError("the moon is in the way")

        monkeypatch.setattr("shopfloor.wiring.model_registry", fail)
        code, document = run(monkeypatch, SHOPFLOOR_DATA=str(tmp_path))
        assert code == 69
        assert document["checks"]["models"] == {"ok": False, "says": "RuntimeError: the moon is in the way"}

    def test_a_setting_that_no_model_has_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "shopfloor.toml").write_text("[training.models.als]\nfactor = 64\n")
        code, document = run(monkeypatch)
        assert code == 69
        assert [part for part, check in document["checks"].items() if not check["ok"]] == ["training"]
        assert "training.models.als.factor: there is no such setting" in str(document["checks"]["training"]["says"])

    def test_a_store_that_is_down_is_named_and_its_password_is_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = f"redis://shop:hush-hush@127.0.0.1:{unused.getsockname()[1]}"
            code, document = run(monkeypatch, SHOPFLOOR_DATA=str(tmp_path), SHOPFLOOR_ONLINE=address)
        assert code == 69
        assert [part for part, check in document["checks"].items() if not check["ok"]] == ["online"]
        assert "hush-hush" not in json.dumps(document)

    def test_a_lake_of_somebody_else_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "lake" / "events").mkdir(parents=True)
        (tmp_path / "lake" / "events" / "notes.txt").write_text("mine")
        code, document = run(monkeypatch, SHOPFLOOR_DATA=str(tmp_path))
        assert code == 69
        assert "empty folder" in str(document["checks"]["lake"]["says"])

    def test_what_the_running_service_says_of_drift_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drifting = {"state": "ok", "detail": "answers are made from other things: markets (4.20; FR from 0% to 100%)"}
        with a_service_that_says(json.dumps({"status": "ready", "parts": {"drift": drifting}}).encode()) as port:
            code, document = run(monkeypatch, SHOPFLOOR_DATA=str(tmp_path), SHOPFLOOR_PORT=port)
        assert code == 0
        assert "markets (4.20; FR from 0% to 100%)" in str(document["checks"]["service"]["says"])

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"status": "up"}'])
    def test_something_else_on_our_port_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes
    ) -> None:
        with a_service_that_says(body) as port:
            code, document = run(monkeypatch, SHOPFLOOR_DATA=str(tmp_path), SHOPFLOOR_PORT=port)
        assert code == 69
        assert "not Shopfloor's" in str(document["checks"]["service"]["says"])
