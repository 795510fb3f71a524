"""What a running task shows in passing."""

from __future__ import annotations

from dispatch_host.live import TEXT_CHARACTERS, LiveNews

TASK = bytes(16)


def test_nothing_is_due_before_there_is_something() -> None:
    news = LiveNews(TASK, 100)

    assert news.due_ms() is None
    assert news.take(1000) == []


def test_what_comes_between_two_frames_shares_the_next() -> None:
    news = LiveNews(TASK, 100)
    news.text("a")
    assert [item.partial_text.delta for item in news.take(1000)] == ["a"]
    news.text("b")
    news.progress(done=1, total=3, unit="files")
    news.text("c")
    news.progress(done=2, total=3, unit="files")

    assert news.take(1099) == []
    text, progress = news.take(1100)

    assert (text.partial_text.delta, text.partial_text.offset) == ("bc", 1)
    assert (progress.progress.done, progress.progress.total, progress.progress.unit) == (2, 3, "files")
    assert news.due_ms() is None


def test_a_long_text_goes_on_in_the_next_frame() -> None:
    news = LiveNews(TASK, 100)
    news.text("x" * (TEXT_CHARACTERS + 5))

    first, second = news.take(0), news.take(100)

    assert len(first[0].partial_text.delta) == TEXT_CHARACTERS
    assert (second[0].partial_text.delta, second[0].partial_text.offset) == ("x" * 5, TEXT_CHARACTERS)
