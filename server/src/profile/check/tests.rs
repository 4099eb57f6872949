use serde_json::{Value, json};

use super::*;

fn minimal() -> Value {
    json!({"schema_version": 1, "name": "t", "functions": [{"name": "ism0", "gid": "0x1"}]})
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Value)) -> (String, String) {
    let mut profile = minimal();
    change(&mut profile);
    let error = parse("t.json", &profile.to_string()).unwrap_err();
    assert_eq!(error.file, "t.json");
    (error.key, error.problem)
}

#[test]
fn the_shipped_profiles_are_accepted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "json") {
            load(&path).unwrap_or_else(|error| panic!("{error}"));
            seen.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    for expected in [
        "ism.json",
        "strict.json",
        "qemu-stock.json",
        "pair.json",
        "quad.json",
    ] {
        assert!(
            seen.iter().any(|name| name == expected),
            "{expected} is missing"
        );
    }
}

#[test]
fn a_minimal_profile_gets_the_defaults() {
    let plan = parse("t.json", &minimal().to_string()).unwrap();
    let config = &plan.functions[0].config;
    assert_eq!(
        (config.gid, config.data_bar_size, config.msix),
        (1, 1 << 48, true)
    );
    assert_eq!((config.clp.maxstbl, config.clp.relaxed), (4096, true));
}

#[test]
fn unknown_keys_are_named_with_their_path() {
    let (key, problem) = refused(|profile| profile["functions"][0]["gids"] = json!(1));
    assert_eq!(key, "functions[0].gids");
    assert!(problem.contains("unknown field `gids`"), "{problem}");
    let (key, _) = refused(|profile| profile["device"] = json!({"maxstbl": 128}));
    assert_eq!(key, "device.maxstbl");
    // QEMU sets the function id (`-device zpci,fid=`).
    let (key, problem) = refused(|profile| profile["device"] = json!({"fid": 1}));
    assert_eq!(key, "device.fid");
    assert!(problem.contains("unknown field `fid`"), "{problem}");
}

#[test]
fn values_out_of_range_are_named_with_what_was_expected() {
    for (key, value, expected) in [
        ("max_store_block_length", json!(4), "8..=4096"),
        ("max_store_block_length", json!(4097), "8..=4096"),
        ("data_bar_bits", json!(32), "33..=48"),
        ("data_bar_bits", json!(49), "33..=48"),
        ("pnetid", json!("lower case"), "A-Z and 0-9"),
        ("pnetid", json!("TOOLONGBYFAR12345"), "16"),
    ] {
        let (path, problem) = refused(|profile| profile["device"] = json!({key: value}));
        assert_eq!(path, format!("device.{key}"));
        assert!(problem.contains(expected), "{key} {value}: {problem}");
    }
    let (key, problem) = refused(|profile| profile["device"] = json!({"relaxed": "yes"}));
    assert_eq!(key, "device.relaxed");
    assert!(problem.contains("expected a boolean"), "{problem}");
}

#[test]
fn gids_are_hexadecimal_not_zero_and_unique() {
    for bad in ["7", "0x", "0xg", "0x11112222333344445", ""] {
        let (key, problem) = refused(|profile| profile["functions"][0]["gid"] = json!(bad));
        assert_eq!(key, "functions[0].gid");
        assert!(problem.contains("0x"), "{problem}");
    }
    let (_, problem) = refused(|profile| profile["functions"][0]["gid"] = json!("0x0"));
    assert!(problem.contains("zero"), "{problem}");
    let (key, problem) = refused(|profile| {
        profile["functions"] = json!([{"name": "a", "gid": "0x1"}, {"name": "b", "gid": "0x01"}]);
    });
    assert_eq!(key, "functions[1].gid");
    assert!(problem.contains("\"a\""), "{problem}");
}

