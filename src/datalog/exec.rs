//! Runs join plans: bindings in, bindings out, every join by `datafrog::Relation::from_leapjoin`.
//!
//! A [`ProbeLeaper`] proposes the index entries that fit, and the join's logic turns an entry into
//! the next binding. Bindings are fixed arrays with a
//! number of their own in front: the join sorts and deduplicates its results, and so finds them
//! sorted and merges none. Many bindings are probed in the order of their keys. Between joins,
//! filters and built-ins walk over the bindings.
//!
//! Cost: rows probed, counted in [`Exec::probed`]; the budget stops a join in its middle.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use datafrog::Relation;

use crate::datalog::builtins::Calls;
use crate::datalog::expr;
use crate::datalog::expr::Stop;
use crate::datalog::leaper::Last;
use crate::datalog::leaper::ProbeLeaper;
use crate::datalog::leaper::fits;
use crate::datalog::leaper::key;
use crate::datalog::leaper::known;
use crate::datalog::plan::Access;
use crate::datalog::plan::Operand;
use crate::datalog::plan::Plan;
use crate::datalog::plan::Probe;
use crate::datalog::plan::Step;
use crate::datalog::program::Expr;
use crate::datalog::store::Age;
use crate::datalog::store::Interner;
use crate::datalog::store::Mix;
use crate::datalog::store::Table;
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

/// The results of a plan, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heads {
    arity: usize,
    words: Vec<u32>,
    notes: Vec<Note>,
}

/// What comes with a result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    /// The highest rank of a condition in the clause's own stratum.
    pub(crate) rank: u32,
    pub(crate) tag: u32,
}

impl Heads {
    pub(crate) fn len(&self) -> usize {
        self.notes.len()
    }

    /// The words of all heads, one after the other.
    pub(crate) fn words(&self) -> &[u32] {
        &self.words
    }

    /// What comes with each head.
    pub(crate) fn notes(&self) -> impl Iterator<Item = Note> {
        self.notes.iter().copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u32], Note)> {
        let head = |at: usize| &self.words[at * self.arity..(at + 1) * self.arity];
        self.notes.iter().enumerate().map(move |(at, note)| (head(at), *note))
    }
}

/// The words of a plan under way. `seq` rises, so that what the join sorts is sorted already; the
/// words hold the slots, and at their end rank and tag.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Binding<const W: usize> {
    seq: u32,
    pub(crate) words: [u32; W],
}

/// Runs plans over one store.
pub(crate) struct Exec<'a> {
    pub(crate) tables: &'a [Arc<Table>],
    pub(crate) interner: &'a mut Interner,
    pub(crate) calls: &'a Calls,
    pub(crate) ages: Ages,
    /// How many rows the relation has from whose rows the plan starts; 0 when it starts from none.
    pub(crate) start_rows: usize,
    /// Rows of the clause's own stratum count only below this rank.
    pub(crate) rank_limit: u32,
    /// Rows looked at so far.
    pub(crate) probed: &'a mut u64,
    /// What results and what leads to them cost so far, in rows looked at.
    pub(crate) paid: u64,
    /// Most rows to look at, with what is paid.
    pub(crate) work_max: u64,
    /// What a binding that a join makes costs: it is memory that is written.
    pub(crate) binding_cost: u64,
    /// What a result costs, in rows looked at: it may have to be stored and taken out again.
    pub(crate) head_cost: u64,
    /// What built-ins said to single words in this transaction.
    pub(crate) answers: &'a mut Answers,
}

/// The words that functions of one argument gave, by function and word. Many clauses ask the same
/// of the same rows. It holds for one transaction: words are used again after it.
pub(crate) type Answers = HashMap<u64, u32, BuildHasherDefault<Mix>>;

/// Most answers that are kept.
const ANSWERS_MAX: usize = 1 << 20;

/// So many times fewer rows than where the starts come from make a relation one that few have a
/// row in.
const RARE: usize = 8;

const RANK: usize = 2;
const TAG: usize = 1;

/// The start of a plan that starts from nothing.
pub(crate) const NOWHERE: Start<'static> = Start { words: &[], id: 0, rank: 0, tag: 0 };

