"""Rules for what is not code: links in pages, the list of hot functions."""

from __future__ import annotations

import re
from pathlib import Path

from tests.style.rules import breach
from tests.style.tree import ROOT, Source

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HOT_LINE = re.compile(r"^(?:cold )?(engine/\S+?\.p(?:yx|xd)) (?:(\w+)\.)?(\w+)(?:: .+)?$")


def broken_links(page: Source, root: Path = ROOT) -> list[str]:
    """Links of a page to files or headings that are not there; links to other sites are not followed."""
    found = []
    for number, line in enumerate(prose_lines(page), 1):
        for target in LINK.findall(line):
            if "://" in target or target.startswith("mailto:"):
                continue
            if not resolves(page, target, root):
                found.append(breach(page, number, f"link to nothing: {target!r}"))
    return found


def prose_lines(page: Source) -> list[str]:
    """The lines with fenced code and code spans blanked."""
    lines, fenced = [], False
    for line in page.lines:
        if line.lstrip().startswith("```"):
            fenced = not fenced
            lines.append("")
        else:
            lines.append("" if fenced else re.sub(r"`[^`]*`", "", line))
    return lines


def resolves(page: Source, target: str, root: Path) -> bool:
    """Does a relative link lead somewhere."""
    name, _, anchor = target.partition("#")
    path = root / page.path if not name else (root / page.path).parent / name
    if not path.exists():
        return False
    return not anchor or path.suffix != ".md" or anchor in anchors(path.read_text(encoding="utf-8"))


def anchors(text: str) -> set[str]:
    """What a page's headings are called in links."""
    heads = re.findall(r"^#+\s+(.+?)\s*$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def hot_breaches(root: Path = ROOT) -> list[str]:
    """Lines of ``ext/HOT`` that name nothing: each must be ``engine/<stage>/<file>.pyx [Class.]function`` (inline: `.pxd`)."""
    found = []
    listing = Source("ext/HOT", (root / "ext/HOT").read_text(encoding="utf-8"))
    for number, line in enumerate(listing.lines, 1):
        entry = line.split("#")[0].strip()
        if entry:
            found += [breach(listing, number, what) for what in hot_entry_breach(entry, root)]
    return found


def hot_entry_breach(entry: str, root: Path) -> list[str]:
    """What is wrong with one entry."""
    match = HOT_LINE.match(entry)
    if match is None:
        return ["not of the form `engine/<stage>/<file>.pyx [Class.]function`"]
    name, owner, function = match.groups()
    path = root / "ext" / name
    if not path.is_file():
        return [f"no file ext/{name}"]
    # what is inline stands in the declarations
    sources = [found for found in (path, path.with_suffix(".pxd")) if found.is_file()]
    if any(defines(source.read_text(encoding="utf-8"), owner, function) for source in sources):
        return []
    return [f"{name} has no {owner + '.' if owner else ''}{function}"]


def defines(text: str, owner: str | None, function: str) -> bool:
    """Is the function defined, in the class that the entry names."""
    indent = r"[ \t]+" if owner else ""
    body = text
    if owner:
        match = re.search(rf"^cdef class {owner}\b.*?:\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
        if match is None:
            return False
        body = match.group(1)
    return bool(re.search(rf"^{indent}(?:cdef|cpdef|def)\b[^\n(]*\b{function}\s*\(", body, re.MULTILINE))
