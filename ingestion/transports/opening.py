"""From an address in the settings to the log behind it."""

from pathlib import Path

from feature_repo.errors import Misconfigured
from ingestion.transports.embedded import EmbeddedLog
from ingestion.transports.log import EventLog


async def open_log(address: str, client_id: str) -> EventLog:
    """``kafka://host:9092[,host:9092]`` is Kafka, anything without a scheme is the folder of an embedded log.

    ``client_id`` names this process in the log's own records. Raises Misconfigured when the address or what it points
    at cannot be used, TryLater when it does not answer.
    """
    scheme, separator, _ = address.partition("://")
    if not separator:
        return await EmbeddedLog.open(Path(address), client_id)
    if scheme == "kafka":
        try:
            from ingestion.transports.kafka import KafkaLog  # the embedded log should not pay for aiokafka's import
        except ImportError as error:
            what = f"`events` is {address}, and this environment has no Kafka client ({error})"
            raise Misconfigured(f"{what}; install it with: pip install 'shopfloor[kafka]'") from error

        return await KafkaLog.open(address, client_id)
    raise Misconfigured(f"`events` has an address of an unknown kind ({scheme}://…); use a folder or kafka://host:9092")
