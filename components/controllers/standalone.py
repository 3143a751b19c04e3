"""No controller, but an Envoy of our own, with the resources of kgateway's."""

from components.config.vocabulary import ReleaseName
from components.controllers.profile import ENVOY, GOOGLES, LIMITS, REQUESTS, Controller

NO_ROUTES = dict.fromkeys(
    ("existing", "route"), "its Envoy has no routes and serves this stack alone: without a Gateway nothing is shared"
)

STANDALONE = Controller(
    class_name=None,
    log_levels=ENVOY,
    requests=REQUESTS,
    limits=LIMITS,
    access_logging=True,
    refused={**GOOGLES, **NO_ROUTES},
)

CONTROLLERS = dict.fromkeys(ReleaseName, STANDALONE)
