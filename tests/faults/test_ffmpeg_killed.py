"""ffmpeg that is killed from outside says nothing about the file, which is neither refused for it nor clean."""

import os
import signal
import subprocess
import time
from threading import Timer
from typing import Any

import pytest

from moderation.media.ffmpeg import Limits, MediaRefused, SourceUnavailable, run
from moderation.models.plan import RefusalCode
from tests import media_samples as samples

ENDLESS = ["-stream_loop", "-1"]
DECODE = ["-f", "null", "-"]


def test_it_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a machine that runs out of memory while ffmpeg reads
    clip = samples.clip()

    class Shot(subprocess.Popen[bytes]):
        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(*given, **more)
            Timer(0.3, lambda: os.killpg(self.pid, signal.SIGKILL)).start()

    monkeypatch.setattr(subprocess, "Popen", Shot)
    # THEN that is no reason to refuse the file
    with pytest.raises(SourceUnavailable, match="killed"):
        run(clip, [*ENDLESS, "-re"], DECODE, deadline=time.monotonic() + 30)


def test_a_file_that_takes_too_much_processor_time_is_refused() -> None:
    with pytest.raises(MediaRefused) as refused:
        run(samples.clip(), ENDLESS, DECODE, deadline=time.monotonic() + 60, limits=Limits(cpu=1))
    assert refused.value.code is RefusalCode.TIMEOUT
