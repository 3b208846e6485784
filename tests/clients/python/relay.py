"""Starts and stops the real binary; what every test here, and Autobahn's, stands on.

The binary is `$FANFARE_BIN`, or the release build of this tree.
"""

import os
import pathlib
import re
import select
import signal
import subprocess
import tempfile

TREE = pathlib.Path(__file__).resolve().parents[3]

# How long anything may take before it counts as never: long enough for the slowest machine, since
# nothing waits for it to pass.
DEADLINE_SECONDS = 30


def binary():
    """The path of the binary under test."""
    path = pathlib.Path(os.environ.get("FANFARE_BIN") or TREE / "target/release/fanfare").absolute()
    if not path.exists():
        raise SystemExit(f"there is no {path}: run `cargo build --release`, or set FANFARE_BIN")
    return path


class Relay:
    """One running relay. A context manager that ends it, whatever happens."""

    def __init__(self, *flags, port=0):
        """Returns once the relay says that it listens; `port` 0 lets the system choose one."""
        self._log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [binary(), "serve", "--listen", f"127.0.0.1:{port}", *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        try:
            line = self._first_line()
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
            if not found:
                raise AssertionError(f"the relay's first line names no address: {line!r}")
            self.port = int(found[1])
        except BaseException:
            self.kill()
            raise

    def _first_line(self):
        line = b""
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([self.process.stdout], [], [], DEADLINE_SECONDS)
            byte = self.process.stdout.read1(1) if readable else b""
            if not byte:
                raise AssertionError(f"the relay did not say that it listens:\n{self.log()}")
            line += byte
        return line.decode()

    def log(self):
        """What it has said on standard error."""
        # Not by seeking: the relay writes at the same offset.
        return os.pread(self._log.fileno(), 1 << 20, 0).decode(errors="replace")

    def http(self, path="/"):
        """The address of a page."""
        return f"http://127.0.0.1:{self.port}{path}"

    def ws(self, path="/ws"):
        """The address of a socket path, already percent-encoded."""
        return f"ws://127.0.0.1:{self.port}{path}"

    def terminate(self):
        """Asks it to end, as a service manager does, and does not wait."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        """Its exit status, negative for the signal that killed it."""
        return self.process.wait(DEADLINE_SECONDS)

    def stop(self):
        """Asks it to end, and returns its exit status."""
        self.terminate()
        return self.wait()

    def kill(self):
        """Ends it without asking; does nothing if it has ended."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self._log.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.kill()
