// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;

fn refused(arguments: &[&str]) -> String {
    Args::parse(arguments.iter().copied())
        .unwrap_err()
        .to_string()
}

#[test]
fn the_output_path_may_hold_equal_signs() {
    let args = Args::parse(["out=/a=b"]).unwrap();
    assert_eq!(args.out, Some(PathBuf::from("/a=b")));
    assert_eq!(args.forwards, []);
}

#[test]
fn an_id_belongs_to_the_function_before_it() {
    let args = Args::parse(["forward=/a", "fid=8", "forward=/b", "uid=0x1F", "out=c"]).unwrap();
    let forward = |socket: &str, selector| Forward {
        socket: PathBuf::from(socket),
        selector,
    };
    assert_eq!(
        args.forwards,
        [
            forward("/a", Selector::Fid(8)),
            forward("/b", Selector::Uid(31))
        ]
    );
    assert_eq!(args.out, Some(PathBuf::from("c")));
    let alone = Args::parse(["forward=/a"]).unwrap();
    assert_eq!(alone.forwards, [forward("/a", Selector::OnlyIsm)]);
}

#[test]
fn a_ring_is_wanted_or_not() {
    for (arguments, ring) in [
        (&["forward=/a"][..], None),
        (&["forward=/a", "ring=on"], Some(true)),
        (&["ring=off", "forward=/a"], Some(false)),
    ] {
        let args = Args::parse(arguments.iter().copied()).unwrap();
        assert_eq!(args.ring, ring, "{arguments:?}");
    }
    for (arguments, part) in [
        (&["forward=/a", "ring=yes"][..], "expected on or off"),
        (&["out=/a", "ring=on"], "no forward=SOCKET is given"),
        (&["forward=/a", "ring=on", "ring=on"], "twice"),
    ] {
        let error = Args::parse(arguments.iter().copied()).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn moves_wait_unless_asked_for() {
    for (arguments, moves) in [
        (&["forward=/a"][..], Moves::Waited),
        (&["forward=/a", "moves=waited"], Moves::Waited),
        (&["moves=data", "forward=/a"], Moves::Data),
        (&["forward=/a", "moves=posted"], Moves::Posted),
    ] {
        let args = Args::parse(arguments.iter().copied()).unwrap();
        assert_eq!(args.moves, moves, "{arguments:?}");
    }
    for (arguments, part) in [
        (
            &["forward=/a", "moves=yes"][..],
            "expected waited, data or posted",
        ),
        (&["out=/a", "moves=posted"], "no forward=SOCKET is given"),
        (&["forward=/a", "moves=data", "moves=data"], "twice"),
        (
            &["forward=/a", "moves=posted", "break=success-as-cc-2"],
            "needs moves=waited",
        ),
    ] {
        let problem = refused(arguments);
        assert!(problem.contains(part), "{problem}");
    }
}

#[test]
fn clp_answers_are_as_qemu_has_them_unless_asked_for() {
    for (arguments, on) in [
        (&["forward=/a"][..], Clp::Qemu),
        (&["clp=on", "forward=/a"], Clp::Linux),
        (&["clp=full", "forward=/a"], Clp::Full),
        (
            &[
                "forward=/a",
                "fid=8",
                "clp=on",
                "forward=/b",
                "fid=9",
                "clp=on",
            ],
            Clp::Linux,
        ),
        (&["forward=/a", "clp=off"], Clp::Qemu),
    ] {
        let args = Args::parse(arguments.iter().copied()).unwrap();
        assert_eq!(args.clp, on, "{arguments:?}");
    }
}

#[test]
fn wrong_arguments_are_named() {
    for (arguments, part) in [
        (&[][..], "an argument is missing"),
        (&["out="], "\"out=\""),
        (&["quiet"], "\"quiet\""),
        (&["out=a", "out=b"], "\"out\" is given twice"),
        (
            &["out=a", "frob=1"],
            "unknown argument \"frob\"; known: out=PATH, forward=SOCKET",
        ),
        (
            &["forward=a", "clp=yes"],
            "\"clp=yes\": expected on, full or off",
        ),
        (
            &["forward=a", "clp=on", "clp=off"],
            "\"clp=off\" differs from the clp= before it",
        ),
        (&["out=a", "clp=on"], "clp=on answers CLP"),
        (
            &["forward=a", "break=nonsense"],
            "\"break=nonsense\": there is no such defect; break=list",
        ),
        (&["forward=a", "break=hang"], "hang needs an instruction"),
        (
            &["forward=a", "break=hang@1", "break=crash@2"],
            "\"break\" is given twice",
        ),
        (&["out=a", "break=hang@1"], "break=NAME changes how"),
        (&["break=list"], "crash@PLACE"),
        (&["fid=1", "forward=a"], "\"fid=1\" comes before"),
        (&["forward=a", "fid=x"], "\"fid=x\": expected a number"),
        (&["forward=a", "fid=4294967296"], "expected a number"),
        (&["forward=a", "fid=1", "uid=2"], "forward=a has two ids"),
        (
            &["forward=a", "fid=1", "forward=b"],
            "forward=b needs fid=N",
        ),
        (
            &["forward=a", "forward=b", "fid=1"],
            "forward=a needs fid=N",
        ),
        (
            &["forward=a", "fid=1", "forward=a", "fid=2"],
            "forward=a is given for two",
        ),
        (
            &["forward=a", "fid=1", "forward=b", "fid=1"],
            "fid=1 is given for two",
        ),
    ] {
        let text = refused(arguments);
        assert!(text.contains(part), "{arguments:?}: {text}");
    }
}
