from __future__ import annotations

import pytest

from core.errors import SettingsError
from core.settings import Settings

CANARY = "canary-7f3a-password"


def test_what_is_not_set_has_its_default() -> None:
    settings = Settings.from_environ({"PATH": "/bin", "HOME": "/nowhere"})
    assert settings.neo4j_uri is None
    assert (settings.timeout, settings.max_rows, settings.max_bytes, settings.body_limit) == (30, 1000, 262144, 1048576)


def test_the_database_is_named_by_the_variables_of_auras_credential_file() -> None:
    settings = Settings.from_environ(
        {
            "NEO4J_URI": "neo4j+s://abc.databases.neo4j.io",
            "NEO4J_USERNAME": "reader",
            "NEO4J_PASSWORD": CANARY,
            "NEO4J_DATABASE": "flights",
            "AURA_INSTANCEID": "abc",
        }
    )
    assert settings.neo4j_username == "reader"
    assert settings.neo4j_password is not None
    assert settings.neo4j_password.get_secret_value() == CANARY
    assert settings.neo4j_database == "flights"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.from_environ({"NEO4J_URI": "", "NEO4J_M2M_TIMEOUT": " "}) == Settings()


def test_an_unknown_setting_is_an_error_that_names_it_and_the_nearest_one() -> None:
    with pytest.raises(SettingsError, match=r"NEO4J_M2M_TIMEOT is not a setting \(did you mean NEO4J_M2M_TIMEOUT\?\)"):
        Settings.from_environ({"NEO4J_M2M_TIMEOT": "3"})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NEO4J_M2M_TIMEOUT", "soon"),
        ("NEO4J_M2M_TIMEOUT", "0"),
        ("NEO4J_M2M_TIMEOUT", "nan"),
        ("NEO4J_M2M_MAX_ROWS", "1.5"),
        ("NEO4J_M2M_MAX_ROWS", "0"),
        ("NEO4J_M2M_WRAP_RESULTS", "perhaps"),
        ("NEO4J_M2M_LOG_LEVEL", "LOUD"),
        ("NEO4J_URI", "https://example.com"),
        ("NEO4J_URI", "bolt://"),
    ],
)
def test_a_value_that_does_not_parse_is_an_error_that_names_the_setting(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        Settings.from_environ({variable: value})


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({"NEO4J_M2M_NO": "1", "NEO4J_M2M_MAX_ROWS": "x", "NEO4J_M2M_TIMEOUT": "-1"})
    for name in ("NEO4J_M2M_NO", "NEO4J_M2M_MAX_ROWS", "NEO4J_M2M_TIMEOUT"):
        assert name in str(caught.value)


def test_a_password_in_the_wrong_place_shows_in_no_error() -> None:
    for environ in (
        {"NEO4J_URI": f"bolt://neo4j:{CANARY}@example.com"},
        {"NEO4J_URI": CANARY},
        {"NEO4J_M2M_TIMEOUT": CANARY},
        {"NEO4J_M2M_PASSWORD": CANARY},
    ):
        with pytest.raises(SettingsError) as caught:
            Settings.from_environ(environ)
        assert CANARY not in str(caught.value)
        assert CANARY not in repr(caught.value.__cause__) + repr(caught.value.__context__)


def test_a_password_shows_in_no_text_of_the_settings() -> None:
    settings = Settings.from_environ({"NEO4J_PASSWORD": CANARY})
    assert CANARY not in repr(settings) + str(settings) + settings.model_dump_json()


def test_a_log_level_may_be_written_small() -> None:
    assert Settings.from_environ({"NEO4J_M2M_LOG_LEVEL": "debug"}).log_level == "DEBUG"


@pytest.mark.parametrize("name", ["NEO4J_M2M_BANANA", "NEO4J_M2M_HOST", "NEO4J_M2M_URL"])
def test_a_name_that_is_like_no_setting_gets_no_suggestion(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({name: "1"})
    assert f"{name} is not a setting." in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"), [("NEO4J_M2M_TIMEOT", "NEO4J_M2M_TIMEOUT"), ("NEO4J_M2M_MAXROWS", "NEO4J_M2M_MAX_ROWS")]
)
def test_a_misspelt_setting_is_told_which_it_means(name: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=f"did you mean {meant}"):
        Settings.from_environ({name: "1"})
