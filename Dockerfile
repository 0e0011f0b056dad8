# One image for every service and for the command line: `docker run blockmill worker`, `docker run blockmill gaps`.
# There is no build step: Node runs the TypeScript sources by stripping their types. It refuses to do so below a folder
# node_modules, so the workspace is kept as it is: node_modules/@blockmill/* are links to packages/*, and Node looks at where
# links lead. (`pnpm deploy` would copy the packages into node_modules.)

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
RUN corepack enable
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY packages/core/package.json packages/core/
COPY packages/scheduler/package.json packages/scheduler/
COPY packages/worker/package.json packages/worker/
COPY packages/monitor/package.json packages/monitor/
COPY packages/testkit/package.json packages/testkit/
COPY packages/cli/package.json packages/cli/
COPY apps/example/package.json apps/example/
# Optional libraries are the binaries of PostgreSQL and of an EVM development chain, which containers have no use for.
RUN --mount=type=cache,target=/pnpm-store \
    pnpm install --prod --no-optional --frozen-lockfile --ignore-scripts --store-dir /pnpm-store

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    # Every container serves its health checks and metrics here, and the monitor its API.
    HOST=0.0.0.0 \
    PORT=8080
WORKDIR /app
COPY --from=dependencies /app ./
COPY packages packages
COPY apps apps
COPY deploy/healthcheck.sh deploy/
# The command's name; places for what a service keeps, which volumes take their owner from; and the packages under their names
# for whatever is mounted below /app, such as tasks.
RUN chmod +x packages/cli/src/main.ts \
    && ln -s /app/packages/cli/src/main.ts /usr/local/bin/blockmill \
    && install -d -o node -g node /var/lib/blockmill /var/lib/blockmill/results \
    && mkdir -p node_modules/@blockmill \
    && ln -s ../../packages/core ../../packages/testkit ../../apps/example node_modules/@blockmill/
# The user `node`, as a number: Kubernetes cannot tell of a name that it is not root, and starts no pod that must not be.
USER 1000:1000
# No shell and no npm in between: Node itself gets the signals. The first line of the file has the flags for Node.
ENTRYPOINT ["/app/packages/cli/src/main.ts"]
CMD ["--help"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["bash", "/app/deploy/healthcheck.sh"]
