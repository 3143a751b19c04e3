"""The verification, step by step. If an earlier step did not find an object, later steps report that it is missing."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from sizing.parts import Unknown
from sizing.shape import Shape
from verify import (
    apikey,
    asking,
    crashes,
    fallbacks,
    kinds,
    prediction,
    request,
    routing,
    rule,
    tiers,
    traffic,
    transfers,
)
from verify.asking import RequestPath
from verify.cluster import Cluster, Object
from verify.finding import Finding, Outcome, Unreachable, failed, unseen, warning
from verify.legs import Counted, Counters, Trial
from verify.outputs import ROLES, Outputs
from verify.pods import name
from verify.request import WITH_KEY, GatewayClient
from verify.routing import Endpoint
from verify.tiers import Tier


@dataclass
class Verification:
    """The verification of one stack on one cluster. It calls `report` with each finding at once."""

    cluster: Cluster
    outputs: Outputs
    report: Callable[[Finding], None]
    findings: list[Finding] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    shape: Shape | Unknown = Unknown("not given")  # noqa: RUF009  (immutable)
    """Shape of the model. The bytes of a prompt's KV cache are computed from it."""
    _tiers: dict[str, Tier] = field(default_factory=dict)
    _tcp: bool = False
    endpoint: Endpoint | None = None
    """Where requests go; None: no gateway was found."""

    @property
    def tiers(self) -> Mapping[str, Tier]:
        return self._tiers

    @property
    def failed(self) -> bool:
        return any(one.outcome is Outcome.FAILED for one in self.findings)

    def run(
        self, requests: int, seconds: float, *, tcp: bool = False, url: str | None = None, key: str | None = None
    ) -> None:
        """Run all steps.

        `requests` is the number of requests, sent one after another; `seconds` is the longest silence of an answer.
        With `tcp`, KV transfers over TCP are expected, even if the pods request RDMA devices. `url` is the address of
        the gateway for this machine. `key` is the workers' API key; without it, the key is read from their Secret.
        """
        self._tcp = tcp
        self._same_cluster()
        self._workers()
        pool, decision = self._picker()
        path = self._request_path(pool)
        self.endpoint = path.endpoint if path else None
        if path is None or not (url or path.endpoint.service or path.endpoint.address):
            self._found(unseen("request", "none was sent: there is no gateway to send it to"))
        elif gateway := self._gateway(path, seconds, url, key):
            self._requests(path, gateway, decision, requests)
        if decode := self._tiers.get("decode"):
            self._found(fallbacks.judge_sidecar(self.cluster, self.outputs.namespace, decode))
            self._found(fallbacks.judge_transport(self.cluster, self.outputs.namespace, decode, tcp=tcp))
        for row in self.outputs.sizing:
            if tier := self._tiers.get(row["tier"]):
                self._found(prediction.judge(self.cluster, self.outputs.namespace, tier, row))

    def _found(self, finding: Finding) -> None:
        self.findings.append(finding)
        self.report(finding)

    def _gateway(self, path: RequestPath, seconds: float, url: str | None, key: str | None) -> GatewayClient | None:
        """Return the client of the gateway, with the API key of the workers; None if the key may not be read."""
        try:
            keys = (apikey.read(self.cluster, self.outputs.namespace, tier) for tier in self._tiers.values())
            key = key or next((found for found in keys if found), None)
        except Unreachable as hidden:
            remedy = f"{hidden.remedy}; or --api-key-from with a variable that holds the key"
            self._found(unseen("request", f"none was sent: vLLM asks for an API key. {hidden}", remedy))
            return None
        if key and not url and not path.endpoint.address:
            why = "none was sent: the gateway has no address for requests with an API key"
            self._found(unseen("request", why, WITH_KEY))
            return None
        return GatewayClient(self.cluster, path.endpoint, seconds, url=url, key=key)

    def _same_cluster(self) -> None:
        if self.outputs.server not in ("", self.cluster.server):
            self._found(
                warning(
                    "cluster",
                    f"asking {self.cluster.server}; the stack was deployed to {self.outputs.server}",
                    "if it is another cluster, everything below is missing or another stack's",
                    "--context, or KUBECONFIG",
                )
            )

    def _workers(self) -> None:
        for role in ROLES:
            finding, tier = tiers.judge(self.cluster, self.outputs, role)
            self._found(finding)
            if tier:
                self._tiers[role] = tier

    def _picker(self) -> tuple[Object | None, rule.Rule | None]:
        finding, pool = routing.judge_pool(self.cluster, self.outputs, list(self._tiers.values()))
        self._found(finding)
        if pool is None:
            return None, None
        finding, text = routing.judge_picker(self.cluster, self.outputs, pool)
        self._found(finding)
        return pool, rule.of(text) if text else None

    def _request_path(self, pool: Object | None) -> RequestPath | None:
        if self.outputs.standalone:
            finding, endpoint = routing.judge_envoy(self.cluster, self.outputs)
            self._found(finding)
            return RequestPath(self.cluster, self.outputs, endpoint, pool, None) if endpoint else None
        led, route = routing.judge_route(self.cluster, self.outputs)
        if route is None:
            self._found(led)
            return None
        finding, endpoint = routing.judge_gateway(self.cluster, self.outputs, route)
        if endpoint and finding.outcome is Outcome.FAILED and not routing.is_judged(route):
            # A controller sets no condition on a route if it does not serve the Gateway: the Gateway is the cause.
            led = unseen(led.step, f"{led.evidence}; the step gateway comes first")
        self._found(led)
        self._found(finding)
        return RequestPath(self.cluster, self.outputs, endpoint, pool, route) if endpoint else None

    def _requests(self, path: RequestPath, gateway: GatewayClient, decision: rule.Rule | None, requests: int) -> None:
        explain_500 = partial(asking.explain_500, path)
        finding, longest = traffic.judge_models(gateway, self.outputs.model, explain_500)
        self._found(finding)
        words = rule.prompt_size(decision or rule.ALWAYS, longest)
        counters = Counters(self.cluster, self.outputs.namespace, list(self._tiers.values()))
        prompt = ""
        try:
            before = now = counters.read()
            for _ in range(requests):
                prompt = request.prompt(words)
                trial, now = counters.try_out(partial(gateway.complete, self.outputs.model, prompt), now)
                self.trials.append(trial)
            answered = all(trial.answer.status == 200 for trial in self.trials)
            unasked = asking.judge_asked(path, self.trials, gateway.epp_refuses) if answered else None
        except Unreachable as error:
            meaning = "no answer, or no proof of the path that it took"
            self._found(self._explained(failed("request", str(error), meaning, error.remedy)))
            return
        judged = traffic.judge_requests(self.trials, explain_500, asked=unasked is None)
        self._found(judged if answered else self._explained(judged))
        if unasked:
            self._found(unasked)
        if answered:
            pods = {role: [name(pod) for pod in tier.ready] for role, tier in self._tiers.items()}
            self._found(traffic.judge_legs(self.trials, decision, prompt))
            if pods.get("prefill"):
                self._found(traffic.judge_spread(before, now, pods["prefill"]))
            if pods.get("decode"):
                self._transfers(before, now, pods)
            with suppress(Unreachable):
                tried = kinds.try_out(gateway, self.outputs.model, counters, partial(request.prompt, words), words)
                self._found(kinds.judge(tried, wanted=bool(decision and rule.applies(decision, prompt))))

    def _transfers(self, before: Counted, now: Counted, pods: Mapping[str, Sequence[str]]) -> None:
        decode, prefill = pods["decode"], pods.get("prefill", [])
        model = transfers.model_of(self.shape, list(self._tiers.values()))
        rdma = self._tiers["decode"].declared.rdma and not self._tcp
        self._found(transfers.judge_transfer(before, now, decode, prefill, trials=self.trials, model=model, rdma=rdma))
        if found := transfers.judge_sources(before, now, decode, self.trials):
            self._found(found)

    def _explained(self, finding: Finding) -> Finding:
        decode = self._tiers.get("decode")
        pods = decode.pods if decode else []
        return crashes.explain(self.cluster, self.outputs.namespace, tiers.VLLM, pods, finding)
