//! Durability on a real file system: the state directory, the fact log in sled, the journal's
//! files.

mod facts;
mod files;
mod told;
