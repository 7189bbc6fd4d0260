# The tutor as an image: one stage, CPU build of torch, not root. Build argument TORCH_INDEX: see the Makefile.
FROM python:3.12-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

WORKDIR /app
COPY pyproject.toml README.md ./
COPY ingest ingest
COPY tutor tutor
COPY evals evals
COPY ui ui
COPY corpus corpus
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" torch==2.13.0 -e '.[openai,anthropic,ollama]' \
    && useradd --create-home --uid 10001 tutor \
    && mkdir /data && chown tutor /data

USER tutor
# The index, the runs and the exported model live in the volume; the app listens on the container's address.
ENV TUTOR_HOME=/data TUTOR_CACHE=/data/models TUTOR_ADDRESS=0.0.0.0 TUTOR_PORT=8501 HF_HUB_OFFLINE=1
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=15s --timeout=5s --start-period=180s --retries=5 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["tutor", "ui"]
