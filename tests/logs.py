"""What is logged."""

import contextlib
import logging as std_logging

from absl import logging


@contextlib.contextmanager
def capture_log():
    """A list that grows by what is logged meanwhile: messages without their time."""
    lines, before = [], logging.get_verbosity()
    handler = std_logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logging.set_verbosity(logging.INFO)
    logging.get_absl_logger().addHandler(handler)
    try:
        yield lines
    finally:
        logging.get_absl_logger().removeHandler(handler)
        logging.set_verbosity(before)
