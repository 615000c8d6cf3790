"""`greenlight scan` and `greenlight upload`: exit codes, and answers for machines."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from greenlight.api import Api
from greenlight.deployed import describe
from greenlight.put_template import checked, put
from greenlight.stack.deploy import NAME
from greenlight.stack.stack import Stack
from moderation.models.media import MediaStatus
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Verdict
from moderation.services.templates import load_template
from moderation.services.work import library
from tests import clips

Clip = Callable[[], Path]


def _greenlight(*arguments: str | Path | Clip, **environment: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    words = [argument() if callable(argument) else argument for argument in arguments]
    done = subprocess.run(
        [Path(sys.executable).with_name("greenlight"), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def _caller(stack: Stack) -> dict[str, str]:
    return {"GREENLIGHT_API_URL": stack.api_url, "GREENLIGHT_TOKEN": stack.token()}


@pytest.fixture(scope="module")
def blocking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template that is certain of codes."""
    standard = load_template("standard")
    rules = [rule.model_copy(update={"block": 90}) if rule.sub_label == "qrcode" else rule for rule in standard.rules]
    path = tmp_path_factory.mktemp("templates") / "blocking.json"
    path.write_text(standard.model_copy(update={"name": "blocking", "rules": tuple(rules)}).model_dump_json())
    return path


@pytest.mark.parametrize(
    ("file", "certain", "exit_code", "suggestion"),
    [
        (clips.clean, True, 0, "pass"),
        (clips.with_sound, False, 0, "pass"),
        (clips.code, True, 20, "block"),
        (clips.code, False, 10, "review"),
    ],
    ids=["pass", "pass with sound", "block", "review"],
)
def test_scan_says_with_its_exit_code_what_it_suggests(
    blocking: Path, file: Clip, certain: bool, exit_code: int, suggestion: str
) -> None:
    template = load_template(str(blocking) if certain else "standard")
    code, out, err = _greenlight("scan", file, "--template", blocking if certain else "standard", "--json")

    verdict = Verdict.model_validate_json(out)
    assert (code, verdict.suggestion, verdict.versions.template) == (exit_code, suggestion, template.id), err


def test_scan_of_what_is_no_video_is_a_document_with_its_error() -> None:
    code, out, _ = _greenlight("scan", clips.playlist, "--json")

    assert code == 3
    document = json.loads(out)
    assert document["file_name"] == "playlist.mp4"
    assert document["error"]["code"] == "not_a_video"


def test_a_name_that_is_no_text_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"odd\xff.mp4")
    shutil.copy(clips.text(), odd)

    code, out, err = _greenlight("scan", odd, "--json")

    assert (code, json.loads(out)["file_name"]) == (3, "odd?.mp4"), err


def test_scan_shows_people_what_was_said_and_keeps_it(tmp_path: Path) -> None:
    code, out, err = _greenlight("scan", clips.spoken, "--title", "A speech", "--pictures", tmp_path / "kept")

    assert code == 0, err
    assert clips.SPOKEN_WORDS in " ".join(out.split())
    assert "11 of 11 s of sound heard" in out
    assert clips.SPOKEN_WORDS in (tmp_path / "kept" / "transcript.vtt").read_text()


def test_scan_shows_people_what_it_found_and_keeps_pictures(tmp_path: Path) -> None:
    code, out, _ = _greenlight("scan", clips.code, "--template", "standard", "--pictures", tmp_path / "pictures")

    assert code == 10
    for word in ("REVIEW", "ad/qrcode", "0:01.0", "8 of 8 frames looked at"):
        assert word in out
    assert [path.suffix for path in (tmp_path / "pictures").iterdir()] == [".jpg"]


