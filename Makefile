# Needs git, make and Python 3.11 or newer. Everything else is installed in this folder or in the per-user cache, once.
#
#   make up STACK=amd [NODES=2] [SET="serving.hostNetwork=true …"]    start the sandbox and deploy a stack
#   make up STACK=… CLUSTER=aws-efa                                    the same with the nodes of another cluster
#   make up STACK=amd MODEL_SERVER=vllm [MODEL_SERVER_TP=2]             real vLLM and NIXL on the CPU (simulator: undo)
#   make preview | refresh | destroy | shell [STACK=…]                 the same as with `pulumi`, in the sandbox
#   make policy [STACK=…]                                              a preview with the policy pack
#   make preflight STACK=amd                                           check the cluster for an `up`; change nothing
#   make chat [PROMPT="…"]                                             send a prompt; print the path of the request
#   make verify STACK=amd                                              prove that the stack serves and disaggregates
#   make status [FOLLOW=1] | logs POD=decode [CONTAINER=…] [FOLLOW=1]  pods, nodes and queues; logs of containers
#   make size ARGS="org/model --gpu H200 …"                            does it fit, and how many workers; without a stack
#   make pr-diff BASE=origin/main [STACKS="amd …"] [OUT=diff.md]       what this work tree changes, as Markdown
#   make down [PURGE=1]                                                stop the sandbox (and delete its data)
#   make tools | test | test-thorough | test-vllm | test-all | lint | bench | bench-datapath | bench-growth | bench-tools   to change the program
#   make test-vllm RELEASE=0.9                                         the vLLM of a newer release: writes docs/releases.md
#   make clean | clean-tools                                           delete files of this checkout; the per-user cache
#
# SANDBOX=<name> selects another sandbox beside the first. DOWNLOAD=never builds every tool.

STACK ?= amd
NODES ?=
CLUSTER ?=
SET ?=
MODEL_SERVER ?=
MODEL_SERVER_TP ?=
PURGE ?=
PROMPT ?=
POD ?=
CONTAINER ?=
FOLLOW ?=
BASE ?=
STACKS ?=
OUT ?=
ARGS ?=
RELEASE ?=

# Every preview, test and benchmark would compile the program again.
unexport PYTHONDONTWRITEBYTECODE

PYTHON = .venv/bin/python
SANDBOXED = .venv/.sandbox-is-installed
DEVELOPED = .venv/.dev-is-installed
PACKED = policy/.venv/.is-installed
# The tests of one file run in one process, because they build on each other. Each process has its own sandbox.
BOTH_CORES = -n auto --dist loadfile
# Thorough tests wait for pods a third of their time: one process more than there are cores.
ONE_MORE = -n $$(($$(nproc) + 1)) --dist loadfile --no-loadscope-reorder
COMMAND = @$(PYTHON) -m sandbox $@
ON_STACK = --stack $(STACK) $(if $(NODES),--nodes $(NODES)) $(if $(CLUSTER),--cluster '$(CLUSTER)') $(foreach one,$(SET),--set '$(one)') $(if $(ARGS),-- $(ARGS))

SERVER = $(if $(MODEL_SERVER),--model-server $(MODEL_SERVER)) $(if $(MODEL_SERVER_TP),--model-server-tp $(MODEL_SERVER_TP))

.PHONY: help up preview policy refresh destroy shell preflight verify size chat status logs pr-diff down tools test test-thorough test-vllm test-all lint bench bench-datapath bench-growth bench-tools clean clean-tools
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help:
	@sed -n '/^#   /s/^#   //p' Makefile

up: $(SANDBOXED)
	$(COMMAND) $(SERVER) $(ON_STACK)

preview refresh destroy shell preflight verify: $(SANDBOXED)
	$(COMMAND) $(ON_STACK)

size: $(SANDBOXED)
	@$(PYTHON) -m sizing $(ARGS)

policy: $(SANDBOXED) $(PACKED)
	$(COMMAND) $(ON_STACK)

