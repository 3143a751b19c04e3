"""What UCX prints, and which way KV blocks take. The lines have the form of those in openucx/ucx's public issues."""

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


def test_without_tables_the_lanes_tell() -> None:
    assert transports(LANES.format("rma(rc_verbs/bnxt_re0:1) am(rc_verbs/bnxt_re0:1)")).rdma == {"rc_verbs/bnxt_re0:1"}
    assert transports(LANES.format("rma_am(tcp/eth1) amo_am(tcp/eth1) am(tcp/eth1)")).tcp == {"tcp/eth1"}


def test_a_keep_alive_lane_is_no_fallback() -> None:
    seen = transports(LANES.format("rma(dc_mlx5/mlx5_0:1) rma_bw(dc_mlx5/mlx5_0:1) am(tcp/eth0)"))

    assert seen.rdma == {"dc_mlx5/mlx5_0:1"}
    assert not seen.tcp


def test_between_gpus_of_one_node() -> None:
    log = LANES.format("").replace("inter-node", "intra-node").replace("  ka", " rma(rocm_ipc/rocm) ka")

    assert transports(log).local == {"rocm_ipc/rocm"}


def test_a_log_without_ucx_shows_nothing() -> None:
    assert not transports("INFO: 10.0.0.1:5555 - GET /v1/models\nUCX_TLS=tcp,self inter-node\n").seen
