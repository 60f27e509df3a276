//! Runs join plans: bindings in, bindings out, every join by `datafrog::Relation::from_leapjoin`.
//!
//! One [`ProbeLeaper`] serves every probe of every plan: it proposes the index entries that fit,
//! and the join's logic turns an entry into the next binding. Bindings are fixed arrays, because
//! the join sorts and deduplicates them; the plan gives each derivation words of its own, so
//! nothing that counts is merged. Between joins, filters and built-ins walk over the bindings.
//!
//! Cost: rows probed, counted in [`Exec::probed`]; the budget stops a join in its middle.

use std::sync::Arc;

use datafrog::Leapers;
use datafrog::Relation;

use crate::datalog::builtins::Calls;
use crate::datalog::expr;
use crate::datalog::expr::Stop;
use crate::datalog::plan::Access;
use crate::datalog::plan::Plan;
use crate::datalog::plan::Probe;
use crate::datalog::plan::Source;
use crate::datalog::plan::Step;
use crate::datalog::program::Expr;
use crate::datalog::store::Age;
use crate::datalog::store::Interner;
use crate::datalog::store::Table;
use crate::datalog::store::key_of;
use crate::datalog::syntax::Comparison;
use crate::datalog::value::Row;
use crate::datalog::value::Value;

/// Which version each condition reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ages {
    /// All the same.
    All(Age),
    /// New left of the changed condition, old right of it.
    Split(usize),
}

impl Ages {
    fn of(self, literal: usize) -> Age {
        match self {
            Self::All(age) => age,
            Self::Split(changed) if literal < changed => Age::New,
            Self::Split(_) => Age::Old,
        }
    }
}

/// A row from which a plan starts.
pub(crate) struct Start<'a> {
    pub(crate) words: &'a [u32],
    pub(crate) id: u32,
    /// Its rank, when it belongs to the clause's own stratum.
    pub(crate) rank: u32,
    /// What results that grow from it carry.
    pub(crate) tag: u32,
}

/// One result of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) head: Box<[u32]>,
    /// The highest rank of a condition in the clause's own stratum.
    pub(crate) rank: u32,
    pub(crate) tag: u32,
}

/// Runs plans over one store.
pub(crate) struct Exec<'a> {
    pub(crate) tables: &'a [Arc<Table>],
    pub(crate) interner: &'a mut Interner,
    pub(crate) calls: &'a Calls,
    pub(crate) ages: Ages,
    /// Rows of the clause's own stratum count only below this rank.
    pub(crate) rank_limit: u32,
    /// Rows looked at so far.
    pub(crate) probed: &'a mut u64,
    /// Most rows to look at.
    pub(crate) probed_max: u64,
}

const RANK: usize = 2;
const TAG: usize = 1;

/// The start of a plan that starts from nothing.
pub(crate) const NOWHERE: Start<'static> = Start { words: &[], id: 0, rank: 0, tag: 0 };

