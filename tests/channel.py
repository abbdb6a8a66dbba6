#!/usr/bin/env python3
"""Makes a conda channel of a few small packages, for tests: channel.py DIRECTORY

    alpha 1.0, 2.0, 3.0   a program that prints its version; 3.0 was published a year after the others
    beta 1.0              needs alpha <2, so brings an older one
    gamma 1.0             needs alpha >=2, so does not go with beta
    delta 1.0             sets a variable when its environment is activated
"""

import bz2
import hashlib
import io
import json
import os
import sys
import tarfile

EARLY, LATE = 1577836800000, 1609459200000  # 2020-01-01 and 2021-01-01


def program(name, version):
    return {f"bin/{name}": f"#!/bin/sh\necho {name} {version}\n"}


PACKAGES = [
    ("alpha", "1.0", [], program("alpha", "1.0"), EARLY),
    ("alpha", "2.0", [], program("alpha", "2.0"), EARLY),
    ("alpha", "3.0", [], program("alpha", "3.0"), LATE),
    ("beta", "1.0", ["alpha <2"], program("beta", "1.0"), EARLY),
    ("gamma", "1.0", ["alpha >=2"], program("gamma", "1.0"), EARLY),
    ("delta", "1.0", [], {"etc/conda/activate.d/delta.sh": 'export DELTA_DATA="$CONDA_PREFIX/share/delta"\n'}, EARLY),
]


def archive(index, files):
    paths = [
        {
            "_path": path,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "size_in_bytes": len(text.encode()),
        }
        for path, text in files.items()
    ]
    members = {
        "info/index.json": json.dumps(index),
        "info/files": "\n".join(files) + "\n",
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
        **files,
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, text in members.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(text.encode()), 0o755 if path.startswith("bin/") else 0o644
            tar.addfile(member, io.BytesIO(text.encode()))
    return bz2.compress(out.getvalue())


def main(directory):
    records = {}
    os.makedirs(os.path.join(directory, "noarch"))
    for name, version, depends, files, published in PACKAGES:
        index = {
            "name": name, "version": version, "build": "0", "build_number": 0, "depends": depends, "subdir": "noarch",
            "noarch": "generic", "license": "BSD-3-Clause", "timestamp": published,
        }
        data = archive(index, files)
        file = f"{name}-{version}-0.tar.bz2"
        with open(os.path.join(directory, "noarch", file), "wb") as out:
            out.write(data)
        hashes = {"md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        records[file] = {**index, **hashes}
    for subdir in ("noarch", "linux-64", "linux-aarch64"):
        os.makedirs(os.path.join(directory, subdir), exist_ok=True)
        repodata = {"info": {"subdir": subdir}, "packages": records if subdir == "noarch" else {}, "packages.conda": {}}
        with open(os.path.join(directory, subdir, "repodata.json"), "w") as out:
            json.dump({**repodata, "repodata_version": 1}, out, indent=1, sort_keys=True)


if __name__ == "__main__":
    main(sys.argv[1])
