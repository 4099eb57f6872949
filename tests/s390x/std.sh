#!/bin/sh
# Provides a standard library of Rust for s390x: an installed one, else rustup's, else Debian's source.
# Prints the arguments that cargo then needs: none, or -Zbuild-std (with RUSTC_BOOTSTRAP=1). Without such
# a library it prints the reason and ends with status 1.
set -eu

target=s390x-unknown-linux-gnu
there() { [ -d "$(rustc --print target-libdir --target $target)" ]; }
source_there() { [ -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ]; }

if there || { command -v rustup > /dev/null && rustup target add $target >&2 && there; }; then
    exit 0
fi
# Debian has the library only for each machine itself, but its source for all machines.
if ! source_there; then
    if command -v rustup > /dev/null; then
        rustup component add rust-src >&2 || true
    fi
    if ! source_there && [ "$(id -u)" -eq 0 ] && command -v apt-get > /dev/null; then
        # The version of the installed rustc.
        version=$(dpkg --status rustc 2> /dev/null | sed -n 's/^Version: //p') || version=
        DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
            "rust-src${version:+=$version}" >&2 || true
    fi
fi
if source_there; then
    echo -Zbuild-std
    exit 0
fi
echo "no standard library of Rust for $target (rustup target add $target), and no source of one (Debian: rust-src)" >&2
exit 1
