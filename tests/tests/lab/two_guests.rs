//! Tests of SMC-D between two guests, and of the death of one.

use rustix::process::{Pid, Signal, kill_process};

use super::running::{
    assert_clean, function, hold, interrupts, says, serve, tool, until_held, with_lab,
};

const MIB: u64 = 1 << 20;
const CONNECTIONS: u64 = 10;

#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn ten_connections_both_ways_at_once_and_a_death_that_is_told() {
    let report = with_lab(&["--guests", "2"], |lab| {
        Box::pin(async move {
            let (here, there) = (lab.guest(0).unwrap(), lab.guest(1).unwrap());
            lab.bound().await.unwrap_or_else(|error| panic!("{error}"));
            serve(there, 5000).await;

            let bytes = 64 * MIB / CONNECTIONS;
            let send = format!(
                "send --to 10.0.0.2 --port 5000 --conns {CONNECTIONS} --both --bytes {bytes} --require-smcd"
            );
            let sent = tool(here, &send).await;
            assert_eq!(sent["bytes"], 2 * CONNECTIONS * bytes, "{sent}");
            assert_eq!(sent["mismatches"], 0, "{sent}");
            assert_eq!(sent["smcd"], CONNECTIONS, "{sent}");
            assert!(interrupts(here).await > 0 && interrupts(there).await > 0);
            let report = lab.report().await.unwrap();
            for number in [0, 1] {
                let function = function(&report, number);
                assert!(
                    function["moves"].as_u64() > Some(bytes / 4096),
                    "{function}"
                );
                assert!(function["interrupts"].as_u64() > Some(0), "{function}");
            }

            // Both connections exist when the other guest dies.
            let hold = hold(3);
            let die = async {
                says(here, &until_held(3)).await;
                let qemu = i32::try_from(there.qemu_id()).ok().and_then(Pid::from_raw);
                kill_process(qemu.unwrap(), Signal::KILL).unwrap();
                assert_eq!(there.ended().await, "QEMU ended with signal: 9 (SIGKILL)");
            };
            let (_, ()) = tokio::join!(says(here, &hold), die);
            let said = says(here, "cat /run/held /run/holding /run/hold.status").await;
            let held: serde_json::Value = serde_json::from_str(said.lines().next().unwrap())
                .unwrap_or_else(|error| panic!("{error}: {said}"));
            assert_eq!(
                (&held["reset"], &held["smcd"], &held["open"]),
                (&3.into(), &3.into(), &0.into()),
                "{said}"
            );

            // The server and the remaining guest go on.
            let report = lab.report().await.unwrap();
            let gone = function(&report, 1);
            assert_eq!(gone["connected"], false, "{gone}");
            for what in ["dma_maps", "guest_files", "eventfds"] {
                assert_eq!(gone[what], 0, "{gone}");
            }
            serve(here, 5000).await;
            let send = format!("send --to 127.0.0.1 --port 5000 --bytes {MIB} --require-smcd");
            let sent = tool(here, &send).await;
            assert_eq!(
                (&sent["bytes"], &sent["mismatches"]),
                (&MIB.into(), &0.into()),
                "{sent}"
            );
        })
    });
    assert_clean(&report);
}
