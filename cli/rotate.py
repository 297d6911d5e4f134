"""``neo4j-m2m rotate``: a credential is rotated by hand, once and now."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json

from cli.credential_stores import add_store_options, stores_of
from cli.output import say
from cli.settings import CommandLineSettings
from core.credentials.administrator import administrator_in
from core.credentials.rotation import Rotation, RotationReport
from core.credentials.scheduled import SETTLE
from core.errors import SettingsError

__all__ = ["add_rotate", "run_rotate"]


def add_rotate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``rotate`` to the command line."""
    rotate = commands.add_parser(
        "rotate",
        help="rotate the credential of the database",
        description="Rotate the credential in SECRET: change the idle one of its two database users, log in as it, "
        "publish it. What an earlier rotation left behind is finished. Prints one JSON line; nothing in it is secret.",
    )
    add_store_options(rotate)
    rotate.add_argument(
        "--single-user",
        action="store_true",
        help="change the password of the one user in place; calls that log in meanwhile wait",
    )
    rotate.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")
    rotate.add_argument(
        "--now", action="store_true", help="rotate although the last rotation was only minutes ago, as after a leak"
    )
    rotate.set_defaults(command="rotate")


def run_rotate(arguments: argparse.Namespace, settings: CommandLineSettings) -> int:
    report = asyncio.run(_rotated(arguments, settings))
    print(json.dumps(dataclasses.asdict(report)))
    did = "is rotated: servers log in as" if report.done else "would be rotated: servers would log in as"
    say(f"{report.secret} {did} {report.user}, after {report.former_user}.")
    for note in report.notes:
        say(note)
    return 0


async def _rotated(arguments: argparse.Namespace, settings: CommandLineSettings) -> RotationReport:
    if arguments.admin_secret is None and not arguments.single_user:
        raise SettingsError(
            "Say with --admin-secret where the database administrator's credential is, or rotate with --single-user."
        )
    with contextlib.closing(stores_of(arguments, settings)) as stores:
        rotation = Rotation(
            await stores.rotated(arguments.secret),
            administrator_in(stores.administrators, arguments.admin_secret),
            mode="single_user" if arguments.single_user else "two_users",
            settle=0.0 if arguments.now else SETTLE,
        )
        return await (rotation.plan() if arguments.dry_run else rotation.run())
