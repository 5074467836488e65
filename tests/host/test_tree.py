import pytest

from overtrace.host.tree import parse_tree, show_path


def faults_of(text) -> list[str]:
    return [str(fault) for fault in parse_tree(text, "c.yaml").faults]


def test_values_are_those_of_yaml_1_2():
    text = "a: [no, on, 12:30, 010, ~, true, 1_000, -2.5e3, 2026-06-01T00:00:00, 'x', null]"
    expected = ["no", "on", "12:30", 10, None, True, 1000, -2500, "2026-06-01T00:00:00", "x", None]
    assert parse_tree(text, "c.yaml").value == {"a": expected}


def test_every_value_knows_its_line():
    tree = parse_tree("a: 1\nb:\n- c: 2\n\n-\n  d:\n    3\n", "c.yaml")
    assert tree.value == {"a": 1, "b": [{"c": 2}, {"d": 3}]}
    lines = {("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 0, "c"): 3, ("b", 1): 6, ("b", 1, "d"): 6}
    assert {path: tree.find_line(path) for path in lines} == lines
    assert tree.find_line(("b", 1, "missing", 7)) == 6
    assert tree.find_line(("elsewhere",)) == 1


def test_what_is_written_once_may_be_named_again():
    assert parse_tree("a: &x {b: 1}\nc: *x\n", "c.yaml").value == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "c.yaml:3 a: it stands on line 1 too: keep one of them"),
        ("x:\n- {a: 1, a: 2}", "c.yaml:2 x[0].a: it stands on line 2 too: keep one of them"),
        ("a: 1\n\tb: 2", "c.yaml:2: no YAML: found character '\\t' that cannot start any token"),
        ("a: 1\nb: c: d", "c.yaml:2: no YAML: mapping values are not allowed here: put text that holds a colon"),
        ("a: [1", "c.yaml:1: no YAML: expected ',' or ']'"),
        ("a: 1\n---\na: 2", "c.yaml:2: no YAML: but found another document"),
        ("a: *b", "c.yaml:1: no YAML: found undefined alias 'b': name an anchor that stands above"),
        ("a: &b [*b]", "c.yaml:1 a[0]: it holds itself: write it out"),
        ("a: !!python/object/apply:os.system [ls]", None),
        ("a: !!python/name:os.system x", "c.yaml:1 a: found the tag tag:yaml.org,2002:python/name:os.system"),
        ("a: !!int x", "c.yaml:1 a: found the tag tag:yaml.org,2002:int: wanted plain text"),
        ("? [a]\n: 1", "c.yaml:1: a key is no word: wanted KEY: VALUE"),
        ("a: \x01", "c.yaml:1: no YAML: unacceptable character #x0001"),
        ("[" * 1500, "c.yaml:1: no YAML that is read: it is nested too deep: write it flat"),
    ],
)
def test_what_is_no_yaml_is_one_line(text, said):
    found = faults_of(text)
    assert [line[: len(said)] for line in found] == [said] if said else found == []


def test_a_tag_runs_nothing(tmp_path):
    mark = tmp_path / "ran"
    parse_tree(f"a: !!python/object/apply:pathlib.Path.touch [{mark}]\nb: !!python/name:os.system x", "c.yaml")
    assert not mark.exists()


def test_paths_are_shown_as_one_would_write_them():
    assert show_path(("phases", 0, "boards", 1, "ids")) == "phases[0].boards[1].ids"
    assert show_path(()) == ""
