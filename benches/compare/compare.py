"""Measures this program beside the reference, getsops/sops, and prints a table in Markdown.

Every workload runs both programs alternately, so that a machine that becomes slower is slower for both. Times are wall
times from spawning the process to its end (the column "processor time" compares what both took of the processors, which
a busy machine disturbs less), memory is the largest resident set that the kernel reports for it; given
are medians. Needs Python 3.9 and nothing else.
"""

import argparse
import itertools
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import services

ROOT = Path(__file__).resolve().parents[2]

KEY_FILE = ROOT / "testdata/keys/age.txt"
MEBIBYTE = 1024 * 1024


class Measured:
    """What the runs of one command gave."""

    def __init__(self):
        self.seconds = []
        self.processor_seconds = []
        self.peak_kib = []

    def add(self, seconds, processor_seconds, peak_kib):
        self.seconds.append(seconds)
        self.processor_seconds.append(processor_seconds)
        self.peak_kib.append(peak_kib)

    @property
    def time(self):
        return statistics.median(self.seconds)

    @property
    def processor_time(self):
        return statistics.median(self.processor_seconds)

    @property
    def memory(self):
        return statistics.median(self.peak_kib) * 1024


class Program:
    """One of the two programs, with the environment that both run in."""

    def __init__(self, path, environment):
        self.path = str(path)
        self.environment = environment

    def run(self, arguments, output=None):
        """Runs the program once; returns its time, its processor time, and the peak of its memory in KiB."""
        output_flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        actions = [
            (os.POSIX_SPAWN_OPEN, 1, str(output or os.devnull), output_flags, 0o600),
            (os.POSIX_SPAWN_OPEN, 2, self.environment["COMPARE_ERRORS"], output_flags, 0o600),
        ]
        command = [self.path, *map(str, arguments)]
        start = time.perf_counter()
        process = os.posix_spawn(self.path, command, self.environment, file_actions=actions)
        _, status, usage = os.wait4(process, 0)
        seconds = time.perf_counter() - start
        if status != 0:
            errors = Path(self.environment["COMPARE_ERRORS"]).read_text(errors="replace")
            shown = " ".join(command)[:200]
            sys.exit(f"compare: `{shown}` failed with status {os.waitstatus_to_exitcode(status)}:\n{errors[:2000]}")
        return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


# Workloads. Everything is written piece by piece: the memory of this process is the least that wait4 can report for a
# child.

def words(seed):
    """Endless passwords of twelve characters, the same in every run."""
    generator = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    while True:
        yield "".join(generator.choices(letters, k=12))


def write_small_yaml(path, seed=1):
    """About 2 KB: a service with its passwords."""
    passwords = words(seed)
    with open(path, "w") as file:
        file.write("# Settings of a service\nservice:\n  host: db.example.com\n  port: 5432\n  tls: true\n  users:\n")
        for number in range(22):
            file.write(f"    - name: user{number:02}\n      # rotated every month\n")
            file.write(f'      password: "{next(passwords)}{next(passwords)}"\n')


def write_tiny_yaml(path, seed):
    """Ten values, as in a file per service."""
    passwords = words(seed)
    with open(path, "w") as file:
        file.write("# one service\nservice:\n")
        for number in range(10):
            file.write(f"  setting_{number}: {next(passwords)}\n")


def write_yaml(path, values):
    """Groups of a thousand values, about 26 bytes each."""
    passwords = words(2)
    with open(path, "w") as file:
        for number in range(values):
            if number % 1000 == 0:
                file.write(f"group_{number // 1000}:\n")
            file.write(f"  value_{number % 1000:03}: {next(passwords)}\n")


def write_json(path, size):
    """Objects of ten values each, until the file has this size."""
    passwords = words(3)
    with open(path, "w") as file:
        written = file.write("{\n")
        for number in itertools.count():
            separator = "" if number == 0 else ",\n"
            values = ",\n".join(f'    "key_{key}": "{next(passwords)}"' for key in range(10))
            written += file.write(f'{separator}  "object_{number}": {{\n{values}\n  }}')
            if written >= size:
                break
        file.write("\n}\n")


