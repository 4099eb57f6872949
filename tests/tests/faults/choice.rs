//! Tests of the chances that a fault takes.

use serde_json::{Value, json};
use vfio_user_ism_tests::driver::code;

use crate::setup::{Pair, profile};
use vfio_user_ism_tests::{Daemon, program};

/// Returns the numbers of the commands of `ism0`, from 1, that a fault with this `when` hits.
fn hit(when: &Value, limit: Option<u64>, times: u16) -> Vec<u16> {
    let mut fault = json!({ "id": "it", "on": { "command": "SET_VLAN" }, "when": when,
        "do": { "respond": { "code": 9 } } });
    if let Some(limit) = limit {
        fault["limit"] = limit.into();
    }
    let mut pair = Pair::with(&[fault]);
    let hit = (1..=times).filter(|_| pair.writer.run(code::SET_VLAN, []).code == 9);
    hit.collect()
}

#[test]
fn nth_every_always_and_a_limit() {
    assert_eq!(hit(&json!({ "nth": 3 }), None, 8), [3]);
    assert_eq!(hit(&json!({ "every": 3 }), None, 8), [3, 6]);
    assert_eq!(hit(&json!({}), None, 4), [1, 2, 3, 4]);
    assert_eq!(hit(&json!({}), Some(2), 4), [1, 2]);
    assert_eq!(hit(&json!({ "every": 2 }), Some(1), 8), [2]);
}

#[test]
fn the_same_seed_gives_the_same_faults_and_another_one_others() {
    let when = |seed: u64| json!({ "probability": 0.5, "seed": seed });
    let first = hit(&when(1), None, 40);
    assert!((5..35).contains(&first.len()), "{first:?}");
    assert_eq!(hit(&when(1), None, 40), first);
    assert_ne!(hit(&when(2), None, 40), first);
    assert!(hit(&json!({ "probability": 0.0 }), None, 20).is_empty());
    assert_eq!(hit(&json!({ "probability": 1.0 }), None, 3), [1, 2, 3]);
}

#[test]
fn functions_are_counted_apart_whatever_their_order() {
    let fault = json!({ "id": "it", "on": { "command": "SET_VLAN" },
        "when": { "probability": 0.5, "seed": 4 }, "do": { "respond": { "code": 9 } } });
    let run = |interleaved: bool| {
        let mut pair = Pair::with(std::slice::from_ref(&fault));
        let mut hits = [Vec::new(), Vec::new()];
        let [of_writer, of_owner] = &mut hits;
        for n in 0..30 {
            of_writer.push(pair.writer.run(code::SET_VLAN, []).code);
            if interleaved {
                of_owner.push(pair.owner.run(code::SET_VLAN, []).code);
            }
            if n == 29 && !interleaved {
                of_owner.extend((0..30).map(|_| pair.owner.run(code::SET_VLAN, []).code));
            }
        }
        hits
    };
    let hits = run(true);
    assert_eq!(run(false), hits);
    assert_ne!(hits[0], hits[1], "each function has numbers of its own");
}

#[test]
fn of_several_faults_the_first_acts_and_all_count() {
    let fault = |id: &str, code: u16, when: Value| {
        json!({ "id": id, "on": { "command": "SET_VLAN" }, "when": when,
            "do": { "respond": { "code": code } } })
    };
    let mut pair = Pair::with(&[
        fault("first", 1, json!({ "every": 2 })),
        fault("second", 2, json!({ "nth": 2 })),
        fault("third", 3, json!({ "nth": 3 })),
    ]);
    let codes: Vec<u16> = (0..4)
        .map(|_| pair.writer.run(code::SET_VLAN, []).code)
        .collect();
    assert_eq!(codes, [0, 1, 3, 1]);
    let faults = pair.control.ok(&json!({ "request": "faults" }));
    let counts = |at: usize| faults["faults"][at]["counts"][0].clone();
    assert_eq!(
        counts(0),
        json!({ "function": "ism0", "chances": 4, "injected": 2 })
    );
    assert_eq!(
        counts(1),
        json!({ "function": "ism0", "chances": 4, "injected": 0 })
    );
    assert_eq!(
        counts(2),
        json!({ "function": "ism0", "chances": 4, "injected": 1 })
    );
}

