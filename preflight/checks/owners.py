"""Objects that exist under the stack's names and are not in its state: they block `up`, or it takes them over."""

from collections.abc import Callable, Iterator, Mapping

from components.names import INSTANCE
from components.plan.worker_args import ResolvedTier
from preflight import selectors
from preflight.answers import Question
from preflight.declared import Declared
from preflight.facts import Facts
from preflight.finding import Finding, error, note
from preflight.owners import PLUGIN, Found, Owner

CHECK = "existing objects"
ADOPT = "`pulumi config set --path serving.adopt true`, then `pulumi up` takes them over in place"


def asks(facts: Facts) -> list[Question]:
    """Every object of the stack."""
    return [question(each) for each in facts.objects]


def check(facts: Facts) -> Iterator[Finding]:
    """What is in the way of creating the stack's objects."""
    found = not_in_state(facts)
    workers = {tier.name: tier for tier in (facts.plan.prefill.worker, facts.plan.decode.worker)}
    wanted = selectors.planned(facts.objects)
    own = _instances(facts)
    fixed, kept, others = [], [], []
    for each in found:
        planned, live = wanted.get(each.declared.short), selectors.of(each.declared, each.live)
        if each.declared.kind == "Deployment" and planned != live:
            fixed.append(each)
        elif planned is not None and live.keys() - planned.keys() and facts.plan.adopt:
            kept.append(each)
        else:
            others.append(each)
    for owner, several in _by_owner(others, lambda each: each.owner(own)):
        yield _existing(facts, owner, several, several[0].kind_of_owner(own))
    for each in fixed:
        yield _immovable(facts, each, each.owner(own), workers.get(each.declared.name))
    for each in kept:
        yield _outliving(each, each.owner(own), wanted[each.declared.short])


def not_in_state(facts: Facts) -> list[Found]:
    """The objects that exist without being the stack's own."""
    found = []
    for each in facts.objects:
        answer = facts.asked(question(each))
        if answer.ok and not is_own(facts, Found(each, answer.body)):
            found.append(Found(each, answer.body))
    return found


def is_own(facts: Facts, found: Found) -> bool:
    """Whether the state has it; without a state: whether its labels and field manager are this program's."""
    if facts.state.known:
        return facts.state.uids.get(found.declared.key) == found.metadata.get("uid")
    return PLUGIN in found.managers and found.kind_of_owner(_instances(facts)) is Owner.UNRECORDED


def _instances(facts: Facts) -> set[str]:
    return {labels[INSTANCE] for labels in (facts.plan.namespace.labels, facts.plan.pool.labels)}


def _existing(facts: Facts, owner: str, found: list[Found], kind: Owner) -> Finding:
    names = ", ".join(str(each.declared) for each in found)
    evidence = f"{names}\nexist{'s' if len(found) == 1 else ''} in {_place(found)}; owner: {owner}"
    if kind is Owner.OTHER_INSTALL:
        return error(
            CHECK,
            "serving.postfix",
            evidence,
            "the two installs would overwrite each other's objects, so they are not taken over",
            "choose another serving.postfix, serving.namespace or serving.model.tokenSecret for this one",
        )
    if facts.plan.adopt:
        outcome = "`pulumi up` takes them over in place: they stay, fields that the program sets become its own"
        return note(CHECK, "serving.adopt", evidence, outcome, _afterwards(kind))
    keep = (
        "; a namespace that is there already: `pulumi config set --path serving.createNamespace false`"
        if any(each.declared.kind == "Namespace" for each in found)
        else ""
    )
    return error(
        CHECK,
        "serving.adopt",
        evidence,
        "`pulumi up` would fail half-way: each of them already exists",
        f"{ADOPT}{keep}\nor delete what is in the way: {_deletion(found, kind)}",
    )


def _immovable(facts: Facts, found: Found, owner: str, worker: ResolvedTier | None) -> Finding:
    spec = found.live["spec"]
    grace = int(spec["template"]["spec"].get("terminationGracePeriodSeconds", 30))
    without = "until the new pod is Ready, seconds later"
    if worker:
        most = grace + worker.rollout.create_timeout
        without = (
            f"until new ones have loaded the model: at most {_minutes(most)} ({grace} s for old pods to end, "
            f"{worker.rollout.create_timeout} s for pulling, scheduling and loading)"
        )
    name = found.declared.name
    selector = ", ".join(f"{key}={value}" for key, value in (spec["selector"].get("matchLabels") or {}).items())
    return error(
        CHECK,
        "serving.adopt",
        f"Deployment {name} exists in namespace {facts.namespace}; owner: {owner}; its selector is {selector}",
        "a Deployment's selector can't be changed, so it is not taken over: the server would say 'field is immutable'",
        f"`kubectl -n {facts.namespace} delete deployment {name}`; from then on "
        f"the {found.declared.part}{' tier' if worker else ''} has no pods {without}",
    )


def _outliving(found: Found, owner: str, wanted: Mapping[str, str]) -> Finding:
    live = selectors.of(found.declared, found.live)
    extra = ", ".join(f"{key}={live[key]}" for key in sorted(live.keys() - wanted.keys()))
    return error(
        CHECK,
        "serving.adopt",
        f"{found.declared} exists in namespace {found.declared.namespace}; owner: {owner}; it also selects by {extra}",
        "server-side apply would leave that label in its selector, and it would find none of the stack's pods",
        f"`{selectors.correction(found.declared, wanted)}`",
    )


def _afterwards(kind: Owner) -> str:
    if kind is not Owner.HELM:
        return ""
    return (
        "do not `helm uninstall` afterwards: it would delete them. Make helm forget: "
        "`kubectl delete secret -l owner=helm,name=<release>` in the release's namespace"
    )


def _deletion(found: list[Found], kind: Owner) -> str:
    if kind is Owner.HELM:
        namespace, _, name = str(found[0].release).partition("/")
        return f"`helm uninstall {name} -n {namespace}`"
    places = _by_owner(found, lambda each: f" -n {each.declared.namespace}" if each.declared.namespace else "")
    commands = []
    for place, several in places:
        targets = " ".join(f"{each.declared.resource}/{each.declared.name}" for each in several)
        commands.append(f"`kubectl{place} delete {targets}`")
    return ", ".join(commands)


def _place(found: list[Found]) -> str:
    places = dict.fromkeys(
        f"namespace {each.declared.namespace}" if each.declared.namespace else "the cluster" for each in found
    )
    return " and ".join(places)


def _by_owner(found: list[Found], key: Callable[[Found], str]) -> list[tuple[str, list[Found]]]:
    groups: dict[str, list[Found]] = {}
    for each in found:
        groups.setdefault(key(each), []).append(each)
    return list(groups.items())


def _minutes(seconds: int) -> str:
    return f"{-(-seconds // 60)} minutes"


def question(declared: Declared) -> Question:
    """The question for an object: whole where its selector or the generation that it leads to is read."""
    return Question(declared.path, metadata_only=declared.kind not in (*selectors.KINDS, "HTTPRoute"))
