import io
import time

from regraft.cli.progress import Terminal


class Screen(io.StringIO):
    """A terminal that remembers everything."""

    def isatty(self):
        return True


def worked(terminal, seconds, count=3):
    seen = []
    for item in terminal.track(range(count), "working", count):
        time.sleep(seconds)
        seen.append(item)
    return seen


def test_nothing_is_shown_where_nobody_looks():
    stream = io.StringIO()
    assert worked(Terminal(stream, patience=0.0), 0.02) == [0, 1, 2]
    assert stream.getvalue() == ""


def test_short_work_has_no_bar():
    screen = Screen()
    assert worked(Terminal(screen), 0.0) == [0, 1, 2]
    assert screen.getvalue() == ""


def test_long_work_has_a_bar_with_count_and_rate():
    screen = Screen()
    assert worked(Terminal(screen, patience=0.01), 0.3) == [0, 1, 2]
    shown = screen.getvalue()
    assert "working" in shown
    assert "2/3" in shown
    assert "/s, " in shown
    assert " s left" in shown


def test_a_bar_appears_even_while_the_first_item_takes_long():
    screen = Screen()
    items = Terminal(screen, patience=0.05).track(["one"], "slow", 1)
    next(items)
    time.sleep(1.0)
    assert "slow" in screen.getvalue()
    assert list(items) == []


def test_bars_may_nest_and_end_with_an_exception():
    screen = Screen()
    terminal = Terminal(screen, patience=0.0)
    try:
        for _ in terminal.track(range(2), "outer", 2):
            worked(terminal, 0.1, 2)
            raise ValueError
    except ValueError:
        pass
    assert worked(terminal, 0.1) == [0, 1, 2]
    assert "outer" in screen.getvalue()


def test_messages_are_lines():
    stream = io.StringIO()
    terminal = Terminal(stream)
    terminal.say("cut at 'conv1'")
    terminal.warn("two\nlines")
    assert stream.getvalue() == "cut at 'conv1'\nwarning: two lines\n"


def test_messages_stand_above_a_bar_as_they_are():
    screen = Screen()
    terminal = Terminal(screen, patience=0.0)
    for _ in terminal.track(range(2), "working", 2):
        time.sleep(0.2)
        terminal.say("[bold]not markup[/bold]")
    assert "[bold]not markup[/bold]" in screen.getvalue()