def write_regex_yaml(path, leaves):
    """Resources in whose `data` a hundred values each are to be encrypted."""
    passwords = words(4)
    with open(path, "w") as file:
        for number in range(leaves):
            if number % 100 == 0:
                file.write(f"resource_{number // 100}:\n  kind: Secret\n  data:\n")
            file.write(f"    value_{number % 100:02}: {next(passwords)}\n")


def write_binary(path, size):
    """Bytes that look random, and are the same in every run."""
    numbers = random.Random(5)
    with open(path, "wb") as file:
        for _ in range(0, size, 1_000_000):
            file.write(numbers.randbytes(min(1_000_000, size)))


def write_lines(path, lines):
    """Settings as dotenv or INI, ten in a section."""
    passwords = words(6)
    with open(path, "w") as file:
        for number in range(lines):
            if path.suffix == ".ini" and number % 10 == 0:
                file.write(f"[section {number // 10}]\n")
            file.write(f"KEY_{number}=value {next(passwords)}\n")


def within(factor, extra, size):
    """A target for memory: a multiple of the size of the file, and so much more."""
    return lambda ours, _reference: ours <= factor * size + extra


class Comparison:
    """The table as it grows."""

    def __init__(self, ours, reference):
        self.ours = ours
        self.reference = reference
        self.rows = []

    def measure(self, arguments, runs, reference_runs=None, prepare=None, output=None):
        """Runs both programs alternately with the same arguments, and ours once more, not measured, for its `output`."""
        ours, reference = Measured(), Measured()
        reference_runs = runs if reference_runs is None else reference_runs
        for number in range(runs):
            if prepare:
                prepare()
            ours.add(*self.ours.run(arguments))
            if self.reference and number < reference_runs:
                if prepare:
                    prepare()
                reference.add(*self.reference.run(arguments))
        if output:
            self.ours.run(arguments, output)
        return ours, reference if reference.seconds else None

    def measure_in_turns(self, arguments, turns, runs=10):
        """Runs each program `runs` times before it is the other one's turn: what one leaves in the caches of the processor is
        then that of the same program, as where it is used."""
        ours, reference = Measured(), Measured()
        for _ in range(turns):
            for _ in range(runs):
                ours.add(*self.ours.run(arguments))
            for _ in range(runs if self.reference else 0):
                reference.add(*self.reference.run(arguments))
        return ours, reference if reference.seconds else None

    def add_time(self, what, ours, reference, target, reached):
        cells = self.cells(show_time, ours.time, reference and reference.time)
        processor = "-"
        if reference:
            processor = show_ratio(ours.processor_time / reference.processor_time)
        self.add(what, cells, processor, target, reached(ours.time, reference and reference.time))

    def add_memory(self, what, ours, reference, target, reached):
        cells = self.cells(show_memory, ours.memory, reference and reference.memory)
        self.add(what, cells, "", target, reached(ours.memory, reference and reference.memory))

    @staticmethod
    def cells(show, ours, reference):
        if reference is None:
            return show(ours), "-", "-"
        return show(ours), show(reference), show_ratio(ours / reference)

    def add(self, what, cells, processor, target, reached):
        mark = {True: "yes", False: "**no**", None: "-"}[reached]
        row = (what, *cells, processor, target, mark)
        self.rows.append(row)
        print(" | ".join(row), file=sys.stderr, flush=True)

    def table(self):
        lines = [
            "| what | ours | reference | ratio | processor time | target | reached |",
            "| --- | ---: | ---: | ---: | ---: | --- | --- |",
        ]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join(lines)


def show_time(seconds):
    return f"{seconds * 1000:.2f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def show_memory(size):
    return f"{size / MEBIBYTE:.0f} MiB"


