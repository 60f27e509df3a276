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
use crate::datalog::store::sorted_entries;

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

    fn row(&self, at: usize) -> &[u32] {
        let arity = self.words.len() / self.signs.len().max(1);
        &self.words[at * arity..(at + 1) * arity]
    }

    /// The different heads whose signs do not cancel out, by key: the key, where the head stands,
    /// the sum of its signs.
    fn sums(&self) -> Vec<(u32, usize, i64)> {
        let count = self.signs.len();
        let mut sums: Vec<(u32, usize, i64)> = Vec::with_capacity(count);
        for item in sorted_entries(count, |at| self.row(at as usize)) {
            let (key, at) = ((item >> 32) as u32, item as u32 as usize);
            let sign = i64::from(self.signs[at]);
            let mut same_key = sums.iter_mut().rev().take_while(|(other, ..)| *other == key);
            match same_key.find(|(_, other, _)| self.row(*other) == self.row(at)) {
                Some((_, _, sum)) => *sum += sign,
                None => sums.push((key, at, sign)),
            }
        }
        sums.retain(|(.., sum)| *sum != 0);
        sums
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
        let sums = tally.sums();
        if sums.is_empty() {
            return;
        }
        let rows = sums.iter().map(|(key, at, _)| (*key, tally.row(*at)));
        let ids = self.store.table_mut(head).support_many(rows, |at, before| {
            let count = i64::from(before) + sums[at].2;
            u32::try_from(count).unwrap_or_else(|_| {
                self.inconsistent = true;
                0
            })
        });
        if self.compiled.relations[head].hidden {
            self.moved[head] = true;
            let changes = sums.iter().map(|(.., sum)| *sum);
            self.counts.entry(head).or_default().extend(ids.iter().copied().zip(changes));
        }
        self.touched[head].extend(ids);
    }
}
