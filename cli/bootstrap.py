"""``neo4j-m2m bootstrap``: the first database users for servers, with the least rights there can be."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json

from cli.credential_stores import OperatorStores, add_store_options, stores_of
from cli.output import say
from cli.settings import CommandLineSettings
from core.credentials.administrator import administrator_in
from core.credentials.first_users import create_first_users, least_rights
from core.errors import SettingsError

__all__ = ["add_bootstrap", "run_bootstrap"]


def add_bootstrap(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``bootstrap`` to the command line."""
    bootstrap = commands.add_parser(
        "bootstrap",
        help="make the first database users, and store their credential",
        description="Make a database user that reads, and the second one that rotation takes turns with; try that "
        "they cannot write; store the login in SECRET. Prints one JSON line for each pair; nothing in it is secret.",
    )
    add_store_options(bootstrap)
    bootstrap.add_argument("--user", default="m2m_reader", metavar="NAME", help="the user that reads (%(default)s)")
    bootstrap.add_argument("--writer-secret", metavar="NAME", help="make a pair that writes, too, and store it there")
    bootstrap.add_argument("--writer", default="m2m_writer", metavar="NAME", help="the user that writes (%(default)s)")
    bootstrap.add_argument("--database", metavar="NAME", help="the database (default: the administrator's, or neo4j)")
    bootstrap.add_argument(
        "--show-cypher", action="store_true", help="print the statements for the rights, and change nothing"
    )
    bootstrap.set_defaults(command="bootstrap")


def run_bootstrap(arguments: argparse.Namespace, settings: CommandLineSettings) -> int:
    pairs = [(arguments.secret, arguments.user, False)]
    if arguments.writer_secret:
        pairs.append((arguments.writer_secret, arguments.writer, True))
    if arguments.show_cypher:
        for _, user, writes in pairs:
            database = arguments.database or "neo4j"
            print(";\n".join(least_rights(f"{user}_role", database, writes=writes)) + ";")
        return 0
    if arguments.admin_secret is None:
        raise SettingsError("Say with --admin-secret where the administrator's credential is.")
    if len({secret for secret, _, _ in pairs} | {arguments.admin_secret}) <= len(pairs):
        raise SettingsError("Give the reader, the writer and the administrator a secret each.")
    with contextlib.closing(stores_of(arguments, settings)) as stores:
        asyncio.run(_made(arguments, stores, pairs))
    return 0


async def _made(arguments: argparse.Namespace, stores: OperatorStores, pairs: list[tuple[str, str, bool]]) -> None:
    administrator = administrator_in(stores.administrators, arguments.admin_secret)
    assert administrator is not None  # noqa: S101 - for the type checker
    for secret, user, writes in pairs:
        report = await create_first_users(
            stores.store, secret, administrator, user=user, writes=writes, database=arguments.database
        )
        print(json.dumps(dataclasses.asdict(report)), flush=True)
        say(f"{secret} held a login of {user} already." if report.existed else f"{secret} holds the login of {user}.")
        for note in report.notes:
            say(note)
