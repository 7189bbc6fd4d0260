"""The faces: the ``tutor`` command line (``cli``) and the Streamlit app (``app`` and ``pages/``). Nobody imports them."""
