"""Makes a conda environment: solves what is asked for, or takes exactly what a lock file lists, and installs it.

    conda.py install REQUEST PREFIX CACHE CONTENT
    conda.py activate REQUEST PREFIX BASE_PREFIX

REQUEST is a JSON file: `file` (for messages), `platform`, and either `channels` and `specs`, or `packages` with `url` and a hash;
`date` leaves out packages published later; `variables` are set wherever the environment is active. CACHE holds packages and
indexes between builds; CONTENT is the directory that addresses such as `content:channel` start from.

The second form writes what makes the environment the one people see: the shell's activation, and its kernels with the variables
that its packages set.
"""

import glob
import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# Seconds for one answer of a server.
TIMEOUT = 60
ATTEMPTS = 3
# Computed at each start of a shell or kernel, so never kept from a build.
FLEETING = {"PWD", "OLDPWD", "SHLVL", "_", "HOME", "PS1", "TMPDIR"}


def leave(status):
    """Ends at once: threads of the solver that are still about would end the interpreter with an error of its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def fail(message, *details):
    print(f"error: {message}", *details, sep="\n", file=sys.stderr)
    leave(1)


def in_place(address, content):
    """An address with the content's directory filled in."""
    path = address.removeprefix("content:")
    return address if path == address else f"file://{content}/{path}"


def without_credentials(url):
    """An address as a log may show it."""
    parts = urllib.parse.urlsplit(url)
    path = parts.path.split("/")
    if len(path) > 2 and path[1] == "t":
        path[2] = "***"
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rsplit("@", 1)[-1], "/".join(path), "", ""))


def virtual_packages(rattler):
    """What this system is, without the processor of the machine that happens to build."""
    found = [one.into_generic() for one in rattler.VirtualPackage.detect()]
    return [one for one in found if one.name.normalized != "__archspec"]


def asked_for(explanation):
    """The names of what was asked for that an explanation is about."""
    names = []
    for line in explanation.splitlines():
        if line.startswith(("├─ ", "└─ ")):
            names.append(line[3:].split()[0])
        elif "No candidates were found for " in line:
            names.append(line.split("No candidates were found for ", 1)[1].split()[0].rstrip("."))
    return list(dict.fromkeys(names))


def refuse(request, error):
    explanation = str(error).strip()
    explanation = explanation.removeprefix("Cannot solve the request because of: ")
    names = asked_for(explanation)
    if "No candidates were found for " in explanation:
        what = f"no channel has {' or '.join(names)}" if names else "no channel has what is asked for"
    else:
        what = f"{' and '.join(names) or 'the packages'} cannot be installed together"
    fail(f"could not solve {request['file']}: {what}.", explanation)


async def solve(rattler, request, cache):
    import datetime

    gateway = rattler.Gateway(cache_dir=os.path.join(cache, "repodata"), client=rattler.Client.default_client())
    channels = [rattler.Channel(url) for url in request["channels"]]
    date = request.get("date")
    options = {
        "platforms": [request["platform"], "noarch"],
        "virtual_packages": virtual_packages(rattler),
        "gateway": gateway,
        "exclude_newer": datetime.datetime.fromisoformat(date.replace("Z", "+00:00")) if date else None,
    }

    async def attempt(specs):
        return await rattler.solve(channels, specs, **options)

    specs = list(request["specs"])
    try:
        records = await attempt(specs)
    except rattler.exceptions.SolverError as error:
        refuse(request, error)
    # A kernel for each language the environment turned out to have.
    names = {record.name.normalized for record in records}
    kernels = {"python": "ipykernel", "r-base": "r-irkernel"}
    wanted = [kernel for language, kernel in kernels.items() if language in names and kernel not in names]
    for kernel in wanted:
        try:
            records = await attempt([*specs, kernel])
            specs.append(kernel)
        except rattler.exceptions.SolverError as error:
            if kernel != "ipykernel":
                fail(f"{kernel} does not go with what {request['file']} asks for, so there is no R kernel.", str(error))
            # The package index has one for every Python.
            print("The channels have no ipykernel for this environment; it is installed from the package index.")
    return records


