"""Evaluations through the command, and the figures they are made of."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image
from typer.testing import CliRunner

from greenlight.cli import app
from greenlight.evaluate import cli
from greenlight.evaluate.calibrate import Rate, calibrated, rewritten
from greenlight.evaluate.errors import EvaluateError
from greenlight.evaluate.figures import GAPS, Mistaken, Share, of_benign, of_label, of_mistaken, of_speech
from greenlight.evaluate.look import Looked, Looking, widened
from greenlight.evaluate.manifest import Item, Kind, read, sampled
from greenlight.evaluate.score import Judged, judged, lasting, scores
from moderation.detectors.catalog import CATALOG
from moderation.detectors.labels import meant
from moderation.models.job import UPLOAD_TRIGGER
from moderation.models.observation import FrameLook, Observation, Scan
from moderation.models.sound import Hearing, SoundEvent, TrackHearing
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Segment, Suggestion, Verdict
from moderation.services.ingest import new_job
from moderation.system import SystemClock
from moderation.timeline import Moment
from tests.builders import empty_verdict, identity, waiting_media

FIRE = ("terror", "fire")
GUN = ("terror", "weapon")


def rule(label: str = "terror", sub_label: str = "fire", **more: object) -> Rule:
    forms = frozenset({Form.IMAGE})
    return Rule.model_validate({"label": label, "sub_label": sub_label, "forms": forms, "review": 50} | more)


def template(*rules: Rule) -> Template:
    return Template(name="t", revision=3, rules=rules or (rule(),))


def item(name: str, *labels: str, kind: Kind = Kind.PICTURE, transcript: str | None = None) -> Item:
    return Item(name, kind, frozenset(labels), name, Path(name), transcript=transcript)


def verdict(*, duration: float = 1.0, segments: tuple[Segment, ...] = (), reasons: tuple[str, ...] = ()) -> Verdict:
    job = new_job(waiting_media(), identity(), template(), UPLOAD_TRIGGER, SystemClock())
    worst = Suggestion.worst(*(s.suggestion for s in segments))
    more = {"duration": duration, "segments": segments, "reasons": reasons, "suggestion": worst}
    return empty_verdict(job).model_copy(update=more)


def looked(*confidences: float, pair: tuple[str, str] = FIRE, step: float = 1.0, hit: int = 50) -> Looked:
    """A clip with one look a second."""
    looks = tuple(
        FrameLook(
            ordinal=n,
            time=n * step,
            observations=(
                Observation(detector="heads", form=Form.IMAGE, label=pair[0], sub_label=pair[1], score=value / 100),
            ),
        )
        for n, value in enumerate(confidences)
    )
    scan = Scan(index=0, looks=looks, detectors={}, planned=0, decoded=0, expected=0)
    segments = tuple(
        Segment(
            start=n,
            end=n + 1,
            form=Form.IMAGE,
            label=pair[0],
            sub_label=pair[1],
            confidence=int(value),
            suggestion=Suggestion.REVIEW,
            detector="heads",
            frames=1,
        )
        for n, value in enumerate(confidences)
        if value >= hit
    )
    return Looked(verdict=verdict(duration=len(confidences) * step, segments=segments), scans=(scan,))


def came_out(one: Item, seen: Looked, by: Template | None = None) -> Judged:
    found = judged(one, seen, by or template())
    assert found is not None
    return found


def test_manifests_tell_what_is_what(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.mp4", "c.wav", "d.txt"):
        (tmp_path / name).touch()
    rows = "path,label,group,transcript\na.jpg,gun|fire,g,\nb.mp4,benign,,\nc.wav,,,hello\nd.txt,fire,,\n"
    manifest = tmp_path / "m.csv"
    manifest.write_text(rows)
    picture, clip, sound = read([manifest])
    assert (picture.kind, sorted(picture.labels), picture.group) == (Kind.PICTURE, ["fire", "gun"], "g")
    assert (clip.kind, clip.labels, clip.group) == (Kind.CLIP, frozenset(), "b.mp4")
    assert (sound.kind, sound.transcript) == (Kind.SOUND, "hello")
    assert [one.name for one in read([manifest], only=["benign"])] == ["b.mp4", "c.wav"]
    # AND only those are read that are asked for, wherever they are
    assert [one.name for one in read([manifest, manifest], under=("a", "c"))] == ["a.jpg", "c.wav"] * 2
    manifest.write_text("text,label\nyou fool,1\ngood day,0\n")
    first, second = read([manifest], {"1": "abuse"})
    assert (first.kind, first.text, [*first.labels], [*second.labels]) == (Kind.TEXT, "you fool", ["abuse"], [])


def test_a_sample_has_so_many_of_each_label_wherever_they_stand() -> None:
    items = [item(f"gun-{n}", "gun") for n in range(9)] + [item(f"plain-{n}") for n in range(9)] + [item("f", "fire")]
    chosen = sampled(items, 3)
    assert sorted(Counter(min(one.labels, default="") for one in chosen).items()) == [("", 3), ("fire", 1), ("gun", 3)]
    assert set(sampled(items[::-1], 3)) == set(chosen)


@pytest.mark.parametrize(
    "content", ["", "path\na.jpg\n", "path,label\nmissing.jpg,gun\n", "path,label\nnotes.txt,gun\n"]
)
def test_what_is_no_manifest_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "m.csv").write_text(content)
    with pytest.raises(EvaluateError):
        read([tmp_path / "m.csv"])


def test_names_of_collections_mean_labels_of_the_product() -> None:
    targets = {target[1:] for spec in CATALOG for target in spec.reports}
    assert meant("weapon_gun", targets) == meant("gun", targets) == meant("terror/weapon", targets) == {GUN}
    assert meant("qr_code", targets) == {("ad", "qrcode")}
    assert meant("sound:baby_cry", targets) == {("undesirable", "crying")}
    assert len(meant("terror", targets)) > 3
    assert meant("penguins", targets) == frozenset()


def test_a_template_is_widened_by_what_nothing_meets() -> None:
    wide = widened(template(), {FIRE, GUN}, {Form.IMAGE})
    assert wide.rules[0] == template().rules[0]
    (added,) = wide.rules[1:]
    assert (added.label, added.sub_label, [*added.forms], added.review) == (*GUN, [Form.IMAGE], 100)


@pytest.mark.parametrize(
    ("values", "more", "expected"),
    [
        ([10, 90, 10, 10], {"hits": 2, "window": 3}, 0.1),
        ([10, 90, 10, 60], {"hits": 2, "window": 3}, 0.6),
        ([10, 90, 10, 10], {"hits": 2, "window": 3, "single": 85}, 0.9),
        ([10, 90], {}, 0.9),
        ([70], {"hits": 2, "window": 3}, 0.7),
        ([], {"hits": 2, "window": 3}, 0.0),
    ],
)
def test_a_clips_score_is_what_lasts_of_it(values: list[int], more: dict[str, int], expected: float) -> None:
    seen = looked(*values).scans[0].looks
    course = [Moment(look.time, look.observations[0], failed=False) for look in seen]
    by = rule().model_copy(update=more)
    assert lasting(course, by) == pytest.approx(expected)


def test_sounds_have_scores_too() -> None:
    heard = Observation(detector="voice", form=Form.VOICE, label="porn", sub_label="moan", score=0.8)
    track = TrackHearing(
        track=1, planned=3, heard=3, speech=0, events=(SoundEvent(start=0, end=3, observations=(heard,)),)
    )
    seen = Looked(verdict=verdict(), hearings=(Hearing(index=0, tracks=(track,), detectors={}),))
    assert scores(seen, template()) == {("porn", "moan"): 0.8}


def test_average_precision_precision_and_recall_of_a_label() -> None:
    # GIVEN three fires, of which one is missed, and a gun that is taken for one
    found = [
        came_out(item("a", "fire"), looked(90)),
        came_out(item("b", "fire"), looked(80)),
        came_out(item("c", "fire"), looked(20)),
        came_out(item("d", "weapon_gun"), looked(60)),
        came_out(item("e"), looked(10)),
        came_out(item("clip", kind=Kind.CLIP), looked(99)),
    ]
    figures = of_label("fire", {FIRE}, found, (), template())
    # THEN clips do not count, as no fire is in one
    assert (len(figures.members), figures.positives, figures.threshold) == (5, 3, 50)
    assert figures.precision == Share(2, 3)
    assert figures.recall == Share(2, 3)
    assert figures.precision_curve is not None
    assert figures.precision_curve.value == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert figures.precision_curve.low < figures.precision_curve.value
    # and what has another name for the same is no example without it
    assert len(of_label("fire", {FIRE}, found, ["weapon_gun"], template()).members) == 4


def test_benign_items_and_why_they_did_not_pass() -> None:
    gap = looked(10).model_copy(update={"verdict": verdict(reasons=("segment_failed",))})
    found = [came_out(item("a"), looked(10)), came_out(item("b"), looked(60)), came_out(item("c"), gap)]
    found += [came_out(item("d", "fire"), looked(99)), came_out(item("e", "gun"), looked(70))]
    figures = of_benign(found)
    assert (figures.reviewed, figures.blocked) == (Share(2, 3), Share(0, 3))
    # THEN a fire on the picture of one is no mistake, on that of a gun it is
    assert of_mistaken(found, {"fire": {FIRE}, "gun": {GUN}}) == [
        Mistaken("benign", GAPS, Share(1, 3), Share(0, 3)),
        Mistaken("benign", FIRE, Share(1, 3), Share(0, 3)),
        Mistaken("gun", FIRE, Share(1, 1), Share(0, 1)),
    ]
    # and what the template does not ask about is no reason
    other = template(rule("porn", "sexy"))
    assert of_benign([came_out(item("b"), looked(60), other)]).reviewed == Share(0, 1)


def test_transcripts_are_weighed_by_their_length() -> None:
    def one(wanted: str, said: str) -> Judged:
        return Judged(item("a", kind=Kind.SOUND, transcript=wanted), {}, (), Suggestion.PASS, said, 1.0, "")

    figures = of_speech([one("good morning to you", "good morning to two"), one("no", "no"), one("-", "thank you")])
    assert figures is not None
    assert (figures.files, figures.invented) == (3, 2)
    assert figures.wer == pytest.approx(1 / 5)
    assert of_speech([came_out(item("a"), looked(1))]) is None


def test_shares_and_rates_have_exact_intervals() -> None:
    assert list(Share(0, 100).interval) == pytest.approx([0.0, 0.037], abs=1e-3)
    assert list(Rate(0, 10).interval) == pytest.approx([0.0, 0.3689], abs=1e-3)  # Garwood
    assert list(Rate(4, 2).interval) == pytest.approx([1.0899 / 2, 10.2416 / 2], abs=1e-3)


def test_thresholds_are_raised_until_the_budget_holds_and_lowered_only_on_evidence() -> None:
    # GIVEN an hour without fire, in which it seems to burn twice, and a fire
    quiet = [0] * 3600
    quiet[10:12], quiet[500:502] = [62, 65], [71, 70]
    seen = [
        (item("quiet", kind=Kind.CLIP), looked(*quiet, hit=101)),
        (item("fire", "fire", kind=Kind.CLIP), looked(90, 90)),
    ]
    by = template(rule(hits=2, window=3, block=60))

    def proposed(per_hour: float, rules: Template = by) -> tuple[int | None, int | None]:
        (proposal,) = calibrated(seen, rules, {"fire": frozenset({FIRE})}, per_hour=per_hour, shot_seconds=5)
        assert proposal.recall == Share(1, 1)
        return proposal.proposed.review, proposal.proposed.block

    # THEN one false positive is bought by the second alone, none by neither, and blocking has a tenth of that
    assert proposed(1.0) == (63, 71)
    assert proposed(0.0) == (71, 71)
    assert proposed(2.0)[0] == 50
    # and 3.7 in an hour are what an hour without any still allows for
    high = template(rule(hits=2, window=3, review=80))
    assert proposed(3.0, high) == (80, None)
    assert proposed(4.0, high) == (71, None)


def test_a_rewritten_template_is_the_next_revision() -> None:
    by = template(rule(), rule("porn", "sexy"))
    seen = [(item("quiet", kind=Kind.CLIP), looked(60, 60))]
    proposals = calibrated(seen, by, {}, per_hour=1, shot_seconds=5)
    changed = rewritten(by, proposals)
    assert (changed.id, [one.review for one in changed.rules]) == (f"{by.name}@4", [61, 50])
    # and a preset's own name and revision are left to it
    assert rewritten(by.model_copy(update={"name": "strict"}), proposals).id == "own_strict@4"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures of nothing, one of them with a code and one that is black."""
    folder = tmp_path / "data"
    folder.mkdir()
    Image.linear_gradient("L").resize((320, 240)).save(folder / "plain.jpg")
    Image.new("RGB", (320, 240)).save(folder / "black.png")
    code = zxingcpp.write_barcode_to_image(
        zxingcpp.create_barcode("https://example.com", zxingcpp.BarcodeFormat.QRCode), scale=5, add_quiet_zones=True
    )
    with_code = Image.new("RGB", (400, 300), "orange")
    with_code.paste(Image.fromarray(code), (20, 20))
    with_code.save(folder / "code.jpg")
    (folder / "broken.jpg").write_bytes(b"no picture")
    rows = [("plain.jpg", "benign"), ("black.png", "black"), ("code.jpg", "qr_code"), ("broken.jpg", "")]
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])
    (folder / "t.json").write_text(template(rule("ad", "qrcode", forms=["code"])).model_dump_json())
    return folder


