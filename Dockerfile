# A host of Corral in a container. It runs as a user without rights on a read-only root; nothing is installed when it starts.
#
# Pin the base by its digest in what you deploy, so that it does not change under you. Packages of Debian, and libraries that our
# libraries ask for by range, are the newest of the day: deploy an image that was built once, by its own digest.
#   docker buildx imagetools inspect node:26-bookworm-slim     # prints the digest
#   docker build --build-arg NODE_IMAGE=node:26-bookworm-slim@sha256:… -t corral .
ARG NODE_IMAGE=node:26-bookworm-slim

# The packages as others install them (npm run pack), from this repository.
FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY . .
RUN npm run --silent pack -- --out /packs
WORKDIR /corral
RUN echo '{ "private": true }' > package.json \
  && npm install --ignore-scripts --no-audit --no-fund --omit=dev /packs/tarballs/corral-[0-9]*.tgz

FROM ${NODE_IMAGE}
# The second wall around agents: without it, the isolate would be the only one.
RUN apt-get update -qq \
  && apt-get install -qq -y --no-install-recommends bubblewrap \
  && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 corral \
  && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin corral \
  && install -d -o 10001 -g 10001 -m 0700 /data \
  && install -d /config
COPY --from=build /corral /corral
# The cache of compiled code; with a read-only root, /tmp is a file system in memory.
ENV PATH=/corral/node_modules/.bin:$PATH NODE_ENV=production XDG_CACHE_HOME=/tmp/cache CORRAL_DATA=/data
USER 10001:10001
# corral.config.ts is looked for here.
WORKDIR /config
VOLUME /data
EXPOSE 7070
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7070/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["corral"]
CMD ["up", "--host", "0.0.0.0", "--plaintext"]
