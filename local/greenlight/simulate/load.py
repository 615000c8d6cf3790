"""What is uploaded: how often, how long, how large."""

import random
from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from typing import Literal

from moderation.media.plan import cut_at_keys, segment_length

CYCLE = 600.0
"""Seconds from one burst to the next."""
BURST = 60.0
"""Seconds that a burst lasts."""
KEYS = 2.0
"""Seconds from key frame to key frame: where a file can be cut."""

LENGTHS = {15.0: 0.30, 60.0: 0.35, 240.0: 0.20, 900.0: 0.10, 3600.0: 0.048, 21600.0: 0.002}
"""Shares of lengths in seconds: about 6 minutes on average, some of six hours."""
HEIGHTS = {480: 0.20, 720: 0.45, 1080: 0.30, 2160: 0.05}
"""Shares of heights in pixels."""


@dataclass(frozen=True)
class Video:
    """One upload."""

    seconds: float
    height: int
    covers: int
    refused: bool
    normal: bool
    ends: Literal["", "withdraw", "delete"]


@dataclass(frozen=True)
class Load:
    """A load. Shares are of all uploads.

    rate       uploads an hour, on average
    burst      how many times the rate of calm uploads come in a burst of a minute, every ten minutes
    covers     how often an upload has a cover
    refused    how often a file is no video
    normal     how often what was not refused may play at once
    withdrawn  how often what played is blocked by a person later on
    deleted    how often what played is deleted later on
    poll       seconds between two looks of the uploader at a media that is being checked; 0 for none, as with events
    plays      playback URLs asked for each media that plays
    """

    rate: float = 10_000.0
    burst: float = 3.0
    lengths: Mapping[float, float] | None = None
    heights: Mapping[int, float] | None = None
    covers: float = 0.3
    refused: float = 0.01
    normal: float = 0.9
    withdrawn: float = 0.01
    deleted: float = 0.05
    poll: float = 10.0
    plays: int = 5
    key_frames_only: bool = False
    seed: int = 1

    def arrivals(self, seconds: float) -> Iterator[tuple[float, Video]]:
        """Uploads in the order of their arrival: a Poisson process whose rate is higher in bursts."""
        when, what = random.Random(f"{self.seed} when"), random.Random(f"{self.seed} what")
        calm = self.rate / 3600 / (1 + (self.burst - 1) * BURST / CYCLE)
        most = calm * max(self.burst, 1.0)
        now = 0.0
        while (now := now + when.expovariate(most)) < seconds:
            if when.random() * most < calm * (self.burst if now % CYCLE < BURST else 1.0):
                yield now, self._video(what)

    def _video(self, random_: random.Random) -> Video:
        refused = random_.random() < self.refused
        normal = not refused and random_.random() < self.normal
        end = random_.random()
        return Video(
            seconds=self._lengths.pick(random_),
            height=int(self._heights.pick(random_)),
            covers=int(random_.random() < self.covers),
            refused=refused,
            normal=normal,
            ends="withdraw" if end < self.withdrawn else "delete" if end < self.withdrawn + self.deleted else "",
        )

    @cached_property
    def _lengths(self) -> "_Shares":
        return _Shares(self.lengths or LENGTHS)

    @cached_property
    def _heights(self) -> "_Shares":
        return _Shares(self.heights or HEIGHTS)


class _Shares:
    """Values with their shares, which need not add up to one."""

    def __init__(self, shares: Mapping[float, float] | Mapping[int, float]) -> None:
        self._values = list(shares)
        self._sums = list(accumulate(shares.values()))

    def pick(self, random_: random.Random) -> float:
        return self._values[bisect(self._sums, random_.random() * self._sums[-1])]


@lru_cache(maxsize=10_000)
def segments(seconds: float) -> tuple[float, ...]:
    """The lengths of the segments that plan cuts a video into, in seconds."""
    keys = [KEYS * number for number in range(int(seconds / KEYS) + 1)]
    cuts = cut_at_keys(keys, seconds, segment_length(seconds))
    return tuple(end - start for start, end in pairwise(cuts))
