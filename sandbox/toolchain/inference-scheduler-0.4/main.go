// The endpoint picker of llm-d-inference-scheduler v0.4.0, without the scorers, which need cgo (ZeroMQ, tokenizers).
// Everything that the stacks' configurations name is here; otherwise as upstream's own main.
package main

import (
	"os"

	"github.com/llm-d/llm-d-inference-scheduler/pkg/metrics"
	"github.com/llm-d/llm-d-inference-scheduler/pkg/plugins/filter"
	prerequest "github.com/llm-d/llm-d-inference-scheduler/pkg/plugins/pre-request"
	"github.com/llm-d/llm-d-inference-scheduler/pkg/plugins/profile"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/gateway-api-inference-extension/cmd/epp/runner"
	"sigs.k8s.io/gateway-api-inference-extension/pkg/epp/plugins"
)

func main() {
	plugins.Register(filter.ByLabelType, filter.ByLabelFactory)
	plugins.Register(filter.ByLabelSelectorType, filter.ByLabelSelectorFactory)
	plugins.Register(filter.DecodeRoleType, filter.DecodeRoleFactory)
	plugins.Register(filter.PrefillRoleType, filter.PrefillRoleFactory)
	plugins.Register(prerequest.PrefillHeaderHandlerType, prerequest.PrefillHeaderHandlerFactory)
	plugins.Register(profile.DataParallelProfileHandlerType, profile.DataParallelProfileHandlerFactory)
	plugins.Register(profile.PdProfileHandlerType, profile.PdProfileHandlerFactory)
	runner := runner.NewRunner().WithCustomCollectors(metrics.GetCollectors()...)
	if err := runner.Run(ctrl.SetupSignalHandler()); err != nil {
		os.Exit(1)
	}
}
