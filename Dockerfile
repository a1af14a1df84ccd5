# The greeter, small and without root. Linted, not built, by CI (`cargo xtask deploy-lint`).
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# What /debug/build says: --build-arg GREETER_COMMIT="$(git rev-parse HEAD)".
ARG GREETER_COMMIT
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --package greeter \
    && cp target/release/greeter /usr/local/bin/greeter

FROM debian:bookworm-slim
COPY --from=build /usr/local/bin/greeter /usr/local/bin/greeter
# By number, so that Kubernetes can tell it is not root's.
USER 65532:65532
# Debug, HTTP, gRPC.
EXPOSE 9100 9110 9120
ENTRYPOINT ["/usr/local/bin/greeter"]
# The debug port is on loopback unless it is told otherwise, and probes come from outside.
CMD ["--debug-addr", ":9100"]
