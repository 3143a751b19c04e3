"""Nodes: the devices exist under the configured names, and the nodes can hold every pod, all at once."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from components.accelerators import PROFILES
from preflight import generations
from preflight.answers import Answer, Question
from preflight.facts import Facts
from preflight.finding import Finding, Severity, error, warning
from preflight.matching import pod_rules
from preflight.nodes import Node, nodes, slim_node
from preflight.packing import Packing
from preflight.pods import UNFINISHED, Wanted, slim, wanted
from preflight.quantity import spoken

NODES = Question("/api/v1/nodes?limit=500", kept=slim_node)
PODS = Question(f"/api/v1/pods?limit=500&fieldSelector={UNFINISHED},spec.nodeName!=", kept=slim)
"""Pods on nodes. With pages of 500, as kubectl has them, the objects of a large cluster are never in memory at once."""

_ON_NODE = "/api/v1/pods?resourceVersion=0&limit=500&fieldSelector=spec.nodeName="

FEW = 20
"""Nodes up to which the pods of all are listed in any case."""

SAMPLE = 20
"""Nodes of a larger cluster from which the pods are listed first, for each component; at least two for each pod."""

SHOWN = 4
"""Nodes, or pods that hold devices, that a finding names."""

PENDING = "Pending, and `pulumi up` fail at its timeout"
TOLERATED = (
    "; not on a cluster with the admission plugin ExtendedResourceToleration (GKE and AKS have it), where pods "
    "tolerate taints with the name of a device that they ask for"
)
SECOND = (
    ";\nthe generation that serves keeps its GPUs until the new one serves. With fewer GPUs: "
    "`serving.rollout.generation` as it was, with rollout.maxSurge: 1 and rollout.maxUnavailable: 0 of both tiers "
    "where a preview says that old and new workers exchange KV blocks, else in place with the outage that it states"
)
GPU_RESOURCE = "serving.gpuResource"
ABOUT_ADAPTERS = ("rdma", "roce", "hca", "sriov", "efa", "vnic", "nic", "ib", "hostdev")


def asks(facts: Facts) -> list[Question]:
    """All nodes. `check` asks for pods, because the nodes decide which pods matter."""
    return [NODES]


def check(facts: Facts) -> Iterator[Finding]:
    """Find devices that no node offers, then pods that fit on no node."""
    if not facts.asked(NODES).ok:
        yield from _unlisted(facts.asked(NODES), "nodes")
        return
    fleet = nodes(facts.asked(NODES).items, (), facts.plan)
    pods = wanted(facts.plan)
    gpus = {tier.worker.gpu_resource for tier in (facts.plan.prefill, facts.plan.decode)}
    unknown = list(_not_offered(fleet, pods, gpus))
    yield from (finding for _, finding in unknown)
    absent = {name for name, _ in unknown}
    pods = [pod for pod in pods if not absent & pod.devices.keys()]
    if len(fleet) > FEW and _fit_on_some(facts, fleet, pods):
        return
    if not facts.asked(PODS).ok:
        yield from _unlisted(facts.asked(PODS), "pods")
        return
    fleet = nodes(facts.asked(NODES).items, facts.asked(PODS).items, facts.plan)
    second = SECOND if generations.beside(facts.plan, facts.state) else ""
    for finding in _misfits(fleet, pods, facts.namespace):
        yield replace(finding, remedy=f"{finding.remedy}{second}")


def _unlisted(answer: Answer, what: str) -> Iterator[Finding]:
    if not answer.missed:
        yield warning(
            "capacity",
            "serving.preflight",
            f"{what} of the cluster cannot be listed: {answer.why}",
            "whether the pods fit is not checked",
            f"let this user list {what} (`kubectl auth can-i list {what} --all-namespaces`)",
        )


def _fit_on_some(facts: Facts, fleet: Sequence[Node], pods: Sequence[Wanted]) -> bool:
    """Whether a sample of the nodes holds all pods: then the many pods of a large cluster need not be listed.

    The server has an index of pods by node. Rules about other domains than the node need the pods of all nodes.
    """
    kinds = {pod.who: pod for pod in pods}.values()
    rules = (
        rule for pod in kinds for kind in ("podAffinity", "podAntiAffinity") for rule in pod_rules(pod.placement, kind)
    )
    if any(rule["topologyKey"] != "kubernetes.io/hostname" for rule in rules):
        return False
    empty = Packing(fleet, facts.namespace)
    chosen: dict[str, Question] = {}
    for pod in kinds:
        able = [node.name for node in fleet if not empty.obstacles(pod, node)]
        size = max(SAMPLE, 2 * sum(each.who == pod.who for each in pods))
        spread = able[:: max(1, len(able) // size)][:size]
        chosen |= {name: Question(f"{_ON_NODE}{name},{UNFINISHED}", kept=slim) for name in spread}
    facts.collect(chosen.values())
    there = [facts.asked(each) for each in chosen.values()]
    if not all(answer.ok for answer in there):
        return False
    sample = [node for node in facts.asked(NODES).items if node["metadata"]["name"] in chosen]
    held = [pod for answer in there for pod in answer.items]
    return Packing(nodes(sample, held, facts.plan), facts.namespace).place(pods)


def _not_offered(fleet: Sequence[Node], pods: Sequence[Wanted], gpus: Container[str]) -> Iterator[tuple[str, Finding]]:
    """Devices that no node can give, each with its finding; `gpus`: names of the plan's GPUs."""
    offered = Counter(name for node in fleet for name, amount in node.has.items() if "/" in name and amount)
    asked: dict[str, list[str]] = {}
    for pod in pods:
        for name in pod.devices:
            if pod.who not in asked.setdefault(name, []):
                asked[name].append(pod.who)
    for name, who in asked.items():
        if not offered[name]:
            path = next((f"{pod.path}.resources" for pod in pods if name in pod.further), None)
            path = path or min((f"{pod.rdma}.resource" for pod in pods if name in pod.devices), key=len)
            path, evidence, remedy = _absent(name, path, fleet, offered, gpu=name in gpus)
            outcome = f"the {' and '.join(who)} pods ask for it; they would stay {PENDING}"
            yield name, error("devices", path, evidence, outcome, remedy)


