"""`python -m verify --stack <stack>`: prove that a deployed stack serves and disaggregates."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sizing import source
from verify import apikey, collect, load, outputs, report
from verify.cluster import Cluster
from verify.finding import Unreachable, VerifyError
from verify.steps import Verification


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m verify", description=__doc__)
    parser.add_argument("--stack", required=True, help="a stack of this folder's Pulumi project")
    parser.add_argument("--context", help="another name in your kubeconfig for the cluster that the stack targets")
    parser.add_argument("--requests", type=_count, default=3, help="requests to send, one after another (default: 3)")
    parser.add_argument(
        "--timeout", type=float, default=120, help="seconds that an answer may stay silent (default: 120)"
    )
    parser.add_argument(
        "--tcp", action="store_true", help="KV blocks shall take TCP, whatever devices the pods request"
    )
    parser.add_argument("--url", help="where the gateway answers this machine, such as http://localhost:8000")
    parser.add_argument(
        "--api-key-from", metavar="VARIABLE", help="variable with the API key, if you may not read its Secret"
    )
    parser.add_argument(
        "--shape",
        metavar="FILE",
        help="config.json of the model, if neither the Hugging Face cache of this machine nor the table has it",
    )
    parser.add_argument(
        "--report",
        metavar="FILE",
        help="also write what a maintainer needs who cannot see the cluster; secrets and addresses are removed",
    )
    parser.add_argument("--load", action="store_true", help="then send a load, and print measured rates for sizing")
    parser.add_argument("--input-tokens", type=_count, help="of each prompt of the load (default: serving.load)")
    parser.add_argument("--output-tokens", type=_count, help="of each answer of the load (default: serving.load)")
    parser.add_argument("--concurrency", type=_count, help="requests of the load at a time (default: serving.load)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a screen")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Verify and report; return 0, or 1 when a step failed or nothing could be verified."""
    arguments = _parser().parse_args(words)
    said: list[str] = []

    def show(text: str) -> None:
        said.append(text)
        if not arguments.json:
            print(text, flush=True)

    try:
        key = apikey.given(arguments.api_key_from) if arguments.api_key_from else None
        declared = outputs.read(arguments.stack)
        cluster = Cluster.connect(arguments.context or declared.context or None)
        located = source.locate(declared.model, arguments.shape, Path.cwd())
        done = Verification(cluster, declared, lambda finding: show(report.line(finding)), shape=located.shape)
        show(f"stack {declared.stack}, namespace {declared.namespace}, {cluster.server}\n")
        tokens = (arguments.input_tokens, arguments.output_tokens)
        asked = load.Load.of(declared.load, tokens, arguments.concurrency) if arguments.load else None
        url = arguments.url.rstrip("/") if arguments.url else None
        done.run(arguments.requests, arguments.timeout, tcp=arguments.tcp, url=url, key=key)
    except VerifyError as error:
        print(f"error: {error}", file=sys.stderr)
        if arguments.report:
            _write(arguments, f"error: {error}", None)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    show(f"\n{report.requests(done.trials)}\n\n{report.verdict(done)}" if done.trials else f"\n{report.verdict(done)}")
    if arguments.report:
        _write(arguments, "\n".join(said), done)
    more: dict[str, object] = {}
    if asked and not done.failed:
        try:
            show("")
            measured = load.measure(done, asked, show)
        except (VerifyError, Unreachable) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        show(f"\n{report.load(measured, declared.sizing)}")
        more["load"] = asdict(measured)
    if arguments.json:
        print(report.document(done, **more))
    return int(done.failed)


def _write(arguments: argparse.Namespace, verification: str, done: Verification | None) -> None:
    """Write the report's file; after a failed `up` there is a state, but no outputs."""
    try:
        settings = collect.settings_of(arguments.stack)
        context = arguments.context or (done.outputs.context if done else collect.context_of(settings))
        cluster = done.cluster if done else Cluster.connect(context or None)
        namespace = done.outputs.namespace if done else collect.namespace_of(arguments.stack)
        text = collect.text(cluster, namespace, settings, verification, hide=[context or ""])
        Path(arguments.report).write_text(text)
    except (VerifyError, OSError) as error:
        print(f"error: no report: {error}", file=sys.stderr)
    else:
        print(f"report: {arguments.report}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
