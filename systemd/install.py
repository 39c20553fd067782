"""`make install` and `make uninstall`: the tested build into a prefix, and out of it again.

Nothing is downloaded and nothing compiled: what is installed are the very files that stand in the build's own environment, ours and
those of the libraries that `pyproject.toml` names, in a virtual environment of their own in PREFIX/lib/tradewind. A manifest there
says what was put outside of it; only that is removed again, and of it only what nobody has changed.
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# what stands in the shipped units, and is replaced where the prefix is another
SHIPPED_PREFIX, SHIPPED_CONFIG = "/opt/tradewind", "/etc/tradewind"
MANIFEST = "manifest.json"
SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
LAUNCHER = """#!{python} -P
import sys

from engine.cli.main import main

sys.exit(main())
"""


def say(text: str) -> None:
    """One line on standard output."""
    sys.stdout.write(f"{text}\n")


@dataclass
class Places:
    """Where everything goes. `destdir` is put before every path that is written, and stands in none of them."""

    prefix: Path
    config: Path
    units: Path
    destdir: Path | None
    has_bytecode: bool = True
    files: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """The environment's own directory."""
        return self.prefix / "lib/tradewind"

    def real(self, path: Path) -> Path:
        """Where a path is while it is being written."""
        return self.destdir / path.relative_to("/") if self.destdir else path

    def folder(self, path: Path, mode: int = 0o755) -> None:
        """Make a directory with those above it; the ones that are new are noted."""
        missing = [item for item in (path, *path.parents) if not self.real(item).exists()]
        for item in reversed(missing):
            self.real(item).mkdir(mode=mode if item == path else 0o755)
            self.folders.append(str(item))

    def write(self, path: Path, content: bytes, *, keep: bool = False) -> None:
        """Write a file and note it. `keep`: one that is there and differs stays as it is, and stays its owner's."""
        self.folder(path.parent)
        real, digest = self.real(path), hashlib.sha256(content).hexdigest()
        if keep and real.exists() and real.read_bytes() != content:
            say(f"kept as it is: {path}")
            return
        real.write_bytes(content)
        real.chmod(0o644)
        self.files[str(path)] = digest

    def link(self, path: Path, target: Path) -> None:
        """A symbolic link, relative, so that it holds below any DESTDIR."""
        self.folder(path.parent)
        text = os.path.relpath(target, path.parent)
        self.real(path).unlink(missing_ok=True)
        self.real(path).symlink_to(text)
        self.files[str(path)] = f"link:{text}"


def requirements() -> list[str]:
    """The distributions that the package needs, with those that they need, by their names."""
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    waiting, found = list(project["dependencies"]), {}
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        distribution = metadata.distribution(requirement.name)
        name = distribution.metadata["Name"]
        if name not in found:
            found[name] = distribution
            waiting += distribution.requires or []
    return sorted(found)


def installed_files(name: str) -> Iterator[tuple[Path, Path]]:
    """(where it is, path below site-packages) of every file of a distribution; its command line scripts are not ours to ship."""
    distribution = metadata.distribution(name)
    for item in distribution.files or []:
        if ".." not in item.parts and "__pycache__" not in item.parts:
            source = Path(str(distribution.locate_file(item)))
            if source.is_file():
                yield source, Path(*item.parts)


def own_files() -> Iterator[tuple[Path, Path]]:
    """(where it is, path below site-packages) of our package: sources, compiled modules, declarations for Cython strategies."""
    for source in sorted((ROOT / "engine").rglob("*")):
        if source.suffix in (".py", ".pyi", ".so") or source.name == "py.typed":
            yield source, source.relative_to(ROOT)
    for source in sorted((ROOT / "ext").rglob("*")):
        if source.suffix in (".pxd", ".h"):
            yield source, source.relative_to(ROOT / "ext")


def copy_all(pairs: Iterator[tuple[Path, Path]], site: Path) -> int:
    """Copy files into site-packages; how many."""
    count = 0
    for source, place in pairs:
        target = site / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
        count += 1
    return count


