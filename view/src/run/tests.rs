use super::*;

/// Accesses and commands of one function, as lines of an event file at these times.
fn events(times: impl Iterator<Item = u64>) -> String {
    let access = |event, offset| {
        format!(
            r#""cause":1,"event":"{event}","path":"bar","pcias":2,"offset":{offset},"length":8,"bytes":"",
            "posted":true,"result":"accepted","rules":[]"#
        )
        .replace('\n', "")
    };
    let command = r#""cause":2,"event":"command","code":4,"name":"ADD_VLAN_ID","request":"","response_code":0,
        "response":"""#;
    let kinds = [
        access("store", 8),
        command.replace('\n', ""),
        access("store", 0).replace(r#""cause":1"#, r#""cause":2"#),
        access("load", 0).replace(r#","posted":true"#, ""),
    ];
    let line = |(at, time): (usize, u64)| {
        let (seq, kind) = (at + 1, &kinds[at % kinds.len()]);
        format!(
            "{{\"schema_version\":1,\"seq\":{seq},\"time_us\":{time},\"function\":\"a\",{kind}}}\n"
        )
    };
    times.enumerate().map(line).collect()
}

fn args(files: &[&Path], output: Option<&Path>, perfetto: Option<&Path>) -> Args {
    Args {
        files: files.iter().map(|file| file.to_path_buf()).collect(),
        output: output.map(Path::to_owned),
        perfetto: perfetto.map(Path::to_owned),
        ..Args::default()
    }
}

#[track_caller]
fn refused(args: &Args, named: &Path) {
    match run(args) {
        Err(error @ Error::Twice { .. }) => {
            assert!(error.is_usage());
            let told = error.to_string();
            assert!(told.starts_with(&named.display().to_string()), "{told}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_output_is_written_over_an_input_or_another_output() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    let (file, other, new) = (path("x.jsonl"), path("y.jsonl"), path("new"));
    let (hard, soft, page) = (path("hard"), path("soft"), path("x.jsonl.html"));
    let text = events(0..8);
    std::fs::write(&file, &text).unwrap();
    std::fs::write(&other, &text).unwrap();
    std::fs::hard_link(&file, &hard).unwrap();
    std::os::unix::fs::symlink(&file, &soft).unwrap();
    let around = folder.path().join(".").join("new");
    for same in [&file, &hard, &soft] {
        refused(&args(&[&file], Some(same), None), same);
        refused(&args(&[&file], None, Some(same)), same);
        refused(&args(&[&other, &file], None, Some(same)), same);
    }
    refused(&args(&[&file], Some(&new), Some(&new)), &new);
    refused(&args(&[&file], Some(&new), Some(&around)), &around);
    assert!(!new.exists(), "refused before anything is opened");
    // The page's name when none is given.
    std::fs::write(&page, &text).unwrap();
    refused(&args(&[&file, &page], None, None), &page);
    for kept in [&file, &other, &page] {
        assert_eq!(std::fs::read_to_string(kept).unwrap(), text);
    }
}

#[test]
fn outputs_of_their_own_and_devices_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    let (file, page, trace) = (path("x.jsonl"), path("page"), path("trace"));
    std::fs::write(&file, events(0..8)).unwrap();
    // The second time, both outputs are there.
    for _ in 0..2 {
        run(&args(&[&file, &file], Some(&page), Some(&trace))).unwrap();
        assert!(page.metadata().unwrap().len() > 0);
        assert!(trace.metadata().unwrap().len() > 0);
    }
    let null = Path::new("/dev/null");
    run(&args(&[&file], Some(null), Some(null))).unwrap();
}

#[test]
fn time_that_goes_back_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    let (file, page, trace) = (path("x.jsonl"), path("page"), path("trace"));
    let back = events((0..16).rev());
    let twice = events((0..7).chain(0..7));
    for text in [back, twice] {
        std::fs::write(&file, text).unwrap();
        run(&args(&[&file], Some(&page), None)).unwrap();
        run(&args(&[&file], None, Some(&trace))).unwrap();
        let follow = Args {
            follow: true,
            once: true,
            ..args(&[&file], None, None)
        };
        run(&follow).unwrap();
    }
}
