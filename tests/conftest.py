"""The real servers that tests may ask for: ``kafka`` and ``redis_url``."""

pytest_plugins = ["tests.servers.kafka_server", "tests.servers.redis_server"]
