//! Literate tests of rules: prose in Markdown, with fenced blocks that are steps.
//!
//! | block | meaning |
//! | --- | --- |
//! | `rules` | clauses for this file, added to the program before the first step |
//! | `facts` | one transaction; a second block is the next one |
//! | `expect` | lines: `fact.` holds, `!pattern.` nothing matches, `rel(_) * 3.` so many match |
//! | `why FACT` | each line must be the text of a fact or the label of a clause in the proof |
//! | `why-not PATTERN` | each line must be a clause's label, or a condition that failed |
//!
//! Everything else is prose. Pure: the caller reads files and shows the outcome.

use std::sync::Arc;

use crate::datalog::builtins::Builtins;
use crate::datalog::check::check;
use crate::datalog::diagnostic::CheckError;
use crate::datalog::engine::Engine;
use crate::datalog::engine::EngineOptions;
use crate::datalog::fact::Fact;
use crate::datalog::fact::Pattern;
use crate::datalog::program::FileOrigin;
use crate::datalog::program::RuleFile;
use crate::datalog::proof::QueryOptions;
use crate::datalog::text::parse_transaction;

/// A fenced block that means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to do.
    pub kind: StepKind,
    /// The line of the block's first inner line, from 1.
    pub line: usize,
    /// The inner lines.
    pub text: String,
}

/// What a block asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// More rules.
    Rules,
    /// A transaction.
    Facts,
    /// What must hold.
    Expect,
    /// What the proof of a fact must contain.
    Why(String),
    /// What the failed rules of a pattern must contain.
    WhyNot(String),
}

/// One expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The line in the file.
    pub line: usize,
    /// What was expected and what was found.
    pub message: String,
}

/// What a run of one file gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Expectations that were looked at.
    pub checked: usize,
    /// Those that were not met.
    pub unmet: Vec<Unmet>,
}

/// The steps of a Markdown text.
pub fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut fence: Option<(String, bool)> = None;
    for (at, line) in text.lines().enumerate() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match &fence {
            None if ticks >= 3 => {
                let kind = kind_of(line[ticks..].trim());
                fence = Some((line[..ticks].to_owned(), kind.is_some()));
                let step = |kind| Step { kind, line: at + 2, text: String::new() };
                steps.extend(kind.map(step));
            }
            Some((open, _)) if line.trim_end() == open => fence = None,
            Some((_, true)) => {
                if let Some(step) = steps.last_mut() {
                    step.text.push_str(line);
                    step.text.push('\n');
                }
            }
            _ => {}
        }
    }
    steps
}

fn kind_of(info: &str) -> Option<StepKind> {
    let (word, rest) = info.split_once(' ').unwrap_or((info, ""));
    match word {
        "rules" => Some(StepKind::Rules),
        "facts" => Some(StepKind::Facts),
        "expect" => Some(StepKind::Expect),
        "why" => Some(StepKind::Why(rest.trim().to_owned())),
        "why-not" => Some(StepKind::WhyNot(rest.trim().to_owned())),
        _ => None,
    }
}

/// Runs the steps of a Markdown file over `files` and its own rules.
pub fn run(
    name: &str,
    text: &str,
    files: &[RuleFile],
    builtins: &Builtins,
) -> Result<Report, Vec<CheckError>> {
    let steps = steps(text);
    let mut files = files.to_vec();
    for step in steps.iter().filter(|step| step.kind == StepKind::Rules) {
        // Blank lines in front keep the line numbers of complaints those of the Markdown file.
        let padded: Arc<str> = format!("{}{}", "\n".repeat(step.line - 1), step.text).into();
        let name = format!("{name}:{:05}", step.line);
        files.push(RuleFile { name, text: padded, origin: FileOrigin::BuiltIn });
    }
    let program = check(&files, builtins)?;
    let mut engine = Engine::new(program, builtins.clone(), EngineOptions::default());
    let mut report = Report::default();
    for step in &steps {
        match &step.kind {
            StepKind::Rules => {}
            StepKind::Facts => {
                let padded = format!("{}{}", "\n".repeat(step.line - 1), step.text);
                let delta = engine.transact(parse_transaction(name, &padded)?);
                for refused in delta.refused {
                    report.unmet.push(Unmet { line: step.line, message: refused.to_string() });
                }
            }
            StepKind::Expect => lines(step, |line, text| report.note(line, holds(&engine, text))),
            StepKind::Why(fact) => {
                let found = proof_texts(&engine, fact);
                lines(step, |line, text| report.note(line, contains(&found, text)));
            }
            StepKind::WhyNot(pattern) => {
                let found = failure_texts(&engine, pattern);
                lines(step, |line, text| report.note(line, contains(&found, text)));
            }
        }
    }
    Ok(report)
}

