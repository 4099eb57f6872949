//! Runs a short version of the soak that `--bin soak` runs for an hour.

use std::time::Duration;

use vfio_user_ism_tests::soak::{Plan, Scenario, run};

#[test]
fn clients_of_every_kind_leave_nothing_behind() {
    let outcome = run(&Plan {
        time: Duration::from_secs(30),
        seed: 1,
        functions: 3,
        progress: Duration::from_secs(5),
    });
    assert_eq!(outcome.complaint(), None);
    assert_eq!(outcome.played.len(), Scenario::ALL.len());
    for (name, times) in outcome.played {
        assert!(times > 0, "nobody played {name}");
    }
}
