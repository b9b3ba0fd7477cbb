# The service: one image for every role. `docker build -t usage-analytics .`
# For production pin the base: NODE_IMAGE=node:24-alpine@sha256:<digest that your scanner has passed>.
ARG NODE_IMAGE=node:24-alpine

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund --omit=optional
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /service
COPY package.json package-lock.json ./
# Without what only people and other module systems read: a third of the size.
RUN npm ci --no-audit --no-fund --omit=dev --omit=optional --ignore-scripts \
  && find node_modules -type f \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.md' \) -delete \
  && rm -rf node_modules/typeorm/browser node_modules/rxjs/src node_modules/rxjs/dist/bundles node_modules/rxjs/dist/esm \
    node_modules/rxjs/dist/esm5 node_modules/libphonenumber-js/bundle

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="usage-analytics"
ENV NODE_ENV=production DATA_DIR=/data
WORKDIR /service
COPY --from=dependencies /service ./
COPY --from=build /build/dist dist
COPY sql sql
COPY migrations migrations
# The only directory that is written to, and only where exports stay on disk; the root file system may be read-only.
RUN mkdir /data && chown node:node /data
VOLUME /data
USER node
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 3000) + '/healthz/live').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# No shell and no npm in between: SIGTERM reaches the service.
# A batch outlives the default young generation (measured in docs/decisions.md); and told nothing, Node.js lets the old
# one grow to GBs before it looks. A container's memory limit must hold the old generation, three times the semi-space,
# and some 150 MiB of code and buffers outside of both, as the chart's 768 MiB do.
CMD ["node", "--enable-source-maps", "--max-semi-space-size=32", "--max-old-space-size=512", "dist/main.js"]
