//! Rule files on disk: the `*.dl` files of a directory, in order of name, or one file.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::cli::rules::RulesError;
use crate::rules::NamedText;

/// The rule files at `path`.
pub(super) fn texts(path: &Path) -> Result<Vec<NamedText>, RulesError> {
    let named = |path: &PathBuf| {
        let text = read(path)?;
        Ok(NamedText { name: path.display().to_string(), text })
    };
    paths(path)?.iter().map(named).collect()
}

/// Where the rule files at `path` are.
pub(super) fn paths(path: &Path) -> Result<Vec<PathBuf>, RulesError> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut paths: Vec<PathBuf> = fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect())
        .map_err(failed(path))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "dl"));
    paths.sort();
    Ok(paths)
}

/// The text of one file.
pub(super) fn read(path: &Path) -> Result<String, RulesError> {
    fs::read_to_string(path).map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> RulesError {
    let path = path.to_owned();
    move |source| RulesError::Read { path, source }
}
