//! Tests that completions and manual pages agree with the program's command line.

use vfio_user_ism_tests::program::run;

const COMMANDS: [&str; 8] = [
    "serve",
    "rules",
    "explain",
    "profile",
    "intercept",
    "lab",
    "doctor",
    "fetch",
];

#[test]
fn completions_of_each_shell_name_commands_and_flags() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = run(["completions", shell]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        for word in COMMANDS
            .iter()
            .chain(&["socket-path", "baseline", "guests"])
        {
            assert!(ended.stdout.contains(word), "{shell} does not know {word}");
        }
    }
    assert_eq!(run(["completions", "tcsh"]).code, Some(2));
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("new/man1");
    let ended = run(["man", man.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let page = |name: &str| std::fs::read_to_string(man.join(name));
    assert!(page("vfio-user-ism.1").unwrap().contains("socket\\-path"));
    for command in COMMANDS {
        let text = page(&format!("vfio-user-ism-{command}.1")).unwrap();
        assert!(text.contains(".TH"), "{command}: {text}");
    }
    assert!(
        page("vfio-user-ism-with-parent.1").is_err(),
        "it is for the program itself"
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let ended = run(["man", "/proc/man1"]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("/proc/man1"), "{}", ended.stderr);
}
