//! Tests of the driver of Linux 7.2, which is below the dibs layer.

use super::running::{assert_clean, broken, function, says, with_lab};

#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn the_driver_below_dibs_binds_unbinds_and_unloads() {
    let report = with_lab(&["--kernel-version", "7.2"], |lab| {
        Box::pin(async move {
            let guest = lab.guest(0).unwrap();
            lab.bound().await.unwrap_or_else(|error| panic!("{error}"));
            let release = says(guest, "uname -r").await;
            assert!(release.starts_with("7.2"), "{release}");
            says(guest, "grep -q '^dibs ' /proc/modules").await;
            says(
                guest,
                "cd /sys/bus/pci/drivers/ism && echo 0007:00:00.0 >unbind && ! [ -e 0007:00:00.0 ] && \
                 echo 0007:00:00.0 >bind && [ -e 0007:00:00.0 ]",
            )
            .await;
            let report = lab.report().await.unwrap();
            let registered = function(&report, 0);
            assert_eq!(
                (&registered["sba"], &registered["ieq"]),
                (&true.into(), &true.into())
            );
            says(guest, "rmmod ism && rmmod dibs").await;
        })
    });
    assert_clean(&report);
    assert_eq!(broken(&report), []);
    let function = function(&report, 0);
    // It is bound twice, unbound and unloaded: REG_SBA, REG_IEQ, QUERY_INFO, READ_GID and their opposites.
    assert!(function["commands"].as_u64() >= Some(12), "{function}");
    assert_eq!(function["failed_commands"], 0, "{function}");
}
