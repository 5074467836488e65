"""Draws what a model finds best and worst in the tiles that its recipe holds back, beside the truth.

    python -m benchmarks.pictures MODEL --data DIR [--recipe FILE] [--only SET] [--credit TEXT] [--each 1] [--out DIR]
        [--run DIR]

DIR is the folder of data that the recipe was trained on; the recipe is the one that the card names, unless told
otherwise. Every tile is answered and scored by itself, by the rule that the recipe validates with (F1 of ``trees``, and
so on); scenes by the share of their pixels that have the right class. Tiles with fewer than five objects are passed
over, and large images are cut into tiles. Of a model that learned all there is, --run names the folder of its training:
each tile is then answered by that network of the cross-validation which did not learn it. Besides the JPEGs,
captions.json is written, of which ``make docs`` makes docs/models.md.
"""

import argparse
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.record import ROOT, list_models
from overtrace.challenges.found import resize_labels
from overtrace.data.labelled import VOID, DataSet, Labelled, Objects, Scene
from overtrace.data.split import subset
from overtrace.errors import BadOption
from overtrace.learn.folds import load_folds
from overtrace.learn.pictures import TRUE, Picture, show_classes, show_objects, to_picture
from overtrace.learn.recipe import Recipe, read_recipe
from overtrace.learn.sources import Group, open_materials
from overtrace.learn.validate import answer_image, hold, validate
from overtrace.models.card import Card, read_card
from overtrace.models.runtime import Network, load_network
from overtrace.models.shipped import find_model

PICTURES = ROOT / "docs" / "pictures"
SIDE = 512
"""Pixels along a side of a tile of a large image, and about those of a picture of it."""
LEAST_OBJECTS = 5
MOST_BYTES = 150_000
QUALITIES = range(88, 20, -8)
CREDITS = {
    "camvid": "CamVid, Brostow et al. 2008, CC BY-NC 4.0",
    "fair": "imagery OpenAerialMap, CC BY 4.0; footprints OpenStreetMap contributors and HOT, ODbL",
    "neon": "imagery of the NSF's National Ecological Observatory Network; DeepForest, Weinstein et al., MIT",
    "urban_california": "NAIP imagery of USDA; urban-tree-detection-data, Ventura et al. 2024, CC BY 4.0",
}
"""Licence and whom to credit, by reader, of sets whose tiles may be shown; other readers read anybody's."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A tile, what is true of it, and what was found."""

    name: str
    truth: Labelled
    found: NDArray[np.int32] | NDArray[np.uint8]
    score: float


