"""The command line, ``neo4j-m2m``. Commands of the extra ``local`` are imported when they are called."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any, NoReturn

from cli.bootstrap import run_bootstrap
from cli.extras import from_local
from cli.keys import create_key, list_keys, revoke_key, ring_file
from cli.output import say
from cli.parser import build_parser
from cli.rotate import run_rotate
from cli.settings import CommandLineSettings
from core.audit import AUDIT_LOGGER
from core.errors import Neo4jM2mError, SettingsError
from core.identity.principal import Principal
from core.settings import PREFIX

__all__ = ["build_parser", "main"]


_SECONDS_BETWEEN_CHECKS = 0.5

_TALKATIVE = ("neo4j", "uvicorn", "httpx2", "botocore", "boto3", "werkzeug", "moto")
"""Libraries that log normal events: their lines would hide this project's own."""


class Stopped(BaseException):
    """SIGTERM or SIGINT arrived. Not an Exception: no handler may take it for a failure and continue."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status: 0, 1 for an error that was explained, 2 for a wrong command line.

    ``policy explain`` returns 3 where nothing is granted.
    """
    parser = build_parser()
    _complete(parser)
    arguments = parser.parse_args(argv)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        settings = _settings(arguments)
        logging.basicConfig(
            stream=sys.stderr, level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        audit = logging.getLogger(AUDIT_LOGGER)
        if not audit.handlers:
            # A line of the audit is only a JSON object, for whoever collects it.
            audit.addHandler(logging.StreamHandler(sys.stderr))
            audit.propagate = False
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
        status = _COMMANDS[arguments.command](arguments, settings)
    except Stopped:
        status = 0
    except BrokenPipeError:
        # Whoever read stdout has seen enough. Nothing more may be written there, not even at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except Neo4jM2mError as error:
        say(f"error: {error}")
        status = 1
    return status


def _complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions, where argcomplete is installed; it ends the process then."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module("argcomplete").autocomplete(parser)


def _settings(arguments: argparse.Namespace) -> CommandLineSettings:
    """The settings of the command line; where ``doctor`` examines a platform, what is set for that is its business."""
    environ: Mapping[str, str] = os.environ
    if arguments.command == "doctor" and arguments.platform is not None:
        known = {CommandLineSettings.variable(name) for name in CommandLineSettings.model_fields}
        environ = {name: value for name, value in environ.items() if name in known or not name.startswith(PREFIX)}
    try:
        return CommandLineSettings.from_environ(environ)
    except SettingsError as error:
        if arguments.command != "doctor":
            raise
        arguments.wrong_settings = error
        return CommandLineSettings.model_validate({})


def _stop(number: int, frame: FrameType | None) -> None:
    # A second signal is ignored: it must not interrupt the stopping, which has a time limit.
    for handled in (signal.SIGINT, signal.SIGTERM):
        signal.signal(handled, signal.SIG_IGN)
    raise Stopped


def _serve(arguments: argparse.Namespace, settings: CommandLineSettings) -> int:
    from cli.serve import serve_http, serve_stdio

    if not arguments.stdio:
        serve_http(settings, host=arguments.host, port=arguments.port)
        return 0
    with contextlib.suppress(Stopped):
        serve_stdio(settings)
    # The thread that reads stdin may still hold its lock; a normal exit of the interpreter would wait for it.
    sys.stderr.flush()
    os._exit(0)


def _demo(arguments: argparse.Namespace, settings: CommandLineSettings) -> int:
    status: int = from_local("demo", "demo").run_demo(settings, _console("demo"))
    return status


def _run_neo4j(arguments: argparse.Namespace, settings: CommandLineSettings) -> NoReturn:
    command = "neo4j run"
    if arguments.data:
        settings = CommandLineSettings.model_validate({**settings.model_dump(), "data_dir": arguments.data})
    with from_local("database", command).embedded_database(
        settings, _console(command), port=arguments.port, sample=not arguments.empty, full=arguments.full
    ) as database:
        print(
            json.dumps(
                {
                    "uri": database.uri,
                    "username": database.username,
                    "password": database.password.get_secret_value(),
                    "database": database.database,
                }
            ),
            flush=True,
        )
        say(f"Neo4j answers at {database.uri}. Ctrl-C stops it.")
        while True:
            time.sleep(_SECONDS_BETWEEN_CHECKS)
            database.check()


def _emulate(arguments: argparse.Namespace, settings: CommandLineSettings) -> int:
    console = _console("emulate")
    from_local("emulators.platforms", "emulate").emulate(arguments.platform, settings, console, port=arguments.port)
    return 0


def _invoke(arguments: argparse.Namespace, settings: CommandLineSettings) -> int:
    if not arguments.verbose:
        # What the function logs of one call is for whoever asks: its result stands alone.
        logging.disable(logging.WARNING)
    console = _console("invoke")
    status: int = from_local("emulators.platforms", "invoke").invoke(
        arguments.platform, settings, console, arguments.tool, arguments.arguments
    )
    return status


def _console(command: str) -> Any:
    """What shows progress: a `local.console.Console`."""
    return from_local("console", command).Console()


def _create_key(arguments: argparse.Namespace, settings: CommandLineSettings) -> int:
    create_key(
        ring_file(arguments.file, settings),
        name=arguments.name,
        expires=arguments.expires,
        roles=arguments.role,
        tenant=arguments.tenant or "",
        as_json=arguments.json,
    )
    return 0


def _list_keys(arguments: argparse.Namespace, settings: CommandLineSettings) -> int:
    list_keys(ring_file(arguments.file, settings))
    return 0


def _revoke_key(arguments: argparse.Namespace, settings: CommandLineSettings) -> int:
    revoke_key(ring_file(arguments.file, settings), key_id=arguments.id)
    return 0


def _doctor(arguments: argparse.Namespace, settings: CommandLineSettings) -> int:
    from cli.doctor.command import run_doctor

    return run_doctor(arguments, settings)


def _connect(arguments: argparse.Namespace, settings: CommandLineSettings) -> int:
    from cli.connect.command import run_connect

    return run_connect(arguments)


def _explain_policy(arguments: argparse.Namespace, settings: CommandLineSettings) -> int:
    from cli.policy import explain

    principal = Principal(
        platform=arguments.platform,
        kind=arguments.kind,
        id=arguments.id,
        tenant=arguments.tenant,
        roles=frozenset(arguments.role),
    )
    return explain(arguments.policy, principal, settings)


def _check_policy(arguments: argparse.Namespace, settings: CommandLineSettings) -> int:
    from cli.policy import check

    return check(arguments.policy, settings)


_COMMANDS: dict[str, Callable[[argparse.Namespace, CommandLineSettings], int]] = {
    "serve": _serve,
    "demo": _demo,
    "run_neo4j": _run_neo4j,
    "emulate": _emulate,
    "invoke": _invoke,
    "create_key": _create_key,
    "list_keys": _list_keys,
    "revoke_key": _revoke_key,
    "rotate": run_rotate,
    "bootstrap": run_bootstrap,
    "doctor": _doctor,
    "connect": _connect,
    "explain_policy": _explain_policy,
    "check_policy": _check_policy,
}
"""What does the work of each command, by the name that the parser gives it."""


if __name__ == "__main__":
    sys.exit(main())
