//! Output: the one place that prints, and the exit codes.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where the program prints")]

use miette::Diagnostic;
use miette::Report;
use serde_json::Value as Json;

use crate::explain::Answer;

/// How a verb ended in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 0.
    Done,
    /// Another code that is no error, such as "false".
    Code(u8),
}

impl Outcome {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Code(code) => code,
        }
    }
}

/// How a verb failed.
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What to show.
    pub report: Report,
}

impl Failure {
    /// The user's input is at fault: code 1.
    pub fn input(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { code: 1, report: Report::new(error) }
    }

    /// The cluster or a source refused, or cannot be reached: code 3.
    pub fn world(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { code: 3, report: Report::new(error) }
    }

    /// What was asked for cannot be told: code 2.
    pub fn unknown(text: String, help: &str) -> Self {
        Self { code: 2, report: miette::miette!(help = help.to_owned(), "{text}") }
    }
}

/// In which form data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Prints data.
pub fn data(text: &str) {
    print!("{text}");
}

/// Prints a JSON document.
pub fn json(value: &Json) {
    println!("{value:#}");
}

/// Prints an answer; its exit code is the verdict's.
pub fn answer(answer: &Answer, form: Form) -> Outcome {
    match form {
        Form::Text => data(&answer.to_text()),
        Form::Json => json(&serde_json::to_value(answer).unwrap_or_default()),
    }
    Outcome::Code(answer.exit_code())
}

/// Prints a line of progress to stderr.
pub fn progress(marker: &str, text: &str) {
    eprintln!("{marker} {text}");
}

/// Prints an error with its help to stderr.
pub fn error(report: &Report) {
    eprintln!("{report:?}");
}
