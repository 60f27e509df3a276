//! `hence plan`: what the daemon is about to do.

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Form;
use crate::cli::output::Outcome;
use crate::cli::query;
use crate::cli::query::Where;
use crate::daemon::ask;
use crate::daemon::ask::Question;
use crate::daemon::ask::Reply;

/// Exit code of `--exit-code` when something is to be done.
const DIFFERS: u8 = 1;

/// Which plan.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    place: Where,
    /// End with 1 when something is to be done
    #[arg(long)]
    exit_code: bool,
}

/// Prints the present plan.
pub(super) fn plan(args: &PlanArgs) -> Result<Outcome, Failure> {
    let question = Question::Plan;
    let reply = match args.place.ask(&question)? {
        Some(reply) => reply,
        None => {
            query::of_stopped(&args.place.state, |known| ask::reply_or_reason(&question, known))
                .map_err(Failure::unanswered)?
        }
    };
    let report = match reply {
        Reply::Plan(report) => report,
        Reply::Unanswered(reason) => return Err(Failure::unanswered(reason)),
        _ => {
            let text = "the daemon answered another question".to_owned();
            return Err(Failure::world(CliError::Refused(text)));
        }
    };
    match args.place.output {
        Form::Json => output::json(&serde_json::to_value(&report).unwrap_or_default()),
        Form::Text => output::data(&report.to_text()),
    }
    let differs = args.exit_code && !report.actions.is_empty();
    Ok(match (report.complete, differs) {
        (false, _) => Outcome::Code(output::PARTIAL),
        (true, true) => Outcome::Code(DIFFERS),
        (true, false) => Outcome::Done,
    })
}
