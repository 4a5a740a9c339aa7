"""Which documents to look in: the same choice on the pages that search."""

from collections.abc import Sequence
from pathlib import PurePosixPath

import streamlit as st

from ingest.names import printable
from ingest.types import TYPE_FAMILIES, Filters, Source
from ui.texts import Texts

KEYS = ("within", "types", "languages", "since", "until")


def chosen() -> Filters:
    """What is chosen on the page that is drawn."""
    state = st.session_state
    within, types, languages = (tuple(state.get(key, ())) for key in ("within", "types", "languages"))
    since, until = (str(state.get(key) or "").strip() for key in ("since", "until"))
    return Filters(within, types, (), languages, since, until)


def summary(texts: Texts) -> str:
    """How many things are chosen, in a few words."""
    filters = chosen()
    count = len(filters.within) + len(filters.types) + len(filters.languages) + bool(filters.since)
    count += bool(filters.until)
    return texts.ask_some_sources.format(n=count) if count else texts.ask_all_sources


def draw(sources: Sequence[Source], texts: Texts) -> None:
    st.multiselect(
        texts.ask_within,
        places(sources),
        format_func=printable,
        key="within",
        placeholder=texts.ask_within_all,
        help=texts.ask_within_help,
    )
    kinds, languages = st.columns(2)
    kinds.multiselect(
        texts.filter_types, TYPE_FAMILIES, format_func=texts.type, key="types", placeholder=texts.filter_any
    )
    languages.multiselect(
        texts.filter_languages,
        sorted({source.language for source in sources} - {""}),
        format_func=texts.language,
        key="languages",
        placeholder=texts.filter_any,
    )
    since, until = st.columns(2)
    since.text_input(texts.filter_since, key="since", placeholder="2024-05", max_chars=10, help=texts.filter_dates_help)
    until.text_input(texts.filter_until, key="until", placeholder="2024-05-17", max_chars=10)
    st.caption(texts.filter_words)


def places(sources: Sequence[Source]) -> list[str]:
    """What a question can be kept to: the folders, then the tags, then the files."""
    files = sorted({source.path for source in sources if source.status == "indexed"}, key=str.casefold)
    folders = {str(folder) for file in files for folder in PurePosixPath(file).parents if folder.name}
    tags = {f"#{tag}" for source in sources for tag in source.tags}
    return [*sorted(folders, key=str.casefold), *sorted(tags, key=str.casefold), *files]
