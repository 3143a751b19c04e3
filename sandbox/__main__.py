"""`python -m sandbox <command>`: the commands of the sandbox. Each one calls one module."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sandbox import reviewing
from sandbox.client.chat import GREETING, ask, await_serving, differences
from sandbox.client.pods import print_logs
from sandbox.client.route import NotServed, find_target
from sandbox.client.status import follow, show
from sandbox.cluster import description, lifecycle
from sandbox.cluster.api import ApiError, connect
from sandbox.engine import stack_files
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT, Home
from sandbox.modelserver import choice
from sandbox.progress import Progress
from sandbox.session import Session
from verify.finding import VerifyError

Command = Callable[[argparse.Namespace, Home, Progress], int]


def up(arguments: argparse.Namespace, home: Home, report: Progress) -> int:
    """Start the sandbox and deploy the stack."""
    session = _ready(arguments, home, report, pods=True)
    for line in choice.notes(home.root):
        report.say(line)
    code = session.call("pulumi", "up", "--yes", "--stack", arguments.stack, *arguments.rest)
    show(home, report)
    if code == 0 and lifecycle.isolated(home):
        try:
            await_serving(home, arguments.stack, report)
            for line in differences(home):
                report.say(line)
            code = ask(home, arguments.stack, report)
        except NotServed as reason:
            report.say(f"\nNo request was sent: the Gateway {reason}.")
    if code == 0:
        report.say(_NEXT.format(stack=arguments.stack))
    return code


def _pulumi(name: str, about: str, *words: str) -> Command:
    """Return the command that runs one of Pulumi's on a stack."""

    def run(arguments: argparse.Namespace, home: Home, report: Progress) -> int:
        return _ready(arguments, home, report).call("pulumi", *words, "--stack", arguments.stack, *arguments.rest)

    run.__name__, run.__doc__ = name, about
    return run


_PACK = str(CHECKOUT / "policy")
preview = _pulumi("preview", "Show what `up` would change, field by field.", "preview", "--diff")
policy = _pulumi(
    "policy",
    "Preview the stack with the policy pack, which reports violations and their remedies.",
    *("preview", "--policy-pack", _PACK),
)
refresh = _pulumi("refresh", "Read the cluster's present state into the stack's.", "refresh", "--yes")
destroy = _pulumi("destroy", "Delete every object of the stack; the sandbox keeps running.", "destroy", "--yes")


def verify(arguments: argparse.Namespace, home: Home, report: Progress) -> int:
    """Prove from objects, a request and metrics that the stack serves and disaggregates; as on a real cluster."""
    session = _ready(arguments, home, report, pods=True)
    real = choice.read(home.root)
    # The pods ask for RDMA devices and name the stack's model, as on a cluster.
    here = ("--tcp", "--shape", f"{real.model}/config.json") if real else ()
    words = (*here, *_past_api_server(home, arguments.stack), *arguments.rest)
    command = (sys.executable, "-m", "verify", "--stack", arguments.stack, *words)
    return session.call("env", f"PYTHONPATH={CHECKOUT}", *command)


def _past_api_server(home: Home, stack: str) -> tuple[str, ...]:
    """Return the URL to which `verify` sends requests with an API key, because the API server drops the key."""
    try:
        with connect(home.host_kubeconfig) as api:
            target = find_target(home, stack, api)
    except (ApiError, SandboxError):  # verify says what is missing
        return ()
    return ("--url", f"{target.scheme}://127.0.0.1:{target.port}") if target.authorization else ()


def preflight(arguments: argparse.Namespace, home: Home, report: Progress) -> int:
    """Check the cluster and report what would make an `up` fail, as on a real cluster."""
    session = _ready(arguments, home, report)
    command = (sys.executable, "-m", "preflight", "--stack", arguments.stack, *arguments.rest)
    return session.call("env", f"PYTHONPATH={CHECKOUT}", *command)


