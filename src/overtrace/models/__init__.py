"""The model file: its card, the runtimes that run it, and the files that are shipped."""

import sys

# OpenVINO and NNCF tell Google Analytics of each model that they read, out of a forked process, where they find this
# package. Nobody asked for that.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
