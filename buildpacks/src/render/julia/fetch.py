"""Fetches a release of Julia from a mirror, checks it against the mirror's checksum, and unpacks it.

    fetch.py MIRROR VERSION DIRECTORY

The mirror is laid out like Julia's own: `linux/x64/1.9/julia-1.9.4-linux-x86_64.tar.gz` and `checksums/julia-1.9.4.sha256` below it.
Leaves DIRECTORY/julia-VERSION.
"""

import hashlib
import os
import platform
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request

# What the machine calls itself, the mirror's directory, and the name in the archive.
MACHINES = {"x86_64": ("x64", "x86_64"), "aarch64": ("aarch64", "aarch64")}
SECONDS = 60


def open_url(url):
    try:
        return urllib.request.urlopen(url, timeout=SECONDS)
    except urllib.error.HTTPError as error:
        sys.exit(f"{url}: the mirror answers {error.code} {error.reason}. Is this a release of Julia for this machine?")
    except (urllib.error.URLError, OSError) as error:
        sys.exit(f"{url} cannot be fetched: {error}. The site's mirror of Julia is not in reach.")


def checksum(mirror, version, archive):
    with open_url(f"{mirror}/checksums/julia-{version}.sha256") as answer:
        for line in answer.read(1 << 20).decode("utf-8", "replace").splitlines():
            words = line.split()
            if len(words) == 2 and words[1].lstrip("*") == archive:
                return words[0].lower()
    sys.exit(f"{mirror} names no checksum of {archive}.")


def main(mirror, version, directory):
    machine = platform.machine()
    if machine not in MACHINES:
        sys.exit(f"There is no Julia for {machine} here.")
    place, name = MACHINES[machine]
    mirror = mirror.rstrip("/")
    archive = f"julia-{version}-linux-{name}.tar.gz"
    series = ".".join(version.split(".")[:2])
    expected = checksum(mirror, version, archive)
    url = f"{mirror}/linux/{place}/{series}/{archive}"
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory(dir=directory) as temporary:
        path = os.path.join(temporary, archive)
        with open_url(url) as answer, open(path, "wb") as file:
            while block := answer.read(1 << 20):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != expected:
            sys.exit(f"{url} does not have the checksum its mirror names; it is not used.")
        with tarfile.open(path) as opened:
            opened.extractall(temporary, filter="tar") if hasattr(tarfile, "tar_filter") else opened.extractall(temporary)
        target = os.path.join(directory, f"julia-{version}")
        shutil.rmtree(target, ignore_errors=True)
        os.rename(os.path.join(temporary, f"julia-{version}"), target)
    print(f"Julia {version} from {mirror}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
