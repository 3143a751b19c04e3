module llm-d-pd/sandbox/toolchain/crds

go 1.24.0

// Only files of these modules are used, no code: they are downloaded, verified against go.sum and copied from.
require (
	github.com/prometheus-operator/prometheus-operator v0.85.0
	istio.io/api v1.28.1
	sigs.k8s.io/gateway-api v1.4.0
	sigs.k8s.io/gateway-api-inference-extension v1.4.0
)