def chat(arguments: argparse.Namespace, home: Home, report: Progress) -> int:
    """Send your prompt to the stack; print the answer as it arrives, then the path of the request."""
    _require_running(home)
    return ask(home, arguments.stack, report, arguments.prompt or GREETING)


def logs(arguments: argparse.Namespace, home: Home, _: Progress) -> int:
    """Print the log of a pod's containers."""
    _require_running(home)
    return print_logs(home, arguments.pod, arguments.container, follow=arguments.follow)


def status(arguments: argparse.Namespace, home: Home, report: Progress) -> int:
    """Print the pods of each node, the waiting pods with the reason, and the outputs of the stacks."""
    _require_running(home)
    if arguments.follow:
        return follow(home)
    show(home, report, outputs=True)
    return 0


def shell(arguments: argparse.Namespace, home: Home, report: Progress) -> int:
    """Open a shell in which `pulumi` (and kubectl, where installed) talks to the sandbox."""
    session = _ready(arguments, home, report, pods=True)
    report.say(
        f"pulumi up|preview --diff|refresh|destroy|stack output|config set --path … work here for stack "
        f"{arguments.stack}; kubectl too, if this machine has it.\n"
        "Nothing you type changes a tracked file. `exit` leaves; the sandbox keeps running until `make down`."
    )
    return session.call("bash", *arguments.rest)


def pr_diff(arguments: argparse.Namespace, home: Home, report: Progress) -> int:
    """Write as Markdown what this work tree would change on stacks of another commit."""
    text, previewed = reviewing.pr_diff(home, arguments.base, arguments.stack, report, arguments.cluster)
    if arguments.output:
        Path(arguments.output).write_text(text)
    else:
        print(text, end="")
    return 0 if previewed else 1


def down(arguments: argparse.Namespace, home: Home, report: Progress) -> int:
    """Stop the sandbox. The next start restores its objects, unless `--purge` deletes them."""
    if arguments.purge:
        lifecycle.throw_away(home, report)
        report.say(f"The sandbox {home.name!r} and all its data are gone.")
    elif lifecycle.stop(home, report):
        report.say(f"The sandbox {home.name!r} is stopped; `make up` brings its objects back, PURGE=1 deletes them.")
    else:
        report.say(f"The sandbox {home.name!r} wasn't running.")
    return 0


_ON_A_STACK: tuple[Command, ...] = (up, preview, policy, refresh, destroy, shell, preflight, verify)

_LOOKING_AT_NODES: tuple[Command, ...] = (up, preview, policy, preflight)
"""Commands with results that depend on the nodes; the others work with what is deployed."""

_CHANGING: tuple[Command, ...] = (up, refresh, destroy)
"""Commands that first take back what an interrupted one left; those that only look change nothing."""

_CLUSTER = "cluster description for the nodes: a name in sandbox/clusters/, or a file; kept"

_INFRASTRUCTURE = "serving.infrastructure"

_NEXT = """
Next: make chat STACK={stack} PROMPT="…" · make status FOLLOW=1 · make logs POD=decode · make verify STACK={stack}
make shell STACK={stack}, then `pulumi config set --path serving.routing.verbosity 2`, `pulumi preview --diff`,
`pulumi up` · make destroy STACK={stack} · make down"""


def _require_running(home: Home) -> None:
    if not lifecycle.running(home):
        raise SandboxError(f"the sandbox {home.name!r} isn't running: start it with `make up`")


def _ready(arguments: argparse.Namespace, home: Home, report: Progress, *, pods: bool = False) -> Session:
    """Make everything ready for a command on a stack; with `pods`, also what its pods run."""
    wrong = [one for one in arguments.set if "=" not in one or one.startswith("=")]
    if wrong:
        raise SandboxError(f"--set {wrong[0]}: write it as path=value, such as --set serving.hostNetwork=true")
    cluster = description.choose(home, arguments.cluster)
    if not cluster.chosen and arguments.run in _LOOKING_AT_NODES:
        _require_choice(arguments, home)
    session = Session.ready(home, arguments.stack, report, pods=pods, cluster=cluster)
    session.choose_model_server(getattr(arguments, "model_server", None), getattr(arguments, "model_server_tp", None))
    session.set(arguments.set)
    if pods:
        session.provide_programs()
    session.provide_nodes(arguments.nodes)
    session.provide_gateway()
    if arguments.run in _CHANGING:
        session.heal()
    return session


