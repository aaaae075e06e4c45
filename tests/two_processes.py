"""A small run by itself, and on two other processes: python two_processes.py. Prints the digests of both as JSON."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys

import keras
import tensorflow as tf

import samplevis

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


def digest(names: list[str] | None) -> str:
    """Of the draws."""
    samples = samplevis.render(
        network,
        "last:1",
        dict(num_results=3, num_burnin_steps=2, num_leapfrog_steps=3, num_chains=4, num_transforms=2),
        im_size=16,
        transforms=samplevis.transform.jitter(2),
        smooth=None,
        optimize_steps=8,
        anneal_steps=25,
        progress=False,
        devices=names,
    )
    return hashlib.sha256(samples.latents.tobytes()).hexdigest()


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
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, 2, activation="relu")(image)
    network = samplevis.Network(keras.Model(image, keras.layers.Conv2D(8, 3, 2, name="last")(x)))
    two = [f"/job:worker/task:{number}/device:CPU:0" for number in range(2)]
    print(json.dumps([digest(["/job:client/device:CPU:0"]), digest(two)]))
finally:
    for server in servers:
        server.kill()
