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


def test_a_description_may_tell_what_the_last_item_came_to():
    screen = Screen()
    came_to = [0]
    for item in Terminal(screen, patience=0.0).track(range(3), lambda: f"came to {came_to[-1]}", 3):
        time.sleep(0.3)
        came_to.append(10 * (item + 1))
    assert "came to 0" in screen.getvalue()
    assert "came to 20" in screen.getvalue()


def test_on_a_short_line_the_bar_gives_way_and_nothing_is_broken(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    screen = Screen()
    said = "hidden2 (2 of 2): epoch 27, held out 0.07984, probe 55%"
    for _ in Terminal(screen, patience=0.0).track(range(2), said, 2):
        time.sleep(0.3)
    lines = [line for line in screen.getvalue().splitlines() if "1/2" in line]
    assert lines
    assert all(said in line and "left" in line for line in lines)
