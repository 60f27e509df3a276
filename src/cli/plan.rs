//! `hence plan`: what the daemon is about to do.

use clap::Args;

use crate::actions::PlanReport;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Form;
use crate::cli::output::Outcome;
use crate::cli::query::Where;
use crate::daemon;
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
    let report = match args.place.ask(&Question::Plan)? {
        Some(Reply::Plan(report)) => report,
        Some(Reply::Unanswered(reason)) => return Err(Failure::unanswered(reason)),
        Some(_) => {
            let text = "the daemon answered another question".to_owned();
            return Err(Failure::world(CliError::Refused(text)));
        }
        None => of_stopped(args)?,
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

/// The plan that a stopped daemon's facts lead to.
fn of_stopped(args: &PlanArgs) -> Result<PlanReport, Failure> {
    let state = &args.place.state;
    let reader = daemon::read_state(state).map_err(Failure::unknown)?;
    let text = "no daemon answers; this is what it knew when it stopped";
    output::progress(output::WARNING, text);
    ask::plan(&reader).map_err(Failure::world)
}