impl Report {
    fn note(&mut self, line: usize, outcome: Result<(), String>) {
        self.checked += 1;
        if let Err(message) = outcome {
            self.unmet.push(Unmet { line, message });
        }
    }
}

fn lines(step: &Step, mut each: impl FnMut(usize, &str)) {
    for (at, line) in step.text.lines().enumerate() {
        let line_text = line.split(" //").next().unwrap_or_default().trim();
        if !line_text.is_empty() && !line_text.starts_with("//") {
            each(step.line + at, line_text);
        }
    }
}

/// One line of an `expect` block.
fn holds(engine: &Engine, text: &str) -> Result<(), String> {
    let text = text.trim_end_matches('.');
    let (negated, text) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (pattern, count) = match text.rsplit_once(" * ") {
        Some((pattern, count)) => {
            let count: usize =
                count.trim().parse().map_err(|_| format!("`{count}` is no number"))?;
            (pattern, Some(count))
        }
        None => (text, None),
    };
    let pattern = Pattern::parse(pattern).map_err(|error| error.to_string())?;
    if engine.program().relation(&pattern.relation).is_none() {
        return Err(format!("no relation `{}`", pattern.relation));
    }
    let found = engine.reader().query(&pattern, &QueryOptions::default()).value;
    let shown = || -> Vec<String> {
        let facts = found.iter().take(5);
        facts.map(|row| Fact::new(Arc::clone(&pattern.relation), row.clone()).to_string()).collect()
    };
    match (negated, count) {
        (true, _) if !found.is_empty() => Err(format!("unexpected: {}", shown().join(", "))),
        (false, Some(count)) if found.len() != count => {
            Err(format!("{} match, not {count}: {}", found.len(), shown().join(", ")))
        }
        (false, None) if found.is_empty() => Err(format!("`{pattern}` does not hold")),
        _ => Ok(()),
    }
}

fn proof_texts(engine: &Engine, fact: &str) -> Vec<String> {
    let Ok(fact) = Fact::parse(fact) else { return Vec::new() };
    let Some(proof) = engine.reader().why(&fact, &QueryOptions::default()).value else {
        return Vec::new();
    };
    let labels =
        proof.nodes.iter().flat_map(|node| &node.clause).map(|clause| clause.label.clone());
    let facts = proof.nodes.iter().map(|node| node.conclusion.clone());
    facts.chain(labels.collect::<Vec<_>>()).collect()
}

fn failure_texts(engine: &Engine, pattern: &str) -> Vec<String> {
    let Ok(pattern) = Pattern::parse(pattern) else { return Vec::new() };
    let rules = engine.reader().why_not(&pattern, &QueryOptions::default()).value;
    let texts = rules.into_iter().flat_map(|rule| {
        let label = rule.clause.map(|clause| clause.label).unwrap_or_default();
        [label, rule.failing]
    });
    texts.collect()
}

fn contains(found: &[String], text: &str) -> Result<(), String> {
    let wanted = text.trim_end_matches('.').trim_matches(['[', ']']);
    if found.iter().any(|found| found == wanted) {
        return Ok(());
    }
    Err(format!("`{wanted}` is not among: {}", found.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# Units that wait

```rules
.input depends(a: symbol, b: symbol)
.input broken(u: symbol)
.output unready(u: symbol)
.output ready(u: symbol)
[wait/cause]
unready(U) :- broken(U).
[wait/spread]
unready(U) :- depends(U, V), unready(V).
[wait/ready]
ready(U) :- depends(U, _), !unready(U).
```

```facts
+depends("a", "b").
+broken("b").
```

```expect
unready("a").
!ready(_).
unready(_) * 2.
unready("z").   // not so
```

```why unready("a")
[wait/spread]
broken("b").
```

```why-not ready("a")
!unready("a")
```

```facts
-broken("b").
```

```expect
ready("a").
```
"#;

    #[test]
    fn a_story_runs_and_says_what_is_unmet() {
        let report = run("t.md", TEXT, &[], &Builtins::new()).unwrap();
        assert_eq!(report.checked, 8);
        let message = "`unready(\"z\")` does not hold".to_owned();
        assert_eq!(report.unmet, [Unmet { line: 25, message }]);
    }

    #[test]
    fn mistakes_in_a_block_are_complaints_with_the_line_of_the_file() {
        let text = "a\n\n```rules\n.output p(a: symbol)\np(X) :- q(X).\n```\n";
        let complaints = run("t.md", text, &[], &Builtins::new()).unwrap_err();
        assert_eq!(complaints[0].code_str(), "rules::unknown_relation");
        let rendered = format!("{:?}", miette::Report::new(complaints[0].clone()));
        assert!(rendered.contains(":5:9"), "{rendered}");
    }
}
