from __future__ import annotations

import pytest

from core.credentials.credential import PasswordLogin, parse_credential
from core.errors import CredentialError

CANARY = "canary-credential-91d2"

AURA_FILE = f"""# Wait 60 seconds before connecting, or log in to see that the instance is available
NEO4J_URI=neo4j+s://0a1b2c3d.databases.neo4j.io
NEO4J_USERNAME=0a1b2c3d
NEO4J_PASSWORD={CANARY}=with/odd+signs
NEO4J_DATABASE=0a1b2c3d
AURA_INSTANCEID=0a1b2c3d
AURA_INSTANCENAME=My instance
"""


def test_the_file_that_aura_offers_for_download_is_read_as_it_is() -> None:
    for text in (AURA_FILE, AURA_FILE.replace("\n", "\r\n"), "\ufeff" + AURA_FILE):
        credential = parse_credential(text, source="aura.txt")
        assert credential.uri == "neo4j+s://0a1b2c3d.databases.neo4j.io"
        assert credential.database == "0a1b2c3d"
        assert isinstance(credential.login, PasswordLogin)
        assert credential.login.username == "0a1b2c3d"
        assert credential.login.password.get_secret_value() == f"{CANARY}=with/odd+signs"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"uri": "bolt://db", "username": "reader", "password": "{CANARY}"}}',
        f'{{"NEO4J_URI": "bolt://db", "NEO4J_USERNAME": "reader", "NEO4J_PASSWORD": "{CANARY}", "more": 1}}',
    ],
)
def test_json_is_read_by_either_names(text: str) -> None:
    credential = parse_credential(text, source="secret")
    assert isinstance(credential.login, PasswordLogin)
    assert (credential.uri, credential.login.username, credential.database) == ("bolt://db", "reader", None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        CANARY,
        f"{{{CANARY}",
        f'["{CANARY}"]',
        f'{{"uri": "bolt://db", "username": "{CANARY}"}}',
        f'{{"uri": "https://{CANARY}", "username": "u", "password": "{CANARY}"}}',
        f'{{"uri": "bolt://u:{CANARY}@db", "username": "u", "password": "p"}}',
        f'{{"uri": "bolt://db", "username": "", "password": "{CANARY}"}}',
        f'{{"uri": "bolt://db", "username": "u", "password": ["{CANARY}"]}}',
        f"NEO4J_URI=bolt://db\nNEO4J_PASSWORD={CANARY}",
    ],
)
def test_what_cannot_be_used_is_named_and_never_quoted(text: str) -> None:
    with pytest.raises(CredentialError, match=r"aura\.txt") as caught:
        parse_credential(text, source="aura.txt")
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value.__cause__) + repr(caught.value.__context__)


def test_the_password_shows_in_no_text_of_a_credential() -> None:
    credential = parse_credential(AURA_FILE, source="aura.txt")
    assert CANARY not in repr(credential) + str(credential) + credential.model_dump_json()
