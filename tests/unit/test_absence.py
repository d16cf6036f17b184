"""A test whose real server cannot be had: skipped on a desk, failed in CI."""

import pytest

from tests.servers.absence import missing

REASON = r"redis-server is missing: install Redis"


@pytest.mark.parametrize("ci", [None, "", "0", "false"])
def test_on_a_desk_it_is_skipped_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch, ci: str | None) -> None:
    set_ci(monkeypatch, ci)
    with pytest.raises(pytest.skip.Exception, match=REASON):
        missing("redis-server", "install Redis")


@pytest.mark.parametrize("ci", ["1", "true", "True"])
def test_in_ci_it_fails(monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    set_ci(monkeypatch, ci)
    with pytest.raises(pytest.fail.Exception, match=REASON):
        missing("redis-server", "install Redis")


def set_ci(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("CI", raising=False)
    if value is not None:
        monkeypatch.setenv("CI", value)
