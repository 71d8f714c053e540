#!/usr/bin/python3
"""Checks of the tree itself: include edges, file sizes. Usage: check.py ROOT"""
import pathlib
import re
import sys

# A folder may include itself and the folders named here (the layers; see README.md).
EDGES = {
    "mta/base": [],
    "mta/wire": ["mta/base"],
    "mta/mime": ["mta/base", "mta/wire"],
    "mta/dns": ["mta/base", "mta/wire"],
    "spool": ["mta/base", "mta/wire"],
    "spool/inspect": ["mta/base", "mta/wire", "spool"],
    "mta/net": ["mta/base", "mta/wire"],
    "mta/sink": ["mta/base", "mta/wire", "mta/net"],
    "mta/queue": ["mta/base", "mta/wire", "mta/dns", "spool", "mta/net"],
    "mta/intake": ["mta/base", "mta/wire", "mta/mime", "spool", "mta/queue"],
    "relay-api": ["mta/base", "mta/wire", "mta/mime", "spool", "mta/net", "mta/queue", "mta/intake"],
    "relay-api/ctl": ["mta/base", "mta/wire", "spool", "spool/inspect", "mta/sink", "relay-api"],
    "relay-api/ctl/bin": None,  # sees all
    "conf": None,
    "mta/main": None,
}
# A library is included by its folder alone.
LIBRARIES = {
    r"uv\.h": ["mta/net"], r"llhttp\.h": ["mta/net"], r"lmdb\.h": ["spool", "spool/inspect"], r"yaml-cpp/.*": ["conf"], r"re2/.*": ["mta/queue"],
    r"unbound\.h": ["mta/dns"], r"gmime/.*": ["mta/mime"], r"boost/json.*": ["relay-api", "relay-api/ctl", "mta/sink"],
    r"openssl/.*": ["mta/base", "mta/net"], r"curl/.*": ["relay-api/ctl"], r"CLI/.*": ["relay-api/ctl", "mta/main"],
    r"spdlog/.*": ["mta/base"], r"idn2\.h": ["mta/wire"], r"prometheus/.*": ["mta/base"],
}
# The queue sees of the network only the port it dials through.
NARROW = {"mta/queue": {"mta/net": ["mta/net/dialer.h"]}}
MAX_LINES = 500


def folder_of(path):
    for folder in sorted(EDGES, key=len, reverse=True):
        if path.startswith(folder + "/"):
            return folder
    return None


def check_file(root, path, faults):
    rel = str(path.relative_to(root))
    text = path.read_text()
    if text.count("\n") > MAX_LINES:
        faults.append(f"{rel}: {text.count(chr(10))} lines; which second idea moved in?")
    folder = folder_of(rel)
    if folder is None:
        return
    for number, line in enumerate(text.splitlines(), 1):
        m = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if not m:
            continue
        kind, name = m.groups()
        if kind == '"':
            to = folder_of(name)
            if to is None:
                faults.append(f"{rel}:{number}: \"{name}\" is not written from the top of the tree")
            elif to != folder and EDGES[folder] is not None and to not in EDGES[folder]:
                faults.append(f"{rel}:{number}: {folder} may not include {to}")
            elif to in NARROW.get(folder, {}) and name not in NARROW[folder][to]:
                faults.append(f"{rel}:{number}: {folder} may include of {to} only {', '.join(NARROW[folder][to])}")
        else:
            for pattern, allowed in LIBRARIES.items():
                if re.fullmatch(pattern, name) and folder not in allowed:
                    faults.append(f"{rel}:{number}: <{name}> belongs to {', '.join(allowed)}")


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    faults, files = [], 0
    for top in ("mta", "spool", "relay-api", "conf", "tests"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in (".cc", ".h"):
                files += 1
                check_file(root, path, faults)
    print("\n".join(faults))
    print(f"{files} files, {len(faults)} faults")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
