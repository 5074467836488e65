import pytest

torch = pytest.importorskip("torch")

from overtrace.networks import rcnn_targets  # noqa: E402
from overtrace.networks.rcnn_targets import UNUSED, Target, best_objects, ignored, sample  # noqa: E402

OBJECTS = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]])
BOXES = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [20, 0, 25, 4], [50, 50, 60, 60]])


@pytest.mark.parametrize("boxes_at_once", [1, 3, 100])
def test_best_objects_worked_by_hand(boxes_at_once, monkeypatch):
    monkeypatch.setattr(rcnn_targets, "BOXES", boxes_at_once)
    most, which, leads = best_objects(OBJECTS, BOXES)
    torch.testing.assert_close(most, torch.tensor([1, 0.5, 0.2, 0]))
    assert which[:3].tolist() == [0, 0, 1]
    assert leads.tolist() == [True, False, True, False]


def test_boxes_that_are_equally_good_lead_together():
    _, _, leads = best_objects(OBJECTS, torch.tensor([[0.0, 0, 5, 10], [5, 0, 10, 10]]))
    assert leads.tolist() == [True, True]


def test_nothing_leads_to_an_object_that_no_box_touches():
    assert not best_objects(OBJECTS, BOXES[3:])[2].any()


def test_best_objects_of_none():
    most, which, leads = best_objects(OBJECTS[:0], BOXES)
    assert most.tolist() == which.tolist() == [0, 0, 0, 0]
    assert not leads.any()
    assert len(best_objects(OBJECTS, BOXES[:0])[0]) == 0


def test_a_box_is_ignored_when_half_of_it_is():
    ignore = torch.zeros(20, 20, dtype=torch.bool)
    ignore[:, 10:] = True
    boxes = torch.tensor(
        [[8.0, 0, 12, 4], [7.9, 0, 12, 4], [12, 3, 13, 4], [0, 0, 5, 5], [15, 0, 24.9, 9], [15, 0, 25.1, 9]]
    )
    assert ignored(boxes, ignore).tolist() == [True, False, True, False, True, False]
    assert not ignored(boxes, None).any()


def test_ignored_shares_are_exact_between_pixels():
    ignore = torch.rand(9, 7, generator=torch.Generator().manual_seed(0)) > 0.5
    fine = ignore.repeat_interleave(4, 0).repeat_interleave(4, 1).double()
    for top, left, bottom, right in [(0, 0, 36, 28), (3, 5, 17, 9), (30, 2, 31, 27), (9, 9, 10, 10)]:
        box = torch.tensor([[left, top, right, bottom]]) / 4
        share = fine[top:bottom, left:right].mean().item()
        assert ignored(box, ignore).item() == (share >= 0.5)


def test_sampling_takes_objects_up_to_their_share_and_background_for_the_rest():
    kinds = torch.tensor([7] * 3 + [UNUSED] * 10 + [2] * 20 + [0] * 30)
    chosen = sample(kinds, 7, count=16, share=0.25, rng=None)
    assert set(kinds[chosen[:4]].tolist()) <= {0, 2}
    # There are only three of the background.
    assert kinds[chosen[4:]].tolist() == [7, 7, 7]
    assert len(set(chosen.tolist())) == 7


def test_sampling_repeats_itself():
    kinds = torch.arange(100) % 2
    first, second = (sample(kinds, 0, 20, 0.5, torch.Generator().manual_seed(5)).tolist() for _ in range(2))
    assert first == second
    assert first != sample(kinds, 0, 20, 0.5, torch.Generator().manual_seed(6)).tolist()


def test_a_target_whose_parts_do_not_fit_is_refused():
    masks = torch.zeros(2, 8, 8, dtype=torch.uint8)
    with pytest.raises(ValueError, match="2 boxes, 1 classes and 2 masks"):
        Target(OBJECTS, torch.zeros(1, dtype=torch.long), masks)
    with pytest.raises(ValueError, match="no width"):
        Target(torch.zeros(2, 4), torch.zeros(2, dtype=torch.long), masks)
