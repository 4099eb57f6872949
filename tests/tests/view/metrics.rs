//! `--metrics`: totals over HTTP on a UNIX socket, as Prometheus text.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use vfio_user_ism_tests::{Daemon, program};

use crate::session;

/// Asks as Prometheus does; head and body of the answer.
fn scrape(socket: &Path) -> (String, String) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    (head.to_owned(), body.to_owned())
}

fn value(body: &str, name: &str) -> u64 {
    let line = body.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("{name}: {body}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn the_socket_tells_the_totals_inside_the_sandbox_and_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("metrics.sock");
    let profile = program::profile("pair");
    let daemon = Daemon::with_arguments(&[
        "--profile",
        profile.to_str().unwrap(),
        "--metrics",
        socket.to_str().unwrap(),
        "--sandbox",
        "required",
    ]);
    let mode = socket.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "only the owner may connect");
    let (head, body) = scrape(&socket);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("Content-Type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert!(
        head.contains(&format!("Content-Length: {}", body.len())),
        "{head}"
    );
    assert_eq!(
        value(&body, "vfio_user_ism_moves_total{function=\"ism1\"}"),
        0
    );
    session::play(&daemon);
    let (_, body) = scrape(&socket);
    // What every line must look like, and each metric is told of once.
    let mut told = Vec::new();
    for line in body.lines() {
        if let Some(name) = line.strip_prefix("# TYPE ") {
            told.push(name.split(' ').next().unwrap());
        } else if !line.starts_with("# HELP ") {
            let name = line.split(['{', ' ']).next().unwrap();
            assert_eq!(Some(&name), told.last(), "{line}");
            assert!(
                line.rsplit_once(' ').unwrap().1.parse::<u64>().is_ok(),
                "{line}"
            );
        }
    }
    let distinct: std::collections::BTreeSet<_> = told.iter().collect();
    assert_eq!(distinct.len(), told.len());
    let stopped = daemon.stop();
    for name in ["ism0", "ism1"] {
        let function = stopped.function(name);
        for (metric, field) in [("moves_total", "moves"), ("signals_total", "signals")] {
            let name = format!("vfio_user_ism_{metric}{{function=\"{name}\"}}");
            assert_eq!(value(&body, &name), function[field].as_u64().unwrap());
        }
        for rule in function["rules"].as_array().unwrap() {
            let rule_id = rule["rule"].as_str().unwrap();
            let name =
                format!("vfio_user_ism_violations_total{{function=\"{name}\",rule=\"{rule_id}\"");
            assert_eq!(value(&body, &name), rule["violations"].as_u64().unwrap());
        }
    }
    assert!(!socket.exists(), "the socket is removed at the end");
}
