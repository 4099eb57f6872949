use serde_json::{Value, json};

use super::super::choose::named;
use super::parse;

#[track_caller]
fn scenario(change: impl FnOnce(&mut Value)) -> Result<(), String> {
    let mut value = json!({
        "schema_version": 1,
        "name": "a-b-1",
        "shows": "It shows a thing.",
        "lab": { "guests": 2 },
        "steps": [
            { "do": { "run": { "guest": 1, "command": "true", "name": "x" } } },
            { "when": { "moves": { "guest": 0, "nth": 3 } }, "do": { "kill": { "guest": 1 } } },
            { "do": { "finish": { "name": "x" } }, "within_s": 9 },
        ],
        "expect": { "guests_ended": [1] },
    });
    change(&mut value);
    let parsed = parse("file.json", &value.to_string());
    parsed.map(drop).map_err(|error| {
        assert!(error.is_usage(), "{error}");
        error.to_string()
    })
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Value), part: &str) {
    let text = scenario(change).expect_err("it is refused");
    assert!(text.starts_with("file.json: "), "{text}");
    assert!(text.contains(part), "{text}");
}

#[test]
fn what_is_right_is_taken_and_written_again_as_the_same() {
    scenario(|_| {}).unwrap();
    for one in named("all").unwrap() {
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(parse(&one.name, &text).unwrap(), one);
    }
}

#[test]
fn an_error_names_the_key_and_what_was_expected() {
    refused(
        |v| v["schema_version"] = 2.into(),
        "schema_version: 2, expected 1",
    );
    refused(
        |v| v["name"] = "A b".into(),
        "name: \"A b\", expected lower-case letters",
    );
    refused(
        |v| v["shows"] = " ".into(),
        "shows: nothing, expected a sentence",
    );
    refused(
        |v| v["steps"][0]["do"]["run"]["gest"] = 1.into(),
        "steps[0]",
    );
    refused(
        |v| v["steps"][1]["do"] = json!({ "explode": {} }),
        "explode",
    );
    refused(
        |v| v["steps"][0]["do"]["run"]["guest"] = 2.into(),
        "steps[0].do: guest 2, expected 0 to 1",
    );
    refused(
        |v| v["steps"][1]["when"]["moves"]["function"] = 1.into(),
        "steps[1].when: function 1, expected 0 to 0",
    );
    refused(
        |v| v["steps"][2]["do"]["finish"]["name"] = "y".into(),
        "no command before it has the name \"y\"",
    );
    refused(
        |v| v["steps"][1]["do"] = json!({ "wait-s": -1 }),
        "steps[1].do: -1 s, expected 0 to 86400",
    );
    refused(
        |v| v["lab"]["guests"] = 9.into(),
        "lab.guests: 9, expected 1 to 8",
    );
    refused(
        |v| v["lab"]["plugged"] = 2.into(),
        "lab.plugged: 2, expected 0 to 1",
    );
    refused(
        |v| v["expect"]["guests_ended"] = json!([3]),
        "expect.guests_ended[0]: guest 3",
    );
    let vlan =
        |v: &mut Value| v["steps"][1]["do"] = json!({ "vlan-up": { "guest": 0, "id": 4095 } });
    refused(vlan, "steps[1].do: VLAN 4095, expected 1 to 4094");
    let again = json!({ "do": { "run": { "guest": 1, "command": "true", "name": "x" } } });
    refused(
        |v| v["steps"].as_array_mut().unwrap().insert(0, again),
        "the name \"x\" is given twice",
    );
}

#[test]
fn a_guest_has_a_slot_left_for_other_commands() {
    let run = |guest: usize, name: &str| {
        let run = json!({ "guest": guest, "command": "true", "name": name });
        json!({ "do": { "run": run } })
    };
    let finish = |name: &str| json!({ "do": { "finish": { "name": name } } });
    let steps = |steps: Vec<Value>| move |v: &mut Value| v["steps"] = steps.into();
    let three = [run(1, "a"), run(1, "b"), run(1, "c")];
    let with = |more: &[Value]| [&three[..], more].concat();
    scenario(steps(with(&[run(0, "d")]))).unwrap();
    scenario(steps(with(&[finish("b"), run(1, "d")]))).unwrap();
    let reboot = json!({ "do": { "reboot": { "guest": 1 } } });
    scenario(steps(with(&[reboot, run(1, "d"), finish("a")]))).unwrap();
    refused(
        steps(with(&[run(1, "d")])),
        "steps[3].do: 4 commands with names at once in guest 1, expected 3 at most",
    );
}

#[test]
fn a_fault_is_checked_before_anything_starts() {
    #[track_caller]
    fn wrong(fault: &Value, part: &str) {
        refused(|v| v["steps"][1]["do"] = json!({ "fault": fault }), part);
    }
    wrong(&json!({ "do": "lose-move" }), "missing field `id`");
    wrong(&json!({ "id": "a", "do": "lose-mov" }), "steps[1].do");
    wrong(
        &json!({ "id": "a", "on": { "comand": "REG_DMB" }, "do": "drop-command" }),
        "comand",
    );
    wrong(
        &json!({ "id": "a", "on": { "function": "ism2" }, "do": "lose-move" }),
        "steps[1].do.fault.on.function: \"ism2\", expected the name of a function: ism0, ism1",
    );
    wrong(
        &json!({ "id": "a", "when": { "nth": 0 }, "do": "lose-move" }),
        "steps[1].do.fault.when.nth: 0, expected at least 1",
    );
    wrong(
        &json!({ "id": "a", "do": { "delay-move": { "ms": 0 } } }),
        "steps[1].do.fault.do.delay-move.ms: 0",
    );
    let inject = |action: &'static str| {
        move |v: &mut Value| {
            v["steps"][1]["do"] = json!({ "inject": { "guest": 0, "action": action } });
        }
    };
    scenario(inject("vanish")).unwrap();
    refused(inject("explode"), "steps[1].do");
    let part =
        "steps[1].do.inject.action: lose-move, expected an action that hits a whole function";
    refused(inject("lose-move"), part);
}

#[test]
fn a_name_that_nobody_knows_is_told_with_where_to_look() {
    let text = named("no-such-scenario").unwrap_err().to_string();
    assert!(text.contains("--list-scenarios"), "{text}");
    let default: Vec<_> = named("default").unwrap();
    assert!(!default.is_empty() && default.iter().all(|one| one.by_default));
}

#[test]
fn what_stands_apart_is_played_by_its_name_alone() {
    let all = named("all").unwrap();
    assert!(all.len() > 60 && all.iter().all(|one| one.apart.is_none()));
    let apart = &named("two-processors").unwrap()[0];
    assert!(apart.apart.is_some() && !apart.by_default && !all.contains(apart));
}
