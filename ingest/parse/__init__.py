"""One format family per file, one contract: parse(path) -> Document."""
