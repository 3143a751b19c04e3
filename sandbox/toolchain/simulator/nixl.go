package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// handshake is how long vLLM 0.17.1 waits for an answer of the side channel.
const handshake = 5 * time.Second

// sideChannel is NIXL's: prefill listens on it, decode connects to it before the first pull from a worker.
type sideChannel struct {
	host, port string
	met        sync.Map
}

func (n *sideChannel) listen() error {
	listener, err := net.Listen("tcp", net.JoinHostPort(n.host, n.port))
	if err != nil {
		return err
	}
	go func() {
		for {
			peer, err := listener.Accept()
			if err != nil {
				return
			}
			_ = peer.Close()
		}
	}()
	return nil
}

func transfer(body map[string]any) map[string]any {
	params, _ := body["kv_transfer_params"].(map[string]any)
	return params
}

func (n *sideChannel) engine(body map[string]any) any {
	return transfer(body)["remote_engine_id"]
}

// pull connects to the worker that a request's blocks are fetched from.
func (n *sideChannel) pull(body map[string]any) error {
	params := transfer(body)
	if params["do_remote_prefill"] != true {
		return nil
	}
	port, _ := params["remote_port"].(json.Number)
	at := net.JoinHostPort(fmt.Sprint(params["remote_host"]), port.String())
	if _, known := n.met.Load(at); known {
		return nil
	}
	peer, err := net.DialTimeout("tcp", at, handshake)
	if err != nil {
		return err
	}
	n.met.Store(at, true)
	return peer.Close()
}

// announce puts this worker's side channel in the place of the simulator's.
func (n *sideChannel) announce(ctx *fasthttp.RequestCtx) {
	if ctx.Response.IsBodyStream() {
		return
	}
	host, _ := json.Marshal(n.host)
	body := bytes.Replace(ctx.Response.Body(), []byte(`"remote_host":"DUMMY"`), append([]byte(`"remote_host":`), host...), 1)
	body = bytes.Replace(body, []byte(`"remote_port":1234`), []byte(`"remote_port":`+n.port), 1)
	ctx.Response.SetBody(body)
}
