//! Rules about the text of tracked files.
//!
//! The core stays without I/O; nothing is left unfinished; no file grows past review; no path
//! of somebody's machine is committed.

use crate::error::{Error, Result};
use crate::workspace::{files, root};
use std::path::Path;

/// Lines after which a source file has a second idea in it for sure.
const LINES_MAX: usize = 600;
/// Endings of files written by hand, to which that limit applies.
const SOURCES: [&str; 5] = ["rs", "v", "lua", "sh", "py"];
/// The agent's core, which receives time and bytes and returns actions.
const CORE: &str = "host-agent/core/src/";
/// What the core never names, and why.
const CORE_NEVER: [(&str, &str); 7] = [
    ("std::net", "sockets belong to the daemon"),
    ("std::time", "time is an argument"),
    ("std::thread", "threads belong to the daemon"),
    ("std::fs", "files belong to the daemon"),
    ("std::collections::HashMap", "results must not depend on hash order"),
    ("std::collections::HashSet", "results must not depend on hash order"),
    ("rand", "randomness is an argument"),
];
/// Marks of unfinished work, joined here so that this file does not contain them.
const UNFINISHED: [&str; 4] =
    [concat!("todo", "!("), concat!("unimpl", "emented!("), concat!("FIX", "ME"), concat!("TO", "DO")];
/// Folders that exist only on a developer's machine.
const HOMES: [&str; 3] = [concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/ro", "ot/")];

/// Every violation in the tracked files.
pub(super) fn check() -> Result<Vec<String>> {
    let checkout = root().display().to_string();
    let mut violations = Vec::new();
    for file in files()? {
        let bytes = std::fs::read(root().join(&file)).map_err(Error::system(file.display().to_string()))?;
        // Corpora and captures are not text.
        let Ok(text) = String::from_utf8(bytes) else { continue };
        violations.extend(check_file(&file, &text, &checkout));
    }
    Ok(violations)
}

fn check_file(file: &Path, text: &str, checkout: &str) -> Vec<String> {
    let name = file.display();
    let mut violations = Vec::new();
    let is_source = file.extension().is_some_and(|end| SOURCES.iter().any(|source| end == *source));
    let lines_count = text.lines().count();
    if is_source && lines_count > LINES_MAX {
        violations.push(format!("{name}: {lines_count} lines, more than {LINES_MAX}"));
    }
    let is_core = file.starts_with(CORE);
    for (index, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", index + 1);
        if is_source {
            let marks = UNFINISHED.iter().filter(|mark| line.contains(**mark));
            violations.extend(marks.map(|mark| format!("{place}: unfinished, `{mark}`")));
        }
        // A checkout directly under the root has too short a path to tell it from text.
        let own = checkout.matches('/').count() > 1 && line.contains(checkout);
        if own || HOMES.iter().any(|home| line.contains(home)) {
            violations.push(format!("{place}: a path of a developer's machine"));
        }
    }
    if is_core {
        for (path, reason) in CORE_NEVER {
            if names(text, path) {
                violations.push(format!("{name}: the core names `{path}`: {reason}"));
            }
        }
    }
    violations
}

/// Whether the code (not its comments) names `path`, written out or through a braced import.
fn names(text: &str, path: &str) -> bool {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .flat_map(|line| [line, " "])
        .collect();
    let tight: String = code.split_whitespace().collect::<Vec<_>>().join(" ").replace(":: ", "::");
    if contains_word(&tight, path) {
        return true;
    }
    let Some((parent, child)) = path.rsplit_once("::") else { return false };
    let opening = format!("{parent}::{{");
    tight.match_indices(&opening).any(|(at, _)| {
        let group = braced(&tight[at + opening.len() - 1..]);
        contains_word(group, child)
    })
}

/// The text of a group from its opening brace to the matching one.
fn braced(text: &str) -> &str {
    let mut depth = 0usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
    }
    text
}

/// Whether `word` stands in `text` with nothing of a name on either side.
fn contains_word(text: &str, word: &str) -> bool {
    let of_a_name = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(of_a_name);
        let after = text[at + word.len()..].chars().next().is_some_and(of_a_name);
        !before && !after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> usize {
        check_file(Path::new(file), text, "/a/checkout").len()
    }

    #[test]
    fn the_core_names_no_clock_socket_or_hash_order() {
        let core = "host-agent/core/src/session.rs";
        assert_eq!(found(core, "use std::time::Duration;"), 1);
        assert_eq!(found(core, "use std::{fmt, net::IpAddr};"), 1);
        assert_eq!(found(core, "use std::collections::{\n    BTreeMap,\n    HashMap,\n};"), 1);
        assert_eq!(found(core, "let seed = rand::random();"), 1);
        assert_eq!(
            found(core, "use std::collections::BTreeMap; // never std::time\nlet operand = brand;"),
            0
        );
        assert_eq!(found("host-agent/daemon/src/clock.rs", "use std::time::Instant;"), 0);
    }

    #[test]
    fn unfinished_work_long_files_and_private_paths_are_found() {
        assert_eq!(found("sim/src/x.rs", concat!("fn f() { to", "do!() }")), 1);
        assert_eq!(found("sim/src/x.rs", concat!("// FIX", "ME later")), 1);
        assert_eq!(found("sim/src/x.rs", &"\n".repeat(LINES_MAX)), 0);
        assert_eq!(found("sim/src/x.rs", &"\n".repeat(LINES_MAX + 1)), 1);
        assert_eq!(found("docs/frames.md", &"\n".repeat(LINES_MAX + 1)), 0);
        assert_eq!(found("README.md", concat!("see /ho", "me/someone/trine")), 1);
        assert_eq!(found("README.md", "see /a/checkout/docs"), 1);
    }
}
