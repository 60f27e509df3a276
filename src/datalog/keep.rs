//! A generation as bytes, with all that was derived: a start that derives nothing.
//!
//! In: a [`Reader`]. Out: bytes, and from them an engine with the same program at that generation.
//!
//! ```text
//! form · rules hash · outputs · generation · interner · tables (rows, notes, sorted runs)
//! ```
//!
//! The bytes serve the same build of the same rules only, whose plans say what the tables are; the
//! rules are compared here, the build by whoever keeps the bytes, and so is that they are whole.
//! Should they not fit after all, nothing is taken: the facts are derived from anew. What other
//! rules, or another build, had concluded can be read all the same, to be compared.
//!
//! Cost: one copy. Not here: where the bytes stand (`facts`).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::io::Write;
use std::sync::Arc;

use crate::datalog::engine::Engine;
use crate::datalog::reader::Reader;
use crate::datalog::store::Age;
use crate::datalog::store::Interner;
use crate::datalog::store::Store;
use crate::datalog::store::Table;
use crate::datalog::store::Uses;
use crate::datalog::store::bytes::Bytes;
use crate::datalog::store::bytes::put_bytes;
use crate::datalog::store::bytes::put_u64;
use crate::datalog::value::Row;
use crate::datalog::world::World;

/// Changes with what is written.
const FORM: u64 = 2;

impl Reader {
    /// Writes this generation, and says whether it can be kept: one with a fault cannot.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn save(&self, out: &mut dyn Write) -> io::Result<bool> {
        let World { store, faults, generation, .. } = self.world();
        if !faults.is_empty() {
            return Ok(false);
        }
        put_u64(out, FORM)?;
        put_bytes(out, self.program().hash().as_bytes())?;
        put_u64(out, self.program().relations().filter(|info| info.output).count() as u64)?;
        for (at, info) in self.program().relations().enumerate().filter(|(_, info)| info.output) {
            put_u64(out, at as u64)?;
            put_bytes(out, info.name.as_bytes())?;
        }
        put_u64(out, *generation)?;
        store.interner.save(out)?;
        put_u64(out, store.tables.len() as u64)?;
        store.tables.iter().try_for_each(|table| table.save(out))?;
        Ok(true)
    }
}

/// What held in `.output` relations, by name.
pub(crate) type Conclusions = BTreeMap<Arc<str>, BTreeSet<Row>>;

/// The `.output` relations of some rules, by position.
type Outputs = BTreeMap<usize, Arc<str>>;

/// The hash of the rules and their outputs, which stand in front.
fn front<'a>(from: &mut Bytes<'a>) -> Option<(&'a [u8], Outputs)> {
    (from.u64()? == FORM).then_some(())?;
    let hash = from.bytes()?;
    let mut outputs = Outputs::new();
    for _ in 0..from.u64()? {
        let (at, name) = (from.len()?, from.bytes()?);
        outputs.insert(at, Arc::from(std::str::from_utf8(name).ok()?));
    }
    Some((hash, outputs))
}

/// What a kept generation held in its outputs, whatever its rules were.
pub(crate) fn conclusions(bytes: &[u8]) -> Option<Conclusions> {
    let from = &mut Bytes(bytes);
    let (_, outputs) = front(from)?;
    let _generation = from.u64()?;
    let interner = Interner::restore(from)?;
    let mut all = Conclusions::new();
    for at in 0..from.len()? {
        let rows = Table::rows_of(from)?;
        let Some(name) = outputs.get(&at) else { continue };
        let decode = |row: Vec<u32>| row.iter().map(|word| interner.known(*word)).collect();
        let rows: Option<BTreeSet<Row>> = rows.into_iter().map(decode).collect();
        all.insert(Arc::clone(name), rows?);
    }
    Some(all)
}

impl Engine {
    /// Puts a generation that was kept in place of this one, if the bytes are one of this program.
    pub(crate) fn restore(&mut self, bytes: &[u8]) -> bool {
        match self.read(&mut Bytes(bytes)) {
            Some((world, uses)) => {
                self.put_in_place(world, Some(uses));
                true
            }
            None => false,
        }
    }

    fn read(&self, from: &mut Bytes<'_>) -> Option<(World, Uses)> {
        let own = self.world();
        let (hash, _) = front(from)?;
        (hash == own.program().hash().as_bytes()).then_some(())?;
        let generation = from.u64()?;
        let interner = Interner::restore(from)?;
        // The plans name constants by their words.
        let same = |word: &u32| interner.find(&own.store.interner.value(*word)) == Some(*word);
        let fits = from.len()? == own.store.tables.len() && self.constants().iter().all(same);
        fits.then_some(())?;
        let mut uses = Uses::default();
        own.stated.values().flatten().for_each(|row| uses.add(row));
        uses.add(self.constants());
        let mut tables = Vec::with_capacity(own.store.tables.len());
        for relation in &own.compiled.relations {
            let table = relation.table().restore(from)?;
            for id in table.ids() {
                let (row, meta) = table.row_and_meta(id);
                if meta.is_in(Age::Old) {
                    uses.add(row);
                }
            }
            tables.push(Arc::new(table));
        }
        let mut world = own.clone();
        world.store = Store { interner, tables };
        world.generation = generation;
        from.0.is_empty().then_some((world, uses))
    }
}
