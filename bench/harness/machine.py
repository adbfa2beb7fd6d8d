"""Facts about the machine and the programs, which figures have to stand beside. Names nobody and no host."""
import os
import platform
import re
import shutil
import subprocess


def first_line(path, pattern):
    """The first match's group of the pattern in a file, or None."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        return None
    return found.group(1) if found else None


def tsc_khz():
    """The frequency of the host's time-stamp counter: Linux's loop calibration is derived from it."""
    bogomips = first_line("/proc/cpuinfo", r"^bogomips\s*:\s*([0-9.]+)")
    return int(float(bogomips) * 500) if bogomips else 0


def load():
    return os.getloadavg()[0]


def describe():
    return {
        "processor": first_line("/proc/cpuinfo", r"^model name\s*:\s*(.*)") or "unknown",
        "family": int(first_line("/proc/cpuinfo", r"^cpu family\s*:\s*(\d+)") or 0),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": int(first_line("/proc/meminfo", r"^MemTotal:\s*(\d+)") or 0) // 1024,
        "kernel": platform.system() + " " + platform.release().split("-")[0],
        "hypervisor": bool(first_line("/proc/cpuinfo", r"^flags\s*:.*(\bhypervisor\b)")),
        "tsc_khz": tsc_khz(),
        "load_at_start": round(load(), 2),
    }


def output_of(command, environment=None):
    """What a command prints, "" where it cannot be run."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
                              errors="replace", env={**os.environ, **(environment or {})}).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def version_of(command):
    """The first line of what `PROGRAM --version` or the like prints."""
    return (output_of(command).splitlines() or ["unknown"])[0].strip()


def source_version(root):
    """The commit of the tree, with a mark where files were changed."""
    if not shutil.which("git"):
        return "unknown"
    return output_of(["git", "-C", root, "describe", "--always", "--dirty", "--abbrev=12"]) or "unknown"
