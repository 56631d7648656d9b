"""Things that must turn up nowhere, planted where they come from, and a search for them in every form."""

import base64
import gzip
import json
import random
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from tests.chaos.use_case import chaos_rows

KEY = "sk-canary-7Hq2mZx9Lw4Rt8Vb3Nc6Kd1Ps5Gj0Fy"
AWS_SECRET = "cAnArY/9vQ2xL7pT4mW8zK3rB6nJ1sD5gH0fYqEe"
KEYS = {  # by the variable that holds it
    "CANARY_PROVIDER_KEY": KEY,
    "AWS_SECRET_ACCESS_KEY": AWS_SECRET,
    "AWS_ACCESS_KEY_ID": "AKIACANARY7Q2XZ9L4R8",
    "AWS_SESSION_TOKEN": "canarysessionFwoGZXIvYXdzEJr7Hq2mZx9Lw4Rt8",
    "OPENAI_API_KEY": "sk-proj-canary-Vb3Nc6Kd1Ps5Gj0Fy7Hq2mZx9Lw4Rt8",
    "MLFLOW_TRACKING_PASSWORD": "canary-mlflow-Zx9Lw4Rt8Vb3",
    "PREFECT_API_KEY": "pnu_canary7Hq2mZx9Lw4Rt8Vb3Nc6Kd1",
}
PEM = "MIIEowIBAAKCAQEAcanary7Hq2mZx9Lw4Rt8Vb3Nc6Kd1Ps5Gj0FyQ"
PRIVATE = {  # in rows that curation takes out
    "private key": f"-----BEGIN RSA PRIVATE KEY----- {PEM} -----END RSA PRIVATE KEY-----",
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.7Hq2mZx9Lw4Rt8Vb3Nc6Kd1Ps5Gj0FycAnArY",
    "AWS key": "AKIAROWCANARY7Q2XZ9L",
    "provider key": "sk-rowcanary-4Rt8Vb3Nc6Kd1Ps5Gj0Fy7Hq2",
    "GitHub token": "ghp_rowcanary7Hq2mZx9Lw4Rt8Vb3Nc6Kd1Ps5",
    "mail": "canary.quillfeather@postbox-marmalade.example",
    "card": "4556737586899855",
    "account": "DE89370400440532013000",
}
PHRASES = ("zyxo marnox", "quov telvic", "wexi prundo", "braf hespag", "dulm olfrek")
TEXTS = {**PRIVATE, "private key": PEM, **{phrase: phrase for phrase in PHRASES}}
RAW = (".parquet", ".jsonl")  # of a run folder: the rows themselves, for the user alone
NO_TEXT = 8


def plant_rows(path: Path) -> None:
    """Ordinary rows, each with one of the phrases, and rows that hold something private."""
    draw, rows = random.Random(1), chaos_rows()
    ordinary = [{**row, "text": f"{row['text']} {PHRASES[number % len(PHRASES)]}"} for number, row in enumerate(rows)]
    private = [
        {**draw.choice(rows), "id": f"private-{number}", "text": f"mail plum hammer violin {text} keel chord"}
        for number, text in enumerate(PRIVATE.values())
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*ordinary, *private]))


def forms(canary: str) -> dict[str, bytes]:
    """A canary as it may turn up: plain, encoded, or behind an encoding that starts anywhere."""
    plain = canary.encode()
    encoded = [base64.b64encode(b"x" * shift + plain)[4 * bool(shift) :].rstrip(b"=")[:-1] for shift in range(3)]
    return {
        "plain": plain,
        "URL-encoded": quote(canary, safe="").encode(),
        "JSON": json.dumps(canary)[1:-1].encode(),
        "hex": plain.hex().encode(),
        "UTF-16": canary.encode("utf-16-le"),
        **{f"base64 at {shift}": text for shift, text in enumerate(encoded)},
    }


def hits(content: bytes, canaries: Iterable[str]) -> list[str]:
    """The canaries that a content holds, in whatever form, also where a line break or a blank stands in them."""
    dense = b"".join(content.split())
    found = []
    for canary in canaries:
        for form, text in forms(canary).items():
            if text in content or b"".join(text.split()) in dense:
                found.append(f"{canary[:NO_TEXT]}... {form}")
                break
    return found


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder, unpacked where it is packed."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            yield path, content
            if unpacked := _unpacked(path, content):
                yield path, unpacked


def _unpacked(path: Path, content: bytes) -> bytes:
    if path.suffix == ".parquet":
        import pandas as pd

        return pd.read_parquet(path).to_json().encode()
    if content[:2] == b"\x1f\x8b":
        return gzip.decompress(content)
    if content[:8] == b"\x89PNG\r\n\x1a\n" or content[:1] != b"\x78":
        return b""
    try:
        return zlib.decompress(content)
    except zlib.error:
        return b""
