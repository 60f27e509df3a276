//! The shape of every answer, as text and as JSON (`schemas/answer.v1.json`).

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// What the answer comes down to; exit codes follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be told from what is known.
    Unknown,
}

/// One line of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// What kind of evidence: `because`, `from`, `held by`, `next` …
    pub label: String,
    /// The evidence.
    pub text: String,
}

/// What each answer says of its form; those of older daemons, which did not, have the same.
fn version() -> String {
    "answer.v1".to_owned()
}

/// The label of what an answer does not take into account.
const PARTIAL: &str = "partial";

/// An answer for a person in a hurry, and for a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// Always `answer.v1`.
    #[serde(default = "version")]
    pub version: String,
    /// True, false or unknown.
    pub verdict: Verdict,
    /// The verdict as one sentence.
    pub headline: String,
    /// Cause and evidence, most important first.
    pub lines: Vec<Line>,
    /// One safe thing to do next; empty when there is nothing to do.
    pub next: String,
    /// The generation of facts that it is about; 0 when it comes from the journal alone.
    pub generation: u64,
    /// Until when anything was known, when no daemon answered; absent when it is of the present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Whether everything that could matter was looked at.
    pub complete: bool,
    /// Premises that the asker may not see.
    pub hidden_premises: u64,
}

impl Answer {
    /// An answer with a headline only.
    pub fn new(verdict: Verdict, headline: impl Into<String>, generation: u64) -> Self {
        Self {
            version: version(),
            verdict,
            headline: headline.into(),
            lines: Vec::new(),
            next: String::new(),
            generation,
            as_of: None,
            complete: true,
            hidden_premises: 0,
        }
    }

    /// Adds a line of evidence.
    #[must_use]
    pub fn line(mut self, label: &str, text: impl Into<String>) -> Self {
        self.lines.push(Line { label: label.to_owned(), text: text.into() });
        self
    }

    /// Adds a line when there is something to say.
    #[must_use]
    pub fn line_if(self, label: &str, text: Option<String>) -> Self {
        match text {
            Some(text) => self.line(label, text),
            None => self,
        }
    }

    /// Says what was not looked at, or is not known yet.
    #[must_use]
    pub fn partial(mut self, what: impl Into<String>) -> Self {
        self.complete = false;
        self.line(PARTIAL, what)
    }

    /// Says until when anything was known.
    #[must_use]
    pub fn known_until(mut self, time: Option<String>) -> Self {
        self.as_of = time;
        self
    }

    /// Says that it is about what was known before, and what is awaited since: the verdict is open.
    #[must_use]
    pub fn provisional(mut self, awaited: impl Into<String>) -> Self {
        self.verdict = Verdict::Unknown;
        self.complete = false;
        self.headline = format!("as far as is known: {}", self.headline);
        self.lines.insert(0, Line { label: PARTIAL.to_owned(), text: awaited.into() });
        self
    }

    /// Names the next step.
    #[must_use]
    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.next = command.into();
        self
    }

    /// 0 true, 1 false, 2 unknown or partial.
    pub fn exit_code(&self) -> u8 {
        match (self.verdict, self.complete) {
            (_, false) | (Verdict::Unknown, _) => 2,
            (Verdict::True, true) => 0,
            (Verdict::False, true) => 1,
        }
    }

    /// The answer as a person reads it: ten lines or so.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n", self.headline);
        let mut last = "";
        for Line { label, text: evidence } in &self.lines {
            let shown = if label == last { "" } else { label };
            for (at, part) in evidence.lines().enumerate() {
                let shown = if at == 0 { shown } else { "" };
                text.push_str(format!("  {shown:<8} {part}").trim_end());
                text.push('\n');
            }
            last = label;
        }
        let is_told = self.lines.iter().any(|line| line.label == PARTIAL);
        if !self.complete && !is_told {
            text.push_str("  partial  not everything that could matter was looked at\n");
        }
        if let Some(time) = &self.as_of {
            text.push_str(&format!(
                "  as of    {time}: no daemon answers, and nothing later is known\n"
            ));
        }
        if !self.next.is_empty() {
            text.push_str(&format!("  {:<8} {}\n", "next", self.next));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_shown_once_in_a_row() {
        let answer = Answer::new(Verdict::False, "NOT READY", 1)
            .line("because", "a")
            .line("because", "b\nc")
            .line("from", "d")
            .next("hence pending");
        insta::assert_snapshot!(answer.to_text(), @r"
        NOT READY
          because  a
                   b
                   c
          from     d
          next     hence pending
        ");
        assert_eq!(answer.exit_code(), 1);
    }

    #[test]
    fn what_was_known_before_decides_nothing() {
        let answer = Answer::new(Verdict::True, "nothing is pending", 1).line("suspended", "a/b");
        let answer = answer.provisional("this daemon still waits for the leases");
        insta::assert_snapshot!(answer.to_text(), @r"
        as far as is known: nothing is pending
          partial  this daemon still waits for the leases
          suspended a/b
        ");
        assert_eq!((answer.verdict, answer.exit_code()), (Verdict::Unknown, 2));
    }
}
