# One image for web server, worker, beat and commands; compose.yaml runs it. It needs no shell, no root and no writable
# file system but /var/lib/faceplane and /run/faceplane, which should be memory.
#
#   docker build --tag faceplane .                        with the models
#   docker build --build-arg MODELS=mounted --tag …  .    without: mount them at /opt/faceplane/models
FROM python:3.13-slim-trixie AS build
WORKDIR /opt/faceplane
COPY requirements.txt ./
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt
COPY . .
ARG MODELS=baked
RUN export DATA_DIR=/tmp/build SECRETS_DIR=/tmp/build MODELS_HOME=/opt/faceplane/models \
    && mkdir -p models \
    && .venv/bin/pybabel --quiet compile --directory collections_app/locale --domain django \
    && .venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
    && if [ "$MODELS" = baked ]; then .venv/bin/python manage.py install_models; fi \
    && rm -rf /tmp/build \
    && chmod -R a+rX,go-w .

FROM python:3.13-slim-trixie
# pg_dump and pg_restore, for backups. Debian's version of a stable release changes by security updates only.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 faceplane \
    && useradd --system --uid 10001 --gid faceplane --no-create-home --home-dir /nonexistent faceplane \
    && install --directory --owner faceplane --group faceplane --mode 0700 /var/lib/faceplane /run/faceplane
COPY --from=build /opt/faceplane /opt/faceplane
WORKDIR /opt/faceplane
# SECRETS_DIR is a path.
# hadolint ignore=DL3064
ENV PYTHONDONTWRITEBYTECODE=1 \
    BIND=0.0.0.0:8000 \
    DATA_DIR=/var/lib/faceplane \
    MODELS_HOME=/opt/faceplane/models \
    SECRETS_DIR=/var/lib/faceplane/secrets \
    HOST_DIR=/run/faceplane/host \
    INDEX_OPEN_DIR=/run/faceplane/index
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s \
    CMD [".venv/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT [".venv/bin/python"]
CMD ["-m", "config.server"]
