"""Boards in frames of other sites."""

import http.server
import threading

import pytest

from tests.support.web import GOOD, make_board, make_phase, serve_contest


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    boards = [make_board("all"), make_board("secret", shown="organisers")]
    with serve_contest(tmp_path_factory.mktemp("embed"), make_phase(boards=boards)) as served:
        ada = served.add_person("Ada")
        served.add_team("Engines", ada)
        served.give(served.submit(ada, GOOD), 0.7351)
        yield served


@pytest.fixture
def elsewhere(host, tmp_path):
    """A page of another site with frames of this one; its address."""
    frames = "".join(f'<iframe src="{host.address}{path}"></iframe>' for path in ("/embed/board/test/all", "/board"))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"<!doctype html>{frames}".encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_a_board_is_shown_in_a_frame_of_another_site_and_no_other_page_is(host, browser, elsewhere):
    page = browser.new_page()
    page.goto(elsewhere)
    row = page.frame_locator("iframe >> nth=0").locator("tbody tr")
    assert row.inner_text().split() == ["1", "Engines", "provisional", "0.7351", "0.7351"]
    shown = [frame.url for frame in page.frames[1:]]
    assert shown == [f"{host.address}/embed/board/test/all", "chrome-error://chromewebdata/"]
    page.close()


def test_a_frame_shows_what_everyone_sees_to_organisers_too(host):
    organiser = host.enter(host.add_person("Olga"))
    assert organiser.get("/board/test/secret.json").status_code == 200
    refused = organiser.get("/embed/board/test/secret")
    assert (refused.status_code, "0.7351" in refused.text) == (404, False)
    assert "Olga" not in organiser.get("/embed/board/test/all").text
    for path, policy in (("/board/test/all", "frame-ancestors 'none'"), ("/embed/board/test/all", "frame-ancestors *")):
        assert policy in organiser.get(path).headers["Content-Security-Policy"]
