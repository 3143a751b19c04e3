"""Every rule, in the order of the page."""

from policy.rule import Rule
from policy.rules import accounts, credentials, debugging, gpus, health, images

RULES: tuple[Rule, ...] = (
    debugging.RULE,
    images.RULE,
    gpus.PER_POD,
    gpus.AS_CONFIGURED,
    credentials.RULE,
    health.PROBES,
    health.LAST_WORDS,
    accounts.NAMED,
    accounts.NO_CLUSTER_RIGHTS,
)