#[test]
fn names_and_sockets_are_unique_and_plain() {
    let (key, _) = refused(|profile| {
        profile["functions"] = json!([{"name": "a", "gid": "0x1"}, {"name": "a", "gid": "0x2"}]);
    });
    assert_eq!(key, "functions[1].name");
    let (key, _) = refused(|profile| {
        profile["functions"] = json!([
            {"name": "a", "gid": "0x1"}, {"name": "b", "gid": "0x2", "socket": "a.sock"}]);
    });
    assert_eq!(key, "functions[1].socket");
    for bad in ["", "../x", "a/b", "a b"] {
        let (key, _) = refused(|profile| profile["functions"][0]["name"] = json!(bad));
        assert_eq!(key, "functions[0].name");
        let (key, _) = refused(|profile| profile["functions"][0]["socket"] = json!(bad));
        assert_eq!(key, "functions[0].socket");
    }
}

#[test]
fn rules_are_known_and_a_rule_wins_over_its_group() {
    let (key, problem) = refused(|profile| profile["rules"] = json!({"split": "warn"}));
    assert_eq!(key, "rules.split");
    assert!(problem.contains("no such rule"), "{problem}");
    let mut profile = minimal();
    profile["rules"] = json!({"shape": "reject", "crosses-4k": "note"});
    profile["functions"][0]["rules"] = json!({"plain-store": "off"});
    let plan = parse("t.json", &profile.to_string()).unwrap();
    let severity = |rule| plan.functions[0].config.rules.severity(rule);
    use zpci_region::{Rule, Severity};
    assert_eq!(severity(Rule::SplitBlockStore), Severity::Reject);
    assert_eq!(severity(Rule::Crosses4k), Severity::Note);
    assert_eq!(severity(Rule::PlainStore), Severity::Off);
}

#[test]
fn no_function_and_wrong_version_and_trailing_text_are_refused() {
    assert_eq!(
        refused(|profile| profile["functions"] = json!([])).0,
        "functions"
    );
    assert_eq!(
        refused(|profile| profile["schema_version"] = json!(2)).0,
        "schema_version"
    );
    let error = parse("t.json", &format!("{} x", minimal())).unwrap_err();
    assert!(error.to_string().starts_with("t.json: trailing"), "{error}");
}

#[test]
fn functions_of_one_fabric_share_a_pchid() {
    let (key, _) = refused(|profile| {
        profile["functions"] = json!([
            {"name": "a", "gid": "0x1"}, {"name": "b", "gid": "0x2", "device": {"pchid": 5}}]);
    });
    assert_eq!(key, "functions[1].device.pchid");
    assert_eq!(
        refused(|profile| profile["device"] = json!({"pchid": 0})).0,
        "device.pchid"
    );
    assert_eq!(
        refused(|profile| profile["device"] = json!({"pchid": 0xff00})).0,
        "device.pchid"
    );
}

#[test]
fn what_is_shown_can_be_loaded_again_and_says_the_same() {
    let mut profile = minimal();
    profile["device"] = json!({"pnetid": "NET1", "relaxed": false, "contracts": ["bar"]});
    profile["rules"] = json!({"smcd": "warn"});
    let shown = parse("t.json", &profile.to_string()).unwrap().show();
    assert_eq!(parse("shown", &shown.to_string()).unwrap().show(), shown);
    assert_eq!(shown["functions"][0]["device"]["pnetid"], "NET1");
    assert_eq!(shown["functions"][0]["rules"]["cdc-not-a-message"], "warn");
}

#[test]
fn the_schema_and_the_page_tell_every_key() {
    let schema = crate::profile::schema();
    let page = include_str!("../../../../docs/profiles.md");
    let definitions = ["DeviceSettings", "FunctionSettings"].map(|name| &schema["$defs"][name]);
    let mut keys = 0;
    for object in definitions.into_iter().chain([&schema]) {
        assert_eq!(object["additionalProperties"], false, "{object}");
        for key in object["properties"].as_object().unwrap().keys() {
            assert!(
                page.contains(&format!("`{key}`")),
                "docs/profiles.md does not tell {key}"
            );
            keys += 1;
        }
    }
    assert!(keys >= 18, "{keys}");
    assert_eq!(
        schema["$defs"]["DeviceSettings"]["properties"]["data_bar_bits"]["minimum"],
        33
    );
}
