"""Worker -> batch -> child processes: one task is trained, and a child that dies, hangs or is full costs at most the product at work."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from levain_contracts.model import clip
from levain_contracts.tasks import FailedProduct, ProductResult, Series, TrainingTask, encode
from levain_training.children import ChildDied, ChildPool, ChildSilent
from levain_training.forecasting.calls import WORKING_ON
from levain_training.forecasting.session import trainer_failed

log = logging.getLogger(__name__)

Deliver = Callable[[ProductResult, int], Awaitable[None]]

_RESULT: TypeAdapter[ProductResult] = TypeAdapter(ProductResult)


@dataclass(frozen=True)
class _Death:
    reason: str
    message: str
    product_id: str | None
    seconds: float


class Batch:
    """`run` gives `deliver` one result per product; `rest` is what has none yet, if `run` was stopped or cancelled before its end.

    `enough` is asked after each product: a true answer stops politely. `product_seconds` bounds each product, None doesn't.
    """

    def __init__(
        self, task: TrainingTask, pool: ChildPool, deliver: Deliver, enough: Callable[[], bool], product_seconds: float | None
    ) -> None:
        self._task = task
        self._pool = pool
        self._deliver = deliver
        self._enough = enough
        self._product_seconds = product_seconds
        self._waiting = {s.product_id: s for s in task.series}
        self._each_alone = task.alone
        self._at_work: str | None = None

    def rest(self) -> TrainingTask | None:
        """The same batch with the products that wait. `alone` when it is not known which of them killed a process."""
        waiting = list(self._waiting.values())
        return self._task.model_copy(update={"series": waiting, "alone": self._each_alone}) if waiting else None

    async def run(self) -> None:
        while self._waiting and not self._enough():
            if self._each_alone:
                await self._last_chance(next(iter(self._waiting)))
                continue
            death = await self._train(list(self._waiting.values()), alone=False)
            if death is None:
                continue
            if death.product_id is None:
                self._each_alone = True
            else:
                await self._last_chance(death.product_id, again=True)

    async def _last_chance(self, product_id: str, *, again: bool = False) -> None:
        """Alone in a child; a product whose child dies once more has failed."""
        death = await self._train([self._waiting[product_id]], alone=True)
        if death is not None:
            message = f"{death.message}, and again when it was trained alone" if again else death.message
            failed = FailedProduct(product_id=product_id, reason=death.reason, message=clip(message), train_seconds=death.seconds)
            await self._end(failed, len(message))

    async def _train(self, some: Sequence[Series], *, alone: bool) -> _Death | None:
        """One call. None when it ended by itself, or there is enough."""
        clock = asyncio.get_running_loop().time
        started, self._at_work = clock(), None
        try:
            await self._call(self._task.model_copy(update={"series": list(some), "alone": alone}))
        except (ChildDied, ChildSilent) as error:
            fields = {"job_id": self._task.job_id, "product_id": self._at_work, "reason": error.reason}
            log.warning("training died: %s", error, extra=fields)
            return _Death(error.reason, str(error), self._at_work, min(clock() - started, 1e6))
        return None

    async def _call(self, task: TrainingTask) -> None:
        payload = await asyncio.to_thread(encode, task)
        async with self._pool.lease(fresh=task.alone) as child:
            by_product = False
            async for message in child.call("train", payload, silence_timeout_seconds=self._product_seconds):
                kind, body = message[:1], message[1:]
                if kind == WORKING_ON:
                    self._at_work, by_product = body.decode(), True
                    continue
                await self._end(_RESULT.validate_json(body), len(body))
                if by_product and self._enough():
                    return
        for series in task.series:
            if series.product_id in self._waiting:
                await self._end(trainer_failed(series.product_id, "its process gave no result"), 0)

    async def _end(self, result: ProductResult, size_bytes: int) -> None:
        """Delivered first, struck off then: what is cancelled in between is done again."""
        if result.product_id in self._waiting:
            await self._deliver(result, size_bytes)
            del self._waiting[result.product_id]
        if result.product_id == self._at_work:
            self._at_work = None
