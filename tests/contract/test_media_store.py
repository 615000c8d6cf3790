"""The port `MediaStore`."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from threading import Barrier
from typing import TYPE_CHECKING, cast

import pytest

from moderation.aws.media_store import DynamoMediaStore, outbox_event
from moderation.memory.media_store import MemoryMediaStore
from moderation.models.base import Model
from moderation.models.errors import Permanent
from moderation.models.event import Event
from moderation.models.job import JobState
from moderation.models.media import MediaStatus
from moderation.ports import Booking, Conflict, MediaStore, NotFound, Spent
from tests.contract.documents import MEDIA_ID, NOW, event, feedback, job, media, review

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

OTHER_ID = "f" * 32


@dataclass
class Side:
    store: MediaStore
    outbox: Callable[[], list[Event]]


@pytest.fixture(params=["memory", "aws"])
def side(request: pytest.FixtureRequest) -> Side:
    if request.param == "memory":
        memory = MemoryMediaStore()
        return Side(memory, lambda: memory.outbox)
    client = cast("DynamoDBClient", request.getfixturevalue("dynamodb"))
    table = cast(str, request.getfixturevalue("table"))

    def outbox() -> list[Event]:
        items = client.scan(TableName=table)["Items"]
        return [outbox_event(item) for item in items if item["sk"]["S"].startswith("OUTBOX#")]

    return Side(DynamoMediaStore(client, table), outbox)


def kept(store: MediaStore) -> list[Model]:
    """Everything that belongs to the media."""
    return [*store.jobs(MEDIA_ID), *store.reviews(MEDIA_ID), *store.feedback(MEDIA_ID)]


def test_media_come_back_as_they_were(side: Side) -> None:
    side.store.add_media(media())
    assert side.store.media(MEDIA_ID) == media()


def test_a_media_is_added_once(side: Side) -> None:
    side.store.add_media(media())
    with pytest.raises(Conflict):
        side.store.add_media(media(title="another"))
    assert side.store.media(MEDIA_ID).title == ""


def test_what_is_not_there_is_not_found(side: Side) -> None:
    with pytest.raises(NotFound):
        side.store.media(MEDIA_ID)
    with pytest.raises(NotFound):
        side.store.job(job().job_id)
    with pytest.raises(NotFound):
        side.store.job("nonsense")
    assert kept(side.store) == []


def test_one_transaction_writes_everything(side: Side) -> None:
    # GIVEN a media
    side.store.add_media(media())
    # WHEN it is saved with a job, a review and two events
    saved = side.store.save(
        media(status=MediaStatus.CHECKING), events=[event(1), event(2)], new_job=job(), review=review()
    )
    # THEN all of it is there, and the media has its next version
    assert saved.version == 1
    assert side.store.media(MEDIA_ID) == saved
    assert side.store.job(job().job_id) == job()
    assert side.store.reviews(MEDIA_ID) == [review()]
    assert sorted(side.outbox(), key=lambda e: e.event_id) == [event(1), event(2)]


def test_the_slower_of_two_writers_writes_nothing(side: Side) -> None:
    # GIVEN two writers that have read the same version
    side.store.add_media(media())
    mine = theirs = side.store.media(MEDIA_ID)
    side.store.save(theirs.model_copy(update={"status": MediaStatus.NORMAL}), events=[event(1)])
    # WHEN the slower one writes
    with pytest.raises(Conflict):
        side.store.save(
            mine.model_copy(update={"status": MediaStatus.BLOCKED}),
            events=[event(2)],
            new_job=job(),
            review=review(),
        )
    # THEN neither its status nor its event, job or review is there
    assert side.store.media(MEDIA_ID).status is MediaStatus.NORMAL
    assert side.outbox() == [event(1)]
    assert kept(side.store) == []


def test_a_media_that_is_gone_cannot_be_saved(side: Side) -> None:
    with pytest.raises(Conflict):
        side.store.save(media(), events=[event()])
    assert side.outbox() == []


def test_a_new_job_is_written_once(side: Side) -> None:
    side.store.add_media(media())
    saved = side.store.save(media(), new_job=job())
    with pytest.raises(Conflict):
        side.store.save(saved, new_job=job(), events=[event()])
    assert side.store.media(MEDIA_ID).version == 1
    assert side.outbox() == []


def test_open_jobs_are_found_by_when_they_were_due(side: Side) -> None:
    # GIVEN jobs of two media, due one to four minutes ago: one has ended, one has to wait for a time to come
    for number, media_id in ((1, MEDIA_ID), (2, OTHER_ID), (3, MEDIA_ID), (4, OTHER_ID)):
        if number <= 2:
            side.store.add_media(media(media_id))
        side.store.save(side.store.media(media_id), new_job=job(number, media_id), events=[event(number, media_id)])
    side.store.save(side.store.media(MEDIA_ID), job=job(3, state=JobState.FINISH))
    waiting = job(4, OTHER_ID, JobState.PROCESSING).model_copy(update={"waits_until": NOW + timedelta(hours=5)})
    side.store.save(side.store.media(OTHER_ID), job=waiting)
    # THEN those that are late are found, the latest first, as many as asked for
    first, second = job(2, OTHER_ID).job_id, job(1).job_id
    assert side.store.open_jobs(NOW, 10) == [first, second]
    assert side.store.open_jobs(NOW, 1) == [first]
    assert side.store.open_jobs(NOW - timedelta(seconds=90), 10) == [first]
    assert side.store.open_jobs(NOW + timedelta(hours=6), 10) == [first, second, waiting.job_id]
    # AND none of a media that is forgotten
    side.store.forget(OTHER_ID)
    assert side.store.open_jobs(NOW + timedelta(hours=6), 10) == [second]


def test_media_that_wait_for_a_person_are_found_by_what_with(side: Side) -> None:
    # GIVEN media that wait, changed some minutes ago, and one that does not
    waiting = {1: "block", 2: "review", 3: "block", 4: None}
    for number, waits in waiting.items():
        changed = {"waits": waits, "updated_at": NOW - timedelta(minutes=number)}
        side.store.add_media(media(f"{number:032x}").model_copy(update=changed))
    # THEN each kind is found, the longest since changed first, as many as asked for
    first, second = f"{3:032x}", f"{1:032x}"
    assert side.store.waiting("block", 10) == [first, second]
    assert side.store.waiting("block", 1) == [first]
    assert side.store.waiting("review", 10) == [f"{2:032x}"]
    # AND not when somebody has decided
    side.store.save(side.store.media(first).model_copy(update={"waits": None}))
    assert side.store.waiting("block", 10) == [second]


@pytest.mark.parametrize("end", [JobState.FINISH, JobState.ABORTED])
def test_a_job_ends_once(side: Side, end: JobState) -> None:
    # GIVEN a job that goes on and ends
    side.store.add_media(media())
    saved = side.store.save(media(), new_job=job())
    saved = side.store.save(saved, job=job(state=JobState.PROCESSING))
    saved = side.store.save(saved, job=job(state=end))
    # WHEN somebody ends it again, or wakes it up
    for state in (JobState.FINISH, JobState.PROCESSING):
        with pytest.raises(Conflict):
            side.store.save(saved, job=job(state=state), events=[event()])
    # THEN its end and the media stay
    assert side.store.job(job().job_id).state is end
    assert side.store.media(MEDIA_ID).version == saved.version
    assert side.outbox() == []


def test_jobs_reviews_and_feedback_come_oldest_first_and_of_one_media(side: Side) -> None:
    # GIVEN documents of two media, written in disorder; a job's number says how many minutes ago it was made
    for media_id in (MEDIA_ID, OTHER_ID):
        saved = media(media_id)
        side.store.add_media(saved)
        for number in (2, 1, 3):
            saved = side.store.save(saved, new_job=job(number, media_id))
        for number in (2, 1, 3):
            side.store.add_feedback(feedback(number, media_id))
        for number in (11, 9, 10):
            saved = side.store.save(saved, review=review(number, media_id))
    # THEN each list is of its media, in order of time
    assert side.store.jobs(MEDIA_ID) == [job(3), job(2), job(1)]
    assert side.store.reviews(OTHER_ID) == [review(n, OTHER_ID) for n in (9, 10, 11)]
    assert side.store.feedback(MEDIA_ID) == [feedback(n) for n in (1, 2, 3)]


def test_more_than_one_page_is_read_and_forgotten(side: Side) -> None:
    # GIVEN more feedback than one answer of the table holds (1 MB), more items than one batch, and an event
    side.store.add_media(media())
    side.store.save(media(), new_job=job(), review=review(), events=[event()])
    for number in range(4):
        side.store.add_feedback(feedback(number, weight=300_000))
    for number in range(4, 64):
        side.store.add_feedback(feedback(number))
    assert len(side.store.feedback(MEDIA_ID)) == 64
    # WHEN the media is forgotten, twice
    side.store.forget(MEDIA_ID)
    side.store.forget(MEDIA_ID)
    # THEN only the media itself and its event are left, and nothing comes to them any more
    with pytest.raises(Conflict):
        side.store.save(side.store.media(MEDIA_ID), job=job(state=JobState.FINISH))
    with pytest.raises(Conflict):
        side.store.add_feedback(feedback())
    assert kept(side.store) == []
    assert side.store.media(MEDIA_ID).version == 1
    assert side.outbox() == [event()]


def test_a_document_that_fits_no_item_is_refused_for_good(side: Side) -> None:
    side.store.add_media(media())
    with pytest.raises(Permanent) as refusal:
        side.store.save(media(later_versions=("v" * 1000,) * 400), events=[event()])
    assert refusal.value.code == "document_too_large"
    assert side.store.media(MEDIA_ID).version == 0
    assert side.outbox() == []


# ── the budget of a day ──

TODAY = NOW.date()


def booked(side: Side, seconds: int, limit: int = 100, day: date = TODAY) -> bool:
    """Whether some seconds of the media could be booked, with a job and an event."""
    stored = side.store.media(MEDIA_ID)
    number = stored.version + 1
    booking = Booking(day, seconds, limit)
    try:
        side.store.save(stored, events=[event(number)], new_job=job(number), booking=booking)
    except Spent:
        return False
    return True


def test_a_day_takes_what_its_budget_has_room_for(side: Side) -> None:
    side.store.add_media(media())
    assert [booked(side, seconds) for seconds in (60, 50, 40, 1)] == [True, False, True, False]
    # AND another day has a budget of its own, and a larger budget more room
    assert booked(side, 100, day=TODAY + timedelta(days=1))
    assert booked(side, 100, limit=200)


def test_a_fresh_day_takes_more_than_its_budget_once(side: Side) -> None:
    side.store.add_media(media())
    assert [booked(side, seconds) for seconds in (500, 1)] == [True, False]


def test_nothing_is_written_of_what_finds_the_day_spent(side: Side) -> None:
    side.store.add_media(media())
    assert booked(side, 100)
    before = side.store.media(MEDIA_ID), kept(side.store), side.outbox()
    assert not booked(side, 1)
    assert before == (side.store.media(MEDIA_ID), kept(side.store), side.outbox())


def test_nothing_is_booked_by_what_is_not_written(side: Side) -> None:
    # GIVEN a writer that is late
    side.store.add_media(media())
    late = side.store.media(MEDIA_ID)
    side.store.save(late)
    # THEN it hears that it is late, whether the day has room or not
    with pytest.raises(Conflict):
        side.store.save(late, booking=Booking(NOW.date(), 100, 100))
    assert [booked(side, seconds) for seconds in (99, 1, 1)] == [True, True, False]
    with pytest.raises(Conflict):
        side.store.save(late, booking=Booking(NOW.date(), 100, 100))


def test_of_many_writers_at_once_one_wins() -> None:
    # GIVEN eight threads that hold the same version
    store = MemoryMediaStore()
    store.add_media(media())
    barrier = Barrier(8)

    def write(number: int) -> bool:
        barrier.wait()
        try:
            store.save(media(title=str(number)), events=[event(number)])
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(write, range(8)))
    # THEN one wrote, with its event
    assert won.count(True) == 1
    assert store.outbox == [event(won.index(True))]
