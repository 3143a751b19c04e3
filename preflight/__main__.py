"""`python -m preflight --stack <stack>`: check the live cluster and report what would make an `up` fail."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

import preflight
from components import kubernetes_provider, plan
from components.config.problem import distinct
from components.config.reading import settings_of
from components.plan import ServingPlan
from preflight import generations, stack
from preflight.answers import Unreachable
from preflight.cluster import Cluster
from preflight.finding import Report


def main(words: Sequence[str] | None = None) -> int:
    """Check and report; return 0 without an error, 1 with one, 2 when the stack can't be read."""
    parser = argparse.ArgumentParser(prog="python -m preflight", description=__doc__)
    parser.add_argument("--stack", required=True, help="a stack of this folder's Pulumi project")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a screen")
    arguments = parser.parse_args(words)
    try:
        report = asyncio.run(_looked(arguments.stack))
    except stack.StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    print(report.document() if arguments.json else report.text())
    return int(not report.passed)


async def _looked(name: str) -> Report:
    """In an event loop, because a plan's token is a Pulumi output."""
    config = stack.config(name)
    settings, problems = settings_of(config.serving)
    problems += plan.check(settings, token_given=config.token is not None)
    if problems:
        text = "\n\n".join(problem.text() for problem in distinct(problems))
        raise stack.StackError(f"Pulumi.{name}.yaml cannot be deployed:\n\n{text}")
    serving: ServingPlan = plan.resolve(settings, config.token)
    known = stack.state(name)
    if refused := list(generations.problems(serving, known)):
        text = "\n\n".join(problem.text() for problem in refused)
        raise stack.StackError(f"Pulumi.{name}.yaml cannot be deployed:\n\n{text}")
    serving = generations.resolved(serving, known)
    target = kubernetes_provider.find(serving.cluster)
    try:
        found = Cluster.connect(target.kubeconfig, target.context)
    except Unreachable as error:
        return Report(str(target), unreachable=str(error))
    return preflight.run(serving, found, known)


if __name__ == "__main__":
    sys.exit(main())
