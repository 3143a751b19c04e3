"""What a refusal of the API server means: by which plugin, and which setting answers it.

The words are those of Kubernetes 1.34: plugin/pkg/admission, staging/src/k8s.io/apiserver/pkg/admission,
k8s.io/pod-security-admission; and of OpenShift's security context constraints (openshift/apiserver-library-go).
"""

import re
from typing import NamedTuple

from components.config.fields import HUGE_PAGES
from components.plan.workers import DISK


class Refusal(NamedTuple):
    """A kind of refusals."""

    check: str
    pattern: str
    """What the server's words have in them; groups have the names that `remedy` uses."""
    setting: str = ""
    """Setting that answers it; empty: that of the object's part of the plan."""
    remedy: str = "satisfy it with {setting}, or have its owner except namespace {namespace}"


MUST_SAY = r"failed quota: (?P<name>[^:]+): must specify (?P<what>\S+)"
EXCEEDED = r"exceeded quota: (?P<name>[^,]+), requested: (?P<asked>.+), used: (?P<used>.+), limited: (?P<most>.+)"
SECURITY = r"violates PodSecurity \"(?P<level>\w+)"
WEBHOOK = r"admission webhook \"(?P<name>[^\"]+)\""

KNOWN = (
    Refusal("Pod Security", SECURITY),
    Refusal("quota", EXCEEDED, "serving.namespace", "have the quota raised, or use another namespace"),
    Refusal(
        "quota",
        MUST_SAY,
        "serving.namespace",
        "have a LimitRange with a default for containers made in namespace {namespace}, or use another namespace",
    ),
    Refusal(
        "limit range",
        r"(maximum|minimum|max limit to request ratio|min limit) .*per (Container|Pod|PersistentVolumeClaim)",
        remedy="have the LimitRange of namespace {namespace} changed, use another namespace, or set {setting} within "
        "its bounds",
    ),
    Refusal(
        "security context constraints",
        "unable to validate against any security context constraint",
        remedy="have an SCC that admits the pods granted to their ServiceAccount: `oc adm policy add-scc-to-user … "
        "-z {account} -n {namespace}`; the words name what each SCC refuses",
    ),
    Refusal(
        "admission policy",
        r"ValidatingAdmissionPolicy '(?P<name>[^']+)' with binding '[^']+' denied request",
    ),
    Refusal("admission webhook", rf"{WEBHOOK} denied the request"),
    Refusal(
        "namespace",
        r"namespaces \"(?P<name>[^\"]+)\" not found",
        remedy="make the namespace {name}, or correct {setting}",
    ),
    Refusal(
        "admission webhook",
        r"failed calling webhook \"(?P<name>[^\"]+)\"",
        "serving.namespace",
        "have the webhook {name} repaired (`kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations` "
        "names it), or have it except namespace {namespace}",
    ),
)

ELSEWHERE = (
    r"no PriorityClass with name",  # prerequisites
    r"RuntimeClass \"[^\"]*\" not found",  # prerequisites
    r"attempting to grant RBAC permissions not currently held",  # rights
    r"field is immutable",  # owners; the plugin replaces its own objects
    r"because it is being terminated",  # namespace
    r"the server could not find the requested resource",  # kinds
)
"""Refusals that another check reports, or that stop nothing."""

NO_DRY_RUN = rf"{WEBHOOK} (does not support dry run|denied the request.*dry.?run)"
"""The server's own words, and those of webhooks that refuse dry runs themselves."""
NOT_PERMITTED = r"is forbidden: User "
"""Missing rights; a plugin's refusal names the object first."""

_NAMED = re.compile(r"^\S+ \"[^\"]*\" is (forbidden|invalid): ")

SUBJECTS = (
    (r"image|registr|tag\b|digest", "{part}.image", "serving.images.mirror"),
    (r"label", "{part}.labels", ""),
    (r"annotation", "{part}.annotations", ""),
    (r"hostNetwork|host network|hostPort", "serving.hostNetwork", "serving.hostNetwork"),
    (r"hostPath", "{part}.hostPaths", ""),
    (r"privileged|capabilit|root|seccomp|escalation|runAs", "{part}.securityContext", "serving.security"),
    (r"toleration", "{part}.tolerations", "serving.routing.tolerations"),
    (r"nodeSelector|node selector", "{part}.nodeSelector", "serving.routing.nodeSelector"),
    (r"[aA]ffinity", "{part}.affinity", ""),
    (r"priorit", "{part}.priorityClass", ""),
    (r"runtimeClass", "{part}.runtimeClass", ""),
    (r"scheduler", "{part}.scheduler", ""),
    (r"\bcpu\b", "{part}.cpu", "serving.routing.cpu"),
    (r"memory", "{part}.memory", "serving.routing.memory"),
    (re.escape(DISK), "serving.model.storage", ""),
    (HUGE_PAGES, "{part}.resources", ""),
    (r"\bgpu\b", "{part}.tensorParallel", ""),
    (r"resource", "{part}.resources", ""),
    (r"replicas", "{part}.replicas", "serving.routing.replicas"),
    (r"LoadBalancer|NodePort", "", "serving.gateway.serviceType"),
)
"""Settings of a tier, and of the rest of the stack, by what the words are about."""

PARTS = {
    "namespace": "serving.namespace",
    "gateway": "serving.gateway",
    "pool": "serving.routing",
    "picker": "serving.routing",
    "prefill": "serving.prefill",
    "decode": "serving.decode",
    "monitoring": "serving.monitoring",
    "isolation": "serving.security",
}


def words(message: str) -> str:
    """The refusal without the object's name, so that equal ones are recognised."""
    return _NAMED.sub("", message)


def setting(part: str, message: str) -> str:
    """The setting of a part of the plan that a refusal is about."""
    for pattern, of_tier, other in SUBJECTS:
        found = of_tier.format(part=PARTS[part]) if part in ("prefill", "decode") else other
        if found and re.search(pattern, message):
            return found
    return PARTS[part]
