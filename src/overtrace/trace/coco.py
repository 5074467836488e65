"""Objects as a COCO data set, written as text while they come."""

import json
from collections.abc import Mapping
from pathlib import Path

import overtrace
from overtrace.raster.aside import TextAside
from overtrace.scoring.rle import compress, count_pixels, encode_polygons, find_boxes
from overtrace.vector.tables import NO_SUMMARY, Batch, Header

SCORE_DECIMALS = 6


class CocoSink:
    """Sink for ``.json``: images, categories, and annotations with mask, box, area and score.

    Masks hold the pixels of the original image whose centre lies in the polygon; area and box are those of the mask.
    """

    def __init__(self, path: str | Path, header: Header) -> None:
        self._header = header
        self._text = TextAside(path)
        self._count = 0
        self._text.put(_opening(header))

    def write(self, batch: Batch) -> None:
        """Add an annotation for each object."""
        grid = self._header.images[batch.image].grid
        runs = encode_polygons(batch.polygons_px, grid.height, grid.width)
        columns = zip(
            batch.classes.tolist(),
            batch.scores.tolist(),
            count_pixels(runs).tolist(),
            find_boxes(runs).tolist(),
            compress(runs),
            strict=True,
        )
        size = f"[{grid.height},{grid.width}]"
        lines = []
        for number, (label, score, area, box, counts) in enumerate(columns, self._count + 1):
            segmentation = f'{{"size":{size},"counts":{json.dumps(counts)}}}'
            lines.append(
                f'{{"id":{number},"image_id":{batch.image + 1},"category_id":{label + 1},'
                f'"segmentation":{segmentation},"bbox":{box},"area":{area},"iscrowd":0,'
                f'"score":{round(score, SCORE_DECIMALS)}}}'
            )
        if lines:
            self._text.put((",\n" if self._count else "\n") + ",\n".join(lines))
        self._count += len(lines)

    def finish(self, summary: Mapping[str, object] = NO_SUMMARY) -> None:
        """End the list and close the file."""
        self._text.put("\n]}\n")
        self._text.close()

    def commit(self) -> None:
        """Rename the file."""
        self._text.commit()

    def abort(self) -> None:
        """Remove the file."""
        self._text.discard()


def open_coco(path: str | Path, header: Header) -> CocoSink:
    """Start a COCO data set, aside.

    Raises:
        BadOutput: missing folder, or one that cannot be written.
    """
    return CocoSink(path, header)


def _opening(header: Header) -> str:
    """All of the file before its first annotation."""
    images = [
        {"id": number, "file_name": image.name, "width": image.grid.width, "height": image.grid.height}
        for number, image in enumerate(header.images, 1)
    ]
    categories = [
        {"id": number, "name": name, "supercategory": header.layer} for number, name in enumerate(header.class_names, 1)
    ]
    info = {"description": f"traced by overtrace {overtrace.__version__}", "model": json.loads(header.card)}
    members = {"info": info, "licenses": [], "images": images, "categories": categories}
    return json.dumps(members)[:-1] + ',\n"annotations":['
