"""The flags of `vllm serve` in vLLM 0.11.2, by what follows them.

Read from its source distribution: vllm/engine/arg_utils.py, the dataclasses of vllm/config that it turns into flags,
vllm/entrypoints/openai/cli_args.py and vllm/entrypoints/cli/serve.py. Names only, typed by hand: this version does
not run in the sandbox (its wheel needs a glibc of 2.38), so that its own parser was not asked.
"""

from sandbox.pods.vllm.kinds import Kind

FLAGS = {
    Kind.FLAG: """
        --aggregate-engine-logging --disable-log-stats --disable-mm-preprocessor-cache
        --enable-multimodal-encoder-data-parallel --headless
    """,
    Kind.SWITCH: """
        --allow-credentials --async-scheduling --calculate-kv-scales --data-parallel-external-lb/-dpe
        --data-parallel-hybrid-lb/-dph --disable-cascade-attn --disable-chunked-mm-input --disable-custom-all-reduce
        --disable-fastapi-docs --disable-frontend-multiprocessing --disable-hybrid-kv-cache-manager
        --disable-log-requests --disable-nccl-for-dp-synchronization --disable-sliding-window
        --disable-uvicorn-access-log --enable-auto-tool-choice --enable-chunked-prefill --enable-dbo --enable-eplb
        --enable-expert-parallel --enable-force-include-usage --enable-log-outputs --enable-log-requests --enable-lora
        --enable-mm-embeds --enable-prefix-caching --enable-prompt-embeds --enable-prompt-tokens-details
        --enable-request-id-headers --enable-server-load-tracking --enable-sleep-mode --enable-ssl-refresh
        --enable-tokenizer-info-endpoint --enforce-eager --eplb-log-balancedness --exclude-tools-when-tool-choice-none
        --fully-sharded-loras --interleave-mm-strings --kv-sharing-fast-prefill --log-error-stack
        --ray-workers-use-nsight --return-tokens-as-token-ids --skip-mm-profiling --skip-tokenizer-init --tokens-only
        --trust-remote-code --trust-request-chat-template --use-tqdm-on-load
    """,
    Kind.INTEGER: """
        --api-server-count/-asc --block-size --data-parallel-rank/-dpn --data-parallel-rpc-port/-dpp
        --data-parallel-size-local/-dpl --data-parallel-size/-dp --data-parallel-start-rank/-dpr
        --dbo-decode-token-threshold --dbo-prefill-token-threshold --dcp-kv-cache-interleave-size
        --decode-context-parallel-size/-dcp --eplb-step-interval --eplb-window-size --h11-max-header-count
        --h11-max-incomplete-event-size --long-prefill-token-threshold --lora-extra-vocab-size --mamba-block-size
        --master-port --max-cpu-loras --max-cudagraph-capture-size --max-log-len --max-logprobs
        --max-long-partial-prefills --max-lora-rank --max-loras --max-num-partial-prefills --max-num-seqs
        --max-parallel-loading-workers --mm-shm-cache-max-object-size-mb --nnodes/-n --node-rank/-r
        --num-gpu-blocks-override --num-lookahead-slots --num-redundant-experts --pipeline-parallel-size/-pp --port
        --seed --ssl-cert-reqs --stream-interval --tensor-parallel-size/-tp
    """,
    Kind.INTEGERS: """
        --cuda-graph-sizes --cudagraph-capture-sizes
    """,
    Kind.SIZE: """
        --kv-cache-memory-bytes --max-model-len --max-num-batched-tokens
    """,
    Kind.NUMBER: """
        --cpu-offload-gb --gpu-memory-utilization --kv-offloading-size --mm-processor-cache-gb --swap-space
        --video-pruning-rate
    """,
    Kind.JSON: """
        --allowed-headers --allowed-methods --allowed-origins --compilation-config/-O --default-mm-loras
        --ec-transfer-config --eplb-config --kv-events-config --kv-transfer-config --limit-mm-per-prompt
        --media-io-kwargs --mm-processor-kwargs --override-generation-config --override-pooler-config --pooler-config
        --speculative-config --structured-outputs-config
    """,
    Kind.TEXT: """
        --additional-config --all2all-backend --allowed-local-media-path --chat-template --chat-template-content-format
        --code-revision --config --config-format --convert --data-parallel-address/-dpa --data-parallel-backend/-dpb
        --distributed-executor-backend --download-dir --dtype --expert-placement-strategy --generation-config
        --guided-decoding-backend --guided-decoding-disable-additional-properties
        --guided-decoding-disable-any-whitespace --guided-decoding-disable-fallback --hf-config-path --hf-overrides
        --host --io-processor-plugin --kv-cache-dtype --kv-offloading-backend --load-format --log-config-file
        --logits-processor-pattern --logprobs-mode --lora-dtype --mamba-cache-dtype --mamba-ssm-cache-dtype
        --master-addr --middleware --mm-encoder-attn-backend --mm-encoder-tp-mode --mm-processor-cache-type --model
        --model-impl --model-loader-extra-config --otlp-traces-endpoint --override-attention-dtype
        --prefix-caching-hash-algo --pt-load-map-location --quantization/-q --reasoning-parser --reasoning-parser-plugin
        --response-role --revision --root-path --runner --safetensors-load-strategy --scheduler-cls --scheduling-policy
        --show-hidden-metrics-for-version --ssl-ca-certs --ssl-certfile --ssl-keyfile --task --tokenizer
        --tokenizer-mode --tokenizer-revision --tool-call-parser --tool-parser-plugin --tool-server --uds
        --uvicorn-log-level --worker-cls --worker-extension-cls
    """,
    Kind.TEXTS: """
        --allowed-media-domains --api-key --collect-detailed-traces --ignore-patterns --logits-processors --lora-modules
        --served-model-name
    """,
    Kind.MAYBE: """
        --hf-token
    """,
}
"""Long and short names of a flag are one word, joined by a slash."""