def fetch(url, path):
    """Downloads one file, a few times if need be."""
    context = ssl.create_default_context() if url.startswith("https:") else None
    for attempt in range(ATTEMPTS):
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT, context=context) as answer, open(path, "wb") as file:
                shutil.copyfileobj(answer, file)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt + 1 == ATTEMPTS:
                fail(f"could not fetch {without_credentials(url)}: the server answered {error.code}.")
        except OSError as error:
            if attempt + 1 == ATTEMPTS:
                fail(f"could not fetch {without_credentials(url)}: {getattr(error, 'reason', error)}.")
        time.sleep(2**attempt)


def digest(path, algorithm):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def archive(package, cache):
    """The checked archive of a package of a lock file."""
    url = package["url"]
    name = os.path.basename(urllib.parse.urlsplit(url).path)
    algorithm = next((one for one in ("sha256", "md5") if package.get(one)), None)
    expected = package[algorithm].lower() if algorithm else None
    directory = os.path.join(cache, "archives", expected or hashlib.sha256(url.encode()).hexdigest())
    path = os.path.join(directory, name)
    if expected and os.path.exists(path) and digest(path, algorithm) == expected:
        return path
    os.makedirs(directory, exist_ok=True)
    temporary = f"{path}.{os.getpid()}"
    fetch(url, temporary)
    if expected and digest(temporary, algorithm) != expected:
        os.unlink(temporary)
        fail(
            f"hash mismatch: {name} is not the file that {package['file']}:{package['line']} names.",
            f"Its {algorithm} is another than {expected}.",
        )
    os.replace(temporary, path)
    return path


