"""What functions really write, on the local stack: after whatever ran there before, and after marked requests."""

import re

import httpx

from greenlight.api import Api
from greenlight.stack.stack import Stack
from moderation.services.upload import PostForm, SignUpload
from tests import clips

MARKS = (
    "ninetieth birthday",
    "surgery-of-mrs-jones",
    "session-of-anna",
    "source-of-bert",
    "known-from-tv",
    "take it down",
)
OPENS = re.compile(
    r"X-Amz-(?:Signature|Credential|Security-Token)|x-amz-signature|Signature=|[Bb]earer |\beyJ[\w-]{8,}\."
)


def test_no_line_of_any_function_quotes_a_request_or_opens_a_door(api: Api, stack: Stack) -> None:
    # GIVEN a media with marks in all that its uploader writes, brought and refused
    file = clips.text()
    request = SignUpload(
        file_name=f"{MARKS[1]}.mp4",
        content_type="video/mp4",
        size=file.stat().st_size,
        title=MARKS[0],
        session_context=MARKS[2],
        source_context=MARKS[3],
        procedure="standard_post",
    )
    signed = api.sign(request)
    assert isinstance(signed.upload, PostForm)
    api.post(signed.upload.url, signed.upload.fields, file)
    view = api.wait(signed.media_id, timeout=300)
    assert view.media.title == MARKS[0]
    # AND requests of a reviewer and a viewer
    headers = {"Authorization": f"Bearer {stack.token()}"}
    decision = {"media_id": signed.media_id, "decision": "normal", "reason": MARKS[4], "comment": MARKS[5]}
    reviewed = httpx.post(f"{stack.api_url}/v1/reviews", json=decision, headers=headers, timeout=60)
    played = httpx.get(f"{stack.api_url}/v1/media/{signed.media_id}/playback", headers=headers, timeout=60)
    broken = httpx.post(
        f"{stack.api_url}/v1/uploads", json={"title": MARKS[0], "no": MARKS[5]}, headers=headers, timeout=60
    )
    assert [reviewed.status_code, played.status_code, broken.status_code] == [409, 403, 400]
    # WHEN the logs of all functions are read
    lines = {function: stack.logs(function) for function in stack.functions()}
    # THEN those that had to do with it have written, and none of it
    assert all(lines[function] for function in ("upload", "ingest", "plan", "review", "playback"))
    for function, written in lines.items():
        for line in written:
            assert not [mark for mark in MARKS if mark in line], f"{function}: {line}"
            assert not OPENS.search(line), f"{function}: {line}"
