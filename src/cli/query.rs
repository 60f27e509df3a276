//! `hence why`, `why-not`, `owners`, `pending`: questions to the running daemon, or to the state
//! that a stopped one left.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Subcommand;

use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Form;
use crate::cli::output::Outcome;
use crate::cli::remote::RemoteArgs;
use crate::daemon;
use crate::daemon::Unanswered;
use crate::daemon::ask;
use crate::daemon::ask::Asked;
use crate::daemon::ask::Knowledge;
use crate::daemon::ask::Question;
use crate::daemon::ask::Reply;
use crate::daemon::socket;
use crate::explain::Answer;

/// How long the daemon may take; after that the state on disk answers.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where to ask, and in which form to answer.
#[derive(Debug, Args)]
pub(super) struct Where {
    /// The state directory of the daemon
    #[arg(long, value_name = "DIR", default_value = "hence-state", env = "HENCE_STATE")]
    pub(super) state: PathBuf,
    /// Text for people, or JSON
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Form,
    #[command(flatten)]
    pub(super) remote: RemoteArgs,
}

impl Where {
    /// The reply of the daemon that is asked; `None` when there is none and files have to answer.
    ///
    /// # Errors
    /// A daemon elsewhere was to be asked and cannot be.
    pub(super) fn ask(&self, question: &Question) -> Result<Option<Reply>, Failure> {
        if self.remote.is_given() {
            return self.remote.ask(question).map(Some);
        }
        Ok(ask_daemon(question, &self.state))
    }
}

/// An object as kubectl users write it.
#[derive(Debug, Args)]
pub(super) struct Object {
    /// kind/name or kind name, such as deploy/api or ks web
    #[arg(value_name = "OBJECT", num_args = 1..=2, required = true)]
    object: Vec<String>,
    /// Its namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,
}

impl Object {
    fn asked(&self) -> Asked {
        Asked { object: self.object.join("/"), namespace: self.namespace.clone() }
    }
}

/// `why OBJECT`, `why pruned OBJECT`.
#[derive(Debug, Args)]
#[command(override_usage = "hence why [OPTIONS] [pruned] <OBJECT>")]
pub(super) struct WhyArgs {
    /// kind/name or kind name, such as deploy/api or ks web; before it `pruned` when asking about
    /// an object that is gone
    #[arg(value_name = "OBJECT", num_args = 1..=3, required = true)]
    words: Vec<String>,
    /// Its namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Tell where this field comes from: spec.replicas, spec.containers[name=main].image
    #[arg(long, value_name = "PATH")]
    field: Option<String>,
    #[command(flatten)]
    place: Where,
}

/// `why-not ready UNIT`, `why-not live REVISION --on OBJECT`.
#[derive(Debug, Args)]
pub(super) struct WhyNotArgs {
    #[command(subcommand)]
    what: WhyNot,
}

#[derive(Debug, Subcommand)]
enum WhyNot {
    /// Why a unit or source is not ready
    Ready {
        #[command(flatten)]
        object: Object,
        #[command(flatten)]
        place: Where,
    },
    /// Why a commit or revision is not live on an object
    Live {
        /// A commit or its beginning, a tag, a branch, or a revision
        revision: String,
        /// kind/name of the object
        #[arg(long, value_name = "OBJECT")]
        on: String,
        /// Its namespace
        #[arg(short, long, default_value = "default")]
        namespace: String,
        #[command(flatten)]
        place: Where,
    },
}

/// `owners OBJECT`.
#[derive(Debug, Args)]
pub(super) struct OwnersArgs {
    #[command(flatten)]
    object: Object,
    #[command(flatten)]
    place: Where,
}

/// `pending`.
#[derive(Debug, Args)]
pub(super) struct PendingArgs {
    #[command(flatten)]
    place: Where,
}

