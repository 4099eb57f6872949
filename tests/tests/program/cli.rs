//! Tests of the command line apart from serving: lists, explanations, capabilities, profiles, usage.

use std::io::Write;

use serde_json::{Value, json};
use vfio_user_ism_tests::program::{profile, run};

const PROFILES: [&str; 5] = ["ism", "strict", "qemu-stock", "pair", "quad"];

/// Returns the standard output of a run that must succeed.
#[track_caller]
fn said(arguments: &[&str]) -> String {
    let ended = run(arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout
}

#[test]
fn help_names_commands_and_flags() {
    let help = said(&["--help"]);
    for word in [
        "rules",
        "explain",
        "profile",
        "--socket-path",
        "--fd",
        "--insn-fd",
        "--ready-fd",
    ] {
        assert!(help.contains(word), "{word}:\n{help}");
    }
    assert!(said(&["--version"]).starts_with("vfio-user-ism "));
}

#[test]
fn rules_are_listed_and_each_is_explained() {
    let table = said(&["rules"]);
    let list: Vec<Value> = serde_json::from_str(&said(&["rules", "--format", "json"])).unwrap();
    assert!(list.len() > 30);
    for rule in &list {
        let id = rule["id"].as_str().unwrap();
        assert!(
            id.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        );
        assert!(table.contains(id));
        let told = said(&["explain", id]);
        assert!(told.contains(rule["source"].as_str().unwrap()), "{told}");
    }
}

#[test]
fn rules_show_the_severities_of_a_profile() {
    let path = profile("qemu-stock");
    let text = said(&[
        "rules",
        "--format",
        "json",
        "--profile",
        path.to_str().unwrap(),
    ]);
    let list: Vec<Value> = serde_json::from_str(&text).unwrap();
    let severity = |id| &list.iter().find(|rule| rule["id"] == id).unwrap()["severity"];
    assert_eq!(
        (severity("crosses-4k"), severity("plain-store")),
        (&"warn".into(), &"note".into())
    );
}

#[test]
fn rules_show_each_functions_severity_if_they_differ() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let text = r#"{"schema_version":1,"name":"two","functions":[
        {"name":"ism0","gid":"0x1","rules":{"torn-header":"reject"}},
        {"name":"ism1","gid":"0x2","rules":{"torn-header":"off"}}]}"#;
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    let table = said(&["rules", "--profile", path]);
    let row = table.lines().find(|line| line.contains("torn-header"));
    assert!(
        row.unwrap().contains("reject (ism0), off (ism1)"),
        "{table}"
    );
    let json = said(&["rules", "--format", "json", "--profile", path]);
    let list: Vec<Value> = serde_json::from_str(&json).unwrap();
    let rule = |id| list.iter().find(|rule| rule["id"] == id).unwrap();
    assert_eq!(rule("torn-header")["severity"], Value::Null);
    let each = json!({ "ism0": "reject", "ism1": "off" });
    assert_eq!(rule("torn-header")["severities"], each);
    let same = rule("crosses-4k");
    assert_eq!(same["severity"], same["default_severity"]);
    assert!(same.get("severities").is_none());
}

#[test]
fn an_unknown_rule_is_a_usage_error_with_a_guess() {
    let ended = run(["explain", "split-store"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("split-block-store"),
        "{}",
        ended.stderr
    );
}

#[test]
fn capabilities_are_json_whatever_else_is_asked() {
    for arguments in [
        &["--print-capabilities"][..],
        &[
            "serve",
            "--print-capabilities",
            "--socket-path",
            "/nowhere/x",
        ],
    ] {
        let capabilities: Value = serde_json::from_str(&said(arguments)).unwrap();
        assert_eq!(capabilities["type"], "vfio-user");
        let features = capabilities["features"].as_array().unwrap();
        for feature in [
            "socket-path",
            "twin-socket",
            "error-on-sigusr2",
            "capture",
            "metrics",
        ] {
            assert!(
                features.contains(&feature.into()),
                "{feature}: {features:?}"
            );
        }
        let channel = &capabilities["instruction-channel"];
        assert_eq!(channel["socket-suffix"], ".insn");
        assert_eq!(channel["plugin"], "libvfio_user_ism_plugin.so");
        assert_eq!(channel["regions"], serde_json::json!([9]));
        assert_eq!(channel["commands"], serde_json::json!([1, 4, 5, 9, 10]));
    }
}

#[test]
fn the_profiles_that_come_along_are_fine() {
    for name in PROFILES {
        let path = profile(name);
        assert!(said(&["profile", "check", path.to_str().unwrap()]).contains(name));
    }
}

#[test]
fn a_profile_is_shown_so_that_it_can_be_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shown.json");
    let shown = said(&["profile", "show"]);
    std::fs::write(&path, &shown).unwrap();
    assert_eq!(said(&["profile", "show", path.to_str().unwrap()]), shown);
    let ism = profile("ism");
    assert_eq!(
        said(&["profile", "show", ism.to_str().unwrap()]),
        shown,
        "the built-in one"
    );
}

#[test]
fn the_schema_describes_the_keys() {
    let schema: Value = serde_json::from_str(&said(&["profile", "schema"])).unwrap();
    for key in ["schema_version", "name", "device", "rules", "functions"] {
        assert!(schema["properties"].get(key).is_some(), "{key}");
    }
}