export PROMPT
chat: $(SANDBOXED)
	$(COMMAND) --stack $(STACK) $(if $(PROMPT),--prompt "$$PROMPT")

status: $(SANDBOXED)
	$(COMMAND) $(if $(FOLLOW),--follow)

logs: $(SANDBOXED)
	$(COMMAND) $(if $(POD),--pod '$(POD)') $(if $(CONTAINER),--container '$(CONTAINER)') $(if $(FOLLOW),--follow)

pr-diff: $(SANDBOXED)
	@test -n '$(BASE)' || { echo "error: set BASE to the branch to compare with, such as BASE=origin/main" >&2; exit 2; }
	$(COMMAND) --base '$(BASE)' $(foreach one,$(STACKS),--stack $(one)) $(if $(OUT),--output '$(OUT)') $(if $(CLUSTER),--cluster '$(CLUSTER)')

down: $(SANDBOXED)
	$(COMMAND) $(if $(PURGE),--purge)

tools: $(DEVELOPED) $(PACKED)
	@$(PYTHON) -m sandbox.toolchain > /dev/null

test: tools
	$(PYTHON) -m pytest $(BOTH_CORES) -m "not thorough and not vllm" $(ARGS)

test-thorough: tools
	@$(PYTHON) -m sandbox.toolchain kwok > /dev/null
	$(PYTHON) -m pytest $(ONE_MORE) -m thorough $(ARGS)

# Real vLLM: one process, because other work would distort these tests. RELEASE: the vLLM of a newer release; the command
# writes the result into docs/releases.md.
test-vllm: tools
	$(if $(RELEASE),RELEASE='$(RELEASE)' )$(PYTHON) -m pytest -m vllm $(if $(RELEASE),tests/vllm/test_newer.py )$(ARGS)

test-all: test test-thorough test-vllm

lint: $(DEVELOPED)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m sandbox.progress mypy $(PYTHON) -m mypy .
	$$($(PYTHON) -m sandbox.toolchain actionlint) .github/workflows/*.yml

bench: $(DEVELOPED)
	$(PYTHON) -m bench.program_cost $(ARGS)
	$(PYTHON) -m bench.first_run
	$(PYTHON) -m bench.helm

bench-datapath: $(DEVELOPED)
	$(PYTHON) -m bench.datapath

bench-tools: $(DEVELOPED)
	$(PYTHON) -m bench.tools

bench-growth: $(DEVELOPED)
	@$(PYTHON) -m sandbox.toolchain kwok > /dev/null
	$(PYTHON) -m bench.growth $(ARGS)

clean:
	@for home in .sandbox/*/; do \
	  if [ -d "$$home" ]; then $(PYTHON) -m sandbox down --purge --name "$$(basename "$$home")" || exit 1; fi; \
	done
	rm -rf .venv policy/.venv .sandbox .mypy_cache .ruff_cache .pytest_cache sdks
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "The tools stay in the per-user cache. \`make clean-tools\` deletes them."

clean-tools:
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/llm-d-pd"

# The virtual environments: created if missing, updated if a lock file is newer.
$(SANDBOXED): requirements-sandbox.lock requirements.lock
	$(call installed,requirements-sandbox.lock)
	@touch $@

$(DEVELOPED): requirements-dev.lock requirements-sandbox.lock requirements.lock
	$(call installed,requirements-dev.lock)
	@touch $@ $(SANDBOXED)

$(PACKED): policy/requirements.lock | $(SANDBOXED)
	@$(PYTHON) -m sandbox.installing policy/.venv policy/requirements.lock
	@touch $@

define installed
@python=; \
for one in python3 python3.14 python3.13 python3.12 python3.11; do \
  if $$one -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then python=$$one; break; fi; \
done; \
if [ -z "$$python" ]; then \
  echo "error: Python 3.11 or newer is needed; found: $$(python3 --version 2>&1 || true). Install one, such as" >&2; \
  echo "python3.12 of your distribution, so that python3 or python3.11 … python3.14 is on PATH." >&2; exit 1; \
fi; \
$$python -m sandbox.installing .venv $(1)
endef
