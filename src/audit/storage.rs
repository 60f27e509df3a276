//! What the journal asks of a disk: six operations on flat files, so that a test can fail each one.
//!
//! Two promises matter. [`JournalStorage::sync`] makes the file's bytes *and its name* durable. And
//! bytes appended but not yet synced may, after a crash, be there, be cut anywhere, or be wrong;
//! the synced bytes before them are untouched.

use std::io;

/// A directory of append-only files. One writer at a time; any number of readers beside it.
pub trait JournalStorage {
    /// The names of all files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Up to `bytes_max` bytes of `name`, starting at `from`; fewer at the end of the file.
    fn read(&self, name: &str, from: u64, bytes_max: usize) -> io::Result<Vec<u8>>;

    /// Makes `name` an empty file, whether or not it existed.
    fn create(&mut self, name: &str) -> io::Result<()>;

    /// Adds `bytes` at the end of `name`. After an error any part of them may be there.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Cuts `name` to `len` bytes.
    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()>;

    /// Returns once bytes, length and name of `name` would survive a loss of power.
    fn sync(&mut self, name: &str) -> io::Result<()>;
}
