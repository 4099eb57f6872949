//! Draws random scenarios. The same seed gives the same scenario.

use harness::Draw;
use ism::fault;
use serde_json::{Value, json};

use super::format::{
    Action, Expect, OfGuest, Place, Run, SCHEMA_VERSION, Scenario, Serve, Shape, Step,
};

/// Most episodes in one scenario.
const MOST: u64 = 6;
/// Rules that a function breaks if its peer disappears during a move.
const ALLOWED: [&str; 2] = ["unknown-dmb", "cdc-data-after-abort"];

/// Steps that belong together: traffic, and one event in it.
pub(super) type Episode = Vec<Step>;

/// The episodes of the scenario of `seed`.
pub(super) fn episodes(seed: u64) -> Vec<Episode> {
    let mut numbers = Draw::new(seed);
    let count = 1 + numbers.below(MOST);
    (0..count)
        .map(|number| episode(&mut numbers, number))
        .collect()
}

/// The scenario of `seed` with these episodes.
pub(super) fn scenario(seed: u64, episodes: &[Episode]) -> Scenario {
    Scenario {
        schema_version: SCHEMA_VERSION,
        name: format!("shake-{seed}"),
        shows: format!("What seed {seed} draws does no lasting harm."),
        by_default: false,
        apart: None,
        lab: Shape {
            guests: 2,
            ..Shape::default()
        },
        steps: [episodes.concat(), last()].concat(),
        expect: Expect {
            rules_allowed: ALLOWED.map(str::to_owned).to_vec(),
            ..Expect::default()
        },
    }
}

fn step(action: Action) -> Step {
    Step {
        when: None,
        action,
        within_s: 120,
    }
}

fn shell(guest: usize, command: String, name: Option<String>) -> Step {
    step(Action::Run(Run {
        guest,
        command,
        name,
        status: vec![0],
        prints: Vec::new(),
        cut_off: false,
        json: Default::default(),
    }))
}

/// Traffic from guest 0, with one event in it. The traffic may be interrupted, but must not bring a wrong
/// byte.
fn episode(numbers: &mut Draw, number: u64) -> Episode {
    let port = u16::try_from(6000 + number).unwrap_or(u16::MAX);
    let name = format!("traffic{number}");
    let conns = 1 + numbers.below(4);
    let bytes = 200_000 + numbers.below(1_500_000);
    let send = format!(
        "smcd-tool send --to 10.0.0.2 --port {port} --bytes {bytes} --conns {conns} --both \
         --timeout 20 >/run/lab/{name} 2>&1; ! grep 'wrong byte' /run/lab/{name}"
    );
    let wait = || step(Action::WaitS(0.0));
    let mut steps = vec![
        step(Action::Serve(Serve {
            guest: 1,
            port,
            tcp: false,
        })),
        shell(0, send, Some(name.clone())),
        wait(),
    ];
    let pause = |numbers: &mut Draw, most: u64| {
        // These whole milliseconds are exact in a double.
        step(Action::WaitS(numbers.below(most) as f64 / 1000.0))
    };
    steps[2] = pause(numbers, 600);
    let guest = usize::from(numbers.below(2) == 1);
    let (at, of) = (Place { guest, function: 0 }, OfGuest { guest });
    let between = pause(numbers, 1500);
    match numbers.below(14) {
        0 | 1 => steps.extend([step(Action::Unbind(at)), between, step(Action::Bind(at))]),
        2 | 3 => steps.push(step(Action::Recover(at))),
        4 => steps.extend([
            step(Action::PowerOff(at)),
            between,
            step(Action::PowerOn(at)),
        ]),
        5 => steps.extend([step(Action::Remove(at)), between, step(Action::Rescan(of))]),
        6 => steps.extend([
            step(Action::LinkDown(of)),
            between,
            step(Action::LinkUp(of)),
        ]),
        7 => steps.extend([step(Action::Pause(of)), between, step(Action::Resume(of))]),
        8 => steps.extend(fault(
            number,
            &json!({ "repeat-interrupt": { "times": 2 } }),
            between,
        )),
        9 => steps.extend(fault(
            number,
            &json!({ "delay-interrupt": { "ms": 20 } }),
            between,
        )),
        10 => steps.extend(fault(
            number,
            &json!({ "repeat-signal": { "times": 2 } }),
            between,
        )),
        11 => steps.push(inject(
            guest,
            fault::Action::GidEvent {
                gid: Some(fault::Hex64(0x99)),
                code: 7,
                times: 5,
                who: fault::Who::Function,
            },
        )),
        12 => steps.push(inject(
            guest,
            fault::Action::QueueEvent {
                event_type: 77,
                code: 0,
                token: fault::Hex64(0),
                info: fault::Hex64(0),
                times: 5,
                who: fault::Who::Function,
            },
        )),
        _ => steps.push(inject(
            guest,
            fault::Action::InterruptStorm {
                times: 500,
                interval_ms: 0,
                who: fault::Who::Function,
            },
        )),
    }
    steps.push(step(Action::Finish(super::format::Named { name })));
    steps
}

/// A fault for some time. The last fault of an episode need not act, because the traffic may be over.
fn fault(number: u64, action: &Value, between: Step) -> [Step; 3] {
    let fault =
        json!({ "id": format!("drawn{number}"), "on": {}, "when": { "every": 2 }, "do": action });
    let fault = fault.as_object().cloned().unwrap_or_default();
    let control = |request: Value| step(Action::Ctl(request));
    [
        control(json!({ "request": "set", "fault": fault })),
        between,
        control(json!({ "request": "clear" })),
    ]
}

fn inject(guest: usize, action: fault::Action) -> Step {
    step(Action::Inject(super::format::Inject {
        guest,
        function: 0,
        peer: None,
        action,
    }))
}

/// Both guests must talk SMC-D again.
fn last() -> Episode {
    let talk = "until smcd-tool send --to 10.0.0.2 --port 7000 --bytes 100000 --both --require-smcd \
                --timeout 20; do sleep 1; done";
    vec![
        step(Action::Serve(Serve {
            guest: 1,
            port: 7000,
            tcp: false,
        })),
        shell(0, talk.to_owned(), None),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::load::parse;
    use super::{episodes, scenario};

    #[test]
    fn a_seed_draws_the_same_again_and_what_can_be_read() {
        let mut kinds = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let drawn = episodes(seed);
            assert_eq!(drawn, episodes(seed));
            let one = scenario(seed, &drawn);
            let text = serde_json::to_string(&one).unwrap();
            assert_eq!(parse("drawn", &text).unwrap(), one);
            kinds.extend(
                one.steps
                    .iter()
                    .map(|step| super::super::stage::name_of(&step.action)),
            );
        }
        for kind in [
            "unbind",
            "recover",
            "power-off",
            "remove",
            "link-down",
            "pause",
            "ctl",
            "inject",
        ] {
            assert!(kinds.contains(kind), "{kind} is never drawn: {kinds:?}");
        }
    }
}
