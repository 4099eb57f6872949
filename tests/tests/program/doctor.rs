//! Tests of `vfio-user-ism doctor`: its findings on machines with everything, with nothing, and with a QEMU
//! that lacks one thing. The QEMUs are scripts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use vfio_user_ism_tests::program::{self, Ended, command, finish};

/// The version of the program, which the plugin must share.
fn version() -> String {
    let text = vfio_user_ism_tests::program::run(["--version"]).stdout;
    text.split_whitespace().last().unwrap().to_owned()
}

/// A machine of temporary folders: home, cache, a folder of PATH, a plugin.
struct Machine {
    folder: TempDir,
}

/// The answers of a stand-in QEMU: shell code for each question.
#[derive(Clone)]
struct Qemu {
    version: String,
    machine: String,
    device: String,
    help: String,
    /// Runs with `$out` as the file of the records.
    plugin: String,
    firmware: bool,
}

impl Qemu {
    fn good() -> Self {
        Self {
            version: "echo 'QEMU emulator version 11.1.3 (stand-in)'".into(),
            machine:
                "echo 'Supported machines are:'; echo 's390-ccw-virtio      Virtual s390x machine'"
                    .into(),
            device: r#"echo 'name "vfio-user-pci", bus PCI'"#.into(),
            help: "echo '-plugin [file=]<file>[,<argname>=<argvalue>]'".into(),
            plugin: format!(
                r#"echo '{{"kind":"start","plugin_version":"{}","qemu_api":[7,7]}}' > "$out""#,
                version()
            ),
            firmware: true,
        }
    }
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "cache", "path", "nothing", "data"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("plugin.so"), "").unwrap();
        fs::write(folder.path().join("data/s390-ccw.img"), "").unwrap();
        Self { folder }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a QEMU to `folder` of this machine.
    #[track_caller]
    fn install(&self, folder: &str, qemu: &Qemu) -> PathBuf {
        let data = self.at(if qemu.firmware { "data" } else { "nothing" });
        let script = format!(
            "#!/bin/sh\ncase $1 in\n--version) {};;\n-machine) {};;\n-device) {};;\n-help) {};;\n\
             -L) echo '{}';;\n-M) for last; do :; done; out=${{last##*,out=}}; {};;\n\
             *) echo \"what is $1?\" >&2; exit 9;;\nesac\n",
            qemu.version,
            qemu.machine,
            qemu.device,
            qemu.help,
            data.display(),
            qemu.plugin
        );
        let path = self.at(folder).join("qemu-system-s390x");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        program::script(&path, &script);
        path
    }

    /// Puts a finished entry with one file into the cache, like this version of the program.
    fn entry(&self, name: &str) -> PathBuf {
        let is_lab = name.starts_with("lab-");
        self.entry_of(name, if is_lab { "recipe 3" } else { "recipe 1" })
    }

    /// Does the same with another key, like another version of the program.
    fn entry_of(&self, name: &str, key: &str) -> PathBuf {
        let entry = self.at("cache/entries").join(name);
        fs::create_dir_all(entry.join("root")).unwrap();
        fs::write(entry.join("root/file"), "12345").unwrap();
        let stamp = serde_json::json!({
            "schema": 1, "request": key, "suite": "x", "bytes_unpacked": 5,
            "packages": [{
                "name": "qemu-system-common", "version": "1:11.1.3+ds-1", "arch": "amd64", "bytes": 1,
            }],
        });
        fs::write(entry.join("stamp.json"), stamp.to_string()).unwrap();
        entry
    }

    /// Builds a command line of the doctor on this machine.
    fn command(&self) -> Command {
        let mut command = command();
        let path = std::env::join_paths([self.at("path"), "/usr/bin".into(), "/bin".into()]);
        command
            .args(["doctor", "--plugin"])
            .arg(self.at("plugin.so"))
            .env("HOME", self.at("home"))
            .env("VFIO_USER_ISM_CACHE", self.at("cache"))
            .env("PATH", path.unwrap())
            .env_remove("QEMU")
            .env_remove("XDG_CACHE_HOME");
        command
    }

    #[track_caller]
    fn told(&self, arguments: &[&str]) -> Told {
        let mut command = self.command();
        command.args(arguments);
        told(command)
    }
}

