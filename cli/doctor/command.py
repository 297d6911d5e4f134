"""The command ``doctor``."""

from __future__ import annotations

import argparse
import logging

from cli.doctor.inside import look_inside
from cli.doctor.outside import Outside, look_outside
from cli.doctor.report import as_json, as_tree, status_of
from cli.settings import CommandLineSettings
from core.examination import INSIDE_LINKS
from core.finding import Finding, with_rest

__all__ = ["run_doctor"]

_USUAL = {"aws": "sigv4", "azure": "azure", "databricks": "databricks"}


def run_doctor(arguments: argparse.Namespace, settings: CommandLineSettings) -> int:
    """Look, print the findings, and return the exit status: 0 if every link holds.

    Raises:
        LocalError: The packages of the platform are not installed.
    """
    if not arguments.verbose:
        logging.getLogger("core").setLevel(logging.CRITICAL)  # the findings say the same, in order
    halves: dict[str, list[Finding]] = {}
    platform: str | None = arguments.platform
    if arguments.wrong_settings is not None:
        failed = Finding("settings", "failed", str(arguments.wrong_settings), "Correct what it names, and try again.")
        halves["inside"] = with_rest([failed], INSIDE_LINKS)
    elif arguments.url is None:
        halves["inside"] = look_inside(platform, settings)
    else:
        method = arguments.auth or _guessed(platform, settings)
        outside = Outside(arguments.url, platform, method, settings, arguments.scope, arguments.token_url)
        halves["outside"], inside = look_outside(outside)
        if inside:
            halves["inside"] = inside
    print(as_json(halves) if arguments.json else as_tree(halves))
    return status_of(halves)


def _guessed(platform: str | None, settings: CommandLineSettings) -> str:
    if settings.caller_api_key is not None:
        return "api-key"
    if settings.caller_client_id is not None:
        return "client-credentials"
    return _USUAL.get(platform or "", "none")
