//! Checks of files for installers of the program: the discovery file and the systemd units.

use std::fs;
use std::process::Command;

use serde_json::Value;
use vfio_user_ism_tests::program::{program, repository};

const PROGRAM: &str = "/usr/local/bin/vfio-user-ism";

#[track_caller]
fn capabilities(arguments: &[&str]) -> Value {
    let mut command = Command::new(program());
    let output = command
        .args(arguments)
        .arg("--print-capabilities")
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{arguments:?}: {}, {log}",
        output.status
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_discovery_file_names_what_the_program_says_it_is() {
    let path = repository().join("configs/discovery/50-vfio-user-ism.json");
    let file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(file["type"], capabilities(&[])["type"]);
    assert_eq!(file["binary"], PROGRAM);
    assert!(file["description"].is_string());
}

#[test]
fn the_service_starts_the_program_with_arguments_it_knows() {
    let unit = repository().join("configs/systemd/vfio-user-ism.service");
    let unit = fs::read_to_string(unit).unwrap();
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))
        .unwrap();
    let words: Vec<&str> = start.split_whitespace().collect();
    assert_eq!(words[0], PROGRAM);
    capabilities(&words[1..]);
}

#[test]
fn the_service_lets_the_server_set_up_its_sandbox() {
    let unit = repository().join("configs/systemd/vfio-user-ism.service");
    let unit = fs::read_to_string(unit).unwrap();
    let filter = unit
        .lines()
        .find_map(|line| line.strip_prefix("SystemCallFilter="))
        .unwrap();
    let calls: Vec<&str> = filter.split_whitespace().collect();
    for call in [
        "seccomp",
        "landlock_create_ruleset",
        "landlock_add_rule",
        "landlock_restrict_self",
        "process_vm_readv",
        "process_vm_writev",
    ] {
        assert!(calls.contains(&call), "{call}");
    }
}

#[test]
fn the_container_file_leaves_the_choice_of_mirror_to_the_base_image() {
    let file = fs::read_to_string(repository().join("Dockerfile")).unwrap();
    assert!(!file.contains("://"), "the Dockerfile names a host");
}

#[test]
fn the_socket_unit_has_the_functions_socket_and_then_its_channel() {
    let unit = repository().join("configs/systemd/vfio-user-ism.socket");
    let unit = fs::read_to_string(unit).unwrap();
    let paths = unit
        .lines()
        .filter_map(|line| line.strip_prefix("ListenStream="));
    let [function, channel] = paths.collect::<Vec<_>>().try_into().unwrap();
    let suffix = capabilities(&[])["instruction-channel"]["socket-suffix"].clone();
    assert_eq!(channel, format!("{function}{}", suffix.as_str().unwrap()));
}