/// The JSON report and the exit status.
struct Told {
    report: Value,
    code: Option<i32>,
}

#[track_caller]
fn told(mut command: Command) -> Told {
    command.args(["--format", "json"]);
    let Ended {
        code,
        stdout,
        stderr,
        ..
    } = finish(command);
    let report = serde_json::from_str(&stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
    Told { report, code }
}

impl Told {
    /// The findings of one check.
    fn all(&self, check: &str) -> Vec<&Value> {
        let findings = self.report["findings"].as_array().unwrap();
        findings
            .iter()
            .filter(|one| one["check"] == check)
            .collect()
    }

    #[track_caller]
    fn only(&self, check: &str) -> &Value {
        let all = self.all(check);
        assert_eq!(all.len(), 1, "{check}: {:#}", self.report);
        all[0]
    }

    /// Returns the uses that can start, in the order serve, intercept, lab.
    #[track_caller]
    fn can_start(&self) -> Vec<bool> {
        let uses = self.report["uses"].as_array().unwrap();
        let names: Vec<_> = uses
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["serve", "intercept", "lab"]);
        uses.iter()
            .map(|one| one["possible"].as_bool().unwrap())
            .collect()
    }
}

#[track_caller]
fn contains(finding: &Value, key: &str, part: &str) {
    let text = finding[key].as_str().unwrap_or_default();
    assert!(
        text.contains(part),
        "{part:?} is not in {key} of {finding:#}"
    );
}

#[test]
fn a_machine_with_everything_is_good_on_one_screen() {
    let machine = Machine::new();
    machine.install("path", &Qemu::good());
    machine.entry("lab-linux-9");
    let told = machine.told(&[]);
    let qemu = told.only("qemu");
    assert_eq!(qemu["state"], "good", "{qemu:#}");
    assert_eq!(qemu["details"]["plugin_api"], serde_json::json!([7, 7]));
    contains(
        qemu,
        "text",
        "QEMU 11.1.3, s390-ccw-virtio, vfio-user-pci, s390-ccw.img, plugins with API 7",
    );
    assert_eq!(told.only("plugin")["state"], "good");
    assert_eq!(told.only("cache-entry")["state"], "good");
    assert_eq!(told.can_start(), [true; 3]);
    assert_eq!(told.code, Some(0));
    let screen = finish(machine.command());
    assert_eq!(screen.code, Some(0));
    assert!(screen.stdout.lines().count() < 40, "{}", screen.stdout);
    assert!(!screen.stdout.contains("LACK"), "{}", screen.stdout);
    assert!(
        screen.stdout.contains("lab        can start"),
        "{}",
        screen.stdout
    );
}

#[test]
fn a_machine_with_nothing_has_a_remedy_for_each_thing() {
    let machine = Machine::new();
    let mut command = command();
    command
        .args(["doctor", "--plugin"])
        .arg(machine.at("no-plugin.so"))
        .env_clear();
    let told = told(command);
    for check in ["qemu", "plugin", "cache"] {
        let finding = told.only(check);
        assert_eq!(finding["state"], "missing", "{finding:#}");
        assert!(finding["remedy"].is_string(), "{finding:#}");
    }
    contains(told.only("qemu"), "remedy", "fetch qemu");
    contains(told.only("plugin"), "remedy", "cargo build");
    contains(told.only("cache"), "remedy", "VFIO_USER_ISM_CACHE");
    assert_eq!(told.can_start(), [true, false, false]);
    assert_eq!(told.code, Some(1));
}

