#!/bin/bash
# Builds the images of ../../Dockerfile with buildah and tests them. Needs root on Debian.
#
#   tests/container/build.sh               build both targets and test their programs
#   tests/container/build.sh --serve DIR   then also serve at DIR/ism.sock until interrupted or
#                                          until the server gets SIGTERM; prints `ready SOCKET`
#
# It uses no image registry. debootstrap makes the base image from apt's mirror on this machine
# ($VFIO_USER_ISM_MIRROR overrides it), and the crates are vendored here and mounted into the
# build. Base, crates, downloaded packages and compiled crates stay in the cache
# folder ($VFIO_USER_ISM_CACHE, or vfio-user-ism below $XDG_CACHE_HOME or ~/.cache); the images go
# when the script ends.
#
# It uses chroot isolation, which works inside a container and without systemd, on this machine's network.
set -euo pipefail
cd "$(dirname "$0")/../.."

suite=trixie
server=localhost/vfio-user-ism
ci=localhost/vfio-user-ism-ci
uid=65532 # as USER in the Dockerfile

say() { printf '== %02d:%02d %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*" >&2; }
fail() { printf 'container build: %s\n' "$*" >&2; exit 1; }

serve=
case "${1-}" in
    "") ;;
    --serve) serve=$(realpath -e -- "${2:?--serve needs a folder}") ;;
    *) fail "unknown argument $1; usage: build.sh [--serve DIR]" ;;
esac

[ "$(id -u)" = 0 ] || fail "needs root (debootstrap and buildah's chroot isolation do); this is uid $(id -u)"

missing=
for tool in buildah debootstrap; do command -v $tool > /dev/null || missing+=" $tool"; done
if [ -n "$missing" ]; then
    command -v apt-get > /dev/null || fail "needs$missing, and there is no apt-get to install them with"
    say "installing$missing"
    { apt-get -q update && apt-get -q install -y --no-install-recommends $missing; } >&2 \
        || fail "apt-get could not install$missing"
fi

cache=${VFIO_USER_ISM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vfio-user-ism}/container
mkdir -p "$cache"/{apt/partial,cargo,target}
cache=$(realpath "$cache")
exec 9> "$cache/lock"
flock --nonblock 9 || { say "waiting for another container build"; flock 9; }

work=$(mktemp -d "$cache/run.XXXXXX")
running=
tidy() {
    [ -z "$running" ] || kill "$running" 2> /dev/null || true
    wait
    # If a mount stayed inside, its contents would be deleted with the folder.
    if grep -qF " $work/" /proc/self/mountinfo; then
        say "left $work behind: something is mounted there"
    else
        rm -rf "$work"
    fi
}
trap tidy EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
# Folders of runs that were killed. The lock shows that none of these runs is alive.
for old in "$cache"/run.*; do
    [ "$old" = "$work" ] || grep -qF " $old/" /proc/self/mountinfo || rm -rf "$old"
done

# The mirror of Debian's main archive in this machine's apt configuration.
find_mirror() {
    local uri
    if [ -n "${VFIO_USER_ISM_MIRROR-}" ]; then echo "$VFIO_USER_ISM_MIRROR"; return; fi
    # Before the first apt-get update, apt has no index files.
    for attempt in 1 2; do
        uri=$(apt-get indextargets --format '$(REPO_URI)' \
            'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 'Component: main' | sed -n 1p)
        [ -z "$uri" ] || break
        [ $attempt = 2 ] || apt-get -q update >&2 || true
    done
    # Cloud images have a file with a list of mirrors.
    case "$uri" in mirror+file:*) uri=$(awk '!/^#/ && NF { print $1; exit }' "${uri#mirror+file:}") ;; esac
    [ -n "$uri" ] || fail "apt knows no Debian archive here; set VFIO_USER_ISM_MIRROR"
    echo "$uri"
}

# apt's proxy, if it has one, for debootstrap and for the build.
if command -v apt-config > /dev/null; then
    eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
fi
[ -z "${http_proxy-}" ] || export http_proxy
[ -z "${https_proxy-}" ] || export https_proxy

mirror=$(find_mirror)
base="$cache/base-$suite-$(uname -m)-$(sha256sum <<< "$mirror" | cut -c1-12).tar"
if [ -n "$(find "$base" -mtime -30 2> /dev/null)" ]; then
    say "base image: $(basename "$base") of the cache"
