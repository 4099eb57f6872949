//! Checks that `./test` installs or names every program that a test starts, before it builds anything. The
//! check reads the tests and their scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use vfio_user_ism_tests::program::repository;

/// Programs of every machine that runs `./test` and compiles Rust: a shell, coreutils, grep, Rust.
const EVERYWHERE: [&str; 45] = [
    "awk",
    "basename",
    "bash",
    "cargo",
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dirname",
    "du",
    "echo",
    "false",
    "find",
    "grep",
    "head",
    "id",
    "install",
    "ln",
    "ls",
    "md5sum",
    "mkdir",
    "mkfifo",
    "mktemp",
    "mv",
    "pwd",
    "realpath",
    "rm",
    "rustc",
    "sed",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "tail",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "uname",
    "wc",
    "xargs",
];
/// Words of the shell itself.
const SHELL: [&str; 37] = [
    "!", "[", "[[", "break", "case", "cd", "command", "continue", "do", "done", "elif", "else",
    "esac", "eval", "exec", "exit", "export", "fi", "for", "function", "if", "kill", "local",
    "printf", "read", "return", "set", "shift", "source", "then", "trap", "ulimit", "unset",
    "until", "wait", "while", ":",
];
/// Scripts that tests run.
const SCRIPTS: [&str; 5] = [
    "fuzz/run",
    "packaging/build",
    "packaging/third-party",
    "tests/container/build.sh",
    "tests/s390x/std.sh",
];

/// The programs in the list of `./test`.
fn listed() -> BTreeSet<String> {
    let text = fs::read_to_string(repository().join("test")).unwrap();
    let (_, list) = text.split_once("needs='").expect("a list");
    let (list, _) = list.split_once("'\n").expect("the end of the list");
    let names = list.lines().filter_map(|line| line.split(' ').next());
    names
        .flat_map(|names| names.split('|'))
        .map(str::to_owned)
        .collect()
}

/// Finds the Rust files of tests below `folder`.
fn sources(folder: &Path, in_tests: bool, found: &mut Vec<PathBuf>) {
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, in_tests || name == "tests", found);
        } else if in_tests && name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// Returns the programs that Rust text starts by name.
fn started_by_rust(text: &str) -> impl Iterator<Item = String> {
    // clap has a type `Command` too.
    let text = text.replace("clap::Command", "");
    let names = text.split("Command::new(").skip(1).filter_map(|part| {
        let name = part.trim_start().strip_prefix('"')?.split('"').next()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_+.".contains(c);
        name.chars().all(plain).then(|| name.to_owned())
    });
    names.collect::<Vec<_>>().into_iter()
}

/// Returns a line of a shell script without comments and quoted text. Each command that begins in it begins a
/// new line.
fn commands(line: &str) -> String {
    let mut found = String::new();
    // The open quote, for each open substitution.
    let mut quotes = vec![' '];
    let mut before = ' ';
    for c in line.chars() {
        let is_inner = quotes.len() > 1;
        let quote = quotes.last_mut().expect("the line itself");
        match c {
            '#' if *quote == ' ' && before.is_whitespace() => break,
            '"' | '\'' if *quote == c => *quote = ' ',
            '"' | '\'' if *quote == ' ' => {
                *quote = c;
                found.push(c);
            }
            '(' if before == '$' && *quote != '\'' => {
                quotes.push(' ');
                found.push('\n');
            }
            ')' if *quote == ' ' && is_inner => drop(quotes.pop()),
            '|' | '&' | ';' if *quote == ' ' => found.push('\n'),
            _ if *quote == ' ' => found.push(c),
            _ => {}
        }
        before = c;
    }
    let marks = ["{ ", "! ", "then ", "do ", "else ", "if ", "exec "];
    marks
        .iter()
        .fold(found, |code, mark| code.replace(mark, "\n"))
}