def test_scan_looks_at_covers_and_says_which_it_could_not_look_at() -> None:
    covers = "--cover", clips.code_picture, "--cover", clips.broken_picture
    code, out, err = _greenlight("scan", clips.clean, "--template", "standard", *covers, "--json")

    verdict = Verdict.model_validate_json(out)
    assert (code, verdict.form, verdict.segments[0].cover) == (10, "cover", 0), err
    assert (verdict.coverage.covers_scanned, verdict.coverage.gaps) == (1, ("cover_not_looked_at",))


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan",),
        ("scan", "no-such-file.mp4"),
        ("scan", clips.text, "--template", "no_such_template"),
        ("scan", clips.clean, "--template", clips.text),
        ("scan", clips.clean, "--no-such-option"),
        ("scan", clips.clean, "--title", "é" * 65),
        ("scan", clips.clean, *["--cover", clips.code_picture] * 6),
        ("upload", "no-such-file.mp4"),
        ("upload", clips.clean, "--url", "http://127.0.0.1:9"),
        ("upload", clips.clean, "--url", "http://127.0.0.1:9", "--token", "t", "--title", "é" * 65),
    ],
    ids=[
        "no file",
        "scan no such file",
        "no such template",
        "no template",
        "no such option",
        "title too long to scan",
        "too many covers",
        "upload no such file",
        "no token",
        "title too long",
    ],
)
def test_a_wrong_call_says_so_and_prints_no_document(arguments: tuple[str | Clip, ...]) -> None:
    code, out, err = _greenlight(*arguments, *(["--json"] if len(arguments) > 1 else []))

    assert (code, out) == (2, "")
    assert err


def test_upload_that_reaches_nobody_has_failed() -> None:
    code, out, _ = _greenlight("upload", clips.clean, "--url", "http://127.0.0.1:9", "--token", "t", "--json")

    assert code == 4
    assert json.loads(out)["error"]["code"] == "unavailable"


def test_upload_of_an_unwelcome_caller_has_failed(stack: Stack) -> None:
    caller = _caller(stack) | {"GREENLIGHT_TOKEN": stack.token(["read"])}

    code, out, _ = _greenlight("upload", clips.clean, "--json", **caller)

    assert code == 4
    assert json.loads(out)["error"]["code"] == "forbidden_scope"


def test_upload_with_an_unknown_procedure_is_a_wrong_call(stack: Stack) -> None:
    code, out, err = _greenlight("upload", clips.clean, "--procedure", "no_such_pre", "--json", **_caller(stack))

    assert (code, out) == (2, "")
    assert "no_such_pre" in err


@pytest.mark.parametrize(("file", "exit_code"), [(clips.clean, 0), (clips.text, 3)], ids=["pass", "refused"])
def test_upload_says_with_its_exit_code_what_came_of_it(stack: Stack, file: Clip, exit_code: int) -> None:
    code, out, err = _greenlight("upload", file, "--procedure", "standard_pre", "--json", **_caller(stack))

    assert code == exit_code, err
    assert ("error" in json.loads(out)) is (exit_code == 3)


def test_a_template_of_the_owners_with_its_words_judges_an_upload(stack: Stack, api: Api) -> None:
    # GIVEN a template that blocks by itself, and the library that it names, where functions find them
    rule = Rule(label="spam", sub_label="customized", forms=frozenset({Form.TITLE}), review=60, block=95)
    own = Template(name="shop", revision=1, auto_block=True, keywords=("rivals",), rules=(rule,))
    words = {library("keywords", "rivals"): json.dumps({"block": ["acme"]}).encode()}
    put(describe(NAME, stack.client), own, checked(own, words))

    # WHEN an upload asks for it
    called = ("upload", clips.clean, "--procedure", "shop_pre", "--title", "Acme is better", "--json")
    code, out, err = _greenlight(*called, **_caller(stack))

    # THEN it judges
    verdict = Verdict.model_validate_json(out)
    assert (code, verdict.versions.template, verdict.form) == (20, "shop@1", "title"), err
    assert api.media(verdict.media_id).media.status is MediaStatus.BLOCKED


def test_scan_and_the_stack_come_to_the_same_verdict(stack: Stack) -> None:
    # GIVEN a clip in two segments with many findings, and a cover-less upload of it
    scanned = _greenlight("scan", clips.blinking, "--template", "standard", "--json")
    uploaded = _greenlight("upload", clips.blinking, "--procedure", "standard_pre", "--json", **_caller(stack))
    assert scanned[0] == uploaded[0] == 10

    def compared(out: str) -> dict[str, Any]:
        verdict = Verdict.model_validate_json(out)
        segments = [segment.model_copy(update={"picture": None}) for segment in verdict.segments[:10]]
        own = {"media_id", "job_id", "created_at", "segments_file", "transcript_file", "texts_file"}
        return verdict.model_copy(update={"segments": tuple(segments)}).model_dump(exclude=own)

    # THEN both have looked at the same and found the same
    assert compared(scanned[1]) == compared(uploaded[1])