#[test]
fn a_qemu_that_lacks_one_thing_is_told_with_its_remedy() {
    type Change = fn(&mut Qemu);
    let cases: [(Change, &str, &str); 8] = [
        (
            |q| q.version = "echo 'QEMU emulator version 10.0.2'".into(),
            "too old, expected 10.1",
            "newer QEMU",
        ),
        (
            |q| q.machine = "echo 'pc   Standard PC'; echo 's390-ccw-virtio-9 old'".into(),
            "no machine s390-ccw-virtio",
            "s390x-softmmu",
        ),
        (
            |q| q.device = r#"echo 'name "vfio-pci", bus PCI'"#.into(),
            "no device vfio-user-pci",
            "--enable-vfio-user-client",
        ),
        (|q| q.firmware = false, "no s390-ccw.img", "firmware"),
        (
            |q| q.version = "echo 'GNU Emacs 31'".into(),
            "not that of a QEMU",
            "another QEMU",
        ),
        (
            |q| q.version = "echo no libc here >&2; exit 127".into(),
            "status 127: no libc here",
            "another QEMU",
        ),
        (
            |q| q.version = "kill -SEGV $$".into(),
            "crashes (signal 11)",
            "another QEMU",
        ),
        (
            |q| q.device = "kill -SEGV $$".into(),
            "`-device help` crashes",
            "repair",
        ),
    ];
    for (change, text, remedy) in cases {
        let machine = Machine::new();
        machine.entry("lab-linux-9");
        let mut qemu = Qemu::good();
        change(&mut qemu);
        machine.install("path", &qemu);
        let told = machine.told(&[]);
        let finding = told.only("qemu");
        assert_eq!(finding["state"], "missing", "{finding:#}");
        contains(finding, "text", text);
        contains(finding, "remedy", remedy);
        assert_eq!(told.can_start(), [true, false, false], "{text}");
        assert_eq!(told.code, Some(1));
    }
}

#[test]
fn a_qemu_that_hangs_is_given_up() {
    let machine = Machine::new();
    let mut qemu = Qemu::good();
    qemu.version = "sleep 1000".into();
    machine.install("path", &qemu);
    let told = machine.told(&["--patience", "1"]);
    contains(
        told.only("qemu"),
        "text",
        "`--version` does not end within 1 s",
    );
    assert_eq!(told.can_start(), [true, false, false]);
}

#[test]
fn a_qemu_without_plugins_is_good_for_intercept_and_not_for_the_lab() {
    let machine = Machine::new();
    machine.entry("lab-linux-9");
    let mut qemu = Qemu::good();
    qemu.help = "echo '-smp n'".into();
    machine.install("path", &qemu);
    let told = machine.told(&[]);
    contains(told.only("qemu"), "text", "no plugins");
    contains(told.only("qemu"), "remedy", "--enable-plugins");
    assert_eq!(told.can_start(), [true, true, false]);
}

#[test]
fn a_plugin_of_another_version_or_api_is_told() {
    let machine = Machine::new();
    machine.entry("lab-linux-9");
    let mut qemu = Qemu::good();
    qemu.plugin =
        r#"echo '{"kind":"start","plugin_version":"0.0.9","qemu_api":[5,7]}' > "$out""#.into();
    machine.install("path", &qemu);
    let told = machine.told(&[]);
    contains(told.only("plugin"), "text", "version 0.0.9, expected");
    contains(told.only("qemu"), "text", "plugins with API 5 to 7");
    assert_eq!(told.can_start(), [true, true, false]);

    qemu.plugin = "echo 'Could not load plugin: plugin requires API version 7, but this QEMU supports only up to 4' >&2; exit 1".into();
    machine.install("path", &qemu);
    let told = machine.told(&[]);
    contains(told.only("plugin"), "text", "requires API version 7");
    contains(told.only("plugin"), "remedy", "QEMU 11.1");
    contains(told.only("qemu"), "text", "API not known");
    assert_eq!(told.can_start(), [true, true, false]);
}

#[test]
fn the_qemu_that_intercept_would_take_decides() {
    let machine = Machine::new();
    let mut old = Qemu::good();
    old.version = "echo 'QEMU emulator version 9.2.0'".into();
    machine.install("path", &old);
    let cached = machine.entry("qemu-system");
    machine.install(cached.join("bin").to_str().unwrap(), &Qemu::good());
    // The doctor skips the one on PATH.
    let told = machine.told(&[]);
    let states: Vec<_> = told
        .all("qemu")
        .iter()
        .map(|one| one["state"].clone())
        .collect();
    assert_eq!(states, ["note", "good"]);
    assert_eq!(told.can_start(), [true, true, false]);
    // It does not skip one that $QEMU names.
    let mut command = machine.command();
    command.env("QEMU", machine.at("path/qemu-system-s390x"));
    let named = self::told(command);
    assert_eq!(named.all("qemu")[0]["details"]["from"], "$QEMU");
    assert_eq!(named.all("qemu")[0]["state"], "missing");
    assert_eq!(named.can_start(), [true, false, false]);
    // An argument replaces all others.
    let program = cached.join("bin/qemu-system-s390x");
    let told = machine.told(&["--qemu", program.to_str().unwrap()]);
    assert_eq!(told.only("qemu")["details"]["from"], "--qemu");
    assert!(told.can_start()[1]);
}