def test_the_command_evaluates_pictures_and_goes_on_where_it_stopped(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN detectors that need no models, and a cache of its own
    monkeypatch.setattr(cli, "ensure_weights", lambda: tmp_path)
    monkeypatch.setattr(cli, "cache_folder", lambda: tmp_path / "cache")
    arguments = ["evaluate", str(pictures / "manifest.csv"), "--template", str(pictures / "t.json"), "--json"]

    # WHEN it is run
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])

    # THEN labels that the template does not ask about are measured as well, without a threshold
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    code, black = found["labels"]["qr_code"], found["labels"]["black"]
    assert (code["n"], code["positives"], code["ap"], code["recall"], code["threshold"]) == (3, 1, 1.0, 1.0, 50)
    assert (black["ap"], black["recall"], black["threshold"]) == (1.0, None, None)
    assert (found["benign"]["n"], found["benign"]["review_rate"], found["benign"]["block_rate"]) == (1, 0.0, 0.0)
    assert found["refused"] == {"broken.jpg": found["refused"]["broken.jpg"]}
    assert "qr_code" in (tmp_path / "out" / "report.md").read_text()
    errors = (tmp_path / "out" / "errors.html").read_text()
    assert "data:image/jpeg;base64," in errors
    # what is not asked for has no errors, and what the product found is not missed
    assert "black: lowest scores" in errors
    assert "qr_code: missed" not in errors

    # and a second run looks at nothing again
    monkeypatch.setattr(Looking, "_looked", lambda self, one: pytest.fail(f"{one.name} was looked at again"))
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == found


