//! Files and directories that only we may read, and the few things done with them everywhere.
//!
//! In and out: paths and `io::Error`; callers add what they were doing. What is absent is no error
//! where that is what was wanted.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

const MODE_DIRECTORY: u32 = 0o700;
const MODE_FILE: u32 = 0o600;
/// The end of names of files that are being written.
pub(crate) const PARTIAL: &str = ".part";

/// Creates a directory and those above it.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(MODE_DIRECTORY).create(path)
}

/// Creates a file, or empties it.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(true).mode(MODE_FILE).open(path)
}

/// Writes a file so that it is there whole or not at all, also after a power cut. `partial` is a
/// place on the same disk that nobody else writes to: two may write the same file at once.
pub(crate) fn write_whole(path: &Path, partial: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(partial, path)
}

/// The name of a file while it is being written, beside the place that it is to have.
pub(crate) fn partial_of(path: &Path) -> PathBuf {
    let mut partial = path.as_os_str().to_owned();
    partial.push(PARTIAL);
    partial.into()
}

/// Waits until a file's bytes, or a directory's names, have reached the disk.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The names in a directory, in no order; none when it is absent.
pub(crate) fn names(path: &Path) -> io::Result<Vec<String>> {
    let listing = match fs::read_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing?,
    };
    let mut names = Vec::new();
    for entry in listing {
        // What we write has names that are text; anything else is not ours.
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

/// Removes a file.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_file(path))
}

/// Removes a directory and all in it.
pub(crate) fn remove_directory(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_dir_all(path))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
