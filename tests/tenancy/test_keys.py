"""Keys: shown once, stored hashed, limited, revoked at once."""

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.kit.ids import hash_key
from coterie.store.tables import api_keys
from coterie.tenancy.bootstrap import ADMIN_EMAIL

KEYS = f"/v1/organizations/users/{ADMIN_EMAIL}/api-keys"


def with_key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_key_is_shown_once_and_stored_as_its_hash(client: TestClient, services: Services) -> None:
    made = client.post(KEYS, params={"key_name": "ci"}).json()
    assert made["key"].startswith("sk_")
    assert made["permissions"] == ["read", "write", "delete"]
    shown = client.get(f"/v1/organizations/users/{ADMIN_EMAIL}").text
    assert made["key"] not in shown
    assert f"sk_…{made['key'][-4:]}" in shown
    with services.db.read() as tx:
        stored = str(tx.execute(select(api_keys)).all())
    assert made["key"] not in stored
    assert hash_key(made["key"]) in stored


def test_a_revoked_key_is_refused_by_the_next_request(client: TestClient) -> None:
    key = client.post(KEYS, params={"key_name": "short"}).json()["key"]
    assert client.get("/v1/organizations", headers=with_key(key)).status_code == 200
    assert client.delete(f"{KEYS}/short").status_code == 200
    assert client.get("/v1/organizations", headers=with_key(key)).status_code == 401
    assert client.delete(f"{KEYS}/short").status_code == 404


def test_an_expired_key_is_refused(client: TestClient, services: Services) -> None:
    made = client.post(KEYS, params={"key_name": "e", "expires_at": "2999-01-01T00:00:00"}).json()
    assert made["expires_at"] == "2999-01-01T00:00:00.000000Z"
    assert client.get("/v1/organizations", headers=with_key(made["key"])).status_code == 200
    with services.db.write() as tx:
        tx.execute(update(api_keys).where(api_keys.c.name == "e").values(expires_at="2020-01-01T00:00:00.000000Z"))
    assert client.get("/v1/organizations", headers=with_key(made["key"])).status_code == 401
    past = client.post(KEYS, params={"key_name": "p", "expires_at": "2020-01-01T00:00:00Z"})
    assert past.status_code == 422


def test_a_key_is_renamed_and_its_permissions_changed(client: TestClient) -> None:
    key = client.post(KEYS, params={"key_name": "a"}).json()["key"]
    client.post(KEYS, params={"key_name": "b"})
    changed = client.patch(f"{KEYS}/a", json={"name": "reader", "permissions": ["read"]}).json()
    assert (changed["name"], changed["permissions"]) == ("reader", ["read"])
    assert key not in str(changed)
    assert client.patch(f"{KEYS}/reader", json={"name": "b"}).status_code == 409
    assert client.post(KEYS, params={"key_name": "b"}).status_code == 409
    made = client.post("/v1/collections", json={"collection_name": "x"}, headers=with_key(key))
    assert made.status_code == 403
    assert "create" in made.json()["error"]["message"]


@pytest.mark.parametrize(
    ("permission", "method", "path", "status"),
    [
        ("read", "POST", "/v1/clusters/list", 200),
        ("write", "POST", "/v1/clusters/list", 403),
        ("view", "GET", "/v1/tasks/", 200),
        ("create", "POST", "/v1/namespaces", 200),
        ("update", "POST", "/v1/namespaces", 403),
        ("read", "DELETE", "/v1/collections/x", 403),
        ("delete", "DELETE", "/v1/collections/x", 404),
        ("write", "POST", "/v1/organizations/users", 403),
        ("manage_users", "POST", "/v1/organizations/users", 200),
    ],
)
def test_each_route_wants_its_permission(
    client: TestClient, permission: str, method: str, path: str, status: int
) -> None:
    key = client.post(KEYS, params={"key_name": "k", "permissions": [permission]}).json()["key"]
    bodies = {"/v1/namespaces": {"namespace_name": "n"}, "/v1/organizations/users": {"email": "a@example.org"}}
    answer = client.request(method, path, json=bodies.get(path), headers=with_key(key))
    assert answer.status_code == status, answer.text


