"""Entry point of `python -m sarkmock` and the command `sarkmock`."""

import os
import signal
import sys
from typing import NoReturn

STOPPED_BY_USER = 130  # the shell's exit code for SIGINT
CAN_BE_INTERRUPTED = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if CAN_BE_INTERRUPTED:  # without this, an interrupt during imports prints a traceback
    signal.signal(signal.SIGINT, lambda *_: os._exit(STOPPED_BY_USER))


def run_command_line() -> NoReturn:
    from sarkmock.cli import main

    try:
        if CAN_BE_INTERRUPTED:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        main()
    except KeyboardInterrupt:
        sys.exit(STOPPED_BY_USER)


if __name__ == "__main__":
    run_command_line()
