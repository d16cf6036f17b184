"""The address of a Kafka log, and what goes wrong when it does not answer.

``kafka://host:9092``, ``kafka://one:9092,two:9092``,
``kafka://user:password@host:9092?security=SASL_SSL&mechanism=SCRAM-SHA-512&prefix=shop1.``

| parameter   | meaning                                                                      |
|-------------|------------------------------------------------------------------------------|
| `security`  | PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL; by default the last, or the first without a user |
| `mechanism` | PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 (default)                              |
| `ca`        | file of the brokers' certificate authority; by default the system's          |
| `prefix`    | begins the name of every topic and group, so that shops can share a cluster  |
| `static`    | `true`: a restarted member gets its partitions back without a rebalance; client ids must differ |

User and password are percent-encoded where they hold ``@ : / ?``. Nothing here ever shows the password.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from aiokafka import errors

from feature_repo.errors import Misconfigured, ShopfloorError, TooLarge, TryLater

_FORM: Final = "kafka://host:9092 or kafka://user:password@host:9092?security=SASL_SSL&mechanism=SCRAM-SHA-512"
_SECURITY: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_DEFAULT_MECHANISM: Final = "SCRAM-SHA-512"
_PARAMETERS: Final = ("security", "mechanism", "ca", "prefix", "static")
_PROBE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    servers: str
    """``host:port``, several with commas between them."""
    user: str = ""
    password: str = field(default="", repr=False)
    security: str = "PLAINTEXT"
    mechanism: str = _DEFAULT_MECHANISM
    ca: str | None = None
    prefix: str = ""
    static: bool = False

    @classmethod
    def parse(cls, address: str) -> Self:
        """Misconfigured, without showing the password, when the address does not have the form above."""
        parts = urlsplit(address)
        login, _, servers = parts.netloc.rpartition("@")
        user, _, password = login.partition(":")
        values = dict(parse_qsl(parts.query, keep_blank_values=True))
        for name in values:
            if name not in _PARAMETERS:
                raise Misconfigured(
                    f"the Kafka address {servers} has the unknown parameter {name!r}; there are {_listed(_PARAMETERS)}"
                )
        if parts.scheme != "kafka" or not all(_is_server(server) for server in servers.split(",")):
            raise Misconfigured(f"{parts.scheme}://{servers} is not the address of a Kafka; write it as {_FORM}")
        security = values.get("security", "SASL_SSL" if user else "PLAINTEXT").upper()
        mechanism = values.get("mechanism", _DEFAULT_MECHANISM).upper()
        _one_of("security", security, _SECURITY, servers)
        _one_of("mechanism", mechanism, _MECHANISMS, servers)
        if bool(user) != security.startswith("SASL"):
            raise Misconfigured(
                f"the Kafka address {servers} has security={security} {'and' if user else 'but no'} user:password@; "
                "SASL needs a user and the others take none"
            )
        return cls(
            servers=servers, user=unquote(user), password=unquote(password), security=security, mechanism=mechanism,
            ca=values.get("ca"), prefix=values.get("prefix", ""), static=values.get("static", "").lower() == "true",
        )  # fmt: skip

    def client_options(self) -> dict[str, Any]:
        """What every aiokafka client is opened with."""
        options: dict[str, Any] = {"bootstrap_servers": self.servers.split(","), "security_protocol": self.security}
        if self.security.endswith("SSL"):
            try:
                options["ssl_context"] = ssl.create_default_context(cafile=self.ca)
            except OSError as error:
                raise Misconfigured(f"the ca file {self.ca} of the Kafka address cannot be read: {error}") from error
        if self.user:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return options

    async def unreachable(self) -> TryLater:
        """What to check. A refused login looks to a client like a broker that is down; a bare connection tells."""
        for server in self.servers.split(","):
            host, _, port = server.rpartition(":")
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_PROBE_SECONDS):
                    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                writer.close()
                login = f"user {self.user!r}, its password, mechanism={self.mechanism} and " if self.user else ""
                return TryLater(
                    f"{server} takes connections but does not serve us as Kafka; unless it is still starting, check "
                    f"{login}security={self.security} of the address in `events`",
                    retry_after=5.0,
                )
        return TryLater(
            f"no Kafka broker answers at {self.servers}; check that it runs and the address in `events`",
            retry_after=5.0,
        )


@contextmanager
def kafka_errors(address: KafkaAddress) -> Iterator[None]:
    """Raise aiokafka's failures as Shopfloor's errors."""
    try:
        yield
    except (errors.KafkaError, TimeoutError) as error:
        raise _told(error, address) from error


def _told(error: Exception, address: KafkaAddress) -> ShopfloorError:
    name = type(error).__name__
    match error:
        case errors.MessageSizeTooLargeError() | errors.RecordListTooLargeError():
            return TooLarge(
                f"Kafka at {address.servers} refused a record as too large; raise max.message.bytes of its topics"
            )
        case (
            errors.TopicAuthorizationFailedError()
            | errors.GroupAuthorizationFailedError()
            | errors.ClusterAuthorizationFailedError()
        ):
            return Misconfigured(
                f"Kafka at {address.servers} does not let user {address.user!r} do this ({name}); it needs to read, "
                f"write and create the topics and groups that begin with {address.prefix!r}"
            )
    return TryLater(
        f"Kafka at {address.servers} did not do it ({name}); check that its brokers are up, then repeat",
        retry_after=2.0,
    )


def _is_server(server: str) -> bool:
    host, _, port = server.rpartition(":")
    return bool(host) and port.isdigit()


def _one_of(name: str, value: str, allowed: tuple[str, ...], servers: str) -> None:
    if value not in allowed:
        raise Misconfigured(f"the Kafka address {servers} has {name}={value}; it is one of {_listed(allowed)}")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)
