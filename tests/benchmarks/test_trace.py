from benchmarks.scene import draw_planes
from benchmarks.trace import open_planes, trace_planes, trace_with_libraries


def test_both_chains_find_the_same_crowns(tmp_path):
    planes = draw_planes(0, 0, 400, 400)
    ours = trace_planes(open_planes(tmp_path, 400), planes, tmp_path / "job")
    # Ours drops seeds of fewer than four pixels.
    assert 0.9 * trace_with_libraries(planes) <= ours <= trace_with_libraries(planes)
