"""Bytes of a file to the UTF-8 text in them, block by block: gzip is unpacked, other encodings become UTF-8."""

import codecs
import zlib
from collections.abc import Iterator
from itertools import chain

from tasks.errors import ConfigurationError, DataError

GZIP = b"\x1f\x8b"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
BLOCK = 2**20
MIN_INFLATED = 64 * 2**20  # a compressed file may always grow to this size,
MAX_RATIO = 100  # or to so many times its own: text compresses 3 to 20 times, a bomb 1,000 times;
MAX_INFLATED = 100 * 2**30  # but no file beyond this
UNREADABLE = "tunegate.unreadable"


def unpacked(file: str, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """A gzip'd file unpacked, its members one after another; any other as it is. Raises DataError."""
    first = next(blocks, b"")
    every = chain([first], blocks)
    return _inflated(file, every) if first.startswith(GZIP) else every


def within_bounds(file: str, packed: int, size: int) -> None:
    """Raises DataError where so many bytes cannot honestly come out of a file of `packed` bytes."""
    most = min(max(MIN_INFLATED, MAX_RATIO * packed), MAX_INFLATED)
    if size > most:
        remedy = "Check where it comes from; if it is sound, unpack it first."
        raise DataError(file, f"unpacks to more than {most // 2**20} MiB", remedy)


def as_utf8(file: str, blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Text in another encoding as UTF-8; bytes that it does not know become ones that UTF-8 does not know."""
    try:
        "a".encode(encoding)  # an empty text would not even be looked at
    except (LookupError, ValueError):
        raise ConfigurationError(
            file, f"there is no text encoding {encoding!r}", "Set `encoding` to one of Python's names."
        ) from None
    if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
        return _checked_utf8(file, blocks)
    return _transcoded(file, blocks, encoding)


def _inflated(file: str, blocks: Iterator[bytes]) -> Iterator[bytes]:
    packed = size = 0
    member = None
    try:
        for block in blocks:
            packed += len(block)
            rest = block
            while member or (rest := rest.lstrip(b"\0")):  # zeros may pad the end of a member
                member = member or zlib.decompressobj(16 + zlib.MAX_WBITS)
                piece = member.decompress(rest, BLOCK)
                size += len(piece)
                within_bounds(file, packed, size)
                if piece:
                    yield piece
                rest = member.unused_data or member.unconsumed_tail
                if member.eof:
                    member = None
                elif not rest and len(piece) < BLOCK:
                    break
    except zlib.error:
        raise _damaged(file) from None
    if member:
        raise _damaged(file)


def _damaged(file: str) -> DataError:
    return DataError(file, "its gzip data is damaged or cut short", "Upload the whole file again.")


def _checked_utf8(file: str, blocks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(blocks, b"")
    if first.startswith(UTF_16):
        raise DataError(file, "is UTF-16", "Save it as UTF-8, or set `encoding: utf-16` on its entry of source.files.")
    yield first
    yield from blocks


def _transcoded(file: str, blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)(UNREADABLE)
    try:
        for block in blocks:
            yield decoder.decode(block).encode(errors="surrogatepass")
        yield decoder.decode(b"", final=True).encode(errors="surrogatepass")
    except UnicodeError as error:  # of an encoding that is no text file's, such as punycode
        problem = f"cannot be read as {encoding}"
        raise DataError(file, problem, "Set `encoding` to what the file was saved in.") from error


def _half_a_surrogate(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return "\udcff", error.end
    raise error


codecs.register_error(UNREADABLE, _half_a_surrogate)
