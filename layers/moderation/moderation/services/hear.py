"""The scan_audio step: every track of sound of a segment before every detector that the template needs."""

import tempfile
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from pkgutil import resolve_name

import numpy as np

from moderation.detectors import voice
from moderation.detectors.catalog import DetectorSpec, needed
from moderation.detectors.inference import Floats
from moderation.detectors.packing import Window, windows, within
from moderation.detectors.speech import RATE, Recogniser
from moderation.detectors.vad import Silero, Stretch, stretches
from moderation.detectors.yamnet import YamNet
from moderation.models.errors import reason
from moderation.models.plan import AudioTrack, Plan, SegmentSpan
from moderation.models.sound import Hearing, SoundEvent, TrackHearing, Utterance, Word
from moderation.ports import MediaStore, NotFound, Objects
from moderation.services.work import Work

_FULL = 32_768
"""The level that is 1."""
_NOT_UNDERSTOOD = 5 * RATE
"""Samples of speech in one window from which on not a single word means a tongue that the recogniser does not know."""


@dataclass(frozen=True)
class Listening:
    """The use case of the scan_audio function."""

    store: MediaStore
    objects: Objects
    weights: Path

    def segment(self, job_id: str, index: int) -> Hearing:
        """Listen to one segment and leave what was heard. A track that cannot be heard says why."""
        job = self.store.job(job_id)
        work = Work(job.media_id, job.job_id)
        plan = Plan.model_validate_json(self.objects.get(work.plan))
        span = next(span for span in plan.segments if span.index == index)
        specs = needed(job.template, "audio")
        tracks = [track for track in plan.audio if specs and track.index in span.sound]
        last = span.index == plan.segments[-1].index
        hearing = Hearing(
            index=index,
            tracks=tuple(self._track(track, span, specs, work, last=last) for track in tracks),
            detectors={spec.name: spec.version for spec in specs},
        )
        self.objects.put(work.hearing(index), hearing.model_dump_json().encode(), "application/json")
        return hearing

    def _track(
        self, track: AudioTrack, span: SegmentSpan, specs: Sequence[DetectorSpec], work: Work, *, last: bool
    ) -> TrackHearing:
        begins = max(track.start, span.start)
        planned = max(0.0, (track.end if last else min(track.end, span.end)) - begins)
        silent = TrackHearing(track=track.index, planned=round(planned, 3), heard=0.0, speech=0.0)
        if not track.decodable:
            return _failed(silent, specs, "this track cannot be decoded")
        try:
            samples = self._samples(work.sound(span.index, track.index))
        except (NotFound, EOFError, ValueError, wave.Error) as error:
            return _failed(silent, specs, reason(error))
        ear = _Ear(self.weights, samples, own=None if last else span.end - span.start)
        reached = span.start + len(samples) / RATE - begins
        return ear.hear(silent, specs, span.start, heard=round(max(0.0, min(reached, planned)), 3))

    def _samples(self, key: str) -> Floats:
        with tempfile.TemporaryDirectory(prefix="sound-") as name:
            path = Path(name) / "sound.wav"
            self.objects.fetch(key, path)
            with wave.open(str(path)) as file:
                if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
                    raise ValueError("the sound is not what was extracted")
                levels = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        samples: Floats = levels.astype(np.float32) / np.float32(_FULL)
        return samples


class _Ear:
    """One track of one segment. What lies behind the `own` seconds is the next segment's, and completes words only."""

    def __init__(self, weights: Path, samples: Floats, own: float | None) -> None:
        self._weights = weights
        self._samples = samples
        self._own = len(samples) if own is None else min(len(samples), round(own * RATE))

    def hear(self, track: TrackHearing, specs: Sequence[DetectorSpec], start: float, heard: float) -> TrackHearing:
        """The track with what each of the detectors hears, `start` being the time of the first sample."""
        events: tuple[SoundEvent, ...] = ()
        utterances: tuple[Utterance, ...] = ()
        failed: dict[str, str] = {}
        for spec in specs:
            try:
                if spec.name == voice.NAME:
                    events = tuple(
                        event.model_copy(update={"start": event.start + start, "end": event.end + start})
                        for event in self._events()
                    )
                else:
                    for utterance in self._utterances(spec, start):
                        utterances += (utterance,)
            except Exception as error:
                failed[spec.name] = reason(error)
        return track.model_copy(
            update={
                "heard": 0.0 if failed else heard,
                "speech": 0.0 if failed else self._spoken_seconds(),
                "events": events,
                "utterances": utterances,
                "failed": failed,
            }
        )

    @cached_property
    def _speech(self) -> Floats:
        return Silero(self._weights).run(self._samples)

    @cached_property
    def _kinds(self) -> Floats:
        return YamNet(self._weights).run(self._samples)

    @cached_property
    def _spoken(self) -> list[Stretch]:
        """Where somebody speaks: what begins in the segment, to its end or a pause soon after the segment's."""
        return within(voice.spoken(stretches(self._speech), self._kinds), self._own, self._speech)

    def _spoken_seconds(self) -> float:
        return round(sum(min(piece.end, self._own) - piece.start for piece in self._spoken) / RATE, 3)

    def _events(self) -> Iterator[SoundEvent]:
        found = voice.events(self._kinds, self._speech, len(self._samples) / RATE)
        return (event for event in found if event.start * RATE < self._own)

    def _utterances(self, spec: DetectorSpec, start: float) -> Iterator[Utterance]:
        recogniser = _recogniser(spec.implementation, self._weights)
        for window in windows(self._samples, self._spoken, self._speech):
            said = recogniser.transcribe(window.samples)
            if not said and window.speech >= _NOT_UNDERSTOOD:
                raise ValueError(f"{window.speech / RATE:.0f} s of speech were not understood")
            for utterance in said:
                yield _placed(utterance, window, start)


@cache
def _recogniser(implementation: str, weights: Path) -> Recogniser:
    recogniser: Recogniser = resolve_name(implementation)(weights)
    return recogniser


def _placed(utterance: Utterance, window: Window, start: float) -> Utterance:
    """An utterance of a window, as it is in a sound that begins at `start`."""

    def times(part: Utterance | Word) -> dict[str, float]:
        return {name: round(start + window.second(getattr(part, name)), 2) for name in ("start", "end")}

    words = tuple(word.model_copy(update=times(word)) for word in utterance.words)
    return utterance.model_copy(update=times(utterance) | {"words": words})


def _failed(track: TrackHearing, specs: Sequence[DetectorSpec], reason: str) -> TrackHearing:
    return track.model_copy(update={"failed": {spec.name: reason for spec in specs}})
