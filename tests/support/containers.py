"""Container images made without an engine: an interpreter with its libraries, and a program; and a contest for them."""

import hashlib
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PACKAGES = ("collections", "encodings", "importlib", "json", "re")
MODULES = (
    "_json",
    "_struct",
    "zlib",
    "_socket",
    "math",
    "array",
    "select",
    "fcntl",
    "_posixsubprocess",
    "binascii",
    "unicodedata",
)


def make_base(path: Path) -> Path:
    """A layer with this interpreter, its standard library and the libraries that they need."""
    binary = Path(os.path.realpath(sys.executable))
    library = Path(sysconfig.get_paths()["stdlib"])
    dynamic = [Path(sysconfig.get_config_var("DESTSHARED") or library / "lib-dynload")]
    files = {binary: f"opt/bin/python{sys.version_info[0]}.{sys.version_info[1]}"}
    extensions = [file for folder in dynamic for file in folder.glob("*.so") if file.name.split(".")[0] in MODULES]
    inside = f"opt/lib/python{sys.version_info[0]}.{sys.version_info[1]}"
    for file in extensions:
        files[file] = f"{inside}/lib-dynload/{file.name}"
    packages = [file for package in PACKAGES for file in (library / package).rglob("*.py")]
    for file in sorted([*library.glob("*.py"), *packages]):
        files[file] = f"{inside}/{file.relative_to(library)}"
    said = subprocess.run(["ldd", str(binary), *map(str, extensions)], capture_output=True, text=True).stdout
    for shared in sorted(set(re.findall(r"(/\S+\.so\S*) \(0x", said))):
        files[Path(shared)] = shared.lstrip("/")
    with tarfile.open(path, "w") as tar:
        for folder in ("tmp", "input", "output", "weights"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for file, name in files.items():
            data = file.read_bytes()
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
    return path


def make_image(path: Path, base: Path, program: str, files: dict[str, bytes] | None = None) -> Path:
    """A docker-archive whose only program is ``/program.py``.

    Args:
        base: of ``make_base``.
        files: what else it holds.
    """
    layer = _pack({"program.py": program.encode(), **(files or {})})
    with base.open("rb") as file:
        digests = [hashlib.file_digest(file, "sha256").hexdigest(), hashlib.sha256(layer).hexdigest()]
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": [f"/opt/bin/{version}", "-S", "-u", "/program.py"],
            "Env": ["PYTHONHOME=/opt", "PYTHONDONTWRITEBYTECODE=1"],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created": "2026-01-01T00:00:00Z"}] * 2,
    }
    settings = json.dumps(config).encode()
    name = hashlib.sha256(settings).hexdigest()
    manifest = [{"Config": f"{name}.json", "RepoTags": ["localhost/team:1"], "Layers": ["base.tar", "program.tar"]}]
    with tarfile.open(path, "w") as tar:
        for inside, data in ((f"{name}.json", settings), ("program.tar", layer)):
            _add(tar, inside, data)
        tar.add(base, "base.tar")
        _add(tar, "manifest.json", json.dumps(manifest).encode())
    return path


def _pack(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            _add(tar, name, data)
    return out.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))


SIDE = 48
CELL = 12
SETS = {"dark": 60, "light": 200}
"""Ground of each data set."""
CROWN = 40
"""By which a crown's green lies above the ground."""


def make_contest(folder: Path, images: int = 4, seed: int = 0, **container: Any) -> Path:
    """An ITC contest of two data sets that differ in how light their ground is; its file."""
    rng = np.random.default_rng(seed)
    (folder / "truth").mkdir(parents=True)
    number = 0
    for part, ground in SETS.items():
        (folder / "images" / part).mkdir(parents=True)
        listed: list[dict[str, Any]] = []
        crowns: list[dict[str, Any]] = []
        for i in range(images):
            number += 1
            pixels = np.full((SIDE, SIDE, 3), ground, np.uint8)
            for y, x in np.ndindex(SIDE // CELL, SIDE // CELL):
                if rng.random() < 0.4:
                    continue
                top, left = y * CELL + 2, x * CELL + 2
                height, width = rng.integers(4, 9, 2).tolist()
                if rng.random() < 0.8:  # the others nobody can see
                    pixels[top : top + height, left : left + width, 1] += CROWN
                ring = [left, top, left + width, top, left + width, top + height, left, top + height]
                crowns.append(
                    {
                        "id": len(crowns) + 1,
                        "image_id": number,
                        "category_id": 1,
                        "segmentation": [ring],
                        "area": height * width,
                        "bbox": [left, top, width, height],
                        "iscrowd": 0,
                    }
                )
            name = f"{part}_{i}.png"
            Image.fromarray(pixels).save(folder / "images" / part / name)
            listed.append({"id": number, "file_name": name, "height": SIDE, "width": SIDE})
        content = {"images": listed, "categories": [{"id": 1, "name": "crown"}], "annotations": crowns}
        (folder / "truth" / f"{part}.json").write_text(json.dumps(content))
    limits = {"seconds": 30, "memory_bytes": 2**27, "cpus": 1, "processes": 32, "tmp_bytes": 2**22, **container}
    limits = {"output_bytes": 2**24, "image_bytes": 2**29, **limits}
    text = f"""name: woods
title: Woods
challenge: itc
organisers: [{{name: Olga, email: olga@example.org}}]
phases:
  - name: test
    title: Test
    start: 2026-01-01T00:00:00+00:00
    end: 2026-02-01T00:00:00+00:00
    truth: truth
    images: images
    boards: [{{name: ap50, title: AP50}}]
replication: {{tolerance: 0.01, container: {json.dumps(limits)}}}
"""
    (folder / "contest.yaml").write_text(text)
    return folder / "contest.yaml"


MODEL = (-1.0, 1.0, 0.0, -20.0)
"""Of red, green, blue, and 1: a crown is where the sum is above 0."""


def write_weights(path: Path, *models: tuple[float, ...]) -> Path:
    """Safetensors, one tensor for each model, in which other numbers follow: shuffled, it finds nothing."""
    data = b"".join(struct.pack("<4f", *model) + struct.pack("<f", -1000) * 60 for model in models)
    entries = {
        f"model{i}": {"dtype": "F32", "shape": [64], "data_offsets": [256 * i, 256 * i + 256]}
        for i in range(len(models))
    }
    head = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)
    return path


