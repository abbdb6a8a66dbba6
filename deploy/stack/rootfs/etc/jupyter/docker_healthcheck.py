#!/usr/bin/python3 -I
"""Healthy when the newest Jupyter server of this user answers its API. Standard library only, so that it is cheap and
does not depend on the environment it checks."""

import json
import os
import ssl
import sys
import urllib.request
from pathlib import Path


def runtime_dir():
    """Where Jupyter writes a file per running server."""
    if os.environ.get("JUPYTER_RUNTIME_DIR"):
        return Path(os.environ["JUPYTER_RUNTIME_DIR"])
    data = os.environ.get("JUPYTER_DATA_DIR")
    if not data:
        # PID 1 may have moved the home (NB_USER); the health check process still has the image's.
        home = Path("/home") / os.environ.get("NB_USER", "jovyan")
        base = os.environ.get("XDG_DATA_HOME") or (home if home.is_dir() else Path.home()) / ".local/share"
        data = Path(base) / "jupyter"
    return Path(data) / "runtime"


def check():
    """None when healthy, else the reason why not."""
    files = [*runtime_dir().glob("jpserver-*.json"), *runtime_dir().glob("nbserver-*.json")]
    if not files:
        return "no Jupyter server is running"
    server = json.loads(max(files, key=lambda f: f.stat().st_mtime).read_text())
    if server.get("sock"):
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # our own self-signed certificate, on loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(server["url"] + "api", timeout=0.9) as answer:
        json.load(answer)
    return None


if __name__ == "__main__":
    try:
        reason = check()
    except (OSError, ValueError, KeyError) as error:
        reason = f"{type(error).__name__}: {error}"
    sys.exit(reason)