/// Returns the programs that a shell script starts, except those that it searches for itself.
fn started_by_script(text: &str) -> BTreeSet<String> {
    let mut own: BTreeSet<String> = BTreeSet::new();
    let mut found = BTreeSet::new();
    let mut end_of_text = None;
    let text = text.replace("\\\n", " ");
    for line in text.lines() {
        // This is text for a file, up to a certain word.
        if let Some(end) = end_of_text {
            if line.trim() == end {
                end_of_text = None;
            }
            continue;
        }
        if let Some((_, end)) = line
            .split_once("<<")
            .filter(|(_, end)| !end.starts_with('<'))
        {
            end_of_text = Some(end.trim_matches(|c: char| !c.is_alphanumeric()));
        }
        own.extend(
            line.split_once("()")
                .map(|(name, _)| name.trim().to_owned()),
        );
        let sought = line.split("command -v ").nth(1);
        own.extend(sought.and_then(|rest| Some(rest.split([' ', ';']).next()?.to_owned())));
        for command in commands(line).lines() {
            let word = command.split_whitespace().next().unwrap_or_default();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_+.".contains(c);
            if word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(plain) {
                found.insert(word.to_owned());
            }
        }
    }
    found.retain(|word| !own.contains(word));
    found
}

#[test]
fn programs_are_found_in_scripts() {
    let script = "a() { b \"c; d $(e \"f\")\" | g; } # h\nif ! i; then x=1 j; fi\ncat <<END\nk\nEND\n\
                  command -v l && l 'm; n' && a\n";
    let found: Vec<_> = started_by_script(script).into_iter().collect();
    assert_eq!(found, ["b", "cat", "command", "e", "fi", "g", "i"]);
}

#[test]
fn the_test_command_knows_every_program_that_tests_start() {
    let listed = listed();
    assert!(
        listed.contains("tshark") && listed.contains("unshare"),
        "{listed:?}"
    );
    let root = repository();
    let mut files = Vec::new();
    sources(&root, false, &mut files);
    let mut started: BTreeMap<String, String> = BTreeMap::new();
    let place = |path: &Path| {
        path.strip_prefix(&root)
            .unwrap_or(path)
            .display()
            .to_string()
    };
    for path in &files {
        let text = fs::read_to_string(path).unwrap();
        started.extend(started_by_rust(&text).map(|name| (name, place(path))));
    }
    for script in SCRIPTS {
        let text = fs::read_to_string(root.join(script)).unwrap();
        started.extend(
            started_by_script(&text)
                .into_iter()
                .map(|name| (name, script.to_owned())),
        );
    }
    for sure in [
        "unshare",
        "valgrind",
        "tshark",
        "buildah",
        "debootstrap",
        "dpkg-deb",
        "flock",
        "s390x-linux-gnu-strip",
    ] {
        assert!(started.contains_key(sure), "{sure} is not found any more");
    }
    let unknown: Vec<_> = started
        .iter()
        .filter(|(name, _)| !listed.contains(name.as_str()))
        .filter(|(name, _)| !EVERYWHERE.contains(&name.as_str()) && !SHELL.contains(&name.as_str()))
        .collect();
    assert!(unknown.is_empty(), "./test does not look for {unknown:?}");
}

/// Without any of the programs, `./test` names all of them and the tests that fail.
#[test]
fn the_test_command_names_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let named = |path: &Path| {
        let output = Command::new("sh")
            .arg(repository().join("test"))
            .arg("--needs")
            .env("PATH", path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let stand_in = |name: &str| {
        let path = folder.path().join(name);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let real = std::env::var_os("PATH").unwrap();
    for name in ["dirname", "tr", "sh"] {
        let mut folders = std::env::split_paths(&real).map(|folder| folder.join(name));
        let there = folders.find(|path| path.is_file()).unwrap();
        std::os::unix::fs::symlink(there, folder.path().join(name)).unwrap();
    }
    let told = named(folder.path());
    for words in [
        "missing: chromium tshark",
        "unshare: fetch",
        " util-linux",
        "c++: builds/fuzz",
    ] {
        assert!(told.contains(words), "{told}");
    }
    // One of several programs is enough, and a package is named once.
    stand_in("google-chrome");
    stand_in("unshare");
    let told = named(folder.path());
    assert!(
        !told.contains("chromium") && !told.contains("unshare:"),
        "{told}"
    );
    assert_eq!(told.matches(" util-linux").count(), 1, "{told}");
    listed().iter().for_each(|name| stand_in(name));
    assert_eq!(named(folder.path()), "");
}
