"""A Python package index of a few small packages, for tests, on port 8000: python3 -c "$(cat index.py)" RUN

    heron 1.0, 2.0   a module of its name
    ibis 1.0, 2.0    likewise
    kite 1.0         needs heron; with its extra `tail`, wing too
    wing 1.0         a module of its name
    shared-RUN-N 1.0 for N from 0 to 9

Every request is a line on standard error. Standard library only.
"""

import functools
import hashlib
import http.server
import os
import sys
import zipfile

ROOT = "/srv/index"
PACKAGES = [
    ("heron", "1.0", []),
    ("heron", "2.0", []),
    ("ibis", "1.0", []),
    ("ibis", "2.0", []),
    ("kite", "1.0", ["Requires-Dist: heron", "Provides-Extra: tail", 'Requires-Dist: wing; extra == "tail"']),
    ("wing", "1.0", []),
    *((f"shared_{sys.argv[1]}_{number}", "1.0", []) for number in range(10)),
]


def wheel(name, version, needs):
    """Writes a wheel, the same bytes each time; its link."""
    info = f"{name}-{version}.dist-info"
    head = ["Metadata-Version: 2.1", f"Name: {name.replace('_', '-')}", f"Version: {version}", *needs, ""]
    files = {
        f"{name}.py": f"who = '{name} {version}'\n",
        f"{info}/METADATA": "\n".join(head),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: index\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in files)
    path = f"{ROOT}/files/{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in files.items():
            archive.writestr(zipfile.ZipInfo(inside, (2020, 1, 1, 0, 0, 0)), text)
    with open(path, "rb") as written:
        digest = hashlib.sha256(written.read()).hexdigest()
    file = os.path.basename(path)
    return f'<a href="../../files/{file}#sha256={digest}">{file}</a>\n'


os.makedirs(f"{ROOT}/files")
for package, release, requirements in PACKAGES:
    page = f"{ROOT}/simple/{package.replace('_', '-')}"
    os.makedirs(page, exist_ok=True)
    with open(f"{page}/index.html", "a") as listing:
        listing.write(wheel(package, release, requirements))
http.server.ThreadingHTTPServer(
    ("", 8000), functools.partial(http.server.SimpleHTTPRequestHandler, directory=ROOT)
).serve_forever()
