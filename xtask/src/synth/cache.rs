//! Figures that are known already, by what they were made from.

use super::figures::Figures;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of small files, one for each text that was measured.
pub(super) struct Cache {
    folder: PathBuf,
    /// Versions and options, which decide the figures as much as the text.
    recipe: String,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    top: String,
    figures: Figures,
}

impl Cache {
    pub(super) fn new(folder: PathBuf, recipe: String) -> Result<Cache> {
        fs::create_dir_all(&folder).map_err(Error::system(folder.display().to_string()))?;
        Ok(Cache { folder, recipe })
    }

    /// What is known; a file that cannot be read is as good as none.
    pub(super) fn get(&self, top: &str, text: &str) -> Option<Figures> {
        let found = fs::read_to_string(self.file(top, text)).ok()?;
        serde_json::from_str::<Entry>(&found).ok().map(|entry| entry.figures)
    }

    pub(super) fn put(&self, top: &str, text: &str, figures: &Figures) -> Result<()> {
        let file = self.file(top, text);
        let entry = Entry { top: top.to_owned(), figures: figures.clone() };
        let json = serde_json::to_string(&entry).expect("figures are JSON");
        // Under its name once it is whole: an interrupted run leaves no half of a file.
        let partial = file.with_extension("partial");
        write(&partial, &json)?;
        fs::rename(&partial, &file).map_err(Error::system(file.display().to_string()))
    }

    fn file(&self, top: &str, text: &str) -> PathBuf {
        let mut hash = Sha256::new();
        for part in [self.recipe.as_str(), top, text] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let key: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("{top}-{key}.json"))
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).map_err(Error::system(file.display().to_string()))
}
