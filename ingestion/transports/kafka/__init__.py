"""The log on Apache Kafka, for shops that have one."""

from ingestion.transports.kafka.log import KafkaLog

__all__ = ["KafkaLog"]
