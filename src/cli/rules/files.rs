//! Rule files on disk, as the daemon finds them: a directory's `*.dl` files, or one file.

use std::path::Path;
use std::path::PathBuf;

use crate::cli::rules::RulesError;
use crate::daemon::rule_files;
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
    Ok(rule_files::paths(path)?)
}

/// The text of one file.
pub(super) fn read(path: &Path) -> Result<String, RulesError> {
    Ok(rule_files::text(path)?)
}
