"""The adapters by name: RabbitMQ's needs a node, the one of the test process or that of `LEVAIN_TEST_AMQP_URL`."""

import os
from functools import partial

import pytest
from tests.broker.harness import Adapter, memory, rabbit

EXISTING_NODE = "LEVAIN_TEST_AMQP_URL"


@pytest.fixture
def amqp_url(request: pytest.FixtureRequest) -> str:
    url = os.environ.get(EXISTING_NODE)
    return url if url else str(request.getfixturevalue("rabbitmq").url)


@pytest.fixture
def adapter(request: pytest.FixtureRequest) -> Adapter:
    if request.param == "memory":
        return memory
    return partial(rabbit, request.getfixturevalue("amqp_url"))
