# One line at each level; `triggerfish start --user-log-level Debug` shows them all.
import logging


def main(req):
    logging.critical("a critical line")
    logging.error("an error line")
    logging.warning("a warning line")
    logging.info("an information line")
    logging.debug("a debug line")
