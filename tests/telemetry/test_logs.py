"""Lines of the log: led back to the request over all processes, in two forms, without secrets."""

import json
import logging
from collections.abc import Iterator

import pytest

from coterie.kit import logs
from coterie.kit.ids import new_key
from telemetry.conftest import REQUEST, TRACE, Told

FORMS: dict[logs.LogFormat, logging.Formatter] = {"text": logs.TextLines(), "json": logs.JsonLines()}


def test_every_line_of_a_service_is_an_object_and_no_key_is_in_it(told: Told) -> None:
    lines = told.lines()
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    assert told.service.key not in (told.service.data_dir / "service.log").read_text()


def test_a_request_and_what_its_worker_and_stages_say_carry_its_ids(told: Told) -> None:
    own = [line for line in told.lines() if line.get("request_id") == REQUEST]
    said = {line["logger"] for line in own}
    assert {"coterie.access", "coterie.jobs", "coterie.compute"} <= said
    assert {line["trace_id"] for line in own} == {TRACE}
    of_the_stage = next(line for line in own if line["logger"] == "coterie.compute")
    assert of_the_stage["task_id"] == told.task["task_id"]
    assert of_the_stage["run_id"] == told.task["additional_data"]["run_id"]
    assert {"organization_id", "namespace_id"} <= set(of_the_stage)
    request = next(line for line in own if line["logger"] == "coterie.access")
    assert request["organization_id"] == of_the_stage["organization_id"]


def test_what_led_to_a_task_is_kept_with_it_and_not_shown(told: Told) -> None:
    payload = told.service.query("SELECT payload FROM tasks WHERE kind = 'cluster.run'")[0][0]
    assert json.loads(str(payload))["origin"]["request_id"] == REQUEST
    assert REQUEST not in json.dumps(told.task)


@pytest.fixture
def record() -> logging.LogRecord:
    return logging.LogRecord("coterie.x", logging.WARNING, __file__, 1, "said %s", ("a\nb",), None)


@pytest.fixture(autouse=True)
def carried() -> Iterator[None]:
    with logs.carrying({"request_id": "r1", "run_id": None}):
        yield


def test_ids_are_added_within_and_gone_after(record: logging.LogRecord) -> None:
    with logs.carrying({"task_id": "t1"}):
        logs.note(organization_id="o1", namespace_id=None)
        assert logs.known_ids() == {"request_id": "r1", "task_id": "t1", "organization_id": "o1"}
    assert logs.known_ids() == {"request_id": "r1"}
    logs.CarryIds().filter(record)
    assert record.ids == {"request_id": "r1"}


def test_a_record_is_one_line_in_either_form(record: logging.LogRecord) -> None:
    logs.CarryIds().filter(record)
    text = FORMS["text"].format(record)
    assert text.endswith("WARNING coterie.x [request_id=r1] said a\\nb")
    line = json.loads(FORMS["json"].format(record))
    assert (line["message"], line["level"], line["request_id"]) == ("said a\nb", "WARNING", "r1")
    assert line["time"].endswith("+00:00")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(new_key(), id="key"),
        "whsec_c2VjcmV0+/c2VjcmV0=",
        "sk-proj-abcdefghij",
        "postgresql+psycopg://coterie:hunter22@host/db",
        "Authorization: Bearer abc.def",
        "http://127.0.0.1:8000/sign-in#abcDEF",
        f"/v1/exports/int_a/ns_b/1790000000/{'s' * 43}/members.csv",
        "http://store:8333/b/k?X-Amz-Expires=60&X-Amz-Signature=0a1b2c",
    ],
)
def test_secrets_are_shown_in_no_form_nor_in_a_traceback(form: logs.LogFormat, secret: str) -> None:
    try:
        raise RuntimeError(secret)
    except RuntimeError as error:
        raised = (type(error), error, error.__traceback__)
    shown = FORMS[form].format(logging.LogRecord("x", logging.ERROR, "f", 1, "of %s", (secret,), raised))
    assert secret not in shown
    assert "hunter22" not in shown
    assert shown.count(logs.HIDDEN) >= 2


def test_what_is_no_secret_stays() -> None:
    plain = "task-12345678 of risk_12345678 at https://host/path@x, ask_something_long"
    assert logs.without_secrets(plain) == plain
