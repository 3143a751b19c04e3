"""Types of the settings' fields: names, quantities, devices and labels in the form that Kubernetes accepts."""

import re
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from components.config.vocabulary import ReleaseName


def wrong(what: str, outcome: str, change: str) -> PydanticCustomError:
    """The error by which a validator refuses a value: what is wrong, the outcome and the change."""
    return PydanticCustomError("refused", "{what}", {"what": what, "outcome": outcome, "change": change})


def _address_range(value: Any) -> Any:
    try:
        strictly = isinstance(value, str) and "/" in value and str(ip_network(value))
    except ValueError:
        strictly = False
    if isinstance(value, str) and not strictly:
        raise wrong(
            "is not a range of addresses",
            "the API server would refuse the NetworkPolicy",
            "write the network's first address and its bits, such as 10.129.0.0/23",
        )
    return value


QUANTITY = re.compile(r"[+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE])?")
"""apimachinery `resource.Quantity`, without signs that make no sense for an amount."""

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""RFC 1123 label, as Kubernetes demands of namespaces, Services and containers."""

_DOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
DNS_SUBDOMAIN = re.compile(rf"(?=.{{1,253}}$){_DOMAIN}")

QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
"""The part of a label key, label value or resource name after its slash."""

_NETWORK = rf"({DNS_LABEL.pattern}/)?{DNS_SUBDOMAIN.pattern}"
_LABEL_VALUE = rf"({QUALIFIED.pattern})?"
_LABEL_KEY = rf"((?=[^/]{{1,253}}/){_DOMAIN}/)?{QUALIFIED.pattern}"

NATIVE_DOMAIN = re.compile(r"(.*\.)?kubernetes\.io")


def _formed(pattern: str, what: str, outcome: str, change: str) -> BeforeValidator:
    """Refuses text that the pattern does not match as a whole."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and not re.fullmatch(pattern, value):
            raise wrong(what, outcome, change)
        return value

    return BeforeValidator(check)


def _quantity(value: Any) -> Any:
    """A quantity as text; a number is accepted, because `config set --path` writes numbers as numbers."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = f"{value:g}" if isinstance(value, float) else str(value)
    if not isinstance(value, str):
        raise wrong(
            "is not a quantity", "the API server would refuse the pod", "write an amount such as 64Gi, 500m or 8"
        )
    if not QUANTITY.fullmatch(value):
        raise wrong(
            "is not a Kubernetes quantity",
            "the API server would refuse the pod: quantities must match a number and one of the known suffixes",
            "write an amount such as 64Gi (binary), 64G (decimal), 500m or 8",
        )
    if not float(re.match(r"[+]?[\d.]+", value)[0]):  # type: ignore[index]  # the pattern above begins with it
        raise wrong("is zero", "a pod that is given nothing of it cannot start", "give an amount above zero")
    return value


def _device(value: Any) -> Any:
    """kube-apiserver `IsExtendedResourceName`."""
    if not isinstance(value, str):
        return value
    domain, slash, name = value.partition("/")
    if not slash:
        problem = "has no domain: only native resources such as cpu are named without one"
    elif NATIVE_DOMAIN.fullmatch(domain):
        problem = "uses the domain kubernetes.io, which is kept for native resources"
    elif domain.startswith("requests."):
        problem = "begins with 'requests.', which is kept for quotas"
    elif not DNS_SUBDOMAIN.fullmatch(domain) or len(domain) > 253 - len("requests."):
        problem = "has a domain that is not a DNS name"
    elif not QUALIFIED.fullmatch(name):
        problem = "has a name after the slash that is not 1 to 63 letters, digits, '-', '_' or '.'"
    else:
        return value
    raise wrong(
        f"is not an extended resource name: it {problem}",
        "the API server would refuse the pod, or no node would ever offer the device",
        "use the name that `kubectl get nodes -o jsonpath='{.items[*].status.allocatable}'` shows, such as rdma/ib",
    )


HUGE_PAGES = "hugepages-"
"""Beginning of the native resources that are huge pages; their size follows."""

_DECIDED = {
    "cpu": "the tier's cpu and cpuLimit decide it",
    "memory": "the tier's memory and memoryLimit decide it",
    "ephemeral-storage": "serving.model.storage and the tier's volumes decide it",
}


def _further_resource(value: Any) -> Any:
    """The name of a resource that no other setting is about: an extended resource, or huge pages of a size."""
    if not isinstance(value, str) or "/" in value:
        return _device(value)
    if value in _DECIDED:
        raise wrong(
            f"is no further resource: {_DECIDED[value]}",
            "the pod would have two values for it",
            "delete it, and use that setting",
        )
    if not value.startswith(HUGE_PAGES) or not QUANTITY.fullmatch(value.removeprefix(HUGE_PAGES)):
        raise wrong(
            "is neither an extended resource nor huge pages of a size",
            "the API server would refuse the pod, or no node would ever offer it",
            "write a name with a domain, such as nvidia.com/rail-2, or hugepages-2Mi or hugepages-1Gi",
        )
    return value


def _scalar_text(value: Any) -> Any:
    """Environment variables are text; YAML's numbers and booleans become the text a shell user expects."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return value


