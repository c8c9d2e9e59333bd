"""The command line as a user runs it: real processes against a real service."""

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import Service
from coterie.store.schema import HEAD

ROWS = [[float(number % 3 * 20), float(number)] for number in range(60)]


def coterie(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coterie", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=cwd, check=False)


@pytest.fixture(autouse=True)
def records(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands find the records of the service that a test uses."""
    if "service" in request.fixturenames:
        for name, value in request.getfixturevalue("service").place.environment.items():
            monkeypatch.setenv(name, value)


def test_a_folder_of_records_elsewhere_is_not_taken_for_a_new_one(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    if service.place.database_url is None:
        pytest.skip("the records are in the folder")
    monkeypatch.delenv("COTERIE_DATABASE_URL")
    for command in (["key", "list"], ["serve", "--port", "0"]):
        refused = coterie(*command, *at(service))
        assert refused.returncode == 1
        assert "set COTERIE_DATABASE_URL" in refused.stderr


def at(service: Service) -> list[str]:
    return ["--data-dir", str(service.data_dir)]


def test_help_names_every_command_and_setting() -> None:
    shown = coterie("--help").stdout
    for command in ("serve", "worker", "key", "import", "clusters", "triggers", "webhooks", "models", "embed", "demo"):
        assert command in shown
    for setting in ("COTERIE_HOST", "COTERIE_PORT", "COTERIE_DATA_DIR", "COTERIE_WORKERS"):
        assert setting in coterie("serve", "--help").stdout


def test_keys_are_made_listed_and_revoked_offline(tmp_path: Path) -> None:
    where = ["--data-dir", str(tmp_path / "data")]
    made = coterie("key", "create", *where, "--name", "ci", "--permission", "read")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert key.startswith("sk_")
    assert " " not in key
    listed = coterie("key", "list", *where).stdout
    assert "ci" in listed
    assert key not in listed
    assert coterie("key", "create", *where, "--name", "ci").returncode == 1
    assert "unknown permission" in coterie("key", "create", *where, "--name", "x", "--permission", "fly").stderr
    assert coterie("key", "revoke", *where, "--name", "ci").returncode == 0
    assert coterie("key", "revoke", *where, "--name", "ci").returncode == 1


def test_migrate_says_what_it_did(tmp_path: Path) -> None:
    where = ["--data-dir", str(tmp_path / "data")]
    assert coterie("migrate", *where).stdout == f"schema {HEAD}: from none\n"
    assert coterie("migrate", *where).stdout == f"schema {HEAD}: up to date\n"
    with sqlite3.connect(tmp_path / "data" / "coterie.db") as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    refused = coterie("migrate", *where)
    assert (refused.returncode, "schema 9999" in refused.stderr) == (1, True)
    assert "schema 9999" in coterie("serve", "--port", "0", *where).stderr


@pytest.mark.parametrize("command", [["migrate"], ["serve", "--port", "0"], ["key", "list"]])
def test_records_that_cannot_be_reached_are_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("COTERIE_DATABASE_URL", "postgresql+psycopg://me:hidden@127.0.0.1:1/none")
    done = coterie(*command, "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "the records cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hidden" not in done.stderr


def test_a_key_made_beside_a_running_service_works_there(service: Service) -> None:
    key = coterie("key", "create", *at(service), "--name", "beside").stdout.strip()
    answer = httpx.post(f"{service.url}/v1/clusters/list", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".ndjson", ".csv"])
def test_a_file_is_imported_whatever_its_kind(service: Service, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"things{suffix}"
    table = pa.table({"id": [f"d{n}" for n in range(60)], "vec": ROWS, "n": list(range(60))})
    if suffix == ".parquet":
        pq.write_table(table, file)
    elif suffix == ".arrow":
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    elif suffix == ".ndjson":
        file.write_text("\n".join(json.dumps(row) for row in table.to_pylist()))
    else:
        lines = [f'd{n},"{json.dumps(row)}",{n}' for n, row in enumerate(ROWS)]
        file.write_text("\n".join(["id,vec,n", *lines]))
    name = f"cli-{suffix[1:]}"
    done = coterie("import", str(file), "--collection", name, "--vector-column", "vec:bring_your_own", *at(service))
    assert done.returncode == 0, done.stderr
    assert "imported 60 documents" in done.stdout
    with service.client() as client:
        found = client.get(f"/v1/collections/{name}/documents/d7", params={"return_vectors": True}).json()
    assert (found["vector"], found["metadata"]) == (ROWS[7], {"n": 7})


def test_faulty_rows_are_named_and_the_status_is_1(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text('id,vec\na,"[1, 2]"\nb,nonsense\nc,"[3, 4]"\n')
    done = coterie("import", str(file), "--collection", "cli-faults", "--vector-column", "vec", *at(service))
    assert done.returncode == 1
    assert "row 2: vector 'vec' is null" in done.stderr
    assert "imported 2 documents" in done.stdout
    strict = coterie("import", str(file), "--collection", "cli-s", "--vector-column", "vec", "--strict", *at(service))
    assert strict.returncode == 1
    assert "nothing was imported" in strict.stderr
    assert coterie("import", "none.csv", "--collection", "x", *at(service)).returncode == 1


def test_a_definition_is_made_run_listed_and_shown(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "things.ndjson"
    file.write_text("\n".join(json.dumps({"id": f"d{n}", "vector": row}) for n, row in enumerate(ROWS)))
    coterie("import", str(file), "--collection", "cli-run", *at(service))
    made = coterie(
        "clusters",
        "create",
        "cli groups",
        "--collection",
        "cli-run",
        "--method",
        "kmeans",
        "-p",
        "n_clusters=3",
        *at(service),
    )
    assert json.loads(made.stdout)["vector_config"]["algorithm_params"] == {"n_clusters": 3}
    run = coterie("clusters", "run", "cli groups", *at(service))
    assert run.returncode == 0, run.stderr
    assert "3 groups of 60 documents" in run.stdout
    assert "cli groups" in coterie("clusters", "list", "--search", "cli groups", *at(service)).stdout
    assert "COMPLETED" in coterie("clusters", "show", "cli groups", *at(service)).stdout
    assert coterie("clusters", "show", "no such", *at(service)).returncode == 1
    runs = json.loads(coterie("clusters", "runs", "cli groups", "--json", *at(service)).stdout)
    run_id = runs["results"][0]["run_id"]
    assert "1 of 1" in coterie("clusters", "runs", "cli groups", *at(service)).stdout
    exported = coterie("clusters", "export", "cli groups", *at(service), cwd=tmp_path)
    assert exported.stdout.strip() == f"{run_id}-members.parquet"
    assert pq.read_table(tmp_path / f"{run_id}-members.parquet").num_rows == 60
    table = ["--run", run_id, "--format", "csv", "--content", "groups", "--output", str(tmp_path / "groups.csv")]
    assert coterie("clusters", "export", "cli groups", *table, *at(service)).returncode == 0
    assert len((tmp_path / "groups.csv").read_text().splitlines()) == 4
    assert coterie("clusters", "export", "cli groups", "--format", "xls", *at(service)).returncode == 1
    twice = coterie("clusters", "create", "cli groups", "--collection", "cli-run", *at(service))
    assert twice.returncode == 1
    assert "already exists" in twice.stderr


def test_a_definition_is_suggested_and_made_of_the_suggestion(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "things.ndjson"
    file.write_text("\n".join(json.dumps({"id": f"d{n}", "vector": row}) for n, row in enumerate(ROWS)))
    coterie("import", str(file), "--collection", "cli-suggest", *at(service))
    shown = coterie("clusters", "suggest", "--collection", "cli-suggest", "--seconds", "5", *at(service))
    assert shown.returncode == 0, shown.stderr
    assert "stable" in shown.stdout
    assert "60 of 60 documents" in shown.stdout
    plain = coterie("clusters", "suggest", "--collection", "cli-suggest", "--seconds", "5", "--json", *at(service))
    definition = tmp_path / "definition.json"
    definition.write_text(plain.stdout)
    made = json.loads(coterie("clusters", "create", "--file", str(definition), *at(service)).stdout)
    assert made["collection_ids"] == ["cli-suggest"]
    assert coterie("clusters", "suggest", "--collection", "none such", *at(service)).returncode == 1


def test_a_webhook_is_made_listed_and_its_deliveries_replayed(service: Service) -> None:
    assert coterie("webhooks", "create", "cli", *at(service)).returncode == 1
    inner = coterie("webhooks", "create", "cli", "--endpoint", "http://127.0.0.1/x", "--event", "ping", *at(service))
    assert (inner.returncode, "event_types" in inner.stderr) == (1, True)
    options = ["--endpoint", "https://hooks.invalid/x", "--event", "cluster.created"]
    made = json.loads(coterie("webhooks", "create", "cli hook", *options, *at(service)).stdout)
    assert made["secret"].startswith("whsec_")
    assert made["webhook_id"] in coterie("webhooks", "list", *at(service)).stdout.replace("\n", "")
    with service.client() as client:
        path = f"/v1/organizations/webhooks/{made['webhook_id']}"
        delivery = client.post(f"{path}/test").json()["deliveries"][0]["delivery_id"]
        assert "ping" in coterie("webhooks", "deliveries", "cli hook", *at(service)).stdout
        assert "not ended" in coterie("webhooks", "replay", "cli hook", delivery, *at(service)).stderr
        client.delete(path)


def test_a_trigger_is_made_listed_paused_resumed_and_deleted(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "things.ndjson"
    file.write_text("\n".join(json.dumps({"id": f"d{n}", "vector": row}) for n, row in enumerate(ROWS)))
    coterie("import", str(file), "--collection", "cli-triggers", *at(service))
    coterie("clusters", "create", "cli triggered", "--collection", "cli-triggers", *at(service))
    when = ["--cron", "0 6 * * *", "--timezone", "Europe/Berlin"]
    made = coterie("triggers", "create", "cli triggered", *when, *at(service))
    assert made.returncode == 0, made.stderr
    trigger = json.loads(made.stdout)
    identity = trigger["trigger_id"]
    assert trigger["schedule_config"] == {"cron_expression": "0 6 * * *", "timezone": "Europe/Berlin"}
    assert "1 of 1" in coterie("triggers", "list", "--cluster", "cli triggered", *at(service)).stdout
    assert coterie("triggers", "pause", identity, *at(service)).stdout == f"{identity}: paused\n"
    assert f"{identity}: active, next at 20" in coterie("triggers", "resume", identity, *at(service)).stdout
    assert "0 of 0" in coterie("triggers", "history", identity, *at(service)).stdout
    assert coterie("triggers", "delete", identity, *at(service)).stdout == f"{identity}: disabled\n"
    refused = coterie("triggers", "create", "cli triggered", "--every", "5", *at(service))
    assert (refused.returncode, "interval_seconds" in refused.stderr) == (1, True)
    unclear = coterie("triggers", "create", "cli triggered", "--every", "300", "--after", "5", *at(service))
    assert (unclear.returncode, "one of --cron" in unclear.stderr) == (1, True)


def test_without_a_service_the_commands_say_what_to_do(tmp_path: Path) -> None:
    done = coterie("clusters", "list", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "coterie serve" in done.stderr


def test_health_is_told_of_the_server_and_of_a_worker_of_this_host(service: Service) -> None:
    assert coterie("health", *at(service)).stdout == "OK\n"
    deadline = time.monotonic() + 60
    while coterie("health", "--worker", *at(service)).returncode:
        assert time.monotonic() < deadline, service.log()


def test_health_says_what_is_missing(tmp_path: Path) -> None:
    nowhere = ["--data-dir", str(tmp_path)]
    assert "coterie serve" in coterie("health", *nowhere).stderr
    assert "no records" in coterie("health", "--worker", *nowhere).stderr
    (tmp_path / "coterie.db").touch()
    assert "do not answer" in coterie("health", "--worker", *nowhere).stderr


def test_a_taken_port_is_told(service: Service, tmp_path: Path) -> None:
    port = service.url.rpartition(":")[2]
    done = coterie("serve", "--port", port, "--data-dir", str(tmp_path / "d"))
    assert done.returncode == 1
    assert "cannot listen" in done.stderr


def test_the_demo_tells_its_story_and_ends_well(tmp_path: Path) -> None:
    done = coterie("demo", "--exit", "--data-dir", "demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for words in ("digits_hdbscan", "digits_kmeans", "digits_by_label", "curl --request POST", '"total_count": 2'):
        assert words in done.stdout
    assert coterie("demo", "--exit", "--data-dir", "demo", cwd=tmp_path).returncode == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    refused = coterie("demo", "--exit", "--data-dir", "mine", cwd=tmp_path)
    assert refused.returncode == 1
    assert (tmp_path / "mine" / "file").exists()


def test_a_service_that_cannot_be_reached_is_told_in_a_line() -> None:
    for url in ("http://127.0.0.1:1", "nohttp"):
        done = coterie("clusters", "list", "--url", url, "--api-key", "sk_x")
        assert done.returncode == 1
        assert done.stderr.startswith("error: the service cannot be reached")
    assert coterie("--version").stdout.strip().count(".") == 2


def test_a_second_service_on_a_folder_does_not_hide_the_first(service: Service, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "coterie", "serve", "--port", "0", "--workers", "0", *at(service)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second:
        assert second.stdout is not None
        assert second.stdout.readline().startswith("Coterie is at http")
        second.terminate()
    assert json.loads((service.data_dir / "server.json").read_text())["url"] == service.url


def test_vectors_of_a_csv_file_are_found_by_their_look(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text('id,embedding,name\na,"[1, 2]",x\nb,"[3, 4]",y\n')
    assert coterie("import", str(file), "--collection", "cli-look", *at(service)).returncode == 0
    with service.client() as client:
        found = client.get("/v1/collections/cli-look/documents/b", params={"return_vectors": True}).json()
    assert (found["vectors"], found["metadata"]) == ({"bring_your_own": [3.0, 4.0]}, {"name": "y"})
