"""`greenlight put-template`: checked here, then in the bucket where functions look."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from greenlight import put_template
from greenlight.cli import app
from greenlight.deployed import Deployed, Resource
from moderation.aws.objects import S3Objects
from moderation.services.templates import OwnTemplates

ARN = "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/1d2e"
WORDS = {"label": "spam", "sub_label": "customized", "forms": ["title"], "review": 60}
BUCKET = "results"


@pytest.fixture
def s3(socket_disabled: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The results bucket of the stack that is found."""
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        resources = {"ResultsBucket": Resource("AWS::S3::Bucket", BUCKET)}
        deployed = Deployed(ARN, "CREATE_COMPLETE", lambda service: client, resources, {}, {})
        monkeypatch.setattr(put_template, "find", lambda stack: deployed)
        yield client


def written(folder: Path, *, words: object = None, **document: object) -> str:
    path = folder / "mine.json"
    path.write_text(json.dumps({"name": "shop", "revision": 1, "keywords": ["brands"], "rules": [WORDS]} | document))
    if words is not None:
        library = folder / "libraries" / "keywords" / "brands.json"
        library.parent.mkdir(parents=True, exist_ok=True)
        library.write_text(json.dumps(words))
    return str(path)


def put(file: str) -> tuple[int, str]:
    said = CliRunner().invoke(app, ["put-template", file])
    return said.exit_code, said.output


def test_a_template_and_its_libraries_are_where_functions_look(s3: Any, tmp_path: Path) -> None:
    code, said = put(written(tmp_path, words={"block": ["rival"]}))
    assert (code, "shop_pre" in said) == (0, True)
    objects = S3Objects(s3, BUCKET)
    assert OwnTemplates(objects).get("shop").keywords == ("brands",)
    assert json.loads(objects.get("libraries/keywords/brands.json")) == {"block": ["rival"]}


@pytest.mark.parametrize(
    ("words", "document", "told"),
    [
        (None, {}, "libraries/keywords/brands.json is missing"),
        ({"block": "rival"}, {}, "libraries/keywords/brands.json cannot be used"),
        ({}, {"name": "strict"}, "preset"),
        ({}, {"rules": [WORDS | {"sub_label": "costumized"}]}, "spam/costumized in form title"),
        ({}, {"rules": []}, "no valid template"),
        ({}, {"heads": ["vape"]}, "libraries/heads/vape.json is missing"),
    ],
)
def test_what_could_not_be_used_is_not_put(
    s3: Any, tmp_path: Path, words: object, document: dict[str, object], told: str
) -> None:
    code, said = put(written(tmp_path, words=words, **document))
    assert (code, told in said) == (4, True), said
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)


def test_a_revision_stands_for_one_template(s3: Any, tmp_path: Path) -> None:
    assert put(written(tmp_path, words={}))[0] == 0
    assert put(written(tmp_path, words={}))[0] == 0
    code, said = put(written(tmp_path, auto_block=True))
    assert (code, "shop@1 is there" in said) == (4, True)
    assert put(written(tmp_path, auto_block=True, revision=2))[0] == 0
