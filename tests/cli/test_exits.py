"""How tools end, and what they can print."""

import io
import sys

import pytest

from daseg.cli.exits import reports_errors


def test_names_that_are_no_text_can_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, encoding="utf-8"))
    reports_errors(lambda: print("street\udcff.png", flush=True))()
    assert stream.getvalue() == b"street\\udcff.png\n"
