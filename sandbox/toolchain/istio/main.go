// Prints what istio's own chart installs for istiod, as JSON: install name → Kubernetes objects. The values are those
// of an ordinary installation with the Gateway API inference extension, less what an Envoy without istio's extensions
// cannot load, and without the webhooks for sidecars.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"istio.io/istio/operator/pkg/helm"
	"istio.io/istio/operator/pkg/values"
	"sigs.k8s.io/yaml"
)

// Values of every install. The empty webhook names keep istiod from waiting for webhooks that are not installed.
const common = `
revisionTags: []
autoscaleEnabled: false
resources: {requests: {cpu: 10m, memory: 128Mi}, limits: {cpu: "4", memory: 2Gi}}
env:
  ENABLE_GATEWAY_API_INFERENCE_EXTENSION: "true"
  PILOT_ENABLE_ALPN_FILTER: "false"
  PILOT_ENABLE_METADATA_EXCHANGE: "false"
  INJECTION_WEBHOOK_CONFIG_NAME: ""
  VALIDATION_WEBHOOK_CONFIG_NAME: ""
  HOME: /tmp
global: {hub: sandbox, tag: "1.31", istioNamespace: NAMESPACE, operatorManageWebhooks: true, defaultPodDisruptionBudget: {enabled: false}}
meshConfig: {defaultProviders: {metrics: []}}
`

// The installation of OpenShift's Ingress Operator: a controller name and a root certificate of its own. OpenShift's has
// a revision, too, and labels every Gateway of its class with that; without a revision no label is needed.
// Source: openshift/cluster-ingress-operator, pkg/operator/controller/gatewayclass/istio_sail_installer.go.
const openshift = `
env:
  PILOT_GATEWAY_API_CONTROLLER_NAME: openshift.io/gateway-controller/v1
  PILOT_GATEWAY_API_DEFAULT_GATEWAYCLASS_NAME: data-science-gateway-class
global: {trustBundleName: openshift-gw-ca-root-cert}
`

// Kinds that an installation without sidecars, autoscaling and webhooks needs.
var kinds = map[string]bool{
	"ServiceAccount": true, "ClusterRole": true, "ClusterRoleBinding": true, "Role": true, "RoleBinding": true,
	"ConfigMap": true, "Service": true, "Deployment": true,
}

func main() {
	printed := map[string][]any{}
	for name, overlays := range map[string][]string{"istio-system": {common}, "openshift-ingress": {common, openshift}} {
		objects, err := install(name, overlays)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		printed[name] = objects
	}
	if err := json.NewEncoder(os.Stdout).Encode(printed); err != nil {
		os.Exit(1)
	}
}

func install(namespace string, overlays []string) ([]any, error) {
	chart := map[string]any{}
	for _, overlay := range overlays {
		parsed := map[string]any{}
		if err := yaml.Unmarshal([]byte(strings.ReplaceAll(overlay, "NAMESPACE", namespace)), &parsed); err != nil {
			return nil, err
		}
		merge(chart, parsed)
	}
	iop := values.Map{"spec": map[string]any{"values": chart}}
	rendered, warnings, err := helm.Render("istiod", namespace, "istio-control/istio-discovery", iop, nil)
	if err == nil && warnings != nil {
		err = warnings.ToError()
	}
	objects := []any{}
	for _, one := range rendered {
		if one.Unstructured != nil && kinds[one.GetKind()] {
			objects = append(objects, one.Object)
		}
	}
	return objects, err
}

func merge(into, from map[string]any) {
	for key, value := range from {
		below, isMap := into[key].(map[string]any)
		if above, both := value.(map[string]any); isMap && both {
			merge(below, above)
		} else {
			into[key] = value
		}
	}
}
