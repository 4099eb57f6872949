//! A running lab for a test, and common requests to it.

use std::future::Future;
use std::pin::Pin;
use std::process::Stdio;
use std::time::Duration;

use clap::{Args as _, FromArgMatches};
use lab::{Args, Error, Folder, Guest, Lab, Output, Setup};
use serde_json::Value;
use vfio_user_ism_tests::program::{self, Ended, program};

/// Parses the command line of a lab.
#[track_caller]
pub(crate) fn arguments(words: &[&str]) -> Args {
    let command = Args::augment_args(clap::Command::new("lab").no_binary_name(true));
    let matches = command.try_get_matches_from(words);
    Args::from_arg_matches(&matches.unwrap_or_else(|error| panic!("{error}"))).unwrap()
}

/// Time limit for a guest's answer. It allows for a very busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(900);

/// Seconds for a guest to boot. A guest beside 30 other tasks took 600.
pub(crate) const BOOT: &str = "1500";

/// Runs `vfio-user-ism lab` until it ends.
pub(crate) fn lab(words: &[&str]) -> Ended {
    let mut command = program::command();
    command.args(["lab", "--timeout", BOOT]).args(words);
    command.stdin(Stdio::null());
    program::finish(command)
}

/// Runs `test` with a lab whose guests are ready. Returns the server's totals at the end.
#[track_caller]
pub(crate) fn with_lab<T>(words: &[&str], test: T) -> Value
where
    T: for<'a> FnOnce(&'a Lab) -> Pin<Box<dyn Future<Output = ()> + 'a>>,
{
    let args = arguments(&[&["--timeout", BOOT], words].concat());
    let folder = Folder::new(None).unwrap();
    let setup = Setup::prepare(&args, program(), &folder).unwrap_or_else(|error| panic!("{error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut lab = Lab::start(&setup, &folder)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        lab.ready(setup.patience)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        test(&lab).await;
        lab.stop().await.unwrap()
    })
}

/// Returns the output of a command that must succeed.
pub(crate) async fn says(guest: &Guest, command: &str) -> String {
    succeeded(command, guest.run(command).await)
}

/// Returns the output of a command that ran and must have succeeded.
#[track_caller]
pub(crate) fn succeeded(command: &str, ran: Result<Output, Error>) -> String {
    let output = ran.unwrap_or_else(|error| panic!("{error}"));
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(output.status, 0, "{command}\n{stdout}{stderr}");
    stdout
}

/// Returns the JSON object that a command of the guest tool prints.
pub(crate) async fn tool(guest: &Guest, command: &str) -> Value {
    let text = says(guest, &format!("smcd-tool {command}")).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Starts a server of the guest tool in the background.
pub(crate) async fn serve(guest: &Guest, port: u16) {
    let command = format!(
        "smcd-tool serve --port {port} >/dev/null 2>/run/serve{port} & echo $! >/run/lab/serve{port}"
    );
    says(guest, &command).await;
}

/// Ends the server of [`serve`].
pub(crate) async fn stop_serving(guest: &Guest, port: u16) {
    says(guest, &format!("kill $(cat /run/lab/serve{port})")).await;
}

/// Builds a command that holds connections to the server of [`serve`] in guest 1. It leaves `/run/held`,
/// `/run/holding` and its exit status.
pub(crate) fn hold(connections: u32) -> String {
    format!(
        "rm -f /run/hold.status; smcd-tool hold --to 10.0.0.2 --port 5000 --conns {connections} \
         --require-smcd >/run/held 2>/run/holding; echo $? >/run/hold.status"
    )
}

/// Builds a command that waits until [`hold`] has its connections, and fails if it cannot have them.
pub(crate) fn until_held(connections: u32) -> String {
    format!(
        "until grep -q 'holding {connections} connections' /run/holding; do \
         ! [ -e /run/hold.status ] || {{ cat /run/holding >&2; exit 1; }}; sleep 0.1; done"
    )
}

/// Returns the number of interrupts that the guest counted for its ISM function.
pub(crate) async fn interrupts(guest: &Guest) -> u64 {
    let lines = says(guest, "grep 0007:00:00.0 /proc/interrupts").await;
    let counts = lines
        .lines()
        .flat_map(|line| line.split_whitespace().skip(1));
    counts.filter_map(|word| word.parse::<u64>().ok()).sum()
}

/// Returns the totals of one function.
pub(crate) fn function(report: &Value, number: usize) -> &Value {
    &report["functions"][number]
}

/// Returns every broken rule with its severity.
pub(crate) fn broken(report: &Value) -> Vec<(String, String)> {
    let functions = report["functions"].as_array().unwrap().iter();
    let rules = functions.flat_map(|function| function["rules"].as_array().unwrap());
    let text = |rule: &Value, key: &str| rule[key].as_str().unwrap().to_owned();
    rules
        .map(|rule| (text(rule, "rule"), text(rule, "severity")))
        .collect()
}

/// Fails if the unmodified driver broke a rule, because such a rule is wrong.
#[track_caller]
pub(crate) fn assert_clean(report: &Value) {
    let broken = broken(report);
    assert!(
        broken.iter().all(|(_, severity)| severity == "note"),
        "{broken:?}"
    );
    // The lab's profile enables SMC-D's rules; without moves they report nothing.
    assert_eq!(report["profile"], "lab");
}

/// Number of open descriptors of a process.
pub(crate) fn descriptors(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .count()
}