def test_no_one_grants_more_than_they_have(client: TestClient) -> None:
    key = client.post(KEYS, params={"key_name": "m", "permissions": ["manage_users", "read"]}).json()["key"]
    refused = client.post(KEYS, params={"key_name": "n", "permissions": ["admin"]}, headers=with_key(key))
    assert refused.status_code == 403
    assert client.patch(f"{KEYS}/m", json={"permissions": ["super"]}, headers=with_key(key)).status_code == 403
    narrowed = client.post(KEYS, params={"key_name": "o"}, headers=with_key(key)).json()
    assert narrowed["permissions"] == ["read"]


def test_users_come_and_go_with_their_keys(client: TestClient) -> None:
    assert client.post("/v1/organizations/users", json={"email": "b@example.org"}).status_code == 200
    assert client.post("/v1/organizations/users", json={"email": "b@example.org"}).status_code == 409
    key = client.post("/v1/organizations/users/b@example.org/api-keys").json()["key"]
    assert client.delete("/v1/organizations/users/b@example.org").status_code == 200
    assert client.get("/v1/organizations", headers=with_key(key)).status_code == 401
    assert client.delete(f"/v1/organizations/users/{ADMIN_EMAIL}").status_code == 400
    assert client.post("/v1/organizations/users", json={"email": "no address"}).status_code == 422


def test_the_bootstrap_key_s_file_is_its_owner_s_alone(
    client: TestClient, services: Services, auth: dict[str, str]
) -> None:
    path = services.settings.key_path
    assert path.stat().st_mode & 0o777 == 0o600
    assert auth["Authorization"] == f"Bearer {path.read_text().strip()}"


def manager(client: TestClient) -> dict[str, str]:
    query = {"key_name": "manager", "permissions": ["read", "manage_users"]}
    return with_key(client.post(KEYS, params=query).json()["key"])


def test_a_key_cannot_touch_one_that_may_do_more(client: TestClient) -> None:
    limited = manager(client)
    client.post("/v1/organizations/users", json={"email": "boss@example.org"})
    client.post(
        "/v1/organizations/users/boss@example.org/api-keys", params={"key_name": "own", "permissions": ["admin"]}
    )
    asked = [
        client.patch(f"{KEYS}/bootstrap", json={"permissions": ["read"]}, headers=limited),
        client.patch(f"{KEYS}/bootstrap", json={"name": "mine"}, headers=limited),
        client.delete(f"{KEYS}/bootstrap", headers=limited),
        client.delete("/v1/organizations/users/boss@example.org", headers=limited),
    ]
    assert [answer.status_code for answer in asked] == [403] * 4
    assert client.get("/v1/organizations").status_code == 200


def test_the_last_lasting_admin_key_stays(client: TestClient) -> None:
    client.post(KEYS, params={"key_name": "ends", "permissions": ["admin"], "expires_at": "2999-01-01T00:00:00Z"})
    asked = [
        client.delete(f"{KEYS}/bootstrap"),
        client.patch(f"{KEYS}/bootstrap", json={"permissions": ["read"]}),
        client.patch(f"{KEYS}/bootstrap", json={"expires_at": "2999-01-01T00:00:00Z"}),
    ]
    assert [answer.status_code for answer in asked] == [400] * 3
    assert "last lasting admin key" in asked[0].json()["error"]["message"]
    assert client.post(KEYS, params={"key_name": "second", "permissions": ["admin"]}).status_code == 200
    assert client.delete(f"{KEYS}/bootstrap").status_code == 200


def test_a_key_that_ends_makes_none_that_outlives_it(client: TestClient) -> None:
    query = {"key_name": "guest", "permissions": ["manage_users"], "expires_at": "2990-01-01T00:00:00Z"}
    guest = with_key(client.post(KEYS, params=query).json()["key"])
    later = {"key_name": "later", "permissions": ["manage_users"], "expires_at": "2991-01-01T00:00:00Z"}
    assert client.post(KEYS, params=later, headers=guest).status_code == 403
    assert client.post(KEYS, params={"key_name": "ever"}, headers=guest).status_code == 403
    assert client.patch(f"{KEYS}/guest", json={"expires_at": None}, headers=guest).status_code == 403
    sooner = {**later, "expires_at": "2989-01-01T00:00:00Z"}
    assert client.post(KEYS, params=sooner, headers=guest).status_code == 200


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+10:00"])
def test_an_expiry_outside_the_calendar_is_refused(client: TestClient, moment: str) -> None:
    assert client.post(KEYS, params={"key_name": "k", "expires_at": moment}).status_code == 422
    assert client.patch(f"{KEYS}/bootstrap", json={"expires_at": moment}).status_code == 422
