"""Several hosts for real: a scheduler, three workers and an S3 server, each with a network address of its own."""

import json
import time
from pathlib import Path

import numpy as np
import pyogrio

from benchmarks.scene import write_image
from overtrace.trace.options import Options
from overtrace.trace.pipeline import trace
from tests.support.hosts import Hosts, open_hosts
from tests.support.identity_model import write_identity_model

SIZE = 2048
CLIENT, SERVER, *WORKERS = range(5)
PATIENCE_S = 300

UPLOAD = """
import sys, time, urllib.request
import obstore
from obstore.store import S3Store
endpoint, image = sys.argv[1:]
for _ in range(600):
    try:
        urllib.request.urlopen(urllib.request.Request(endpoint + "/mosaic", method="PUT"))
        break
    except OSError:
        time.sleep(0.1)
obstore.put(S3Store.from_url("s3://mosaic"), "canopy.tif", open(image, "rb"))
"""
COUNT = """
import obstore
from obstore.store import S3Store
pages = obstore.list(S3Store.from_url("s3://mosaic"))
print(sum("answer-" in entry["path"] for page in pages for entry in page))
"""


def read_table(path: Path) -> list[np.ndarray]:
    """Columns and geometries of a file of polygons, by id."""
    meta, _, geometry, columns = pyogrio.raw.read(path)
    table = dict(zip(meta["fields"], columns, strict=True))
    order = np.argsort(table["id"])
    return [geometry[order], *(table[name][order] for name in sorted(table) if name != "image")]


def environment(hosts: Hosts) -> dict[str, str]:
    """Of every host: how the S3 server is reached, and that who is cut off is missed soon."""
    server = f"{hosts.address(SERVER)}:5000"
    return {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT": f"http://{server}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_S3_ENDPOINT": server,
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
        "OMP_NUM_THREADS": "1",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",
        "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "20s",
    }


def test_three_hosts_of_which_one_is_cut_off_give_the_same_bytes(tmp_path):
    private = tmp_path / "private"
    private.mkdir()
    image, model = write_image(private / "canopy.tif", SIZE), write_identity_model(private / "identity.onnx")
    trace([image], [tmp_path / "whole.gpkg"], Options(model=str(model), block=2048))
    with open_hosts(5, private) as hosts:
        variables = environment(hosts)

        def start(host: int, name: str, *arguments: str):
            return hosts.start(host, list(arguments), variables, tmp_path / f"{name}.log")

        start(SERVER, "server", "-m", "moto.server", "-H", hosts.address(SERVER), "-p", "5000")
        upload = start(CLIENT, "upload", "-c", UPLOAD, f"http://{hosts.address(SERVER)}:5000", str(image))
        scheduler = f"tcp://{hosts.address(CLIENT)}:8786"
        start(CLIENT, "scheduler", "-m", "distributed.cli.dask_scheduler", "--host", hosts.address(CLIENT))
        for host in WORKERS:
            options = ["--nthreads", "1", "--no-dashboard", "--death-timeout", "120"]
            options += ["--local-directory", f"/tmp/{tmp_path.name}-{host}", "--host", hosts.address(host)]
            start(host, f"worker{host}", "-m", "distributed.cli.dask_worker", scheduler, *options)
        assert upload.wait(PATIENCE_S) == 0
        out = tmp_path / "out.gpkg"
        command = ["-c", "from overtrace.cli.main import main; main()", "trace", "/vsis3/mosaic/canopy.tif", "--json"]
        command += ["--out", str(out), "--model", str(model), "--block", "256"]
        command += ["--cluster", scheduler, "--scratch", "s3://mosaic/scratch"]
        run = start(CLIENT, "client", *command)
        cut_off_when(lambda: count_answers(start, tmp_path) >= 3, hosts, run)
        assert run.wait(PATIENCE_S) == 0, (tmp_path / "client.log").read_text()
        said = (tmp_path / "client.log").read_text()
        assert "is gone: others do " in said
        assert json.loads(said[said.index("{") :])["cluster"]["again"] > 0
        assert count_answers(start, tmp_path) == 0, "the scratch store was left behind"
    for one, other in zip(read_table(out), read_table(tmp_path / "whole.gpkg"), strict=True):
        assert np.array_equal(one, other)


def count_answers(start, folder: Path) -> int:
    """Blocks of which the network has spoken, as the S3 server knows."""
    log = folder / "count.log"
    log.unlink(missing_ok=True)
    assert start(CLIENT, "count", "-c", COUNT).wait(PATIENCE_S) == 0, log.read_text()
    return int(log.read_text())


def cut_off_when(ready, hosts: Hosts, run) -> None:
    """Cut a worker off as soon as the work has begun."""
    end = time.monotonic() + PATIENCE_S
    while not ready():
        assert run.poll() is None, "it ended before"
        assert time.monotonic() < end, "it did not begin"
    hosts.cut_off(WORKERS[1])
