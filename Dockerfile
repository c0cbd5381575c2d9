# syntax=docker/dockerfile:1
# The service, its workers and its commands. `docker build .` builds the CPU image,
# `docker build --target gpu .` the image for NVIDIA GPUs, `docker build --target ray .` the CPU image with Ray.
# See docs/deploy.md.

FROM python:3.11-slim-bookworm AS build
WORKDIR /build
# Dependencies change less often than the code, so they have their own layer.
COPY pyproject.toml constraints.txt README.md LICENSE ./
# Index with the CPU build of PyTorch, a tenth the size of PyPI's; empty to use only PyPI.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG FAISS=faiss-cpu
# Nothing is built yet, so the build hook of the page has nothing to do.
RUN export HATCH_BUILD_NO_HOOKS=true \
    && mkdir -p proto/partlens common/partlens explainer/partlens indexer/partlens server/partlens client/partlens \
    && python -m venv /opt/partlens \
    && /opt/partlens/bin/pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
        --constraint constraints.txt ".[server,video,bridge,$FAISS]" \
    && /opt/partlens/bin/pip uninstall --yes partlens
COPY . .
# Compiles the scoring kernel for the processor of this machine; a server on another one does that at its first start, and
# keeps it in XDG_CACHE_HOME.
RUN /opt/partlens/bin/pip install --no-cache-dir --no-deps . \
    && /opt/partlens/bin/python -c "from partlens.explainer.scoring import warm; warm()"

FROM python:3.11-slim-bookworm AS runtime
# What WeasyPrint writes PDF with, and a font.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/*
# A fixed user id, so that files in a volume keep their owner after an upgrade.
RUN groupadd --gid 10001 partlens \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin partlens \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/partlens /var/lib/partlens/clients /data
ENV PATH=/opt/partlens/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    XDG_CACHE_HOME=/var/lib/partlens/cache
USER 10001:10001
WORKDIR /var/lib/partlens
VOLUME /var/lib/partlens
EXPOSE 50051 8443
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
    CMD ["partlens", "health", "--server", "localhost:50051", "--ca", "/var/lib/partlens/clients/ca.pem"]
ENTRYPOINT ["partlens"]
CMD ["serve", "--config", "/var/lib/partlens/partlens.toml"]

# The same code with faiss-gpu, and with ONNX Runtime and PyTorch for NVIDIA GPUs. onnxruntime and onnxruntime-gpu install
# the same module, so the former is removed.
FROM build AS build-gpu
RUN /opt/partlens/bin/pip uninstall --yes faiss-cpu torch \
    && /opt/partlens/bin/pip install --no-cache-dir --constraint constraints.txt ".[server,video,bridge,faiss-gpu]" \
    && /opt/partlens/bin/pip uninstall --yes onnxruntime \
    && /opt/partlens/bin/pip install --no-cache-dir --no-deps "onnxruntime-gpu>=1.32,<2"

FROM runtime AS gpu
COPY --from=build-gpu /opt/partlens /opt/partlens

FROM runtime AS cpu
COPY --from=build /opt/partlens /opt/partlens

# Ray has a layer of its own, so that both images share the rest.
FROM cpu AS ray
USER 0:0
RUN --mount=type=bind,source=constraints.txt,target=/constraints.txt \
    /opt/partlens/bin/pip install --no-cache-dir --constraint /constraints.txt "partlens[ray]" \
    && install -d -o 10001 -g 10001 -m 0700 /ray /shared /scratch
COPY deploy/ray/serve-on-ray /usr/local/bin/
ENV RAY_USAGE_STATS_ENABLED=0
USER 10001:10001

# The default target, because it is the last.
FROM cpu AS default
