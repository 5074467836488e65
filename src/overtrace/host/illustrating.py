"""Errors of a submission drawn, in the scorer's process, which alone has the truth."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.challenge import Choose, Verdict
from overtrace.challenges.evidence import Evidence, LabelPicture, Picture, worst
from overtrace.challenges.photos import Photo, Photos, encode_labels
from overtrace.challenges.report import JUDGED, MOST_CLASSES_SHOWN, trace_paths
from overtrace.host.draws import pack
from overtrace.host.sheets import ClassShare, Drawn, Judged, Line, Sheet

MOST_BYTES = 24 * 2**20
"""Of photos and maps of one sheet; pictures beyond are left out."""


def draw_sheet(verdict: Verdict, photos: Photos | None, most: int) -> tuple[str, dict[str, str]]:
    """The SHA-256 of a sheet, which is kept as JSON, and all its blobs in base64 by theirs.

    Args:
        verdict: whose evidence is asked for here.
        photos: what pictures are drawn over; None for a plain ground.
        most: how many of the worst images are drawn, and how many by lot.
    """
    chosen: dict[int, bool] = {}
    evidence = verdict.explain(_choose(most, chosen))
    blobs: dict[str, str] = {}
    pictures: list[Drawn] = []
    drawn: tuple[Picture | LabelPicture, ...] = (*evidence.pictures, *evidence.label_pictures)
    for picture in drawn:
        if sum(map(len, blobs.values())) > MOST_BYTES:
            break
        is_worst = chosen[picture.row]
        if isinstance(picture, Picture):
            pictures.append(_draw(picture, photos, is_worst, blobs))
        else:
            pictures.append(_draw_labels(picture, photos, is_worst, evidence, blobs))
    unit = "pixels" if evidence.label_pictures or "wrong pixels" in (evidence.images or [{}])[0] else "objects"
    sheet = Sheet(unit=unit, images=_judge(verdict, evidence), pictures=tuple(pictures))
    return _keep(sheet.model_dump_json().encode(), blobs), blobs


def _choose(most: int, chosen: dict[int, bool]) -> Choose:
    """The worst images, then others by lot; what each is goes into ``chosen``."""

    def choose(errors: NDArray[np.int64]) -> list[int]:
        lot = np.sort(np.random.default_rng(0).permutation(len(errors))[:most]).tolist()
        bad = worst(errors, most)
        rows = [*bad, *(row for row in lot if row not in bad)]
        chosen.update({row: row in bad for row in rows})
        return rows

    return choose


def _judge(verdict: Verdict, evidence: Evidence) -> tuple[Judged, ...]:
    found: list[list[int]] = [[] for _ in evidence.images]
    missed: list[list[int]] = [[] for _ in evidence.images]
    if evidence.objects is not None:
        told = evidence.objects
        for key, image, hit in zip(told.key.tolist(), told.image.tolist(), told.found.tolist(), strict=True):
            (found if hit else missed)[image].append(key)
    return tuple(
        Judged(
            name=str(row.get("file") or verdict.sample.images[i]),
            errors=int(row.get("wrong pixels", row.get("errors", 0))),
            found=tuple(found[i]),
            missed=tuple(missed[i]),
        )
        for i, row in enumerate(evidence.images)
    )


def _draw(picture: Picture, photos: Photos | None, is_worst: bool, blobs: dict[str, str]) -> Drawn:
    photo = None if photos is None else photos.read(picture.name, picture.part, picture.size)
    frame, paths = trace_paths(picture, photo)
    return Drawn(
        row=picture.row,
        name=picture.name,
        note=picture.note,
        is_worst=is_worst,
        frame=frame,
        photo=_keep(photo.jpeg, blobs) if isinstance(photo, Photo) else "",
        lines=tuple(Line(layer=one.layer, told=one.told, path=path, object=one.object) for one, path in paths),
    )


def _draw_labels(
    picture: LabelPicture, photos: Photos | None, is_worst: bool, evidence: Evidence, blobs: dict[str, str]
) -> Drawn:
    height, width = picture.truth.shape
    photo = None if photos is None else photos.read(picture.name, "", (height, width))
    colours = evidence.class_colours
    return Drawn(
        row=picture.row,
        name=picture.name,
        note=picture.note,
        is_worst=is_worst,
        frame=(0, 0, width, height),
        photo=_keep(photo.jpeg, blobs) if isinstance(photo, Photo) else "",
        truth=_keep(encode_labels(picture.truth, colours), blobs),
        answer=_keep(encode_labels(picture.answer, colours), blobs),
        wrong=_keep(encode_labels(picture.wrong, JUDGED), blobs),
        classes=_list_classes(picture, evidence),
    )


def _list_classes(picture: LabelPicture, evidence: Evidence) -> tuple[ClassShare, ...]:
    """The largest ones, of truth and answer together."""
    truth, answer = (np.bincount(labels.ravel(), minlength=256) for labels in (picture.truth, picture.answer))
    largest: Sequence[int] = np.argsort(-(truth + answer), kind="stable")[:MOST_CLASSES_SHOWN].tolist()
    return tuple(
        ClassShare(
            name=evidence.class_names[label],
            colour=f"#{bytes(evidence.class_colours[label]).hex()}",
            truth=int(truth[label]),
            answer=int(answer[label]),
        )
        for label in largest
        if truth[label] + answer[label]
    )


def _keep(data: bytes, blobs: dict[str, str]) -> str:
    sha256, text = pack(data)
    blobs[sha256] = text
    return sha256