impl Exec<'_> {
    /// All results of `plan` from `starts`.
    pub(crate) fn run(&mut self, plan: &Plan, starts: &[Start<'_>]) -> Result<Vec<Found>, Stop> {
        match plan.slots + RANK {
            0..=8 => self.run_wide::<8>(plan, starts),
            9..=16 => self.run_wide::<16>(plan, starts),
            17..=32 => self.run_wide::<32>(plan, starts),
            _ => self.run_wide::<128>(plan, starts),
        }
    }

    fn run_wide<const W: usize>(
        &mut self,
        plan: &Plan,
        starts: &[Start<'_>],
    ) -> Result<Vec<Found>, Stop> {
        let mut bindings: Vec<[u32; W]> = Vec::with_capacity(starts.len());
        for start in starts {
            bindings.extend(self.seed(plan, start));
        }
        for step in &plan.steps {
            if bindings.is_empty() {
                return Ok(Vec::new());
            }
            bindings = self.step(step, bindings)?;
            if *self.probed > self.probed_max {
                return Err(Stop::Work { have: *self.probed, limit: self.probed_max });
            }
        }
        let mut found = Vec::with_capacity(bindings.len());
        for binding in &bindings {
            if let Some(head) = self.head(&plan.head, binding)? {
                found.push(Found { head, rank: binding[W - RANK], tag: binding[W - TAG] });
            }
        }
        Ok(found)
    }

    fn seed<const W: usize>(&self, plan: &Plan, start: &Start<'_>) -> Option<[u32; W]> {
        let mut binding = [0; W];
        let seed = &plan.seed;
        for (column, slot) in &seed.binds {
            binding[*slot] = start.words[*column];
        }
        let fits = self.fits(start.words, &seed.checks, &seed.twins, &binding);
        if let Some(slot) = seed.id_slot {
            binding[slot] = start.id;
        }
        binding[W - RANK] = if seed.recursive { start.rank } else { 0 };
        binding[W - TAG] = start.tag;
        fits.then_some(binding)
    }

    fn fits(
        &self,
        row: &[u32],
        checks: &[(usize, Source)],
        twins: &[(usize, usize)],
        binding: &[u32],
    ) -> bool {
        twins.iter().all(|(a, b)| row[*a] == row[*b])
            && checks
                .iter()
                .all(|(column, source)| word(source, binding, self.interner) == Some(row[*column]))
    }

    fn head(&mut self, head: &[Expr], binding: &[u32]) -> Result<Option<Box<[u32]>>, Stop> {
        let mut row = Vec::with_capacity(head.len());
        for expr in head {
            match self.eval(expr, binding) {
                Ok(word) => row.push(word),
                Err(Stop::Failed(_)) => return Ok(None),
                Err(stop) => return Err(stop),
            }
        }
        Ok(Some(row.into()))
    }

    fn eval(&mut self, expr: &Expr, binding: &[u32]) -> Result<u32, Stop> {
        match expr {
            Expr::Variable(slot) => Ok(binding[*slot]),
            Expr::Constant(value) => Ok(self.interner.intern(value)),
            _ => {
                let value = self.value(expr, binding)?;
                Ok(self.interner.intern(&value))
            }
        }
    }

    fn value(&self, expr: &Expr, binding: &[u32]) -> Result<Value, Stop> {
        expr::value_with(expr, &|slot| self.interner.value(binding[slot]), self.calls)
    }

    fn step<const W: usize>(
        &mut self,
        step: &Step,
        bindings: Vec<[u32; W]>,
    ) -> Result<Vec<[u32; W]>, Stop> {
        match step {
            Step::Probe(probe) if probe.default.is_some() => self.probe_or_default(probe, bindings),
            Step::Probe(probe) => Ok(self.join(probe, bindings)),
            Step::Absent(probe) => {
                let mut leaper = self.leaper(probe);
                let mut entries = Vec::new();
                let mut kept = bindings;
                kept.retain(|binding| {
                    entries.clear();
                    leaper.candidates(binding, &mut entries);
                    entries.is_empty()
                });
                *self.probed = leaper.probed;
                Ok(kept)
            }
            Step::Compare { op, left, right } => {
                self.filter(bindings, |exec, binding| exec.compare(*op, left, right, binding))
            }
            Step::Test { call, negated } => self.filter(bindings, |exec, binding| {
                let of = |slot: usize| exec.interner.value(binding[slot]);
                let inputs = expr::inputs_with(call, &of, exec.calls)?;
                Ok(exec.calls.test(call.function, &inputs) == Ok(!negated))
            }),
            Step::Assign { slot, expr } => {
                let mut kept = Vec::with_capacity(bindings.len());
                for mut binding in bindings {
                    match self.eval(expr, &binding) {
                        Ok(word) => {
                            binding[*slot] = word;
                            kept.push(binding);
                        }
                        Err(Stop::Failed(_)) => {}
                        Err(stop) => return Err(stop),
                    }
                }
                Ok(kept)
            }
            Step::Rows { call, .. } => {
                let mut next = Vec::new();
                for binding in bindings {
                    let of = |slot: usize| self.interner.value(binding[slot]);
                    let rows = match expr::inputs_with(call, &of, self.calls) {
                        Ok(inputs) => self.calls.relation(call.function, &inputs),
                        Err(Stop::Failed(_)) => continue,
                        Err(stop) => return Err(stop),
                    };
                    self.extend_by_rows(step, &rows.unwrap_or_default(), binding, &mut next);
                }
                Ok(next)
            }
        }
    }

    /// Extends one binding by the result rows of a built-in.
    fn extend_by_rows<const W: usize>(
        &mut self,
        step: &Step,
        rows: &[Row],
        binding: [u32; W],
        next: &mut Vec<[u32; W]>,
    ) {
        let Step::Rows { checks, twins, binds, id_slot, .. } = step else { return };
        for (at, row) in rows.iter().enumerate() {
            *self.probed += 1;
            let words: Vec<u32> = row.iter().map(|value| self.interner.intern(value)).collect();
            if self.fits(&words, checks, twins, &binding) {
                let mut more = binding;
                binds.iter().for_each(|(column, slot)| more[*slot] = words[*column]);
                if let Some(slot) = id_slot {
                    more[*slot] = at as u32;
                }
                next.push(more);
            }
        }
    }

    fn filter<const W: usize>(
        &self,
        bindings: Vec<[u32; W]>,
        mut holds: impl FnMut(&Self, &[u32; W]) -> Result<bool, Stop>,
    ) -> Result<Vec<[u32; W]>, Stop> {
        let mut kept = bindings;
        let mut stop = None;
        kept.retain(|binding| match holds(self, binding) {
            Ok(holds) => holds,
            Err(Stop::Failed(_)) => false,
            Err(other) => {
                stop = Some(other);
                false
            }
        });
        stop.map_or(Ok(kept), Err)
    }

    fn compare(
        &self,
        op: Comparison,
        left: &Expr,
        right: &Expr,
        binding: &[u32],
    ) -> Result<bool, Stop> {
        if let (Expr::Variable(a), Expr::Variable(b)) = (left, right) {
            return Ok(op.holds(self.interner.compare(binding[*a], binding[*b])));
        }
        let (left, right) = (self.value(left, binding)?, self.value(right, binding)?);
        Ok(op.holds(left.cmp(&right)))
    }

    fn leaper<'s>(&'s self, probe: &'s Probe) -> ProbeLeaper<'s> {
        ProbeLeaper {
            table: &self.tables[probe.relation],
            probe,
            interner: self.interner,
            age: self.ages.of(probe.literal),
            rank_limit: if probe.recursive { self.rank_limit } else { u32::MAX },
            probed: *self.probed,
            probed_max: self.probed_max,
        }
    }

    /// Extends every binding by the rows that fit.
    fn join<const W: usize>(&mut self, probe: &Probe, bindings: Vec<[u32; W]>) -> Vec<[u32; W]> {
        let source = Relation { elements: bindings };
        let table = &self.tables[probe.relation];
        let mut leaper = self.leaper(probe);
        let joined =
            Relation::from_leapjoin(&source, &mut leaper, |binding: &[u32; W], entry: &u64| {
                extend(table, probe, binding, *entry as u32)
            });
        *self.probed = leaper.probed;
        joined.elements
    }

    /// As [`Exec::join`], but a group without a row has its value for the empty group.
    fn probe_or_default<const W: usize>(
        &mut self,
        probe: &Probe,
        bindings: Vec<[u32; W]>,
    ) -> Result<Vec<[u32; W]>, Stop> {
        let Some((keys, value)) = &probe.default else { return Ok(bindings) };
        let default = self.interner.intern(value);
        let table = &self.tables[probe.relation];
        let mut leaper = self.leaper(probe);
        let (mut next, mut entries) = (Vec::new(), Vec::new());
        for binding in bindings {
            entries.clear();
            leaper.group(&binding, *keys, &mut entries);
            match entries.first() {
                Some(entry) => {
                    let row = table.row(**entry as u32);
                    if leaper.fits(row, &binding) {
                        next.push(extend(table, probe, &binding, **entry as u32));
                    }
                }
                None => {
                    let wanted = probe.checks.iter().find(|(column, _)| column == keys);
                    let fits = wanted.is_none_or(|(_, source)| {
                        word(source, &binding, leaper.interner) == Some(default)
                    });
                    if fits {
                        let mut more = binding;
                        probe.binds.iter().for_each(|(_, slot)| more[*slot] = default);
                        next.push(more);
                    }
                }
            }
        }
        *self.probed = leaper.probed;
        Ok(next)
    }
}

/// The binding with the row's words, id and rank in their places.
fn extend<const W: usize>(table: &Table, probe: &Probe, binding: &[u32; W], id: u32) -> [u32; W] {
    let mut more = *binding;
    let row = table.row(id);
    for (column, slot) in &probe.binds {
        more[*slot] = row[*column];
    }
    if let Some(slot) = probe.id_slot {
        more[slot] = id;
    }
    if probe.recursive {
        more[W - RANK] = more[W - RANK].max(table.meta(id).support);
    }
    more
}

fn word(source: &Source, binding: &[u32], interner: &Interner) -> Option<u32> {
    match source {
        Source::Slot(slot) => Some(binding[*slot]),
        Source::Constant(value) => interner.find(value),
    }
}

/// Proposes the entries of one table that fit a binding: the only leaper that rules need.
struct ProbeLeaper<'leap> {
    table: &'leap Table,
    probe: &'leap Probe,
    interner: &'leap Interner,
    age: Age,
    rank_limit: u32,
    probed: u64,
    probed_max: u64,
}

