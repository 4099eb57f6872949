# Images of the vfio-user-ism server. Two targets:
#
#   server   the program, the plugin for QEMU, profiles and licences; runs without root
#   ci       server plus QEMU with -device vfio-user-pci, for continuous integration
#
#   docker build --target server -t vfio-user-ism .
#   docker run --rm --user "$(id -u)" -v /tmp/ism:/run/ism vfio-user-ism --socket-path /run/ism/ism.sock
#
# Both can fetch what they lack (a QEMU, Linux guests) without apt, into the volume at /cache:
#
#   docker run --rm -it -v vfio-user-ism-cache:/cache vfio-user-ism lab --guests 2
#
# BASE is any image of Debian 13 (trixie) or later. Packages come from wherever its apt sources point, the
# newest of the suite and of its backports, where there are any.
# Crates come from the network, or from whatever is mounted at /cargo (CARGO_HOME): with a
# config.toml that replaces crates-io by a vendored folder, the build needs no registry. What is
# mounted at /target is kept from one build to the next. tests/container/build.sh does both.
ARG BASE=debian:trixie-slim
# `ci` is made from this; the tests pass the server image that they have already built.
ARG SERVER=server


# The apt source of the suite's backports, at the mirror that the base image uses for the suite, and a
# preference by which the newest version counts. Both are empty where there are no backports.
FROM ${BASE} AS backports
RUN set -eu; \
    . /etc/os-release; \
    suite=$VERSION_CODENAME; \
    mkdir -p /apt/sources.list.d /apt/preferences.d; \
    list=/apt/sources.list.d/backports.list; \
    keys=$(ls /usr/share/keyrings/debian-archive-keyring.* | head -n 1); \
    apt-get -q update; \
    of() { apt-get indextargets --format "$2" \
        'Created-By: Packages' 'Origin: Debian' 'Component: main' "Codename: $1"; }; \
    if [ -z "$(of "$suite-backports" 'there already')" ]; then \
        of "$suite" "deb [signed-by=$keys] \$(REPO_URI) $suite-backports main" \
            | sort -u > "$list"; \
        test -s "$list" || { echo "the base image has no apt source of $suite" >&2; exit 1; }; \
        cp "$list" /etc/apt/sources.list.d/; \
        apt-get -q update || true; \
        apt-cache policy | grep -q "n=$suite-backports" || : > "$list"; \
    fi; \
    printf 'Package: *\nPin: release n=%s-backports\nPin-Priority: 500\n' "$suite" \
        > /apt/preferences.d/backports


FROM ${BASE} AS builder
COPY --from=backports /apt/ /etc/apt/
RUN apt-get -q update \
    && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
        ca-certificates cargo rustc \
    && rm -rf /var/lib/apt/lists/*
ENV CARGO_HOME=/cargo \
    CARGO_TARGET_DIR=/target \
    CARGO_PROFILE_RELEASE_DEBUG=0 \
    CARGO_PROFILE_RELEASE_STRIP=symbols
WORKDIR /src
COPY . .
# Cargo compares dates, and the copied sources may carry any. A /target that is kept holds a list of the
# sources that it was built from: those that are still the same get an old date, all others a new one.
# The list is away while cargo works, so that half a build is never taken for a whole one.
# The licence texts are those of the crates that are linked into the program and the plugin.
RUN set -eu; \
    list=/target/sources.sha256; \
    find . -type f -exec sha256sum {} + > /tmp/sources; \
    find . -type f -exec touch {} +; \
    if [ -f "$list" ]; then \
        grep -Fxf "$list" /tmp/sources | cut -c 67- | xargs -r -d '\n' touch -d @1; \
        rm "$list"; \
    fi; \
    cargo build --release --locked --package vfio-user-ism --package vfio-user-ism-plugin; \
    cp /tmp/sources "$list"; \
    install -D -t /out/usr/local/bin /target/release/vfio-user-ism; \
    install -D -m 644 -t /out/usr/local/bin /target/release/libvfio_user_ism_plugin.so; \
    install -D -m 644 -t /out/usr/local/share/vfio-user-ism configs/*.json configs/discovery/*.json; \
    doc=/out/usr/local/share/doc/vfio-user-ism; \
    install -D -m 644 -t "$doc" README.md LICENSE-APACHE LICENSE-MIT; \
    install -D -m 644 -t "$doc/plugin" plugin/LICENSE plugin/README.md; \
    packaging/third-party "$doc"


FROM ${BASE} AS server
LABEL org.opencontainers.image.title="vfio-user-ism" \
      org.opencontainers.image.description="vfio-user server with an emulated ISM function" \
      org.opencontainers.image.licenses="(Apache-2.0 OR MIT) AND GPL-2.0-or-later"
COPY --from=builder /out/ /
# For a mirror that is reached by https.
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
# Whoever the program runs as may fetch into it.
RUN install -d -m 1777 /cache
ENV VFIO_USER_ISM_CACHE=/cache
# No name, so that no file of the base image changes; --user overrides it.
USER 65532:65532
ENTRYPOINT ["vfio-user-ism"]
CMD ["--help"]


FROM ${SERVER} AS ci
USER root
COPY --from=backports /apt/ /etc/apt/
RUN apt-get -q update \
    && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
        qemu-system-s390x qemu-system-x86 \
    && rm -rf /var/lib/apt/lists/*
USER 65532:65532
