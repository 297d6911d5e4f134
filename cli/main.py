"""The command line, ``neo4j-m2m``. Commands of the extra ``local`` are imported when they are called."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any, NoReturn, get_args

from cli.bootstrap import add_bootstrap
from cli.connect.command import TARGETS, run_connect
from cli.doctor.proofs import METHODS
from cli.extras import from_local
from cli.keys import create_key, duration, list_keys, matching, revoke_key, ring_file
from cli.output import say
from cli.rotate import add_rotate
from cli.settings import CommandLineSettings
from core.audit import AUDIT_LOGGER
from core.errors import Neo4jM2mError, SettingsError
from core.identity.key_ring import LABEL_PATTERN, NAME_PATTERN
from core.identity.principal import Principal, PrincipalKind
from core.settings import PREFIX
from core.version import server_version
from local.emulators.platforms import PLATFORMS

__all__ = ["build_parser", "main"]


_SECONDS_BETWEEN_CHECKS = 0.5

_TALKATIVE = ("neo4j", "uvicorn", "httpx2", "botocore", "boto3", "werkzeug", "moto")
"""Libraries that log normal events: their lines would hide this project's own."""


class Stopped(BaseException):
    """SIGTERM or SIGINT arrived. Not an Exception: no handler may take it for a failure and continue."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command and option; each subparser's ``run`` default is the function that does the work."""
    parser = argparse.ArgumentParser(prog="neo4j-m2m", description="An MCP server for Neo4j, for machine identities.")
    parser.add_argument("--version", action="version", version=f"neo4j-m2m {server_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser(
        "serve",
        help="serve MCP on this machine",
        description="Serve MCP on this machine, against NEO4J_URI or, if that is unset, the embedded database with the "
        "sample graph. Prints one JSON line with the url once it answers.",
    )
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to bind; any other than loopback needs callers who prove who they are",
    )
    serve.add_argument("--port", type=_port, help="port to bind (default: 8000, or a free one)")
    serve.add_argument("--stdio", action="store_true", help="speak over stdin and stdout instead of HTTP")
    serve.set_defaults(run=_serve)

    demo = commands.add_parser(
        "demo",
        help="start everything and ask the sample graph questions through MCP",
        description="Start the embedded database and the server, ask the graph questions as an agent would, print what "
        "came out, and stop what was started.",
    )
    demo.set_defaults(run=_demo)

    database = commands.add_parser("neo4j", help="the embedded database alone")
    database_commands = database.add_subparsers(required=True, metavar="COMMAND")
    run = database_commands.add_parser(
        "run",
        help="run it until stopped",
        description="Run the embedded Neo4j with the sample graph. Prints one JSON line (uri, username, password, "
        "database) once it answers.",
    )
    run.add_argument("--port", type=_port, help="Bolt port on the loopback interface (default: a free one)")
    run.add_argument("--data", metavar="DIR", help="where its data are kept (default: the user's data directory)")
    contents = run.add_mutually_exclusive_group()
    contents.add_argument("--empty", action="store_true", help="load no sample graph")
    contents.add_argument("--full", action="store_true", help="load all 336,776 flights as nodes, too")
    run.set_defaults(run=_run_neo4j)
    _add_platforms(commands)
    _add_keys(commands)
    _add_policy(commands)
    add_rotate(commands)
    add_bootstrap(commands)
    _add_doctor(commands)
    _add_connect(commands)
    return parser


