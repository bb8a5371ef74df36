"""`levain train` and `watch`: a file -> dataset -> job -> its live end -> summary, OUT.csv and exit code."""

import re
import tempfile
import unicodedata
import uuid
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from levain.baking import save_forecasts
from levain.bars import BarsView
from levain.client import Api, connected
from levain.contact import Contact
from levain.errors import BadInput, ExitCode
from levain.jsonl import JsonView
from levain.levels import Levels
from levain.live import LiveJob
from levain.outfile import check_writable, replacing
from levain.output import Output
from levain.plain import PlainView
from levain.summary import outcome_lines
from levain.target import target
from levain_contracts.ids import MAX_ID_CHARS, is_id
from levain_contracts.jobs import JobState
from levain_contracts.resources import Job, JobSpec

# A job that ended for one of these before its data was read says nothing against the data.
_NOT_THE_DATA = frozenset({"cancelled", "deadline_exceeded", "analysis_failed", "dataset_deleted"})


_CALENDAR = "-calendar"  # behind the name of the sales, as the name under which their calendar is uploaded


class Screen(NamedTuple):
    """Where a command writes: results to `out`, everything about the way there to `err` when `json` has `out` for itself."""

    out: Output
    err: Output
    json: bool = False

    def say(self, line: str) -> None:
        (self.err if self.json else self.out).line(line)


class Training(NamedTuple):
    """What `levain train` was asked for."""

    file: Path
    dataset: str
    spec: JobSpec
    forecasts: Path | None = None
    calendar: Path | None = None
    levels: Levels | None = None


def training(
    file: Path,
    dataset: str | None,
    forecasts: Path | None,
    calendar: Path | None = None,
    levels: Levels | None = None,
    **spec: object,
) -> Training:
    """Checked before anything starts. Raises `BadInput` that names the option."""
    name = dataset_name(file) if dataset is None else dataset
    if not is_id(name):
        raise BadInput(f"--dataset {name!r}: a name has 1 to 63 lower-case letters, digits and dashes")
    if forecasts is not None:
        check_writable(forecasts)
    elif levels is not None:
        raise BadInput("how many to bake is written to a file: name it by --forecasts")
    if calendar is not None:
        spec["calendar"] = f"{name[: MAX_ID_CHARS - len(_CALENDAR)]}{_CALENDAR}"
    try:
        return Training(file, name, JobSpec.model_validate({"dataset": {"name": name}, **spec}), forecasts, calendar, levels)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BadInput(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def dataset_name(file: Path) -> str:
    """`Sales 2023 (été).csv` -> `sales-2023-ete`."""
    folded = unicodedata.normalize("NFKD", file.stem).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", folded).strip("-")[:63].strip("-") or "sales"


def new_job_id() -> str:
    return f"job-{uuid.uuid4().hex[:12]}"


async def train(api: Api, asked: Training, screen: Screen, contact: Contact) -> int:
    await api.upload(asked.dataset, asked.file)
    if asked.calendar is not None and asked.spec.calendar is not None:
        await api.upload(asked.spec.calendar, asked.calendar)
    job_id = new_job_id()
    await api.put_job(job_id, asked.spec)
    screen.say(f"job {job_id}")
    job, reported = await follow(api, job_id, screen, contact)
    _refuse_bad_data(job, asked.file)
    if job.state is JobState.COMPLETED and asked.forecasts is not None:
        with replacing(asked.forecasts) as file:
            remarks = await save_forecasts(api, job_id, file, asked.levels)
    await conclude(api, job, screen, reported=reported)
    if job.state is JobState.COMPLETED and asked.forecasts is not None:
        screen.say(f"forecasts written to {asked.forecasts}")
        for remark in remarks:
            screen.say(remark)
    return exit_code(job)


async def train_here(
    asked: Training, tenant: str, screen: Screen, patience_seconds: float, workers: int | None, environment: Mapping[str, str]
) -> int:
    """On an embedded stack that lives as long as the run, through its gateway and its live socket like any other client."""
    from levain import embedded

    with tempfile.TemporaryDirectory(prefix="levain-", ignore_cleanup_errors=True) as folder:
        async with embedded.running(Path(folder), workers=workers, warm=asked.spec.model) as stack:
            contact = Contact(patience_seconds)
            async with connected(target(stack.url, stack.token(tenant, hours=24), tenant, environment), contact) as api:
                return await train(api, asked, screen, contact)


async def watch(api: Api, job_id: str, screen: Screen, contact: Contact) -> int:
    if not is_id(job_id):
        raise BadInput(f"{job_id!r} is no job's id")
    job, reported = await follow(api, job_id, screen, contact)
    await conclude(api, job, screen, reported=reported)
    return exit_code(job)


async def follow(api: Api, job_id: str, screen: Screen, contact: Contact) -> tuple[Job, bool]:
    """Watches the job to its end. The job, and whether what the analysis says of its data was shown on the way."""
    view, entered = _view(screen)
    with entered:
        await LiveJob(api, job_id, view, contact).run()
    reported = isinstance(view, JsonView) or view.reported
    return await api.job(job_id), reported


async def conclude(api: Api, job: Job, screen: Screen, *, reported: bool) -> None:
    if not screen.json:
        for line in await outcome_lines(api, job, with_report=not reported):
            screen.say(line)


def exit_code(job: Job) -> ExitCode:
    return ExitCode.COMPLETED if job.state is JobState.COMPLETED else ExitCode.FAILED


def _refuse_bad_data(job: Job, file: Path) -> None:
    if job.state is JobState.FAILED and job.total_products is None and job.reason not in _NOT_THE_DATA:
        raise BadInput(f"{file}: {_as_options(job.message or '') or job.reason or 'the data can not be used'}")


def _as_options(message: str) -> str:
    """The API's names of reading options as this command spells them."""
    message = re.sub(r"\bcolumns\.(date|product|quantity|shop)\b", r"--\1-column", message)
    message = re.sub(r"\bset layout to\b", "set --layout", message)
    return re.sub(r"\bset decimal\b", "set --decimal", re.sub(r"\bdate_format\b", "--date-format", message))


def _view(screen: Screen) -> tuple[JsonView | PlainView | BarsView, "nullcontext[None] | BarsView"]:
    if screen.json:
        return JsonView(screen.out.line, screen.err.line, ascii_only=not screen.out.utf8), nullcontext()
    if screen.out.terminal:
        bars = BarsView(screen.out.console)
        return bars, bars
    return PlainView(screen.out.line), nullcontext()
