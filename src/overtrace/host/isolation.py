"""What this machine can run foreign images in."""

import shutil

from overtrace.errors import BadOption
from overtrace.host.cgroups import can_make
from overtrace.host.containers import Engine


def find_engine() -> Engine:
    """What runs containers here.

    Raises:
        BadOption: if nothing does.
    """
    if shutil.which("podman") is None or shutil.which("runc") is None:
        raise BadOption("this machine cannot run foreign images: apt-get install podman runc")
    return Engine("podman", "runc", can_make())
