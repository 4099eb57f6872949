use super::*;

/// Reads one file with these lines. Each line must be in one act.
fn read<L: AsRef<str>>(lines: &[L]) -> (Session, Vec<Row>) {
    read_all(&[lines])
}

/// Reads several files. Their lines take turns.
fn read_all<L: AsRef<str>>(files: &[&[L]]) -> (Session, Vec<Row>) {
    let folder = tempfile::tempdir().unwrap();
    let write = |(file, lines): (usize, &&[L])| {
        let path = folder.path().join(format!("events{file}"));
        let line = |(at, rest): (usize, &L)| {
            let (seq, time, rest) = (at + 1, 10 * at + file, rest.as_ref());
            let front = format!(r#""schema_version":1,"seq":{seq},"time_us":{time}"#);
            format!("{{{front},\"function\":{rest}}}\n")
        };
        let lines = lines.iter().enumerate().map(line).collect::<String>();
        std::fs::write(&path, lines).unwrap();
        path
    };
    let paths: Vec<_> = files.iter().enumerate().map(write).collect();
    let mut rows = Vec::new();
    let session = Session::read(Merged::open(&paths).unwrap(), |row, _| {
        rows.push(row);
        Ok(())
    });
    let session = session.unwrap();
    let lines: u32 = session.acts.iter().map(|act| act.count).sum();
    assert_eq!(lines as usize, rows.len(), "{:#?}", session.acts);
    (session, rows)
}

/// An act without its details: its kind, its first line, its number of lines, and who got its interrupts.
fn told(session: &Session) -> Vec<(Kind, u32, u32, Vec<&str>)> {
    let of = |act| values(act, "interrupts");
    let acts = session.acts.iter();
    acts.map(|act| (act.kind, act.at, act.count, of(act)))
        .collect()
}

fn values<'a>(act: &'a Row, field: &str) -> Vec<&'a str> {
    let of = act.fields.iter().filter(|(name, _)| name == field);
    of.map(|(_, value)| value.as_str()).collect()
}