def _add_platforms(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    emulate = commands.add_parser(
        "emulate",
        help="a platform's front, identity and secret store on this machine, with the real function behind them",
        description="Run the platform until stopped. Prints one JSON line once it answers: where it is, who may call.",
    )
    emulate.add_argument("platform", choices=PLATFORMS)
    emulate.add_argument("--port", type=_port, help="port of the function's front (default: a free one)")
    emulate.set_defaults(run=_emulate)
    invoke = commands.add_parser(
        "invoke",
        help="call a tool through a platform's function, in this process",
        description="Build the platform's event, call the function in this process, print the result; exit status 1 if "
        "it failed.",
    )
    invoke.add_argument("platform", choices=PLATFORMS)
    invoke.add_argument("tool", metavar="TOOL", help="such as read-cypher")
    invoke.add_argument("arguments", nargs="*", metavar="key=value", help="arguments of the tool; a value may be JSON")
    invoke.set_defaults(run=_invoke)


def _add_keys(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    keys = commands.add_parser("keys", help="API keys, each proving a principal; only their hashes are kept")
    keys_commands = keys.add_subparsers(required=True, metavar="COMMAND")
    create = keys_commands.add_parser(
        "create",
        help="make a key and show it this once",
        description="Make a key, add its hash to the key ring, and print the key on stdout, this once.",
    )
    create.add_argument(
        "--name", required=True, type=matching(NAME_PATTERN, "a name"), help="the principal that the key proves"
    )
    create.add_argument(
        "--expires",
        type=duration,
        default="90d",
        metavar="90d",
        help="its life, such as 12h, 90d or never (%(default)s)",
    )
    create.add_argument(
        "--role",
        action="append",
        default=[],
        type=matching(LABEL_PATTERN, "a role"),
        help="a role of the principal, for the policy; may be given more than once",
    )
    create.add_argument(
        "--tenant", type=matching(LABEL_PATTERN, "a tenant"), help="the principal's tenant, for the policy"
    )
    create.add_argument("--json", action="store_true", help="print one line of JSON (id, name, key, expires)")
    listing = keys_commands.add_parser("list", help="list the keys, without secrets")
    revoke = keys_commands.add_parser("revoke", help="refuse a key from now on")
    revoke.add_argument("id", metavar="ID", help="the id of the key, as the list shows it")
    for command, work in ((create, _create_key), (listing, _list_keys), (revoke, _revoke_key)):
        command.add_argument("--file", metavar="RING", help="the key ring (default: NEO4J_M2M_KEYS_FILE, or your own)")
        command.set_defaults(run=work)


def _add_policy(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    policy = commands.add_parser("policy", help="who may do what")
    policy_commands = policy.add_subparsers(required=True, metavar="COMMAND")
    explain = policy_commands.add_parser(
        "explain",
        help="which rule decides for a principal, and why",
        description="Print which rule of the policy decides for a principal, why those before it do not, and what is "
        "granted. Exit status 0: something is granted; 3: nothing; 1: the policy does not parse.",
    )
    explain.add_argument("--policy", metavar="FILE", help="the policy (default: NEO4J_M2M_POLICY)")
    explain.add_argument("--platform", required=True, choices=(*PLATFORMS, "local"))
    explain.add_argument("--kind", required=True, choices=get_args(PrincipalKind))
    explain.add_argument("--id", required=True, help="the platform's identifier; of an API key, its name")
    explain.add_argument("--blueprint", default="", help="of an agent identity, the blueprint it was made from")
    explain.add_argument("--tenant", default="", help="tenant or account")
    explain.add_argument("--role", action="append", default=[], help="a role or scope; may be given more than once")
    explain.set_defaults(run=_explain_policy)


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    doctor = commands.add_parser(
        "doctor",
        help="find out what is wrong, link by link",
        description="Walk the chain from settings to database and name the broken link and what mends it. With --url, "
        "call a deployed server as an agent of the platform would. Exit status 0: all links hold; 4: one is broken.",
    )
    doctor.add_argument("platform", nargs="?", choices=PLATFORMS, help="whose settings and proof (default: `serve`)")
    doctor.add_argument("--url", help="the MCP endpoint of a deployed server")
    doctor.add_argument("--auth", choices=METHODS, help="how to prove who calls (default: the platform's usual way)")
    doctor.add_argument("--scope", help="what a token is asked for, such as api://ID/.default")
    doctor.add_argument("--token-url", help="where a token is asked for (default: as the server's metadata say)")
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor.add_argument("-v", "--verbose", action="store_true", help="show log lines, too (on stderr)")
    doctor.set_defaults(run=_doctor, wrong_settings=None)


def _add_connect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    connect = commands.add_parser(
        "connect",
        help="print what to paste into an agent platform or a client",
        description="Print what to paste, for every way of authentication; with --auth that one alone. Secrets are "
        "never arguments: what is printed names where they go.",
    )
    connect.add_argument("target", choices=TARGETS)
    connect.add_argument("--url", help="the MCP endpoint; left out, a client starts the server itself (stdio)")
    connect.add_argument("--auth", help="one way of authentication alone, such as api-key or sigv4")
    connect.add_argument("--name", default="neo4j", type=_server_name, help="what the server is called (%(default)s)")
    connect.add_argument("--outputs", metavar="FILE", help="the deployment's outputs, as JSON, to fill in from")
    for option, text in (
        ("--audience", "foundry, agentcore: what tokens are for"),
        ("--client-id", "the caller's client id"),
        ("--region", "agentcore: the region (default: the URL's)"),
        ("--gateway-id", "agentcore: the gateway"),
        ("--project", "foundry: the project's resource id"),
        ("--host", "agent-bricks: the workspace"),
        ("--token-url", "foundry: where users' tokens come from"),
        ("--discovery-url", "agentcore: the issuer's OpenID configuration"),
    ):
        connect.add_argument(option, help=text)
    connect.set_defaults(run=_connect)


def _server_name(text: str) -> str:
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,62}", text) is None:
        raise argparse.ArgumentTypeError("a name has letters, digits, - and _, and begins with a letter")
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status: 0, 1 for an error that was explained, 2 for a wrong command line.

    ``policy explain`` returns 3 where nothing is granted.
    """
    arguments = build_parser().parse_args(argv)
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
        status: int = arguments.run(arguments, settings)
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


def _settings(arguments: argparse.Namespace) -> CommandLineSettings:
    """The settings of the command line; where ``doctor`` examines a platform, what is set for that is its business."""
    environ: Mapping[str, str] = os.environ
    if arguments.run is _doctor and arguments.platform is not None:
        known = {CommandLineSettings.variable(name) for name in CommandLineSettings.model_fields}
        environ = {name: value for name, value in environ.items() if name in known or not name.startswith(PREFIX)}
    try:
        return CommandLineSettings.from_environ(environ)
    except SettingsError as error:
        if arguments.run is not _doctor:
            raise
        arguments.wrong_settings = error
        return CommandLineSettings.model_validate({})


def _stop(number: int, frame: FrameType | None) -> None:
    # A second signal is ignored: it must not interrupt the stopping, which has a time limit.
    for handled in (signal.SIGINT, signal.SIGTERM):
        signal.signal(handled, signal.SIG_IGN)
    raise Stopped


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 0 (any free one) to 65535")
    return int(text)


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
    return run_connect(arguments)


def _explain_policy(arguments: argparse.Namespace, settings: CommandLineSettings) -> int:
    from cli.policy import explain

    principal = Principal(
        platform=arguments.platform,
        kind=arguments.kind,
        id=arguments.id,
        blueprint=arguments.blueprint,
        tenant=arguments.tenant,
        roles=frozenset(arguments.role),
    )
    return explain(arguments.policy, principal, settings)


if __name__ == "__main__":
    sys.exit(main())