#[test]
fn a_bad_profile_is_an_error_with_file_key_and_expectation() {
    let one = |device: &str| {
        format!(
            r#"{{"schema_version":1,"name":"x","device":{device},"functions":[{{"name":"a","gid":"0x1"}}]}}"#
        )
    };
    let functions = |list: &str| format!(r#"{{"schema_version":1,"name":"x","functions":{list}}}"#);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.json");
    for (text, key, expected) in [
        (one(r#"{"colour":1}"#), "device", "colour"),
        (
            one(r#"{"max_store_block_length":4097}"#),
            "device.max_store_block_length",
            "8..=4096",
        ),
        (
            one(r#"{"data_bar_bits":49}"#),
            "device.data_bar_bits",
            "..=48",
        ),
        (
            one(r#"{"class_code":"0x0280"}"#),
            "device.class_code",
            "6 hexadecimal digits",
        ),
        (
            one(r#"{"class_code":"0x02800g"}"#),
            "device.class_code",
            "6 hexadecimal digits",
        ),
        (one(r#"{"pchid":0}"#), "device.pchid", "expected"),
        (one(r#"{"relaxed":"yes"}"#), "device.relaxed", "boolean"),
        (
            one(r#"{"payload_carrier":"pigeon"}"#),
            "device.payload_carrier",
            "appended",
        ),
        (functions("[]"), "functions", "expected"),
        (
            functions(r#"[{"name":"a","gid":"0x0"}]"#),
            "functions[0].gid",
            "expected",
        ),
        (
            functions(r#"[{"name":"a","gid":"7"}]"#),
            "functions[0].gid",
            "0x",
        ),
        (
            functions(r#"[{"name":"a","gid":"0x1"},{"name":"b","gid":"0x1"}]"#),
            "functions[1].gid",
            "\"a\"",
        ),
        (
            functions(r#"[{"name":"a","gid":"0x1"},{"name":"a","gid":"0x2"}]"#),
            "functions[1].name",
            "\"a\"",
        ),
        (
            functions(
                r#"[{"name":"a","gid":"0x1","socket":"s"},{"name":"b","gid":"0x2","socket":"s"}]"#,
            ),
            "functions[1].socket",
            "\"a\"",
        ),
        (
            functions(
                r#"[{"name":"a","gid":"0x1","socket":"s"},{"name":"b","gid":"0x2","socket":"s.insn"}]"#,
            ),
            "functions[1].socket",
            "channel",
        ),
        (
            functions(
                r#"[{"name":"a","gid":"0x1"},{"name":"b","gid":"0x2","device":{"pchid":5}}]"#,
            ),
            "functions[1].device.pchid",
            "same fabric",
        ),
        (one(r#"{"pchid":65280}"#), "device.pchid", "0xfeff"),
        (
            functions(r#"[{"name":"a","gid":"0x1","rules":{"no-such":"warn"}}]"#),
            "functions[0].rules.no-such",
            "no such rule",
        ),
        (
            functions(r#"[{"name":"a","gid":"0x1","rules":{"torn-header":"loud"}}]"#),
            "torn-header",
            "warn",
        ),
        (
            functions(r#"[{"name":"../a","gid":"0x1"}]"#),
            "functions[0].name",
            "expected",
        ),
        (
            r#"{"schema_version":2,"name":"x","functions":[{"name":"a","gid":"0x1"}]}"#.to_owned(),
            "schema_version",
            "expected 1",
        ),
        ("{".to_owned(), "bad.json", ""),
    ] {
        std::fs::write(&path, &text).unwrap();
        for arguments in [
            &["profile", "check"][..],
            &["serve", "--socket-path", "/nowhere/x", "--profile"],
        ] {
            let ended = run(arguments.iter().copied().chain([path.to_str().unwrap()]));
            assert_eq!(ended.code, Some(2), "{text}");
            for part in ["bad.json", key, expected] {
                assert!(
                    ended.stderr.contains(part),
                    "{text}: {part:?} is not in {:?}",
                    ended.stderr
                );
            }
        }
    }
    let missing = run(["profile", "check", "/nowhere/x.json"]);
    assert_eq!(missing.code, Some(2));
    let told = missing.stderr.matches("/nowhere/x.json").count();
    assert_eq!(told, 1, "an error says nothing twice: {}", missing.stderr);
}

#[test]
fn bad_usage_is_exit_code_2() {
    let pair = profile("pair");
    for arguments in [
        &["--no-such-flag"][..],
        &["no-such-command"],
        &[],
        &["serve"],
        &["--socket-path", "/tmp/x", "--fd", "3"],
        &["--socket-path", "/tmp/x", "--socket-dir", "/tmp"],
        &["--socket-path", "/tmp/x", "--fail-on", "sometimes"],
        &[
            "--socket-path",
            "/tmp/x",
            "--profile",
            pair.to_str().unwrap(),
        ],
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(!ended.stderr.is_empty());
    }
}

#[test]
fn a_bare_start_names_the_three_uses() {
    let ended = run::<&str>([]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    for use_ in ["intercept --qemu", "lab --guests", "--socket-path"] {
        assert!(ended.stderr.contains(use_), "{use_}: {}", ended.stderr);
    }
}
