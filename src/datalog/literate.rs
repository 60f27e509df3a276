//! Literate tests of rules: prose in Markdown, with fenced blocks that are steps.
//!
//! | block | meaning |
//! | --- | --- |
//! | `program` | a whole program: what was given to the run does not count |
//! | `rules` | clauses of a user, added to the program before the first step |
//! | `facts` | one transaction; a second block is the next one |
//! | `facts 1..500` | the same, its text once per number, which stands for `{}` |
//! | `clock TIME` | the clock moves: each `timer(key, at)` that passes becomes `elapsed(key, at)` |
//! | `expect` | lines: `fact.` holds, `!pattern.` nothing matches, `rel(_) * 3.` so many match |
//! | `delta` | lines `+fact.`, `-fact.`: all that the last step changed in these relations |
//! | `why FACT` | each line must be the text of a fact or the label of a clause in the proof |
//! | `why-not PATTERN` | each line must be a clause's label, or a condition that failed |
//!
//! Everything else is prose. Every proof that a `why` block asks for is verified too. Pure: the
//! caller reads files and shows the outcome.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::datalog::builtins::Builtins;
use crate::datalog::check::check;
use crate::datalog::diagnostic::CheckError;
use crate::datalog::engine::Delta;
use crate::datalog::engine::Engine;
use crate::datalog::engine::EngineOptions;
use crate::datalog::fact::Fact;
use crate::datalog::fact::Pattern;
use crate::datalog::fact::Transaction;
use crate::datalog::moment;
use crate::datalog::program::FileOrigin;
use crate::datalog::program::RelationKind;
use crate::datalog::program::RuleFile;
use crate::datalog::proof::QueryOptions;
use crate::datalog::reader::Reader;
use crate::datalog::text::parse_changes;
use crate::datalog::text::parse_pattern;
use crate::datalog::value::Value;
use crate::datalog::verify::Facts;
use crate::datalog::verify::verify;

/// Most deadlines that one move of the clock may pass: rules that set a timer in the past for ever
/// are a mistake.
const DEADLINES_MAX: usize = 100_000;

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
    /// A program of its own.
    Program,
    /// More rules.
    Rules,
    /// A transaction; with a range, its text once per number.
    Facts(Option<(i64, i64)>),
    /// The clock moves to this time.
    Clock(String),
    /// What must hold.
    Expect,
    /// What the last step must have changed.
    Delta,
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
    let rest = rest.trim();
    let range = || {
        let (first, last) = rest.split_once("..")?;
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    match word {
        "program" => Some(StepKind::Program),
        "rules" => Some(StepKind::Rules),
        "facts" => Some(StepKind::Facts(range())),
        "clock" => Some(StepKind::Clock(rest.to_owned())),
        "expect" => Some(StepKind::Expect),
        "delta" => Some(StepKind::Delta),
        "why" => Some(StepKind::Why(rest.to_owned())),
        "why-not" => Some(StepKind::WhyNot(rest.to_owned())),
        _ => None,
    }
}

/// Runs the steps of a Markdown file over `files` and its own rules. A text with a `program` block
/// leaves `files` out.
pub fn run(
    name: &str,
    text: &str,
    files: &[RuleFile],
    builtins: &Builtins,
) -> Result<Report, Vec<CheckError>> {
    let steps = steps(text);
    let stands_alone = steps.iter().any(|step| step.kind == StepKind::Program);
    let mut files = if stands_alone { Vec::new() } else { files.to_vec() };
    for step in &steps {
        let origin = match step.kind {
            StepKind::Program => FileOrigin::BuiltIn,
            StepKind::Rules => FileOrigin::User,
            _ => continue,
        };
        let name = format!("{name}:{:05}", step.line);
        files.push(RuleFile { name, text: padded(step, &step.text).into(), origin });
    }
    let program = check(&files, builtins)?;
    let engine = Engine::new(program, builtins.clone(), EngineOptions::default());
    let mut story = Story { name, engine, last: Delta::default(), report: Report::default() };
    for step in &steps {
        story.step(step)?;
    }
    Ok(story.report)
}

/// Blank lines in front keep the line numbers of complaints those of the Markdown file.
fn padded(step: &Step, text: &str) -> String {
    format!("{}{text}", "\n".repeat(step.line - 1))
}

/// A run: the world as the steps so far left it.
struct Story<'a> {
    name: &'a str,
    engine: Engine,
    /// What the last transaction, or move of the clock, changed.
    last: Delta,
    report: Report,
}

