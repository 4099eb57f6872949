//! Fuzz target: the text of a profile gives an error that names the file, or a plan that can be shown and
//! read again.

use vfio_user_ism_server::hub::Hub;
use vfio_user_ism_server::profile;

/// Reads `bytes` as a profile, and checks the result.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match profile::parse("FILE", text) {
        Err(error) => {
            let message = error.to_string();
            assert!(
                message.starts_with("FILE: ") && !error.problem.is_empty(),
                "{message}"
            );
        }
        Ok(plan) => {
            let shown = plan.show();
            let again = profile::parse("FILE", &shown.to_string())
                .unwrap_or_else(|error| panic!("the shown profile is refused: {error}"));
            assert_eq!(again.show(), shown);
            assert_eq!(again.functions.len(), plan.functions.len());
            // Every profile that passes the check must make a fabric.
            if let Err(error) = Hub::new(plan, None) {
                panic!("a profile passes the check, but its fabric does not: {error}");
            }
        }
    }
}
