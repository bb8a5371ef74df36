"""Work and results as text: made from texts that were validated where they were made, and looked at without reading the series.

Validating and writing 256 series of two years takes about as long as forecasting a third of them, and a task passes four hands.
"""

from collections.abc import Sequence

from pydantic import Field, ValidationError

from levain_contracts.model import Code, Id, Wire
from levain_contracts.tasks import MAX_BATCH_PRODUCTS, BatchNumber, RequestId, TrainingTask, UnreadableWork, complaint

_OPEN_END = '"calendars":[],"series":[]}'


class _Product(Wire):
    product_id: Id


class Outline(Wire):
    """What a worker must know of a task to have it trained."""

    tenant_id: Id
    job_id: Id
    request_id: RequestId | None = None
    batch: BatchNumber
    alone: bool = False
    model: Code
    series: list[_Product] = Field(min_length=1, max_length=MAX_BATCH_PRODUCTS)

    @property
    def product_ids(self) -> list[str]:
        return [series.product_id for series in self.series]


def outline(body: bytes) -> Outline:
    """Skips all other fields, whatever they hold. Raises `UnreadableWork`."""
    try:
        return Outline.model_validate_json(body, extra="ignore")
    except ValidationError as error:
        raise UnreadableWork(complaint(error)) from error


def splice(head: TrainingTask, calendars: Sequence[str], series: Sequence[str]) -> bytes:
    """The bytes of the task with these `ShopCalendar` and `Series`, each as its JSON text. `head` has none of either."""
    text = head.model_dump_json()
    assert text.endswith(_OPEN_END), text
    return f'{text[: -len(_OPEN_END)]}"calendars":[{",".join(calendars)}],"series":[{",".join(series)}]}}'.encode()


def splice_results(of: Outline, results: Sequence[bytes]) -> bytes:
    """The bytes of a `ResultChunk` of the task with these results, each as its JSON."""
    head = f'{{"tenant_id":"{of.tenant_id}","job_id":"{of.job_id}","batch":{of.batch},"results":['  # ids need no escapes
    return b"".join((head.encode(), b",".join(results), b"]}"))
