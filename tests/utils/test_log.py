"""Leaving out what a library logs, and no more than that."""

import logging
import os
import sys

from mmengine.logging import MMLogger

from daseg.utils.log import quiet, replace_handlers


def test_warnings_are_left_out_inside_and_logged_before_and_after(capsys):
    logger = MMLogger.get_instance("quiet_test", log_level="INFO")
    logger.handlers[0].setStream(sys.stderr)
    logger.warning("first")
    with quiet(logging.WARNING):
        logger.warning("second")
        logger.error("third")
    logger.warning("fourth")
    text = capsys.readouterr().err
    assert [w for w in ("first", "second", "third", "fourth") if w in text] == [
        "first",
        "third",
        "fourth",
    ]


def test_a_logger_whose_first_word_is_inside_speaks_afterwards(capsys):
    logger = MMLogger.get_instance("quiet_test_2", log_level="INFO")
    logger.handlers[0].setStream(sys.stderr)
    with quiet(logging.WARNING):
        logger.warning("hidden")
    logger.warning("shown")
    text = capsys.readouterr().err
    assert "hidden" not in text
    assert "shown" in text


def test_a_screen_that_nobody_reads_ends_and_the_file_has_all(tmp_path, capsys):
    reader, writer = os.pipe()
    logger = MMLogger.get_instance("pipe_test", log_level="INFO", log_file=str(tmp_path / "a.log"))
    with open(writer, "w") as stream:
        logger.handlers[0].setStream(stream)
        replace_handlers(logger)
        logger.info("first")
        assert b"first" in os.read(reader, 1000)
        os.close(reader)
        logger.info("second")
        logger.info("third")
        sys.stderr.flush()
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), writer)  # what is left in the buffer
    assert "Traceback" not in capsys.readouterr().err
    text = (tmp_path / "a.log").read_text()
    assert [word for word in ("first", "second", "third") if word in text] == [
        "first",
        "second",
        "third",
    ]
