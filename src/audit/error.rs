//! What can go wrong with the journal: errors stop a call, problems describe damage that was found.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::audit::ProofId;
use crate::audit::RECORD_BYTES_MAX;
use crate::audit::frame::SEGMENT_VERSION;
use crate::model::Digest;

/// Why a call on the journal failed. Codes are public.
#[derive(Debug, Error, Diagnostic)]
pub enum AuditError {
    /// The disk said no.
    #[error("cannot {doing} `{name}` of the journal")]
    #[diagnostic(
        code(audit::io),
        help("nothing acknowledged is lost; free space or mend the disk, then try again")
    )]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file or directory.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process writes this journal.
    #[error("the journal in {} is written by another process", dir.display())]
    #[diagnostic(
        code(audit::locked),
        help("stop the other daemon, or give this one its own --state")
    )]
    Locked {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// There is no journal.
    #[error("there is no journal in {}", dir.display())]
    #[diagnostic(
        code(audit::no_journal),
        help(
            "name the directory of the daemon with `--state DIR` or HENCE_STATE; if this is it, \
              its journal was lost: `hence check --state DIR` compares it with the leases"
        )
    )]
    NoJournal {
        /// Where it should be.
        dir: PathBuf,
    },
    /// There is not one record: nothing speaks for or against anything.
    #[error("{} holds no record: there is nothing to verify", path.display())]
    #[diagnostic(
        code(audit::empty),
        help("a daemon writes records when it starts: is this its journal, or was that lost?")
    )]
    Empty {
        /// The journal's directory, or the exported file.
        path: PathBuf,
    },
    /// A segment was written by another version of this program.
    #[error(
        "journal segment `{segment}` is of version {found}; this program reads {SEGMENT_VERSION}"
    )]
    #[diagnostic(
        code(audit::version),
        help("use the version of hence that wrote it, or move the journal away and keep it")
    )]
    Version {
        /// The segment's file.
        segment: String,
        /// The version in its header.
        found: u16,
    },
    /// A sync failed earlier, so nobody can tell what the disk holds.
    #[error("the journal is halted: {reason}")]
    #[diagnostic(
        code(audit::halted),
        help("start again: opening the journal finds out what the disk holds")
    )]
    Halted {
        /// The failure that halted it.
        reason: String,
    },
    /// A record is too long.
    #[error(
        "a journal record of {bytes} bytes is longer than RECORD_BYTES_MAX ({RECORD_BYTES_MAX})"
    )]
    #[diagnostic(
        code(audit::too_large),
        help("cut the proof: a cut names where it can be expanded")
    )]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// A record cannot be written as JSON.
    #[error("a journal record cannot be encoded")]
    #[diagnostic(code(audit::encode), help("this is a bug in hence: please report it"))]
    Encode {
        /// What the encoder said.
        #[source]
        source: serde_json::Error,
    },
    /// A record cannot be read back as `audit.v1`.
    #[error("journal record {seq} is not `audit.v1`")]
    #[diagnostic(code(audit::decode), help("run `hence audit verify`; a newer hence may read it"))]
    Decode {
        /// The record's number.
        seq: u64,
        /// What the decoder said.
        #[source]
        source: serde_json::Error,
    },
    /// A record that the index knows is no longer there.
    #[error("journal record {seq} cannot be read back")]
    #[diagnostic(code(audit::unreadable), help("run `hence audit verify` to see what is damaged"))]
    Unreadable {
        /// The record's number.
        seq: u64,
    },
    /// An outcome names an intent that the journal does not hold.
    #[error("the journal holds no intent {intent}")]
    #[diagnostic(code(audit::no_intent), help("an outcome follows its intent in the same journal"))]
    NoIntent {
        /// The id.
        intent: ProofId,
    },
    /// An outcome for an intent that has one.
    #[error("intent {intent} has an outcome already")]
    #[diagnostic(code(audit::outcome_twice), help("an intent ends once; see `hence audit show`"))]
    OutcomeTwice {
        /// The id.
        intent: ProofId,
    },
    /// A text that is no proof id.
    #[error("`{text}` is not a proof id")]
    #[diagnostic(
        code(audit::bad_id),
        help("a proof id reads P- and at least four hexadecimal digits, such as P-7f3a")
    )]
    BadId {
        /// The text.
        text: String,
    },
    /// No record has an id that begins so.
    #[error("the journal holds no record {text}")]
    #[diagnostic(
        code(audit::unknown_id),
        help("`hence audit list` names the ids; the state directory may be another one's")
    )]
    UnknownId {
        /// The text asked for.
        text: String,
    },
    /// Several records have an id that begins so.
    #[error("{text} may be any of {}", candidates.join(", "))]
    #[diagnostic(code(audit::ambiguous_id), help("give more digits"))]
    AmbiguousId {
        /// The text asked for.
        text: String,
        /// The first few that fit, long enough to tell them apart.
        candidates: Vec<String>,
    },
    /// A file is not an export of a journal.
    #[error("line {line} of the export {why}")]
    #[diagnostic(
        code(audit::not_an_export),
        help("`hence audit export FILE` writes the form that is read here")
    )]
    NotAnExport {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}

