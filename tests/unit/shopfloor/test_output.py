"""What commands say, where customers, items and markets have names that look like Rich's markup."""

import pytest
from rich.console import Console
from rich.table import Table

from shopfloor.output import Output, by_step

NAMES = ("bot[/x]", "[red]", "[/red]", ":smile:", "a[b]c", "[link=x")


@pytest.mark.parametrize("name", NAMES)
class TestNamesThatLookLikeMarkup:
    def test_in_a_note(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        Output().note(f"left out, looks like a bot: u:{name}: 1,200 events")
        assert capsys.readouterr().err == f"left out, looks like a bot: u:{name}: 1,200 events\n"

    def test_in_an_error(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        Output().error(f"no customer {name}")
        assert capsys.readouterr().err == f"error: no customer {name}\n"

    def test_in_a_result(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        Output().result({}, lambda console: console.print(f"Nothing of {name}."))
        assert capsys.readouterr().out == f"Nothing of {name}.\n"

    def test_in_a_table(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        def show(console: Console) -> None:
            table = Table("market", name, title=f"of {name}")
            table.add_row(f"<{name}>", "1")
            console.print(table)

        Output().result({}, show)
        drawn = capsys.readouterr().out
        assert f"of {name}" in drawn
        assert f"<{name}>" in drawn
        assert f"{name} " in drawn.replace(f"of {name}", "")

    def test_in_the_name_of_a_step(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        with Output().progress() as bars:
            by_step(bars)(f"fit {name}", 1, 1)
        assert f"fit {name}" in capsys.readouterr().err
