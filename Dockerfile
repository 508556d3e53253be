# triton-local: `docker build -t triton-local .`; docs/containers.md says how to run it, and how to build without a registry.
ARG BASE_IMAGE=node:26-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm pack --pack-destination /tmp && npm prune --omit=dev
# The image's root file system: the package, what it needs of npm, node, and the shared libraries that node and ONNX Runtime
# name. Models that come with the package lie where others are mounted.
RUN mkdir -p /image/opt /image/usr/local/bin && mkdir -m 1777 /image/tmp \
 && tar -xzf /tmp/triton-local-*.tgz -C /image/opt && mv /image/opt/package /image/opt/triton-local \
 && mv node_modules /image/opt/triton-local/ \
 && mv /image/opt/triton-local/model-repo /image/models && ln -s /models /image/opt/triton-local/model-repo \
 && find /image/opt/triton-local/node_modules/onnxruntime-node/bin -mindepth 3 -maxdepth 3 \
      ! -path "*/$(node -p 'process.platform')/$(node -p 'process.arch')" -exec rm -r {} + \
 && cp -L "$(command -v node)" /image/usr/local/bin/ \
 && cp -L --parents -t /image $(find /image -type f \( -name node -o -name '*.node' -o -name '*.so*' \) -exec ldd {} + \
      | grep -oE '/lib(64)?/[^ ]*\.so[^ ]*' | sort -u)

# Nothing but that: no shell, no package manager, nothing that builds.
FROM scratch
COPY --from=build /image /
USER 1000:1000
WORKDIR /models
# ONNX Runtime reports its use to its maker unless told not to.
ENV HOME=/tmp \
    ORT_DISABLE_TELEMETRY=1 \
    TRITON_LOCAL_HTTP_ADDRESS=0.0.0.0 \
    TRITON_LOCAL_GRPC_ADDRESS=0.0.0.0 \
    TRITON_LOCAL_ALLOW_SAGEMAKER=true \
    TRITON_LOCAL_EMULATOR_PORT=4570
EXPOSE 8000 8001 8002 8080 4570
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s CMD ["/usr/local/bin/node", "-e", "fetch('http://127.0.0.1:' + (process.env.TRITON_LOCAL_EMULATOR_PORT ?? 4570) + '/_emulator/health').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/usr/local/bin/node", "/opt/triton-local/dist/emulator/main.js"]
