"""What is shipped of others is what they published, and comes with their licence."""

from __future__ import annotations

import hashlib
import tomllib

import pytest

from core.page.files import ASSETS, FOLDER

LIBRARY = tomllib.loads((FOLDER / "cytoscape.toml").read_text())


@pytest.mark.parametrize("file", LIBRARY["file"], ids=lambda file: file["name"])
def test_the_drawing_library_is_unchanged(file: dict[str, str]) -> None:
    assert hashlib.sha256((FOLDER / file["name"]).read_bytes()).hexdigest() == file["sha256"]


def test_the_drawing_library_says_its_version_and_its_licence_lies_beside_it() -> None:
    assert f'"{LIBRARY["version"]}"' in (FOLDER / "cytoscape.min.js").read_text()
    assert "Permission is hereby granted, free of charge" in (FOLDER / "cytoscape.LICENSE.txt").read_text()


def test_every_file_of_others_is_in_the_list() -> None:
    of_others = {path.name for path in FOLDER.iterdir() if path.name.startswith("cytoscape.")} - {"cytoscape.toml"}
    assert of_others == {file["name"] for file in LIBRARY["file"]}
    assert of_others <= set(ASSETS)
