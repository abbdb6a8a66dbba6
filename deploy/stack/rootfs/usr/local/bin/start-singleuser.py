#!/usr/bin/python3 -IS
"""Start as a JupyterHub single-user server. The hub's own package is not part of this stack: install `jupyterhub` in the
version your hub runs."""

import os
import shlex
import shutil
import sys

if __name__ == "__main__":
    words = ["jupyterhub-singleuser"]
    # Old spawners name the address in variables instead of arguments.
    if "--ip" not in " ".join(sys.argv) and os.environ.get("JPY_USER"):
        words.append("--ip=0.0.0.0")
    words += shlex.split(os.environ.get("NOTEBOOK_ARGS", "")) + sys.argv[1:]
    if shutil.which(words[0]) is None:
        sys.exit(
            "JUPYTERHUB_API_TOKEN is set but jupyterhub-singleuser is not installed: "
            "add `jupyterhub`, in your hub's version, to the environment"
        )
    print("Executing:", " ".join(words), flush=True)
    os.execvp(words[0], words)