#[test]
fn a_fault_that_cannot_be_meant_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.json");
    let check = |fault: &Value| {
        std::fs::write(&path, profile(std::slice::from_ref(fault)).to_string()).unwrap();
        program::run(["profile", "check", path.to_str().unwrap()])
    };
    let good = json!({ "id": "it", "do": "lose-move" });
    assert_eq!(check(&good).code, Some(0));
    for (key, value, place) in [
        ("id", json!("a b"), "faults[0].id: "),
        ("id", json!(""), "faults[0].id: "),
        ("limit", json!(0), "faults[0].limit: "),
        ("unknown", json!(1), "faults[0].unknown: "),
        ("do", json!("lose-mov"), "faults[0].do: "),
        (
            "do",
            json!({ "lose-move": {}, "lose-data": {} }),
            "faults[0].do: ",
        ),
        (
            "do",
            json!({ "lose-move": { "fails": true } }),
            "faults[0].do.lose-move.fails: ",
        ),
        (
            "do",
            json!({ "delay-move": { "ms": 0 } }),
            "faults[0].do.delay-move.ms: ",
        ),
        (
            "do",
            json!({ "delay-move": { "ms": 600_001 } }),
            "faults[0].do.delay-move.ms: ",
        ),
        (
            "do",
            json!({ "respond": { "code": 65_536 } }),
            "faults[0].do.respond.code: ",
        ),
        ("do", json!("respond"), "faults[0].do: "),
        ("do", json!("vanish"), "faults[0].on.at: "),
        (
            "on",
            json!({ "command": "REG_DMB" }),
            "faults[0].on.command: ",
        ),
        ("on", json!({ "at": "command" }), "faults[0].on.at: "),
        ("on", json!({ "at": "nowhere" }), "faults[0].on.at: "),
        (
            "on",
            json!({ "function": "ism7" }),
            "faults[0].on.function: ",
        ),
        ("on", json!({ "peer": "ism7" }), "faults[0].on.peer: "),
        ("on", json!({ "token": 5 }), "faults[0].on.token: "),
        ("on", json!({ "token": "5" }), "faults[0].on.token: "),
        ("on", json!({ "index": 1920 }), "faults[0].on.index: "),
        ("when", json!({ "nth": 1, "every": 2 }), "faults[0].when: "),
        ("when", json!({ "nth": 0 }), "faults[0].when.nth: "),
        ("when", json!({ "every": 0 }), "faults[0].when.every: "),
        (
            "when",
            json!({ "probability": 1.5 }),
            "faults[0].when.probability: ",
        ),
        ("when", json!({ "seed": 1 }), "faults[0].when.seed: "),
    ] {
        let mut fault = good.clone();
        fault[key] = value.clone();
        let ended = check(&fault);
        assert_eq!(ended.code, Some(2), "{fault}");
        assert!(ended.stderr.contains(place), "{fault}: {}", ended.stderr);
        let told = ended.stderr.contains("expected") || ended.stderr.contains("missing field");
        assert!(told, "{fault}: {}", ended.stderr);
    }
    std::fs::write(&path, profile(&[good.clone(), good]).to_string()).unwrap();
    let ended = program::run(["profile", "check", path.to_str().unwrap()]);
    assert!(ended.stderr.contains("faults[1].id: "), "{}", ended.stderr);
}

#[test]
fn a_profile_is_shown_with_its_faults_and_can_be_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.json");
    let fault = json!({ "id": "it", "on": { "peer": "ism1", "token": "0x100000000" },
        "when": { "every": 5 }, "limit": 3, "do": "late-data" });
    std::fs::write(&path, profile(&[fault]).to_string()).unwrap();
    let show = || program::run(["profile", "show", path.to_str().unwrap()]).stdout;
    let shown = show();
    let value: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        value["faults"][0]["do"],
        json!({ "late-data": { "ms": 0 } })
    );
    std::fs::write(&path, &shown).unwrap();
    assert_eq!(show(), shown);
    let schema = program::run(["profile", "schema"]).stdout;
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    assert!(schema.is_valid(&value));
    let mut wrong = value.clone();
    wrong["faults"][0]["do"] = json!("lose-mov");
    assert!(!schema.is_valid(&wrong));
    drop(Daemon::with_text(&shown));
}
