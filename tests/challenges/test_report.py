"""The report of a score: true to the verdict, complete, alone, and alive in a browser."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from overtrace.challenges.challenge import Question, Verdict
from overtrace.challenges.photos import Photos
from overtrace.challenges.protocols import score_files
from overtrace.challenges.report import write_report
from overtrace.errors import BadOutput
from tests.support.browser import Watch

HOSTILE = "</script><script>window.hacked=1</script>"


@pytest.fixture
def page(browser):
    """A page, which must neither complain nor ask for anything but itself."""
    watch = Watch()
    page = watch.see(browser.new_page(viewport={"width": 1300, "height": 900}))
    yield page
    watch.check("file:", "data:")
    page.close()


def square(x: int, y: int, side: int) -> list[list[int]]:
    return [[x, y, x + side, y, x + side, y + side, x, y + side]]


def crown(number: int, image: int, polygons: list, **fields) -> dict:
    common = {"id": number, "image_id": image, "category_id": 1, "iscrowd": 0, "area": 100}
    return {**common, "segmentation": polygons, **fields}


def found(image: int, polygons: list, score: float) -> dict:
    return {"image_id": image, "category_id": 1, "score": score, "segmentation": polygons}


def write_crowns(folder: Path, images: list[str], crowns: list[dict], results: list[dict]) -> Question:
    data = {
        "images": [{"id": i, "file_name": name, "height": 100, "width": 200} for i, name in enumerate(images, 1)],
        "categories": [{"id": 1, "name": "crown"}],
        "annotations": crowns,
    }
    (folder / "truth.json").write_text(json.dumps(data))
    (folder / "answer.json").write_text(json.dumps(results))
    return Question(folder / "truth.json", folder / "answer.json")


@pytest.fixture
def crowns(tmp_path) -> Question:
    """Of image 1 one crown is hit, two are merged, one is missed and one detection is false; image 2 is right."""
    truth = [
        crown(1, 1, square(10, 10, 10)),
        crown(2, 1, square(50, 10, 10)),
        crown(3, 1, square(60, 10, 10)),
        crown(4, 1, square(100, 50, 20)),
        crown(5, 2, square(10, 10, 10)),
    ]
    results = [
        found(1, square(10, 10, 10), 0.9),
        found(1, [[50, 5, 70, 5, 70, 40, 50, 40]], 0.8),
        found(1, square(150, 70, 20), 0.25),
        found(2, square(10, 10, 10), 0.7),
    ]
    return write_crowns(tmp_path, [f"{HOSTILE}.png", "b.png"], truth, results)


def open_report(page, tmp_path, protocol: str, question: Question, photos: Photos | None = None) -> Verdict:
    verdict = score_files(protocol, question)
    write_report(tmp_path / "report.html", verdict, photos)
    page.goto((tmp_path / "report.html").as_uri())
    return verdict


def facts_of(path: Path) -> dict:
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="facts">(.*?)</script>', text, re.DOTALL)[1])


def cells(page, section: str) -> list[list[str]]:
    read = "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    return page.eval_on_selector_all(f"{section} table tbody tr", read)


def tallied(tally: dict) -> dict[str, list[int]]:
    """Counts of each kind that occurs."""
    columns = np.array(tally["counts"]).T.tolist()
    return {kind: column for kind, column in zip(tally["kinds"], columns, strict=True) if any(column)}


def test_the_numbers_are_those_of_the_verdict(page, tmp_path, crowns):
    verdict = open_report(page, tmp_path, "itc", crowns)
    assert page.inner_text("#score-full").endswith(repr(verdict.score))
    header = page.inner_text("header")
    for said in (
        "itc-default100",
        "2\nimages",
        "5\nobjects that count",
        "4\ndetections",
        "2\nhits",
        "0 of 4 detections",
    ):
        assert said in header
    objects, detections = facts_of(tmp_path / "report.html")["tallies"][:2]
    assert tallied(objects) == {"hit": [2], "merged": [2], "missed": [1]}
    assert tallied(detections) == {"hit": [2], "merged": [1], "false": [1]}
    (row,) = cells(page, "#parts")
    assert row[:3] == ["truth", f"{verdict.table[0]['AP50']:.4f}", f"{verdict.table[0]['AP']:.4f}"]
    assert "IoU 0.50: AP " + f"{verdict.score:.4f}" in page.inner_text("#curves")


def test_names_that_came_from_files_are_text(page, tmp_path, crowns):
    open_report(page, tmp_path, "itc", crowns)
    assert page.evaluate("window.hacked") is None
    assert page.locator("script").count() == 3
    assert HOSTILE in page.inner_text("#images")
    assert HOSTILE in page.inner_text("#pictures")


def test_outlines_lie_where_the_crowns_are(page, tmp_path, crowns):
    open_report(page, tmp_path, "itc", crowns)
    page.locator("#pictures").scroll_into_view_if_needed()
    assert page.locator("#pictures svg image").count() == 0
    told = """([x, y]) => {
        const svg = document.querySelector("#pictures figure svg"), point = svg.createSVGPoint();
        point.x = x; point.y = y;
        const at = point.matrixTransform(svg.getScreenCTM()), hit = document.elementFromPoint(at.x, at.y);
        return [hit.getAttribute("class"), hit.textContent];
    }"""
    assert page.evaluate(told, [15, 15]) == ["outline hit", "detection: hit, score 0.9"]
    assert page.evaluate(told, [118, 68]) == ["outline missed", "object: missed"]
    assert page.evaluate(told, [152, 88]) == ["outline false", "detection: false, score 0.25"]
    assert page.evaluate(told, [60, 35]) == ["outline false", "detection: merged, score 0.8"]
    assert page.evaluate(told, [140, 20])[0] == "ground"
    page.uncheck("#show-false")
    assert page.evaluate(told, [152, 88])[0] == "ground", "a layer can be hidden"


def test_photos_lie_under_the_outlines(page, tmp_path, crowns):
    (tmp_path / "photos").mkdir()
    picture = np.zeros((50, 100, 3), np.uint8)
    picture[25:35, 50:60] = (250, 250, 0)
    Image.fromarray(picture).save(tmp_path / "photos" / "b.png")
    question = write_crowns(tmp_path, ["a.png", "b.png"], [crown(1, 2, square(100, 50, 20))], [])
    open_report(page, tmp_path, "itc", question, Photos(tmp_path / "photos"))
    drawn = page.locator("#pictures svg image")
    assert drawn.count() == 1
    # Half the size of the image that was scored: it is drawn over all of it.
    assert [drawn.get_attribute(side) for side in ("x", "y", "width", "height")] == ["0", "0", "200", "100"]
    missed = page.locator("#pictures figure path.outline.missed")
    assert missed.get_attribute("d") == "M120 50 120 70 100 70 100 50Z"
    jpeg = page.evaluate(READ_PIXEL, [drawn.get_attribute("href"), 55, 30])
    assert jpeg[0] > 200
    assert jpeg[2] < 90


READ_PIXEL = """async ([url, x, y]) => {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    return [...context.getImageData(x, y, 1, 1).data];
}"""


def test_a_photo_of_another_shape_is_not_drawn(page, tmp_path, crowns):
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.zeros((50, 50), np.uint8)).save(tmp_path / "photos" / "a.png")
    question = write_crowns(tmp_path, ["a.png"], [crown(1, 1, square(100, 50, 20))], [])
    open_report(page, tmp_path, "itc", question, Photos(tmp_path / "photos"))
    assert page.locator("#pictures svg image").count() == 0
    assert "a.png is 50 x 50 pixels, the image 200 x 100" in page.inner_text("#pictures")


def test_a_heading_sorts_and_a_filter_chooses(page, tmp_path, crowns):
    open_report(page, tmp_path, "itc", crowns)
    assert [row[1] for row in cells(page, "#images")] == ["1", "2"], "most errors first"
    page.click("#images th button:text-is('errors')")
    assert [row[1] for row in cells(page, "#images")] == ["2", "1"]
    page.click("#images th button:text-is('F1')")
    assert [row[1] for row in cells(page, "#images")] == ["2", "1"], "numbers fall at first"
    page.fill("#images input", "errors > 0, HACKED")
    assert [row[1] for row in cells(page, "#images")] == ["1"]
    page.fill("#images input", "errors > 100")
    assert cells(page, "#images") == []


def test_many_images_are_shown_in_pages(page, tmp_path):
    truth = [crown(i, i, square(10, 10, 10)) for i in range(1, 8001)]
    results = [found(i, square(10, 10, 10), 0.5) for i in range(1, 7990)]
    question = write_crowns(tmp_path, [f"{i}.png" for i in range(1, 8001)], truth, results)
    open_report(page, tmp_path, "itc", question)
    assert page.locator("#images tbody tr").count() == 50
    assert "1 to 50 of 8,000" in page.inner_text("#images")
    page.click("#images button:text('Next')")
    assert "51 to 100 of 8,000" in page.inner_text("#images")
    page.fill("#images input", "missed = 1")
    assert page.locator("#images tbody tr").count() == 11
    assert (tmp_path / "report.html").stat().st_size < 2_000_000


def test_what_the_cap_cuts_is_no_error(tmp_path):
    truth = [crown(i + 1, 1, square(12 * (i % 15) + 2, 9 * (i // 15), 6)) for i in range(150)]
    results = [found(1, row["segmentation"], 0.5) for row in truth]
    question = write_crowns(tmp_path, ["a.png"], truth, results)
    evidence = score_files("itc", question).explain()
    objects, detections = evidence.tallies[:2]
    assert objects.counts[0].tolist() == [100, 0, 0, 0, 0, 50, 0]
    assert detections.counts[0].tolist() == [100, 0, 0, 0, 0, 50, 0]
    assert evidence.images[0]["errors"] == 0
    assert evidence.pictures == ()
    assert "50 of 150 detections are cut" in evidence.notes[0]
    assert "50 of 150 true crowns lie beyond the cap" in evidence.notes[1]


def test_an_empty_answer_and_crowds_have_a_report(page, tmp_path):
    truth = [crown(1, 1, square(10, 10, 10)), crown(2, 1, square(50, 10, 10), iscrowd=1)]
    open_report(page, tmp_path, "itc", write_crowns(tmp_path, ["a.png"], truth, []))
    objects = facts_of(tmp_path / "report.html")["tallies"][0]
    assert tallied(objects) == {"missed": [1], "left out": [1]}


@pytest.fixture
def scenes(tmp_path) -> Question:
    truth, answer = np.full((40, 60), 3, np.uint8), np.full((40, 60), 3, np.uint8)
    truth[:, 30:], truth[:10] = 1, 0
    answer[:, 50:] = 2
    for side, labels in (("truth", truth), ("answer", answer)):
        (tmp_path / side).mkdir()
        Image.fromarray(labels).save(tmp_path / side / "a.png")
        Image.fromarray(truth).save(tmp_path / side / "right.png")
    return Question(tmp_path / "truth", tmp_path / "answer")


def test_scenes_tell_what_was_taken_for_what(page, tmp_path, scenes):
    verdict = open_report(page, tmp_path, "sceneparsing", scenes)
    classes = {row[1]: row[2] for row in cells(page, "#parts")}
    assert classes == {
        row: f"{verdict.parts['classes'][i]['IoU']:.4f}" for i, row in ((0, "wall"), (1, "building"), (2, "sky"))
    }
    # Of 900 pixels of wall in the first image 600 were called sky, 300 building.
    first, second = cells(page, "#table-0")
    assert (first[:3], first[-1]) == (["wall", "sky", "0.6667"], "600")
    assert (second[:3], second[-1]) == (["wall", "building", "0.3333"], "300")
    assert page.locator("#pictures figure").count() == 1, "the other image has no wrong pixel"


def test_wrong_pixels_are_amber(page, tmp_path, scenes):
    open_report(page, tmp_path, "sceneparsing", scenes)
    url = page.locator("#pictures img[alt='wrong pixels']").get_attribute("src")
    assert page.evaluate(READ_PIXEL, [url, 55, 30])[:3] == [255, 176, 0]
    assert page.evaluate(READ_PIXEL, [url, 5, 30])[:3] == [58, 66, 61]
    assert page.evaluate(READ_PIXEL, [url, 5, 5])[:3] == [0, 0, 0]


def wkt(x: int, y: int, wide: int, tall: int) -> str:
    corners = [(x, y), (x + wide, y), (x + wide, y + tall), (x, y + tall), (x, y)]
    return '"POLYGON ((' + ",".join(f"{a} {b}" for a, b in corners) + '))"'


def test_buildings(page, tmp_path):
    image = "AOI_2_Vegas_img1"
    shapes = [(0, 0, 20, 20), (40, 0, 30, 30), (100, 0, 4, 4), (150, 0, 20, 20)]
    answer = [(0, 0, 20, 20), (40, 0, 15, 20), (55, 0, 15, 20), (0, 100, 20, 20)]
    rows = [f"{image},{i},{wkt(*shape)},0" for i, shape in enumerate(shapes)]
    (tmp_path / "truth.csv").write_text("ImageId,BuildingId,PolygonWKT_Pix,PolygonWKT_Geo\n" + "\n".join(rows))
    (tmp_path / "answer.csv").write_text("\n".join(f"{image},{i},{wkt(*shape)},0.5" for i, shape in enumerate(answer)))
    verdict = open_report(page, tmp_path, "deepglobe", Question(tmp_path / "truth.csv", tmp_path / "answer.csv"))
    objects, detections = facts_of(tmp_path / "report.html")["tallies"][:2]
    # The second building, of 900 px, holds two footprints of 300; the third is too small for the rule.
    assert tallied(objects) == {"hit": [1], "split": [1], "missed": [1], "left out": [1]}
    assert tallied(detections) == {"hit": [1], "split": [2], "false": [1]}
    assert (verdict.table[0]["hits"], verdict.table[0]["buildings"], verdict.table[0]["answered"]) == (1, 3, 4)
    assert "leaves out 1 buildings" in page.inner_text("#notes")
    assert "M150 0 170 0 170 20 150 20Z" in page.locator("#pictures path.outline.missed").last.get_attribute("d")


@pytest.mark.parametrize(
    ("truth", "answer", "objects", "detections"),
    [
        (
            "xmin,ymin,xmax,ymax\n0,0,10,10\n20,0,30,10\n30,0,40,10\n",
            "xmin,ymin,xmax,ymax\n0,0,10,9\n20,0,40,20\n",
            {"hit": [1], "merged": [2]},
            {"hit": [1], "merged": [1]},
        ),
        (
            "x,y\n0,0\n100,0\n200,0\n",
            "x,y\n1,0\n2,0\n110,0\n300,0\n",
            {"hit": [1], "badly placed": [1], "missed": [1]},
            {"hit": [1], "split": [1], "badly placed": [1], "false": [1]},
        ),
    ],
)
def test_trees(page, tmp_path, truth, answer, objects, detections):
    (tmp_path / "a.csv").write_text(truth)
    (tmp_path / "answer").mkdir()
    (tmp_path / "answer" / "a.csv").write_text(answer)
    verdict = open_report(page, tmp_path, "trees", Question(tmp_path / "a.csv", tmp_path / "answer"))
    tallies = facts_of(tmp_path / "report.html")["tallies"]
    assert [tallied(tally) for tally in tallies[:2]] == [objects, detections]
    assert f"{verdict.score:.4f}" in page.inner_text("#parts")
    assert page.locator("#pictures figure").count() == 1


def test_a_phone_scrolls_tables_and_not_the_page(page, tmp_path, crowns):
    page.set_viewport_size({"width": 390, "height": 800})
    open_report(page, tmp_path, "itc", crowns)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path, crowns):
    verdict = score_files("itc", crowns)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BadOutput, match="does not exist"):
        write_report(tmp_path / "no" / "report.html", verdict)
    crowns.truth.unlink()
    with pytest.raises(Exception, match="does not exist"):
        write_report(tmp_path / "report.html", verdict)
    assert sorted(tmp_path.iterdir()) == [path for path in before if path != crowns.truth]


def test_the_outlines_of_many_crowns_are_thinned(page, tmp_path):
    angle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    circle = [number for a in angle for number in (100 + 40 * np.cos(a), 50 + 40 * np.sin(a))]
    truth = [crown(i, 1, [circle]) for i in range(1, 1001)]
    open_report(page, tmp_path, "itc", write_crowns(tmp_path, ["a.png"], truth, []))
    assert page.locator("#pictures figure path.outline").count() == 1000
    assert (tmp_path / "report.html").stat().st_size < 1_000_000


@pytest.mark.parametrize("scores", [[1e308, -1e308], [5, 5], [0, 0]])
def test_any_scores_have_a_report(page, tmp_path, scores):
    results = [found(1, square(10, 10, 10), score) for score in scores]
    open_report(page, tmp_path, "itc", write_crowns(tmp_path, ["a.png"], [crown(1, 1, square(10, 10, 10))], results))
    assert page.locator("#confidence svg rect").count() > 0


def test_images_without_buildings_have_a_report(page, tmp_path):
    for side in ("truth", "answer"):
        (tmp_path / f"{side}.csv").write_text("AOI_2_Vegas_img1,-1,POLYGON EMPTY,1\n")
    open_report(page, tmp_path, "deepglobe", Question(tmp_path / "truth.csv", tmp_path / "answer.csv"))
    assert page.locator("#pictures").count() == 0
