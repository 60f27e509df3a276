//! The product's story, one turn of the loop: observe → commit → derive → plan → check → journal →
//! carry out. It closes when outcomes come back as observations.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::actions::Plan;
use crate::actions::Planned;
use crate::audit::Body;
use crate::audit::DiskStorage;
use crate::audit::Journal;
use crate::audit::ProofId;
use crate::daemon::DaemonError;
use crate::daemon::collect::Collector;
use crate::daemon::due::Due;
use crate::daemon::moments;
use crate::daemon::outlets::Outlets;
use crate::daemon::record;
use crate::daemon::rule_files::RuleFilesError;
use crate::daemon::rule_files::RuleSet;
use crate::daemon::ruling::Ruling;
use crate::daemon::state::Published;
use crate::daemon::timers::Timers;
use crate::datalog::Delta;
use crate::facts::FactBase;
use crate::facts::Statement;
use crate::facts::relation;
use crate::ingest::Ingest;
use crate::ingest::Observation;
use crate::model::Clock;
use crate::model::Effect;
use crate::model::Timestamp;

/// Most messages that one turn takes at once, so that a burst is one commit and yet ends.
const BATCH_MAX: usize = 4096;

/// What the loop hears.
pub(super) enum Message {
    /// Something was observed.
    Observed(Observation),
    /// An action ended; its effects are observations too.
    Ended {
        /// The action's key.
        key: String,
        /// The intent under which it ran.
        intent: ProofId,
        /// What it brought about, on each object that it touched.
        effects: Vec<Effect>,
        /// What else was observed by it, such as a fetched tree.
        observed: Vec<Observation>,
        /// The word and detail for the journal.
        outcome: record::Ended,
    },
    /// An action takes longer than most.
    Lasting {
        /// The action's key.
        key: String,
    },
    /// The user's rule files changed.
    Rules(Box<Result<RuleSet, RuleFilesError>>),
    /// Finish what is underway and stop.
    Stop,
}

/// An action on its way to whoever carries it out, with the id of its intent.
pub(super) struct Order {
    /// The intent, already durable.
    pub intent: ProofId,
    /// What to do.
    pub planned: Planned,
}

/// The loop's state. It runs on a thread of its own, so that a commit never waits for a socket.
pub(super) struct StepLoop {
    pub(super) facts: FactBase,
    pub(super) journal: Journal<DiskStorage>,
    pub(super) ingest: Ingest,
    pub(super) timers: Timers,
    pub(super) due: Due,
    pub(super) collector: Collector,
    pub(super) outlets: Outlets,
    pub(super) published: Arc<Published>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ruling: Ruling,
    pub(super) inbox: mpsc::Receiver<Message>,
    /// Kinds of custom resources whose list is in the next commit.
    pub(super) listed: Vec<String>,
    /// Actions that the rules know to last.
    pub(super) lasting: BTreeSet<String>,
    /// How long what is underway may take to end when the daemon stops.
    pub(super) drain: Duration,
}

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Nothing is underway.
    Drained,
    /// Some actions did not end in time: what came of them is observed at the next start.
    Overdue,
}

/// Whether the loop goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Running,
    /// Until nothing is underway, and no longer than this.
    Stopping(Timestamp),
}

impl StepLoop {
    /// Takes over what already holds when the daemon starts: no later delta tells of it.
    ///
    /// # Errors
    /// A row does not have the shape of its action.
    pub(super) fn recall(&mut self, recalled: &Delta) -> Result<(), DaemonError> {
        self.timers.update(recalled);
        self.due.update(recalled)?;
        self.outlets.watch(recalled);
        let now = self.clock.now();
        self.commit(moments::noted(recalled, now), now)
    }

    /// Runs until told to stop and nothing is underway, or what is underway takes too long to end.
    ///
    /// # Errors
    /// The fact log or the journal failed, or rules and code disagree: nothing may be done then.
    pub(super) fn run(mut self, runtime: &tokio::runtime::Handle) -> Result<Ending, DaemonError> {
        let drain = i64::try_from(self.drain.as_millis()).unwrap_or(i64::MAX);
        let mut mode = Mode::Running;
        let ending = loop {
            match mode {
                Mode::Stopping(_) if self.due.underway() == 0 => break Ending::Drained,
                Mode::Stopping(end) if end <= self.clock.now() => break Ending::Overdue,
                _ => {}
            }
            let messages = runtime.block_on(self.wait(mode));
            let asked = messages.iter().any(|message| matches!(message, Message::Stop));
            if asked && mode == Mode::Running {
                mode = Mode::Stopping(self.clock.now().plus_ms(drain));
                self.published.stop();
            }
            self.turn(messages, mode)?;
        };
        record::note_stop(&mut self.journal, self.due.underway(), self.clock.now())?;
        Ok(ending)
    }

