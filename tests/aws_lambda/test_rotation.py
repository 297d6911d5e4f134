"""The rotation function as Secrets Manager calls it: its contract, step by step, in the function's own process."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import neo4j
import pytest
from pydantic import SecretStr

from aws_lambda.secrets import SecretsManager
from aws_lambda.staged_secret import StagedSecret, token_by_hand
from core.credentials.administrator import administrator_in
from core.credentials.credential import PasswordLogin, parse_credential
from core.credentials.rotation import Rotation
from core.credentials.rotation_errors import RotationUnderWay
from local.emulators.aws.environment import Function, FunctionFailed
from local.emulators.aws.rotation import STEPS, begin_rotation, enable_rotation, rotate, step_event
from local.emulators.aws.secrets_manager import RunningSecretsManager
from local.neo4j import EmbeddedNeo4j
from tests.aws_lambda.deployed import ARN, secret_of
from tests.support.canaries import WATCH
from tests.support.database_users import create_user, lets_in

CANARY = "canary-lambda-rotated-91d2"
ADMIN = "neo4j/administrator"
ACTIONS = (
    *("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"),
    *("secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"),
)


class Rotated:
    """A database user of a test's own, the secret with its login, and the function that rotates it."""

    def __init__(self, store: RunningSecretsManager, database: EmbeddedNeo4j, admin: neo4j.Driver) -> None:
        self.store = store
        self.uri = database.uri
        self.user = f"lambda{secrets.token_hex(4)}"
        self.name = f"neo4j/{self.user}"
        password = f"{CANARY}-{secrets.token_hex(8)}"
        create_user(admin, self.user, password)
        store.create(self.name, secret_of(database, username=self.user, password=password))
        enable_rotation(store, self.name)

    def login(self, stage: str = "AWSCURRENT") -> PasswordLogin:
        answer = self.store.client().get_secret_value(SecretId=self.name, VersionStage=stage)
        login = parse_credential(answer["SecretString"], source=self.name).login
        assert isinstance(login, PasswordLogin)
        return login

    def lets_in(self, login: PasswordLogin) -> bool:
        return lets_in(self.uri, login)

    def labels(self) -> dict[str, set[str]]:
        described = self.store.client().describe_secret(SecretId=self.name)
        return {version: set(its) for version, its in described["VersionIdsToStages"].items()}


@pytest.fixture(scope="module", autouse=True)
def administrator(store: RunningSecretsManager, scratch_database: EmbeddedNeo4j) -> None:
    store.create(ADMIN, secret_of(scratch_database))


@pytest.fixture
def rotated(store: RunningSecretsManager, scratch_database: EmbeddedNeo4j, empty_neo4j_driver: neo4j.Driver) -> Rotated:
    return Rotated(store, scratch_database, empty_neo4j_driver)


def environ_of(store: RunningSecretsManager, *actions: str) -> dict[str, str]:
    keys = store.keys_of_role(f"rotation{secrets.token_hex(4)}", *(actions or ACTIONS))
    return {
        **{name.upper(): value for name, value in keys.items()},
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": store.endpoint,
        "NEO4J_M2M_ADMIN_SECRET": ADMIN,
    }


