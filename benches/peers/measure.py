"""Starts servers and measures them, each time a fresh process, in turn."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

import peers
from scenarios import arguments

START_S = 20
STOP_S = 5
RUN_S = 90

LIMIT = "limit"


class Failed(Exception):
    """A run brought no figures, and why."""


@contextlib.contextmanager
def running(command):
    """A server, from when it listens until it is gone; yields its port and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryDirectory() as directory:
        words, env = command(port, pathlib.Path(directory))
        process = subprocess.Popen(
            [str(word) for word in words],
            env={**os.environ, **env},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + START_S
            while not is_listening(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    said.seek(0)
                    last = said.read().decode(errors="replace").strip().splitlines()[-1:]
                    raise Failed(f"it does not start: {' '.join(last)}")
                time.sleep(0.02)
            yield port, process.pid
        finally:
            stop(process)


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def stop(process):
    """Ends a server and what it has started, gently at first."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def bench(words):
    """A report of `fanfare bench`."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [peers.FANFARE, "bench", *words, "--quiet", "--json", report.name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"nothing after {RUN_S} s") from error
        text = pathlib.Path(report.name).read_text()
    if not text:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise Failed(lines[-1].removeprefix("error: "))
    return json.loads(text)


def sample(scenario, server, command, quick):
    """One run: its figures, and what was wrong."""
    words = arguments(scenario, quick)
    if server is None:
        document = bench([LIMIT, *words])
    else:
        with running(command) as (port, pid):
            path = scenario.path.replace("{echo}", server.echo_path)
            url = f"ws://127.0.0.1:{port}{path}"
            document = bench([scenario.bench, url, *words, "--pid", str(pid), "--pid-tree"])
    figures = {}
    for name, (place, divisor) in scenario.figures.items():
        value = document
        for step in place.split("."):
            value = (value or {}).get(step)
        if value is not None:
            figures[name] = value / divisor
    return {
        "figures": figures,
        "outcome": document["outcome"],
        "faults": sum(document["faults"].values()) if document["faults"] else 0,
        "endings": (document.get("stalled") or {}).get("endings", {}),
        "other_load": (document.get("kernel") or {}).get("other_load_percent"),
    }
