#!/usr/bin/python3
"""Builds the fuzz targets and runs each from its corpus for a while.

run.py [--seconds N] [--jobs N] [--grow] [TARGET...]

--grow adds to the corpora in the tree what reaches code that they do not, and nothing else. A finding is left beside the
build as crash-TARGET-...; give it to the target (build/fuzz/bin/fuzz_TARGET FILE) to see it again, and to the corpus
(run.py --add TARGET FILE) once it is mended. A corpus is a text: one input a line, with Python's escapes.
"""
import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "fuzz"
# A promise that does not hold aborts; so does every finding of a sanitizer.
OPTIONS = ["-timeout=10", "-rss_limit_mb=1024", "-max_len=2048", "-print_final_stats=1", "-verbosity=0", "-close_fd_mask=0"]


def targets(names):
    known = sorted(p.stem for p in HERE.glob("*.cc"))
    for name in names:
        if name not in known:
            sys.exit(f"run.py: no target {name}; there are {', '.join(known)}")
    return names or known


def build():
    for command in (["cmake", "--preset", "fuzz"], ["cmake", "--build", "--preset", "fuzz"]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"run.py: {' '.join(command)} failed\n{done.stdout}\n{done.stderr}")


def corpus_file(name):
    return HERE / "corpus" / f"{name}.txt"


def read_corpus(name):
    if not corpus_file(name).exists():
        return []
    lines = corpus_file(name).read_text(encoding="ascii").splitlines()
    return [line.encode("ascii").decode("unicode_escape").encode("latin-1") for line in lines]


def write_corpus(name, inputs):
    lines = [data.decode("latin-1").encode("unicode_escape").decode("ascii") for data in sorted(inputs) if data]
    corpus_file(name).write_text("".join(line + "\n" for line in lines), encoding="ascii")


def fuzz(name, seconds, grow):
    program = [BUILD / "bin" / f"fuzz_{name}", *OPTIONS, f"-artifact_prefix={BUILD}/crash-{name}-"]
    with tempfile.TemporaryDirectory() as directory:
        known, found, merged = (pathlib.Path(directory) / part for part in ("known", "found", "merged"))
        for part in (known, found, merged):
            part.mkdir()
        corpus = read_corpus(name)
        for number, data in enumerate(corpus):
            (known / str(number)).write_bytes(data)
        run = [*program, f"-dict={HERE / 'smtp.dict'}", f"-max_total_time={seconds}", found, known]
        done = subprocess.run(run, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
        if done.returncode:
            print(f"{name}: a finding\n{done.stdout}\n{done.stderr}", flush=True)
            return False
        runs = [line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        if grow:
            subprocess.run([*program, "-merge=1", merged, known, found], cwd=ROOT, check=True, capture_output=True)
            write_corpus(name, {path.read_bytes() for path in merged.iterdir()})
    print(f"{name}: {seconds} s from {len(corpus)} inputs, {' '.join(runs)} runs, no finding", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--grow", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--add", nargs=2, metavar=("TARGET", "FILE"))
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    if options.add:
        name, path = options.add
        write_corpus(*targets([name]), {*read_corpus(name), pathlib.Path(path).read_bytes()})
        return 0
    build()
    os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=1:allocator_may_return_null=0")
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda name: fuzz(name, options.seconds, options.grow), targets(options.targets)))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