/// Damage or a contradiction in a journal. Reading goes on behind it.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub enum Problem {
    /// The last write was cut by a crash. Never an acknowledged record.
    #[error("the last write to `{segment}` was torn: {bytes} bytes at {offset}, kept in `{aside}`")]
    #[diagnostic(
        code(audit::torn_tail),
        severity(Warning),
        help("nothing to do: it was not acknowledged; intents without outcome are observed again")
    )]
    TornTail {
        /// The segment's file.
        segment: String,
        /// Where the tail began.
        offset: u64,
        /// Its length.
        bytes: u64,
        /// The file that keeps it.
        aside: String,
    },
    /// Bytes inside the journal that are no record. Left where they are.
    #[error("`{segment}` is damaged: {bytes} bytes at {offset} are no record")]
    #[diagnostic(
        code(audit::damaged),
        help("restore the segment from a backup or an export; records behind the damage are read")
    )]
    Damaged {
        /// The segment's file.
        segment: String,
        /// Where the damage begins.
        offset: u64,
        /// Its length.
        bytes: u64,
    },
    /// Records are not there.
    #[error("records {from} to {to} are missing before `{segment}`")]
    #[diagnostic(
        code(audit::missing),
        help("restore the missing segments from a backup or an export")
    )]
    Missing {
        /// The segment behind the hole.
        segment: String,
        /// The first missing record.
        from: u64,
        /// The last missing record.
        to: u64,
    },
    /// A record does not follow the one before it: something was changed, not only damaged.
    #[error("record {seq} in `{segment}` at {offset} does not follow the record before it")]
    #[diagnostic(
        code(audit::chain_broken),
        help("the journal was changed by other hands; compare it with an export or a backup")
    )]
    ChainBroken {
        /// The segment's file, or `export`.
        segment: String,
        /// Where the record stands: bytes, or lines of an export.
        offset: u64,
        /// Its number.
        seq: u64,
    },
    /// A record of an export is not the one that was exported, and nothing says which it is.
    #[error("one of the records {from} to {to} is not the one that was exported")]
    #[diagnostic(
        code(audit::altered),
        help("the file was changed by other hands; nothing from record {from} on is proven by it")
    )]
    Altered {
        /// The first record that nothing vouches for.
        from: u64,
        /// The last record that the change can be in.
        to: u64,
    },
    /// A head that was seen elsewhere is not in this journal.
    #[error("record {seq} with {hash} is not in this journal, which ends at record {ends_at}")]
    #[diagnostic(
        code(audit::rolled_back),
        help("the journal was lost, replaced or rolled back: later actions left no trace here")
    )]
    RolledBack {
        /// The expected record's number.
        seq: u64,
        /// The expected record's hash.
        hash: Digest,
        /// The last record that is there.
        ends_at: u64,
    },
    /// There is no record, though there are facts that only a run with a journal leaves.
    #[error("the journal is gone: it has no record, and the facts are of generation {generation}")]
    #[diagnostic(
        code(audit::gone),
        help("put it back if it was moved; without it earlier actions left no trace here")
    )]
    Gone {
        /// The generation of the facts.
        generation: u64,
    },
    /// A record's text is not `audit.v1`.
    #[error("record {seq} is not `audit.v1`: {why}")]
    #[diagnostic(code(audit::body), help("a newer hence may read it"))]
    Body {
        /// Its number.
        seq: u64,
        /// What the decoder said.
        why: String,
    },
    /// An outcome without its intent.
    #[error("record {seq} is an outcome of {intent}, which is not in the journal before it")]
    #[diagnostic(
        code(audit::outcome_without_intent),
        help("look for missing or damaged records before it")
    )]
    OutcomeWithoutIntent {
        /// The outcome's number.
        seq: u64,
        /// The intent it names.
        intent: ProofId,
    },
    /// A second outcome. The first counts.
    #[error("record {seq} is a second outcome of {intent}")]
    #[diagnostic(code(audit::second_outcome), help("this is a bug in hence: please report it"))]
    SecondOutcome {
        /// The second outcome's number.
        seq: u64,
        /// The intent.
        intent: ProofId,
    },
    /// An intent rests on rules whose texts are not there.
    #[error("record {seq} rests on rule set {rules}, whose texts are not there")]
    #[diagnostic(code(audit::rules_unknown), help("the derivation cannot be checked again"))]
    RulesUnknown {
        /// The intent's number.
        seq: u64,
        /// The rule set.
        rules: Digest,
    },
    /// A rule text is not the text that its digest names.
    #[error("record {seq} holds a text of `{file}` that does not have its digest")]
    #[diagnostic(code(audit::rule_text), help("the derivation cannot be checked again"))]
    RuleText {
        /// The record's number.
        seq: u64,
        /// The rule file.
        file: String,
    },
}
