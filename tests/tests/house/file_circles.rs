//! Checks that the files of a crate do not depend on each other in a circle.
//!
//! A file depends on each file that a path in it names: a path from `crate`, `super` or `self`, or from a
//! module that the file declares. The longest part of the path that is a file counts. A file also depends on
//! the files that it re-exports, so a file that uses the crate's own re-export depends on the whole crate.
//! `mod` items are no dependency, and test modules are ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::dependencies::{is_ours, metadata, packages, text};

type Module = Vec<String>;
/// The modules that each module depends on.
type Graph = BTreeMap<Module, BTreeSet<Module>>;

/// Reads every source file of a crate, by module path.
fn sources(folder: &Path) -> BTreeMap<Module, String> {
    let mut sources = BTreeMap::new();
    let mut open = vec![(folder.to_owned(), Module::new())];
    while let Some((folder, path)) = open.pop() {
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries.map(|entry| entry.unwrap().path()) {
            let name = entry.file_stem().unwrap().to_str().unwrap().to_owned();
            let below = |name: String| [&path[..], &[name]].concat();
            if entry.is_dir() {
                open.push((entry, below(name)));
                continue;
            }
            if entry.extension().is_none_or(|kind| kind != "rs") {
                continue;
            }
            let module = match name.as_str() {
                "lib" | "main" | "mod" => path.clone(),
                _ => below(name),
            };
            let text = std::fs::read_to_string(&entry).unwrap();
            // A crate that is both library and program has two roots.
            sources
                .entry(module)
                .or_insert_with(String::new)
                .push_str(&text);
        }
    }
    sources
}

/// Returns the words, `::`, braces and commas of a text, without comments and literals.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(len) = literal(rest) {
            len
        } else if first.is_alphanumeric() || first == '_' {
            let word = |c: char| !(c.is_alphanumeric() || c == '_');
            let len = rest.find(word).unwrap_or(rest.len());
            tokens.push(rest[..len].to_owned());
            len
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[len..];
    }
    tokens
}

/// Returns the length of the string or character at the start of a text, if there is one.
fn literal(text: &str) -> Option<usize> {
    let raw = text.strip_prefix('b').unwrap_or(text);
    if let Some(after) = raw.strip_prefix('r') {
        let hashes = after.bytes().take_while(|b| *b == b'#').count();
        if after[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = text.len() - after.len() + hashes + 1;
            return Some(
                text[start..]
                    .find(&end)
                    .map_or(text.len(), |at| start + at + end.len()),
            );
        }
        return None;
    }
    let quote = raw.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let start = text.len() - raw.len() + 1;
    let mut escaped = false;
    for (at, c) in text[start..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(start + at + 1),
            // This is a lifetime, not a character.
            _ if quote == '\'' && at > 0 && !text[start..].starts_with('\\') => return None,
            _ => {}
        }
    }
    None
}

/// Returns every path of two words or more in the tokens, with lists in braces expanded.
fn paths(tokens: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts = tokens.get(at + 1).is_some_and(|next| next == "::");
        if starts && (at == 0 || tokens[at - 1] != "::") {
            at = read_path(tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads a path that starts at a position. Returns the position after it.
fn read_path(
    tokens: &[String],
    mut at: usize,
    before: &[String],
    found: &mut Vec<Vec<String>>,
) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = match tokens[at].as_str() {
                        "," => at + 1,
                        _ => read_path(tokens, at, &path, found),
                    };
                }
                return at + 1;
            }
            Some(word) => {
                path.push(word.to_owned());
                at += 1;
            }
            None => break,
        }
        if tokens.get(at).is_none_or(|next| next != "::") {
            break;
        }
        at += 1;
    }
    if tokens.get(at).is_some_and(|next| next == "as") {
        at += 2;
    }
    found.push(path);
    at
}

