"""Leaving out what a library logs, and no more than that."""

import logging
import sys

from mmengine.logging import MMLogger

from daseg.utils.log import quiet


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
