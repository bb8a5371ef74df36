# One recipe, a target per deployable: docker build --target gateway|training|operator .
ARG BASE=docker.io/library/python:3.11-slim-bookworm
ARG NODE=docker.io/library/node:22-slim

FROM ${NODE} AS page-build
WORKDIR /src/frontend
COPY frontend/package.json frontend/package-lock.json frontend/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY frontend/index.html frontend/vite.config.ts frontend/tsconfig.json ./
COPY frontend/public public
COPY frontend/scripts scripts
COPY frontend/src src
RUN npm run build

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements/build.txt requirements/
# Without pip: what is installed here is all that an image gets.
RUN python3 -m venv /build \
    && /build/bin/pip install --require-hashes --no-deps -r requirements/build.txt \
    && python3 -m venv --without-pip /opt/levain

FROM build AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY libs libs
COPY services services
COPY gateway gateway
COPY operator operator
COPY cli cli
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel .

# The locks come before the sources, and our code goes into a folder and a layer of its own: a change of a source makes one small layer anew.
FROM build AS gateway-build
COPY scripts/install-deployable scripts/
COPY requirements/gateway.txt requirements/
RUN scripts/install-deployable requirements gateway
COPY --from=wheel /wheel /wheel
RUN scripts/install-deployable code gateway

FROM build AS training-build
COPY scripts/install-deployable scripts/
COPY requirements/training.txt requirements/
RUN scripts/install-deployable requirements training
COPY --from=wheel /wheel /wheel
RUN scripts/install-deployable code training
COPY cli/levain/sample/bakery.csv /code/share/sample.csv

FROM build AS operator-build
COPY scripts/install-deployable scripts/
COPY requirements/operator.txt requirements/
RUN scripts/install-deployable requirements operator
COPY --from=wheel /wheel /wheel
RUN scripts/install-deployable code operator

FROM ${BASE} AS run
ARG VERSION=0.1.0
ARG REVISION=unknown
# HOME: libraries that want a cache find the one folder that may be written.
ENV PATH=/opt/levain/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp LANG=C.UTF-8 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
LABEL org.opencontainers.image.vendor="Levain" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
WORKDIR /tmp
USER 10001:10001

FROM run AS gateway
LABEL org.opencontainers.image.title="levain-gateway" \
      org.opencontainers.image.description="Verifies tokens and passes HTTP and live sockets on to the training service."
COPY --from=gateway-build /opt/levain /opt/levain
COPY --from=gateway-build /code /opt/levain
COPY --from=page-build /src/frontend/dist /opt/levain/share/page
ENV LEVAIN_STATIC_DIR=/opt/levain/share/page
EXPOSE 8080 9090
CMD ["levain-gateway"]

FROM run AS training
LABEL org.opencontainers.image.title="levain-training" \
      org.opencontainers.image.description="The training service (serve), its workers (worker) and its schema (migrate)."
# LightGBM is linked to OpenMP, which its wheel doesn't bring.
USER 0:0
RUN ldconfig -p | grep -q libgomp.so.1 \
    || { apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*; }
USER 10001:10001
COPY --from=training-build /opt/levain /opt/levain
COPY --from=training-build /code /opt/levain
EXPOSE 8000 9090
CMD ["levain-training", "serve"]

FROM run AS operator
LABEL org.opencontainers.image.title="levain-operator" \
      org.opencontainers.image.description="Turns TrainingJobs and TrainingSchedules into jobs of the training service."
COPY --from=operator-build /opt/levain /opt/levain
COPY --from=operator-build /code /opt/levain
EXPOSE 9090
CMD ["levain-operator"]