CHOICES = {
    "--all2all-backend": """
        naive pplx deepep_high_throughput deepep_low_latency allgather_reducescatter flashinfer_all2allv None
    """,
    "--block-size": "1 8 16 32 64 128 256",
    "--chat-template-content-format": "auto string openai",
    "--convert": "auto none embed classify reward",
    "--dtype": "auto half float16 bfloat16 float float32",
    "--expert-placement-strategy": "linear round_robin",
    "--kv-cache-dtype": "auto bfloat16 fp8 fp8_e4m3 fp8_e5m2 fp8_inc fp8_ds_mla",
    "--kv-offloading-backend": "native lmcache None",
    "--logprobs-mode": "raw_logits raw_logprobs processed_logits processed_logprobs",
    "--lora-dtype": "auto float16 bfloat16",
    "--lora-extra-vocab-size": "256 512",
    "--mamba-cache-dtype": "auto float32",
    "--mamba-ssm-cache-dtype": "auto float32",
    "--max-lora-rank": "1 8 16 32 64 128 256 320 512",
    "--mm-encoder-tp-mode": "weights data",
    "--mm-processor-cache-type": "shm lru",
    "--prefix-caching-hash-algo": "sha256 sha256_cbor",
    "--quantization": """
        awq deepspeedfp tpu_int8 fp8 ptpc_fp8 fbgemm_fp8 fp_quant modelopt modelopt_fp4 bitblas gguf gptq_marlin_24
        gptq_marlin gptq_bitblas awq_marlin gptq compressed-tensors bitsandbytes hqq experts_int8 ipex quark moe_wna16
        torchao auto-round rtn inc mxfp4 petit_nvfp4 None
    """,
    "--runner": "auto generate pooling draft",
    "--scheduling-policy": "fcfs priority",
    "--task": "auto generate embedding embed classify score reward transcription draft None",
    "--tokenizer-mode": "auto slow mistral custom",
    "--uvicorn-log-level": "debug info warning error critical trace",
}
"""The values that a flag takes, where vLLM itself knows them all."""
