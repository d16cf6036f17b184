"""The real servers that tests may ask for: ``kafka`` and ``redis_url``, and ``event_log`` on each kind of log."""

pytest_plugins = ["tests.servers.event_log", "tests.servers.kafka_server", "tests.servers.redis_server"]
