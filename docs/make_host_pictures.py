"""Pictures of the pages of a host for docs/images: ``python -m docs.make_host_pictures`` runs the demo and looks.

Needs Debian's chromium and playwright.
"""

import io
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from overtrace.host.demo import PASSWORD

PICTURES = Path(__file__).parent / "images"
CHROMIUM = "/usr/bin/chromium"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 2}
MOST_S = 180.0
COLOURS = 128


def main() -> None:
    """Run the demo, and take all pictures."""
    command = [sys.executable, "-c", "from overtrace.cli.main import main; main()", "host", "--demo", "--port", "0"]
    with tempfile.NamedTemporaryFile("w") as file:
        said = Path(file.name)
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            address = wait(lambda: re.search(r"http://\S+", said.read_text()))[0]
            with sync_playwright() as play:
                browser = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
                wait(lambda: is_busy(address))
                take(browser.new_context(base_url=address, **WIDE), "/queue", "host-queue")
                wait(lambda: "is filled" in said.read_text())
                take_all(browser, address)
                browser.close()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def take_all(browser: Browser, address: str) -> None:
    """Pictures of the contest once it is filled."""
    wide = browser.new_context(base_url=address, **WIDE)
    log_in(wide, "ines.carvalho@example.org")
    place = httpx.get(f"{address}/board/validation/ap50.json").json()["rows"]
    team = next(row["team_id"] for row in place if row["team"] == "Canopy Cartographers")
    pages = {
        "/": "front",
        "/board": "board",
        f"/teams/{team}": "team",
        "/submissions": "submissions",
        "/team": "my-team",
    }
    for path, name in pages.items():
        take(wide, path, f"host-{name}")
    take(wide, find_link(wide, "/submissions", "a[href$='/pictures']"), "host-errors")
    phone = browser.new_context(base_url=address, **PHONE)
    log_in(phone, "ines.carvalho@example.org")
    take(phone, "/board", "host-board-phone", whole=False)
    take(phone, "/submissions", "host-submissions-phone", whole=False)
    organiser = browser.new_context(base_url=address, **WIDE)
    log_in(organiser, "organiser@example.org")
    take(organiser, "/organise", "host-organise")


def log_in(context: BrowserContext, email: str) -> None:
    """As someone of the demo."""
    page = context.new_page()
    page.goto("/account/login")
    page.fill("[name=email]", email)
    page.fill("[name=password]", PASSWORD)
    with page.expect_navigation():
        page.click("main button")
    page.close()


def find_link(context: BrowserContext, path: str, selector: str) -> str:
    """Where the first link of a kind leads."""
    page = context.new_page()
    page.goto(path)
    found = page.get_attribute(selector, "href")
    page.close()
    assert found is not None, f"{path} has no {selector}"
    return found


def take(context: BrowserContext, path: str, name: str, *, whole: bool = True, script: str = "") -> None:
    """One picture, in few colours; of the page as a script leaves it."""
    page = context.new_page()
    page.goto(path)
    page.wait_for_timeout(300)
    # Those below the window are not asked for before someone scrolls there.
    page.evaluate("document.querySelectorAll('img').forEach((one) => (one.loading = 'eager'))")
    page.wait_for_function("[...document.images].every((one) => one.complete)")
    page.evaluate(script)
    page.evaluate("window.scrollTo(0, 0)")
    image = Image.open(io.BytesIO(page.screenshot(full_page=whole, animations="disabled"))).convert("RGB")
    page.close()
    image.crop((0, 0, image.width, min(image.height, 1500 if whole else image.height))).quantize(COLOURS).save(
        PICTURES / f"{name}.png", optimize=True
    )


def is_busy(address: str) -> bool:
    """Whether some wait in the queue and others are done; not before the host answers."""
    try:
        found = httpx.get(f"{address}/api/v1/queue").json()
    except httpx.HTTPError:
        return False
    return len(found["waiting"]) > 2 and found["median_s"] is not None


def wait(is_so: Any) -> Any:
    """What something is, once it is."""
    deadline = time.monotonic() + MOST_S
    while not (found := is_so()):
        if time.monotonic() > deadline:
            raise TimeoutError(is_so)
        time.sleep(0.1)
    return found


if __name__ == "__main__":
    main()
