"""What is simulated is read from what is shipped."""

from pathlib import Path

import pytest
import yaml

from greenlight.paths import CHECKOUT
from greenlight.simulate.history import items_of, worst
from greenlight.simulate.published import prices, quotas
from greenlight.simulate.shipped import shipped
from greenlight.stack.template import read
from moderation.models.media import MAX_COVERS
from moderation.refine import MAX_QUESTIONS
from tests.template.test_state_machine import HISTORY_LIMIT, SEGMENTS, inner


def test_memory_and_limits_are_those_of_the_template():
    template, app = read(CHECKOUT / "template.yaml"), shipped(CHECKOUT, {})
    extract = template["Resources"]["ExtractFunction"]["Properties"]
    assert app.functions["ExtractFunction"].memory_mb == extract["MemorySize"]
    assert app.functions["ExtractFunction"].timeout == extract["Timeout"]
    assert app.functions["ExtractFunction"].storage_mb == extract["EphemeralStorage"]["Size"]
    assert app.functions["UploadFunction"].memory_mb == template["Globals"]["Function"]["MemorySize"]
    assert app.queues["IngestFunction"].concurrency == template["Parameters"]["IngestConcurrency"]["Default"]
    assert (
        app.queues["IngestFunction"].visibility
        == template["Resources"]["UploadsQueue"]["Properties"]["VisibilityTimeout"]
    )
    assert set(app.streams) == {"OutboxFunction", "SweepFunction"}


def test_parameters_can_be_set_otherwise():
    # GIVEN the template's own conditions
    assert shipped(CHECKOUT, {"ExtractConcurrency": "77"}).functions["ExtractFunction"].reserved == 77
    assert shipped(CHECKOUT, {"ExtractConcurrency": "0"}).functions["ExtractFunction"].reserved is None
    with pytest.raises(KeyError):
        shipped(CHECKOUT, {"Nonsense": "1"})


def test_a_changed_template_is_a_changed_simulation(tmp_path: Path):
    text = (CHECKOUT / "template.yaml").read_text()
    (tmp_path / "template.yaml").write_text(text.replace("MemorySize: 3008", "MemorySize: 5000"))
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "moderation.asl.yaml").write_text(
        (CHECKOUT / "functions/moderation.asl.yaml").read_text()
    )
    assert shipped(tmp_path, {}).functions["ScanFramesFunction"].memory_mb == 5000


def test_functions_are_followed_by_what_they_ask_of_the_account():
    # GIVEN the defaults THEN AWS takes the reservations: 100 executions must remain for everything else
    reserved = sum(function.reserved or 0 for function in shipped(CHECKOUT, {}).functions.values())
    assert reserved <= quotas("us-east-1")["lambda_concurrency"].value - 100


def test_queues_hide_messages_for_six_times_as_long_as_their_function_may_take():
    app = shipped(CHECKOUT, {})
    for name, source in app.queues.items():
        assert source.visibility >= 6 * app.functions[name].timeout
        assert source.receives >= 5


def test_the_worst_history_is_what_the_template_tests_compute():
    machine = yaml.safe_load((CHECKOUT / "functions/moderation.asl.yaml").read_text())
    counted = worst(machine, {"segments": SEGMENTS, "covers": MAX_COVERS, "windows": MAX_QUESTIONS})
    assert counted == inner(machine) + 2
    assert counted < HISTORY_LIMIT < quotas("us-east-1")["history"].value


def test_maps_say_what_they_go_through():
    machine = shipped(CHECKOUT, {}).machine
    parts = [*machine["States"]["Look"]["Branches"], machine]
    found = [items_of(state) for part in parts for state in part["States"].values() if state["Type"] == "Map"]
    assert found == ["segments", "covers", "windows"]


def test_quotas_depend_on_the_region_and_prices_on_the_processor():
    assert quotas("us-east-1")["state_transitions"].value > quotas("eu-central-1")["state_transitions"].value
    assert prices("arm64")["lambda_gb_second"] < prices("x86_64")["lambda_gb_second"]
    assert all(price > 0 for price in prices("arm64").values())
