"""Checks of names from data: plain file names, and paths that stay in their folder.

An id, a stem, a person or a style becomes the name of an output file, so each is checked where it
enters, by `problem`; paths in tables are checked by `inside`.  A plain name is one file of
one folder on every system: up to 200 bytes of UTF-8; no /, \\ or control character; no colon and no
device name, because of Windows; no dot at its start, since readers of folders skip such files;
no space at its ends.
"""

import re

MAX_BYTES = 200  # in UTF-8; a file name made from it must fit 255
PLAIN, INSIDE = "a plain file name", "a path below the folder"
SHOWN_CHARS = 80  # of a refused name in a message
# C0, DEL, C1; marks that reorder text or end a line; bytes that are not UTF-8.
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
# Files that systems and programs leave in folders: names in lower case, and ends of names.
_DEBRIS = ("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "__macosx")
_DEBRIS_ENDS = ("~", ".bat", ".lnk", ".tmp", ".crdownload", ".part")
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")


def problem(name: str) -> str | None:
    """Why a name is not a plain file name, in a few words; None if it is one."""
    if not name:
        return "an empty name"
    if _CONTROL.search(name):
        return "a control character"
    if "/" in name or "\\" in name:
        return "a path, not a name"
    if name[0] == ".":
        return "a dot at its start"
    if name != name.strip():
        return "a space at an end"
    if ":" in name:
        return "a colon"
    if _DEVICE.fullmatch(name):
        return "a device of Windows"
    if len(name) > MAX_BYTES // 4 and len(name.encode()) > MAX_BYTES:
        return f"more than {MAX_BYTES} bytes"
    return None


def check(name: str, what: str) -> None:
    """Raises ValueError, which begins with `what`, unless the name is plain."""
    if found := problem(name):
        raise ValueError(f"{what}: expected {PLAIN}, got {quoted(name)} ({found})")


def inside(relative: str) -> str | None:
    """Why a path does not lie below the folder that it is relative to; None if it does."""
    if not relative:
        return "an empty path"
    if _CONTROL.search(relative):
        return "a control character"
    if "\\" in relative:
        return "a backslash"
    if relative[0] == "/" or _DRIVE.match(relative):
        return "an absolute path"
    if ".." in relative.split("/"):
        return "a path that leads out of the folder"
    return None


def is_debris(name: str) -> bool:
    """Whether a system or program left a file or folder behind, by its name alone.

    Debris is hidden files (.DS_Store, ._photo.png), thumbnails, settings of folders, and copies
    that editors and downloads leave.
    """
    low = name.lower()
    return low.startswith(".") or low in _DEBRIS or low.endswith(_DEBRIS_ENDS)


def shown(text: str) -> str:
    """The text for a message: control characters are written as \\x1b or \\u202e."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def quoted(name: str) -> str:
    """A name in quotes for a message, shortened if long."""
    rest = "..." if len(name) > SHOWN_CHARS else ""
    return f"'{shown(name[:SHOWN_CHARS])}'{rest}"
