"""Writes a bill of what is installed where this runs, in CycloneDX's JSON form (version 1.6).

It reads what installers leave behind and asks none of them: dist-info of Python packages, conda-meta, dpkg's status, DESCRIPTION of
R packages, Julia's manifests. The same installation gives the same bytes: no time, no serial number, sorted, with one fixed time of
change.

Components name their environment in the property `bindery:environment`. What was installed from a directory has
`bindery:local`: no index has it.

    record.py FILE PREFIX...
"""

import glob
import json
import os
import re
import sys
from urllib.parse import quote, urlsplit, urlunsplit

# The first moment an archive of Python's can hold.
MOMENT = 315532800
# What is left out of an address: a credential in it is nobody's business.
TOKEN = re.compile(r"/t/[^/]+/")


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def read_json(path):
    try:
        found = json.loads(read(path))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def fields(text):
    """The fields of the first paragraph of `Name: value` lines; lines that go on are left out."""
    found = {}
    for line in text.splitlines():
        if not line.strip():
            break
        name, colon, value = line.partition(":")
        if colon and name == name.strip():
            found.setdefault(name, value.strip())
    return found


def public(address):
    """The address without what may be a credential."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], TOKEN.sub("/", parts.path), "", parts.fragment))


def purl(kind, name, version, **qualifiers):
    text = "&".join(f"{key}={quote(str(value), safe='.-_~:/')}" for key, value in sorted(qualifiers.items()) if value)
    return f"pkg:{kind}/{quote(name, safe='.-_~/')}@{quote(version, safe='.-_~')}" + (f"?{text}" if text else "")


def component(kind, name, version, environment=None, local=False, address=None, sha256=None, vcs=None, **qualifiers):
    made = {"type": "library", "name": name, "version": version, "purl": purl(kind, name, version, **qualifiers)}
    if sha256:
        made["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    if address or vcs:
        made["externalReferences"] = [{"type": "distribution" if address else "vcs", "url": address or vcs}]
    properties = []
    if environment:
        properties.append({"name": "bindery:environment", "value": environment})
    if local:
        properties.append({"name": "bindery:local", "value": "true"})
    if properties:
        made["properties"] = properties
    return made


def site_packages(prefix):
    for pattern in ("lib/python3*/site-packages", "lib/python3*/dist-packages", "local/lib/python3*/dist-packages"):
        yield from glob.glob(os.path.join(glob.escape(prefix), pattern))


def python(prefix):
    for place in site_packages(prefix):
        for info in glob.glob(os.path.join(glob.escape(place), "*.dist-info")):
            about = fields(read(os.path.join(info, "METADATA")))
            # What another installer brought is in that one's own list.
            if not about.get("Name") or read(os.path.join(info, "INSTALLER")).strip() in ("conda", "debian"):
                continue
            name = re.sub(r"[-_.]+", "-", about["Name"]).lower()
            yield component("pypi", name, about.get("Version", ""), prefix, **origin(read_json(os.path.join(info, "direct_url.json"))))


def origin(direct):
    """Where a package came from that no index was asked for."""
    address = direct.get("url")
    if not isinstance(address, str):
        return {}
    if "vcs_info" in direct:
        about = direct["vcs_info"]
        return {"vcs": f"{about.get('vcs', 'git')}+{public(address)}@{about.get('commit_id', '')}"}
    if address.startswith("file:"):
        return {"local": True}
    return {"address": public(address)}


def interpreter(prefix):
    """The Python of an environment made with one that no distribution brought."""
    lines = (line.partition("=") for line in read(os.path.join(prefix, "pyvenv.cfg")).splitlines())
    settings = {name.strip(): value.strip() for name, _, value in lines}
    version = settings.get("version_info") or settings.get("version")
    if version and not settings.get("home", "/usr/bin").startswith("/usr/bin"):
        yield component("generic", "python", version, prefix)


def conda(prefix):
    for path in glob.glob(os.path.join(glob.escape(prefix), "conda-meta", "*.json")):
        about = read_json(path)
        if about.get("name") and about.get("version"):
            yield component(
                "conda",
                about["name"],
                about["version"],
                prefix,
                address=public(about.get("url") or ""),
                sha256=about.get("sha256"),
                build=about.get("build"),
                channel=public(str(about.get("channel") or "")),
                subdir=about.get("subdir"),
            )


def debian():
    system = dict(line.split("=", 1) for line in read("/etc/os-release").splitlines() if "=" in line)
    vendor = system.get("ID", "debian").strip('"')
    for paragraph in read("/var/lib/dpkg/status").split("\n\n"):
        about = fields(paragraph.lstrip("\n"))
        if about.get("Status", "").endswith(" installed") and about.get("Package"):
            yield component(f"deb/{vendor}", about["Package"], about.get("Version", ""), arch=about.get("Architecture"))


def r():
    places = {"/usr/local/lib/R/site-library", *os.environ.get("R_LIBS_USER", "").split(":")} - {""}
    for place in places:
        for path in glob.glob(os.path.join(glob.escape(place), "*", "DESCRIPTION")):
            about = fields(read(path))
            if about.get("Package") and about.get("Version"):
                local = "Repository" not in about and "RemoteType" not in about
                yield component("cran", about["Package"], about["Version"], place, local=local)


def julia():
    depot, project = os.environ.get("JULIA_DEPOT_PATH", ""), os.environ.get("JULIA_PROJECT", "")
    places = [*glob.glob(os.path.join(glob.escape(depot), "environments", "*")), project] if depot else []
    for place in sorted({place for place in places if place}):
        try:
            import tomllib

            packages = tomllib.loads(read(os.path.join(place, "Manifest.toml"))).get("deps", {})
        except (ImportError, ValueError):
            continue
        for name, entries in packages.items() if isinstance(packages, dict) else ():
            for entry in entries if isinstance(entries, list) else ():
                if entry.get("version"):
                    yield component("julia", name, entry["version"], place, local="path" in entry, uuid=entry.get("uuid"))


def main(target, prefixes):
    home = os.environ.get("HOME", "")
    found = [*debian(), *r(), *julia()]
    for prefix in dict.fromkeys([*prefixes, "/usr", os.path.join(home, ".local")]):
        found += [*python(prefix), *interpreter(prefix), *conda(prefix)]
    found.sort(key=lambda each: json.dumps([each["purl"], each.get("properties")]))
    known = set()
    for each in found:
        # Two environments may have the same package.
        places = [entry["value"] for entry in each.get("properties", []) if entry["name"] == "bindery:environment"]
        each["bom-ref"] = each["purl"] if each["purl"] not in known else f"{each['purl']}#{''.join(places)}"
        known.add(each["purl"])
    bill = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": found}
    directory = os.path.dirname(target)
    os.makedirs(directory, exist_ok=True)
    with open(target, "w", encoding="utf-8") as file:
        json.dump(bill, file, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        file.write("\n")
    for path in (target, directory, os.path.dirname(directory)):
        os.utime(path, (MOMENT, MOMENT))
    print(f"{len(found)} packages on record")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
