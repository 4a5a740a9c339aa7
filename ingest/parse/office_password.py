"""Office documents with a password. The one file that imports msoffcrypto."""

import io
from importlib.metadata import version

from errors import EncryptedError, ParseError

_COPY = "Save a copy without the password and add that."


def library_version() -> str:
    return f"msoffcrypto-tool {version('msoffcrypto-tool')}"


def is_encrypted(data: bytes) -> bool:
    """Whether a document of the old binary kind needs a password; False for a damaged one."""
    import msoffcrypto

    try:
        return bool(msoffcrypto.OfficeFile(io.BytesIO(data)).is_encrypted())
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - whatever the library's parts raise: then the damage is what counts
        return False


def decrypted(data: bytes, password: str) -> bytes:
    """The document without its password. Raises EncryptedError if it is not the right one, ParseError if the file is
    damaged."""
    import msoffcrypto
    from msoffcrypto.exceptions import DecryptionError, InvalidKeyError

    plain = io.BytesIO()
    try:
        file = msoffcrypto.OfficeFile(io.BytesIO(data))
        file.load_key(password=password)
        file.decrypt(plain)
    except MemoryError:
        raise
    except (InvalidKeyError, DecryptionError) as error:
        raise EncryptedError("The password does not open the file.", hint="Give the right one.") from error
    except Exception as error:  # of a damaged file, it lets through whatever its parts raise
        raise ParseError(f"The protected file is damaged: {error}.", hint=_COPY) from error
    return plain.getvalue()
