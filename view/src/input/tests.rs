use super::*;

#[test]
fn instructions_stand_in_front_of_the_access_that_they_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, lines: &[String]| {
        let path = folder.path().join(name);
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        path
    };
    let insn = |seq: u64, name: &str, offset: u64| {
        format!(
            r#"{{"schema_version":1,"kind":"insn","seq":{seq},"vcpu":0,"insn":"{name}","opcode":"","psw_addr":"0x0","pcias":2,"offset":"{offset:#x}","length":8,"bytes":null,"outcome":"completed","cc":0,"status":null,"value":null,"exception":null}}"#
        )
    };
    let load = |seq: u64, offset: u64| {
        format!(
            r#"{{"schema_version":1,"seq":{seq},"time_us":{seq}0,"function":"ism0","event":"load","path":"region","pcias":2,"offset":{offset},"length":8,"bytes":"","result":"accepted","rules":[]}}"#
        )
    };
    let plugin = [
        insn(0, "clp", 0),
        insn(1, "pcilg", 8),
        insn(2, "pcilg", 16),
        insn(3, "sic", 0),
    ];
    let paths = [
        file("events", &[load(1, 0), load(2, 8), load(3, 16)]),
        file("plugin", &plugin),
    ];
    let mut merged = Merged::open(&paths).unwrap();
    let mut order = Vec::new();
    while let Some((_, time, item)) = merged.next().unwrap() {
        order.push(match item {
            Item::Event(line) => format!("event {} at {time}", line.seq),
            Item::Insn(insn) => format!("insn {} at {time}", insn.seq),
            Item::Problem(text) => text,
        });
    }
    let expected = [
        "event 1 at 10",
        "insn 0 at 20",
        "insn 1 at 20",
        "event 2 at 20",
        "insn 2 at 30",
        "event 3 at 30",
        "insn 3 at 30",
    ];
    assert_eq!(order, expected);
}

#[test]
fn a_last_line_without_its_end_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let line = r#"{"schema_version":1,"seq":1,"time_us":1,"function":"a","event":"reset"}"#;
    std::fs::write(&path, format!("{line}\n{}", &line[..20])).unwrap();
    let mut source = Source::open(&path).unwrap();
    assert!(matches!(source.next(), Ok(Some(Item::Event(_)))));
    assert!(matches!(source.next(), Ok(None)));
    std::fs::write(&path, format!("{line}\n{line}\n")).unwrap();
    assert!(matches!(source.next(), Ok(Some(Item::Event(_)))));
}

#[test]
fn a_file_that_a_new_server_has_emptied_is_read_from_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let line = r#"{"schema_version":1,"seq":1,"time_us":1,"function":"a","event":"reset"}"#;
    std::fs::write(&path, format!("{line}\n{line}\n")).unwrap();
    let mut source = Source::open(&path).unwrap();
    while source.next().unwrap().is_some() {}
    assert!(!source.begin_anew_if_emptied().unwrap());
    std::fs::write(&path, format!("{line}\n")).unwrap();
    assert!(source.begin_anew_if_emptied().unwrap());
    assert!(matches!(source.next(), Ok(Some(Item::Event(_)))));
}