def digest(path: Path) -> str:
    """SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


LIBRARY = '''
import json, os, struct, sys, zlib

ROOT = sys.argv[1] if sys.argv[1:] else ""


def read_models(path):
    data = open(path, "rb").read()
    length = struct.unpack_from("<Q", data)[0]
    head = json.loads(data[8 : 8 + length])
    return [struct.unpack_from("<4f", data, 8 + length + head[name]["data_offsets"][0]) for name in sorted(head)]


def read_png(path):
    data = open(path, "rb").read()
    place, packed = 8, b""
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + length]
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", body)
        if kind == b"IDAT":
            packed += body
        place += 12 + length
    raw, stride, rows, last = zlib.decompress(packed), width * 3, [], bytes(width * 3)
    for y in range(height):
        how, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
        for x in range(stride):
            left = line[x - 3] if x >= 3 else 0
            up, corner = last[x], last[x - 3] if x >= 3 else 0
            if how == 1:
                add = left
            elif how == 2:
                add = up
            elif how == 3:
                add = (left + up) // 2
            elif how == 4:
                guess = left + up - corner
                far = [abs(guess - left), abs(guess - up), abs(guess - corner)]
                add = (left, up, corner)[far.index(min(far))]
            else:
                add = 0
            line[x] = (line[x] + add) & 255
        rows.append([tuple(line[x : x + 3]) for x in range(0, stride, 3)])
        last = bytes(line)
    return rows


def find_boxes(rows, model):
    r, g, b, one = model
    left = {(y, x) for y, row in enumerate(rows) for x, p in enumerate(row) if r * p[0] + g * p[1] + b * p[2] + one > 0}
    boxes = []
    while left:
        first = min(left)
        left.discard(first)
        stack, found = [first], [first]
        while stack:
            y, x = stack.pop()
            for near in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if near in left:
                    left.discard(near)
                    stack.append(near)
                    found.append(near)
        ys, xs = [p[0] for p in found], [p[1] for p in found]
        boxes.append((min(xs), min(ys), max(xs) + 1, max(ys) + 1))
    return boxes


def answer(choose):
    """Answers all images by the model that is chosen for each."""
    listed = json.load(open(ROOT + "/input/images.json"))
    rows = []
    for name, number in sorted(listed.items()):
        pixels = read_png(ROOT + "/input/images/" + name)
        for x0, y0, x1, y1 in find_boxes(pixels, choose(name, pixels)):
            ring = [x0, y0, x1, y0, x1, y1, x0, y1]
            score = round(0.5 + (x1 - x0) / 100, 3)
            rows.append({"image_id": number, "category_id": 1, "segmentation": [ring], "score": score})
    with open(ROOT + "/output/answer.json", "w") as file:
        json.dump(rows, file)
    print("answered", len(listed), "images")


def weights():
    (name,) = os.listdir(ROOT + "/weights")
    return read_models(ROOT + "/weights/" + name)
'''
HONEST = LIBRARY + "\nmodel = weights()[0]\nanswer(lambda name, pixels: model)\n"


def answer_here(contest: Path, program: str, weights: Path, folder: Path) -> Path:
    """What a program answers to the images under their own names, without a container; COCO results."""
    for name in ("input/images", "weights", "output"):
        (folder / name).mkdir(parents=True)
    numbers = {}
    for truth in sorted((contest.parent / "truth").glob("*.json")):
        for image in json.loads(truth.read_text())["images"]:
            shutil.copy(contest.parent / "images" / truth.stem / image["file_name"], folder / "input" / "images")
            numbers[image["file_name"]] = image["id"]
    (folder / "input" / "images.json").write_text(json.dumps(numbers))
    shutil.copy(weights, folder / "weights")
    (folder / "program.py").write_text(program)
    subprocess.run([sys.executable, folder / "program.py", str(folder)], check=True, capture_output=True)
    return folder / "output" / "answer.json"
