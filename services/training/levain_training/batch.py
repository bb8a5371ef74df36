"""Worker -> batch -> child processes: one task is trained, and a child that dies, hangs or is full costs at most the product at work.

A task goes on to the child as it came: only the child reads the series.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from pydantic import TypeAdapter

from levain_contracts.model import clip
from levain_contracts.task_text import Outline
from levain_contracts.tasks import FailedProduct, ProductResult, UnreadableWork, decode_task, encode
from levain_training.children import ChildDied, ChildPool, ChildSilent
from levain_training.forecasting.calls import UNREADABLE, WORKING_ON
from levain_training.forecasting.session import trainer_failed

log = logging.getLogger(__name__)

# A result, and its JSON as the child wrote it.
Deliver = Callable[[ProductResult, bytes], Awaitable[None]]

_RESULT: TypeAdapter[ProductResult] = TypeAdapter(ProductResult)


@dataclass(frozen=True)
class _Death:
    reason: str
    message: str
    product_id: str | None
    seconds: float


class Batch:
    """One task, as its bytes and their outline.

    `run` gives `deliver` one result per product; `rest` is what has none yet, if `run` was stopped or cancelled before its end.

    `enough` is asked after each product: a true answer stops politely. `product_seconds` bounds each product, None doesn't.
    """

    def __init__(
        self, body: bytes, outline: Outline, pool: ChildPool, deliver: Deliver, enough: Callable[[], bool], product_seconds: float | None
    ) -> None:
        self._body = body
        self._outline = outline
        self._pool = pool
        self._deliver = deliver
        self._enough = enough
        self._product_seconds = product_seconds
        self._waiting = dict.fromkeys(outline.product_ids)
        self._each_alone = outline.alone
        self._at_work: str | None = None

    def rest(self) -> bytes | None:
        """A task of the same batch with the products that wait. `alone` when it is not known which of them killed a process."""
        return self._with(self._waiting, alone=self._each_alone) if self._waiting else None

    async def run(self) -> None:
        """Raises `UnreadableWork` when the child can't read the task."""
        while self._waiting and not self._enough():
            if self._each_alone:
                await self._last_chance(next(iter(self._waiting)))
                continue
            death = await self._train(list(self._waiting), alone=False)
            if death is None:
                continue
            if death.product_id is None:
                self._each_alone = True
            else:
                await self._last_chance(death.product_id, again=True)

    async def _last_chance(self, product_id: str, *, again: bool = False) -> None:
        """Alone in a child; a product whose child dies once more has failed."""
        death = await self._train([product_id], alone=True)
        if death is not None:
            message = f"{death.message}, and again when it was trained alone" if again else death.message
            failed = FailedProduct(product_id=product_id, reason=death.reason, message=clip(message), train_seconds=death.seconds)
            await self._end(failed)

    async def _train(self, some: Collection[str], *, alone: bool) -> _Death | None:
        """One call. None when it ended by itself, or there is enough."""
        clock = asyncio.get_running_loop().time
        started, self._at_work = clock(), None
        try:
            await self._call(some, alone=alone)
        except (ChildDied, ChildSilent) as error:
            fields = {"product_id": self._at_work, "reason": error.reason}
            log.warning("training died: %s", error, extra=fields)
            return _Death(error.reason, str(error), self._at_work, min(clock() - started, 1e6))
        return None

    def _with(self, some: Collection[str], *, alone: bool) -> bytes:
        if len(some) == len(self._outline.series) and alone == self._outline.alone:
            return self._body
        task = decode_task(self._body)
        series = [s for s in task.series if s.product_id in some]
        return encode(task.model_copy(update={"series": series, "alone": alone}))

    async def _call(self, some: Collection[str], *, alone: bool) -> None:
        payload = await asyncio.to_thread(self._with, some, alone=alone)
        async with self._pool.lease(fresh=alone) as child:
            by_product = False
            async for message in child.call("train", payload, silence_timeout_seconds=self._product_seconds):
                kind, body = message[:1], message[1:]
                if kind == WORKING_ON:
                    self._at_work, by_product = body.decode(), True
                    continue
                if kind == UNREADABLE:
                    raise UnreadableWork(body.decode())
                await self._end(_RESULT.validate_json(body), body)
                if by_product and self._enough():
                    return
        for product_id in some:
            if product_id in self._waiting:
                await self._end(trainer_failed(product_id, "its process gave no result"))

    async def _end(self, result: ProductResult, text: bytes | None = None) -> None:
        """Delivered first, struck off then: what is cancelled in between is done again."""
        if result.product_id in self._waiting:
            await self._deliver(result, text or result.model_dump_json().encode())
            del self._waiting[result.product_id]
        if result.product_id == self._at_work:
            self._at_work = None
