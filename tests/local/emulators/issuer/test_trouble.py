from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import httpx2
import pytest

from local.emulators.issuer import Client, RunningIssuer, Trouble, running_issuer
from tests.local.emulators.issuer.asking import AGENT, ALICE, MIDDLE, an_issuer, ask

GRANT = {"grant_type": "client_credentials"}
POST = {**GRANT, "client_id": "agent", "client_secret": AGENT.secret or ""}


@pytest.fixture
def running() -> Iterator[RunningIssuer]:
    with running_issuer(an_issuer("oidc")) as running:
        yield running


@pytest.fixture
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False) as client:
        yield client


def test_overload_says_when_to_come_back_and_passes(running: RunningIssuer, http: httpx2.Client) -> None:
    running.app.troubles.add(Trouble(503, retry_after=7), times=2)
    for left in (1, 0):
        answer = http.post(running.issuer.token_url, data=POST)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
        assert answer.json()["error"] == "temporarily_unavailable"
        assert len(running.app.troubles) == left
    assert http.post(running.issuer.token_url, data=POST).status_code == 200


def test_a_fault_answers_with_a_page_that_is_no_json(running: RunningIssuer, http: httpx2.Client) -> None:
    running.app.troubles.add(Trouble(500))
    answer = http.post(running.issuer.token_url, data=POST)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html")
    assert "retry-after" not in answer.headers
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()


def test_entra_numbers_its_overload(http: httpx2.Client) -> None:
    with running_issuer(an_issuer("entra")) as running:
        running.app.troubles.add(Trouble(503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"))
        answer = http.post(running.issuer.token_url, data=POST | {"scope": "api://mcp/.default"})
    assert answer.headers["retry-after"].startswith("Wed")
    assert (answer.json()["error"], answer.json()["error_codes"]) == ("temporarily_unavailable", [90033])


def test_troubles_come_in_their_order_and_only_at_the_token_endpoint(
    running: RunningIssuer, http: httpx2.Client
) -> None:
    running.app.troubles.add(Trouble(500))
    running.app.troubles.add(Trouble(429, retry_after=1))
    assert http.get(f"{running.url}/jwks.json").status_code == 200
    assert [http.post(running.issuer.token_url, data=POST).status_code for _ in range(3)] == [500, 429, 200]
    running.app.troubles.add(Trouble(502), times=100)
    running.app.troubles.clear()
    assert http.post(running.issuer.token_url, data=POST).status_code == 200


def test_a_slow_answer_is_right_and_holds_up_nobody_else(running: RunningIssuer, http: httpx2.Client) -> None:
    running.app.troubles.add(Trouble(seconds=1.5))
    begun = time.monotonic()
    seconds: list[float] = []

    def slow() -> None:
        assert ask(running.issuer, AGENT, **GRANT)[0] == 200
        seconds.append(time.monotonic() - begun)

    thread = threading.Thread(target=slow)
    thread.start()
    while len(running.app.troubles):
        time.sleep(0.005)
    assert http.post(running.issuer.token_url, data=POST).status_code == 200
    quick = time.monotonic() - begun
    thread.join()
    assert quick < seconds[0] >= 1.5


def test_a_client_that_does_not_wait_gives_up_and_the_next_one_is_served(
    running: RunningIssuer, http: httpx2.Client
) -> None:
    running.app.troubles.add(Trouble(503, seconds=0.5))
    with pytest.raises(httpx2.ReadTimeout):
        http.post(running.issuer.token_url, data=POST, timeout=0.1)
    assert http.post(running.issuer.token_url, data=POST).status_code == 200


@pytest.mark.parametrize("wrong", [{"status": 401}, {"status": 200}, {"status": 503, "seconds": -1}, {}])
def test_what_is_no_trouble_is_an_error(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="trouble"):
        Trouble(**wrong)


def test_requests_are_counted_by_grant_type_troubled_ones_too(running: RunningIssuer) -> None:
    running.app.troubles.add(Trouble(429))
    password = {"grant_type": "password", "username": ALICE.name, "password": ALICE.password}

    def several() -> None:
        for _ in range(5):
            with httpx2.Client(trust_env=False) as client:
                client.post(running.issuer.token_url, data=POST)
                client.post(running.issuer.token_url, data=POST | password)

    threads = [threading.Thread(target=several) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert running.app.grant_counts() == {"client_credentials": 20, "password": 20}
    running.app.grants.clear()
    assert running.app.grant_counts().total() == 0


def test_each_trouble_befalls_one_request_however_many_come_at_once(running: RunningIssuer) -> None:
    running.app.troubles.add(Trouble(503), times=5)
    statuses: list[int] = []

    def once() -> None:
        with httpx2.Client(trust_env=False) as client:
            statuses.append(client.post(running.issuer.token_url, data=POST).status_code)

    threads = [threading.Thread(target=once) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 7 + [503] * 5


def test_after_a_rotation_the_old_secret_is_refused_and_the_new_one_taken(running: RunningIssuer) -> None:
    fresh = Client("agent", "canary-new-secret")
    assert ask(running.issuer, fresh, **GRANT)[0] == 401
    running.issuer.rotate_secret("agent", "canary-new-secret")
    status, answer = ask(running.issuer, AGENT, **GRANT)
    assert (status, answer["error"]) == (401, "invalid_client")
    assert ask(running.issuer, fresh, **GRANT)[0] == 200
    assert ask(running.issuer, MIDDLE, **GRANT)[0] == 200
    assert next(client for client in running.issuer.clients if client.id == "agent").secret == "canary-new-secret"
    assert "canary" not in repr(running.issuer.clients)


def test_the_old_secret_may_be_kept_until_the_next_rotation(running: RunningIssuer) -> None:
    secrets = [AGENT.secret or "", "second", "third"]
    for secret in secrets[1:]:
        running.issuer.rotate_secret("agent", secret, keep_old=True)
    assert [ask(running.issuer, Client("agent", secret), **GRANT)[0] for secret in secrets] == [200] * 3
    running.issuer.rotate_secret("agent", "fourth")
    assert [ask(running.issuer, Client("agent", secret), **GRANT)[0] for secret in [*secrets, "fourth"]] == [
        *[401] * 3,
        200,
    ]


def test_a_rotation_gives_a_client_without_a_secret_none_but_the_new_one() -> None:
    with running_issuer(an_issuer("oidc", Client("keyed"))) as running:
        running.issuer.rotate_secret("keyed", "first", keep_old=True)
        assert ask(running.issuer, Client("keyed", "first"), **GRANT)[0] == 200
        assert ask(running.issuer, Client("keyed"), **GRANT)[0] == 401


def test_a_rotation_that_cannot_be_is_a_clear_error(running: RunningIssuer) -> None:
    with pytest.raises(LookupError, match="nobody"):
        running.issuer.rotate_secret("nobody", "x")
    with pytest.raises(ValueError, match="empty"):
        running.issuer.rotate_secret("agent", "")


def test_the_lifetime_of_tokens_may_be_changed_meanwhile(running: RunningIssuer) -> None:
    assert ask(running.issuer, AGENT, **GRANT)[1]["expires_in"] == 3600
    running.issuer.lifetime = 2
    assert ask(running.issuer, AGENT, **GRANT)[1]["expires_in"] == 2
