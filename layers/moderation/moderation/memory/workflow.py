"""A state machine that only takes note."""


class MemoryWorkflow:
    """The port `Workflow`: runs are written down in `started`, job id → media id, in the order of their first start."""

    def __init__(self) -> None:
        self.started: dict[str, str] = {}

    def start(self, media_id: str, job_id: str) -> None:
        self.started.setdefault(job_id, media_id)