/// Answers `why`.
pub(super) fn why(args: &WhyArgs) -> Result<Outcome, Failure> {
    let asked =
        |words: &[String]| Asked { object: words.join("/"), namespace: args.namespace.clone() };
    let question = match (args.words.as_slice(), &args.field) {
        ([word, object @ ..], None) if word == "pruned" && (1..=2).contains(&object.len()) => {
            Question::WhyPruned(asked(object))
        }
        (object, Some(field)) if object.len() <= 2 && object[0] != "pruned" => {
            Question::WhyField { object: asked(object), field: field.clone() }
        }
        (object, None) if object.len() <= 2 => Question::Why(asked(object)),
        _ => {
            return Err(Failure::usage(CliError::Why));
        }
    };
    ask_and_print(&question, &args.place)
}

/// Answers `why-not`.
pub(super) fn why_not(args: &WhyNotArgs) -> Result<Outcome, Failure> {
    match &args.what {
        WhyNot::Ready { object, place } => {
            ask_and_print(&Question::WhyNotReady(object.asked()), place)
        }
        WhyNot::Live { revision, on, namespace, place } => {
            let object = Asked { object: on.clone(), namespace: namespace.clone() };
            let question = Question::WhyNotLive { revision: revision.clone(), object };
            ask_and_print(&question, place)
        }
    }
}

/// Answers `owners`.
pub(super) fn owners(args: &OwnersArgs) -> Result<Outcome, Failure> {
    ask_and_print(&Question::Owners(args.object.asked()), &args.place)
}

/// Answers `pending`.
pub(super) fn pending(args: &PendingArgs) -> Result<Outcome, Failure> {
    ask_and_print(&Question::Pending, &args.place)
}

fn ask_and_print(question: &Question, place: &Where) -> Result<Outcome, Failure> {
    let answer = match place.ask(question)?.and_then(answered) {
        Some(answer) => answer?,
        None => from_state(question, &place.state)?,
    };
    Ok(output::answer(&answer, place.output))
}

/// The answer as text, whatever its verdict; for the demo, which prints questions and answers.
pub(super) fn ask_for_text(question: &Question, state: &Path) -> String {
    match ask_daemon(question, state).and_then(answered) {
        Some(Ok(answer)) => answer.to_text(),
        Some(Err(failure)) => format!("{:?}", failure.report),
        None => "the daemon does not answer".to_owned(),
    }
}

/// The answer in a reply; `None` when it answers another question.
fn answered(reply: Reply) -> Option<Result<Answer, Failure>> {
    match reply {
        Reply::Answer(answer) => Some(Ok(answer)),
        Reply::Plan(_) | Reply::AuditList(_) | Reply::AuditRecord(_) | Reply::AuditCheck(_) => None,
        Reply::Unanswered(reason) => Some(Err(Failure::unanswered(reason))),
    }
}

/// What the daemon replies; `None` when no daemon listens or it does not reply in time.
fn ask_daemon(question: &Question, state: &Path) -> Option<Reply> {
    let mut stream = UnixStream::connect(socket::path(state)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let question = serde_json::to_string(question).ok()?;
    stream.write_all(format!("{question}\n").as_bytes()).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}

/// The answer of a stopped daemon's state.
fn from_state(question: &Question, state: &Path) -> Result<Answer, Failure> {
    of_stopped(state, |known| ask::answer(question, known)).map_err(Failure::unanswered)
}

/// What a stopped daemon's state and journal tell.
pub(super) fn of_stopped<T>(
    state: &Path,
    tell: impl FnOnce(&Knowledge<'_>) -> Result<T, Unanswered>,
) -> Result<T, Unanswered> {
    let read = daemon::read_state(state);
    let facts = read.as_ref().map(|left| &left.reader).map_err(Unanswered::of);
    let other_rules = read.as_ref().ok().and_then(|left| left.other_rules.clone());
    let journal = ask::open_journal(&state.join("journal"));
    let journal = journal.as_ref().map_err(Unanswered::clone);
    let known = Knowledge::new(facts, journal).left_behind();
    tell(&Knowledge { other_rules, ..known })
}
