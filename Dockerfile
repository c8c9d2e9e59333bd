# The service in three stages: a wheel of this source, an environment that holds it, and what of both runs.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS wheel
WORKDIR /source
COPY pyproject.toml README.md ./
COPY src src
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON} AS environment
# What else the image can do: models makes vectors of texts and images, otel sends traces.
ARG EXTRAS=models,otel
COPY constraints.txt /constraints.txt
COPY --from=wheel /wheels /wheels
RUN python -m venv /opt/coterie \
    && /opt/coterie/bin/pip install --no-cache-dir -c /constraints.txt "$(echo /wheels/coterie-*.whl)[${EXTRAS}]"

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="Coterie" \
      org.opencontainers.image.description="Finds the groups in a team's embeddings and keeps them" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
RUN groupadd --gid 10001 coterie \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin coterie \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=environment /opt/coterie /opt/coterie
# The environment belongs to root, so compiled loops are kept in the data folder: only /data and /tmp are written to.
ENV PATH=/opt/coterie/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    COTERIE_DATA_DIR=/data \
    COTERIE_HOST=0.0.0.0 \
    COTERIE_METRICS_HOST=0.0.0.0 \
    COTERIE_LOG_FORMAT=json
USER 10001:10001
WORKDIR /tmp
VOLUME /data
EXPOSE 8000 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["coterie", "health"]
ENTRYPOINT ["coterie"]
CMD ["serve"]
