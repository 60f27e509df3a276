//! `hence audit`: the journal, read from disk without any lock, whether or not a daemon runs.

use std::fs;
use std::io;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;

use crate::api;
use crate::audit;
use crate::audit::AuditError;
use crate::audit::DiskStorage;
use crate::audit::ExportOptions;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Form;
use crate::cli::output::Outcome;
use crate::cli::remote::RemoteArgs;
use crate::daemon::SystemClock;
use crate::daemon::Unanswered;
use crate::daemon::ask;
use crate::daemon::ask::Question;
use crate::daemon::ask::Reply;
use crate::daemon::journal_view;
use crate::daemon::journal_view::AuditCheck;
use crate::daemon::journal_view::ListOptions;
use crate::daemon::socket;
use crate::facts::store;
use crate::model::Clock as _;
use crate::model::Timestamp;
use crate::model::UnitName;

/// What to do with the journal.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// The state directory of the daemon
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "hence-state",
        env = "HENCE_STATE"
    )]
    state: PathBuf,
    /// Text for people, or JSON
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    remote: RemoteArgs,
    #[command(subcommand)]
    verb: AuditVerb,
}

#[derive(Debug, Subcommand)]
enum AuditVerb {
    /// List actions, newest first
    List {
        /// Only actions of this unit (namespace/name)
        #[arg(long, value_parser = unit_name)]
        unit: Option<String>,
        /// Only applies and deletes
        #[arg(long)]
        writes: bool,
        /// Also list polls of sources that brought nothing new
        #[arg(long)]
        all: bool,
        /// Only actions begun then or later: a time (2026-11-30T22:00:00Z) or how long ago (12h)
        #[arg(long, value_name = "TIME", value_parser = moment)]
        since: Option<Timestamp>,
        /// Only actions begun before: a time or how long ago
        #[arg(long, value_name = "TIME", value_parser = moment)]
        until: Option<Timestamp>,
        /// How many to list
        #[arg(long, default_value_t = NonZeroUsize::new(50).expect("it is not zero"))]
        limit: NonZeroUsize,
    },
    /// Show one action with its proof
    Show {
        /// Its id, such as P-7f3a12
        id: String,
    },
    /// Check the chain: nothing missing, nothing altered
    Verify {
        /// Check an exported file instead
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Write the journal to a file that verifies by itself, anywhere
    Export {
        /// The file
        file: PathBuf,
    },
}

fn unit_name(text: &str) -> Result<String, String> {
    match UnitName::parse(text) {
        Some(unit) => Ok(unit.to_string()),
        None => Err("write namespace/name".to_owned()),
    }
}

/// A time as RFC 3339, or a duration back from now.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Some(at) = Timestamp::parse_rfc3339(text) {
        return Ok(at);
    }
    let wrong = "write a time such as 2026-11-30T22:00:00Z, or how long ago, such as 12h";
    let ago = api::Duration::parse(text).map_err(|_| wrong.to_owned())?.to_std();
    let ago = i64::try_from(ago.as_millis()).map_err(|_| wrong.to_owned())?;
    Ok(SystemClock.now().plus_ms(-ago))
}

/// Reads the journal.
pub(super) fn audit(args: &AuditArgs) -> Result<Outcome, Failure> {
    let question = match &args.verb {
        AuditVerb::Export { file } => return export(args, file),
        AuditVerb::Verify { file: Some(file) } => return verify_file(file, args.output),
        AuditVerb::Verify { file: None } => Question::AuditVerify,
        AuditVerb::Show { id } => Question::AuditShow { id: id.clone() },
        AuditVerb::List { unit, writes, all, since, until, limit } => {
            Question::AuditList(ListOptions {
                unit: unit.clone(),
                writes: *writes,
                all: *all,
                since_ms: since.map(Timestamp::millis),
                until_ms: until.map(Timestamp::millis),
                limit: limit.get(),
            })
        }
    };
    let reply = match args.remote.is_given() {
        true => args.remote.ask(&question)?,
        false => {
            let journal = journal(args)?;
            let left = is_left(&args.state);
            ask::reply_of_journal(&question, &journal, left).map_err(Failure::unanswered)?
        }
    };
    print(&reply, args.output)
}

