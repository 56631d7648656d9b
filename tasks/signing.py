"""A run's lineage signed with a key of yours, offline: OpenSSF Model Signing (model_signing), elliptic curve keys.

lineage.json names every file of the run folder and of the registered versions with its sha256, so one signature covers
all of them. `model_signing verify key lineage.json --signature lineage.sig --public_key key.pub` checks it without us.
A pair of keys: `openssl ecparam -name prime256v1 -genkey -noout -out key.pem` and
`openssl ec -in key.pem -pubout -out key.pub`. Keep key.pem where only the worker reads it (chmod 600).
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from tasks.errors import ConfigurationError
from tasks.run_folder import RunFolder

SIGNING_KEY, VERIFY_KEY = "TUNEGATE_SIGNING_KEY", "TUNEGATE_VERIFY_KEY"
Signature = Literal["none", "good", "bad", "no key here"]
MAKE = "Make one without a password: `openssl ecparam -name prime256v1 -genkey -noout -out key.pem`."
DERIVE = "Derive it: `openssl ec -in key.pem -pubout -out key.pub`."


def seal(folder: RunFolder, name: str) -> None:
    """Write the signature of a run's file beside it, where there is a key: `lineage.json` to `lineage.sig`."""
    if signature := sign(folder.checked(name)):
        folder.write_bytes(bundle_of(name), signature)


def bundle_of(name: str) -> str:
    """Name of the file that holds the signature of another."""
    return str(Path(name).with_suffix(".sig"))


def sign(document: Path) -> bytes | None:
    """The signature of a file, a Sigstore bundle; None where TUNEGATE_SIGNING_KEY names no key.

    Raises ConfigurationError where the key cannot be read or the library is missing.
    """
    key = os.environ.get(SIGNING_KEY)
    if not key:
        return None
    signer = _signer(key)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "signature"
        signer.sign(document, bundle)
        return bundle.read_bytes()


def verify(content: bytes, signature: bytes | None) -> Signature:
    """How a file's bytes stand to their signature, by the public key that TUNEGATE_VERIFY_KEY names.

    Raises ConfigurationError where that key cannot be read or the library is missing.
    """
    if signature is None:
        return "none"
    key = os.environ.get(VERIFY_KEY)
    if not key:
        return "no key here"
    verifier = _with_key(
        VERIFY_KEY, lambda: _library().verifying.Config().use_elliptic_key_verifier(public_key=key), DERIVE
    )
    with tempfile.TemporaryDirectory() as folder:
        document, bundle = Path(folder) / "document", Path(folder) / "signature"
        document.write_bytes(content)
        bundle.write_bytes(signature)
        try:
            verifier.verify(document, bundle)
        except Exception:  # a forged bundle makes the library fail in many ways
            return "bad"
    return "good"


def is_expected() -> bool:
    """Whether whoever verifies here has a key, and so expects a signature."""
    return bool(os.environ.get(VERIFY_KEY))


def require_usable() -> None:
    """Raise ConfigurationError where a key is named that cannot sign; before anything is spent."""
    if key := os.environ.get(SIGNING_KEY):
        _signer(key)


def _signer(key: str) -> Any:  # noqa: ANN401 - a type of model_signing
    return _with_key(SIGNING_KEY, lambda: _library().signing.Config().use_elliptic_key_signer(private_key=key), MAKE)


def _with_key(variable: str, use: Callable[[], Any], remedy: str) -> Any:  # noqa: ANN401 - a type of model_signing
    try:
        return use()
    except ImportError as error:
        problem = f"is set, and {error.name} is not installed"
        raise ConfigurationError(variable, problem, 'Install it: pip install "tunegate[signing]".') from error
    except OSError as error:
        problem = f"{os.environ[variable]}: {(error.strerror or type(error).__name__).lower()}"
        raise ConfigurationError(variable, problem, remedy) from error
    except (ValueError, TypeError):  # its text may quote the file
        problem = f"{os.environ[variable]} is no elliptic curve key (P-256, P-384, P-521) in PEM form without password"
        raise ConfigurationError(variable, problem, remedy) from None


def _library() -> Any:  # noqa: ANN401 - it has no type hints
    import model_signing

    return model_signing
