"""What pods refer to and the stack does not make: token, API key, pull secrets, weights, classes."""

from collections.abc import Iterator
from urllib.parse import quote

from components.config.vocabulary import Role
from components.names import TOKEN_KEY
from preflight.answers import Answer, Question
from preflight.checks.references import one_node
from preflight.facts import Facts
from preflight.finding import Finding, Severity, error, warning

TLS = "serving.gateway.tls"
_WORDS = {"priorityClass": "priority class", "runtimeClass": "runtime class"}
_PATHS = {
    "priorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "runtimeClass": "/apis/node.k8s.io/v1/runtimeclasses",
}
WAIT = "the pods would wait for it: CreateContainerConfigError until the timeout"


def asks(facts: Facts) -> list[Question]:
    """One question for each of these objects."""
    secrets = [_secret(facts, name) for name in _secrets(facts)]
    certificates = [_pair(*each) for each in _certificates(facts).values()]
    return [*secrets, *certificates, *_claims(facts), *_classes(facts).values()]


def check(facts: Facts) -> Iterator[Finding]:
    """Objects that are absent or unusable."""
    yield from _token(facts)
    yield from _api_key(facts)
    for name in facts.plan.decode.worker.image.pull_secrets:
        answer = facts.asked(_secret(facts, name))
        if answer.absent:
            command = f"`kubectl -n {facts.namespace} create secret docker-registry {name} …`"
            wait = "the kubelet would ask the registry without a login: ImagePullBackOff"
            what = f"Secret {name} in namespace {facts.namespace}"
            yield _absent("pull secret", "serving.images.pullSecrets", what, wait, command)
    for path, (namespace, name) in _certificates(facts).items():
        answer = facts.asked(_pair(namespace, name))
        if answer.absent or (answer.ok and not answer.items):
            yield _no_certificate(facts, path, f"Secret {name} of type kubernetes.io/tls in namespace {namespace}")
    for question in _claims(facts):
        yield from _claim(facts, facts.asked(question))
    for (setting, name), question in _classes(facts).items():
        if facts.asked(question).absent:
            kind = setting[0].upper() + setting[1:]
            role = next(role for role in Role if name == _class_names(facts, role)[setting])
            yield error(
                _WORDS[setting],
                f"serving.{role}.{setting}",
                f"there is no {kind} {name}",
                f"the API server would refuse the pods: no {kind} with that name was found",
                f"name one of `kubectl get {kind.lower()}es`, or have it made",
            )


def _token(facts: Facts) -> Iterator[Finding]:
    name = facts.plan.decode.worker.model.token_secret
    if name is None or facts.plan.namespace.token is not None:
        return
    answer, path = facts.asked(_secret(facts, name)), "serving.model.tokenSecret"
    literal = f"`kubectl -n {facts.namespace} create secret generic {name} --from-literal={TOKEN_KEY}=hf_…`"
    configured = "`pulumi config set --secret hfToken` to have the stack make it"
    if answer.absent:
        what = f"Secret {name} in namespace {facts.namespace}"
        yield _absent("token", path, what, WAIT, f"{literal}, or {configured}")
    elif answer.ok and not (answer.body.get("data") or {}).get(TOKEN_KEY):
        keys = ", ".join(sorted(answer.body.get("data") or {})) or "none"
        yield error(
            "token",
            path,
            f"Secret {name} in namespace {facts.namespace} has no key {TOKEN_KEY}; its keys: {keys}",
            WAIT,
            f"put the token under {TOKEN_KEY}, or {configured} (under another name)",
        )


def _api_key(facts: Facts) -> Iterator[Finding]:
    given = facts.plan.decode.worker.api_key
    if given is None:
        return
    answer = facts.asked(_secret(facts, given.name))
    what = f"Secret {given.name} in namespace {facts.namespace}"
    make = f"`kubectl -n {facts.namespace} create secret generic {given.name} --from-literal={given.key}=…`"
    if facts.plan.namespace.create:
        make += ", in a namespace that you make, with serving.createNamespace: false, if this one does not exist yet"
    data = answer.body.get("data") or {} if answer.ok else {}
    if answer.absent:
        yield _absent("API key", "serving.security.apiKey.secret", what, WAIT, make)
    elif answer.ok and given.key not in data:
        yield error(
            "API key",
            "serving.security.apiKey.key",
            f"{what} has no key {given.key}; its keys: {', '.join(sorted(data)) or 'none'}",
            WAIT,
            "name one of these keys, or put the API key under this one",
        )
    elif answer.ok and not data[given.key]:
        yield error(
            "API key",
            "serving.security.apiKey.key",
            f"{given.key} of {what} is empty",
            "vLLM takes an empty API key for none: everybody could send requests",
            "put the API key under it",
        )


