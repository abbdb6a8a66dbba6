"""Compiles the Python modules an installation added, each distribution once.

Compiling is most of the time an installation takes when its downloads are cached. So the compiled code of a distribution is kept
beside the downloads, under a name made of its RECORD (which holds a hash of each file) and this interpreter, and each module's
code is used only for a source with the same hash. What is written are ordinary time-stamped .pyc files.

Times of change are those of one fixed moment for all that this step has written, so that the same installation gives the same layer
whenever and wherever it is made.

    bytecode.py CACHE_DIRECTORY
"""

import csv
import glob
import hashlib
import importlib.util
import marshal
import multiprocessing
import os
import struct
import sys
import sysconfig

MAGIC = importlib.util.MAGIC_NUMBER
# The first moment an archive of Python's can hold.
MOMENT = 315532800


def header(status):
    stamp = int(status.st_mtime) & 0xFFFFFFFF
    return MAGIC + struct.pack("<LLL", 0, stamp, status.st_size & 0xFFFFFFFF)


def is_compiled(source):
    """Whether a .pyc is there that the interpreter would use, by time stamp or by hash."""
    try:
        with open(importlib.util.cache_from_source(source), "rb") as file:
            found = file.read(16)
        return found == header(os.stat(source)) or (found[:4] == MAGIC and found[4:8] != bytes(4))
    except OSError:
        return False


def load(path):
    try:
        with open(path, "rb") as file:
            known = marshal.load(file)
        return known if isinstance(known, dict) else {}
    except (OSError, ValueError, EOFError, TypeError):
        return {}


def save(path, known):
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as file:
        marshal.dump(known, file)
    os.replace(temporary, path)


def compile_distribution(record, cache):
    """Writes the .pyc files a distribution lacks; how many."""
    with open(record, "rb") as file:
        content = file.read()
    base = os.path.dirname(os.path.dirname(record))
    names = [row[0] for row in csv.reader(content.decode("utf-8", "replace").splitlines()) if row]
    names = [name for name in names if name.endswith(".py") and not name.startswith(("/", ".."))]
    names = [name for name in names if not is_compiled(os.path.join(base, name))]
    if not names:
        return 0
    stored = os.path.join(cache, hashlib.sha256(MAGIC + sys.version.encode() + content).hexdigest())
    known, kept = load(stored), {}
    for name in names:
        source = os.path.join(base, name)
        try:
            with open(source, "rb") as file:
                text, status = file.read(), os.fstat(file.fileno())
            digest = hashlib.blake2b(text, digest_size=16).digest()
            found = known.get(name)
            if found and found[0] == digest:
                body = found[1]
            else:
                body = marshal.dumps(compile(text, source, "exec", dont_inherit=True))
            target = importlib.util.cache_from_source(source)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(header(status) + body)
            kept[name] = (digest, body)
        except (OSError, SyntaxError, ValueError, RecursionError, OverflowError):
            # Templates and files for other Pythons come with many packages; importing one says what is wrong.
            continue
    if any(known.get(name) != entry for name, entry in kept.items()):
        save(stored, {**known, **kept})
    return len(kept)


def settle(began):
    """Gives everything below the interpreter's prefix that changed since then the fixed time of change."""
    for directory, names, files in os.walk(sys.prefix):
        for path in [os.path.join(directory, name) for name in (*names, *files)] + [directory]:
            try:
                if os.lstat(path).st_mtime >= began:
                    os.utime(path, (MOMENT, MOMENT), follow_symlinks=False)
            except OSError:
                # Somebody else's.
                continue


def main(cache):
    # A file system made for this step, just before it began.
    began = int(os.stat("/dev/shm").st_ctime)
    settle(began)
    os.makedirs(cache, exist_ok=True)
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    records = [path for place in places for path in glob.glob(os.path.join(glob.escape(place), "*.dist-info", "RECORD"))]
    # The largest first, so that none is left over for a single process at the end.
    jobs = [(record, cache) for record in sorted(records, key=os.path.getsize, reverse=True)]
    with multiprocessing.get_context("fork").Pool(min(os.cpu_count() or 1, 8)) as pool:
        count = sum(pool.starmap(compile_distribution, jobs, chunksize=1))
    settle(began)
    print(f"Bytecode of {count} modules in place")


if __name__ == "__main__":
    main(sys.argv[1])