impl<'leap> ProbeLeaper<'leap> {
    fn fits(&self, row: &[u32], binding: &[u32]) -> bool {
        let probe = self.probe;
        probe.twins.iter().all(|(a, b)| row[*a] == row[*b])
            && probe.checks.iter().all(|(column, source)| match source {
                Source::Slot(slot) => binding[*slot] == row[*column],
                Source::Constant(value) => self.interner.find(value) == Some(row[*column]),
            })
    }

    fn candidates(&mut self, binding: &[u32], values: &mut Vec<&'leap u64>) {
        let Some(key) = self.key(binding) else { return };
        let table = self.table;
        match self.probe.access {
            Access::Scan => self.take(table.entries(), binding, values),
            Access::Index(at) => self.take(table.probe(at, key), binding, values),
            Access::Row => self.take(table.probe_row(key), binding, values),
        }
    }

    fn key(&self, binding: &[u32]) -> Option<u32> {
        let mut words = [0; 32];
        let key = &self.probe.key;
        for (place, source) in words.iter_mut().zip(key) {
            *place = word(source, binding, self.interner)?;
        }
        Some(key_of(words[..key.len().min(32)].iter().copied()))
    }

    fn take(
        &mut self,
        entries: impl Iterator<Item = &'leap u64>,
        binding: &[u32],
        values: &mut Vec<&'leap u64>,
    ) {
        for entry in entries {
            self.probed += 1;
            if self.probed > self.probed_max {
                return;
            }
            let id = *entry as u32;
            let meta = self.table.meta(id);
            let seen = meta.is_in(self.age)
                && (self.rank_limit == u32::MAX || meta.support < self.rank_limit);
            if seen && self.fits(self.table.row(id), binding) {
                values.push(entry);
            }
        }
    }