def _require_choice(arguments: argparse.Namespace, home: Home) -> None:
    """Raise an error if the stack's infrastructure has a description and none was chosen."""
    name = f"Pulumi.{arguments.stack}.yaml"
    files = [file for file in (CHECKOUT / name, home.view / name) if file.exists()]
    assigned = dict(one.partition("=")[::2] for one in arguments.set)
    scopes = [*(stack_files.serving(file) for file in files), {"infrastructure": assigned.get(_INFRASTRUCTURE)}]
    own = next(filter(None, map(description.of_infrastructure, reversed(scopes))), None)
    if own:
        raise SandboxError(
            f"stack {arguments.stack} has serving.infrastructure: {own}, and no cluster was chosen: the default nodes "
            f"offer no other device than rdma/ib. Nothing was started. Type:\n"
            f"  make {arguments.command} STACK={arguments.stack} CLUSTER={own}\n"
            f"The sandbox remembers it. CLUSTER={description.DEFAULT} chooses the default nodes."
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in (*_ON_A_STACK, chat, logs, status, pr_diff, down):
        own = commands.add_parser(command.__name__.replace("_", "-"), help=command.__doc__, description=command.__doc__)
        own.add_argument("--name", help="the sandbox (default: $SANDBOX, else 'default')")
        own.set_defaults(run=command, rest=[])
        if command in (*_ON_A_STACK, pr_diff):
            own.add_argument("--cluster", metavar="DESCRIPTION", help=_CLUSTER)
        if command in _ON_A_STACK:
            own.add_argument("--stack", required=True, help="a stack: the middle of a Pulumi.<stack>.yaml")
            own.add_argument("--nodes", type=int, help="simulated nodes of the cluster's first group, kept")
            own.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="a setting, kept")
            own.epilog = "Arguments after `--` are passed on to pulumi (or bash)."
    up_parser = commands.choices["up"]
    up_parser.add_argument(
        "--model-server",
        choices=choice.KINDS,
        help="program in pods of vLLM images (default: the last choice, at first the simulator)",
    )
    up_parser.add_argument("--model-server-tp", type=int, help="largest tensor parallelism of real vLLM (default: 1)")
    chat_parser, logs_parser = commands.choices["chat"], commands.choices["logs"]
    chat_parser.add_argument("--stack", required=True, help="a deployed stack")
    chat_parser.add_argument("--prompt", help="the prompt")
    logs_parser.add_argument("--pod", default="", help="prefill, decode, epp, gateway, or part of a pod's name")
    logs_parser.add_argument("--container", default="", help="one container of the pod (default: all)")
    for own in (logs_parser, commands.choices["status"]):
        own.add_argument("--follow", action="store_true", help="continue until Ctrl-C")
    diff_parser = commands.choices["pr-diff"]
    diff_parser.add_argument("--base", required=True, help="a commit, such as origin/main")
    diff_parser.add_argument("--stack", action="append", default=[], help="a stack; may be repeated (default: all)")
    diff_parser.add_argument("--output", help="a file (default: standard output)")
    down_parser = commands.choices["down"]
    down_parser.add_argument("--purge", action="store_true", help="delete the data of the sandbox, too")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: Pulumi's own, 1 for a `SandboxError`, 130 after Ctrl-C."""
    words = list(sys.argv[1:] if words is None else words)
    own, rest = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    arguments = _parser().parse_args(own)
    arguments.rest = rest
    try:
        return int(arguments.run(arguments, Home.of(name=arguments.name), Progress()))
    except (SandboxError, VerifyError) as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; no process of the command is left", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
