//! Inputs: facts that transactions assert and delete, keys that replace, facts that rule files
//! state.
//!
//! A stated fact of an input holds by default: unless the relation has a key and an asserted row
//! with the same key stands.

use crate::datalog::maintain::Work;
use crate::datalog::store::Age;
use crate::datalog::store::key_of;

/// Set in a row's support when a transaction asserted it.
pub(crate) const ASSERTED: u32 = 1;

/// From how many rows on a table is filled in one go.
const MANY: usize = 32;

/// True when no two of some rows have the same key.
fn have_own_keys<'a>(key: &[usize], count: usize, row: impl Fn(usize) -> &'a [u32]) -> bool {
    let same = |a: &[u32], b: &[u32]| key.iter().all(|column| a[*column] == b[*column]);
    let hash = |at: usize| u64::from(key_of(key.iter().map(|column| row(at)[*column])));
    let mut keys: Vec<u64> = (0..count).map(|at| hash(at) << 32 | at as u64).collect();
    keys.sort_unstable();
    let same_hash = keys.chunk_by(|a, b| a >> 32 == b >> 32);
    let row = |key: &u64| row(*key as u32 as usize);
    same_hash.filter(|keys| keys.len() > 1).all(|keys| {
        let mut rest = keys.iter().enumerate();
        rest.all(|(at, a)| keys[at + 1..].iter().all(|b| !same(row(a), row(b))))
    })
}

impl Work<'_> {
    /// Asserts many rows, which stand in `words` one after the other.
    pub(crate) fn assert_many(&mut self, relation: usize, words: &[u32], count: usize) {
        let table = self.store.table(relation);
        let arity = table.arity();
        let row = |at: usize| &words[at * arity..(at + 1) * arity];
        let key = self.compiled.program.info(relation).key.as_deref();
        let is_plain = key.is_none_or(|key| have_own_keys(key, count, row));
        if count >= MANY && table.is_untouched() && is_plain {
            let table = self.store.table_mut(relation);
            table.fill(words, count, |_| ASSERTED);
            table.index();
            self.touched[relation].extend(table.ids());
            return;
        }
        for at in 0..count {
            self.assert(relation, row(at));
            if !is_plain {
                // The next row may have the same key.
                self.store.table_mut(relation).index();
            }
        }
        self.store.table_mut(relation).index();
    }

    /// Asserts a row; with a key, the row that has the key leaves.
    fn assert(&mut self, relation: usize, row: &[u32]) {
        let key = self.compiled.program.info(relation).key.clone();
        if let Some(key) = key {
            for other in self.with_same_key(relation, &key, row) {
                if self.store.table(relation).row(other) != row {
                    self.set_input(relation, other, 0, false);
                }
            }
        }
        let id = self.store.table_mut(relation).place(row);
        let meta = self.store.table(relation).meta(id);
        if !meta.is_in(Age::New) || meta.support != ASSERTED {
            self.set_input(relation, id, ASSERTED, true);
        }
    }

    /// Takes an asserted row back; what rule files state returns.
    pub(crate) fn retract(&mut self, relation: usize, row: &[u32]) {
        let table = self.store.table(relation);
        let Some(id) = table.find(row) else { return };
        let meta = table.meta(id);
        if !meta.is_in(Age::New) || meta.support != ASSERTED {
            return;
        }
        self.set_input(relation, id, 0, false);
        let stated = self.stated.get(&relation);
        let key = self.compiled.program.info(relation).key.as_deref();
        for default in stated.into_iter().flatten() {
            let same = match key {
                Some(key) => key.iter().all(|column| default[*column] == row[*column]),
                None => **default == *row,
            };
            if same {
                self.state(relation, default);
            }
        }
    }

    /// Puts a stated row in force, unless another row has its key.
    pub(crate) fn state(&mut self, relation: usize, row: &[u32]) {
        if let Some(key) = self.compiled.program.info(relation).key.as_deref()
            && !self.with_same_key(relation, key, row).is_empty()
        {
            return;
        }
        let id = self.store.table_mut(relation).place(row);
        self.store.table_mut(relation).index();
        if !self.store.table(relation).meta(id).is_in(Age::New) {
            self.set_input(relation, id, 0, true);
        }
    }

    fn set_input(&mut self, relation: usize, id: u32, support: u32, holds: bool) {
        self.store.table_mut(relation).set_new(id, support, holds);
        self.touched[relation].push(id);
    }
}

#[cfg(test)]
mod tests {
    use super::have_own_keys;

    #[test]
    fn keys_of_many_rows_at_once() {
        #[rustfmt::skip]
        let cases: &[(&str, &[usize], &[[u32; 2]], bool)] = &[
            ("nothing",                    &[0],    &[],                           true),
            ("one row",                    &[0],    &[[1, 1]],                     true),
            ("apart",                      &[0],    &[[1, 1], [2, 1], [3, 1]],     true),
            ("the first and the last",     &[0],    &[[1, 1], [2, 1], [1, 2]],     false),
            ("the same row twice",         &[0],    &[[4, 4], [2, 1], [4, 4]],     false),
            ("two columns tell apart",     &[0, 1], &[[1, 1], [1, 2], [2, 1]],     true),
            ("two columns do not",         &[0, 1], &[[1, 1], [1, 2], [1, 2]],     false),
            ("another column does",        &[1],    &[[1, 1], [1, 2], [2, 3]],     true),
            ("all rows have the empty key", &[],    &[[1, 1], [2, 2]],             false),
        ];
        for (why, key, rows, want) in cases {
            assert_eq!(have_own_keys(key, rows.len(), |at| &rows[at][..]), *want, "{why}");
        }
    }
}