    /// The row of a group, whatever stands behind its keys.
    fn group(&mut self, binding: &[u32], keys: usize, values: &mut Vec<&'leap u64>) {
        let Some(key) = self.key(binding) else { return };
        let table = self.table;
        let entries: Vec<&u64> = match self.probe.access {
            Access::Scan => table.entries().collect(),
            Access::Index(at) => table.probe(at, key).collect(),
            Access::Row => table.probe_row(key).collect(),
        };
        for entry in entries {
            self.probed += 1;
            let id = *entry as u32;
            let row = table.row(id);
            let same =
                self.probe.checks.iter().filter(|(column, _)| *column < keys).all(
                    |(column, source)| word(source, binding, self.interner) == Some(row[*column]),
                );
            if same && table.meta(id).is_in(self.age) {
                values.push(entry);
            }
        }
    }
}

impl<'leap, const W: usize> Leapers<'leap, [u32; W], u64> for &mut ProbeLeaper<'leap> {
    fn for_each_count(&mut self, _: &[u32; W], mut op: impl FnMut(usize, usize)) {
        op(0, 1);
    }

    fn propose(&mut self, binding: &[u32; W], _: usize, values: &mut Vec<&'leap u64>) {
        self.candidates(binding, values);
    }

    fn intersect(&mut self, _: &[u32; W], _: usize, _: &mut Vec<&'leap u64>) {}
}
