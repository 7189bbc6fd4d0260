"""The app: two pages under one navigation. Started by ``tutor ui``; settings come from its environment."""

import streamlit as st

from ui import shared

st.set_page_config(page_title="Course tutor", page_icon=shared.FAVICON, layout="centered")
shared.apply_style()
page = st.navigation(
    [
        st.Page("pages/ask.py", title="Ask", icon=":material/forum:", url_path="ask", default=True),
        st.Page("pages/lesson.py", title="Lessons", icon=":material/menu_book:", url_path="lesson"),
    ]
)
page.run()
