import numpy as np
import pytest

pytest.importorskip("torch")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from overtrace.learn.log import Log


def write(out, done, steps):
    log = Log(out, done)
    for step in steps:
        log.put_losses(step, {"a": step / 4, "b": 0.5}, 0.1)
        log.put_score(step, "held", "itc", 1 / step)
    log.close()


def read_steps(path):
    return [int(line.split(",")[0]) for line in path.read_text().splitlines()[1:]]


def test_a_row_a_step_whose_loss_is_the_sum(tmp_path):
    write(tmp_path, 0, [1, 2])
    assert (tmp_path / "losses.csv").read_text() == (
        "step,loss,a,b,learning_rate\n1,0.75,0.25,0.5,0.1\n2,1.0,0.5,0.5,0.1\n"
    )
    assert (tmp_path / "scores.csv").read_text() == "step,set,rule,score\n1,held,itc,1.0\n2,held,itc,0.5\n"


def test_rows_after_the_checkpoint_are_taken_back(tmp_path):
    write(tmp_path, 0, range(1, 6))
    Log(tmp_path, 3).close()
    assert read_steps(tmp_path / "losses.csv") == [1, 2, 3]
    # The validation of step 3 itself is made once more.
    assert read_steps(tmp_path / "scores.csv") == [1, 2]


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_row_that_was_cut_short_is_dropped(tmp_path, cut):
    write(tmp_path, 0, [1, 2, 3])
    whole = (tmp_path / "losses.csv").read_bytes()
    (tmp_path / "losses.csv").write_bytes(whole[:-cut])
    write(tmp_path, 2, [3])
    assert (tmp_path / "losses.csv").read_bytes() == whole


def test_a_run_that_begins_anew_has_no_old_rows(tmp_path):
    write(tmp_path, 0, [1, 2])
    Log(tmp_path, 0).close()
    assert not (tmp_path / "losses.csv").exists()
    assert not (tmp_path / "scores.csv").exists()


def test_a_file_without_any_row_is_no_hindrance(tmp_path):
    (tmp_path / "losses.csv").touch()
    write(tmp_path, 0, [1])
    assert read_steps(tmp_path / "losses.csv") == [1]


def test_tensorboard_shows_what_was_kept(tmp_path):
    write(tmp_path, 0, range(1, 6))
    log = Log(tmp_path, 3)
    log.put_losses(4, {"a": 9.0, "b": 0.5}, 0.2)
    log.put_picture(4, "held", np.full((2, 3, 3), 77, np.uint8))
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {"losses/loss", "losses/a", "losses/b", "learning rate", "scores/held"}
    assert [(event.step, event.value) for event in events.Scalars("losses/a")] == [
        (1, 0.25),
        (2, 0.5),
        (3, 0.75),
        (4, 9),
    ]
    (picture,) = events.Images("held")
    assert (picture.step, picture.width, picture.height) == (4, 3, 2)