def _absent(
    name: str, path: str, fleet: Sequence[Node], offered: Mapping[str, int], *, gpu: bool
) -> tuple[str, str, str]:
    """Setting, evidence and remedy for a device that no node can give; `path`: the setting unless it is a GPU."""
    if gpu:
        usual = {profile.gpu_resource for profile in PROFILES.values()}
        path = "serving.accelerator" if name in usual else GPU_RESOURCE
    sick = {node.name: node.sick[name] // 1000 for node in fleet if node.sick.get(name)}
    if sick:
        where = ", ".join(f"{amount} on {node}" for node, amount in list(sick.items())[:SHOWN])
        return (
            path,
            f"{len(sick)} of {len(fleet)} nodes have {name} ({where}), but none is allocatable",
            "restart the device plugin on these nodes: it lost its registration with the kubelet, or calls the devices "
            "unhealthy (its log says which)",
        )
    near = _same_vendor(name, offered) if gpu else _near(name, list(offered))
    path = GPU_RESOURCE if gpu and near else path
    have = ", ".join(f"{other} ({count} of {len(fleet)} nodes)" for other, count in sorted(offered.items()))
    evidence = f"no node offers {name}; nodes offer {have or 'no devices at all'}"
    return path, evidence, _instead(list(offered), near, path, gpu=gpu)


def _adapter(name: str) -> bool:
    return any(word in name.lower() for word in ABOUT_ADAPTERS)


def _same_vendor(name: str, offered: Iterable[str]) -> list[str]:
    """GPUs of the vendor under another name: time slices, MIG slices, partitions; the likest first."""
    domain = name.partition("/")[0]
    similar = sorted(each for each in offered if each.partition("/")[0] == domain and not _adapter(each))
    return get_close_matches(name, similar, n=len(similar) or 1, cutoff=0)


def _near(name: str, offered: list[str]) -> list[str]:
    """Adapters that may be meant, the likest first."""
    alike = [each for each in offered if _adapter(each) and each != name]
    return get_close_matches(name, alike, n=1, cutoff=0) or get_close_matches(name, offered, n=1, cutoff=0.7)


def _instead(offered: list[str], near: Sequence[str], path: str, *, gpu: bool) -> str:
    if near:
        more = f" They also offer {', '.join(near[1:])}." if near[1:] else ""
        return f"did you mean {near[0]}? `pulumi config set --path {path} {near[0]}`{more}"
    if gpu:
        other = [each for each in offered if "gpu" in each]
        if other:
            return f"did you mean another accelerator or cluster? Its nodes have {', '.join(other)}"
        return "install the vendor's device plugin (GPU operator), add GPU nodes, or choose another cluster"
    return "install the network operator's device plugin, or take serving.rdma and serving.infrastructure out for TCP"


def _misfits(fleet: Sequence[Node], pods: Sequence[Wanted], namespace: str) -> Iterator[Finding]:
    search = Packing(_copies(fleet), namespace)
    if search.place(pods):
        return
    tolerating = Packing(_copies(fleet), namespace, tolerating=True)
    tolerated = tolerating.place(pods)
    proven = not (search.gave_up or tolerating.gave_up)
    packing = Packing(_copies(fleet), namespace)
    fits = packing.place_some(pods)
    for who in dict.fromkeys(pod.who for pod in pods):
        mine = [pod for pod in pods if pod.who == who]
        if fits[who] < len(mine):
            yield _lacking(packing, mine[0], len(mine), fits[who], tolerated=tolerated, proven=proven)


def _lacking(packing: Packing, pod: Wanted, count: int, fits: int, *, tolerated: bool, proven: bool) -> Finding:
    able = [node for node in packing.nodes if all(node.has.get(name, 0) for name in pod.devices)]
    empty = [node for node in able if not packing.exclusions(pod, node)]
    reasons = {node.name: packing.why[pod.who][node.name] for node in (empty or able)}
    shown = [f"{name}: {', '.join(why)}" for name, why in list(reasons.items())[:SHOWN]]
    more = f"; and {len(reasons) - SHOWN} more nodes" if len(reasons) > SHOWN else ""
    beyond = f" ({len(able) - len(empty)} others are excluded)" if empty and len(able) > len(empty) else ""
    needs = ", ".join(f"{spoken(name, amount)} {name}" for name, amount in pod.requests.items() if name != "pods")
    found = (
        f"{fits} of {count} {pod.who} pods find a node beside the stack's others"
        if count > 1
        else f"no node for the {pod.who} pod"
    )
    found += "" if proven else " in the arrangements that were tried"
    other = pod.placement.scheduler  # may place them by rules of its own
    unknown = f"; not by this check: {other} places them, by its own rules" if other else ""
    return Finding(
        "capacity",
        Severity.WARNING if tolerated or other or not proven else Severity.ERROR,
        pod.path,
        f"{found}; each needs {needs}\n{'; '.join(shown)}{more}{beyond}{_holders(pod, empty)}{_sick(pod, able)}",
        f"{'the others' if count > 1 else 'it'} would stay {PENDING}{TOLERATED if tolerated else ''}{unknown}",
        _way_out(packing, pod, able, empty),
    )


def _holders(pod: Wanted, able: Sequence[Node]) -> str:
    held = Counter[str]()
    for node in able:
        for name, amounts in node.held.items():
            held[name] += sum(amounts.get(device, 0) for device in pod.devices)
    most = [f"{name} ({amount // 1000})" for name, amount in held.most_common(SHOWN) if amount]
    return f"\nheld by {', '.join(most)}" if most else ""


def _sick(pod: Wanted, nodes: Sequence[Node]) -> str:
    """Devices of the pod's kind that nodes have and cannot give."""
    lost = [
        f"{node.sick[name] // 1000} {name} on {node.name}"
        for node in nodes
        for name in pod.devices
        if name in node.sick
    ]
    more = f" and on {len(lost) - SHOWN} more nodes" if len(lost) > SHOWN else ""
    return f"\nnot allocatable, see the device plugin's log: {', '.join(lost[:SHOWN])}{more}" if lost else ""


def _way_out(packing: Packing, pod: Wanted, able: Sequence[Node], empty: Sequence[Node]) -> str:
    if pod.who == "gateway" and not empty:
        return "add a node for the gateway controller's proxy: it tolerates no taint unless its Deployment says so"
    if any("host port" in reason for node in empty for reason in packing.why[pod.who][node.name]):
        return "end what has the port on these nodes, or choose others with serving.ports"
    if empty:
        return (
            f"free or add nodes (an autoscaler may do it by itself), or set fewer replicas or less of it in {pod.path}"
        )
    why = [reason for node in able for reason in packing.exclusions(pod, node)]
    taints = [reason.removeprefix("taint ") for reason in why if reason.startswith("taint ")]
    if taints:
        key, _, effect = taints[0].partition(":")
        key = key.partition("=")[0]
        return (
            f"if these nodes are meant for it: `pulumi config set --path '{pod.path}.tolerations[0].key' {key}` "
            f"(effect {effect})"
        )
    if any(reason.startswith("no label") for reason in why):
        return f"correct {pod.path}.nodeSelector, or label the nodes"
    if "cordoned" in why:
        return "`kubectl uncordon` the nodes when their maintenance is over"
    if "not Ready" in why:
        return "see `kubectl describe node`: the kubelets do not report"
    return f"correct {pod.path}.affinity" if why else "add nodes that have all of it, or choose another cluster"


def _copies(fleet: Sequence[Node]) -> list[Node]:
    """Copies of the nodes, which a packing may change."""
    return [replace(each, free=dict(each.free), ports=dict(each.ports)) for each in fleet]
