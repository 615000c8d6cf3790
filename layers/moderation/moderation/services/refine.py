"""The refine step: which short windows are worth a second look. Extract and scan_frames take them like segments."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from moderation.detectors.catalog import DetectorSpec, needed
from moderation.models.base import Model
from moderation.models.observation import Scan
from moderation.models.plan import Plan
from moderation.models.template import Template
from moderation.policy import Target
from moderation.ports import MediaStore, Objects
from moderation.refine import second_plan
from moderation.services.work import Work, left
from moderation.verdict import targets_of


class Refined(Model):
    """What the state machine goes on with: indices only."""

    windows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Refining:
    """The use case of the refine function."""

    store: MediaStore
    objects: Objects

    def run(self, job_id: str) -> Refined:
        """Choose the windows of a job whose segments have been scanned, and leave the plan with them in it."""
        job = self.store.job(job_id)
        work = Work(job.media_id, job.job_id)
        plan = Plan.model_validate_json(self.objects.get(work.plan))
        scans = left(self.objects, Scan, (work.scan(span.index) for span in plan.segments))
        again = refined(plan, list(scans), job.template)
        self.objects.put(work.refinement, again.model_dump_json().encode(), "application/json")
        return Refined(windows=tuple(window.index for window in again.windows))


def refined(plan: Plan, scans: Sequence[Scan], template: Template) -> Plan:
    """The plan with its windows for a second look, as the first one went."""
    specs = needed(template, "frames")
    reporters = targets_of([(spec.name, spec.reports) for spec in specs])
    return second_plan(plan, scans, template, at_a_glance(specs), reporters)


def at_a_glance(specs: Iterable[DetectorSpec]) -> frozenset[Target]:
    """What detectors of frames can report that judge each frame by itself."""
    specs = [spec for spec in specs if spec.step == "frames"]
    over_time = {target for spec in specs if spec.follows for target in spec.reports}
    return frozenset(target for spec in specs for target in spec.reports) - over_time
