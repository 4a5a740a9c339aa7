"""Every name that the system allows has a text that can be stored, and is found again by it."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.names import absolute, printable, to_name, to_text

NAMES = st.binary(min_size=1, max_size=40).map(lambda name: name.decode("utf-8", "surrogateescape"))
TEXTS = st.text(min_size=1, max_size=20).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))


@given(st.one_of(NAMES, TEXTS, st.text(alphabet="\udc80\udcee\udcbe\ue000\uef80\uefee\uefbea")))
def test_a_name_is_had_back_from_its_text(name: str) -> None:
    name = name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")  # as the system gives it
    text = to_text(name)
    text.encode("utf-8")
    assert to_name(text) == name


@given(TEXTS)
def test_a_name_of_common_characters_is_its_own_text(name: str) -> None:
    assert to_text(name) == name or any("\uef80" <= character <= "\uefff" for character in name)


def test_bytes_that_are_no_characters_are_shown_by_their_numbers() -> None:
    assert printable(to_text(os.fsdecode(b"caf\xe9.md"))) == "caf\\xe9.md"


@pytest.mark.parametrize("name", [b"caf\xe9", b"\xff\xfe", "cafe\u0301".encode(), b"new\nline", "\U0001f98a".encode()])
def test_a_file_is_opened_by_the_text_of_its_name(tmp_path: os.PathLike[str], name: bytes) -> None:
    path = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118 - bytes
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"here")
    assert absolute(str(tmp_path), to_text(os.fsdecode(name))).read_bytes() == b"here"
