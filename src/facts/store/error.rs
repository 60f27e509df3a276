//! What can go wrong with the fact log: errors stop a call, losses are told after opening.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::facts::store::STATE_VERSION;

/// Why a call on the fact log failed. Codes are public.
#[derive(Debug, Error, Diagnostic)]
pub enum StoreError {
    /// The disk said no.
    #[error("cannot {doing} {}", path.display())]
    #[diagnostic(
        code(facts::io),
        help("nothing acknowledged is lost; free space or mend the disk, then start again")
    )]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process uses the state directory.
    #[error("the state directory {} is used by another process", dir.display())]
    #[diagnostic(
        code(facts::locked),
        help(
            "stop the other daemon, or give this one its own --state; to look inside, ask the \
              running daemon or read its journal"
        )
    )]
    Locked {
        /// The state directory.
        dir: PathBuf,
    },
    /// There is nothing that a daemon left.
    #[error("{} is no state directory: {why}", dir.display())]
    #[diagnostic(
        code(facts::no_state),
        help("name the directory of the daemon: `--state DIR` or HENCE_STATE, as for `hence run`")
    )]
    NoState {
        /// The directory as it was named.
        dir: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The state directory was written by another version of this program.
    #[error("state directory {} is of version `{found}`, not `{STATE_VERSION}`", dir.display())]
    #[diagnostic(
        code(facts::state_version),
        help(
            "use the version of hence that wrote it, or move the directory away: what is in it is \
              observed again, but keep its journal"
        )
    )]
    Version {
        /// The state directory.
        dir: PathBuf,
        /// What its version file says; `none` when there is no such file beside other state.
        found: String,
    },
    /// A write or sync failed earlier, so nobody can tell what the disk holds.
    #[error("the fact log is halted: {reason}")]
    #[diagnostic(code(facts::halted), help("start again: opening finds out what the disk holds"))]
    Halted {
        /// The failure that halted it.
        reason: String,
    },
    /// Writing failed. The store is halted.
    #[error("cannot write the fact log: {reason}")]
    #[diagnostic(
        code(facts::write),
        help("nothing acknowledged is lost; free space or mend the disk, then start again")
    )]
    Write {
        /// What the storage engine said.
        reason: String,
    },
    /// The stored bytes contradict themselves. [`crate::facts::store::open`] moves them aside
    /// instead.
    #[error("the fact log is damaged: {reason}")]
    #[diagnostic(code(facts::damaged), help("move the directory away: facts are observed again"))]
    Damaged {
        /// What was found.
        reason: String,
    },
}

/// What opening lost or put right. The facts that are there are whole all the same: everything up
/// to one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub enum Loss {
    /// Deltas at the end were cut by a crash. If no good one stands behind them, none of them was
    /// acknowledged.
    #[error("{records} records of the fact log behind transaction {last} were unusable")]
    #[diagnostic(
        code(facts::cut),
        severity(Warning),
        help("nothing to do after a crash: the facts are observed again")
    )]
    Cut {
        /// The last transaction that is there.
        last: u64,
        /// Records behind it, which were dropped.
        records: u64,
    },
    /// The storage engine's own index was damaged and built again from its log.
    #[error("the index of the fact log was damaged and is rebuilt: {reason}")]
    #[diagnostic(code(facts::index_rebuilt), severity(Warning), help("nothing to do"))]
    IndexRebuilt {
        /// What the first attempt to open said.
        reason: String,
    },
    /// Everything was unusable.
    #[error("the fact log was damaged and is moved to {}: {reason}", to.display())]
    #[diagnostic(
        code(facts::moved_aside),
        help(
            "facts are observed again; nothing is pruned before that is complete. The journal is \
              untouched"
        )
    )]
    MovedAside {
        /// Where the old files are now.
        to: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The journal knows of facts that are not there.
    #[error("the fact log ends at generation {found}; actions were taken on generation {expected}")]
    #[diagnostic(
        code(facts::behind),
        help("the state directory was rolled back or its end was lost; facts are observed again")
    )]
    Behind {
        /// The generation that the log ends at.
        found: u64,
        /// The highest generation that an intent names.
        expected: u64,
    },
}
