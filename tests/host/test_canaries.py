"""Images that only the truth has: never scored, noticed when somebody names one."""

import pytest

from overtrace.errors import BadOption
from overtrace.host.canaries import find_canaries, lay_canaries
from overtrace.host.contest_file import read_contest
from overtrace.host.disguise import list_originals
from overtrace.host.examples import make_example
from overtrace.host.local_worker import tell_host
from overtrace.host.schema import open_store
from overtrace.host.trial import try_boards
from tests.support.commands import run, run_well
from tests.support.people import read_log
from tests.support.web import CANARY_IMAGE, GOOD, make_phase, post, send, serve_contest, wait_for

LEAKED = f"image,x,y\na,7173,0\n{CANARY_IMAGE},11,12\n".encode()
GUESSED = LEAKED.replace(CANARY_IMAGE.encode(), b"plot_1")
NOTICE = "named images that only the truth has"


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with serve_contest(tmp_path_factory.mktemp("canaries"), make_phase(ids="ids.txt")) as served:
        yield served


def test_an_answer_that_names_a_canary_is_refused_like_any_and_organisers_see_it(host):
    eve, olga = host.add_person("Eve"), host.add_person("Olga")
    team = host.add_team("Listeners", eve)
    program, organiser = host.program(eve, "read", "submit"), host.enter(olga)
    with host.working():
        sent = [send(program, answer).json()["id"] for answer in (GOOD, GUESSED, LEAKED)]
        wait_for(lambda: all(host.look(one).ended_at for one in sent))
    fair, guessed, leaked = (program.get(f"/api/v1/submissions/{one}").json() for one in sent)
    # Both trees of the image in the list; that of the canary is not scored.
    assert fair["scores"]["all"]["columns"]["recall"] == 1
    assert [one["state"] for one in (guessed, leaked)] == ["rejected", "rejected"]
    own = str(leaked["faults"]).replace(CANARY_IMAGE, "plot_1")
    assert own == str(guessed["faults"])
    (event,) = read_log(host.settings.database, "canary.named")
    assert event.subject == f"team:{team.id}"
    assert event.details == {"phase": "test", "sent": "submission 3 (test)", "canaries": 1, "strangers": 1}
    assert f"1 team {NOTICE}" in organiser.get("/organise").text
    page = organiser.get("/organise/copies").text
    assert "submission 3 (test): 1 canary among 1 image that no list has" in page
    assert NOTICE not in host.enter(eve).get("/submissions").text
    key = page.split('action="/organise/copies/')[1].split('"')[0]
    assert post(organiser, "/organise/copies", f"/organise/copies/{key}", said="asked them").status_code == 303
    assert NOTICE not in organiser.get("/organise").text


def test_a_check_before_sending_in_is_noticed_too_and_says_no_more_than_of_others(host):
    kay, ola = host.add_person("Kay"), host.add_person("Ola")
    host.add_team("Checkers", kay)
    browser = host.enter(kay)
    found = {"file": ("a.csv", LEAKED)}
    pages = [post(browser, "/submit", "/submit/check", files=found, phase="test") for _ in range(2)]
    found = {"file": ("a.csv", GUESSED)}
    pages.append(post(browser, "/submit", "/submit/check", files=found, phase="test"))
    texts = [page.text.replace(CANARY_IMAGE, "plot_1") for page in pages]
    assert "the list has no such image" in texts[0]
    assert texts[0].count("plot_1") == texts[2].count("plot_1") > 0
    alone = host.program(ola, "submit").post("/api/v1/check/test?name=a.csv", content=LEAKED).json()
    assert [fault["found"] for fault in alone["faults"]] == ["the list has no such image"]
    details = [event.subject.split(":")[0] for event in read_log(host.settings.database, "canary.named")[-3:]]
    assert details == ["team", "team", "person"]
    export = host.enter(ola).get("/account/export.json")
    assert (export.status_code, "canary" in export.text) == (200, False)


@pytest.mark.parametrize("name", ["itc", "sceneparsing", "deepglobe"])
def test_a_contest_with_canaries_scores_as_before(name, tmp_path):
    path = make_example(name, tmp_path / name)
    file = read_contest(path)
    laid = lay_canaries(file.contest, file.folder, 2)
    assert {truth: len(names) for truth, names in find_canaries(file.contest, file.folder).items() if names} == laid
    trials, faults = try_boards(file)
    assert ({trial.score for trial in trials}, faults) == ({1.0}, [])
    phase = next(phase for phase in file.contest.phases if phase.truth in laid)
    if phase.images is not None:
        canaries = find_canaries(file.contest, file.folder)[phase.truth]
        originals = list_originals(file.contest, phase, file.folder)
        assert not canaries & {one.stem for one in originals} | {str(one.number) for one in originals} & canaries


@pytest.mark.parametrize("text", ["not yet", '{"annotations": []}', '{"annotations": [], "images": [{}]}'])
def test_a_truth_that_is_not_ready_keeps_no_host_from_starting(text, tmp_path, capsys):
    file = read_contest(make_example("itc", tmp_path / "contest"))
    database = open_store(f"sqlite:///{tmp_path}/host.db")
    tell_host(database, file)
    assert "canaries" not in capsys.readouterr().out
    (file.folder / "truth" / "testing" / "plot_1.json").write_text(text)
    tell_host(database, file)
    assert "canaries are not watched, as a truth is not in order: " in capsys.readouterr().out
    database.engine.dispose()


def test_the_command_lays_them_once_and_check_counts_them(tmp_path):
    path = make_example("deepglobe", tmp_path / "contest")
    said = run_well("contest", "canaries", path, "--count", "2")
    assert "laid 2 canaries in" in said
    assert "truth/final.csv" in said
    assert "canaries: 2 images of truth/final.csv are in no list" in run_well("contest", "check", path)
    again = run("contest", "canaries", path)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert "truth/final.csv has 2 canaries" in again.stderr


def test_a_test_phase_without_a_list_can_have_none(tmp_path):
    path = make_example("deepglobe", tmp_path / "contest")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("    ids: ")))
    file = read_contest(path)
    assert find_canaries(file.contest, file.folder) == {}
    with pytest.raises(BadOption, match="no test phase has truth and ids"):
        lay_canaries(file.contest, file.folder, 1)