def _no_certificate(facts: Facts, path: str, what: str) -> Finding:
    """The standalone Envoy does not start without the Secret; a controller runs, and uses it once it exists."""
    waits = facts.plan.gateway.standalone is not None and path.startswith(TLS)
    outcome = "Envoy's pods would wait for it" if waits else "nothing would be served over HTTPS until it is there"
    return Finding(
        "certificate",
        Severity.ERROR if waits and facts.plan.gateway.awaited else Severity.WARNING,
        path,
        f"there is no {what}",
        outcome,
        "`kubectl create secret tls …`, or whoever makes certificates here; correct the name if it is another",
    )


def _claim(facts: Facts, answer: Answer) -> Iterator[Finding]:
    model, path = facts.plan.decode.worker.model, "serving.model.claim"
    if answer.absent:
        command = "make it in this namespace, or correct the name"
        wait = "the pods would stay Pending until the timeout"
        what = f"PersistentVolumeClaim {model.claim} in namespace {facts.namespace}"
        yield _absent("weights", path, what, wait, command)
        return
    if not answer.ok:
        return
    modes = answer.body["spec"].get("accessModes") or []
    pods = facts.plan.prefill.worker.replicas + facts.plan.decode.worker.replicas
    if answer.body.get("status", {}).get("phase") == "Lost":
        evidence = f"PersistentVolumeClaim {model.claim} has lost its volume"
        yield error("weights", path, evidence, "no pod could mount it", "restore the volume")
    elif alone := one_node("weights", path, str(model.claim), modes, workers="all workers", pods=pods):
        yield alone
    elif set(modes) == {"ReadOnlyMany"} and not model.read_only:
        yield warning(
            "weights",
            path,
            f"PersistentVolumeClaim {model.claim} is ReadOnlyMany, and vLLM downloads weights to it",
            "where the storage enforces it, the workers would end with `Read-only file system`",
            "`pulumi config set --path serving.model.path …` with the folder of the claim that holds the weights, or a "
            "claim with ReadWriteMany",
        )


def _absent(check: str, path: str, what: str, outcome: str, remedy: str) -> Finding:
    return error(check, path, f"there is no {what}", outcome, remedy)


def _secrets(facts: Facts) -> list[str]:
    worker = facts.plan.decode.worker
    own = [worker.model.token_secret] if worker.model.token_secret and facts.plan.namespace.token is None else []
    keys = [worker.api_key.name] if worker.api_key else []
    return list(dict.fromkeys([*own, *keys, *worker.image.pull_secrets]))


def _certificates(facts: Facts) -> dict[str, tuple[str, str]]:
    """Namespace and name of the Secrets of listeners and Ingress, by path."""
    args = facts.plan.gateway
    found = {}
    for listener in args.listeners:
        for index, each in enumerate(listener.certificates):
            found[f"{TLS}.certificateRefs[{index}].name"] = (each.namespace or facts.namespace, each.name)
    if args.ingress and args.ingress.tls_secret:
        found["serving.gateway.ingress.tlsSecret"] = (facts.namespace, args.ingress.tls_secret)
    return found


def _pair(namespace: str, name: str) -> Question:
    """Asks by type, which implies that both keys exist, so that no private key leaves the server."""
    wanted = quote(f"metadata.name={name},type=kubernetes.io/tls", safe="")
    return Question(f"/api/v1/namespaces/{namespace}/secrets?fieldSelector={wanted}", metadata_only=True)


def _secret(facts: Facts, name: str) -> Question:
    """Pull secrets by their metadata; of others the keys are needed, and nothing else is looked at."""
    worker = facts.plan.decode.worker
    keys = name in (worker.model.token_secret, worker.api_key.name if worker.api_key else None)
    return Question(f"/api/v1/namespaces/{facts.namespace}/secrets/{name}", metadata_only=not keys)


def _claims(facts: Facts) -> list[Question]:
    claim = facts.plan.decode.worker.model.claim
    return [Question(f"/api/v1/namespaces/{facts.namespace}/persistentvolumeclaims/{claim}")] if claim else []


def _classes(facts: Facts) -> dict[tuple[str, str], Question]:
    """The classes that the pods name, by setting and name, with the question for each."""
    named = [each for role in Role for each in _class_names(facts, role).items()]
    return {(setting, name): Question(f"{_PATHS[setting]}/{name}") for setting, name in sorted(named) if name}


def _class_names(facts: Facts, role: Role) -> dict[str, str]:
    tier = facts.plan.prefill if role is Role.PREFILL else facts.plan.decode
    placement = tier.worker.placement
    return {"priorityClass": placement.priority_class or "", "runtimeClass": placement.runtime_class or ""}
