"""What exists on RabbitMQ, declared in this one place: two exchanges, three quorum queues and their bindings."""

from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed

from levain_broker.errors import BrokerUnavailable
from levain_contracts.topics import DELIVERY_LIMIT, EVENTS_EXCHANGE, WORK_EXCHANGE, WorkQueue

Arguments = dict[str, Any]


class DeclaredOtherwise(BrokerUnavailable):
    """Something exists with other arguments. The connection is none the worse for it."""


def queue_arguments(server_version: str, max_messages: int, max_bytes: int) -> dict[WorkQueue, Arguments]:
    """Quorum queues, bounded by refusing what is published over the bound; a refused message is the sender's to send again."""
    quorum: Arguments = {"x-queue-type": "quorum", "x-overflow": "reject-publish"}
    bounded = quorum | {"x-max-length": max_messages, "x-max-length-bytes": max_bytes}
    # From 4.0 on a quorum queue drops a message after 20 deliveries unless it is told -1, which 3.x takes for a limit below 0.
    unlimited: Arguments = {} if server_version.startswith("3.") else {"x-delivery-limit": -1}
    dead_letters = {
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": WORK_EXCHANGE,
        "x-dead-letter-routing-key": WorkQueue.DEAD_TASKS.value,
        "x-dead-letter-strategy": "at-least-once",
    }
    return {
        WorkQueue.TASKS: bounded | dead_letters,
        WorkQueue.RESULTS: bounded | unlimited,
        WorkQueue.DEAD_TASKS: quorum | unlimited,  # the bound of the tasks is its bound too; its own would hold them up
    }


async def declare(channel: AbstractChannel, arguments: dict[WorkQueue, Arguments]) -> None:
    """Idempotent. Where this user may not declare, others have or will. Raises `DeclaredOtherwise`."""
    try:
        await channel.declare_exchange(EVENTS_EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
        work = await channel.declare_exchange(WORK_EXCHANGE, aio_pika.ExchangeType.DIRECT, durable=True)
        for queue, given in arguments.items():
            declared = await channel.declare_queue(queue.value, durable=True, arguments=given)
            await declared.bind(work, queue.value)
    except ChannelAccessRefused:
        return
    except ChannelPreconditionFailed as error:
        raise DeclaredOtherwise(f"{error.args[0]}: delete it on the broker, and it is declared anew") from None
