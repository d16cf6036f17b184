# One image for every part: `serve`, `work --group features`, `work --group lake`, `materialize`, `train`.
FROM python:3.12-slim AS build
WORKDIR /build
COPY requirements.txt pyproject.toml README.md ./
RUN python -m venv /opt/shopfloor \
    && /opt/shopfloor/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements.txt
COPY shopfloor shopfloor
COPY serving serving
COPY training training
COPY ingestion ingestion
COPY feature_repo feature_repo
RUN /opt/shopfloor/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
# libgomp is what LightGBM and implicit compute with; the image brings nothing else.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 shopfloor \
    && install -d -o shopfloor -g shopfloor /var/lib/shopfloor
COPY --from=build /opt/shopfloor /opt/shopfloor
ENV PATH=/opt/shopfloor/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/var/lib/shopfloor/.numba \
    SHOPFLOOR_DATA=/var/lib/shopfloor
USER shopfloor
WORKDIR /var/lib/shopfloor
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ.get('SHOPFLOOR_PORT', 8000)}/healthz\", timeout=2)"]
ENTRYPOINT ["shopfloor"]
CMD ["up"]
