"""The rotation job: ``databricks_app/rotation.py``, which the bundle runs on a schedule, as a service principal.

That service principal may WRITE the scope of the credential and READ the scope of the administrator's, and nothing
else. A job's file is run without its folder's parent on the path: ``--source`` says where that is.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import logging
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

__all__ = ["main"]


def main(argv: Sequence[str], connect: object = None) -> int:
    """Rotate the secrets that ``argv`` names; 1 if one of them was not. ``connect`` is as for `WritableScopes`."""
    parser = argparse.ArgumentParser(prog="rotation", description="Rotate credentials in secret scopes.")
    parser.add_argument("--source", help="the folder of the packages core and databricks_app")
    parser.add_argument(
        "--secret", action="append", required=True, metavar="SCOPE/KEY", help="may be given more than once"
    )
    parser.add_argument("--admin-secret", metavar="SCOPE/KEY", help="the administrator's credential, in another scope")
    parser.add_argument("--mode", choices=("two_users", "single_user"), default="two_users")
    parser.add_argument("--now", action="store_true", help="rotate although the last rotation was only minutes ago")
    arguments = parser.parse_args(argv)
    if arguments.source and arguments.source not in sys.path:
        sys.path.insert(0, arguments.source)
    # A job's process may run an event loop already, so that this one gets a thread of its own.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _rotated(arguments, connect)).result()


async def _rotated(arguments: argparse.Namespace, connect: object) -> int:
    from core.credentials.scheduled import SETTLE, rotate_each
    from databricks_app.secrets import WritableScopes

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("neo4j").setLevel(logging.WARNING)
    scope = (arguments.admin_secret or "").partition("/")[0]
    if any(secret.partition("/")[0] == scope for secret in arguments.secret):
        print("The administrator's credential has to be in a scope that the app cannot read.", file=sys.stderr)
        return 2
    scopes = WritableScopes(connect)  # type: ignore[arg-type]
    done, failed = await rotate_each(
        arguments.secret,
        scopes,
        scopes,
        arguments.admin_secret,
        mode=arguments.mode,
        settle=0.0 if arguments.now else SETTLE,
    )
    for report in done:
        print(json.dumps(dataclasses.asdict(report)), flush=True)
    for name, error in failed.items():
        print(f"{name} was not rotated: {error}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    if status:  # a job takes an exit with status 0 for a failure, too
        sys.exit(status)