#[test]
fn what_another_version_left_in_the_cache_does_not_count() {
    let machine = Machine::new();
    for (name, key) in [
        ("qemu-system", "recipe 0"),
        ("qemu", "recipe 1"),
        ("lab-linux-9", "recipe 1"),
        ("lab-smcd-tool", "recipe 2"),
    ] {
        let entry = machine.entry_of(name, key);
        machine.install(entry.join("bin").to_str().unwrap(), &Qemu::good());
    }
    let told = machine.told(&[]);
    assert_eq!(told.only("qemu")["state"], "missing");
    contains(told.only("lab-guest"), "remedy", "fetch lab");
    assert_eq!(told.can_start(), [true, false, false]);
    // The doctor does not call them good.
    for name in ["qemu-system", "lab-linux-9"] {
        let entries = told.all("cache-entry");
        let entry = entries.iter().find(|one| one["details"]["name"] == name);
        let entry = entry.unwrap_or_else(|| panic!("{name}: {:#}", told.report));
        assert_eq!(entry["state"], "note", "{entry:#}");
        contains(entry, "text", "of another version of this program");
    }
    // It calls the present ones good.
    let entry = machine.entry("qemu-system");
    machine.install(entry.join("bin").to_str().unwrap(), &Qemu::good());
    machine.entry("lab-linux-9");
    let told = machine.told(&[]);
    assert_eq!(told.only("qemu")["details"]["from"], "cache");
    assert_eq!(told.can_start(), [true; 3]);
}

#[test]
fn a_cache_that_cannot_be_written_or_is_damaged_is_told() {
    let machine = Machine::new();
    machine.install("path", &Qemu::good());
    let lab = machine.entry("lab-linux-9");
    fs::write(lab.join("root/file"), "123").unwrap();
    let told = machine.told(&[]);
    contains(told.only("cache-entry"), "text", "incomplete");
    assert_eq!(told.can_start(), [true, true, false]);

    let mut command = machine.command();
    // Nobody can write files there, not even root.
    command.env("VFIO_USER_ISM_CACHE", "/proc/vfio-user-ism");
    let told = self::told(command);
    contains(told.only("cache"), "text", "cannot be written");
    assert!(!Path::new("/proc/vfio-user-ism").exists());
}

#[test]
fn a_cache_without_room_or_rights_is_told_and_what_is_in_it_still_counts() {
    let machine = Machine::new();
    machine.install("path", &Qemu::good());
    machine.entry("lab-linux-9");
    let after = |script: &str| {
        let doctor = machine.command();
        let script = format!("set -e; {script}; shift; exec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        command.arg(machine.at("cache")).arg(doctor.get_program());
        command.args(doctor.get_args());
        for (name, value) in doctor.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        told(command)
    };
    let full = after("mount -t tmpfs -o size=10m none \"$1\"");
    contains(
        full.only("cache"),
        "text",
        "MB free; fetching everything takes up to",
    );
    contains(full.only("cache"), "remedy", "make room");
    assert_eq!(full.can_start(), [true, true, false]);
    let read_only = after("mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"");
    contains(read_only.only("cache"), "text", "cannot be written");
    assert_eq!(read_only.can_start(), [true; 3]);
}

#[test]
fn intercept_and_the_lab_refer_to_the_doctor_when_they_cannot_start() {
    let machine = Machine::new();
    let mut qemu = Qemu::good();
    qemu.device = "echo none".into();
    let program = machine.install("path", &qemu);
    for words in [&["intercept"][..], &["lab", "--run", "true"]] {
        let mut command = command();
        command
            .args(words)
            .arg("--qemu")
            .arg(&program)
            .env("VFIO_USER_ISM_CACHE", machine.at("cache"));
        let ended = finish(command);
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        let hint = "`vfio-user-ism doctor` says what this machine lacks";
        assert!(ended.stderr.contains(hint), "{words:?}: {}", ended.stderr);
    }
}