impl Exec<'_> {
    /// All results of `plan` from `starts`.
    pub(crate) fn run(&mut self, plan: &Plan, starts: &[Start<'_>]) -> Result<Heads, Stop> {
        match plan.slots + RANK {
            0..=7 => self.run_wide::<7>(plan, starts),
            8..=11 => self.run_wide::<11>(plan, starts),
            12..=23 => self.run_wide::<23>(plan, starts),
            _ => self.run_wide::<128>(plan, starts),
        }
    }

    fn run_wide<const W: usize>(
        &mut self,
        plan: &Plan,
        starts: &[Start<'_>],
    ) -> Result<Heads, Stop> {
        let mut bindings: Vec<Binding<W>> = Vec::with_capacity(starts.len());
        if plan.steps.iter().any(|step| self.has_nothing_for(step)) {
            return Ok(Heads::default());
        }
        for start in starts {
            bindings.extend(self.seed(plan, start));
        }
        self.keep_likely(plan, &mut bindings);
        for step in &plan.steps {
            if bindings.is_empty() {
                return Ok(Heads::default());
            }
            bindings = self.step(step, bindings)?;
            self.within_budget()?;
        }
        self.paid += bindings.len() as u64 * self.head_cost;
        self.within_budget()?;
        self.heads(plan, &bindings)
    }

    /// True when no binding can get past a step.
    fn has_nothing_for(&self, step: &Step) -> bool {
        let Step::Probe(probe) = step else { return false };
        probe.default.is_none() && self.tables[probe.relation].rows() == 0
    }

    /// Drops bindings for which a condition on what they know already has no row, where its
    /// relation is far smaller than the one they come from: most of them, by one look-up each.
    fn keep_likely<const W: usize>(&mut self, plan: &Plan, bindings: &mut Vec<Binding<W>>) {
        let rows = |probe: &Probe| self.tables[probe.relation].rows();
        let early = plan.steps.iter().filter_map(|step| match step {
            Step::Probe(probe) if probe.early && rows(probe) < self.start_rows / RARE => {
                Some(probe)
            }
            _ => None,
        });
        let mut early: Vec<&Probe> = early.map(|probe| &**probe).collect();
        early.sort_by_key(|probe| rows(probe));
        for probe in early {
            let mut leaper = self.leaper(probe, &[]);
            bindings.retain(|binding| leaper.has_any(&binding.words));
            (*self.probed, self.paid) = (leaper.probed, leaper.paid);
        }
    }

    fn within_budget(&self) -> Result<(), Stop> {
        let (have, limit) = (self.probed.saturating_add(self.paid), self.work_max);
        if have > limit { Err(Stop::Work { have, limit }) } else { Ok(()) }
    }

    fn heads<const W: usize>(
        &mut self,
        plan: &Plan,
        bindings: &[Binding<W>],
    ) -> Result<Heads, Stop> {
        let arity = plan.head.len();
        let mut heads = Heads {
            arity,
            words: Vec::with_capacity(bindings.len() * arity),
            notes: Vec::with_capacity(bindings.len()),
        };
        for Binding { words, .. } in bindings {
            let before = heads.words.len();
            let mut failed = false;
            for operand in &plan.head {
                match self.word(operand, words) {
                    Ok(word) => heads.words.push(word),
                    Err(Stop::Failed(_)) => {
                        failed = true;
                        break;
                    }
                    Err(stop) => return Err(stop),
                }
            }
            if failed {
                heads.words.truncate(before);
            } else {
                heads.notes.push(Note { rank: words[W - RANK], tag: words[W - TAG] });
            }
        }
        Ok(heads)
    }

    fn seed<const W: usize>(&self, plan: &Plan, start: &Start<'_>) -> Option<Binding<W>> {
        let mut words = [0; W];
        let seed = &plan.seed;
        for (column, slot) in &seed.binds {
            words[*slot] = start.words[*column];
        }
        let fits = fits(start.words, &seed.checks, &seed.twins, &words);
        if let Some(slot) = seed.id_slot {
            words[slot] = start.id;
        }
        words[W - RANK] = if seed.recursive { start.rank } else { 0 };
        words[W - TAG] = start.tag;
        fits.then_some(Binding { seq: 0, words })
    }

    /// The word of an operand, made when its value has none.
    fn word(&mut self, operand: &Operand, words: &[u32]) -> Result<u32, Stop> {
        match operand {
            Operand::Known(source) => Ok(known(*source, words)),
            Operand::Computed(Expr::Call(call)) if let [Expr::Variable(slot)] = &*call.args => {
                let asked = (call.function as u64) << 32 | u64::from(words[*slot]);
                if let Some(answer) = self.answers.get(&asked) {
                    return Ok(*answer);
                }
                let value =
                    self.calls.function(call.function, &[self.interner.value(words[*slot])]);
                let answer = self.interner.intern(&value.map_err(Stop::Failed)?);
                if self.answers.len() < ANSWERS_MAX {
                    self.answers.insert(asked, answer);
                }
                Ok(answer)
            }
            Operand::Computed(expr) => {
                let value = self.value(expr, words)?;
                Ok(self.interner.intern(&value))
            }
        }
    }

    fn value(&self, expr: &Expr, words: &[u32]) -> Result<Value, Stop> {
        expr::value_with(expr, &|slot| self.interner.value(words[slot]), self.calls)
    }

    fn step<const W: usize>(
        &mut self,
        step: &Step,
        mut bindings: Vec<Binding<W>>,
    ) -> Result<Vec<Binding<W>>, Stop> {
        match step {
            Step::Probe(probe) if probe.default.is_some() => {
                Ok(self.probe_or_default(probe, bindings))
            }
            Step::Probe(probe) => Ok(self.join(probe, bindings)),
            Step::Absent(probe) if self.tables[probe.relation].rows() == 0 => Ok(bindings),
            Step::Absent(probe) => {
                let mut leaper = self.leaper(probe, &[]);
                bindings.retain(|binding| !leaper.has_any(&binding.words));
                (*self.probed, self.paid) = (leaper.probed, leaper.paid);
                Ok(bindings)
            }
            Step::Compare { op, left, right } => {
                self.filter(bindings, |exec, words| exec.compare(*op, left, right, words))
            }
            Step::Test { call, negated } => self.filter(bindings, |exec, words| {
                let of = |slot: usize| exec.interner.value(words[slot]);
                let inputs = expr::inputs_with(call, &of, exec.calls)?;
                Ok(exec.calls.test(call.function, &inputs) == Ok(!negated))
            }),
            Step::Assign { slot, from } => {
                let mut kept = Vec::with_capacity(bindings.len());
                for mut binding in bindings {
                    match self.word(from, &binding.words) {
                        Ok(word) => {
                            binding.words[*slot] = word;
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
                    let of = |slot: usize| self.interner.value(binding.words[slot]);
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
        binding: Binding<W>,
        next: &mut Vec<Binding<W>>,
    ) {
        let Step::Rows { checks, twins, binds, id_slot, .. } = step else { return };
        for (at, row) in rows.iter().enumerate() {
            *self.probed += 1;
            let words: Vec<u32> = row.iter().map(|value| self.interner.intern(value)).collect();
            if fits(&words, checks, twins, &binding.words) {
                let mut more = binding;
                binds.iter().for_each(|(column, slot)| more.words[*slot] = words[*column]);
                if let Some(slot) = id_slot {
                    more.words[*slot] = at as u32;
                }
                next.push(more);
                self.paid += self.binding_cost;
            }
        }
    }

    fn filter<const W: usize>(
        &self,
        mut bindings: Vec<Binding<W>>,
        mut holds: impl FnMut(&Self, &[u32; W]) -> Result<bool, Stop>,
    ) -> Result<Vec<Binding<W>>, Stop> {
        let mut stop = None;
        bindings.retain(|binding| match holds(self, &binding.words) {
            Ok(holds) => holds,
            Err(Stop::Failed(_)) => false,
            Err(other) => {
                stop = Some(other);
                false
            }
        });
        stop.map_or(Ok(bindings), Err)
    }

    fn compare(
        &self,
        op: Comparison,
        left: &Operand,
        right: &Operand,
        words: &[u32],
    ) -> Result<bool, Stop> {
        if let (Operand::Known(a), Operand::Known(b)) = (left, right) {
            let (a, b) = (known(*a, words), known(*b, words));
            return Ok(match op {
                Comparison::Equal => a == b,
                Comparison::NotEqual => a != b,
                _ => op.holds(self.interner.compare(a, b)),
            });
        }
        let value = |operand: &Operand| match operand {
            Operand::Known(source) => Ok(self.interner.value(known(*source, words))),
            Operand::Computed(expr) => self.value(expr, words),
        };
        Ok(op.holds(value(left)?.cmp(&value(right)?)))
    }

    fn leaper<'s>(&self, probe: &'s Probe, scan: &'s [u64]) -> ProbeLeaper<'s>
    where
        Self: 's,
    {
        ProbeLeaper {
            table: &self.tables[probe.relation],
            probe,
            scan,
            age: self.ages.of(probe.literal),
            rank_limit: if probe.recursive { self.rank_limit } else { u32::MAX },
            probed: *self.probed,
            paid: self.paid,
            binding_cost: self.binding_cost,
            work_max: self.work_max,
            last: Last::default(),
        }
    }

    /// Extends every binding by the rows that fit.
    fn join<const W: usize>(
        &mut self,
        probe: &Probe,
        bindings: Vec<Binding<W>>,
    ) -> Vec<Binding<W>> {
        let source = Relation { elements: in_order_of_keys(probe, bindings) };
        let table = &self.tables[probe.relation];
        let scan: Vec<u64> = match probe.access {
            Access::Scan => table.ids().map(u64::from).collect(),
            _ => Vec::new(),
        };
        let mut leaper = self.leaper(probe, &scan);
        let mut seq = 0;
        let joined =
            Relation::from_leapjoin(&source, &mut leaper, |binding: &Binding<W>, entry: &u64| {
                seq += 1;
                extend(table, probe, binding, *entry as u32, seq)
            });
        (*self.probed, self.paid) = (leaper.probed, leaper.paid);
        joined.elements
    }

    /// As [`Exec::join`], but a group without a row has its value for the empty group.
    fn probe_or_default<const W: usize>(
        &mut self,
        probe: &Probe,
        bindings: Vec<Binding<W>>,
    ) -> Vec<Binding<W>> {
        let Some((keys, default)) = probe.default else { return bindings };
        let table = &self.tables[probe.relation];
        let scan: Vec<u64> = match probe.access {
            Access::Scan => table.ids().map(u64::from).collect(),
            _ => Vec::new(),
        };
        let mut leaper = self.leaper(probe, &scan);
        let (mut next, mut entries) = (Vec::new(), Vec::new());
        for binding in bindings {
            entries.clear();
            leaper.group(&binding.words, keys, &mut entries);
            match entries.first() {
                Some(entry) => {
                    let row = table.row(**entry as u32);
                    if fits(row, &probe.checks, &probe.twins, &binding.words) {
                        next.push(extend(table, probe, &binding, **entry as u32, 0));
                    }
                }
                None => {
                    let wanted = probe.checks.iter().find(|(column, _)| *column == keys);
                    if wanted.is_none_or(|(_, source)| known(*source, &binding.words) == default) {
                        let mut more = binding;
                        probe.binds.iter().for_each(|(_, slot)| more.words[*slot] = default);
                        next.push(more);
                    }
                }
            }
        }
        (*self.probed, self.paid) = (leaper.probed, leaper.paid);
        next
    }
}

/// From how many bindings on it pays to probe in the order of the keys, so that one look-up finds
/// what the one before it brought into the cache.
const SORT_MIN: usize = 1_024;

fn in_order_of_keys<const W: usize>(probe: &Probe, bindings: Vec<Binding<W>>) -> Vec<Binding<W>> {
    if bindings.len() < SORT_MIN || matches!(probe.access, Access::Scan) {
        return bindings;
    }
    let keys = bindings.iter().enumerate();
    let mut keys: Vec<u64> =
        keys.map(|(at, binding)| u64::from(key(probe, &binding.words)) << 32 | at as u64).collect();
    keys.sort_unstable();
    keys.into_iter().map(|key| bindings[key as u32 as usize]).collect()
}

/// The binding with the row's words, id and rank in their places.
fn extend<const W: usize>(
    table: &Table,
    probe: &Probe,
    binding: &Binding<W>,
    id: u32,
    seq: u32,
) -> Binding<W> {
    let mut more = Binding { seq, ..*binding };
    let (row, meta) = table.row_and_meta(id);
    for (column, slot) in &probe.binds {
        more.words[*slot] = row[*column];
    }
    if let Some(slot) = probe.id_slot {
        more.words[slot] = id;
    }
    if probe.recursive {
        more.words[W - RANK] = more.words[W - RANK].max(meta.support);
    }
    more
}
