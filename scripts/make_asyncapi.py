"""Writes docs/asyncapi.yaml from the contracts. With `--check` it writes nothing and exits 1 where the file differs."""

import argparse
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema
from pydantic_core.core_schema import DataclassField, ModelField, TypedDictField

from levain_contracts import topics
from levain_contracts.closecodes import TABLE
from levain_contracts.events import CONTENT_TYPE, ENVELOPES
from levain_contracts.frames import BEARER_PROTOCOL_PREFIX, FRAME_DATA, MAX_CLIENT_MESSAGE_BYTES, PROTOCOL, Frame, FrameType, Ping, Pong
from levain_contracts.ids import ID_PATTERN
from levain_contracts.tasks import ResultChunk, TrainingTask
from levain_contracts.topics import DELIVERY_LIMIT, WorkQueue

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "asyncapi.yaml"
BINDING_VERSION = {"amqp": "0.3.0", "ws": "0.1.0"}
Json = dict[str, Any]

EVENT_SUMMARIES = {
    "training.started": "The job was accepted.",
    "training.progress": "The data analysis is done.",
    "training.product.completed": "One product ended, trained or failed.",
    "training.completed": "Every product ended, at least one is trained.",
    "training.failed": "The job can't succeed, was cancelled, or lost more products than it may.",
}
WORK: dict[WorkQueue, tuple[type[BaseModel], str, str]] = {
    WorkQueue.TASKS: (
        TrainingTask,
        "A batch of products to train.",
        f"Delivered at most {DELIVERY_LIMIT + 1} times without an acknowledgement, then dead-lettered.",
    ),
    WorkQueue.RESULTS: (ResultChunk, "Results of products, in the order in which they ended.", "Redelivered without a limit."),
    WorkQueue.DEAD_TASKS: (TrainingTask, "Tasks whose worker died each time.", "Read by the training service."),
}


class _AsWritten(GenerateJsonSchema):
    def field_is_required(self, field: ModelField | DataclassField | TypedDictField, total: bool) -> bool:
        return True  # our producers write every field, defaults too


def ref(*path: str) -> Json:
    return {"$ref": "#/" + "/".join(path)}


def bindings(protocol: str, content: Json) -> Json:
    return {protocol: content | {"bindingVersion": BINDING_VERSION[protocol]}}


def schemas() -> Json:
    models: list[type[BaseModel]] = [*ENVELOPES.values(), TrainingTask, ResultChunk, Frame, *FRAME_DATA.values(), Ping, Pong]
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(m, "serialization") for m in dict.fromkeys(models)]
    _, made = models_json_schema(wanted, ref_template="#/components/schemas/{model}", schema_generator=_AsWritten)
    plain: Json = _asyncapi_dialect(made["$defs"])
    return dict(sorted((plain | {frame_schema_name(kind): frame_schema(kind) for kind in FrameType}).items()))


def _asyncapi_dialect(node: Any) -> Any:
    """AsyncAPI's `discriminator` is the property's name, where OpenAPI's is an object."""
    if isinstance(node, list):
        return [_asyncapi_dialect(n) for n in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _asyncapi_dialect(value) for key, value in node.items()}
    if isinstance(found := changed.get("discriminator"), dict):
        changed["discriminator"] = found["propertyName"]
    return changed


def frame_schema_name(kind: FrameType) -> str:
    return "".join(word.capitalize() for word in kind.value.split("_")) + "Frame"


def frame_schema(kind: FrameType) -> Json:
    narrowed = {"type": {"const": kind.value}, "data": ref("components", "schemas", FRAME_DATA[kind].__name__)}
    return {"allOf": [ref("components", "schemas", "Frame"), {"type": "object", "properties": narrowed}]}


def message(name: str, schema: str, content_type: str, summary: str) -> Json:
    return {"name": name, "summary": summary, "contentType": content_type, "payload": ref("components", "schemas", schema)}


def messages() -> Json:
    events = {
        kind.value: message(kind.value, model.__name__, CONTENT_TYPE, EVENT_SUMMARIES[kind.value]) for kind, model in ENVELOPES.items()
    }
    work = {
        queue.value: message(model.__name__, model.__name__, "application/json", summary) for queue, (model, summary, _) in WORK.items()
    }
    frames = {f"frame.{kind.value}": message(kind.value, frame_schema_name(kind), "application/json", _about(kind)) for kind in FrameType}
    pings = {
        "ping": message("ping", "Ping", "application/json", f"At most {MAX_CLIENT_MESSAGE_BYTES} bytes."),
        "pong": message("pong", "Pong", "application/json", "The answer to a ping."),
    }
    return events | work | frames | pings


def _about(kind: FrameType) -> str:
    if kind is FrameType.SNAPSHOT:
        return "The job as the store has it: always the first frame, and again where news may be missing."
    return "The event of this type, for viewers."


