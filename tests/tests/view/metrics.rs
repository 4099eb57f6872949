//! Tests of `--metrics`: totals over HTTP on a UNIX socket, as Prometheus text.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use vfio_user_ism_tests::{Daemon, program};

use crate::session;

/// Sends a request like Prometheus. Returns head and body of the answer.
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

/// Returns the values of all lines that begin with `name`.
fn values(body: &str, name: &str) -> Vec<u64> {
    let lines = body.lines().filter(|line| line.starts_with(name));
    let values = lines.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap());
    values.collect()
}

/// Checks that each access is in one histogram, and in all its buckets from some bound on.
#[track_caller]
fn histograms(body: &str) {
    const NAME: &str = "vfio_user_ism_access_seconds";
    for function in ["ism0", "ism1"] {
        let counted = |access: &str| {
            let labels = format!("{{function=\"{function}\",access=\"{access}\"");
            let buckets = values(body, &format!("{NAME}_bucket{labels}"));
            let count = value(body, &format!("{NAME}_count{labels}"));
            assert_eq!(buckets.len(), 13, "{body}");
            assert!(buckets.is_sorted(), "{buckets:?}");
            assert_eq!(buckets.last(), Some(&count));
            count
        };
        let accesses = ["store", "load", "command"].map(counted);
        let labels = format!("{{function=\"{function}\"");
        let total = |metric: &str| -> u64 {
            let name = format!("vfio_user_ism_{metric}_total{labels}");
            values(body, &name).iter().sum()
        };
        assert!(accesses.iter().all(|count| *count > 0), "{accesses:?}");
        assert_eq!(accesses[2], total("commands"));
        // Refused accesses take time too.
        let all = total("stores") + total("loads") + total("refused_accesses");
        assert_eq!(accesses.iter().sum::<u64>(), all, "{function}");
        let sum = format!("{NAME}_sum{labels},access=\"command\"}} ");
        let sum = body.lines().find_map(|line| line.strip_prefix(&sum));
        assert!(sum.unwrap().parse::<f64>().unwrap() > 0.0);
    }
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
    // Every line must have this form, and each metric must be described once.
    let mut told = Vec::new();
    for line in body.lines() {
        if let Some(name) = line.strip_prefix("# TYPE ") {
            told.push(name.split(' ').next().unwrap());
        } else if !line.starts_with("# HELP ") {
            let name = line.split(['{', ' ']).next().unwrap();
            let last = *told.last().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .any(|end| name.strip_suffix(end) == Some(last));
            assert!(name == last || of_histogram, "{line}");
            let number: f64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
            assert!(number >= 0.0, "{line}");
        }
    }
    let distinct: std::collections::BTreeSet<_> = told.iter().collect();
    assert_eq!(distinct.len(), told.len());
    histograms(&body);
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
