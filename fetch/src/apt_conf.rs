//! This machine's apt configuration (source: apt.conf(5)): its proxy, and whether it checks dates. It is read
//! as files, without apt.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

const FILES: &str = "/etc/apt/apt.conf.d";
const LAST: &str = "/etc/apt/apt.conf";

/// Settings by name, in lower case.
#[derive(Default)]
pub(crate) struct AptConf(BTreeMap<String, String>);

impl AptConf {
    /// Reads the machine's files. Skips missing and unreadable ones.
    pub(crate) fn of_machine() -> Self {
        let mut conf = Self::default();
        for file in files_of(FILES).into_iter().chain([LAST.into()]) {
            conf.read(&fs::read_to_string(file).unwrap_or_default());
        }
        conf
    }

    /// The value of `name`, for example `Acquire::http::Proxy`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// Whether `name` is switched off.
    pub(crate) fn is_off(&self, name: &str) -> bool {
        let off = ["false", "no", "off", "0", "without", "disable"];
        self.get(name)
            .is_some_and(|value| off.contains(&value.to_ascii_lowercase().as_str()))
    }

    fn read(&mut self, text: &str) {
        let (mut scopes, mut words): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for token in tokens(text) {
            match token.as_str() {
                "{" => scopes.push(words.drain(..).next().unwrap_or_default()),
                "}" => drop(scopes.pop()),
                ";" => {
                    if let [name, value] = words.as_slice() {
                        let mut path = scopes.clone();
                        path.push(name.clone());
                        let value = value.trim_matches('"').to_owned();
                        self.0.insert(path.join("::").to_ascii_lowercase(), value);
                    }
                    words.clear();
                }
                _ => words.push(token),
            }
        }
    }
}

/// The files of a folder in apt's order. A missing or unreadable folder has none.
pub(crate) fn files_of(folder: &str) -> Vec<PathBuf> {
    let items = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = items.filter_map(|item| Some(item.ok()?.path())).collect();
    files.sort();
    files
}

/// Words, strings with their quotes, braces and semicolons, without comments.
fn tokens(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = if first == '"' {
            rest.char_indices()
                .skip(1)
                .find(|(_, c)| *c == '"')
                .map(|(at, _)| at + 1)
        } else if rest.starts_with("//") || first == '#' {
            let end = rest.find('\n').unwrap_or(rest.len());
            rest = rest.get(end..).unwrap_or_default();
            continue;
        } else if rest.starts_with("/*") {
            let end = rest.find("*/").map_or(rest.len(), |at| at + 2);
            rest = rest.get(end..).unwrap_or_default();
            continue;
        } else if "{};".contains(first) || first.is_whitespace() {
            Some(first.len_utf8())
        } else {
            rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c))
        };
        let (token, after) = rest.split_at(end.unwrap_or(rest.len()));
        if !token.trim().is_empty() {
            found.push(token.to_owned());
        }
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_and_nested_settings_are_read_and_comments_are_not() {
        let mut conf = AptConf::default();
        conf.read(
            "// Acquire::http::Proxy \"no\";\n# x { y \"z\"; };\n\
             Acquire { http { Proxy \"http://p.example:3142/\"; }; Retries \"3\"; };\n\
             /* Acquire::Check-Date \"true\"; */ Acquire::Check-Valid-Until \"false\";\n\
             APT::NeverAutoRemove { \"^a$\"; \"b\"; };\n#clear X::Y;\ntorn \"",
        );
        assert_eq!(
            conf.get("acquire::HTTP::proxy"),
            Some("http://p.example:3142/")
        );
        assert_eq!(conf.get("Acquire::Retries"), Some("3"));
        assert!(conf.is_off("Acquire::Check-Valid-Until"));
        assert!(!conf.is_off("Acquire::Check-Date"));
        assert_eq!(conf.0.len(), 3);
    }
}