def show_ratio(ratio):
    return f"1/{1 / ratio:.1f}" if ratio < 1 else f"{ratio:.2f}"


def one_of(parts):
    """A target relative to the reference; not decided without one."""
    return lambda ours, reference: None if reference is None else ours <= reference / parts


def at_most(limit):
    return lambda ours, _reference: ours <= limit


def compare(comparison, folder, quick):
    """Runs all workloads."""
    scale = 10 if quick else 1
    encrypt = ["--encrypt", "--age", test_key()[0]]

    # Start-up.
    ours, reference = comparison.measure(["--version", "--disable-version-check"], 200 // scale)
    comparison.add_time("start-up", ours, reference, "≤ 2 ms", at_most(0.002))

    # A small file.
    small, small_encrypted = folder / "small.yaml", folder / "small.enc.yaml"
    write_small_yaml(small)
    comparison.ours.run([*encrypt, small], small_encrypted)
    ours, reference = comparison.measure_in_turns(["--decrypt", small_encrypted], max(2, 10 // scale))
    comparison.add_time("decrypt 2 KB YAML", ours, reference, "≤ 1/8", one_of(8))
    ours, reference = comparison.measure(["--decrypt", small_encrypted], 50 // scale)
    comparison.add_time("the same, each after the other", ours, reference, "-", lambda *_: None)

    # A large file.
    large, large_encrypted = folder / "large.yaml", folder / "large.enc.yaml"
    values = 400_000 // scale
    write_yaml(large, values)
    name = f"{large.stat().st_size / 1e6:.0f} MB YAML, {values:,} values"
    ours, reference = comparison.measure([*encrypt, large], 3, output=large_encrypted)
    comparison.add_time(f"encrypt {name}", ours, reference, "≤ 1/15", one_of(15))
    comparison.add_memory("the same: memory", ours, reference, "≤ 1/5", one_of(5))
    ours, reference = comparison.measure(["--decrypt", large_encrypted], 3, output=folder / "large.out.yaml")
    comparison.add_time(f"decrypt {name}", ours, reference, "≤ 1/15", one_of(15))
    comparison.add_memory("the same: memory", ours, reference, "≤ 1/5", one_of(5))
    if large.read_bytes() != (folder / "large.out.yaml").read_bytes():
        sys.exit("compare: decrypting did not give the file back")

    # One of its values.
    path = '["group_5"]["value_003"]'
    ours, reference = comparison.measure(["--decrypt", "--extract", path, large_encrypted], 5, reference_runs=3)
    comparison.add_time("`--extract` of one of its values", ours, reference, "≤ 1/20", one_of(20))
    changed = folder / "large.set.yaml"

    def restore_large():
        shutil.copyfile(large_encrypted, changed)

    ours, reference = comparison.measure(["set", changed, path, '"changed"'], 3, prepare=restore_large)
    comparison.add_time("`set` of one of its values", ours, reference, "≤ 1/15", one_of(15))

    # JSON.
    five, fifty = folder / "five.json", folder / "fifty.json"
    write_json(five, 5_000_000 // scale)
    write_json(fifty, 50_000_000 // scale)
    smaller, reference = comparison.measure([*encrypt, five], 3, reference_runs=1)
    name = f"encrypt {five.stat().st_size / 1e6:.1f} MB JSON"
    comparison.add_time(name, smaller, reference, "≤ 1/100", one_of(100))
    larger, _ = comparison.measure([*encrypt, fifty], 3, reference_runs=0)
    factor = fifty.stat().st_size / five.stat().st_size
    name = f"encrypt {fifty.stat().st_size / 1e6:.1f} MB JSON"
    limit = smaller.time * factor * 1.3
    comparison.add_time(name, larger, None, f"linear: ≤ {factor:.1f} × the row above, + 30 %", at_most(limit))

    # A selector.
    selected = folder / "selected.yaml"
    leaves = 100_000 // scale
    write_regex_yaml(selected, leaves)
    arguments = [*encrypt, "--encrypted-regex", "^(data|stringData)$", selected]
    ours, reference = comparison.measure(arguments, 3)
    comparison.add_time(f"encrypt {leaves:,} leaves by `encrypted_regex`", ours, reference, "≤ 1/20", one_of(20))

    # A binary file.
    binary, binary_encrypted = folder / "large.bin", folder / "large.enc.bin"
    size = 100_000_000 // scale
    write_binary(binary, size)
    name = f"{size / 1e6:.0f} MB binary"
    memory_target = within(2, 20 * MEBIBYTE, size)
    ours, reference = comparison.measure([*encrypt, binary], 3, output=binary_encrypted)
    comparison.add_time(f"encrypt {name}", ours, reference, "≤ 1/5", one_of(5))
    comparison.add_memory("the same: memory", ours, reference, "≤ 2 × the file + 20 MiB", memory_target)
    ours, reference = comparison.measure(["--decrypt", binary_encrypted], 3, output=folder / "large.out.bin")
    comparison.add_time(f"decrypt {name}", ours, reference, "≤ 1/5", one_of(5))
    comparison.add_memory("the same: memory", ours, reference, "≤ 2 × the file + 20 MiB", memory_target)
    if binary.read_bytes() != (folder / "large.out.bin").read_bytes():
        sys.exit("compare: decrypting did not give the binary file back")

    # Lines.
    for kind in ["env", "ini"]:
        lines = 100_000 // scale
        plain, encrypted = folder / f"lines.{kind}", folder / f"lines.enc.{kind}"
        write_lines(plain, lines)
        ours, reference = comparison.measure([*encrypt, plain], 3, output=encrypted)
        comparison.add_time(f"encrypt {lines:,} lines of {kind}", ours, reference, "≤ 1/10", one_of(10))
        ours, reference = comparison.measure(["--decrypt", encrypted], 3)
        comparison.add_time(f"decrypt {lines:,} lines of {kind}", ours, reference, "≤ 1/10", one_of(10))

    # Many files. The reference takes one per call.
    count = 1000 // scale
    files = [folder / "many" / f"service-{number:04}.yaml" for number in range(count)]
    files[0].parent.mkdir()

    def write_all():
        for number, file in enumerate(files):
            write_tiny_yaml(file, number)

    ours, reference = Measured(), Measured()
    for _ in range(3):
        write_all()
        ours.add(*comparison.ours.run([*encrypt, "--in-place", *files]))
    if comparison.reference:
        write_all()
        start = time.perf_counter()
        calls = [comparison.reference.run([*encrypt, "--in-place", file]) for file in files]
        seconds = time.perf_counter() - start
        reference.add(seconds, sum(call[1] for call in calls), max(call[2] for call in calls))
    name = f"encrypt {count:,} files in place"
    comparison.add_time(name, ours, reference if reference.seconds else None, "≤ 1/50", one_of(50))

    write_all()
    comparison.ours.run([*encrypt, "--in-place", *files])
    ours, _ = comparison.measure(["check", *files], 10, reference_runs=0)
    comparison.add_time(f"`sops check` on {count:,} encrypted files", ours, None, "≤ 0.1 s", at_most(0.1))


def compare_services(comparison, folder, quick):
    """Runs the workloads with keys of a server that is 20 ms away."""
    scale = 10 if quick else 1
    with services.Server() as server:
        # A file with five keys.
        plain = folder / "five-keys.yaml"
        write_tiny_yaml(plain, 0)
        keys = ",".join(server.key(number) for number in range(5))
        arguments = ["--encrypt", "--hc-vault-transit", keys, plain]
        ours, reference = comparison.measure(arguments, 20 // scale)
        name = "encrypt a file for 5 keys that are 20 ms away"
        comparison.add_time(name, ours, reference, "about one call: ≤ 40 ms", at_most(0.04))

        # Many files under one key. The reference takes one per call.
        count = 1000 // scale
        files = [folder / "far" / f"service-{number:04}.yaml" for number in range(count)]
        files[0].parent.mkdir()
        for number, file in enumerate(files):
            write_tiny_yaml(file, number)
        comparison.ours.run(["--encrypt", "--in-place", "--hc-vault-transit", server.key(), *files])
        encrypted = [file.read_bytes() for file in files]

        def restore():
            for file, content in zip(files, encrypted):
                file.write_bytes(content)

        ours, reference = Measured(), Measured()
        for _ in range(3):
            restore()
            ours.add(*comparison.ours.run(["--decrypt", "--in-place", *files]))
        if comparison.reference:
            restore()
            start = time.perf_counter()
            calls = [comparison.reference.run(["--decrypt", "--in-place", file]) for file in files]
            seconds = time.perf_counter() - start
            reference.add(seconds, sum(call[1] for call in calls), max(call[2] for call in calls))
        name = f"decrypt {count:,} files in place, whose key is 20 ms away"
        comparison.add_time(name, ours, reference if reference.seconds else None, "≤ 1/20", one_of(20))


def find_reference():
    """The program given in SOPS_REFERENCE, or what `go install` leaves."""
    if named := os.environ.get("SOPS_REFERENCE"):
        return Path(named)
    folders = [Path.home() / "go"]
    if shutil.which("go"):
        asked = subprocess.run(["go", "env", "GOPATH"], capture_output=True, text=True, check=False)
        folders.insert(0, Path(asked.stdout.strip() or folders[0]))
    return next((folder / "bin/sops" for folder in folders if (folder / "bin/sops").is_file()), None)


def build():
    subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "sops-cli"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return (ROOT / target).resolve() / "release/sops"


def test_key():
    """The first key of the keys for tests: its recipient, which stands in a comment, and its identity."""
    lines = KEY_FILE.read_text().splitlines()
    recipient = next(line for line in lines if line.startswith("# public key: ")).removeprefix("# public key: ")
    return recipient, next(line for line in lines if line.startswith("AGE-SECRET-KEY-"))


def processor():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def main():
    parser = argparse.ArgumentParser(prog="benches/compare/run", description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of everything: to see that it works")
    parser.add_argument("--ours-only", action="store_true", help="without the reference, which takes minutes")
    parser.add_argument("--services", action="store_true", help="only what has to do with keys of servers")
    parser.add_argument("--ours", type=Path, help="measure this program instead of building it")
    parser.add_argument("--output", type=Path, help="write the table to this file as well")
    options = parser.parse_args()

    reference = None if options.ours_only else find_reference()
    if reference is None and not options.ours_only:
        parser.error("the reference was not found: set SOPS_REFERENCE, install it with "
                     "`go install github.com/getsops/sops/v3/cmd/sops@v3.13.2`, or give --ours-only")
    ours = options.ours.resolve() if options.ours else build()

    with tempfile.TemporaryDirectory(prefix="sops-compare-") as name:
        folder = Path(name)
        # No file of the user's: neither keys nor a configuration nor a cached version check.
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "SOPS_AGE_KEY_FILE": str(folder / "key.txt"),
            "SOPS_DISABLE_VERSION_CHECK": "1",
            "VAULT_TOKEN": "nobody's",
            "COMPARE_ERRORS": str(folder / "errors"),
        }
        (folder / "key.txt").write_text(test_key()[1] + "\n")
        os.chdir(folder)
        comparison = Comparison(Program(ours, environment), reference and Program(reference, environment))
        if not options.services:
            compare(comparison, folder, options.quick)
        compare_services(comparison, folder, options.quick)

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    report = f"{time.strftime('%Y-%m-%d')}, {cores} cores, {processor()}, {platform.system()}\n\n{comparison.table()}"
    print(report)
    if options.output:
        options.output.write_text(report + "\n")


if __name__ == "__main__":
    main()