def main() -> None:
    """Draw, and say what was drawn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a shipped model or a model file")
    parser.add_argument("--data", type=Path, required=True, help="the folder that the recipe's data is in")
    parser.add_argument("--recipe", type=Path, help="by default the one that the card names")
    parser.add_argument("--only", default="", help="sets to validate on whose names begin so")
    parser.add_argument("--credit", default="", help="licence and whom to credit, for sets that are not known here")
    parser.add_argument("--each", type=int, default=1, help="how many of the best and of the worst")
    parser.add_argument("--out", type=Path, default=PICTURES)
    parser.add_argument("--run", type=Path, help="of the training, for tiles that its cross-validation held back")
    told = parser.parse_args()
    path = list_models().get(told.model) or find_model(told.model)
    recipe_path = told.recipe or ROOT / read_card(path).recipe.split()[0]
    if sha256(recipe_path.read_bytes()).hexdigest() not in read_card(path).recipe:
        print(f"note: {told.model} was made by another version of {recipe_path}: does it hold back the same tiles?")
    recipe = read_recipe(recipe_path)
    pictures = []
    with TemporaryDirectory() as folder:
        place = Path(folder)
        if told.run:
            parts = open_folds(recipe, read_card(path), told.run, told.data, place)
        else:
            parts = [(reader, [(load_network(path), group)]) for reader, group in open_groups(recipe, told.data, place)]
        for reader, pairs in parts:
            credit, group = told.credit or CREDITS.get(reader), pairs[0][1]
            if credit is None:
                print(f"note: {group.name} is left out, as its licence is not known here: give --credit")
            elif group.name.startswith(told.only):
                tiles = [tile for network, held in pairs for tile in answer_tiles(network, cut_group(held), place)]
                shown = f"{told.model} as cross-validated" if told.run else told.model
                pictures += draw_extremes(shown, group, tiles, credit, told.each, told.out)
    note_captions(told.model, pictures, told.out)
    for picture in pictures:
        print(f"{told.out / picture['file']}: {picture['caption']}")


def open_groups(recipe: Recipe, data: Path, cache: Path) -> list[tuple[str, Group]]:
    """The sets that a recipe holds back, each with its reader."""
    openings = [*(source for source in recipe.data if source.hold_out), *recipe.check]
    groups = open_materials(recipe, data, cache).groups
    return [(opening.reader, group) for opening, group in zip(openings, groups, strict=True)]


def open_folds(
    recipe: Recipe, card: Card, run: Path, data: Path, cache: Path
) -> list[tuple[str, list[tuple[Network, Group]]]]:
    """The sets that a recipe learns, each with its reader: the networks of the cross-validation, and what each did not
    learn.

    Args:
        card: of the model, whose thresholds count.
        run: the folder of the training.
    Raises:
        BadOption: if a part of the cross-validation is not complete there.
    """
    materials = open_materials(recipe, data, cache)
    folds = load_folds(recipe, materials, card, run, data)
    if not folds:
        raise BadOption(f"{run} has no complete cross-validation: train its parts first, with --fold")
    pools = enumerate(materials.pools)
    return [(pool.source.reader, [(fold.network, fold.held[i].group) for fold in folds]) for i, pool in pools]


def cut_group(group: Group) -> Group:
    """Large images as tiles."""
    return replace(group, data=cut(group.data))


def cut(data: DataSet) -> DataSet:
    """Images that are more than two tiles wide or high as tiles, without what is left over at the right and below."""
    tiles: list[tuple[str, int, int, int]] = []
    for number, name in enumerate(data.names):
        height, width = data.read(number).image.shape[:2]
        if max(height, width) < 2 * SIDE:
            tiles.append((name, number, -1, -1))
            continue
        corners = [(row, col) for row in range(0, height - SIDE + 1, SIDE) for col in range(0, width - SIDE + 1, SIDE)]
        tiles += [(f"{name}, row {row}, column {col}", number, row, col) for row, col in corners]

    def read(i: int) -> Labelled:
        name, number, row, col = tiles[i]
        whole = data.read(number)
        return whole if row < 0 else replace(_crop(whole, row, col), name=name)

    names = tuple(name for name, *_ in tiles)
    return replace(data, names=names, grounds=names, read=read)


def _crop(whole: Labelled, row: int, col: int) -> Labelled:
    """A tile; objects whose centre lies outside are ground that nobody knows."""
    where = np.s_[row : row + SIDE, col : col + SIDE]
    if isinstance(whole, Scene):
        return replace(whole, image=whole.image[where], classes=whole.classes[where])
    centres = whole.centres - (col, row)
    inside = ((centres >= 0) & (centres <= SIDE - 1)).all(axis=1)
    numbers = np.concatenate([[0], np.where(inside, np.cumsum(inside), 0)]).astype(np.int32)
    labels = whole.labels[where]
    return replace(
        whole,
        image=whole.image[where],
        labels=numbers[labels],
        centres=centres[inside],
        boxes=(whole.boxes - (col, row, col, row))[inside] if len(whole.boxes) else whole.boxes,
        peaks=whole.peaks[where],
        ignore=whole.ignore[where] | ((labels > 0) & (numbers[labels] == 0)),
        kinds=whole.kinds[inside],
    )


def answer_tiles(network: Network, group: Group, folder: Path) -> Iterator[Answered]:
    """Each tile that shows enough."""
    for number, name in enumerate(group.data.names):
        truth = group.data.read(number)
        if isinstance(truth, Objects) and len(truth.centres) < LEAST_OBJECTS:
            continue
        held = hold(replace(group, data=subset(group.data, [number])), folder / "tile", None)
        found = answer_image(network, held, 0)
        yield Answered(name, truth, found, rate(truth, found) if isinstance(truth, Scene) else validate(network, held))


def rate(truth: Scene, found: NDArray[np.int32] | NDArray[np.uint8]) -> float:
    """The share of pixels with the right class, among those that have one."""
    known = truth.classes != VOID
    return float((truth.classes == found)[known].mean()) if known.any() else 0.0


def draw_extremes(
    model: str, group: Group, tiles: list[Answered], credit: str, each: int, out: Path
) -> list[dict[str, str]]:
    """Draw the best and the worst tiles of a set: file and caption of each."""
    out.mkdir(parents=True, exist_ok=True)
    ranked = sorted(tiles, key=lambda tile: (-tile.score, tile.name))
    chosen = [("best", i, tile) for i, tile in enumerate(ranked[:each], start=1)]
    chosen += [("worst", i, tile) for i, tile in enumerate(ranked[each:][::-1][:each], start=1)]
    rule = "share of pixels right" if group.data.truth == "classes" else f"score by the rule of {group.challenge}"
    pictures = []
    for kind, place, tile in chosen:
        words = (model, group.name, kind, *([str(place)] if each > 1 else []))
        file = re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()) + ".jpg"
        (out / file).write_bytes(encode(show(tile, group.challenge)))
        nth = kind if place == 1 else f"{kind} but {place - 1}"
        panels = "photo, truth, answer" if group.data.truth == "classes" else "left the truth, right what was found"
        pictures.append(
            {
                "file": file,
                "caption": f"{model}, {nth} of {len(tiles)} tiles of {group.name}: {tile.name}, {rule} "
                f"{tile.score:.3f}; {panels}. {credit[0].upper()}{credit[1:]}.",
            }
        )
    return pictures


def show(tile: Answered, challenge: str) -> Picture:
    """Truth and answer beside each other: outlines, points where the truth is points, boxes where it is boxes."""
    picture = to_picture(tile.truth.image)
    if isinstance(tile.truth, Scene):
        return show_classes(picture, tile.truth.classes, tile.found.astype(np.uint8))
    height, width = (max(SIDE // max(picture.shape), 1) * length for length in picture.shape[:2])
    large = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))
    found = resize_labels(tile.found.astype(np.int32), height, width)
    answer = show_objects(large, np.zeros_like(found), found)
    gap = np.full((height, 4, 3), 255, np.uint8)
    return np.concatenate([_show_truth(large, tile.truth, challenge), gap, answer], axis=1)


def _show_truth(large: Picture, truth: Objects, challenge: str) -> Picture:
    height, width = large.shape[:2]
    scale = height / truth.labels.shape[0]
    canvas = Image.fromarray(large)
    pen = ImageDraw.Draw(canvas)
    if len(truth.boxes):
        for left, top, right, bottom in truth.boxes * scale:
            pen.rectangle((left, top, right, bottom), outline=TRUE, width=2)
    elif challenge == "trees":  # around points, labels are guessed
        for x, y in (truth.centres + 0.5) * scale:
            pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=TRUE, outline=(0, 0, 0))
    else:
        return show_objects(large, resize_labels(truth.labels, height, width), np.zeros((height, width), np.int32))
    return np.asarray(canvas)


def encode(picture: Picture) -> bytes:
    """A JPEG as good as the limit allows."""
    for quality in QUALITIES:
        file = io.BytesIO()
        # Lines of one pixel keep their colour only where colours are stored as finely as light.
        Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=0)
        if file.tell() <= MOST_BYTES:
            break
    return file.getvalue()


def note_captions(model: str, pictures: list[dict[str, str]], out: Path) -> None:
    """Keep the captions of a model, in the place of those before, whose files go unless they were drawn anew."""
    path = out / "captions.json"
    captions = json.loads(path.read_text()) if path.exists() else {}
    for gone in {picture["file"] for picture in captions.get(model, [])} - {picture["file"] for picture in pictures}:
        (out / gone).unlink(missing_ok=True)
    path.write_text(json.dumps({**captions, model: pictures}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
