"""The Redis that other tests rely on."""

import pytest
import redis


@pytest.mark.redis
def test_the_redis_of_the_tests_answers(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    assert client.set("shopfloor-test", "1", ex=10)
    assert client.get("shopfloor-test") == b"1"
    client.close()