/// A line that an access of `a` caused.
fn line(function: &str, cause: u64, event: &str, fields: &str) -> String {
    format!(r#""{function}","cause":{cause},"event":"{event}",{fields}"#)
}

/// The line of a move of `a` into a DMB of `b`.
fn moved(cause: u64, length: u32, signal: bool, signalled: bool) -> String {
    let place = r#""token":1,"owner":"b","dmb_offset":0,"element":0"#;
    let fields = format!(r#"{place},"length":{length},"signal":{signal},"signalled":{signalled}"#);
    line("a", cause, "data-move", &fields)
}

/// The line of a store into a BAR.
fn store(cause: u64, pcias: u8, bytes: &[u8]) -> String {
    let (length, bytes) = (bytes.len(), const_hex::encode(bytes));
    let place = format!(r#""path":"bar","pcias":{pcias},"offset":0"#);
    let outcome = r#""posted":true,"result":"accepted","rules":[]"#;
    let fields = format!(r#"{place},"length":{length},"bytes":"{bytes}",{outcome}"#);
    line("a", cause, "store", &fields)
}

fn interrupt(cause: u64) -> String {
    line("b", cause, "interrupt", r#""vector":0"#)
}

/// An entry for the queue of `b`.
fn queued(cause: u64) -> String {
    let fields = r#""to":"b","event_type":1,"code":1,"token":0,"info":0,"delivered":true"#;
    line("a", cause, "queued", fields)
}

/// The lines of the command SIGNAL_IEQ.
fn signal_ieq(cause: u64) -> [String; 4] {
    let command = r#""code":14,"name":"SIGNAL_IEQ","request":"","response_code":0,"response":"""#;
    [
        queued(cause),
        interrupt(cause),
        line("a", cause, "command", command),
        store(cause, 2, &[0; 8]),
    ]
}

/// The lines of a signalled send with a CDC message.
fn signal(cause: u64) -> [String; 3] {
    [
        interrupt(cause),
        moved(cause, 32, true, true),
        store(cause, 0, &MESSAGE),
    ]
}

/// A CDC message.
const MESSAGE: [u8; 32] = {
    let mut message = [0; 32];
    message[0] = 0xfe;
    message
};

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
    let mut lines = vec![PAYLOAD.to_owned()];
    lines.extend(signal_ieq(2));
    lines.extend([moved(3, 100, false, false), store(3, 0, &[7; 100])]);
    lines.extend(signal(4));
    // This store moved nothing.
    lines.extend([interrupt(5), store(5, 0, &[7; 100])]);
    let rest = [
        r#""a","event":"config-read","offset":0,"length":1,"bytes":"00","result":"accepted""#,
        r#""a","event":"config-write","offset":0,"length":1,"bytes":"00","result":"accepted""#,
        r#""a","cause":9,"event":"reset""#,
    ];
    lines.extend(rest.map(str::to_owned));
    // The file ends before the store, or before the command.
    for last in [moved(10, 100, false, false), interrupt(10)] {
        let (session, rows) = read(&[lines.as_slice(), &[last]].concat());
        assert_eq!(rows.len(), lines.len() + 1);
        assert_eq!(session.acts.iter().map(|act| act.at).min(), Some(0));
    }
}

#[test]
fn a_command_has_the_interrupt_before_its_line() {
    let lines = [signal_ieq(1), signal_ieq(2)].concat();
    let (session, _) = read(&lines);
    let expected = [
        (Kind::Event, 0, 1, vec![]),
        (Kind::Command, 1, 3, vec!["b"]),
        (Kind::Event, 4, 1, vec![]),
        (Kind::Command, 5, 3, vec!["b"]),
    ];
    assert_eq!(told(&session), expected);

    // The stores of a payload are no command yet.
    let (session, _) = read(&[interrupt(1).as_str(), PAYLOAD]);
    let expected = [
        (Kind::Interrupt, 0, 1, vec![]),
        (Kind::Access, 1, 1, vec![]),
    ];
    assert_eq!(told(&session), expected);
}

#[test]
fn an_act_has_only_interrupts_of_its_cause() {
    // A departure interrupts the others.
    let gone = [
        queued(2),
        interrupt(2),
        line("a", 2, "disconnected", r#""maps":0,"channel":false"#),
    ];
    // A fault lost the interrupt of this send.
    let lost = [moved(3, 32, true, true), store(3, 0, &MESSAGE)];
    let lines = [&signal_ieq(1)[..], &gone, &lost, &signal(4)].concat();
    let (session, _) = read(&lines);
    let expected = [
        (Kind::Event, 0, 1, vec![]),
        (Kind::Command, 1, 3, vec!["b"]),
        (Kind::Event, 4, 1, vec![]),
        (Kind::Interrupt, 5, 1, vec![]),
        (Kind::Client, 6, 1, vec![]),
        (Kind::Signal, 7, 2, vec![]),
        (Kind::Signal, 9, 3, vec!["b"]),
    ];
    assert_eq!(told(&session), expected);
}

#[test]
fn files_with_the_same_causes_do_not_share_acts() {
    let (sends, commands) = (signal(1), signal_ieq(1));
    let (session, _) = read_all(&[&sends[..], &sends]);
    let send = |at| (Kind::Signal, at, 3, vec!["b"]);
    assert_eq!(told(&session), [send(0), send(1)]);
    let lanes: Vec<_> = session.acts.iter().map(|act| act.from).collect();
    assert_ne!(lanes[0], lanes[1]);

    // A departure in the second file has the cause of the command in the first one.
    let (session, _) = read_all(&[&commands[..], &[interrupt(1)]]);
    let expected = [
        (Kind::Event, 0, 1, vec![]),
        (Kind::Interrupt, 1, 1, vec![]),
        (Kind::Command, 2, 3, vec!["b"]),
    ];
    assert_eq!(told(&session), expected);
}

#[test]
fn all_moves_of_one_store_are_one_send() {
    // The fault repeat-signal: the same signal again, without data.
    let again = [interrupt(1), moved(1, 0, true, true)];
    let [first, data, told_by] = signal(1);
    let lines = [&[first, data], &again[..], &again, &[told_by]].concat();
    let (session, _) = read(&lines);
    assert_eq!(told(&session), [(Kind::Signal, 0, 7, vec!["b", "b", "b"])]);
    assert_eq!(values(&session.acts[0], "data"), ["0 bytes"]);

    // The fault late-data: the signal comes before the data.
    let lines = [
        interrupt(1),
        moved(1, 0, true, true),
        moved(1, 4096, true, false),
        store(1, 0, &[7; 4096]),
    ];
    let (session, _) = read(&lines);
    assert_eq!(told(&session), [(Kind::Signal, 0, 4, vec!["b"])]);
    assert_eq!(session.acts[0].bytes, 4096);
    assert_eq!(session.acts[0].label, "4096 B + signal");
}