@pytest.fixture(scope="module")
def function(store: RunningSecretsManager, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    log = tmp_path_factory.mktemp("rotation") / "log"
    with log.open("w") as output:
        running = Function("aws_lambda.rotation.handler", environ_of(store), arn=ARN, timeout=60, log=output)
        yield running
        running.close()
    WATCH.look(log.read_text(), "the log of the rotation function")
    assert "is done" in log.read_text()


def test_secrets_manager_rotates_the_secret_again_and_again_and_the_former_login_stays_good(
    rotated: Rotated, function: Function
) -> None:
    for _ in range(3):
        former = rotated.login()
        token = rotate(rotated.store, rotated.name, function)
        assert rotated.labels()[token] == {"AWSCURRENT"}
        assert rotated.login() != former
        assert rotated.lets_in(rotated.login())
        assert rotated.lets_in(former)
        assert rotated.login("AWSPREVIOUS") == former


def test_each_step_may_come_twice_and_an_ended_rotation_may_be_asked_for_again(
    rotated: Rotated, function: Function
) -> None:
    token = begin_rotation(rotated.store, rotated.name)
    for step in STEPS:
        for _ in range(2):
            function.invoke(step_event(rotated.name, token, step))
    published = rotated.login()
    for step in STEPS:
        function.invoke(step_event(rotated.name, token, step))
    assert rotated.login() == published
    assert rotated.lets_in(published)


@pytest.mark.parametrize("done", range(4))
def test_a_rotation_that_broke_off_after_any_step_goes_on_with_the_same_password(
    rotated: Rotated, function: Function, done: int
) -> None:
    token = begin_rotation(rotated.store, rotated.name)
    for step in STEPS[:done]:
        function.invoke(step_event(rotated.name, token, step))
    assert rotated.lets_in(rotated.login())
    pending = rotated.login("AWSPENDING") if done else None
    assert rotate(rotated.store, rotated.name, function) == token
    assert pending in (None, rotated.login())
    assert rotated.lets_in(rotated.login())


def test_a_secret_without_rotation_a_strange_token_and_an_event_of_another_kind_are_refused(
    rotated: Rotated, function: Function
) -> None:
    before = rotated.store.client().describe_secret(SecretId=rotated.name)["VersionIdsToStages"]
    current = next(iter(before))
    for event in (
        step_event(rotated.name, secrets.token_hex(16), "createSecret"),
        step_event(rotated.name, "short", "createSecret"),
        step_event(rotated.name, current, "dropSecret"),
        {"Step": "createSecret"},
        [],
        None,
    ):
        with pytest.raises(FunctionFailed, match="RotationRefused"):
            function.invoke(event)
    assert rotated.store.client().describe_secret(SecretId=rotated.name)["VersionIdsToStages"] == before
    plain = f"neo4j/{secrets.token_hex(4)}"
    rotated.store.create(plain, SecretStr("{}"))
    with pytest.raises(FunctionFailed, match="RotationRefused"):
        function.invoke(step_event(plain, begin_rotation(rotated.store, plain), "createSecret"))


def test_the_administrators_own_secret_is_not_rotated_with_itself(
    store: RunningSecretsManager, function: Function
) -> None:
    enable_rotation(store, ADMIN)
    token = begin_rotation(store, ADMIN)
    with pytest.raises(FunctionFailed, match="RotationRefused"):
        function.invoke(step_event(ADMIN, token, "createSecret"))
    store.client().update_secret_version_stage(SecretId=ADMIN, VersionStage="AWSPENDING", RemoveFromVersionId=token)


def test_a_pending_version_that_does_not_follow_an_edited_secret_is_set_aside_and_the_next_rotation_is_well(
    rotated: Rotated, function: Function
) -> None:
    token = begin_rotation(rotated.store, rotated.name)
    for step in STEPS[:3]:
        function.invoke(step_event(rotated.name, token, step))
    said = json.loads(
        rotated.store.client().get_secret_value(SecretId=rotated.name, VersionStage="AWSCURRENT")["SecretString"]
    )
    rotated.store.write(rotated.name, SecretStr(json.dumps({**said, "database": "neo4j"})))
    with pytest.raises(FunctionFailed, match="RotationRefused"):
        function.invoke(step_event(rotated.name, token, "finishSecret"))
    with pytest.raises(FunctionFailed, match="RotationRefused"):
        function.invoke(step_event(rotated.name, token, "createSecret"))
    assert rotate(rotated.store, rotated.name, function) != token
    assert rotated.lets_in(rotated.login())


@pytest.mark.parametrize("missing", ACTIONS)
def test_a_role_that_lacks_a_right_ends_the_rotation_and_with_it_the_rotation_goes_on(
    rotated: Rotated, function: Function, missing: str, tmp_path: Path
) -> None:
    lacking = environ_of(rotated.store, *(action for action in ACTIONS if action != missing))
    log = tmp_path / "log"
    with log.open("w") as output:
        denied = Function("aws_lambda.rotation.handler", lacking, arn=ARN, timeout=60, log=output)
        with pytest.raises(FunctionFailed, match="SecretDenied"):
            rotate(rotated.store, rotated.name, denied)
        denied.close()
    assert missing in log.read_text()
    assert rotated.lets_in(rotated.login())
    rotate(rotated.store, rotated.name, function)
    assert rotated.lets_in(rotated.login())


def by_hand(rotated: Rotated) -> SecretsManager:
    return SecretsManager(endpoint_url=rotated.store.endpoint, region_name=rotated.store.region, **rotated.store.admin)


async def rotate_by_hand(rotated: Rotated) -> Any:
    store = by_hand(rotated)
    token, claimed = await token_by_hand(store, rotated.name)
    place = StagedSecret(store, rotated.name, token, claimed=claimed)
    return await Rotation(place, administrator_in(store, ADMIN)).run()


async def test_a_rotation_by_hand_needs_no_function_and_leaves_no_label_behind(rotated: Rotated) -> None:
    for _ in range(2):
        former = rotated.login()
        report = await rotate_by_hand(rotated)
        assert report.done
        assert rotated.login().username == report.user != former.username
        assert rotated.lets_in(rotated.login())
    assert set().union(*rotated.labels().values()) == {"AWSCURRENT", "AWSPREVIOUS"}


async def test_of_many_rotations_by_hand_at_once_one_is_done_and_the_others_give_way(rotated: Rotated) -> None:
    ends = await asyncio.gather(*(rotate_by_hand(rotated) for _ in range(6)), return_exceptions=True)
    assert len([end for end in ends if not isinstance(end, BaseException)]) == 1, ends
    assert all(isinstance(end, RotationUnderWay) for end in ends if isinstance(end, BaseException)), ends
    assert rotated.lets_in(rotated.login())


async def test_a_rotation_by_hand_gives_way_to_secrets_managers_own(rotated: Rotated, function: Function) -> None:
    begin_rotation(rotated.store, rotated.name)
    with pytest.raises(RotationUnderWay):
        await rotate_by_hand(rotated)
    await asyncio.to_thread(rotate, rotated.store, rotated.name, function)
    assert rotated.lets_in(rotated.login())
