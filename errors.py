"""Every error Cita raises on purpose.

    CitaError
    ├── UsageError            wrong words on the command line or in a call (exit code 2)
    ├── SettingsError         a setting that cannot be used (exit code 2)
    ├── FolderError           a library folder that is missing or cannot be read
    ├── ParseError            a file that could not be read, with the status it gets in the catalogue
    │   ├── EncryptedError        needs a password
    │   ├── UnsupportedError      no parser for this kind of file
    │   ├── NeedsOcrError         pictures of text, no text layer
    │   ├── TooLargeError         over a size limit
    │   └── ParserDiedError       crashed, ran out of time or memory
    ├── CatalogError          catalog.db cannot be opened or written
    │   ├── CatalogDamagedError   its bytes are not what was written
    │   └── StorageFullError      no space left on the device
    ├── HistoryError          conversations.db cannot be used
    │   └── HistoryDamagedError   it was damaged, and has been set aside
    ├── VectorIndexError      the nearest-neighbour index cannot be used (search goes on without it)
    ├── EmbedderError         the embedding model is missing, damaged or failed
    ├── ModelError            a generator model
    │   ├── ModelNotFoundError    no model of that name
    │   ├── NotAModelError        the file is not a GGUF, or a damaged one
    │   ├── ModelTooLargeError    it needs more memory than is free
    │   ├── ModelRefusedError     the server that has it does not take what it is asked
    │   └── ModelDiedError        the model's process ended before its answer did
    └── EngineError           the process that owns a home
        ├── EngineUnreachableError  it holds the lock but does not answer
        ├── EngineClosedError     it was closed in the midst of what it was asked
        └── PortInUseError          another program listens there

A message says what was wrong and the value; `hint` says what to do next.
"""


class CitaError(Exception):
    """Base of the family. `str(error)` is the message and, where there is one, the next step."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(CitaError):
    exit_code = 2


class SettingsError(CitaError):
    exit_code = 2


class FolderError(CitaError):
    pass


class ParseError(CitaError):
    """A file that could not be read. `status` is the source's status in the catalogue."""

    status = "failed"


class EncryptedError(ParseError):
    status = "encrypted"


class UnsupportedError(ParseError):
    status = "unsupported"


class NeedsOcrError(ParseError):
    status = "needs-ocr"


class TooLargeError(ParseError):
    status = "too-large"


class ParserDiedError(ParseError):
    pass


class CatalogError(CitaError):
    pass


class CatalogDamagedError(CatalogError):
    pass


class StorageFullError(CatalogError):
    pass


class HistoryError(CitaError):
    pass


class HistoryDamagedError(HistoryError):
    pass


class VectorIndexError(CitaError):
    pass


class EmbedderError(CitaError):
    pass


class ModelError(CitaError):
    pass


class ModelNotFoundError(ModelError):
    pass


class NotAModelError(ModelError):
    pass


class ModelTooLargeError(ModelError):
    pass


class ModelRefusedError(ModelError):
    pass


class ModelDiedError(ModelError):
    pass


class EngineError(CitaError):
    pass


class EngineUnreachableError(EngineError):
    pass


class EngineClosedError(EngineError):
    pass


class PortInUseError(EngineError):
    pass
