// llm-d-inference-sim v0.10.2 with another HTTP server: address, keys, paths and refusals are those of vLLM.
//
// Upstream's server takes requests that vLLM refuses, and knows no --host, --api-key and --root-path. Flags of this
// program besides upstream's: --host, --api-key (several times), --root-path, --vllm-version, --die-on-failed-handshake.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/buaazp/fasthttprouter"
	"github.com/llm-d/llm-d-inference-sim/cmd/signals"
	"github.com/llm-d/llm-d-inference-sim/pkg/common"
	"github.com/llm-d/llm-d-inference-sim/pkg/communication"
	vllmsim "github.com/llm-d/llm-d-inference-sim/pkg/llm-d-inference-sim"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
	"k8s.io/klog/v2"
)

// Seconds that requests under way have after SIGTERM, and connections after them: upstream's.
const drain, closing = 30 * time.Second, 5 * time.Second

type server struct {
	sim      *vllmsim.VllmSimulator
	host     string
	keys     []string
	rootPath string
	version  string
	nixl     *sideChannel
	stopping atomic.Bool
}

func main() {
	s := &server{version: "0.17.1"}
	s.takeFlags()
	logger := klog.Background()
	ctx := signals.SetupSignalHandler(klog.NewContext(context.Background(), logger))
	config, err := common.ParseCommandParamsAndLoadConfig()
	if err == nil {
		err = s.run(ctx, config, logger)
	}
	if err != nil {
		logger.Error(err, "the simulator ends")
		os.Exit(1)
	}
}

// takeFlags reads the flags that upstream does not know, and leaves the others.
func (s *server) takeFlags() {
	rest := os.Args[:1]
	for _, word := range os.Args[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "--host":
			s.host = value
		case "--api-key":
			s.keys = append(s.keys, value)
		case "--root-path":
			s.rootPath = value
		case "--vllm-version":
			s.version = value
		case "--die-on-failed-handshake":
			s.nixl = &sideChannel{host: os.Getenv("VLLM_NIXL_SIDE_CHANNEL_HOST"), port: os.Getenv("VLLM_NIXL_SIDE_CHANNEL_PORT")}
		default:
			rest = append(rest, word)
		}
	}
	os.Args = rest
}

func (s *server) run(ctx context.Context, config *common.Configuration, logger klog.Logger) error {
	simulators, err := vllmsim.Start(ctx, config, logger)
	if err != nil {
		return err
	}
	s.sim = simulators[0]
	if s.nixl != nil {
		if err := s.nixl.listen(); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(s.host, strconv.Itoa(config.Port)))
	if err != nil {
		return err
	}
	web := &fasthttp.Server{
		Handler:            s.handler(communication.New(logger, s.sim)),
		MaxRequestBodySize: config.MaxRequestBodySizeMB * 1024 * 1024,
	}
	ended := make(chan error, 1)
	go func() {
		if config.SSLCertFile != "" {
			ended <- web.ServeTLS(listener, config.SSLCertFile, config.SSLKeyFile)
		} else {
			ended <- web.Serve(listener)
		}
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	for deadline := time.Now().Add(drain); s.sim.OpenRequests() > 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	s.sim.Stop()
	last, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	if err := web.ShutdownWithContext(last); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// handler has the paths that both vLLM and the simulator have, and the switches of the simulator.
func (s *server) handler(sim *communication.Communication) fasthttp.RequestHandler {
	router := fasthttprouter.New()
	router.POST("/v1/chat/completions", s.checked(sim.HandleChatCompletions))
	router.POST("/v1/completions", s.checked(sim.HandleTextCompletions))
	router.POST("/v1/responses", sim.HandleResponses)
	router.POST("/v1/messages", sim.HandleMessages)
	router.POST("/v1/load_lora_adapter", sim.HandleLoadLora)
	router.POST("/v1/unload_lora_adapter", sim.HandleUnloadLora)
	router.GET("/v1/models", sim.HandleModels)
	router.POST("/tokenize", sim.HandleTokenize)
	router.GET("/health", sim.HandleHealth)
	router.GET("/ping", sim.HandleHealth)
	router.GET("/version", func(ctx *fasthttp.RequestCtx) { answer(ctx, 200, map[string]any{"version": s.version}) })
	router.GET("/metrics", fasthttpadaptor.NewFastHTTPHandler(
		promhttp.HandlerFor(s.sim.Context.MetricsRegistry(), promhttp.HandlerOpts{})))
	router.POST("/fake_metrics", sim.HandleFakeMetrics)
	router.GET("/admin/config", sim.HandleGetAdminConfig)
	router.POST("/admin/config", sim.HandlePostAdminConfig)
	router.NotFound = func(ctx *fasthttp.RequestCtx) { answer(ctx, 404, map[string]any{"detail": "Not Found"}) }
	return func(ctx *fasthttp.RequestCtx) {
		path := strings.TrimPrefix(string(ctx.Path()), s.rootPath)
		switch {
		case s.stopping.Load() && ctx.IsPost():
			refuse(ctx, &refusal{code: 503, kind: "ServiceUnavailableError", message: "server is shutting down"})
		case len(s.keys) > 0 && strings.HasPrefix(path, "/v1") && !s.authorized(ctx):
			answer(ctx, 401, map[string]any{"error": "Unauthorized"})
		default:
			ctx.Request.URI().SetPath(path)
			router.Handler(ctx)
		}
	}
}

func (s *server) authorized(ctx *fasthttp.RequestCtx) bool {
	scheme, key, _ := strings.Cut(string(ctx.Request.Header.Peek("Authorization")), " ")
	for _, known := range s.keys {
		if strings.EqualFold(scheme, "bearer") && key == known {
			return true
		}
	}
	return false
}

// checked lets the simulator answer what vLLM would answer.
func (s *server) checked(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		reader := json.NewDecoder(bytes.NewReader(ctx.PostBody()))
		reader.UseNumber()
		var body map[string]any
		if err := reader.Decode(&body); err != nil {
			refuse(ctx, bad("Bad Request", "", "JSON decode error: %v", err))
			return
		}
		if refused := s.refusal(body, strings.HasSuffix(string(ctx.Path()), "/chat/completions")); refused != nil {
			refuse(ctx, refused)
			return
		}
		if normalize(body) {
			text, _ := json.Marshal(body)
			ctx.Request.SetBody(text)
		}
		if s.nixl != nil {
			if err := s.nixl.pull(body); err != nil {
				fmt.Fprintf(os.Stderr, "NIXL transfer failure: handshake_failed: %v\nKeyError: %q\n", err, s.nixl.engine(body))
				refuse(ctx, &refusal{code: 500, kind: "InternalServerError", message: "EngineCore encountered an issue."})
				go func() { // vLLM answers the requests under way, then its server exits
					time.Sleep(100 * time.Millisecond)
					os.Exit(1)
				}()
				return
			}
		}
		next(ctx)
		if s.nixl != nil {
			s.nixl.announce(ctx)
		}
	}
}

func answer(ctx *fasthttp.RequestCtx, code int, body any) {
	text, _ := json.Marshal(body)
	ctx.SetStatusCode(code)
	ctx.SetContentType("application/json")
	ctx.SetBody(text)
}

func refuse(ctx *fasthttp.RequestCtx, why *refusal) {
	var param any
	if why.param != "" {
		param = why.param
	}
	answer(ctx, why.code, map[string]any{
		"error": map[string]any{"message": why.message, "type": why.kind, "param": param, "code": why.code},
	})
}