def write_own_metadata(site: Path) -> str:
    """What `importlib.metadata` reads; returns the version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    folder = site / f"tradewind-{project['version']}.dist-info"
    folder.mkdir()
    needs = "".join(f"Requires-Dist: {item}\n" for item in project["dependencies"])
    text = f"Metadata-Version: 2.1\nName: tradewind\nVersion: {project['version']}\n{needs}"
    (folder / "METADATA").write_text(text)
    (folder / "INSTALLER").write_text("tradewind make install\n")
    return str(project["version"])


def build_environment(places: Places) -> Path:
    """A new environment beside the one that may be there: half of it is never seen."""
    draft = places.real(places.home.with_name("tradewind.new"))
    shutil.rmtree(draft, ignore_errors=True)
    base = Path(sysconfig.get_config_var("BINDIR")) / f"python{sys.version_info.major}.{sys.version_info.minor}"
    interpreter = str(base) if base.exists() else sys.executable
    subprocess.run([interpreter, "-m", "venv", "--without-pip", "--symlinks", str(draft)], check=True)
    site = draft / SITE
    count = copy_all(own_files(), site)
    names = requirements()
    for name in names:
        count += copy_all(installed_files(name), site)
    version = write_own_metadata(site)
    if places.has_bytecode:
        compileall.compile_dir(site, quiet=2, workers=1)
    launcher = draft / "bin/tradewind"
    launcher.write_text(LAUNCHER.format(python=places.home / "bin/python"))
    launcher.chmod(0o755)
    for leftover in (draft / "bin").glob("[aA]ctivate*"):
        leftover.unlink()
    say(f"tradewind {version} and {len(names)} libraries, {count} files, in {places.home}")
    return draft


def exchange(places: Places, draft: Path) -> None:
    """Put the new environment where the old one was; a process that runs from the old one keeps its open files."""
    home = places.real(places.home)
    old = home.with_name("tradewind.old")
    shutil.rmtree(old, ignore_errors=True)
    if home.exists():
        home.rename(old)
    draft.rename(home)
    shutil.rmtree(old, ignore_errors=True)


def relocated(text: str, places: Places) -> bytes:
    """A shipped text with the paths of this installation."""
    return text.replace(SHIPPED_PREFIX, str(places.prefix)).replace(SHIPPED_CONFIG, str(places.config)).encode()


def install(places: Places) -> None:
    """Everything into the prefix; a configuration that is there is not touched."""
    before = read_manifest(places)
    places.folder(places.home.parent)
    draft = build_environment(places)
    exchange(places, draft)
    places.link(places.prefix / "bin/tradewind", places.home / "bin/tradewind")
    for unit in sorted((ROOT / "systemd").glob("*.service")):
        places.write(places.units / unit.name, relocated(unit.read_text(), places))
    share = places.prefix / "share"
    for item in sorted((ROOT / "systemd/drop-ins").glob("*.conf")):
        places.write(share / "tradewind/drop-ins" / item.name, relocated(item.read_text(), places))
    places.write(places.prefix / "lib/sysusers.d/tradewind.conf", (ROOT / "systemd/sysusers.conf").read_bytes())
    for page in [ROOT / "README.md", ROOT / "LICENSE", *sorted((ROOT / "docs").rglob("*.md"))]:
        name = page.relative_to(ROOT / "docs") if page.is_relative_to(ROOT / "docs") else Path(page.name)
        places.write(share / "doc/tradewind" / name, page.read_bytes())
    for example in sorted((ROOT / "config").glob("*.toml")):
        places.write(places.config / "examples" / example.name, relocated(example.read_text(), places), keep=True)
    places.folder(places.config / "credentials", mode=0o700)
    places.folder(places.config / "strategies")
    write_manifest(places, before)
    check(places)


def read_manifest(places: Places) -> dict[str, list[str]]:
    """Directories that an earlier installation made, which are still its to remove."""
    path = places.real(places.home / MANIFEST)
    return json.loads(path.read_text()) if path.exists() else {"folders": []}


def write_manifest(places: Places, before: dict[str, list[str]]) -> None:
    """What stands outside of the environment's directory."""
    folders = [*before["folders"], *(item for item in places.folders if item not in before["folders"])]
    text = json.dumps({"files": places.files, "folders": folders}, indent=1)
    places.real(places.home / MANIFEST).write_text(text + "\n")


