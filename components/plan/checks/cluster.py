"""Settings of the cluster itself."""

from components.plan.context import Context


def notes(context: Context) -> list[str]:
    """The setting that earlier versions took for the cluster's identity."""
    if context.settings.cluster.identifier is None:
        return []
    return [
        "serving.cluster.identifier has no effect: preflight knows the cluster by the UID of the namespace "
        "kube-system, and a change of this name replaces nothing. `pulumi config rm --path serving.cluster.identifier`"
    ]
