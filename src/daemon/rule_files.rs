//! The user's rule files: read, checked, watched.
//!
//! In: directories (`--rules`). Out: a checked program, or every mistake in it. A change is taken
//! up once it has settled; whoever edits a file saves it in several steps.
//!
//! Not here: putting a program in force (`step.rs`).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use miette::Diagnostic;
use notify::RecommendedWatcher;
use notify::RecursiveMode;
use notify::Watcher as _;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::daemon::step::Message;
use crate::datalog::CheckError;
use crate::datalog::Program;
use crate::datalog::RuleFile;
use crate::rules;

/// How long a directory has to be quiet before it is read again.
const SETTLED: Duration = Duration::from_millis(200);
/// What rule files end in.
const EXTENSION: &str = "dl";

/// Why rule files are not in force.
#[derive(Debug, Error, Diagnostic)]
pub enum RuleFilesError {
    /// A file or directory could not be read.
    #[error("cannot read {}", path.display())]
    #[diagnostic(code(rules::read), help("name a directory that holds *.dl files"))]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// They do not check.
    #[error("the rules have {}", mistakes(errors))]
    #[diagnostic(code(rules::check), help("`hence rules check DIR` shows each of them"))]
    Mistakes {
        /// Each mistake, and warnings about the user's files among them.
        #[related]
        errors: Vec<CheckError>,
    },
}

fn mistakes(errors: &[CheckError]) -> String {
    match errors.iter().filter(|error| !error.is_warning()).count() {
        1 => "a mistake".to_owned(),
        count => format!("{count} mistakes"),
    }
}

/// A set of rules that can be in force.
#[derive(Clone)]
pub struct RuleSet {
    /// What is in force.
    pub program: Program,
    /// The user's files of it.
    pub user: Vec<RuleFile>,
}

/// The rule files at `path`, in name order: the file itself, or those of a directory.
///
/// # Errors
/// The directory cannot be read.
pub fn paths(path: &Path) -> Result<Vec<PathBuf>, RuleFilesError> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut paths: Vec<PathBuf> = fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect())
        .map_err(failed(path))?;
    // ConfigMaps are mounted with folders and links whose names begin with dots.
    paths.retain(|path| path.extension().is_some_and(|e| e == EXTENSION) && !is_hidden(path));
    paths.sort();
    Ok(paths)
}

/// The text of one rule file.
///
/// # Errors
/// It cannot be read.
pub fn text(path: &Path) -> Result<String, RuleFilesError> {
    fs::read_to_string(path).map_err(failed(path))
}

/// Reads the rule files of the directories, in name order within each. A copy of a shipped file
/// says nothing new and is passed over.
///
/// # Errors
/// A directory or file cannot be read.
pub fn read(directories: &[PathBuf]) -> Result<Vec<RuleFile>, RuleFilesError> {
    let mut files = Vec::new();
    for directory in directories {
        for path in paths(directory)? {
            files.push(rules::user_file(&path.display().to_string(), &text(&path)?));
        }
    }
    files.retain(|file| !rules::is_built_in(&file.text));
    Ok(files)
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> RuleFilesError {
    let path = path.to_owned();
    move |source| RuleFilesError::Read { path, source }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Reads the directories and checks what they hold together with the shipped rules.
///
/// # Errors
/// Something cannot be read, or does not check.
pub fn load(directories: &[PathBuf]) -> Result<RuleSet, RuleFilesError> {
    let user = read(directories)?;
    let program = rules::load(user.clone()).map_err(mistaken)?;
    Ok(RuleSet { program, user })
}

/// What is told of these findings: warnings about shipped rules are not the user's to mend.
fn mistaken(mut errors: Vec<CheckError>) -> RuleFilesError {
    let shipped: BTreeSet<String> =
        rules::built_in_files().into_iter().map(|file| file.name).collect();
    errors.retain(|error| {
        let places = error.places();
        !error.is_warning() || places.iter().any(|place| !shipped.contains(&*place.file))
    });
    RuleFilesError::Mistakes { errors }
}

/// Watches the directories as long as `inbox` is heard: each settled change is read, checked and
/// sent, good or bad.
///
/// # Errors
/// The system does not let a directory be watched.
pub(super) fn watch(
    directories: Vec<PathBuf>,
    inbox: mpsc::Sender<Message>,
) -> Result<(), RuleFilesError> {
    if directories.is_empty() {
        return Ok(());
    }
    let (changed, changes) = mpsc::unbounded_channel();
    let mut watcher: RecommendedWatcher =
        notify::recommended_watcher(move |event: Result<notify::Event, notify::Error>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                changed.send(()).ok();
            }
        })
        .map_err(|error| unwatched(&directories[0], error))?;
    for directory in &directories {
        let watched = watcher.watch(directory, RecursiveMode::NonRecursive);
        watched.map_err(|error| unwatched(directory, error))?;
    }
    tokio::spawn(follow(directories, changes, inbox, watcher));
    Ok(())
}

fn unwatched(directory: &Path, error: notify::Error) -> RuleFilesError {
    let source = std::io::Error::other(error);
    RuleFilesError::Read { path: directory.to_owned(), source }
}

/// `_watcher` lives as long as its changes are followed.
async fn follow(
    directories: Vec<PathBuf>,
    mut changes: mpsc::UnboundedReceiver<()>,
    inbox: mpsc::Sender<Message>,
    _watcher: RecommendedWatcher,
) {
    while changes.recv().await.is_some() {
        while let Ok(Some(())) = tokio::time::timeout(SETTLED, changes.recv()).await {}
        let directories = directories.clone();
        let Ok(loaded) = tokio::task::spawn_blocking(move || load(&directories)).await else {
            continue;
        };
        if inbox.send(Message::Rules(Box::new(loaded))).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_about_the_users_files() {
        let dir = std::env::temp_dir().join(format!("hence-mistakes-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("it is ours");
        let text = "[mine/freeze] freeze(U, \"always\") :- unti(U, _).\n";
        fs::write(dir.join("mine.dl"), text).expect("it is ours");
        let refused = load(std::slice::from_ref(&dir)).err().expect("it has a mistake");
        fs::remove_dir_all(&dir).ok();
        let RuleFilesError::Mistakes { errors } = refused else { panic!("{refused}") };
        assert!(errors.iter().any(|error| !error.is_warning()));
        let of_user =
            |error: &CheckError| error.places().iter().any(|place| place.file.ends_with("mine.dl"));
        assert!(errors.iter().all(of_user), "{errors:?}");
    }

    #[test]
    fn copies_of_shipped_files_are_passed_over() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        assert!(!paths(&shipped).expect("they are there").is_empty());
        assert_eq!(load(&[shipped]).expect("they check").user.len(), 0);
    }
}
