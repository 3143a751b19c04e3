"""The flags of `vllm serve` in vLLM 0.17.1, by what follows them.

Read from its source distribution: vllm/engine/arg_utils.py, the dataclasses of vllm/config that it turns into flags,
vllm/entrypoints/openai/cli_args.py and vllm/entrypoints/cli/serve.py. Names only.
"""

from sandbox.pods.vllm.kinds import Kind

FLAGS = {
    Kind.FLAG: """
        --aggregate-engine-logging --disable-log-stats --headless
    """,
    Kind.SWITCH: """
        --allow-credentials --allow-deprecated-quantization --async-scheduling --calculate-kv-scales --cudagraph-metrics
        --data-parallel-external-lb/-dpe --data-parallel-hybrid-lb/-dph --disable-cascade-attn
        --disable-chunked-mm-input --disable-custom-all-reduce --disable-fastapi-docs --disable-frontend-multiprocessing
        --disable-hybrid-kv-cache-manager --disable-nccl-for-dp-synchronization --disable-sliding-window
        --disable-uvicorn-access-log --enable-auto-tool-choice --enable-chunked-prefill --enable-dbo --enable-elastic-ep
        --enable-eplb --enable-expert-parallel/-ep --enable-flashinfer-autotune --enable-force-include-usage
        --enable-layerwise-nvtx-tracing --enable-log-deltas --enable-log-outputs --enable-log-requests
        --enable-logging-iteration-details --enable-lora --enable-mfu-metrics --enable-mm-embeds --enable-offline-docs
        --enable-prefix-caching --enable-prompt-embeds --enable-prompt-tokens-details --enable-request-id-headers
        --enable-return-routed-experts --enable-server-load-tracking --enable-sleep-mode --enable-ssl-refresh
        --enable-tokenizer-info-endpoint --enable-tower-connector-lora --enforce-eager
        --exclude-tools-when-tool-choice-none --fail-on-environ-validation --fully-sharded-loras --interleave-mm-strings
        --kv-cache-metrics --kv-sharing-fast-prefill --language-model-only --log-error-stack --mm-encoder-only
        --ray-workers-use-nsight --return-tokens-as-token-ids --skip-mm-profiling --skip-tokenizer-init
        --specialize-active-lora --tokens-only --trust-remote-code --trust-request-chat-template
        --use-gpu-for-pooling-score --use-tqdm-on-load
    """,
    Kind.INTEGER: """
        --api-server-count/-asc --block-size --cp-kv-cache-interleave-size --data-parallel-rank/-dpn
        --data-parallel-rpc-port/-dpp --data-parallel-size-local/-dpl --data-parallel-size/-dp
        --data-parallel-start-rank/-dpr --dbo-decode-token-threshold --dbo-prefill-token-threshold
        --dcp-kv-cache-interleave-size --decode-context-parallel-size/-dcp --h11-max-header-count
        --h11-max-incomplete-event-size --long-prefill-token-threshold --mamba-block-size --master-port --max-cpu-loras
        --max-cudagraph-capture-size --max-log-len --max-logprobs --max-long-partial-prefills --max-lora-rank
        --max-loras --max-num-partial-prefills --max-num-seqs --max-parallel-loading-workers
        --mm-shm-cache-max-object-size-mb --nnodes/-n --node-rank/-r --num-gpu-blocks-override --offload-group-size
        --offload-num-in-group --offload-prefetch-step --pipeline-parallel-size/-pp --port
        --prefill-context-parallel-size/-pcp --seed --ssl-cert-reqs --stream-interval --tensor-parallel-size/-tp
        --ubatch-size
    """,
    Kind.INTEGERS: """
        --cudagraph-capture-sizes
    """,
    Kind.SIZE: """
        --kv-cache-memory-bytes --max-model-len --max-num-batched-tokens
    """,
    Kind.NUMBER: """
        --cpu-offload-gb --gpu-memory-utilization --kv-cache-metrics-sample --kv-offloading-size --mm-processor-cache-gb
        --swap-space --video-pruning-rate
    """,
    Kind.JSON: """
        --allowed-headers --allowed-methods --allowed-origins --attention-config/-ac --compilation-config/-cc
        --default-chat-template-kwargs --default-mm-loras --ec-transfer-config --eplb-config --kernel-config
        --kv-events-config --kv-transfer-config --limit-mm-per-prompt --media-io-kwargs --mm-processor-kwargs
        --override-generation-config --pooler-config --profiler-config --speculative-config --structured-outputs-config
        --weight-transfer-config
    """,
    Kind.TEXT: """
        --additional-config --all2all-backend --allowed-local-media-path --attention-backend --chat-template
        --chat-template-content-format --code-revision --config --config-format --convert --data-parallel-address/-dpa
        --data-parallel-backend/-dpb --disable-access-log-for-endpoints --distributed-executor-backend --download-dir
        --dtype --expert-placement-strategy --generation-config --hf-config-path --hf-overrides --host
        --io-processor-plugin --kv-cache-dtype --kv-offloading-backend --load-format --log-config-file --logprobs-mode
        --lora-dtype --mamba-cache-dtype --mamba-cache-mode --mamba-ssm-cache-dtype --master-addr --middleware
        --mm-encoder-attn-backend --mm-encoder-tp-mode --mm-processor-cache-type --model --model-impl
        --model-loader-extra-config --moe-backend --offload-backend --optimization-level --otlp-traces-endpoint
        --override-attention-dtype --performance-mode --prefix-caching-hash-algo --pt-load-map-location
        --quantization/-q --reasoning-parser --reasoning-parser-plugin --response-role --revision --root-path --runner
        --safetensors-load-strategy --scheduler-cls --scheduling-policy --show-hidden-metrics-for-version --ssl-ca-certs
        --ssl-certfile --ssl-ciphers --ssl-keyfile --tokenizer --tokenizer-mode --tokenizer-revision --tool-call-parser
        --tool-parser-plugin --tool-server --uds --uvicorn-log-level --worker-cls --worker-extension-cls
    """,
    Kind.TEXTS: """
        --allowed-media-domains --api-key --collect-detailed-traces --cpu-offload-params --ignore-patterns
        --logits-processors --lora-modules --offload-params --served-model-name
    """,
    Kind.MAYBE: """
        --hf-token
    """,
}
"""Long and short names of a flag are one word, joined by a slash."""

