"""`levain demo`: the whole system on the shipped sample, from an empty folder to a drawn forecast."""

import asyncio
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path

from levain import embedded
from levain.chart import room
from levain.client import Api, connected
from levain.contact import Contact
from levain.errors import ExitCode
from levain.forecasting import drawing, sales_of, with_history
from levain.formatting import series_name
from levain.page import link, page_folder
from levain.shipped import SAMPLE
from levain.summary import best_seller, outcome, read_forecasts, score_lines, table
from levain.target import DEFAULT_TENANT, target
from levain.training import Screen, exit_code, follow, new_job_id
from levain_contracts.jobs import JobState
from levain_contracts.resources import Job, JobSpec

TOKEN_HOURS = 24


async def demo(screen: Screen, environment: Mapping[str, str], *, model: str, workers: int | None) -> int:
    with tempfile.TemporaryDirectory(prefix="levain-", ignore_cleanup_errors=True) as folder:
        page = page_folder(environment)
        async with embedded.running(Path(folder), workers=workers, sample=SAMPLE, warm=model, page=page) as stack:
            contact = Contact()
            token = stack.token(DEFAULT_TENANT, hours=TOKEN_HOURS)
            if page is not None:
                screen.say(f"page  {link(stack.url, token)}")
            async with connected(target(stack.url, token, DEFAULT_TENANT, environment), contact) as api:
                job = await _train_sample(api, screen, contact, model)
            screen.say("")
            screen.say(f"open  {stack.url}/")
            screen.say(f"token {token}")
            if page is not None:
                screen.say(f"page  {link(stack.url, token)}")
            if screen.out.terminal:
                await _stay(screen)
            return exit_code(job)


async def _train_sample(api: Api, screen: Screen, contact: Contact, model: str) -> Job:
    job_id = new_job_id()
    await api.put_job(job_id, JobSpec.model_validate({"dataset": {"name": "sample"}, "model": model}))
    job, _ = await follow(api, job_id, screen, contact)
    await _conclude(api, job, screen)
    return job


async def _conclude(api: Api, job: Job, screen: Screen) -> None:
    screen.say(outcome(job))
    if job.state is not JobState.COMPLETED:
        return
    collected = io.BytesIO()
    await api.save_forecasts(job.job_id, collected)
    forecasts = read_forecasts(collected.getvalue().decode())
    products = [p async for p in api.products(job.job_id)]
    screen.say("")
    screen.out.draw(table(products, forecasts))
    for line in score_lines(products):
        screen.say(line)
    if best := best_seller(forecasts):
        shop, product = best
        screen.say("")
        screen.say(series_name(product, shop))
        days = with_history(sales_of(product, SAMPLE), forecasts[best], room(screen.out.width))
        for line in drawing(days, screen.out):
            screen.say(line)


async def _stay(screen: Screen) -> ExitCode:
    screen.say("Ctrl-C ends it.")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        pass
    return ExitCode.COMPLETED
