"""A Ray cluster of two nodes on this machine, for the tests: real processes with addresses of their own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pickaxe.kernel.system.lock import WriterLock

MEMORY = 80_000_000
"""Of a node's object store, in bytes."""


class RayCluster:
    """A head without cores and one node; more can be added and killed."""

    def __init__(self, cores: int) -> None:
        os.environ |= {
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_failure_threshold": "3",
            "RAY_health_check_initial_delay_ms": "1000",
            "PYTHONPATH": os.pathsep.join([str(Path("src").absolute()), str(Path.cwd())]),
        }
        from ray.cluster_utils import Cluster

        self._cluster: Any = Cluster()
        # 127.0.0.1 hangs: every node needs an address that is not the driver's.
        self._cluster.add_node(num_cpus=0, node_ip_address="127.0.0.2", object_store_memory=MEMORY, include_dashboard=False)
        self.add(cores, "127.0.0.3")
        self.url = f"ray://{self._cluster.address}"

    def add(self, cores: int, address: str) -> Any:
        node = self._cluster.add_node(num_cpus=cores, node_ip_address=address, object_store_memory=MEMORY)
        self._cluster.wait_for_nodes()
        return node

    def kill(self, node: Any) -> None:
        """As a power cut would: no goodbye. The cluster notices in a few seconds; see `without`."""
        self._cluster.remove_node(node, allow_graceful=False)

    def without(self, address: str) -> bool:
        """Whether the cluster knows that the node at `address` is gone (asked of the Ray that this process is connected to)."""
        import ray

        return all(node["NodeManagerAddress"] != address for node in ray.nodes() if node["Alive"])

    def close(self) -> None:
        self._cluster.shutdown()


@contextmanager
def ray_cluster(cores: int = 2) -> Iterator[RayCluster]:
    """Skips the test where Ray is not installed."""
    import pytest

    pytest.importorskip("ray", reason="Ray is not installed: pip install 'pickaxe[ray]'")
    before = dict(os.environ)
    # A machine has the addresses of one cluster, whichever process of the tests wants it.
    with WriterLock(Path(tempfile.gettempdir()) / "pickaxe-tests-ray.lock").acquire(wait=1500):
        cluster = RayCluster(cores)
        try:
            yield cluster
        finally:
            cluster.close()
            os.environ.clear()
            os.environ.update(before)
