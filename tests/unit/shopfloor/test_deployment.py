"""What runs only where Docker is: held to the program's own names, since it cannot be started in these tests."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from shopfloor.cli import app
from shopfloor.settings import VARIABLES

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = [name for name, service in COMPOSE["services"].items() if service["image"] == "shopfloor"]


class TestCompose:
    @pytest.mark.parametrize("name", OURS)
    def test_each_part_of_ours_runs_a_verb_that_exists(self, name: str) -> None:
        command = COMPOSE["services"][name]["command"]
        assert CliRunner().invoke(app, [command[0], "--help"]).exit_code == 0

    @pytest.mark.parametrize("name", OURS)
    def test_each_part_of_ours_sets_variables_that_exist_and_demands_keys(self, name: str) -> None:
        environment = COMPOSE["services"][name]["environment"]
        assert set(environment) <= set(VARIABLES)
        assert environment["SHOPFLOOR_KEYS"].startswith("${SHOPFLOOR_KEYS:?")

    def test_ports_are_published_on_loopback_only(self) -> None:
        ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
        assert ports
        assert all(port.startswith("127.0.0.1:") for port in ports)

    def test_what_a_part_waits_for_has_a_health_check(self) -> None:
        services = COMPOSE["services"]
        waited_for = {needed for name in OURS for needed in services[name]["depends_on"]}
        assert all("test" in services[needed]["healthcheck"] for needed in waited_for)
        volumes = {mount.split(":")[0] for service in services.values() for mount in service.get("volumes", [])}
        assert volumes == set(COMPOSE["volumes"])


class TestDockerfile:
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    def test_it_runs_as_an_ordinary_user_and_is_checked(self) -> None:
        instructions = [line.split()[0] for line in self.lines if line[:1].isupper()]
        assert "HEALTHCHECK" in instructions
        assert [line for line in self.lines if line.startswith("USER")] == ["USER shopfloor"]

    def test_it_copies_every_package_and_installs_only_what_is_hashed(self) -> None:
        text = "\n".join(self.lines)
        for package in ("shopfloor", "serving", "training", "ingestion", "feature_repo"):
            assert f"COPY {package} {package}" in text
        assert "--require-hashes" in text