def check(places: Places) -> None:
    """The installed command answers; raises CalledProcessError where it does not."""
    python = places.real(places.home / "bin/python")
    done = subprocess.run(
        [str(python), "-P", "-m", "engine", "--version"], check=True, capture_output=True, text=True, cwd="/"
    )
    say(f"{done.stdout.strip()} answers")
    real = python.resolve()
    if real.is_relative_to("/root") or real.is_relative_to("/home"):
        say(f"note: the interpreter {real} is in a home directory, which the services may not see (ProtectHome=)")


def uninstall(places: Places) -> None:
    """Remove what was installed and has not been changed since; directories only where they are empty."""
    path = places.real(places.home / MANIFEST)
    if not path.exists():
        raise SystemExit(f"nothing is installed in {places.prefix}: there is no {places.home / MANIFEST}")
    manifest = json.loads(path.read_text())
    for name, mark in manifest["files"].items():
        remove(places, Path(name), mark)
    shutil.rmtree(places.real(places.home))
    for name in sorted(manifest["folders"], key=len, reverse=True):
        folder = places.real(Path(name))
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    say(f"removed from {places.prefix}; configurations, credentials and journals are where they were")


def remove(places: Places, path: Path, mark: str) -> None:
    """One file, unless somebody has changed it."""
    real = places.real(path)
    if mark.startswith("link:"):
        if real.is_symlink() and f"link:{os.readlink(real)}" == mark:
            real.unlink()
    elif real.is_file():
        if hashlib.sha256(real.read_bytes()).hexdigest() == mark:
            real.unlink()
        else:
            say(f"kept, because it was changed: {path}")


def next_steps(places: Places) -> None:
    """What a person does now."""
    prefix, config = places.prefix, places.config
    say(f"""
Next, for an engine called NAME ({prefix}/share/doc/tradewind/service.md tells more):
  systemd-sysusers {prefix}/lib/sysusers.d/tradewind.conf      # the user that the services run as
  cp {config}/examples/binance-spot.toml {config}/NAME.toml     # then set every limit, and [guard]
  install -m 0400 YOUR.key {config}/credentials/NAME.key        # and NAME.pem (Ed25519) or NAME.secret (HMAC)
  {prefix}/bin/tradewind config check {config}/NAME.toml
  systemctl link {places.units}/tradewind*.service              # where systemd does not look there by itself
  systemctl daemon-reload
  systemctl enable --now tradewind-guard@NAME tradewind@NAME tradewind-desk@NAME
  {prefix}/bin/tradewind ctl status --name NAME""")


def main(arguments: list[str]) -> int:
    """`install.py install|uninstall --prefix P [--config-dir C] [--unit-dir U] [--destdir D]`."""
    parser = argparse.ArgumentParser(description="Put the tested build into a prefix, or take it out again.")
    parser.add_argument("action", choices=["install", "uninstall"])
    parser.add_argument("--prefix", type=Path, required=True)
    parser.add_argument("--config-dir", type=Path, required=True)
    parser.add_argument("--unit-dir", type=Path, required=True)
    parser.add_argument("--destdir", default="")
    parser.add_argument("--without-bytecode", action="store_true", help="quicker; the first start is slower")
    args = parser.parse_args(arguments)
    for path in (args.prefix, args.config_dir, args.unit_dir):
        if not path.is_absolute():
            parser.error(f"{path} is not absolute")
    destdir = Path(args.destdir).resolve() if args.destdir else None
    places = Places(args.prefix, args.config_dir, args.unit_dir, destdir, not args.without_bytecode)
    os.umask(0o022)
    if args.action == "uninstall":
        uninstall(places)
        return 0
    install(places)
    next_steps(places)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
