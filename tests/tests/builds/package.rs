//! Tests of `packaging/build`: its tarball and Debian package are unpacked and checked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use vfio_user_ism_tests::program::{plugin, program, repository};

const PLUGIN: &str = "lib/vfio-user-ism/libvfio_user_ism_plugin.so";

#[track_caller]
fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// Builds both packages from the programs of these tests.
#[track_caller]
fn build(into: &Path) -> Vec<PathBuf> {
    let folder = program().parent().unwrap();
    assert_eq!(plugin().parent(), Some(folder));
    let mut command = Command::new(repository().join("packaging/build"));
    command
        .arg("--programs")
        .arg(folder)
        .arg("--into")
        .arg(into);
    output(&mut command).lines().map(PathBuf::from).collect()
}

/// Checks that all installed files are below `prefix` in `root` and work from there.
#[track_caller]
fn is_complete(root: &Path, prefix: &str, zsh: &str) {
    let program = root.join("bin/vfio-user-ism");
    let version = output(Command::new(&program).arg("--version"));
    assert_eq!(
        version,
        format!("vfio-user-ism {}\n", env!("CARGO_PKG_VERSION"))
    );
    // The program finds the plugin through the link.
    let doctor = Command::new(&program)
        .arg("doctor")
        .env_clear()
        .output()
        .unwrap();
    let doctor = String::from_utf8_lossy(&doctor.stdout);
    assert!(doctor.contains(&format!("{PLUGIN}: there")), "{doctor}");
    let unit = fs::read_to_string(root.join("lib/systemd/system/vfio-user-ism.service")).unwrap();
    assert!(
        unit.contains(&format!("ExecStart={prefix}/bin/vfio-user-ism ")),
        "{unit}"
    );
    assert!(
        root.join("lib/systemd/system/vfio-user-ism.socket")
            .is_file()
    );
    let discovery = root.join("share/vfio-user-ism/discovery/50-vfio-user-ism.json");
    let discovery: serde_json::Value =
        serde_json::from_slice(&fs::read(discovery).unwrap()).unwrap();
    assert_eq!(discovery["binary"], format!("{prefix}/bin/vfio-user-ism"));
    for profile in fs::read_dir(repository().join("configs")).unwrap() {
        let profile = profile.unwrap();
        if profile.path().extension().is_some_and(|end| end == "json") {
            let installed = root.join("share/vfio-user-ism").join(profile.file_name());
            output(
                Command::new(&program)
                    .args(["profile", "check"])
                    .arg(installed),
            );
        }
    }
    // The dissector is the repository's, and Wireshark accepts it.
    let script = root.join("share/vfio-user-ism/wireshark/vfio-user.lua");
    let ours = fs::read(repository().join("wireshark/vfio-user.lua")).unwrap();
    assert_eq!(fs::read(&script).unwrap(), ours);
    let mut tshark = Command::new("tshark");
    tshark.args(["-G", "protocols", "-X"]);
    let protocols = output(tshark.arg(format!("lua_script:{}", script.display())));
    assert!(
        protocols.contains("\tvfio_user\n"),
        "the dissector does not load"
    );
    for completion in [
        "share/bash-completion/completions/vfio-user-ism",
        "share/fish/vendor_completions.d/vfio-user-ism.fish",
        zsh,
    ] {
        let text = fs::read_to_string(root.join(completion)).unwrap();
        assert!(text.contains("intercept"), "{completion}");
    }
    let page = root.join("share/man/man1/vfio-user-ism-doctor.1.gz");
    assert!(output(Command::new("gzip").arg("-dc").arg(page)).contains("Exit status"));
    let doc = root.join("share/doc/vfio-user-ism");
    for file in [
        "README.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "plugin/LICENSE",
    ] {
        assert!(doc.join(file).is_file(), "{file}");
    }
    let licences = fs::read_dir(doc.join("third-party")).unwrap().count();
    assert!(licences > 50, "licence texts of {licences} crates");
    for part in fs::read_to_string(doc.join("third-party.txt"))
        .unwrap()
        .lines()
    {
        assert!(part.contains(" | ") && !part.contains(" (/"), "{part}");
    }
}

#[test]
#[ignore = "reads the licences of all crates, and needs dpkg-deb: run ./test"]
fn tarball_and_debian_package_hold_everything_and_work() {
    let folder = tempfile::tempdir().unwrap();
    let made = build(folder.path());
    let [tarball, package] = &made[..] else {
        panic!("{made:?}");
    };
    let (one, other) = (folder.path().join("tar"), folder.path().join("deb"));
    fs::create_dir(&one).unwrap();
    output(
        Command::new("tar")
            .arg("-xzf")
            .arg(tarball)
            .arg("-C")
            .arg(&one),
    );
    let root = fs::read_dir(&one).unwrap().next().unwrap().unwrap().path();
    is_complete(
        &root,
        "/usr/local",
        "share/zsh/site-functions/_vfio-user-ism",
    );

    output(Command::new("dpkg-deb").arg("-x").arg(package).arg(&other));
    is_complete(
        &other.join("usr"),
        "/usr",
        "share/zsh/vendor-completions/_vfio-user-ism",
    );
    // Debian's Wireshark looks for scripts in this folder.
    let folder = format!(
        "usr/lib/{}-linux-gnu/wireshark/plugins",
        std::env::consts::ARCH
    );
    let link = other.join(folder).join("vfio-user.lua");
    assert!(fs::read_link(&link).unwrap().is_relative() && link.is_file());
    let field = |name| output(Command::new("dpkg-deb").arg("-f").arg(package).arg(name));
    assert_eq!(field("Version").trim(), env!("CARGO_PKG_VERSION"));
    assert!(
        field("Depends").starts_with("libc6 (>= 2."),
        "{}",
        field("Depends")
    );
    assert!(
        other
            .join("usr/share/doc/vfio-user-ism/copyright")
            .is_file()
    );
}
