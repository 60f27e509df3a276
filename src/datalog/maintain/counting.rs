//! Non-recursive relations: the number of derivations of each row.
//!
//! For a clause `h :- L1, …, Ln` the derivations that came and went are, over all i,
//! `new(L1 … Li-1) ⋈ ΔLi ⋈ old(Li+1 … Ln)`, with the sign of the change, turned for a negated
//! condition. A row is there while its count is above zero: no search for other proofs is needed.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::datalog::compile::CoreClause;
use crate::datalog::compile::Stored;
use crate::datalog::compile::Trigger;
use crate::datalog::exec::Ages;
use crate::datalog::exec::Heads;
use crate::datalog::fault::Fault;
use crate::datalog::maintain::CAME;
use crate::datalog::maintain::Change;
use crate::datalog::maintain::Work;
use crate::datalog::program::Term;
use crate::datalog::store::key_of;

/// Derivations of one clause that came and went: their heads, one after the other, and signs.
#[derive(Default)]
struct Tally {
    words: Vec<u32>,
    signs: Vec<i8>,
}

impl Tally {
    fn add(&mut self, heads: &Heads, stored: &Stored) {
        let (came, went) = if stored.negated { (-1, 1) } else { (1, -1) };
        self.words.extend_from_slice(heads.words());
        self.signs.extend(heads.notes().map(|note| if note.tag == CAME { came } else { went }));
    }

    /// The different heads, by key, with the sum of their signs.
    fn sums(&self) -> impl Iterator<Item = (&[u32], i64)> {
        let arity = self.words.len() / self.signs.len().max(1);
        let row = move |at: usize| &self.words[at * arity..(at + 1) * arity];
        let mut order: Vec<(u32, u32)> = (0..self.signs.len() as u32)
            .map(|at| (key_of(row(at as usize).iter().copied()), at))
            .collect();
        order.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| row(a.1 as usize).cmp(row(b.1 as usize)))
        });
        let mut sums: Vec<(usize, i64)> = Vec::with_capacity(order.len());
        for (_, at) in order {
            let (at, sign) = (at as usize, i64::from(self.signs[at as usize]));
            match sums.last_mut() {
                Some((last, sum)) if row(*last) == row(at) => *sum += sign,
                _ => sums.push((at, sign)),
            }
        }
        sums.into_iter().filter(|(_, sum)| *sum != 0).map(move |(at, sum)| (row(at), sum))
    }
}

impl Work<'_> {
    /// Counts every derivation of a unit from nothing.
    pub(super) fn count_in_full(
        &mut self,
        relations: &[usize],
        clauses: &[CoreClause],
    ) -> Result<(), Fault> {
        relations.iter().for_each(|relation| self.reset(*relation));
        for &relation in relations {
            let (mut words, mut count) = (Vec::new(), 0);
            for clause in clauses.iter().filter(|clause| clause.head == relation) {
                let heads = self.run_in_full(clause)?;
                words.extend_from_slice(heads.words());
                count += heads.len();
            }
            self.count_up(relation, &words, count);
        }
        Ok(())
    }

    /// Adds one derivation for each of some rows.
    fn count_up(&mut self, relation: usize, words: &[u32], count: usize) {
        let table = self.store.table_mut(relation);
        if table.is_untouched() && self.full {
            table.fill(words, count, |times| times);
            self.touched[relation].extend(table.ids());
            return;
        }
        let ids = table.place_many(words, count);
        for id in &ids {
            table.set_new(*id, table.meta(*id).support + 1, true);
        }
        if self.compiled.relations[relation].hidden {
            let changes = self.counts.entry(relation).or_default();
            changes.extend(ids.iter().map(|id| (*id, 1)));
        }
        self.touched[relation].extend(ids);
    }

    /// Counts the derivations that the changes below bring and take.
    pub(super) fn count_changes(
        &mut self,
        clauses: &[CoreClause],
        triggers: &[Trigger],
    ) -> Result<(), Fault> {
        let mut tallies: BTreeMap<u32, Tally> = BTreeMap::new();
        for trigger in triggers {
            if self.moved[trigger.relation as usize] {
                let clause = &clauses[trigger.clause as usize];
                let (at, stored, plan) = &clause.deltas[trigger.delta as usize];
                let found = self.run_changed(clause, stored, plan, None, Ages::Split(*at))?;
                tallies.entry(trigger.clause).or_default().add(&found, stored);
            }
        }
        for (clause, tally) in &tallies {
            self.apply(clauses[*clause as usize].head, tally);
        }
        Ok(())
    }

    /// The changed rows of a condition without the pairs that it does not tell apart: a row that
    /// came where one went that differs only in columns it leaves open adds as many derivations as
    /// the other takes. What is left of a negated condition, whose columns have a key, is there in
    /// one version only. None when all rows count.
    pub(super) fn told_apart(&mut self, stored: &Stored) -> Option<Rc<Change>> {
        let change = self.changes.of(stored.relation);
        let open = |term: &Term| *term == Term::Wildcard;
        if stored.default.is_some()
            || change.added.is_empty()
            || change.removed.is_empty()
            || !stored.args.iter().any(open)
        {
            return None;
        }
        let columns: Vec<usize> =
            (0..stored.args.len()).filter(|at| !open(&stored.args[*at])).collect();
        let known = self
            .told_apart
            .iter()
            .find(|(relation, known, _)| *relation == stored.relation && *known == columns);
        if let Some((_, _, change)) = known {
            return Some(Rc::clone(change));
        }
        let apart = Rc::new(self.without_pairs(stored.relation, &columns));
        self.told_apart.push((stored.relation, columns, Rc::clone(&apart)));
        Some(apart)
    }

    /// The changed rows of a relation, less as many that came as went with equal words in some
    /// columns.
    fn without_pairs(&self, relation: usize, columns: &[usize]) -> Change {
        let (table, change) = (self.store.table(relation), self.changes.of(relation));
        let words = |id: u32| {
            let row = table.row(id);
            columns.iter().map(|column| row[*column])
        };
        let keyed = |(id, came): &(u32, bool)| (key_of(words(*id)), *id, *came);
        let mut keyed: Vec<(u32, u32, bool)> = change.both.iter().map(keyed).collect();
        keyed.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| words(a.1).cmp(words(b.1))).then_with(|| a.1.cmp(&b.1))
        });
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for same in keyed.chunk_by(|a, b| words(a.1).eq(words(b.1))) {
            let came = same.iter().filter(|(_, _, came)| *came).map(|(_, id, _)| *id);
            let went = same.iter().filter(|(_, _, came)| !*came).map(|(_, id, _)| *id);
            let pairs = came.clone().count().min(went.clone().count());
            added.extend(came.skip(pairs));
            removed.extend(went.skip(pairs));
        }
        added.sort_unstable();
        removed.sort_unstable();
        Change::new(table, added, removed)
    }

    fn apply(&mut self, head: usize, tally: &Tally) {
        let is_group = self.compiled.relations[head].hidden;
        for (row, change) in tally.sums() {
            let id = self.store.table_mut(head).place(row);
            let count = i64::from(self.store.table(head).meta(id).support) + change;
            let count = u32::try_from(count).unwrap_or_else(|_| {
                self.inconsistent = true;
                0
            });
            self.store.table_mut(head).set_new(id, count, count > 0);
            self.touched[head].push(id);
            if is_group {
                self.moved[head] = true;
                self.counts.entry(head).or_default().push((id, change));
            }
        }
    }
}