def version_text(value: Any) -> Any:
    """A version or postfix that YAML or the CLI took for a number: say how to quote it."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise wrong(
            "is a number to YAML, text is needed",
            "0.10 and 0.1 would be the same release, and 007 the postfix 7",
            f'quote it in the stack file: "{value}", or `pulumi config set --path --type string …`',
        )
    return value


def release_text(value: Any) -> Any:
    """A release that YAML took for a number, which loses the 0 at the end of 0.10: say which one was meant."""
    meant = [each.value for each in ReleaseName if isinstance(value, float) and float(each.value) == value]
    if not meant:
        return version_text(value)
    raise wrong(
        f"is the number {value} to YAML, which has no difference between 0.1 and 0.10; text is needed",
        "one release would be taken for another",
        f'write release: "{meant[0]}" in the stack file, or `pulumi config set --path --type string '
        f"serving.release {meant[0]}`",
    )


def documented(title: str, **schema: Any) -> Any:
    """The JSON schema of a value that a validator of this program checks: its name in the docs, types, form."""
    return Field(json_schema_extra={"title": title, **schema})


def null_word(value: Any) -> Any:
    """None for the word `null`, because `pulumi config set --path … null` writes this word instead of YAML's null."""
    return None if value == "null" else value


def _number_text(value: Any) -> Any:
    """A fraction as a number, because `pulumi config set` writes fractions as text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Fraction = Annotated[
    float, Field(ge=0, le=1), BeforeValidator(_number_text), documented("0 to 1", type=["number", "string"])
]
Positive = Annotated[
    float, Field(gt=0), BeforeValidator(_number_text), documented("above 0", type=["number", "string"])
]
Quantity = Annotated[
    str,
    BeforeValidator(_quantity),
    documented(
        "quantity",
        type=["string", "number"],
        pattern=f"^(?=[+]?[0-9.]*[1-9]){QUANTITY.pattern}$",
        exclusiveMinimum=0,
    ),
]
"""An amount of cpu, memory or storage."""
DnsLabel = Annotated[
    str,
    BeforeValidator(version_text),
    _formed(
        DNS_LABEL.pattern,
        "is not a DNS label",
        "the API server would refuse every object that carries it in its name",
        "use 1 to 63 lower-case letters, digits and '-', beginning and ending with a letter or digit",
    ),
    documented("DNS label", pattern=f"^{DNS_LABEL.pattern}$"),
]
ObjectName = Annotated[
    str,
    _formed(
        DNS_SUBDOMAIN.pattern,
        "is not a name that Kubernetes gives an object",
        "no such object can exist, so pods that refer to it would never start",
        "use lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit",
    ),
    documented("object name", pattern=f"^{DNS_SUBDOMAIN.pattern}$"),
]
Device = Annotated[
    str,
    BeforeValidator(_device),
    documented(
        "extended resource",
        pattern=rf"^(?!requests\.|([^/]*\.)?kubernetes\.io/)(?=[^/]{{1,244}}/){_DOMAIN}/{QUALIFIED.pattern}$",
    ),
]
"""An extended resource, such as rdma/ib."""
FurtherResource = Annotated[
    str,
    BeforeValidator(_further_resource),
    documented("resource", pattern=r"^(hugepages-.+|[^/]+/.+)$"),
]
"""An extended resource or huge pages, beside what other settings request."""
Network = Annotated[
    str,
    _formed(
        _NETWORK,
        "is not the name of a network",
        "Multus would find no such NetworkAttachmentDefinition, and no pod of the tier start",
        "write name or namespace/name, as `kubectl get network-attachment-definitions -A` shows them",
    ),
    documented("network", pattern=f"^{_NETWORK}$"),
]
"""A Multus NetworkAttachmentDefinition, with its namespace unless that is the pod's."""
AddressRange = Annotated[
    str, BeforeValidator(_address_range), documented("CIDR", pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$")
]
"""IPv4 or IPv6 addresses, such as 10.129.0.0/23."""
LabelValue = Annotated[
    str,
    _formed(
        _LABEL_VALUE,
        "is not a label value",
        "the API server would refuse the object",
        "use at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
    ),
    documented("label value", pattern=f"^{_LABEL_VALUE}$"),
]
LabelKey = Annotated[
    str,
    _formed(
        _LABEL_KEY,
        "is not a label or annotation key",
        "the API server would refuse the object",
        "write [domain/]name with at most 63 letters, digits, '-', '_' and '.' in the name",
    ),
    documented("label key", pattern=f"^{_LABEL_KEY}$"),
]
EnvValue = Annotated[str, BeforeValidator(_scalar_text), documented("any scalar", type=["string", "number", "boolean"])]
ConfigKey = Annotated[str, Field(pattern=r"^[-._A-Za-z0-9]{1,253}$")]
"""A key of a Secret or ConfigMap."""
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Registry = Annotated[str, Field(pattern=r"^(\[[0-9A-Fa-f:]+\]|[\w.-]+)(:\d+)?(/[\w.-]+)*$")]
"""Beginning of an image's name: a host, maybe with a port and folders, such as registry.example.com:5000/ghcr."""
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[int, Field(ge=1)]
