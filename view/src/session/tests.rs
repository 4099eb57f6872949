use std::path::Path;

use super::*;

fn read(lines: &[&str]) -> (Session, Vec<Row>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let line = |(at, rest): (usize, &&str)| {
        let (seq, time) = (at + 1, 10 * at);
        format!("{{\"schema_version\":1,\"seq\":{seq},\"time_us\":{time},\"function\":{rest}}}\n")
    };
    std::fs::write(
        &path,
        lines.iter().enumerate().map(line).collect::<String>(),
    )
    .unwrap();
    read_file(&path)
}

fn read_file(path: &Path) -> (Session, Vec<Row>) {
    let mut rows = Vec::new();
    let input = Merged::open(&[path.to_owned()]).unwrap();
    let session = Session::read(input, |row, _| {
        rows.push(row);
        Ok(())
    });
    (session.unwrap(), rows)
}

const PAYLOAD: &str = r#""a","cause":1,"event":"store","path":"bar","pcias":2,"offset":8,"length":8,"bytes":"","posted":true,"result":"accepted","rules":[]"#;
const COMMAND: &str = r#""a","cause":2,"event":"command","code":4,"name":"ADD_VLAN_ID","request":"","response_code":0,"response":"""#;
const DOORBELL: &str = r#""a","cause":2,"event":"store","path":"bar","pcias":2,"offset":0,"length":8,"bytes":"","posted":true,"result":"accepted","rules":[]"#;
const ANSWER: &str = r#""a","cause":3,"event":"load","path":"bar","pcias":2,"offset":0,"length":8,"bytes":"","result":"accepted","rules":[]"#;

#[test]
fn a_command_is_one_act_with_its_stores_and_loads() {
    let (session, rows) = read(&[PAYLOAD, COMMAND, DOORBELL, ANSWER, PAYLOAD]);
    assert_eq!(rows.len(), 5);
    assert_eq!(session.acts.len(), 2, "{:#?}", session.acts);
    let act = &session.acts[0];
    assert_eq!((act.kind, act.at, act.count), (Kind::Command, 0, 4));
    assert_eq!((act.time, act.until), (0, 30));
}

#[test]
fn every_line_is_in_one_act() {
    let (session, rows) = read(&[
        PAYLOAD,
        COMMAND,
        r#""a","cause":2,"event":"interrupt","vector":0"#,
        DOORBELL,
        ANSWER,
        r#""a","event":"config-read","offset":0,"length":1,"bytes":"00","result":"accepted""#,
        r#""a","event":"config-write","offset":0,"length":1,"bytes":"00","result":"accepted""#,
        r#""a","cause":9,"event":"reset""#,
    ]);
    let lines: u32 = session.acts.iter().map(|act| act.count).sum();
    assert_eq!(lines as usize, rows.len(), "{:#?}", session.acts);
}