@pytest.mark.parametrize(("complete", "times"), [(True, 1), (False, 2)])
def test_what_failed_is_looked_at_again(
    complete: bool, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = tmp_path / "a.jpg"
    Image.new("RGB", (64, 64)).save(picture)
    told = verdict()
    came = told.model_copy(update={"coverage": told.coverage.model_copy(update={"complete": complete})})
    seen: list[Item] = []

    def once_more(self: Looking, one: Item) -> Looked:
        seen.append(one)
        return Looked(verdict=came)

    monkeypatch.setattr(Looking, "_looked", once_more)
    looking = Looking(template(), tmp_path, tmp_path / "cache")
    for _ in range(2):
        assert looking.look(Item("a.jpg", Kind.PICTURE, frozenset(), "a", picture)).verdict == came
    assert len(seen) == times


def test_the_command_proposes_and_writes_a_template(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "ensure_weights", lambda: tmp_path)
    monkeypatch.setattr(cli, "cache_folder", lambda: tmp_path / "cache")
    arguments = ["calibrate", str(pictures / "manifest.csv"), "--template", str(pictures / "t.json"), "--per-hour", "1"]
    result = CliRunner().invoke(app, [*arguments, "--write", str(tmp_path / "new.json")])
    assert result.exit_code == 0, result.output
    assert Template.model_validate_json((tmp_path / "new.json").read_text()).revision == 4
    assert CliRunner().invoke(app, [*arguments, "--rename", "black"]).exit_code == 4
    assert CliRunner().invoke(app, ["evaluate", str(pictures / "t.json")]).exit_code == 4