else
    say "base image: debootstrap $suite (about 40 MB of packages, half a minute)"
    debootstrap --force-check-gpg --variant=minbase --include=ca-certificates \
        "$suite" "$work/base" "$mirror" >&2 || fail "debootstrap failed"
    # An https mirror may need certificates that only this machine has.
    case "$mirror" in https:*) cp /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/" ;; esac
    echo force-unsafe-io > "$work/base/etc/dpkg/dpkg.cfg.d/unsafe-io"
    rm -rf "$work"/base/var/cache/apt/archives/*.deb "$work"/base/var/lib/apt/lists/*
    tar -C "$work/base" -cf "$base.part" .
    mv "$base.part" "$base"
    rm -rf "$work/base"
fi

lock=$(sha256sum Cargo.lock | cut -c1-64)
if [ "$(cat "$cache/cargo/lock.sha256" 2> /dev/null)" = "$lock" ]; then
    say "crates: those of the cache"
else
    say "crates: cargo vendor"
    rm -rf "$cache/cargo/lock.sha256" "$cache"/target/*
    cargo vendor --quiet --locked --versioned-dirs "$cache/cargo/vendor" > /dev/null
    cat > "$cache/cargo/config.toml" <<- 'END'
	[source.crates-io]
	replace-with = "vendored"
	[source.vendored]
	directory = "/cargo/vendor"
	[net]
	offline = true
	END
    echo "$lock" > "$cache/cargo/lock.sha256"
fi

# This ignores the machine's container configuration: no registries, no other store.
printf '{"default": [{"type": "insecureAcceptAnything"}]}\n' > "$work/policy.json"
printf 'unqualified-search-registries = []\n' > "$work/registries.conf"
export BUILDAH_ISOLATION=chroot CONTAINERS_REGISTRIES_CONF="$work/registries.conf" TMPDIR="$work"
# Without overlay each image and container is a copy of all its files.
mkdir "$work"/{lower,upper,merge,merged}
driver=(vfs)
if unshare --mount mount -t overlay overlay \
    -o "lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/merge" "$work/merged" 2> /dev/null; then
    # A mount of the store itself would be left when the script ends.
    driver=(overlay --storage-opt overlay.skip_mount_home=true)
fi
store=(--root "$work/root" --runroot "$work/runroot" --storage-driver "${driver[@]}")
b() { buildah "${store[@]}" "$@"; }
policy=(--signature-policy "$work/policy.json")

say "base image: importing"
container=$(b from "${policy[@]}" scratch)
b add --quiet "$container" "$base" / > /dev/null
b commit --quiet --rm "${policy[@]}" "$container" localhost/base > /dev/null

# Stages share one folder of downloaded packages. Compiled dependencies are kept; the workspace is rebuilt.
bud() {
    b bud "${policy[@]}" --pull=never --build-arg BASE=localhost/base "$@" \
        --volume "$cache/apt:/var/cache/apt/archives" \
        --volume "$cache/cargo:/cargo:ro" --volume "$cache/target:/target" . >&2
}
say "target server: Rust from $suite-backports, then a release build"
bud --target server --tag "$server"
say "target ci: QEMU from $suite-backports"
bud --target ci --build-arg SERVER="$server" --tag "$ci"

say "trying the server image"
container=$(b from "${policy[@]}" --pull-never "$server")
in_server() { b run "$container" -- "$@"; }
[ "$(in_server id -u)" = $uid ] || fail "the server image does not run as uid $uid"
in_server vfio-user-ism --print-capabilities > /dev/null
for profile in configs/*.json; do
    in_server vfio-user-ism profile check "/usr/local/share/vfio-user-ism/$(basename "$profile")" >&2
done
in_server test -s /usr/local/share/doc/vfio-user-ism/LICENSE-MIT
in_server test -s /usr/local/share/doc/vfio-user-ism/plugin/LICENSE
[ "$(in_server ls /usr/local/share/doc/vfio-user-ism/third-party | wc -l)" -gt 50 ] \
    || fail "licence texts of the linked crates are missing"

say "trying the ci image"
ci_container=$(b from "${policy[@]}" --pull-never "$ci")
in_ci() { b run "$ci_container" -- "$@"; }
in_ci vfio-user-ism --version >&2
for qemu in qemu-system-s390x qemu-system-x86_64; do
    version=$(in_ci $qemu --version | sed -nE 's/^QEMU emulator version ([0-9.]+).*/\1/p')
    [ "$(printf '%s\n' 10.1 "$version" | sort -V | head -n 1)" = 10.1 ] \
        || fail "$qemu of the ci image has version '$version', expected 10.1 or later"
    in_ci $qemu -device help > "$work/devices"
    grep -q '"vfio-user-pci"' "$work/devices" || fail "$qemu of the ci image has no vfio-user-pci"
    say "$qemu $version has vfio-user-pci"
