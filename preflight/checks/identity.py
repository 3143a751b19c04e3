"""Is it the cluster that the stack was deployed to?"""

from collections.abc import Iterator

from preflight.facts import Facts
from preflight.finding import Finding, error, warning

CHECK = "another cluster"


def check(facts: Facts) -> Iterator[Finding]:
    """Compare the UID of kube-system with the remembered one."""
    before, now = facts.state.cluster, facts.uid
    if not before or before == now:
        return
    path = "serving.cluster.context"
    where = f"the stack was deployed to the cluster with UID {before} ({facts.state.place or 'context unknown'})"
    if now is None:
        yield warning(
            CHECK,
            path,
            f"{where}; whether this is the same is unknown, as this user may not read the namespace kube-system",
            "on another cluster, every object would be looked for where it never was",
            "let this user `get` the namespace kube-system",
        )
        return
    yield error(
        CHECK,
        path,
        f"{where}, this one has UID {now} ({facts.cluster.name})",
        "every object would be changed or made here, and those there be forgotten",
        "choose the right context: `kubectl config use-context …`, or "
        "`pulumi config set --path serving.cluster.context …`;\n"
        "to move: `pulumi destroy` there first, or deploy another stack here: `pulumi stack init …`;\n"
        "if that cluster is gone for good: `pulumi stack rm --force --preserve-config`, then `pulumi stack init`",
    )
