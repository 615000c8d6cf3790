"""`make fuzz` (FUZZ_SECONDS=600 FUZZ_SEED=0): real files with something wrong, planned and looked at.

Whatever is wrong, the answer is a refusal of the closed set or a plan, in bounded time and memory; nothing is left
behind; and what was not looked at is told.
"""

import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

import hypothesis
import psutil
from hypothesis import strategies as st

from moderation.coverage import Evidence, coverage
from moderation.media.ffmpeg import MediaRefused
from moderation.media.frames import extract_segment
from moderation.media.plan import make_plan
from moderation.models.observation import FrameLook, Scan
from moderation.models.plan import FrameSize, Plan, SegmentFrames
from tests import media_samples as samples
from tests.hostile.looking import CODES
from tests.media_samples import make

SIZE = FrameSize(name="small", side="long", pixels=64)
CPU_SECONDS, PEAK_MB, PATIENCE = 20.0, 400.0, 120.0
BATCH = 50
FINDINGS = Path("build/fuzz")

Mutation = Callable[[bytes], bytes]


@cache
def originals() -> dict[str, bytes]:
    """One small real file of each container, with pictures and sound where it can hold both."""
    both = (*samples.moving(10, 1.5, "64x48"), *samples.tone(1.5), "-shortest")
    h264 = (*samples.H264, "-g", "5", "-c:a", "aac")
    fragments = ("-movflags", "frag_keyframe+empty_moov")
    made = {
        "mp4": make("fuzz.mp4", *both, *h264),
        "faststart": make("fuzz-fast.mp4", *both, *h264, "-movflags", "+faststart"),
        "fragments": make("fuzz-fragments.mp4", *both, *h264, *fragments),
        "mov": make("fuzz.mov", *both, "-c:v", "mjpeg", "-c:a", "pcm_s16le"),
        "mkv": make("fuzz.mkv", *both, *h264),
        "webm": make("fuzz.webm", *both, "-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"),
        "ts": make("fuzz.ts", *both, *h264),
        "mpg": make("fuzz.mpg", *both, "-r", "25", "-c:v", "mpeg2video", "-c:a", "mp2"),
        "avi": make("fuzz.avi", *both, "-c:v", "mpeg4", "-c:a", "libmp3lame"),
        "flv": make("fuzz.flv", *both, *h264),
        "asf": make("fuzz.asf", *both, "-c:v", "wmv2", "-c:a", "wmav2"),
        "ogg": make("fuzz.ogg", *both, "-c:v", "libtheora", "-c:a", "libvorbis"),
        "gif": make("fuzz.gif", *samples.moving(10, 1.5, "64x48")),
        "apng": make("fuzz.apng", *samples.moving(10, 0.5, "64x48"), "-f", "apng"),
        "webp": make("fuzz.webp", *samples.moving(10, 0.5, "64x48"), "-c:v", "libwebp_anim"),
        "h264": make("fuzz.h264", *samples.moving(10, 1.5, "64x48"), *samples.H264),
        "hevc": make("fuzz.hevc", *samples.moving(10, 1, "64x48"), "-c:v", "libx265", "-x265-params", "log-level=0"),
        "mp3": samples.sound_with_cover(),
        "two": samples.two_tracks(),
    }
    return {name: path.read_bytes() for name, path in made.items()}


@dataclass(frozen=True)
class Mutant:
    """What was done to which file, to be read by people, and what came of it."""

    story: tuple[str, ...]
    data: bytes

    def __repr__(self) -> str:
        return f"Mutant({' | '.join(self.story)})"


@st.composite
def mutants(draw: st.DrawFn) -> Mutant:
    """A real file to which up to five things happened."""
    files = originals()
    name = draw(st.sampled_from(sorted(files)))
    data, story = files[name], [name]
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(sorted(_MUTATIONS)))
        at, other = draw(_PLACES), draw(_PLACES)
        value = draw(st.integers(0, 2**32 - 1))
        data = _MUTATIONS[kind](data, at, other, value)
        story.append(f"{kind} {at:.4f} {other:.4f} {value}")
    return Mutant(tuple(story), data)


# Headers are where it hurts: half of all places are in the first or last twentieth of a file.
_PLACES = st.floats(0, 1) | st.floats(0, 0.05) | st.floats(0.95, 1)


def _truncate(data: bytes, at: float, other: float, value: int) -> bytes:
    return data[: int(len(data) * at)]


def _flip(data: bytes, at: float, other: float, value: int) -> bytes:
    changed = bytearray(data)
    for step in range(1 + value % 8 if data else 0):
        place = (int(len(data) * at) + step * (value >> 8)) % len(data)
        changed[place] ^= 1 << (value + step) % 8
    return bytes(changed)


def _number(data: bytes, at: float, other: float, value: int) -> bytes:
    """Another number, mostly one from the edges, in a place that fits a field."""
    edges = (0, 1, 7, 8, 2**31 - 1, 2**31, 2**32 - 1, value)
    place = int(len(data) * at) // 4 * 4
    return data[:place] + edges[value % len(edges)].to_bytes(4, "big") + data[place + 4 :]


