"""The command line's grammar: every command, every option, and an example of each."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterator
from typing import get_args

from cli.bootstrap import add_bootstrap
from cli.connect.command import TARGETS
from cli.doctor import METHODS
from cli.keys import duration, matching
from cli.rotate import add_rotate
from core.identity.key_ring import LABEL_PATTERN, NAME_PATTERN
from core.identity.principal import PrincipalKind
from core.version import server_version
from local.emulators.platforms import PLATFORMS

__all__ = ["EXAMPLES", "build_parser"]

_WIDTH = 100

EXAMPLES = {
    "serve": ("serve", "serve --port 9000", "serve --stdio"),
    "demo": ("demo",),
    "neo4j run": ("neo4j run", "neo4j run --port 7687 --data ./graph --empty"),
    "emulate": ("emulate aws", "emulate azure --port 7071"),
    "invoke": (
        "invoke aws get-schema",
        "invoke azure read-cypher query='MATCH (a:Airport {faa: $faa}) RETURN a.name' params='{\"faa\": \"JFK\"}'",
    ),
    "keys create": (
        "keys create --name billing",
        "keys create --name billing --expires 12h --role Graph.Read",
    ),
    "keys list": ("keys list", "keys list --file ./keys.json"),
    "keys revoke": ("keys revoke 4fQ2hN8k",),
    "policy explain": (
        "policy explain --policy policy.toml --platform aws --kind iam_role --id arn:aws:iam::123456789012:role/Bill",
    ),
    "policy check": ("policy check --policy policy.toml", "policy check"),
    "rotate": (
        "rotate aws neo4j/credential --admin-secret neo4j/administrator",
        "rotate azure neo4j-credential --admin-secret neo4j-administrator --dry-run",
        "rotate local ./credential.json --single-user",
    ),
    "bootstrap": (
        "bootstrap aws neo4j/credential --admin-secret neo4j/administrator",
        "bootstrap local ./credential.json --admin-secret ./administrator.json --show-cypher",
    ),
    "doctor": (
        "doctor",
        "doctor aws",
        "doctor aws --url https://ID.lambda-url.eu-central-1.on.aws/mcp",
        "doctor azure --url https://APP.azurewebsites.net/mcp --scope api://APPLICATION-ID/.default",
        "doctor databricks --url https://APP.databricksapps.com/mcp --json",
        "doctor --url https://HOST/mcp --auth client-credentials",
    ),
    "connect": (
        "connect claude",
        "connect vscode --url http://127.0.0.1:8000/mcp --auth api-key",
        "connect agentcore --url https://ID.lambda-url.eu-central-1.on.aws/mcp --auth sigv4 --gateway-id GATEWAY-ID",
        "connect foundry --outputs outputs.json --audience api://APPLICATION-ID",
    ),
}
"""What ``--help`` of each command shows, without the program's name."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command and option; each subparser's ``command`` default names what does the work."""
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
    serve.set_defaults(command="serve")

    demo = commands.add_parser(
        "demo",
        help="start everything and ask the sample graph questions through MCP",
        description="Start the embedded database and the server, ask the graph questions as an agent would, print what "
        "came out, and stop what was started.",
    )
    demo.set_defaults(command="demo")

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
    run.set_defaults(command="run_neo4j")
    _add_platforms(commands)
    _add_keys(commands)
    _add_policy(commands)
    add_rotate(commands)
    add_bootstrap(commands)
    _add_doctor(commands)
    _add_connect(commands)
    for name, command in _below(parser):
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.description = "\n".join(textwrap.wrap(command.description or "", _WIDTH))
        command.epilog = "examples:\n" + "\n".join(f"  neo4j-m2m {example}" for example in EXAMPLES[name])
    return parser


def _below(parser: argparse.ArgumentParser, above: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Each command by its name, groups of commands left out."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from _below(below, f"{above} {name}".strip())
            return
    yield above, parser


def _add_platforms(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    emulate = commands.add_parser(
        "emulate",
        help="a platform's front, identity and secret store on this machine, with the real function behind them",
        description="Run the platform until stopped. Prints one JSON line once it answers: where it is, who may call.",
    )
    emulate.add_argument("platform", choices=PLATFORMS)
    emulate.add_argument("--port", type=_port, help="port of the function's front (default: a free one)")
    emulate.set_defaults(command="emulate")
    invoke = commands.add_parser(
        "invoke",
        help="call a tool through a platform's function, in this process",
        description="Build the platform's event, call the function in this process, print the result; exit status 1 if "
        "it failed.",
    )
    invoke.add_argument("platform", choices=PLATFORMS)
    invoke.add_argument("tool", metavar="TOOL", help="such as read-cypher")
    invoke.add_argument("arguments", nargs="*", metavar="key=value", help="arguments of the tool; a value may be JSON")
    invoke.add_argument("-v", "--verbose", action="store_true", help="show log lines, too (on stderr)")
    invoke.set_defaults(command="invoke")


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
    listing = keys_commands.add_parser(
        "list",
        help="list the keys, without secrets",
        description="Print a table of the keys: id, name, created, expires, state, roles, tenant. No secret is in it.",
    )
    revoke = keys_commands.add_parser(
        "revoke",
        help="refuse a key from now on",
        description="Mark a key as revoked. A server that reads the ring refuses it within a minute.",
    )
    revoke.add_argument("id", metavar="ID", help="the id of the key, as the list shows it")
    for command, work in ((create, "create_key"), (listing, "list_keys"), (revoke, "revoke_key")):
        command.add_argument("--file", metavar="RING", help="the key ring (default: NEO4J_M2M_KEYS_FILE, or your own)")
        command.set_defaults(command=work)


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
    explain.add_argument("--tenant", default="", help="tenant or account")
    explain.add_argument("--role", action="append", default=[], help="a role or scope; may be given more than once")
    explain.set_defaults(command="explain_policy")
    check = policy_commands.add_parser(
        "check",
        help="whether it parses, and what it grants",
        description="Print the policy's rules in their order, each with what it grants. Exit status 0: it parses; 1: "
        "it does not, and the error names the line.",
    )
    check.add_argument("--policy", metavar="FILE", help="the policy (default: NEO4J_M2M_POLICY)")
    check.set_defaults(command="check_policy")


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
    doctor.set_defaults(command="doctor", wrong_settings=None)


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
    connect.set_defaults(command="connect")


def _server_name(text: str) -> str:
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,62}", text) is None:
        raise argparse.ArgumentTypeError("a name has letters, digits, - and _, and begins with a letter")
    return text


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 0 (any free one) to 65535")
    return int(text)
