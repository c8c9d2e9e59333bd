"""What the engine refuses."""


class EngineError(ValueError):
    """Input that cannot be clustered. `code` is stable; the message says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