def _resize(data: bytes, at: float, other: float, value: int) -> bytes:
    """Another size for a box of MP4, wherever one is."""
    names = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"stts", b"stsz", b"stco", b"elst", b"moof", b"mdat")
    place = data.find(names[value % len(names)])
    if place < 4:
        return _number(data, at, other, value)
    size = int.from_bytes(data[place - 4 : place], "big")
    return data[: place - 4] + ((size * int(other * 300) // 100 + value % 3) % 2**32).to_bytes(4, "big") + data[place:]


def _swap(data: bytes, at: float, other: float, value: int) -> bytes:
    first, second = sorted((int(len(data) * at), int(len(data) * other)))
    size = min(1 + value % 4096, second - first)
    end = second + size
    return data[:first] + data[second:end] + data[first + size : second] + data[first : first + size] + data[end:]


def _repeat(data: bytes, at: float, other: float, value: int) -> bytes:
    first, second = sorted((int(len(data) * at), int(len(data) * other)))
    return data[:second] + data[first:second] * (1 + value % 3) + data[second:]


def _erase(data: bytes, at: float, other: float, value: int) -> bytes:
    place, size = int(len(data) * at), 1 + value % 2048
    return data[:place] + bytes(len(data[place : place + size])) + data[place + size :]


def _cut(data: bytes, at: float, other: float, value: int) -> bytes:
    place, size = int(len(data) * at), 1 + value % 2048
    return data[:place] + data[place + size :]


def _splice(data: bytes, at: float, other: float, value: int) -> bytes:
    """A stretch of another file."""
    files = originals()
    donor = files[sorted(files)[value % len(files)]]
    start, place = int(len(donor) * other), int(len(data) * at)
    return data[:place] + donor[start : start + 1 + (value >> 8) % 8192] + data[place:]


_MUTATIONS: dict[str, Callable[[bytes, float, float, int], bytes]] = {
    "truncate": _truncate,
    "flip": _flip,
    "number": _number,
    "resize": _resize,
    "swap": _swap,
    "repeat": _repeat,
    "erase": _erase,
    "cut": _cut,
    "splice": _splice,
}


def check(data: bytes) -> str:
    """Plan and look at a file. Returns what came of it; raises AssertionError, or whatever should not have come up."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Our own only: a local stack that runs in this process starts functions of its own when it likes.
    others = set(psutil.Process().children())
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        source = folder / "source"
        source.write_bytes(data)
        try:
            plan = make_plan(source, deadline=time.monotonic() + PATIENCE)
        except MediaRefused as refusal:
            outcome = str(refusal.code)
        else:
            outcome = _looked(source, plan, folder)
        left = {path.name for path in folder.iterdir()} - {"source", "frames.zip"}
        assert not [path for path in left if not path.startswith("sound-")], f"left behind: {sorted(left)}"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used <= CPU_SECONDS, f"{used:.1f} s of CPU"
    # The system tells the largest child so far, and a child is as large as this process until it becomes ffmpeg.
    known = max(before.ru_maxrss, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    peak = after.ru_maxrss / 1e3 if after.ru_maxrss > known else 0.0
    assert peak <= PEAK_MB, f"{peak:.0f} MB"
    assert set(psutil.Process().children()) <= others, "a process was left behind"
    return outcome


def _looked(source: Path, plan: Plan, folder: Path) -> str:
    segments: list[SegmentFrames] = []
    for span in plan.segments:
        try:
            found = extract_segment(
                source,
                plan,
                span.index,
                sizes=[SIZE],
                with_sound=True,
                deadline=time.monotonic() + PATIENCE,
                folder=folder,
            )
        except MediaRefused:
            continue  # as in the state machine: the segment is missing
        segments.append(found.frames)
    told = coverage(_evidence(plan, segments), CODES)
    unseen = not any(segment.frames for segment in segments)
    short = any(len(segment.frames) < segment.planned for segment in segments)
    assert not (told.complete and (unseen or short or len(segments) < len(plan.segments))), "passed unseen"
    return "complete" if told.complete else "+".join(told.gaps)


def _evidence(plan: Plan, segments: Sequence[SegmentFrames]) -> Evidence:
    scans = [
        Scan(
            index=frames.index,
            looks=tuple(
                FrameLook(ordinal=frame.ordinal, track=frame.track, time=frame.time) for frame in frames.frames
            ),
            detectors={},
            planned=frames.planned,
            decoded=frames.decoded,
            expected=frames.expected,
            damaged=frames.errors,
            capped=frames.capped,
        )
        for frames in segments
    ]
    reporters = dict.fromkeys(CODES.targets(), frozenset({"codes"}))
    return Evidence(plan=plan, scans=scans, covers=(), covers_planned=0, detectors={}, reporters=reporters)


class Campaign:
    """Batches of mutants until the time is up. What is found is kept, shrunk, in build/fuzz."""

    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds
        self.outcomes: Counter[str] = Counter()
        self.findings = 0
        self._failed: Mutant | None = None

    def run(self, first: int) -> None:
        for number in count(first):
            if time.monotonic() >= self.until:
                return
            try:
                hypothesis.seed(number)(SETTINGS(hypothesis.given(mutant=mutants())(self._try)))()
            except Exception as error:
                self._keep(number, error)
            print(f"seed {number}: {self.outcomes.total()} files, {self.findings} findings", flush=True)

    def _try(self, mutant: Mutant) -> None:
        if time.monotonic() < self.until:
            self._failed = mutant
            self.outcomes[check(mutant.data)] += 1

    def _keep(self, number: int, error: Exception) -> None:
        self.findings += 1
        print(f"{type(error).__name__}: {error}\n  {self._failed}")
        if self._failed is not None:
            FINDINGS.mkdir(parents=True, exist_ok=True)
            (FINDINGS / f"{number}.bin").write_bytes(self._failed.data)


def main() -> None:
    seconds, seed = (float(os.environ.get(name, default)) for name, default in DEFAULTS.items())
    campaign = Campaign(seconds)
    campaign.run(int(seed))
    for outcome, times in campaign.outcomes.most_common():
        print(f"{times:7} {outcome}")
    sys.exit(1 if campaign.findings else 0)


DEFAULTS = {"FUZZ_SECONDS": 600, "FUZZ_SEED": 0}
SETTINGS = hypothesis.settings(
    max_examples=BATCH,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
)

if __name__ == "__main__":
    main()