/// The journal in the state directory, which must be one; the version of its facts is no matter.
fn journal(args: &AuditArgs) -> Result<PathBuf, Failure> {
    let journal = args.state.join("journal");
    if !journal.is_dir() {
        store::expect_state(&args.state).map_err(Failure::unknown)?;
    }
    Ok(journal)
}

/// Whether no daemon answers, so that nothing later is known.
fn is_left(state: &Path) -> bool {
    UnixStream::connect(socket::path(state)).is_err()
}

/// What an error of the journal comes down to.
fn failed(error: AuditError) -> Failure {
    Failure::unanswered(Unanswered::of(&error))
}

fn print(reply: &Reply, form: Form) -> Result<Outcome, Failure> {
    let json = |value: Result<serde_json::Value, _>| output::json(&value.unwrap_or_default());
    let mut ending = Outcome::Done;
    if let Reply::AuditList(list) = reply
        && !list.problems.is_empty()
    {
        ending = Outcome::Code(output::PARTIAL);
    }
    match (reply, form) {
        (Reply::AuditList(list), Form::Text) => output::data(&list.to_text()),
        (Reply::AuditList(list), Form::Json) => json(serde_json::to_value(list)),
        (Reply::AuditRecord(record), Form::Text) => output::data(&record.to_text()),
        (Reply::AuditRecord(record), Form::Json) => json(serde_json::to_value(record)),
        (Reply::AuditCheck(check), _) => return Ok(checked(check, form)),
        (Reply::Unanswered(reason), _) => return Err(Failure::unanswered(reason.clone())),
        (Reply::Answer(_) | Reply::Plan(_), _) => {
            let text = "the daemon answered another question".to_owned();
            return Err(Failure::world(CliError::Refused(text)));
        }
    }
    Ok(ending)
}

fn checked(check: &AuditCheck, form: Form) -> Outcome {
    match form {
        Form::Text => output::data(&check.to_text()),
        Form::Json => output::json(&serde_json::to_value(check).unwrap_or_default()),
    }
    match (check.sound, check.tail_bytes == 0 && check.losses.is_empty()) {
        (false, _) => Outcome::Code(1),
        (true, true) => Outcome::Done,
        (true, false) => Outcome::Code(output::PARTIAL),
    }
}

fn unwritten(file: &Path) -> impl FnOnce(io::Error) -> Failure {
    let path = file.to_owned();
    move |source| Failure::input(CliError::File { path, source })
}

fn export(args: &AuditArgs, file: &Path) -> Result<Outcome, Failure> {
    let local = match args.remote.is_given() {
        true => None,
        // Looked for first: a file that holds nothing must not be left behind.
        false => {
            let storage = DiskStorage::of_existing(&journal(args)?).map_err(failed)?;
            journal_view::check(&storage).map_err(failed)?;
            Some(storage)
        }
    };
    let mut out = io::BufWriter::new(fs::File::create(file).map_err(unwritten(file))?);
    match local {
        None => out.write_all(&args.remote.export()?).map_err(unwritten(file))?,
        Some(storage) => {
            let options = ExportOptions { to_head: true, ..ExportOptions::default() };
            audit::export(&storage, &options, &mut out).map_err(failed)?;
        }
    }
    out.flush().map_err(unwritten(file))?;
    verify_file(file, args.output)
}

/// Checks an exported file: it needs nothing else.
fn verify_file(file: &Path, form: Form) -> Result<Outcome, Failure> {
    let mut input = io::BufReader::new(fs::File::open(file).map_err(unwritten(file))?);
    let found = audit::verify_export(&mut input).map_err(Failure::input)?;
    Ok(checked(&journal_view::checked(&found, file).map_err(failed)?, form))
}
