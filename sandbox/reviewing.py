"""Reviews a pull request in the sandbox: deploys the base's program and previews the work tree's changes."""

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from review.changes import Preview, read
from review.markdown import document
from sandbox.cluster import description, lifecycle
from sandbox.engine.stack_files import serving
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT, Home
from sandbox.progress import Progress
from sandbox.session import Session

MARKER = "sandbox"
TAIL = 40
"""Lines shown of a failed command."""


def pr_diff(
    home: Home, base: str, stacks: Sequence[str], report: Progress, cluster: str | None = None
) -> tuple[str, bool]:
    """Return Markdown with a section per stack, and whether all previews succeeded.

    The base is the merge base with `base`, so that newer commits of `base` do not appear as reverted. Each stack gets
    a temporary sandbox beside `home`, with the nodes of the description `cluster`, else of the description of the
    base's infrastructure. Raises `SandboxError` if `base` is no commit.
    """
    commit = _merge_base(base)
    chosen = list(stacks) or sorted(file.name.split(".")[1] for file in CHECKOUT.glob("Pulumi.*.yaml"))
    own = Home(home.root.with_name(f"{home.name[:25]}-review"))
    previews = []
    with tempfile.TemporaryDirectory(prefix="llm-d-pd-base-") as folder:
        _unpack(commit, Path(folder))
        for stack in chosen:
            try:
                previews.append(_preview(own, Path(folder), stack, report, cluster))
            finally:
                lifecycle.throw_away(own, report)
    intro = f"What this change would do to a stack of {base} (`{commit[:12]}`), deployed in the sandbox."
    more = f"`make pr-diff BASE={base}`, and `pulumi preview --diff`, show them"
    return document(MARKER, intro, previews, more), not any(preview.errors for preview in previews)


def _preview(home: Home, base: Path, stack: str, report: Progress, cluster: str | None) -> Preview:
    file = base / f"Pulumi.{stack}.yaml"
    if file.is_file():
        chosen = description.choose(home, cluster or description.of_infrastructure(serving(file)))
        report.say(f"Nodes of stack {stack}: CLUSTER={chosen.name}")
        session = Session.ready(home, stack, report, base, cluster=chosen)
        session.provide_nodes(None)
        session.provide_gateway()
        with report.step(f"Deploying stack {stack} of the base"):
            done = session.capture("pulumi", "up", "--yes", "--skip-preview", "--color=never", "--stack", stack)
        if done.returncode:
            output = (done.stdout + done.stderr).strip().splitlines()[-TAIL:]
            return Preview(stack, errors=("The base itself cannot be deployed:\n" + "\n".join(output),))
    session = Session.ready(home, stack, report)
    with report.step(f"Previewing stack {stack} of this work tree"):
        done = session.capture("pulumi", "preview", "--json", "--diff", "--stack", stack)
    return read(stack, done.stdout if "{" in done.stdout else done.stderr)


def _merge_base(base: str) -> str:
    done = _git("merge-base", f"{base}^{{commit}}", "HEAD")
    if done.returncode:
        raise SandboxError(
            f"BASE={base} is no commit that this work tree has come from: {done.stderr.decode().strip()}\n"
            "`git fetch` brings branches of the remote, such as BASE=origin/main; a shallow clone needs --unshallow"
        )
    return done.stdout.decode().strip()


def _unpack(commit: str, folder: Path) -> None:
    """Unpack the commit's files, without a change to this checkout or its list of work trees."""
    with tarfile.open(fileobj=io.BytesIO(_git("archive", commit).stdout)) as archive:
        archive.extractall(folder, filter="data")


def _git(*words: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["git", *words], cwd=CHECKOUT, capture_output=True, check=False)
