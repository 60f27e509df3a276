//! Inputs: facts that transactions assert and delete, keys that replace, facts that rule files
//! state.
//!
//! A stated fact of an input holds by default: unless the relation has a key and an asserted row
//! with the same key stands.

use crate::datalog::maintain::Work;
use crate::datalog::store::Age;

/// Set in a row's support when a transaction asserted it.
pub(crate) const ASSERTED: u32 = 1;

impl Work<'_> {
    /// Asserts a row; with a key, the row that has the key leaves.
    pub(crate) fn assert(&mut self, relation: usize, row: &[u32]) {
        let key = self.compiled.program.info(relation).key.clone();
        if let Some(key) = key {
            for other in self.with_same_key(relation, &key, row) {
                if self.store.table(relation).row(other) != row {
                    self.set_input(relation, other, 0, false);
                }
            }
        }
        let id = self.place(relation, row);
        if self.compiled.key_indexes[relation].is_some() {
            self.store.table_mut(relation).index();
        }
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
        let id = self.place(relation, row);
        self.store.table_mut(relation).index();
        if !self.store.table(relation).meta(id).is_in(Age::New) {
            self.set_input(relation, id, 0, true);
        }
    }

    fn set_input(&mut self, relation: usize, id: u32, support: u32, holds: bool) {
        let meta = self.store.table_mut(relation).meta_mut(id);
        meta.support = support;
        meta.set_new(holds);
        self.touched[relation].push(id);
    }
}