/// Returns the module of the file to which a path in `module` leads; `module` itself for any other path.
fn resolve(path: &[String], module: &Module, modules: &BTreeSet<&Module>) -> Module {
    let mut at = module.clone();
    let mut words = path.iter().peekable();
    if words.next_if(|word| *word == "crate").is_some() {
        at.clear();
    }
    while let Some(word) = words.next_if(|word| matches!(word.as_str(), "super" | "self")) {
        if word == "super" {
            at.pop();
        }
    }
    for word in words {
        at.push(word.clone());
        if !modules.contains(&at) {
            at.pop();
            break;
        }
    }
    at
}

fn graph(sources: &BTreeMap<Module, String>) -> Graph {
    let modules: BTreeSet<&Module> = sources.keys().collect();
    let edges = |(module, text): (&Module, &String)| {
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
        let targets = paths(&tokens(text))
            .iter()
            .map(|path| resolve(path, module, &modules))
            .filter(|target| target != module)
            .collect();
        (module.clone(), targets)
    };
    sources.iter().map(edges).collect()
}

/// Returns the files that remain if files without dependencies are removed repeatedly: the circles, and the
/// files that depend on them.
fn circle(graph: &Graph) -> Vec<String> {
    let mut open = graph.clone();
    loop {
        let free: BTreeSet<Module> = open
            .iter()
            .filter(|(_, targets)| !targets.iter().any(|target| open.contains_key(target)))
            .map(|(module, _)| module.clone())
            .collect();
        // Nothing depends on these any more, so they are on no circle.
        let used: BTreeSet<Module> = open.values().flatten().cloned().collect();
        let before = open.len();
        open.retain(|module, _| !free.contains(module) && used.contains(module));
        if open.len() == before {
            break;
        }
    }
    let name = |module: &Module| match module.is_empty() {
        true => "crate".to_owned(),
        false => module.join("::"),
    };
    let lines = open.iter().map(|(module, targets)| {
        let inside = targets.iter().filter(|target| open.contains_key(*target));
        let inside: Vec<_> = inside.map(name).collect();
        format!("{} -> {}", name(module), inside.join(", "))
    });
    lines.collect()
}

#[test]
fn files_depend_on_each_other_without_a_circle() {
    let metadata = metadata();
    let ours = packages(&metadata).into_iter().filter(|one| is_ours(one));
    let mut seen = 0;
    for package in ours {
        seen += 1;
        let each = text(package, "name");
        let manifest = Path::new(text(package, "manifest_path"));
        let sources = sources(&manifest.with_file_name("src"));
        assert!(
            sources.len() > 2,
            "{each}: only {} files seen",
            sources.len()
        );
        let graph = graph(&sources);
        let edges: usize = graph.values().map(BTreeSet::len).sum();
        assert!(
            edges > sources.len() / 2,
            "{each}: only {edges} dependencies seen"
        );
        let circle = circle(&graph);
        assert!(
            circle.is_empty(),
            "{each}: files in a circle:\n{}",
            circle.join("\n")
        );
    }
    assert!(seen > 10, "only {seen} crates seen");
}

#[test]
fn a_circle_is_seen_however_its_paths_are_written() {
    let sources = |b: &str| {
        let files = [
            ("", "pub mod a; mod b; pub use a::X;"),
            (
                "a",
                "use crate::b::{self, c::{Y as Z, W}};\n#[cfg(test)]\nmod tests { use crate::b; }",
            ),
            ("b", b),
            ("b::c", "use super::super::d::D; // crate::a"),
            (
                "d",
                "const TEXT: &str = \"crate::a\"; fn f<'a>(c: char) -> bool { c == '\"' }",
            ),
        ];
        let module = |path: &str| {
            path.split("::")
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect::<Module>()
        };
        let files = files.map(|(path, text)| (module(path), text.to_owned()));
        circle(&graph(&BTreeMap::from(files)))
    };
    assert_eq!(sources("mod c;"), [""; 0]);
    assert_eq!(sources("use crate::a::X;"), ["a -> b", "b -> a"]);
    assert_eq!(sources("fn f() { super::a::g() }"), ["a -> b", "b -> a"]);
    assert_eq!(sources("use crate::{a, d};"), ["a -> b", "b -> a"]);
    assert_eq!(
        sources("// use crate::a;\nfn f() -> &'static str { r#\"crate::a\"# }"),
        [""; 0]
    );
}
