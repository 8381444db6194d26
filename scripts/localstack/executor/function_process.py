"""Starts AWS's runtime interface client for the handler in argv[1]; ends when LocalStack ends."""

import os
import sys
import threading


def exit_with_parent() -> None:
    """Ends this process as soon as stdin, a pipe that only LocalStack holds, is closed."""
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # as in AWS, the function's own stdin is empty

    def watch() -> None:
        os.read(pipe, 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    exit_with_parent()
    sys.path[0] = os.getcwd()  # as in AWS: the function's code, not the folder of this file
    from awslambdaric.__main__ import main  # type: ignore[import-not-found]  # only where functions run

    main(sys.argv)
