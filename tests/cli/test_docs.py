from docs.make_commands import PAGE, describe_commands


def test_commands_page_is_what_the_commands_say():
    assert PAGE.read_text() == describe_commands(), "run make docs"
