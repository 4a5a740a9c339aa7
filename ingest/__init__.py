"""Files in, passages out: discover -> parse -> chunk -> embed -> store."""