CHOICES = {
    "--all2all-backend": """
        naive pplx deepep_high_throughput deepep_low_latency mori allgather_reducescatter flashinfer_all2allv
    """,
    "--block-size": "1 8 16 32 64 128 256",
    "--chat-template-content-format": "auto string openai",
    "--convert": "auto none embed classify",
    "--dtype": "auto half float16 bfloat16 float float32",
    "--expert-placement-strategy": "linear round_robin",
    "--kv-cache-dtype": "auto bfloat16 fp8 fp8_e4m3 fp8_e5m2 fp8_inc fp8_ds_mla",
    "--kv-offloading-backend": "native lmcache",
    "--logprobs-mode": "raw_logits raw_logprobs processed_logits processed_logprobs",
    "--lora-dtype": "auto float16 bfloat16",
    "--mamba-cache-dtype": "auto float32 float16",
    "--mamba-cache-mode": "all align none",
    "--mamba-ssm-cache-dtype": "auto float32 float16",
    "--max-lora-rank": "1 8 16 32 64 128 256 320 512",
    "--mm-encoder-tp-mode": "weights data",
    "--mm-processor-cache-type": "shm lru",
    "--offload-backend": "auto uva prefetch",
    "--performance-mode": "balanced interactivity throughput",
    "--prefix-caching-hash-algo": "sha256 sha256_cbor xxhash xxhash_cbor",
    "--runner": "auto generate pooling draft",
    "--scheduling-policy": "fcfs priority",
    "--uvicorn-log-level": "critical error warning info debug trace",
}
"""The values that a flag takes, where vLLM itself knows them all."""
