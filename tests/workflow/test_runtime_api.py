"""The Runtime API that drives handlers is itself worth a test: it stands in for Lambda in the contract tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runtime_api import LambdaProcess

Make = Callable[..., LambdaProcess]


@pytest.fixture
def make(tmp_path: Path):
    """Write an app.py and give a process that runs it."""
    made: list[LambdaProcess] = []

    def process(code: str, env: dict[str, str] | None = None, timeout: float = 10.0) -> LambdaProcess:
        (tmp_path / "app.py").write_text(code)
        made.append(LambdaProcess(tmp_path, env, timeout))
        return made[-1]

    yield process
    for each in made:
        each.close()


def test_the_answer_of_the_handler_comes_back_from_one_warm_process(make: Make) -> None:
    # GIVEN a function that counts its calls
    function = make(
        "import os\n"
        "calls = []\n"
        "def handler(event, context):\n"
        "    calls.append(event)\n"
        "    print('called')\n"
        "    return {'n': len(calls), 'event': event, 'color': os.environ['COLOR'], 'id': context.aws_request_id,\n"
        "            'left': context.get_remaining_time_in_millis()}\n",
        {"COLOR": "grün"},
    )

    # WHEN it is called twice
    first, second = function.invoke({"ä": [1, None]}), function.invoke("two")

    # THEN both calls met the same process, with event, environment, request id and deadline
    assert first.error_type is None
    assert (first.payload["n"], second.payload["n"]) == (1, 2)
    assert first.payload["event"] == {"ä": [1, None]}
    assert second.payload["color"] == "grün"
    assert first.payload["id"] != second.payload["id"]
    assert 5_000 < second.payload["left"] <= 10_000
    assert function.log.count("called") == 2


def test_an_error_keeps_its_class_and_message_and_the_process_its_life(make: Make) -> None:
    function = make(
        "class Transient(Exception): pass\n"
        "calls = []\n"
        "def handler(event, context):\n"
        "    calls.append(event)\n"
        "    if event == 'fail': raise Transient('come again')\n"
        "    return len(calls)\n"
    )

    failed = function.invoke("fail")

    assert (failed.error_type, failed.error_message) == ("Transient", "come again")
    assert function.invoke("work").payload == 2


def test_a_call_that_takes_too_long_is_killed_and_the_next_one_starts_anew(make: Make) -> None:
    function = make(
        "import time\n"
        "calls = []\n"
        "def handler(event, context):\n"
        "    calls.append(event)\n"
        "    time.sleep(event)\n"
        "    return len(calls)\n",
        timeout=0.5,
    )
    assert function.invoke(0).payload == 1

    late = function.invoke(60)

    assert late.error_type == "Sandbox.Timedout"
    assert function.invoke(0).payload == 1


def test_a_module_that_cannot_be_imported_is_told_at_once(make: Make) -> None:
    function = make("import no_such_module_anywhere\n")

    answer = function.invoke({})

    assert answer.error_type == "Runtime.ImportModuleError"
    assert "no_such_module_anywhere" in str(answer.error_message)


def test_a_process_that_dies_in_a_call_is_told_and_replaced(make: Make) -> None:
    function = make("import os\ndef handler(event, context):\n    if event == 'die': os._exit(7)\n    return 'alive'\n")

    died = function.invoke("die")

    assert (died.error_type, died.error_message) == ("Runtime.ExitError", "Runtime exited with code 7")
    assert function.invoke({}).payload == "alive"


def test_an_answer_that_is_no_json_is_an_error(make: Make) -> None:
    function = make("def handler(event, context):\n    return {1, 2}\n")

    assert function.invoke({}).error_type == "Runtime.MarshalError"
