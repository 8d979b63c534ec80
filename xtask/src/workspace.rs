//! Where the workspace is, where its binaries land, and which files it tracks.

use crate::command::{capture, cargo, command, run};
use crate::error::{Error, Result};
use std::path::PathBuf;

/// The folder of the top-level `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let own = own.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    own.parent().expect("xtask lies in a folder of the workspace").to_path_buf()
}

/// `cargo metadata` of the workspace members alone.
pub(crate) fn metadata() -> Result<serde_json::Value> {
    let text = capture(&mut cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
    serde_json::from_str(&text)
        .map_err(|problem| Error::Unexpected(format!("`cargo metadata` answered no JSON: {problem}")))
}

/// Builds the release binary `name` of `package` and returns its path.
pub(crate) fn build(package: &str, name: &str) -> Result<PathBuf> {
    run(&mut cargo(&["build", "--release", "--quiet", "--package", package, "--bin", name]))?;
    Ok(target()?.join("release").join(name))
}

/// The folder of everything that is built.
pub(crate) fn target() -> Result<PathBuf> {
    let metadata = metadata()?;
    let target = metadata["target_directory"].as_str();
    target
        .map(PathBuf::from)
        .ok_or_else(|| Error::Unexpected("`cargo metadata` names no target directory".into()))
}

/// Files of the working tree that git tracks or would track.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let mut listing = command(&["git", "ls-files", "--cached", "--others", "--exclude-standard"]);
    let text = capture(listing.current_dir(root()))?;
    Ok(text.lines().map(PathBuf::from).filter(|path| root().join(path).is_file()).collect())
}
