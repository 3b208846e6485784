"""Where peers are installed: a folder outside of this tree, and no service of the system."""

import hashlib
import os
import pathlib
import shutil
import subprocess

SERVERS = pathlib.Path(__file__).resolve().parent / "servers"
ROOT = pathlib.Path(
    os.environ.get("FANFARE_PEERS_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "fanfare-peers"
)


class Unavailable(Exception):
    """A peer can't be had here, and why."""


def need(*programs):
    """Without these there is nothing to be done."""
    for program in programs:
        if not shutil.which(program):
            raise Unavailable(f"{program} is not installed")


def run(*command, cwd=None, env=None):
    """Runs a step of an installation; what it said is the reason if it fails."""
    full_env = {**os.environ, **(env or {})}
    done = subprocess.run(command, cwd=cwd, env=full_env, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        words = " ".join(map(str, command))
        # It may go on record, where a folder of this machine says nothing.
        reason = f"`{words[:120]}`: {said[-1] if said else done.returncode}".replace(str(ROOT), "CACHE")
        raise Unavailable(reason)
    return done.stdout


def build(name, steps):
    """The folder of a peer: a copy of its sources, in which `steps(folder)` has been run once for
    this very state of them."""
    folder, source = ROOT / name, SERVERS / name
    state = hashlib.sha256()
    for path in [*sorted(source.rglob("*")), pathlib.Path(__file__).with_name("peers.py")]:
        if path.is_file():
            state.update(path.name.encode() + path.read_bytes())
    stamp = folder / ".installed"
    if stamp.exists() and stamp.read_text() == state.hexdigest():
        return folder
    print(f"installing {name} ...", flush=True)
    stamp.unlink(missing_ok=True)
    shutil.copytree(source, folder, dirs_exist_ok=True)
    steps(folder)
    stamp.write_text(state.hexdigest())
    return folder


def crate_sources(folder, *crates):
    """The sources of crates, unpacked and not compiled; returns the folder of them all."""
    need("cargo")
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "src/lib.rs").touch()
    wanted = "".join(f'{name} = "={version}"\n' for name, version in crates)
    (folder / "Cargo.toml").write_text(
        f'[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]\n{wanted}'
    )
    run("cargo", "vendor", "--quiet", "vendor", cwd=folder)
    return folder / "vendor"


def debian_packages(folder, *names):
    """Unpacks Debian's packages rather than installing them: some would start a server.
    Returns their names with their versions."""
    need("apt-get", "dpkg-deb")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        run("apt-get", "-qq", "download", *names, cwd=folder)
    except Unavailable:
        # The list of packages may never have been fetched on this machine.
        run("apt-get", "-qq", "update")
        run("apt-get", "-qq", "download", *names, cwd=folder)
    versions = []
    for package in sorted(folder.glob("*.deb")):
        run("dpkg-deb", "--extract", package, folder)
        versions.append(run("dpkg-deb", "--showformat=${Package} ${Version}", "--show", package))
        package.unlink()
    return ", ".join(versions)


def python_packages(folder, *arguments):
    """A virtual environment of its own; returns its folder of programs."""
    need("python3")
    run("python3", "-m", "venv", folder / "venv")
    run(folder / "venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", *arguments)
    return folder / "venv/bin"
