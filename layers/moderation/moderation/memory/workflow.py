"""A state machine that only takes note."""

from moderation.ports import Run


class MemoryWorkflow:
    """The port `Workflow`: runs are written down in `started`, job id → media id, in the order of their first start.

    They go on for ever, unless `ended` says otherwise.
    """

    def __init__(self) -> None:
        self.started: dict[str, str] = {}
        self.ended: dict[str, Run] = {}

    def start(self, media_id: str, job_id: str) -> None:
        self.started.setdefault(job_id, media_id)

    def run(self, job_id: str) -> Run | None:
        return self.ended.get(job_id, Run("RUNNING")) if job_id in self.started else None
