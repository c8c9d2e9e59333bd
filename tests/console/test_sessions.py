"""Signing a browser in: links that work once, sessions in a cookie that counts for the console's own pages only."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.console.sessions import LINK_LASTS, SESSION_LASTS, exchange, make_link
from coterie.kit.errors import Unauthorized
from coterie.store.tables import api_keys, sign_in_links
from coterie.tenancy.bootstrap import administrator

OWN = {"X-Coterie-Console": "1"}
COOKIE = "coterie_session_default"


@pytest.fixture
def browser(app: FastAPI) -> Iterator[TestClient]:
    """A client that has nothing but its cookies."""
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def token(services: Services) -> str:
    with services.db.write() as tx:
        link = make_link(tx, administrator(tx)[0], "http://here", services.clock.now())
    assert link.startswith("http://here/sign-in#")
    return link.partition("#")[2]


def signed_in(browser: TestClient) -> bool:
    return bool(browser.get("/session", headers=OWN).json()["signed_in"])


def test_a_link_signs_in_once(browser: TestClient, token: str) -> None:
    assert not signed_in(browser)
    answer = browser.post("/session", json={"token": token}, headers=OWN)
    assert answer.status_code == 200, answer.text
    cookie = answer.headers["set-cookie"].lower()
    for part in ("httponly", "samesite=strict", "path=/", "max-age=43200"):
        assert part in cookie
    assert "secure" not in cookie
    assert signed_in(browser)
    assert browser.post("/v1/clusters/list", json={}, headers=OWN).status_code == 200
    again = browser.post("/session", json={"token": token}, headers=OWN)
    assert again.status_code == 401
    assert "coterie key sign-in" in again.json()["error"]["message"]


def test_two_services_of_one_machine_have_two_cookies(app: FastAPI, token: str) -> None:
    with TestClient(app, base_url="http://here:8001") as client:
        client.post("/session", json={"token": token}, headers=OWN)
        assert list(client.cookies) == ["coterie_session_8001"]
        assert signed_in(client)


def test_shared_caches_keep_nothing_that_came_with_a_cookie(browser: TestClient, token: str) -> None:
    browser.post("/session", json={"token": token}, headers=OWN)
    assert browser.get("/v1/organizations", headers=OWN).headers["cache-control"] == "private, no-store"


def test_over_https_the_cookie_goes_by_https_only(app: FastAPI, token: str) -> None:
    with TestClient(app, base_url="https://here") as client:
        answer = client.post("/session", json={"token": token}, headers=OWN)
    assert "secure" in answer.headers["set-cookie"].lower()


def test_the_cookie_counts_for_the_console_s_own_pages_only(browser: TestClient, token: str) -> None:
    assert browser.post("/session", json={"token": token}).status_code == 403
    browser.post("/session", json={"token": token}, headers=OWN)
    for method, path in (("POST", "/v1/clusters/list"), ("GET", "/v1/tasks/"), ("DELETE", "/v1/clusters/x")):
        assert browser.request(method, path).status_code == 401
    for method in ("GET", "DELETE"):
        assert browser.request(method, "/session").status_code == 403
    assert signed_in(browser)


def test_a_key_of_the_request_s_own_wins_over_the_cookie(browser: TestClient, token: str) -> None:
    browser.post("/session", json={"token": token}, headers=OWN)
    wrong = {**OWN, "Authorization": "Bearer sk_wrong"}
    assert browser.get("/v1/organizations", headers=wrong).status_code == 401


def test_signing_out_ends_the_session_on_the_server(browser: TestClient, token: str, client: TestClient) -> None:
    browser.post("/session", json={"token": token}, headers=OWN)
    key = browser.cookies[COOKIE]
    assert browser.delete("/session", headers=OWN).status_code == 204
    assert not signed_in(browser)
    assert client.get("/v1/organizations", headers={"Authorization": f"Bearer {key}"}).status_code == 401


def test_signing_out_ends_no_other_key(browser: TestClient, auth: dict[str, str]) -> None:
    browser.cookies[COOKIE] = auth["Authorization"].removeprefix("Bearer ")
    browser.delete("/session", headers=OWN)
    assert browser.get("/v1/organizations", headers=auth).status_code == 200


def test_links_and_sessions_end(services: Services, token: str) -> None:
    now = services.clock.now()
    with services.db.write() as tx, pytest.raises(Unauthorized):
        exchange(tx, token, now + LINK_LASTS)
    with services.db.write() as tx:
        account, _ = administrator(tx)
        for moment in (now, now + SESSION_LASTS + timedelta(seconds=1)):
            link = make_link(tx, account, "", moment)
            _, ends = exchange(tx, link.partition("#")[2], moment)
        kept = tx.execute(select(api_keys.c.name, api_keys.c.expires_at).where(api_keys.c.expires_at.is_not(None)))
        assert [(row.name.startswith("console "), row.expires_at) for row in kept] == [(True, ends)]
        assert tx.execute(select(sign_in_links)).all() == []


def test_neither_tokens_nor_keys_are_stored(services: Services, token: str, browser: TestClient) -> None:
    with services.db.read() as tx:
        assert token not in str(tx.execute(select(sign_in_links)).all())
    browser.post("/session", json={"token": token}, headers=OWN)
    with services.db.read() as tx:
        assert browser.cookies[COOKIE] not in str(tx.execute(select(api_keys)).all())


def test_a_session_is_a_key_that_can_be_revoked(browser: TestClient, client: TestClient, token: str) -> None:
    browser.post("/session", json={"token": token}, headers=OWN)
    user = client.get("/v1/organizations").json()["users"][0]
    name = next(key["name"] for key in user["api_keys"] if key["name"].startswith("console "))
    assert client.delete(f"/v1/organizations/users/{user['email']}/api-keys/{name}").status_code == 200
    assert not signed_in(browser)
