#!/usr/bin/python3 -IS
"""The image's default command: become the Jupyter server the environment variables ask for.

JUPYTERHUB_API_TOKEN      a JupyterHub started us: hand over to start-singleuser.py
DOCKER_STACKS_JUPYTER_CMD `lab` (default), `notebook`, `server`, ...
NOTEBOOK_ARGS             further arguments, split as a shell would
RESTARTABLE=yes           start again whenever the server ends
"""

import os
import shlex
import sys


def command(env, arguments):
    """The command line for an environment and our own arguments."""
    if env.get("JUPYTERHUB_API_TOKEN"):
        return ["/usr/local/bin/start-singleuser.py", *arguments]
    words = ["jupyter", env.get("DOCKER_STACKS_JUPYTER_CMD") or "lab"]
    words += shlex.split(env.get("NOTEBOOK_ARGS", ""))
    words += arguments
    if env.get("RESTARTABLE") == "yes":
        words.insert(0, "run-one-constantly")
    return words


def shown(words):
    """The words as a log may show them: no credential of a session belongs in a log."""
    secret = ("token=", "password=")
    return " ".join(w.split("=", 1)[0] + "=***" if any(s in w for s in secret) else w for w in words)


if __name__ == "__main__":
    words = command(os.environ, sys.argv[1:])
    print("Executing:", shown(words), flush=True)
    try:
        os.execvp(words[0], words)
    except OSError as error:
        sys.exit(f"cannot start {words[0]}: {error.strerror}")
