from __future__ import annotations

import argparse
import fcntl
import io
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.keys import create_key, duration, read_ring
from cli.main import build_parser
from core.errors import LocalError, Neo4jM2mError
from core.identity.api_keys import KEY_PATTERN, ApiKeyVerifier, key_id
from core.identity.key_ring import KeyRing, parse_key_ring, render_key_ring
from tests.support.processes import called, environment, finished


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    return tmp_path / "ring.json"


def keys(
    *arguments: str, ring: Path | None = None, status: int = 0, **variables: str
) -> subprocess.CompletedProcess[str]:
    where = () if ring is None else ("--file", str(ring))
    done = called("keys", *arguments, *where, environ=environment(**variables))
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def create(
    ring: Path,
    *,
    name: str = "foundry-prod",
    expires: timedelta | None = timedelta(days=90),
    roles: tuple[str, ...] = (),
    tenant: str = "",
) -> str:
    """A new key, as the command makes it, without a process of its own."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        create_key(ring, name=name, expires=expires, roles=list(roles), tenant=tenant, as_json=False)
    return printed.getvalue().strip()


def parsed(ring: Path) -> KeyRing:
    return parse_key_ring(ring.read_text(), str(ring))


def hashes(ring: Path) -> list[str]:
    return [key.hash.removeprefix("sha256:") for key in parsed(ring).keys]


def test_create_prints_the_key_alone_on_stdout_and_keeps_only_its_hash(ring: Path) -> None:
    done = keys("create", "--name", "foundry-prod", "--role", "a", "--role", "b", "--tenant", "contoso", ring=ring)
    assert re.fullmatch(KEY_PATTERN + r"\n", done.stdout)
    key = done.stdout.strip()
    (entry,) = parsed(ring).keys
    assert (entry.id, entry.name, entry.roles, entry.tenant) == (key_id(key), "foundry-prod", ("a", "b"), "contoso")
    assert entry.expires == entry.created + timedelta(days=90)
    assert abs(datetime.now(UTC) - entry.created) < timedelta(minutes=1)
    assert entry.revoked is None
    for secret in (key, key[15:]):
        assert secret not in done.stderr
        assert secret not in ring.read_text()
    assert hashes(ring)[0] not in done.stderr
    assert ring.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in ring.parent.iterdir()) == [".ring.json.lock", "ring.json"]


async def test_the_key_opens_the_door_until_it_is_revoked(ring: Path) -> None:
    key = create(ring)

    async def load() -> str:
        return ring.read_text()

    check = ApiKeyVerifier(load, platform="local", ttl=0)
    principal = await check.verify(key)
    assert principal is not None
    assert principal.id == "foundry-prod"
    done = keys("revoke", key[4:14], ring=ring)
    assert done.stdout == ""
    assert f"Key {key[4:14]} of foundry-prod is revoked" in done.stderr
    assert (await check.check(key)).reason == "revoked"
    first = parsed(ring)
    assert "already revoked" in keys("revoke", key[4:14], ring=ring).stderr
    assert parsed(ring) == first


def test_json_has_what_a_script_needs(ring: Path) -> None:
    done = keys("create", "--name", "a", "--expires", "12h", "--json", ring=ring)
    answer = json.loads(done.stdout)
    assert set(answer) == {"id", "name", "key", "expires"}
    assert key_id(answer["key"]) == answer["id"]
    entry = parsed(ring).keys[0]
    assert datetime.fromisoformat(answer["expires"]) == entry.expires == entry.created + timedelta(hours=12)
    assert (
        json.loads(keys("create", "--name", "a", "--expires", "never", "--json", ring=ring).stdout)["expires"] is None
    )


def test_the_list_shows_every_state_and_no_secret(ring: Path) -> None:
    made = [create(ring, name=name) for name in ("valid-one", "old-one", "lost-one")]
    create(ring, name="for-ever", expires=None, roles=("x", "y", "x"), tenant="contoso")
    keys("revoke", made[2][4:14], ring=ring)
    entries = list(parsed(ring).keys)
    entries[1] = entries[1].model_copy(update={"expires": datetime.now(UTC) - timedelta(seconds=1)})
    ring.write_text(render_key_ring(KeyRing(keys=tuple(entries))))
    done = keys("list", ring=ring)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["ID", "NAME", "CREATED", "EXPIRES", "STATE", "ROLES", "TENANT"]
    assert [(row[1], row[4]) for row in rows[1:]] == [
        ("valid-one", "valid"),
        ("old-one", "expired"),
        ("lost-one", "revoked"),
        ("for-ever", "valid"),
    ]
    assert rows[4][3:] == ["never", "valid", "x,y", "contoso"]
    for secret in (*(key[15:] for key in made), *hashes(ring)):
        assert secret not in done.stdout + done.stderr


def test_a_second_key_of_a_name_is_said_to_be_one(ring: Path) -> None:
    create(ring)
    assert "1 other valid key(s) prove foundry-prod" in keys("create", "--name", "foundry-prod", ring=ring).stderr


@pytest.mark.processes
def test_commands_at_once_lose_no_key(ring: Path) -> None:
    def create_one(number: int) -> str:
        named = ("--name", f"agent-{number}", "--file", str(ring))
        return finished("keys", "create", *named, environ=environment()).stdout.strip()

    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(create_one, range(6)))
    assert {key.id for key in parsed(ring).keys} == {key_id(one) for one in done}


@pytest.mark.processes
def test_a_command_waits_for_the_lock_of_another(ring: Path) -> None:
    lock = ring.with_name(".ring.json.lock")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        command = [sys.executable, "-m", "cli.main", "keys", "create", "--name", "a", "--file", str(ring)]
        process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        with pytest.raises(subprocess.TimeoutExpired):  # it would have ended long before
            process.wait(2)
        assert not ring.exists()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(parsed(ring).keys) == 1


def test_the_ring_is_found_by_setting_and_otherwise_in_the_users_data_directory(tmp_path: Path, ring: Path) -> None:
    keys("create", "--name", "a", NEO4J_M2M_KEYS_FILE=str(ring))
    assert len(parsed(ring).keys) == 1
    keys("create", "--name", "a", XDG_DATA_HOME=str(tmp_path / "new"))
    own = tmp_path / "new" / "neo4j-m2m" / "keys.json"
    assert own.stat().st_mode & 0o777 == 0o600
    assert own.parent.stat().st_mode & 0o777 == 0o700


def test_a_link_to_the_ring_stays_one(tmp_path: Path, ring: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(ring)
    keys("create", "--name", "a", ring=link)
    keys("create", "--name", "b", ring=link)
    assert link.is_symlink()
    assert len(parsed(ring).keys) == 2


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o666])
def test_a_ring_that_others_may_read_or_write_is_refused(ring: Path, mode: int) -> None:
    ring.write_text('{"keys": []}')
    ring.chmod(0o600)
    assert read_ring(ring) == KeyRing(keys=())
    ring.chmod(mode)
    with pytest.raises(LocalError, match="chmod 600"):
        read_ring(ring)


@pytest.mark.parametrize("command", [("create", "--name", "b"), ("list",), ("revoke", "0123456789")])
def test_no_command_touches_a_ring_that_others_may_read(ring: Path, command: tuple[str, ...]) -> None:
    ring.write_text('{"keys": []}')
    ring.chmod(0o644)
    done = keys(*command, ring=ring, status=1)
    assert "chmod 600" in done.stderr
    assert done.stdout == ""
    assert ring.read_text() == '{"keys": []}'


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"keys": [{"id": "n4m_secret"}]}'])
def test_a_ring_that_does_not_parse_is_an_error_that_quotes_nothing(ring: Path, content: bytes) -> None:
    ring.write_bytes(content)
    ring.chmod(0o600)
    with pytest.raises(Neo4jM2mError, match=re.escape(str(ring))) as caught:
        read_ring(ring)
    assert "n4m_secret" not in str(caught.value)


def test_a_ring_that_does_not_parse_is_left_as_it_is(ring: Path) -> None:
    ring.write_text('{"keys": [{}]}')
    ring.chmod(0o600)
    done = keys("create", "--name", "b", ring=ring, status=1)
    assert f"{ring}: key 1: it has no id" in done.stderr
    assert done.stdout == ""
    assert ring.read_text() == '{"keys": [{}]}'


def test_what_is_not_there_is_said(tmp_path: Path, ring: Path) -> None:
    assert f"There is no key ring {ring}" in keys("list", ring=ring, status=1).stderr
    assert f"There is no key ring {ring}" in keys("revoke", "0123456789", ring=ring, status=1).stderr
    assert list(tmp_path.iterdir()) == []
    missing = tmp_path / "none"
    assert f"no directory {missing}" in keys("create", "--name", "a", ring=missing / "r", status=1).stderr
    assert "cannot be read: Is a directory" in keys("list", ring=tmp_path, status=1).stderr
    create(ring)
    done = keys("revoke", "n4m_0123456789_abc", ring=ring, status=1)
    assert "No key" in done.stderr
    assert "n4m_" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--name", "a b"),
        ("--name", ""),
        ("--name", "a\n"),
        ("--name", "-a"),
        ("--name", "é"),
        ("--name", "a" * 65),
        ("--name", "a", "--role", "x y"),
        ("--name", "a", "--tenant", "*"),
        ("--name", "a", "--expires", "90"),
        ("--name", "a", "--expires", "0d"),
        ("--name", "a", "--expires", "-1d"),
        ("--name", "a", "--expires", "1y"),
        ("--name", "a", "--expires", "٣d"),
        ("--name", "a", "--expires", "99999d"),
        ("--name", "a", "--expires", ""),
        (),
    ],
)
def test_a_wrong_command_line_is_refused(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(["keys", "create", *arguments])
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_wrong_command_line_makes_no_key_and_repeats_no_name(ring: Path) -> None:
    done = keys("create", "--name", "n4m_secret key", ring=ring, status=2)
    assert done.stdout == ""
    assert "this cannot be a name" in done.stderr
    assert "n4m_secret" not in done.stderr
    assert not ring.exists()


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("90d", timedelta(days=90)),
        ("2w", timedelta(days=14)),
        ("3650d", timedelta(days=3650)),
        ("never", None),
    ],
)
def test_durations(text: str, span: timedelta | None) -> None:
    assert duration(text) == span
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text + "x")


@pytest.mark.parametrize("unbuffered", ["", "1"])  # as Python takes it: empty is as if it were not set
@pytest.mark.processes
def test_a_key_that_could_not_be_printed_can_be_taken_back(ring: Path, unbuffered: str) -> None:
    environ = environment(PYTHONUNBUFFERED=unbuffered)
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "cli.main", "keys", "create", "--name", "a", "--file", str(ring)]
        done = subprocess.run(command, env=environ, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    (entry,) = parsed(ring).keys
    assert f"neo4j-m2m keys revoke {entry.id}" in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_ring_that_cannot_be_written_gives_no_key(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        ring = Path("/proc/ring.json")  # where not even root can make a file
    else:
        ring = tmp_path / "fixed" / "ring.json"
        ring.parent.mkdir(mode=0o500)
    done = keys("create", "--name", "a", ring=ring, status=1)
    assert done.stdout == ""
    assert "cannot be" in done.stderr