async def locked(rattler, request, cache):
    """The records of exactly the packages that are listed, and their addresses."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda package: archive(package, cache), request["packages"]))
    records, origins = [], {}
    for package, path in zip(request["packages"], paths):
        try:
            record = await rattler.RepoDataRecord.from_package_archive(path)
        except Exception as error:
            fail(f"{os.path.basename(path)} is not a conda package: {error}")
        if record.subdir not in (request["platform"], "noarch"):
            fail(f"{os.path.basename(path)} is for {record.subdir}; this site builds for {request['platform']}.")
        records.append(record)
        origins[record.name.normalized] = package["url"]
    return records, origins


def name_origins(prefix, origins):
    """Records where packages came from, rather than where their checked copies were."""
    for path in glob.glob(os.path.join(glob.escape(prefix), "conda-meta", "*.json")):
        with open(path) as file:
            meta = json.load(file)
        if meta.get("name") in origins:
            meta["url"] = without_credentials(origins[meta["name"]])
            meta["channel"] = meta["url"].rsplit("/", 2)[0]
        with open(path, "w") as file:
            json.dump(meta, file, indent=2)


async def install(request, prefix, cache):
    import rattler
    import rattler.exceptions

    os.makedirs(os.path.join(cache, "repodata"), exist_ok=True)
    origins = {}
    try:
        if "packages" in request:
            records, origins = await locked(rattler, request, cache)
        else:
            records = await solve(rattler, request, cache)
        await rattler.install(
            records,
            prefix,
            cache_dir=os.path.join(cache, "packages"),
            platform=rattler.Subdir(request["platform"]),
            # As every other installer of conda packages does; it runs as the notebook user.
            execute_link_scripts=True,
            show_progress=False,
        )
    except (rattler.exceptions.GatewayError, rattler.exceptions.FetchRepoDataError) as error:
        fail("could not read the channels.", str(error))
    except rattler.exceptions.InvalidMatchSpecError as error:
        fail(f"{request['file']} has a line no conda installer understands.", str(error))
    except rattler.exceptions.InstallerError as error:
        fail("could not install the packages.", str(error))
    name_origins(prefix, origins)
    for record in sorted(records, key=lambda record: record.name.normalized):
        print(f"{record.name.normalized} {record.version} {record.build}")
    print(f"{len(records)} conda packages in place")


def activated(prefix, variables):
    """The variables that activating the environment sets."""
    scripts = sorted(glob.glob(os.path.join(glob.escape(prefix), "etc", "conda", "activate.d", "*.sh")))
    base = {**os.environ, "CONDA_PREFIX": prefix, "CONDA_DEFAULT_ENV": "kernel", "PATH": f"{prefix}/bin:{os.environ['PATH']}"}
    program = 'for script; do . "$script"; done >/dev/null 2>&1; exec env -0'
    try:
        ran = subprocess.run(
            ["bash", "-c", program, "activate", *scripts],
            env=base, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=TIMEOUT, check=True,
        )
        lines = [line for line in ran.stdout.decode("utf-8", "surrogateescape").split("\0") if "=" in line]
        after = dict(line.split("=", 1) for line in lines)
    except (OSError, subprocess.SubprocessError):
        print("The environment's activation scripts failed; what they set is missing in notebooks.")
        after = {}
    new = {
        name: value
        for name, value in after.items()
        if value != os.environ.get(name) and name not in FLEETING and not name.startswith("BASH_FUNC_")
        and "/dev/shm/" not in value
    }
    new.update(variables)
    path = after.get("PATH", base["PATH"])
    # Whatever stands in front of the path of the image.
    front = path.removesuffix(os.environ["PATH"]) if path.endswith(os.environ["PATH"]) else f"{prefix}/bin:"
    new["PATH"] = f"{front}${{PATH}}"
    new["CONDA_PREFIX"], new["CONDA_DEFAULT_ENV"] = prefix, "kernel"
    return new


def quoted(value):
    return "'" + value.replace("'", "'\\''") + "'"


def write_activation(prefix, variables):
    lines = [
        f"export CONDA_PREFIX={quoted(prefix)} CONDA_DEFAULT_ENV=kernel",
        f"case :$PATH: in {quoted(':' + prefix + '/bin:')}*) ;; *) export PATH={quoted(prefix + '/bin')}:\"$PATH\" ;; esac",
        *(f"export {name}={quoted(value)}" for name, value in variables.items()),
        f"for _script in {quoted(prefix)}/etc/conda/activate.d/*.sh; do",
        '    if [ -r "$_script" ]; then . "$_script"; fi',
        "done",
        "unset _script",
    ]
    with open(os.path.join(prefix, "activate.sh"), "w") as file:
        file.write("\n".join(lines) + "\n")


def write_kernels(prefix, base, environment):
    """Every kernel of the environment, or the base's own Python where it has none, with the environment around it."""
    target = os.path.join(prefix, "kernelspec", "share", "jupyter", "kernels")
    own = {os.path.dirname(path): prefix for path in glob.glob(f"{glob.escape(prefix)}/share/jupyter/kernels/*/kernel.json")}
    has_python = os.path.exists(f"{prefix}/bin/python")
    if not has_python:
        own[f"{base}/share/jupyter/kernels/python3"] = base
    for source, home in sorted(own.items()):
        try:
            with open(os.path.join(source, "kernel.json")) as file:
                spec = json.load(file)
        except (OSError, ValueError):
            continue
        name = os.path.basename(source)
        if spec.get("argv") and "/" not in spec["argv"][0]:
            program = os.path.join(home, "bin", spec["argv"][0])
            spec["argv"][0] = program if os.path.exists(program) else spec["argv"][0]
        # Its own words win over what the environment says in general.
        spec["env"] = {**environment, **spec.get("env", {})}
        copy = os.path.join(target, name)
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy)
        with open(os.path.join(copy, "kernel.json"), "w") as file:
            json.dump(spec, file, indent=1)
        print(f"Kernel {name} in place")


def main(arguments):
    with open(arguments[1]) as file:
        request = json.load(file)
    prefix = arguments[2]
    if arguments[0] == "install":
        import asyncio

        for key in ("channels", "specs"):
            request[key] = [in_place(text, arguments[4]) for text in request.get(key, [])]
        for package in request.get("packages", []):
            package["url"] = in_place(package["url"], arguments[4])
        asyncio.run(install(request, prefix, arguments[3]))
        leave(0)
    variables = {str(name): str(value) for name, value in request.get("variables", {}).items()}
    write_activation(prefix, variables)
    write_kernels(prefix, arguments[3], activated(prefix, variables))


if __name__ == "__main__":
    main(sys.argv[1:])
