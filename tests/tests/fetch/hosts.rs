//! Tests on hosts other than Debian: without apt, dpkg and keyring, and even without programs on `PATH`.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use vfio_user_ism_tests::Client;
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::program::program;

use crate::{ended, is_best, whole};

/// Mounts empty folders over Debian's tools, and finally over all programs.
const BARE: &str = "set -e\n\
    for folder in /etc/apt /var/lib/apt /var/lib/dpkg /usr/lib/apt /usr/share/keyrings /sbin \
    /usr/sbin /bin /usr/bin; do\n\
    if [ -d $folder ] && [ ! -L $folder ]; then mount -t tmpfs none $folder; fi\ndone\n\
    [ ! -e /usr/bin/apt-get ] && [ ! -e /usr/bin/dpkg-deb ] && [ ! -e /usr/bin/gpgv ]\n\
    export PATH=\nexec \"$@\"\n";

/// Mounts empty folders over Debian's tools, but keeps the other programs.
const NO_APT: &str = "set -e\n\
    for folder in /etc/apt /var/lib/apt /var/lib/dpkg /usr/lib/apt /usr/share/keyrings; do\n\
    if [ -d $folder ]; then mount -t tmpfs none $folder; fi\ndone\n\
    for file in /usr/bin/apt* /usr/bin/dpkg* /usr/bin/gpg*; do\n\
    if [ -e $file ] && [ ! -L $file ]; then mount --bind /dev/null $file; fi\ndone\n\
    if apt-get --version || dpkg --version; then exit 99; fi\nexec \"$@\"\n";

/// Builds a command that runs in a separate mount namespace, after `script`.
fn after(script: &str, words: &[&Path]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    command.args(words);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn fetch_needs_no_program_and_no_file_of_debian() {
    let bench = whole();
    let words = ["fetch", "guest", "--format", "json"].map(Path::new);
    let mut command = after(BARE, &[&[program()], words.as_slice()].concat());
    bench.prepare(&mut command);
    is_best(&ended(command.spawn().unwrap()));
}

#[test]
fn without_a_mirror_the_message_says_what_to_set() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = after(BARE, &[program(), Path::new("fetch"), Path::new("guest")]);
    command.env_remove("VFIO_USER_ISM_MIRROR");
    command.env("VFIO_USER_ISM_CACHE", dir.path());
    let ended = ended(command.spawn().unwrap());
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("Set VFIO_USER_ISM_MIRROR"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("dists/ and pool/"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_server_needs_no_program_and_no_file_of_debian() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("ism.sock");
    let words = [program(), Path::new("--socket-path"), &socket];
    let mut child = after(BARE, &words).spawn().unwrap();
    drop(eventually("the socket", || {
        UnixStream::connect(&socket).ok()
    }));
    // The client exchanges VERSION.
    drop(Client::open(&socket));
    let _ = child.kill();
    child.wait().unwrap();
}

#[test]
#[ignore = "needs QEMU"]
fn intercept_needs_nothing_of_debian_beside_the_qemu_it_is_given() {
    let cache = debian_fetch::Cache::locate().unwrap();
    let qemu = debian_fetch::Qemu::find(debian_fetch::Machine::S390x, None, &cache).unwrap();
    let words = ["intercept", "--format", "json", "--qemu"].map(Path::new);
    let words = [&[program()], words.as_slice(), &[qemu.program.as_path()]].concat();
    let ended = ended(after(NO_APT, &words).spawn().unwrap());
    // 1 means that this QEMU has deviations, which is a result too.
    assert!(
        matches!(ended.code, Some(0 | 1)),
        "{:?}: {}",
        ended.code,
        ended.stderr
    );
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(
        report.as_object().is_some_and(|report| !report.is_empty()),
        "{report}"
    );
}
