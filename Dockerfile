# syntax=docker/dockerfile:1
# The service, its workers and its commands. `docker build .` makes the image for CPUs,
# `docker build --target gpu .` the one with faiss for NVIDIA GPUs; docs/deploy.md says more.

FROM python:3.11-slim-bookworm AS build
WORKDIR /build
# What is installed changes seldomer than the code: the first step holds the dependencies alone.
COPY pyproject.toml constraints.txt README.md LICENSE ./
# An index with PyTorch for CPUs, a tenth of what PyPI's needs; empty for PyPI alone.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG FAISS=faiss-cpu
RUN mkdir -p proto/partlens common/partlens explainer/partlens indexer/partlens server/partlens client/partlens \
    && python -m venv /opt/partlens \
    && /opt/partlens/bin/pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
        --constraint constraints.txt ".[server,video,bridge,$FAISS]" \
    && /opt/partlens/bin/pip uninstall --yes partlens
COPY . .
RUN /opt/partlens/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim-bookworm AS runtime
# A fixed number, so that what a volume holds belongs to the same user after an upgrade.
RUN groupadd --gid 10001 partlens \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin partlens \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/partlens /var/lib/partlens/clients /data
ENV PATH=/opt/partlens/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1
USER 10001:10001
WORKDIR /var/lib/partlens
VOLUME /var/lib/partlens
EXPOSE 50051
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
    CMD ["partlens", "health", "--server", "localhost:50051", "--ca", "/var/lib/partlens/clients/ca.pem"]
ENTRYPOINT ["partlens"]
CMD ["serve", "--config", "/var/lib/partlens/partlens.toml"]

# The same code beside faiss-gpu, ONNX Runtime and PyTorch's own build for NVIDIA GPUs. Two packages install a module
# onnxruntime, so the one that the extras name goes.
FROM build AS build-gpu
RUN /opt/partlens/bin/pip uninstall --yes faiss-cpu torch \
    && /opt/partlens/bin/pip install --no-cache-dir --constraint constraints.txt ".[server,video,bridge,faiss-gpu]" \
    && /opt/partlens/bin/pip uninstall --yes onnxruntime \
    && /opt/partlens/bin/pip install --no-cache-dir --no-deps "onnxruntime-gpu>=1.32,<2"

FROM runtime AS gpu
COPY --from=build-gpu /opt/partlens /opt/partlens

# The last target is what a plain build makes.
FROM runtime AS cpu
COPY --from=build /opt/partlens /opt/partlens
