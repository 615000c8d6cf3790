"""What a verdict shows: the worst segments with pictures, all of them in a file, by URLs that end."""

import time
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import zxingcpp
from PIL import Image

from greenlight.api import Api
from greenlight.stack.stack import Stack
from moderation.aws.objects import S3Objects
from moderation.models.template import Form
from moderation.models.verdict import Verdict
from tests import clips
from tests.stored import object_keys


@pytest.fixture(scope="module")
def verdict(api: Api) -> Verdict:
    """Of a clip in which a code comes and goes."""
    view = api.wait(api.upload(clips.blinking(), procedure="standard_pre"), timeout=120)
    assert view.job is not None
    assert view.job.verdict is not None
    return view.job.verdict


def test_ten_segments_are_inline_and_all_are_in_the_file(verdict: Verdict) -> None:
    assert verdict.segments_total >= clips.CODES > len(verdict.segments) == 10

    whole = Verdict.model_validate_json(httpx.get(verdict.segments_file or "").raise_for_status().content)

    assert verdict.segments_total == len(whole.segments)
    assert sorted(segment.start for segment in whole.segments if segment.form is Form.CODE) == pytest.approx(
        [2.0 * number for number in range(clips.CODES)], abs=0.1
    )
    bare = [segment.model_copy(update={"picture": None}) for segment in verdict.segments]
    assert bare == [segment.model_copy(update={"picture": None}) for segment in whole.segments[:10]]


def test_each_segment_has_a_picture_of_what_was_found(verdict: Verdict) -> None:
    for segment in verdict.segments:
        shown = httpx.get(segment.picture or "").raise_for_status()
        (code,) = zxingcpp.read_barcodes(Image.open(BytesIO(shown.content)))
        assert code.text == segment.text == clips.CODE_TEXT


def test_evidence_is_shown_by_signed_urls_that_end(stack: Stack, signing_s3: Any, verdict: Verdict) -> None:
    for url in (verdict.segments[0].picture or "", verdict.segments_file or ""):
        assert httpx.get(urlsplit(url)._replace(query="").geturl()).status_code == 403
        assert int(parse_qs(urlsplit(url).query)["X-Amz-Expires"][0]) <= 900

    # the same signer, asked for three seconds
    (key, *_) = object_keys(stack, "Results", f"evidence/{verdict.media_id}/")
    short = S3Objects(signing_s3, stack.outputs["ResultsBucketName"]).url(key, timedelta(seconds=3))
    assert httpx.get(short).status_code == 200
    time.sleep(3)
    assert httpx.get(short).status_code == 403