done
# Status 0 means no deviation, 1 some deviation, as in every QEMU so far.
status=0
in_ci vfio-user-ism intercept --format json > "$work/intercept.json" || status=$?
[ $status -le 1 ] || fail "the interception test cannot be run in the ci image: exit status $status"
grep -q '"as-specified"' "$work/intercept.json" || fail "the interception test in the ci image found nothing"
say "the interception test runs in the ci image (exit status $status)"
status=0
in_ci vfio-user-ism intercept --forward --format json > "$work/forwarded.json" || status=$?
[ $status -le 1 ] || fail "the plugin does not run in the ci image: exit status $status"
say "the plugin runs in the ci image (exit status $status)"

# This mounts the folder of a QEMU build, as docs/ci.md describes.
say "a mounted QEMU in the ci image"
mounted=$work/qemu
mkdir -p "$mounted/build" "$mounted/pc-bios" "$work/out"
root=$(b mount "$ci_container")
cp "$root/usr/bin/qemu-system-s390x" "$mounted/build/"
cp "$root/usr/share/qemu/s390-ccw.img" "$mounted/pc-bios/"
b umount "$ci_container" > /dev/null
chmod 1777 "$work/out"
status=0
b run --volume "$mounted:/qemu:ro" --volume "$work/out:/out" "$ci_container" -- \
    vfio-user-ism intercept --qemu /qemu/build/qemu-system-s390x --qemu-arg=-L --qemu-arg=/qemu/pc-bios \
    --junit /out/report.xml --html /out/report.html --json /out/report.json --keep /out/logs >&2 || status=$?
[ $status -le 1 ] || fail "a mounted QEMU cannot be tested in the ci image: exit status $status"
grep -q '/qemu/build/qemu-system-s390x' "$work/out/report.json" || fail "the mounted QEMU was not the one that was tested"
for file in report.xml report.html logs; do
    [ -e "$work/out/$file" ] || fail "the interception test left no $file in the mounted folder"
done

# The server image has neither QEMU nor guests: it fetches them into a volume, without apt. The volume
# gets the files that this machine has fetched before.
say "fetching into a volume, in the server image"
volume=$work/volume fetched=${cache%/container}
mkdir -p "$volume/entries"
for part in downloads entries/lab-linux-6.12; do
    [ ! -d "$fetched/$part" ] || cp -al "$fetched/$part" "$volume/$part"
done
# The image writes to these, so the volume gets none of this machine's.
rm -rf "$volume"/downloads/lists "$volume"/downloads/*.part
in_volume() { b run --volume "$volume:/cache" "$@"; }
for part in qemu lab; do
    in_volume --user 0 "$container" -- vfio-user-ism fetch $part >&2 || fail "fetch $part fails in the server image"
done
for image in "$container" "$ci_container"; do
    says=$(in_volume "$image" -- vfio-user-ism lab --timeout 3600 --run 'uname -m; cat /sys/bus/pci/devices/0007:00:00.0/vendor') \
        || fail "the lab does not run in $image"
    [ "$says" = "s390x"$'\n'"0x1014" ] || fail "the lab's guest says '$says'"
done
say "the lab runs in both images"
status=0
in_volume "$container" -- vfio-user-ism intercept --format json > "$work/intercept.json" || status=$?
[ $status -le 1 ] || fail "the interception test cannot be run in the server image: exit status $status"
b images --format '{{.Name}}:{{.Tag}} {{.Size}}' >&2
[ -n "$serve" ] || exit 0

say "serving at $serve/ism.sock"
chown $uid "$serve"
entrypoint=$(b inspect --type image --format '{{range .OCIv1.Config.Entrypoint}}{{.}} {{end}}' "$server")
read -ra entrypoint <<< "$entrypoint"
# This does not use the function, because $! must be buildah itself, whose end ends the server.
buildah "${store[@]}" run --volume "$serve:/run/ism" "$container" -- "${entrypoint[@]}" --socket-path /run/ism/ism.sock >&2 &
running=$!
until [ -S "$serve/ism.sock" ]; do
    kill -0 $running 2> /dev/null || break
    sleep 0.1
done
[ ! -S "$serve/ism.sock" ] || echo "ready $serve/ism.sock"
status=0
wait $running || status=$?
running=
say "the server has ended with status $status"
exit $status
