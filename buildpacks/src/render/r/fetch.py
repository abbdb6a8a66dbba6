"""Fetches a file and checks it: fetch.py ADDRESS-FILE SHA256 TARGET.

The address is read from a file, so that what it is logged in to with is in no list of processes.
"""

import base64
import hashlib
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

SECONDS = 60


def request(address):
    parts = urllib.parse.urlsplit(address)
    login, _, host = parts.netloc.rpartition("@")
    made = urllib.request.Request(urllib.parse.urlunsplit(parts._replace(netloc=host)))
    if login:
        made.add_unredirected_header(
            "Authorization", "Basic " + base64.b64encode(urllib.parse.unquote(login).encode()).decode()
        )
    return made


def main(address_file, expected, target):
    with open(address_file, encoding="utf-8") as file:
        wanted = request(file.read().strip())
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(wanted, timeout=SECONDS) as answer, open(target, "wb") as file:
            while block := answer.read(1 << 20):
                digest.update(block)
                file.write(block)
    except (urllib.error.URLError, OSError) as error:
        sys.exit(f"{wanted.full_url} cannot be fetched: {error}. This site names it for its sessions; it is not in reach.")
    if digest.hexdigest() != expected:
        os.unlink(target)
        sys.exit(f"{wanted.full_url} does not have the checksum this site names; it is not used.")


if __name__ == "__main__":
    main(*sys.argv[1:])
