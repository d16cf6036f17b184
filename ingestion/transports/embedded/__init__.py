"""The embedded log: two SQLite files in a folder that several processes of one machine append to and read at once."""

from ingestion.transports.embedded.log import EmbeddedLog

__all__ = ["EmbeddedLog"]
