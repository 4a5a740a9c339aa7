"""The Streamlit door: navigation only; each page is a file in ui/. `cita app` starts it (ui/launch.py)."""

import streamlit as st

from ui import ask, compare, conversations, evaluate, inspect, library, models, settings, tasks
from ui.frame import FOLDER, draw_sidebar, get_texts, guarded


def main() -> None:
    st.set_page_config(page_title="Cita", page_icon=str(FOLDER / "icon.svg"), layout="centered")
    st.html(FOLDER / "style.css")
    st.logo(str(FOLDER / "logo.svg"), icon_image=str(FOLDER / "icon.svg"), size="large")
    texts = get_texts()
    asking = st.Page(guarded(ask.draw), title=texts.nav_ask, icon=":material/forum:", url_path="ask", default=True)
    page = st.navigation(
        [
            asking,
            st.Page(guarded(library.draw), title=texts.nav_library, icon=":material/folder_open:", url_path="library"),
            st.Page(guarded(tasks.draw), title=texts.nav_tasks, icon=":material/task_alt:", url_path="tasks"),
            st.Page(
                guarded(inspect.draw), title=texts.nav_inspect, icon=":material/search_insights:", url_path="inspect"
            ),
            st.Page(
                guarded(evaluate.draw), title=texts.nav_evaluate, icon=":material/fact_check:", url_path="evaluate"
            ),
            st.Page(guarded(compare.draw), title=texts.nav_compare, icon=":material/compare:", url_path="compare"),
            st.Page(guarded(models.draw), title=texts.nav_models, icon=":material/neurology:", url_path="models"),
            st.Page(guarded(settings.draw), title=texts.nav_settings, icon=":material/tune:", url_path="settings"),
        ]
    )
    conversations.draw_list(asking)
    draw_sidebar()
    page.run()


if __name__ == "__main__":
    main()
