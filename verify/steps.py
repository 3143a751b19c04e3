"""The verification, step by step. What an earlier step could not find, later ones do without, and say so."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from verify import apikey, asking, crashes, fallbacks, request, routing, rule, tiers, traffic
from verify.asking import Way
from verify.cluster import Cluster, Object
from verify.finding import Finding, Outcome, Unreachable, failed, unseen, warning
from verify.legs import Counters, Trial
from verify.outputs import ROLES, Outputs
from verify.request import WITH_KEY, Door
from verify.tiers import Tier, name


@dataclass
class Verification:
    """One stack on one cluster. `tell` hears every finding when it is made."""

    cluster: Cluster
    outputs: Outputs
    tell: Callable[[Finding], None]
    findings: list[Finding] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    """The requests that were sent."""
    _tiers: dict[str, Tier] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether any step failed."""
        return any(one.outcome is Outcome.FAILED for one in self.findings)

    def run(
        self, requests: int, seconds: float, *, tcp: bool = False, url: str | None = None, key: str | None = None
    ) -> None:
        """Take all steps. `requests` are sent one after another; `seconds` is how long each may stay silent.

        With `tcp`, TCP is the transport that KV blocks shall take, whatever devices the pods request. `url`: where the
        gateway answers this machine; `key`: the workers' API key, otherwise read from their Secret.
        """
        self._same_cluster()
        self._workers()
        pool, decision = self._picker()
        way = self._way_in(pool)
        if way is None or not (url or way.entrance.service or way.entrance.address):
            self._found(unseen("request", "none was sent: there is no gateway to send it to"))
        elif door := self._door(way, seconds, url, key):
            self._requests(way, door, decision, requests)
        if decode := self._tiers.get("decode"):
            self._found(fallbacks.judge_sidecar(self.cluster, self.outputs.namespace, decode))
            self._found(fallbacks.judge_transport(self.cluster, self.outputs.namespace, decode, tcp=tcp))

    def _found(self, finding: Finding) -> None:
        self.findings.append(finding)
        self.tell(finding)

    def _door(self, way: Way, seconds: float, url: str | None, key: str | None) -> Door | None:
        """Return the way in, with the API key that the workers ask for; None where the key may not be read."""
        try:
            keys = (apikey.read(self.cluster, self.outputs.namespace, tier) for tier in self._tiers.values())
            key = key or next(keys, None)
        except Unreachable as hidden:
            remedy = f"{hidden.remedy}; or --api-key-from with a variable that holds the key"
            self._found(unseen("request", f"none was sent: vLLM asks for an API key. {hidden}", remedy))
            return None
        if key and not url and not way.entrance.address:
            self._found(unseen("request", "none was sent: the gateway has no address for one with a key", WITH_KEY))
            return None
        return Door(self.cluster, way.entrance, seconds, url=url, key=key)

    def _same_cluster(self) -> None:
        if self.outputs.server not in ("", self.cluster.server):
            self._found(
                warning(
                    "cluster",
                    f"asking {self.cluster.server}; the stack was deployed to {self.outputs.server}",
                    "if it is another cluster, everything below is missing or somebody else's",
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

    def _way_in(self, pool: Object | None) -> Way | None:
        if self.outputs.standalone:
            finding, entrance = routing.judge_envoy(self.cluster, self.outputs)
            self._found(finding)
            return Way(self.cluster, self.outputs, entrance, pool, None) if entrance else None
        led, route = routing.judge_route(self.cluster, self.outputs)
        if route is None:
            self._found(led)
            return None
        finding, entrance = routing.judge_gateway(self.cluster, self.outputs, route)
        if entrance and finding.outcome is Outcome.FAILED and not routing.is_judged(route):
            # No controller speaks of a route whose Gateway it does not serve: the Gateway is the cause.
            led = unseen(led.step, f"{led.evidence}; the step gateway comes first")
        self._found(led)
        self._found(finding)
        return Way(self.cluster, self.outputs, entrance, pool, route) if entrance else None

    def _requests(self, way: Way, door: Door, decision: rule.Rule | None, requests: int) -> None:
        explain_500 = partial(asking.explain_500, way)
        finding, longest = traffic.judge_models(door, self.outputs.model, explain_500)
        self._found(finding)
        words = rule.prompt_size(decision or rule.ALWAYS, longest)
        counters = Counters(self.cluster, self.outputs.namespace, list(self._tiers.values()))
        prompt = ""
        try:
            before = now = counters.read()
            for _ in range(requests):
                prompt = request.prompt(words)
                trial, now = counters.try_out(door, self.outputs.model, prompt, now)
                self.trials.append(trial)
            answered = all(trial.answer.status == 200 for trial in self.trials)
            unasked = asking.judge_asked(way, self.trials, door.epp_refuses) if answered else None
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
                self._found(traffic.judge_transfer(before, now, pods["decode"], pods.get("prefill", [])))

    def _explained(self, finding: Finding) -> Finding:
        decode = self._tiers.get("decode")
        pods = decode.pods if decode else []
        return crashes.explain(self.cluster, self.outputs.namespace, tiers.VLLM, pods, finding)
