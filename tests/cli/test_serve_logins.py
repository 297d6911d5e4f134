"""Every way to log in to the database, end to end: ``serve`` as a process, a real issuer, a real database behind."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import neo4j
import psutil
import pytest
from pydantic import SecretStr

from core.identity.issuers import parse_issuers
from core.identity.tokens import TokenVerifier
from local.emulators.issuer import Client, Issuer, Resource, RunningIssuer, User, running_issuer
from local.neo4j import EmbeddedNeo4j
from tests.support.bolt_front import Backend, FrontRules, RunningBoltFront, running_bolt_front
from tests.support.processes import Command, called, environment, finished, running

pytestmark = pytest.mark.processes

CANARY = "canary-login-4c77"
SERVES = frozenset({"guid-mcp", "api://mcp"})
ALICE = User("alice@contoso.example", f"{CANARY}-alice", "oid-alice", frozenset({"read"}))
BOB = User("bob@contoso.example", f"{CANARY}-bob", "oid-bob", frozenset({"read"}))


@pytest.fixture(scope="module")
def issuer() -> Iterator[RunningIssuer]:
    server = Client(
        "server", f"{CANARY}-client", object_id="oid-server", serves=SERVES, may_ask_for=frozenset({"api://neo4j"})
    )
    clients = [server, Client("agent", f"{CANARY}-agent", object_id="oid-agent")]
    resources = [Resource("api://mcp", "guid-mcp"), Resource("api://neo4j", "guid-neo4j")]
    with running_issuer(Issuer("entra", clients, resources, users=[ALICE, BOB], tenant="contoso")) as running:
        yield running


@pytest.fixture(scope="module")
def front(
    issuer: RunningIssuer, scratch_database: EmbeddedNeo4j, empty_neo4j_driver: neo4j.Driver
) -> Iterator[RunningBoltFront]:
    """The database with Enterprise's logins in front; each principal has a native user of their own."""
    users = {}
    for principal, name in (("oid-server", "server"), ("oid-alice", "alice")):
        password = f"{CANARY}-{name}"
        statement = f"CREATE OR REPLACE USER {name} SET PASSWORD $password CHANGE NOT REQUIRED"
        empty_neo4j_driver.execute_query(statement, password=password, database_="system")
        users[principal] = (name, SecretStr(password))
    accepted = parse_issuers(
        f'[[issuer]]\nname = "db"\nplatform = "azure"\nissuer = "{issuer.issuer.issuers[0]}"\n'
        'audience = "guid-neo4j"\napp_only = false\nleeway = 0\n',
        source="test",
    )
    database = scratch_database
    backend = Backend("127.0.0.1", database.port, database.username, database.password)
    users["oid-bob"] = ("nobody", SecretStr(f"{CANARY}-bob"))
    rules = FrontRules(TokenVerifier(accepted), users, {"api-key": SecretStr(f"{CANARY}-key")})
    with running_bolt_front(backend, rules) as front:
        yield front


