"""Transports in UCX's output. The lines have the form of those in public issues of openucx/ucx."""

from verify.ucx import transports

TABLES = """\
INFO 11-22 04:00:00 [nixl_connector.py:800] NIXL is ready; tcp/eth0 is only a word here
[1767.2] [n-1:13:0]   +--------------------------------+--------------------------------------+
[1767.2] [n-1:13:0]   | ucp_context_0 self cfg#0       | remote memory read by ucp_get* into host memory |
[1767.2] [n-1:13:0]   |                         0..inf | software emulation | tcp/lo           |
[1767.2] [n-1:13:0]   | ucp_context_0 inter-node cfg#2 | active message by ucp_am_send* from host memory |
[1767.2] [n-1:13:0]   +--------------------------------+-------------------+------------------+
[1767.2] [n-1:13:0]   |                         0..inf | short             | tcp/eth0         |
[1767.2] [n-1:13:0]   | ucp_context_0 inter-node cfg#2 | remote memory read by ucp_get* into rocm from rocm |
[1767.2] [n-1:13:0]   +--------------------------------+-------------------+------------------+
[1767.2] [n-1:13:0]   |                        0..2048 | copy-out          | tcp/eth0         |
"""
RDMA = "[1767.2] [n-1:13:0]   | 2049..inf | zero-copy | 50% on rc_mlx5/mlx5_0:1 and 50% on rc_mlx5/mlx5_2:1 |\n"
TCP = "[1767.2] [n-1:13:0]   | 2049..inf | software emulation | tcp/eth0 |\n"
LANES = (
    "[1763.9] [n:1:0]  ucp_worker.c:1888 UCX  INFO  ucp_context_0 self cfg#0 rma(self/memory) am(self/memory)\n"
    "[1763.9] [n:1:0]  ucp_worker.c:1888 UCX  INFO  ucp_context_0 inter-node cfg#2 {} ka(tcp/eth0)\n"
)


def test_big_blocks_by_rdma_though_small_ones_and_notifications_go_by_tcp() -> None:
    seen = transports(TABLES + RDMA)

    assert seen.rdma == {"rc_mlx5/mlx5_0:1", "rc_mlx5/mlx5_2:1"}
    assert not seen.tcp


def test_big_blocks_by_tcp() -> None:
    assert transports(TABLES + TCP).tcp == {"tcp/eth0"}
    assert not transports(TABLES + TCP).rdma


def test_without_tables_the_lanes_decide() -> None:
    assert transports(LANES.format("rma(rc_verbs/bnxt_re0:1) am(rc_verbs/bnxt_re0:1)")).rdma == {"rc_verbs/bnxt_re0:1"}
    assert transports(LANES.format("rma_am(tcp/eth1) amo_am(tcp/eth1) am(tcp/eth1)")).tcp == {"tcp/eth1"}


def test_a_keep_alive_lane_is_no_fallback() -> None:
    seen = transports(LANES.format("rma(dc_mlx5/mlx5_0:1) rma_bw(dc_mlx5/mlx5_0:1) am(tcp/eth0)"))

    assert seen.rdma == {"dc_mlx5/mlx5_0:1"}
    assert not seen.tcp


HANDSHAKE = "(EngineCore pid=77) INFO 11-28 15:12:04 [nixl_connector.py:1180] NIXL compatibility check passed\n"
OWN_WORKERS = """\
[1795.1] [d-1:77:0]   | ucp_context_0 intra-node cfg#0 | remote memory write by ucp_put* from host memory |
[1795.1] [d-1:77:0]   +--------------------------------+-------------------+------------------+
[1795.1] [d-1:77:0]   |                         0..inf | zero-copy         | cma/memory       |
"""
READ = """\
[1795.9] [d-1:77:1]   | ucp_context_0 intra-node cfg#0 | remote memory read by ucp_get*(multi) into host memory |
[1795.9] [d-1:77:1]   +--------------------------------+--------------------+------------------+
[1795.9] [d-1:77:1]   |                         0..inf | software emulation | tcp/eth0         |
"""


def test_transports_between_gpus_of_one_node_are_local() -> None:
    lanes = LANES.format("").replace("inter-node", "intra-node").replace("  ka", " rma(rocm_ipc/rocm) ka")

    assert transports(HANDSHAKE + lanes).local == {"rocm_ipc/rocm"}
    assert not transports(lanes).seen, "without a handshake it is the pod's own worker"


def test_what_nixls_workers_of_one_process_say_of_each_other_is_no_evidence() -> None:
    assert not transports(OWN_WORKERS).seen
    assert not transports(OWN_WORKERS + HANDSHAKE + OWN_WORKERS).seen, "the same configuration again"
    assert not transports(HANDSHAKE, OWN_WORKERS).seen, "the handshake is another pod's"
    assert transports(HANDSHAKE + OWN_WORKERS).local == {"cma/memory"}


def test_a_table_of_reads_is_evidence_without_vllms_handshake_line() -> None:
    seen = transports(OWN_WORKERS + READ)

    assert seen.seen == seen.tcp == {"tcp/eth0"}


def test_a_last_row_beyond_any_size_is_not_the_row_for_big_blocks() -> None:
    rows = (
        "[1767.2] [n-1:13:0]   | 2049..18446744073709551590 | zero-copy | rc_mlx5/mlx5_0:1 |\n"
        "[1767.2] [n-1:13:0]   | 18446744073709551591..inf | software emulation | tcp/eth0 |\n"
    )

    assert transports(TABLES + rows).seen == {"rc_mlx5/mlx5_0:1"}
    assert transports(TABLES + rows.splitlines()[1]).seen == frozenset()


def test_a_log_without_ucx_shows_nothing() -> None:
    assert not transports("INFO: 10.0.0.1:5555 - GET /v1/models\nUCX_TLS=tcp,self inter-node\n").seen
