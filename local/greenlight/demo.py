"""The main job, shown: two uploads, two verdicts, one that plays and one that does not."""

import hashlib
import time
from pathlib import Path

import httpx
from rich.console import Console

from greenlight import demo_clips
from greenlight.api import Api, ApiError
from greenlight.paths import CHECKOUT
from greenlight.show import error_panel, verdict_panel
from greenlight.stack.stack import Stack
from moderation.models.media import MediaStatus
from moderation.models.verdict import Suggestion
from moderation.services.media import MediaView

PROCEDURE = "standard_pre"
PLAYABLE_SECONDS = 60.0


class DemoFailed(Exception):
    """The demo did not show what it promises."""


def run(console: Console, folder: Path = CHECKOUT / "build" / "demo") -> None:
    """Raises DemoFailed, StackError or ApiError when anything is not as it should be."""
    with console.status("making two clips"):
        speech, code = demo_clips.make(folder)
    with console.status("starting the local stack") as progress:
        stack = Stack.start()
        stack.deploy(say=lambda step: progress.update(step))
    console.print(f"Local stack on {stack.endpoint}, API on {stack.api_url}")
    with Api(stack.api_url, stack.token) as api:
        views = [_moderate(api, clip, console) for clip in (speech, code)]
        _check(views[0].job is not None and _suggestion(views[0]) is Suggestion.PASS, "the speech did not pass")
        _check(_suggestion(views[1]) is not Suggestion.PASS, "the clip with the QR code passed")
        _plays(api, views[0], speech, console)
        _is_refused(api, views[1], console)
    console.print("The stack is still up: `greenlight upload FILE` takes your own, `greenlight down` ends it.")


def _moderate(api: Api, clip: Path, console: Console) -> MediaView:
    began = time.monotonic()
    with console.status(f"{clip.name}: signing, uploading, moderating"):
        view = api.wait(api.upload(clip, title=clip.stem, procedure=PROCEDURE))
    console.print(f"\n{clip.name}: {view.media.status} after {time.monotonic() - began:.1f} s")
    if view.job is not None and view.job.verdict is not None:
        console.print(verdict_panel(clip.name, view.job.verdict, *api.captions(view)))
    elif view.job is not None and view.job.error is not None:
        console.print(error_panel(clip.name, view.job.error))
    return view


def _plays(api: Api, view: MediaView, clip: Path, console: Console) -> None:
    media_id = view.media.media_id
    with console.status("publishing"):
        api.wait(media_id, timeout=PLAYABLE_SECONDS, until=lambda now: now.playable)
    url = api.playback(media_id).url
    played = httpx.get(url, timeout=60).raise_for_status().content
    same = hashlib.sha256(played).digest() == hashlib.sha256(clip.read_bytes()).digest()
    _check(same, "what plays is not what was moderated")
    console.print(
        f"[green]▶[/] {clip.name} plays: {len(played):,} bytes through its signed URL, the very bytes moderated"
    )


def _is_refused(api: Api, view: MediaView, console: Console) -> None:
    try:
        api.playback(view.media.media_id)
    except ApiError as error:
        _check(error.status == 403, f"playback was refused with {error.status}")
        status = error.details.get("status", MediaStatus.REVIEWING)
        console.print(f"[red]■[/] the other does not: 403 {error.code}, status {status}")
        return
    raise DemoFailed("a playback URL was given out for a clip that did not pass")


def _suggestion(view: MediaView) -> Suggestion | None:
    return view.job.verdict.suggestion if view.job is not None and view.job.verdict is not None else None


def _check(true: bool, otherwise: str) -> None:
    if not true:
        raise DemoFailed(otherwise)
