"""A small run by itself, and on two other processes: Prints JSON, the digests of both."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import tensorflow as tf
from device_run import digest, small_network

SERVER = """
import json, sys
import tensorflow as tf
addresses, number = json.loads(sys.argv[1]), int(sys.argv[2])
server = tf.distribute.Server({"worker": addresses}, job_name="worker", task_index=number)
print("up", flush=True)
server.join()
"""


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


addresses = [f"localhost:{free_port()}" for _ in range(2)]
servers = [
    subprocess.Popen([sys.executable, "-c", SERVER, json.dumps(addresses), str(number)], stdout=subprocess.PIPE)
    for number in range(2)
]
try:
    for server in servers:
        assert server.stdout.readline() == b"up\n"
    tf.config.experimental_connect_to_cluster(
        tf.train.ClusterSpec({"worker": addresses}), job_name="client", protocol="grpc"
    )
    network = small_network()
    two = [f"/job:worker/task:{number}/device:CPU:0" for number in range(2)]
    print(json.dumps([digest(network, ["/job:client/device:CPU:0"]), digest(network, two)]))
finally:
    for server in servers:
        server.kill()
