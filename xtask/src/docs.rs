//! Generated reference pages: written from the declarations they describe, checked for
//! freshness by `tidy`.

use crate::error::{Error, Result};
use crate::workspace::root;

/// A page and the function that writes its text.
type Page = (&'static str, fn() -> String);

/// Every generated page, by its path in the workspace.
const PAGES: &[Page] =
    &[("docs/formats.md", formats_page), (crate::synth::PAGE, crate::synth::rewritten_page)];

fn formats_page() -> String {
    let mut page = String::new();
    formats::reference::write_page(&mut page).expect("a string takes all text");
    page
}

/// Writes all pages, or only compares them.
pub(crate) fn run(check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for (path, text) in PAGES {
        let file = root().join(path);
        let text = text();
        if std::fs::read_to_string(&file).is_ok_and(|found| found == text) {
            continue;
        }
        if check {
            stale.push(*path);
        } else {
            std::fs::write(&file, text).map_err(Error::system(*path))?;
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(Error::NotMet(format!("stale, run `cargo xtask docs`: {}", stale.join(", "))))
}
