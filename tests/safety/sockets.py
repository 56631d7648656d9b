"""On which addresses a process listens, as the kernel has it."""

import socket
from pathlib import Path

LOOPBACK = ("127.", "('127.", "('::1'", "localhost", "::1", "/")


def listening(pid: int) -> set[str]:
    """The IPv4 addresses on which a process listens."""
    inodes = {link.readlink().name[8:-1] for link in Path(f"/proc/{pid}/fd").iterdir() if _is_socket(link)}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {_address(row[1]) for row in rows if row[3] == "0A" and row[9] in inodes}


def _is_socket(link: Path) -> bool:
    try:
        return link.readlink().name.startswith("socket:[")
    except OSError:
        return False


def _address(text: str) -> str:
    return socket.inet_ntoa(bytes.fromhex(text.partition(":")[0])[::-1])
