//! Finished libraries by the hash of what they were made from.
//!
//! Enters: everything that decides the result. Leaves: a folder that holds it. Of several processes that
//! want the same, one builds while the others wait for its lock; a folder appears under its final name
//! by one rename, so nobody ever sees half of it. At most [`KEPT_MAX`] stay, the longest unused go first.

use crate::error::{Error, Result};
use rustix::fs::{flock, FlockOperation};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folders that stay.
const KEPT_MAX: usize = 256;

/// The folder of everything that is built here: inside the target directory of the running program.
pub fn folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.unwrap_or(Path::new("target")).join("verilated")
}

/// The hash of several texts, as a file name.
pub(crate) fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length keeps two texts from running into one another.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The folder `name`, made by `build` in an empty folder if it is not there yet.
pub(crate) fn get(name: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let root = folder();
    let finished = root.join(name);
    if finished.is_dir() {
        touch(&finished);
        return Ok(finished);
    }
    let during = |what: &str, path: &Path| Error::system(format!("{what} {}", path.display()));
    fs::create_dir_all(&root).map_err(during("making", &root))?;
    let lock_path = root.join(format!("{name}.lock"));
    let lock = fs::File::create(&lock_path).map_err(during("making", &lock_path))?;
    flock(&lock, FlockOperation::LockExclusive)
        .map_err(|errno| during("locking", &lock_path)(errno.into()))?;
    if finished.is_dir() {
        return Ok(finished);
    }
    // Left by a process that died; the lock says that nobody works in it.
    let partial = root.join(format!("{name}.partial"));
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir_all(&partial).map_err(during("making", &partial))?;
    build(&partial)?;
    fs::rename(&partial, &finished).map_err(during("naming", &finished))?;
    drop_unused(&root);
    Ok(finished)
}

/// Marks as used now.
fn touch(folder: &Path) {
    // Without it the folder only goes earlier than it should.
    let _ = fs::File::open(folder).and_then(|file| file.set_modified(SystemTime::now()));
}

/// Removes what was not used for longest. Another process may do the same: what is gone is gone.
fn drop_unused(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    let mut folders: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .filter(|entry| is_key(&entry.file_name().to_string_lossy()))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    folders.sort();
    for (_, folder) in folders.iter().rev().skip(KEPT_MAX) {
        let _ = fs::remove_dir_all(folder);
        let _ = fs::remove_file(folder.with_extension("lock"));
    }
}

fn is_key(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_key_depends_on_every_border() {
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
        assert!(is_key(&key(&[])));
    }

    #[test]
    fn many_who_want_the_same_build_it_once() {
        let name = key(&["many who want the same", &std::process::id().to_string()]);
        let builds = AtomicU32::new(0);
        let want = || {
            let made = get(&name, |folder| {
                builds.fetch_add(1, Ordering::Relaxed);
                fs::write(folder.join("file"), "whole").map_err(Error::system("writing"))
            });
            fs::read_to_string(made.expect("made").join("file")).expect("there")
        };
        let texts: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(want)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(texts, ["whole"; 4]);
        assert_eq!(builds.into_inner(), 1);
        fs::remove_dir_all(folder().join(name)).expect("removed");
    }

    #[test]
    fn a_failed_build_leaves_nothing_under_the_name() {
        let name = key(&["a failed build", &std::process::id().to_string()]);
        assert!(get(&name, |_| Err(Error::Found("no".into()))).is_err());
        assert!(!folder().join(&name).exists());
        get(&name, |_| Ok(())).expect("a second try");
        fs::remove_dir_all(folder().join(name)).expect("removed");
    }
}