class Store:
    """The directory that ``serve`` reads its secrets from."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, name: str, **fields: str) -> None:
        new = self.directory / ".new"
        new.touch(mode=0o600)
        new.write_text(json.dumps(fields))
        new.rename(self.directory / f"{name}.json")

    def environ(self, **settings: str) -> dict[str, str]:
        return environment(NEO4J_M2M_CREDENTIALS_DIR=str(self.directory), **settings)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    directory = tmp_path / "secrets"
    directory.mkdir(mode=0o700)
    return Store(directory)


def call(command: Command, tool: str = "read-cypher", *, token: str | None = None, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    headers = {"authorization": f"Bearer {token}"} if token else {}
    response = httpx2.post(
        command.ready["url"],
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
        headers=headers,
        timeout=40,
        trust_env=False,
    )
    response.raise_for_status()
    result: dict[str, Any] = response.json()["result"]
    assert CANARY not in response.text
    return result


def reads(command: Command, **options: Any) -> Any:
    result = call(command, query="RETURN 1 AS one", **options)
    assert not result.get("isError"), result
    return result["structuredContent"]["rows"]


def refusal(command: Command, **options: Any) -> str:
    result = call(command, query="RETURN 1 AS one", **options)
    assert result["isError"]
    text: str = result["content"][0]["text"]
    return text


def lines(command: Command) -> list[dict[str, Any]]:
    return [json.loads(line) for line in command.said if line.startswith('{"audit"')]


def betrays(command: Command) -> bool:
    """Whether a secret shows in what the process says, is called, or has in its environment."""
    process = psutil.Process(command.process.pid)
    shown = [*command.said, *process.cmdline(), process.name(), *process.environ().values()]
    return any(CANARY in text or "eyJ" in text for text in shown)


def client_credentials(issuer: RunningIssuer, front: RunningBoltFront) -> dict[str, str]:
    return {
        "uri": front.uri,
        "auth": "client_credentials",
        "token_endpoint": issuer.issuer.token_url,
        "client_id": "server",
        "client_secret": f"{CANARY}-client",
        "scope": "api://neo4j/.default",
    }


def test_by_user_and_password_in_auras_own_file(store: Store, front: RunningBoltFront) -> None:
    file = store.directory / "Neo4j-0a1b-Created-2026-11-24.txt"
    file.touch(mode=0o600)
    file.write_text(f"# from Aura\nNEO4J_URI={front.uri}\nNEO4J_USERNAME=alice\nNEO4J_PASSWORD={CANARY}-alice\n")
    environ = store.environ(NEO4J_M2M_SECRET=file.stem)
    with running("serve", "--port", "0", environ=environ) as command:
        assert reads(command) == [[1]]
        assert not betrays(command)


@pytest.mark.exhaustive
def test_by_client_credentials_and_the_token_is_replaced_before_it_ends(
    store: Store, front: RunningBoltFront, issuer: RunningIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer.issuer, "lifetime", 4)
    store.write("agent", **client_credentials(issuer, front))
    front.logins.tokens.clear()
    front.logins.principals.clear()
    with running("serve", "--port", "0", environ=store.environ(NEO4J_M2M_SECRET="agent")) as command:
        begun = time.monotonic()
        opened: list[int] = []
        while time.monotonic() < begun + 12:
            assert reads(command) == [[1]]
            if time.monotonic() > begun + 3:  # the look at the database when the server starts is over
                opened.append(front.logins.connections)
            time.sleep(0.1)
        assert not betrays(command)
    assert set(front.logins.principals) == {"oid-server"}
    assert 3 <= len(front.logins.tokens) <= 7
    assert len(set(opened)) == 1, "a new token opens no connection"


def test_by_the_workloads_own_identity_with_no_secret_at_all(
    store: Store, front: RunningBoltFront, issuer: RunningIssuer, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    resource = next(resource for resource in issuer.issuer.resources if resource.identifier == "api://neo4j")
    client = next(client for client in issuer.issuer.clients if client.id == "server")
    file.write_text(issuer.issuer.sign(issuer.issuer.claims(client, resource, ())))
    environ = environment(
        NEO4J_URI=front.uri,
        NEO4J_M2M_DATABASE_AUTH="workload_identity",
        NEO4J_M2M_WORKLOAD_TOKEN_FILE=str(file),
    )
    front.logins.principals.clear()
    with running("serve", "--port", "0", environ=environ) as command:
        assert reads(command) == [[1]]
        assert set(front.logins.principals) == {"oid-server"}
        file.unlink()
        assert reads(command) == [[1]]
        assert not betrays(command)


def test_by_an_api_key_under_a_scheme_of_its_own(store: Store, front: RunningBoltFront) -> None:
    store.write("agent", uri=front.uri, auth="api_key", api_key=f"{CANARY}-key", scheme="api-key")
    with running("serve", "--port", "0", environ=store.environ(NEO4J_M2M_SECRET="agent")) as command:
        assert reads(command) == [[1]]
        assert not betrays(command)


def test_on_behalf_of_each_user_with_a_token_in_exchange_for_their_own(
    store: Store, front: RunningBoltFront, issuer: RunningIssuer
) -> None:
    store.write("agent", uri=front.uri, username="alice", password=f"{CANARY}-alice")
    obo = client_credentials(issuer, front) | {"auth": "on_behalf_of", "exchange": "entra"}
    store.write("user", **obo)
    issuers = (
        f'[[issuer]]\nname = "contoso"\nplatform = "azure"\nissuer = "{issuer.issuer.issuers[0]}"\n'
        'audience = "guid-mcp"\napp_only = false\n'
    )
    policy = '[[rule]]\nname = "as themselves"\nkind = "user_on_behalf"\ncredential = "user"\n[[rule]]\nname = "app"\n'
    environ = store.environ(NEO4J_M2M_SECRET="agent", NEO4J_M2M_ISSUERS=issuers, NEO4J_M2M_POLICY=policy)
    alice = issuer.issuer.user_token("agent", ALICE.name)
    front.logins.principals.clear()
    front.logins.tokens.clear()
    issuer.app.grants.clear()
    with running("serve", "--port", "0", environ=environ) as command:
        for _ in range(3):
            assert reads(command, token=alice) == [[1]]
        assert front.logins.principals == {"oid-alice": 1}
        assert len(issuer.app.grants) == 1
        assert front.logins.refused["bearer"] == 0
        assert reads(command, token=issuer.issuer.token("agent")) == [[1]]
        assert front.logins.principals == {"oid-alice": 1}
        assert [line["rule"] for line in lines(command)] == ["as themselves"] * 3 + ["app"]
        assert not betrays(command)


def test_a_credential_for_users_is_of_no_use_to_a_machine_and_says_so(
    store: Store, front: RunningBoltFront, issuer: RunningIssuer
) -> None:
    store.write("agent", **(client_credentials(issuer, front) | {"auth": "on_behalf_of", "exchange": "entra"}))
    with running("serve", "--port", "0", environ=store.environ(NEO4J_M2M_SECRET="agent")) as command:
        assert "no user's token to exchange" in refusal(command)


def test_a_machine_token_that_is_refused_as_by_aura_is_explained(
    store: Store, scratch_database: EmbeddedNeo4j, issuer: RunningIssuer
) -> None:
    backend = Backend("127.0.0.1", scratch_database.port, scratch_database.username, scratch_database.password)
    with running_bolt_front(backend, FrontRules()) as aura:
        store.write("agent", **client_credentials(issuer, aura))
        with running("serve", "--port", "0", environ=store.environ(NEO4J_M2M_SECRET="agent")) as command:
            text = refusal(command)
            assert "Aura and Community accept a user name and password only" in text
            assert "the file that Aura offers for download" in text
            attempts = aura.logins.refused["bearer"]
            assert attempts <= 3  # two of the call, one of the look at the database when the server starts
            for _ in range(5):
                assert refusal(command) == text
            assert aura.logins.refused["bearer"] == attempts
            assert [line["outcome"] for line in lines(command)] == ["unavailable"] * 6
            assert not betrays(command)


def test_a_token_endpoint_that_refuses_is_told_and_is_not_driven(
    store: Store, front: RunningBoltFront, issuer: RunningIssuer
) -> None:
    store.write("agent", **(client_credentials(issuer, front) | {"client_secret": f"{CANARY}-wrong"}))
    issuer.app.grants.clear()
    with running("serve", "--port", "0", environ=store.environ(NEO4J_M2M_SECRET="agent")) as command:
        for _ in range(5):
            assert "invalid_client" in refusal(command)
        assert len(issuer.app.grants) == 1
        assert not betrays(command)


def test_a_secret_is_checked_when_serve_starts(store: Store) -> None:
    store.write("agent", uri="bolt://db", username="u")
    ended = finished("serve", "--port", "0", environ=store.environ(NEO4J_M2M_SECRET="agent"))
    assert ended.returncode == 1
    assert "password" in ended.stderr
    missing = finished("serve", "--port", "0", environ=environment(NEO4J_M2M_SECRET="agent"))
    assert missing.returncode == 1
    assert "NEO4J_M2M_CREDENTIALS_DIR" in missing.stderr


def test_api_keys_are_found_in_a_secret_of_their_own(store: Store, front: RunningBoltFront) -> None:
    ring = store.directory / "keys.json"
    created = called("keys", "create", "--name", "bot", "--file", str(ring), "--json", environ=environment())
    key = json.loads(created.stdout)["key"]
    ring.chmod(0o600)
    store.write("agent", uri=front.uri, username="alice", password=f"{CANARY}-alice")
    environ = store.environ(NEO4J_M2M_SECRET="agent", NEO4J_M2M_KEYS_SECRET="keys")
    with running("serve", "--port", "0", environ=environ) as command:
        assert reads(command, token=key) == [[1]]
        line = lines(command)[0]
        assert (line["principal"]["kind"], line["principal"]["id"]) == ("api_key", "bot")
        assert key not in "".join(command.said)


def test_a_user_whom_the_database_refuses_keeps_nobody_else_out(
    store: Store, front: RunningBoltFront, issuer: RunningIssuer
) -> None:
    store.write("user", **(client_credentials(issuer, front) | {"auth": "on_behalf_of", "exchange": "entra"}))
    issuers = (
        f'[[issuer]]\nname = "contoso"\nplatform = "azure"\nissuer = "{issuer.issuer.issuers[0]}"\n'
        'audience = "guid-mcp"\napp_only = false\n'
    )
    policy = '[[rule]]\nname = "as themselves"\nkind = "user_on_behalf"\ncredential = "user"\n'
    environ = store.environ(NEO4J_URI=front.uri, NEO4J_PASSWORD="p", NEO4J_M2M_ISSUERS=issuers, NEO4J_M2M_POLICY=policy)
    alice, bob = (issuer.issuer.user_token("agent", user.name) for user in (ALICE, BOB))
    with running("serve", "--port", "0", environ=environ) as command:
        assert "refused the token" in refusal(command, token=bob)
        before = front.logins.refused["bearer"]
        assert reads(command, token=alice) == [[1]]
        assert "refused the token" in refusal(command, token=bob)
        assert front.logins.refused["bearer"] == before
