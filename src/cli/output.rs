//! Output: the one place that prints, and the exit codes.

#![expect(clippy::print_stderr, reason = "this is where the program prints")]

use std::io::IsTerminal as _;
use std::io::Write as _;

use miette::Diagnostic;
use miette::Report;
use serde_json::Value as Json;

use crate::daemon::Unanswered;
use crate::explain::Answer;

/// The exit code of an answer that is partial: it cannot be told whether all is in it.
pub(super) const PARTIAL: u8 = 2;

/// Marks an action that begins.
pub(super) const ACTION: &str = "►";
/// Marks a wait.
pub(super) const WAITING: &str = "◎";
/// Marks a success.
pub(super) const SUCCESS: &str = "✔";
/// Marks a warning.
pub(super) const WARNING: &str = "⚠️";
/// Marks a failure.
pub(super) const FAILURE: &str = "✗";

/// How a verb ended in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// 0.
    Done,
    /// Another code that is no error, such as "false".
    Code(u8),
}

impl Outcome {
    /// The exit code.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Code(code) => code,
        }
    }
}

/// How a verb failed.
pub(super) struct Failure {
    /// The exit code.
    pub code: u8,
    /// What to show.
    pub report: Report,
    /// Whether it is shown as Flux shows it: one marked line, then the help.
    pub(super) is_marked: bool,
}

impl Failure {
    /// The user's input is at fault: code 1.
    pub(super) fn input(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { code: 1, report: Report::new(error), is_marked: false }
    }

    /// The cluster or a source refused, or cannot be reached: code 3.
    pub(super) fn world(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { code: 3, report: Report::new(error), is_marked: false }
    }

    /// The question itself is wrong: code 3.
    pub(super) fn usage(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { code: 3, report: Report::new(error), is_marked: false }
    }

    /// A question without an answer; the reason says whose fault that is.
    pub(super) fn unanswered(reason: Unanswered) -> Self {
        Self { code: reason.exit_code(), report: Report::new(reason), is_marked: false }
    }

    /// What was asked for cannot be told: code 2.
    pub(super) fn unknown(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { code: 2, report: Report::new(error), is_marked: false }
    }

    /// A verb that Flux has failed: code 1, shown as Flux shows it.
    pub(super) fn marked(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { code: 1, report: Report::new(error), is_marked: true }
    }
}

/// In which form data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Prints data. A reader that wants no more of it, such as `head`, is no error.
pub(super) fn data(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    let lost = written.err().filter(|error| error.kind() != std::io::ErrorKind::BrokenPipe);
    if let Some(error) = lost {
        eprintln!("{WARNING} cannot write to standard output: {error}");
    }
}

/// Prints a JSON document.
pub(super) fn json(value: &Json) {
    data(&format!("{value:#}\n"));
}

/// Prints an answer; its exit code is the verdict's.
pub(super) fn answer(answer: &Answer, form: Form) -> Outcome {
    match form {
        Form::Text => data(&answer.to_text()),
        Form::Json => json(&serde_json::to_value(answer).unwrap_or_default()),
    }
    Outcome::Code(answer.exit_code())
}

/// Prints a line of progress to stderr.
pub(super) fn progress(marker: &str, text: &str) {
    eprintln!("{marker} {text}");
}

/// Prints a question to stderr; the answer follows on the same line.
pub(super) fn ask(question: &str) {
    eprint!("{question}");
}

/// Shows on a terminal that something is still waited for; the next line replaces it. Elsewhere
/// nothing is shown, so that logs hold no line twice.
pub(super) fn still_waiting(text: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{WAITING} {text}");
    }
}

/// Prints below a failure what to do about it.
pub(super) fn advice(help: &str, code: &str) {
    eprint!("{}", advised(help, code));
}

fn advised(help: &str, code: &str) -> String {
    format!("  help: {help} ({code})\n")
}

/// Ends what [`still_waiting`] showed.
pub(super) fn waited() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

/// Prints a failure to stderr.
pub(super) fn failure(failure: &Failure) {
    if failure.is_marked {
        eprint!("{}", marked(&failure.report));
    } else {
        error(&failure.report);
    }
}

/// A failure as Flux shows it, and below it what to do next.
fn marked(report: &Report) -> String {
    let mut text = format!("{FAILURE} {report}\n");
    let help = report.help().map(|help| help.to_string());
    let code = report.code().map(|code| code.to_string());
    if let (Some(help), Some(code)) = (help, code) {
        text.push_str(&advised(&help, &code));
    }
    text
}

/// Prints what the reader of the command line has to say. When that cannot be written, nobody reads
/// along.
pub(super) fn usage(error: &clap::Error) {
    error.print().ok();
}

/// Prints an error with its help to stderr.
pub(super) fn error(report: &Report) {
    eprintln!("{report:?}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::error::CliError;

    #[test]
    fn a_marked_failure_opens_with_the_line_of_flux() {
        let failure = Failure::marked(CliError::Suspended);
        assert_eq!(
            marked(&failure.report),
            "✗ resource is suspended\n  \
             help: `hence resume` makes it reconcile again (cli::suspended)\n"
        );
        assert_eq!(failure.code, 1);
    }
}