impl Story<'_> {
    fn step(&mut self, step: &Step) -> Result<(), Vec<CheckError>> {
        match &step.kind {
            StepKind::Program | StepKind::Rules => {}
            StepKind::Facts(range) => {
                let text = match range {
                    None => padded(step, &step.text),
                    Some((first, last)) => (*first..=*last)
                        .map(|number| step.text.replace("{}", &number.to_string()))
                        .collect(),
                };
                let changes = parse_changes(self.name, &text, self.engine.program())?;
                let transaction = changes.net(&self.engine.reader());
                self.last = self.engine.transact(transaction);
            }
            StepKind::Clock(time) => {
                let moved = self.clock(time);
                self.note(step.line - 1, moved);
            }
            StepKind::Expect => self.lines(step, |story, text| holds(&story.engine, text)),
            StepKind::Delta => {
                let changed = self.changed(step);
                self.note(step.line, changed);
            }
            StepKind::Why(fact) => {
                let found = proof_texts(&self.engine, fact);
                self.lines(step, |_, text| contains(&found.clone()?, text));
            }
            StepKind::WhyNot(pattern) => {
                let found = failure_texts(&self.engine, pattern);
                self.lines(step, |_, text| contains(&found.clone()?, text));
            }
        }
        Ok(())
    }

    fn note(&mut self, line: usize, outcome: Result<(), String>) {
        self.report.checked += 1;
        if let Err(message) = outcome {
            self.report.unmet.push(Unmet { line, message });
        }
    }

    fn lines(&mut self, step: &Step, check: impl Fn(&Self, &str) -> Result<(), String>) {
        for (at, text) in said(step) {
            let outcome = check(self, text);
            self.note(at, outcome);
        }
    }

    /// Tells the deadlines that have passed by `time`, earliest first, as a scheduler would: those
    /// that come up on the way too, and each only once.
    fn clock(&mut self, time: &str) -> Result<(), String> {
        let bare = time.trim_start_matches("t\"").trim_end_matches('"');
        let now = moment::parse_time(bare).ok_or_else(|| format!("`{time}` is no time"))?;
        for _ in 0..DEADLINES_MAX {
            let told: BTreeSet<_> = self.engine.rows("elapsed").into_iter().collect();
            let passed = self.engine.rows("timer").into_iter().filter(|row| {
                matches!(row.as_slice(), [_, Value::Time(at)] if *at <= now) && !told.contains(row)
            });
            let Some(next) = passed.min_by(|a, b| a[1].cmp(&b[1])) else { return Ok(()) };
            let inserts = vec![Fact::new("elapsed", next)];
            self.last = self.engine.transact(Transaction { inserts, deletes: Vec::new() });
        }
        Err(format!("more than {DEADLINES_MAX} deadlines have passed by {time}"))
    }

    /// The last step changed exactly this, in the relations that are named.
    fn changed(&self, step: &Step) -> Result<(), String> {
        let mut want = BTreeSet::new();
        for (_, text) in said(step) {
            let fact = text.trim_start_matches(['+', '-']);
            let fact = pattern_of(&self.engine, fact)?.as_fact().ok_or("a fact has no `_`")?;
            want.insert((fact, !text.starts_with('-')));
        }
        let named: BTreeSet<Arc<str>> =
            want.iter().map(|(fact, _)| Arc::clone(&fact.relation)).collect();
        let mut have = BTreeSet::new();
        for (side, comes) in [(&self.last.added, true), (&self.last.removed, false)] {
            for (relation, rows) in side.iter().filter(|(name, _)| named.contains(*name)) {
                let facts = rows.iter().map(|row| Fact::new(Arc::clone(relation), row.clone()));
                have.extend(facts.map(|fact| (fact, comes)));
            }
        }
        let shown =
            |(fact, comes): &(Fact, bool)| format!("{}{fact}", if *comes { '+' } else { '-' });
        let missing: Vec<String> = want.difference(&have).map(shown).collect();
        let beyond: Vec<String> = have.difference(&want).map(shown).collect();
        if missing.is_empty() && beyond.is_empty() {
            return Ok(());
        }
        Err(format!("did not happen: {}; happened too: {}", missing.join(" "), beyond.join(" ")))
    }
}

/// The lines of a block that say something, without their comments.
fn said(step: &Step) -> impl Iterator<Item = (usize, &str)> {
    step.text.lines().enumerate().filter_map(|(at, line)| {
        let text = line.split(" //").next().unwrap_or_default().trim();
        let says = !text.is_empty() && !text.starts_with("//");
        says.then_some((step.line + at, text))
    })
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
    let pattern = pattern_of(engine, pattern)?;
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

/// A pattern that fits the program: one that cannot match is a mistake of the test.
fn pattern_of(engine: &Engine, text: &str) -> Result<Pattern, String> {
    let said = |error: CheckError| {
        let advice = error.advice().map(|advice| format!("; {advice}")).unwrap_or_default();
        format!("{error}{advice}")
    };
    parse_pattern("the test", text, engine.program()).map_err(said)
}

/// The facts and clauses of a fact's proof, which must follow step by step.
fn proof_texts(engine: &Engine, fact: &str) -> Result<Vec<String>, String> {
    let fact = pattern_of(engine, fact)?.as_fact().ok_or("a fact has no `_`")?;
    let reader = engine.reader();
    let answer = reader.why(&fact, &QueryOptions::default());
    let proof = answer.value.ok_or_else(|| format!("`{fact}` does not hold"))?;
    verify(&proof, &Recorded(reader)).map_err(|error| error.to_string())?;
    let labels =
        proof.nodes.iter().flat_map(|node| &node.clause).map(|clause| clause.label.clone());
    let facts = proof.nodes.iter().map(|node| node.conclusion.clone());
    Ok(facts.chain(labels).collect())
}

/// The facts of one generation, for the proof checker.
struct Recorded(Reader);

impl Facts for Recorded {
    fn is_asserted(&self, fact: &Fact) -> Option<bool> {
        let info = self.0.program().relation(&fact.relation)?;
        Some(info.kind == RelationKind::Input && self.0.since(fact).is_some())
    }

    fn is_absent(&self, pattern: &Pattern) -> Option<bool> {
        let one = QueryOptions { limit: 1, ..QueryOptions::default() };
        Some(self.0.query(pattern, &one).value.is_empty())
    }
}

fn failure_texts(engine: &Engine, pattern: &str) -> Result<Vec<String>, String> {
    let pattern = pattern_of(engine, pattern)?;
    let rules = engine.reader().why_not(&pattern, &QueryOptions::default()).value;
    let texts = rules.into_iter().flat_map(|rule| {
        let label = rule.clause.map(|clause| clause.label).unwrap_or_default();
        [label, rule.failing]
    });
    Ok(texts.collect())
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
