from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import environment, finished

pytestmark = [pytest.mark.processes, pytest.mark.exhaustive]


def test_the_demo_is_the_same_whatever_is_set_for_a_server_of_ones_own(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[rule]]\nname = "nobody here"\nkind = "api_key"\nid = "billing"\n')
    environ = environment(
        NEO4J_M2M_DATA_DIR=str(tmp_path / "data"),
        NEO4J_M2M_POLICY=str(policy),
        NEO4J_M2M_ANSWER_FORM="text",
        NEO4J_M2M_MAX_ROWS="1",
        NEO4J_M2M_SECRET="somebody-elses",
    )
    demo = finished("demo", environ=environ)
    assert demo.returncode == 0, demo.stderr
    assert "Databricks Agent Bricks" in demo.stdout