def event_channel() -> Json:
    exchange = {"name": topics.EVENTS_EXCHANGE, "type": "topic", "durable": True, "autoDelete": False}
    return {
        "address": "{routing_key}",
        "title": "Events of jobs",
        "description": f"At most once, to whoever watches now. Bind with `{topics.EVENTS_BINDING}`. "
        "A message's routing key is its `type`; a consumer skips types and fields that it does not know.",
        "servers": [ref("servers", "broker")],
        "parameters": {"routing_key": {"description": "The event's type.", "enum": [kind.value for kind in ENVELOPES]}},
        "messages": {kind.value: ref("components", "messages", kind.value) for kind in ENVELOPES},
        "bindings": bindings("amqp", {"is": "routingKey", "exchange": exchange}),
    }


def work_channel(queue: WorkQueue) -> Json:
    _, title, rule = WORK[queue]
    declared = {"name": queue.value, "durable": True, "exclusive": False, "autoDelete": False}
    return {
        "address": queue.value,
        "title": title,
        "description": f"A quorum queue on the direct exchange `{topics.WORK_EXCHANGE}`; overflow `reject-publish`. At least once. {rule}",
        "servers": [ref("servers", "broker")],
        "messages": {queue.value: ref("components", "messages", queue.value)},
        "bindings": bindings("amqp", {"is": "queue", "queue": declared}),
    }


def live_channel() -> Json:
    ident = {"description": f"Matches {ID_PATTERN}"}
    names = [*(f"frame.{kind.value}" for kind in FrameType), "ping", "pong"]
    return {
        "address": "/api/v1/tenants/{tenant_id}/training/jobs/{job_id}/live",
        "title": "One job, live",
        "description": f"Sub-protocol `{PROTOCOL}`. The token is `{BEARER_PROTOCOL_PREFIX}<token>` beside it, "
        "a Bearer header or `?token=`: exactly one. A viewer's state is a join: order and duplicates of frames don't matter.",
        "servers": [ref("servers", "gateway")],
        "parameters": {"tenant_id": ident, "job_id": ident},
        "messages": {name: ref("components", "messages", name) for name in names},
        "bindings": bindings("ws", {"method": "GET"}),
        "x-close-codes": {str(code.value): {"meaning": row.meaning, "client": row.client} for code, row in TABLE.items()},
    }


def operation(action: str, channel: str, summary: str, names: list[str]) -> Json:
    picked = [ref("channels", channel, "messages", name) for name in names]
    return {"action": action, "channel": ref("channels", channel), "summary": summary, "messages": picked}


def operations() -> Json:
    """As seen from the training service."""
    tasks, results, dead = WorkQueue.TASKS.value, WorkQueue.RESULTS.value, WorkQueue.DEAD_TASKS.value
    frames = [f"frame.{kind.value}" for kind in FrameType]
    events = [kind.value for kind in ENVELOPES]
    return {
        "publishEvents": operation("send", topics.EVENTS_EXCHANGE, "Tells every replica what happened to a job.", events),
        "watchEvents": operation("receive", topics.EVENTS_EXCHANGE, "One exclusive queue a replica, handed to its hub.", events),
        "sendTasks": operation("send", tasks, "Sends batches to the workers.", [tasks]),
        "takeResults": operation("receive", results, "Stores what the workers made.", [results]),
        "takeDeadTasks": operation("receive", dead, "Sends each product once more alone, or records it as failed.", [dead]),
        "sendFrames": operation("send", "live", "A snapshot first, then live frames; after a terminal frame 1000.", [*frames, "pong"]),
        "receivePings": operation("receive", "live", "A viewer asks whether the line is alive.", ["ping"]),
    }


def document() -> Json:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    license_ = {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}
    about = "Events, work and live frames of Levain's training service. Generated from libs/levain_contracts by scripts/make_asyncapi.py."
    made = {
        "asyncapi": "3.0.0",
        "info": {"title": "Levain", "version": version, "description": about, "license": license_},
        "defaultContentType": "application/json",
        "servers": {
            "broker": {"host": "rabbitmq:5672", "protocol": "amqp", "description": "RabbitMQ, inside the installation."},
            "gateway": {"host": "localhost:8080", "protocol": "wss", "description": "The one door for viewers."},
        },
        "channels": {topics.EVENTS_EXCHANGE: event_channel()} | {q.value: work_channel(q) for q in WORK} | {"live": live_channel()},
        "operations": operations(),
        "components": {"messages": messages(), "schemas": schemas()},
    }
    plain: Json = json.loads(json.dumps(made))  # no object twice, so no YAML anchors
    return plain


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("target", type=Path, nargs="?", default=TARGET)
    args = parser.parse_args()
    text = yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=120)
    if not args.check:
        args.target.write_text(text, encoding="utf-8")
    elif not args.target.is_file() or args.target.read_text(encoding="utf-8") != text:
        print(f"{args.target.name} differs from the contracts: run make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