    /// Waits for messages, or for the next deadline; not while there is more to plan.
    async fn wait(&mut self, mode: Mode) -> Vec<Message> {
        let now = self.clock.now();
        let more = (mode == Mode::Running && self.due.has_more()).then_some(now);
        let end = if let Mode::Stopping(end) = mode { Some(end) } else { None };
        let wakes = [self.timers.next(), more, end];
        let next = wakes.into_iter().flatten().min();
        let mut messages = Vec::new();
        let Some(at) = next else {
            let received = self.inbox.recv_many(&mut messages, BATCH_MAX).await;
            return if received == 0 { vec![Message::Stop] } else { messages };
        };
        let wait = u64::try_from(at.millis().saturating_sub(now.millis())).unwrap_or(0);
        let wait = Duration::from_millis(wait);
        match tokio::time::timeout(wait, self.inbox.recv_many(&mut messages, BATCH_MAX)).await {
            Ok(0) => vec![Message::Stop],
            _ => messages,
        }
    }

    /// One turn.
    fn turn(&mut self, messages: Vec<Message>, mode: Mode) -> Result<(), DaemonError> {
        let now = self.clock.now();
        let (statements, ended) = self.observe(messages, now)?;
        self.commit(statements, now)?;
        self.listed.drain(..).for_each(|kind| self.published.listed(&kind));
        for key in ended {
            self.due.end(&key, now);
        }
        let vain = self.due.statements();
        self.commit(vain, now)?;
        if mode != Mode::Running {
            return Ok(());
        }
        if self.collector.begins(&self.due, &self.ingest, now) {
            self.outlets.collect(self.ingest.holdings(), now);
        }
        let plan = self.plan()?;
        let orders = self.journal_intents(plan, now)?;
        self.outlets.dispatch(orders, &self.ingest, now);
        Ok(())
    }

    /// Turns messages into statements; outcomes reach the journal before their facts do.
    fn observe(
        &mut self,
        messages: Vec<Message>,
        now: Timestamp,
    ) -> Result<(Vec<Statement>, Vec<String>), DaemonError> {
        let mut statements = Vec::new();
        let mut ended = Vec::new();
        for message in messages {
            match message {
                Message::Stop => {}
                Message::Lasting { key } => {
                    statements.push(Statement::Holds(relation::lasting(&key)));
                    self.lasting.insert(key);
                }
                Message::Rules(loaded) => statements.extend(self.take_rules(*loaded, now)?),
                Message::Observed(observation) => {
                    self.collector.observed(&observation);
                    self.listed.extend(observation.lists().into_iter().map(str::to_owned));
                    statements.extend(self.ingest.statements(observation, now));
                }
                Message::Ended { key, intent, effects, observed, outcome } => {
                    outcome.log(&key, &intent);
                    self.journal.append(now, Body::Outcome(outcome.record(intent)))?;
                    if self.lasting.remove(&key) {
                        statements.push(Statement::Fails(relation::lasting(&key)));
                    }
                    ended.push(key);
                    for effect in effects {
                        let observation = Observation::Effect(effect);
                        statements.extend(self.ingest.statements(observation, now));
                    }
                    for observation in observed {
                        self.collector.observed(&observation);
                        statements.extend(self.ingest.statements(observation, now));
                    }
                }
            }
        }
        // Last, so that forgetting the deadlines of an earlier run cannot hide one that passed.
        statements.extend(self.timers.passed(now));
        Ok((statements, ended))
    }

    /// Commits one generation, and further ones with the times of what begins by it, and lets
    /// everybody see the last.
    fn commit(&mut self, statements: Vec<Statement>, now: Timestamp) -> Result<(), DaemonError> {
        let mut statements = statements;
        while !statements.is_empty() {
            let delta = self.facts.commit(statements, now)?;
            self.follow(&delta)?;
            statements = moments::noted(&delta, now);
            // When the rules before are in force again, this tells of it, and what they conclude.
            statements.extend(self.judge_faults(&delta, now)?);
        }
        Ok(())
    }

    /// Takes over what a generation changed.
    ///
    /// # Errors
    /// A row does not have the shape of its action.
    pub(super) fn follow(&mut self, delta: &Delta) -> Result<(), DaemonError> {
        self.timers.update(delta);
        self.due.update(delta)?;
        self.outlets.watch(delta);
        self.published.set(self.facts.reader());
        Ok(())
    }

    /// The plan of this generation: ordered and checked.
    fn plan(&mut self) -> Result<Plan, DaemonError> {
        let rows = self.due.take();
        let generation = self.facts.reader().generation();
        let plan = Plan::build(generation, rows, &Default::default())?;
        plan.lint().map_err(DaemonError::Lint)?;
        Ok(plan)
    }

    /// Makes facts and intents durable; only then are there orders.
    fn journal_intents(&mut self, plan: Plan, now: Timestamp) -> Result<Vec<Order>, DaemonError> {
        if plan.is_empty() {
            return Ok(Vec::new());
        }
        self.facts.sync()?;
        let reader = self.facts.reader();
        let fact_log = self.facts.log_head();
        let mut orders = Vec::new();
        for planned in plan.into_actions() {
            let intent = record::intent(&reader, &planned, fact_log, self.ruling.digest);
            let intent = self.journal.append(now, Body::Intent(intent))?;
            self.due.begin(&planned.action.key());
            orders.push(Order { intent, planned });
        }
        let head = self.journal.sync()?;
        self.published.set_head(head);
        Ok(orders)
    }
}
