"""The API for workers elsewhere: claim, fetch, beat, finish; by a token with the scope ``work``."""

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select
from starlette.responses import Response, StreamingResponse

from overtrace.errors import NotFound
from overtrace.host.jobs import Claimed, Patience
from overtrace.host.outcome import Outcome
from overtrace.host.tables import Job, JobState, Submission
from overtrace.host.web.settings import Host, Settings
from overtrace.host.web.visitors import RemoteWorker
from overtrace.host.worker import LocalQueue

router = APIRouter(prefix="/api/v1/work", include_in_schema=False)


class Who(BaseModel):
    """A worker, as it calls itself."""

    worker: str = Field(min_length=1, max_length=60)


class Finished(BaseModel):
    """What came of a job."""

    claimed: Claimed
    outcome: Outcome


class GivenBack(BaseModel):
    """Why a job has to wait again."""

    claimed: Claimed
    why: str = Field(max_length=2000)
    counted: bool


class Held(BaseModel):
    """Whether the worker still has the job."""

    held: bool


@router.post("/claim")
def claim(who: Who, host: Host, token: RemoteWorker) -> Claimed | None:
    """The next job; null if there is none."""
    return _open(host).claim(f"{who.worker} ({token.id[-6:]})")


@router.post("/blob")
def blob(claimed: Claimed, host: Host, token: RemoteWorker) -> Response:
    """The answer of a job that is held."""
    with host.database.read() as session:
        held = (Job.id == claimed.job, Job.lease == claimed.lease, Job.state == JobState.LEASED)
        sha256 = session.scalar(select(Submission.sha256).join(Job).where(*held))
    if sha256 is None:
        raise NotFound("this job is not held: another worker has it")
    return StreamingResponse(host.blobs.read(sha256), media_type="application/octet-stream")


@router.post("/beat")
def beat(claimed: Claimed, host: Host, token: RemoteWorker) -> Held:
    """The worker lives."""
    return Held(held=_open(host).beat(claimed))


@router.post("/finish")
def finish(finished: Finished, host: Host, token: RemoteWorker) -> Held:
    """What came of it."""
    return Held(held=_open(host).finish(finished.claimed, finished.outcome))


@router.post("/give-back")
def give_back(given: GivenBack, host: Host, token: RemoteWorker) -> Held:
    """Let it wait again."""
    return Held(held=_open(host).give_back(given.claimed, given.why, counted=given.counted))


@router.get("/patience")
def patience(host: Host, token: RemoteWorker) -> Patience:
    """How long is waited for a worker."""
    return _open(host).patience


def _open(host: Settings) -> LocalQueue:
    return LocalQueue(host.database, host.blobs, host.contest)
