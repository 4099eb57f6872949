use std::io::BufRead;
use std::os::unix::net::{UnixListener, UnixStream};

use super::*;

const EVENT: &str = r#"{"schema_version":1,"seq":1,"time_us":1,"function":"ism0","event":"reset"}"#;

fn line(text: &str) -> Line {
    Line::read(text.as_bytes()).unwrap()
}

/// A control socket that answers the request for events, and then does as `then` says.
fn server(then: impl FnOnce(UnixStream) + Send + 'static) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = String::new();
        std::io::BufReader::new(stream.try_clone().unwrap())
            .read_line(&mut asked)
            .unwrap();
        stream.write_all(b"{\"ok\":true}\n").unwrap();
        then(stream);
    });
    (folder, path)
}

#[test]
fn one_look_at_a_server_that_always_has_events_ends() {
    let (_folder, path) = server(|mut stream| while writeln!(stream, "{EVENT}").is_ok() {});
    follow(&[path], true).unwrap();
}

#[test]
fn the_reason_why_a_server_gives_a_follower_up_is_told() {
    let (_folder, path) = server(|mut stream| {
        let why = r#"{"error":"the client reads events more slowly than they come","ok":false}"#;
        writeln!(stream, "{EVENT}\n{why}").unwrap();
    });
    let error = follow(&[path], false).unwrap_err().to_string();
    assert!(error.contains("more slowly than they come"), "{error}");
}

#[test]
fn the_first_picture_has_totals_and_later_ones_rates() {
    let mut screen = Screen::default();
    assert!(screen.picture(false).contains("in all"));
    screen.before = Some(BTreeMap::new());
    assert!(screen.picture(false).contains("per second"));
}

#[test]
fn functions_of_two_sources_with_one_name_are_two() {
    let mut screen = Screen::default();
    screen.take(&line(EVENT), Some(1));
    screen.take(&line(EVENT), Some(2));
    let names: Vec<&str> = screen.functions.keys().map(String::as_str).collect();
    assert_eq!(names, ["ism0 (1)", "ism0 (2)"]);
}

#[test]
fn a_name_does_not_command_the_terminal() {
    let mut screen = Screen::default();
    screen.take(&line(&EVENT.replace("ism0", "a\\u001b[2J")), None);
    assert!(!screen.picture(true).contains('\x1b'));
}

#[test]
fn a_client_that_was_there_before_counts_as_none() {
    let mut screen = Screen::default();
    let gone = EVENT.replace(r#""reset""#, r#""disconnected","channel":false,"maps":0"#);
    screen.take(&line(&gone), None);
    assert_eq!(screen.functions["ism0"].clients, 0);
}

#[test]
fn text_of_a_file_does_not_command_the_terminal() {
    let mut screen = Screen::default();
    screen.remember(1_500_000, "a\x1b[2Jb\n");
    assert_eq!(screen.last[0], "    1.500000 a[2Jb");
    assert!(!screen.picture(true).contains('\x1b'));
}

#[test]
fn the_last_remarks_are_kept() {
    let mut screen = Screen::default();
    (0..20).for_each(|at| screen.remember(at, &at.to_string()));
    assert_eq!(screen.last.len(), LAST);
    assert!(screen.last[0].ends_with(" 12"));
}
