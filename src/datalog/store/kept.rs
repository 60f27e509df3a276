//! Tables as bytes: all rows with their notes, and everything that is sorted of them.
//!
//! ```text
//! columns · indexes · walks · live · slots · first vacant · blocks · runs
//! ```

use std::io;
use std::io::Write;
use std::sync::Arc;

use crate::datalog::store::bytes::Bytes;
use crate::datalog::store::bytes::put_u32;
use crate::datalog::store::bytes::put_u64;
use crate::datalog::store::bytes::put_wide;
use crate::datalog::store::bytes::put_words;
use crate::datalog::store::shared::Shared;
use crate::datalog::store::sorted::Sorted;
use crate::datalog::store::table::BLOCK;
use crate::datalog::store::table::NOTES;
use crate::datalog::store::table::OLD;
use crate::datalog::store::table::Table;
use crate::datalog::store::table::VACANT;

impl Table {
    /// Writes all rows, with what is sorted of them.
    pub(crate) fn save(&self, out: &mut dyn Write) -> io::Result<()> {
        put_u64(out, self.arity as u64)?;
        put_u64(out, self.indexes.len() as u64)?;
        put_u64(out, self.walks.len() as u64)?;
        put_u64(out, self.live as u64)?;
        put_u32(out, self.slots)?;
        put_u32(out, self.first_vacant)?;
        self.blocks.iter().try_for_each(|block| put_words(out, block))?;
        for run in std::iter::once(&self.by_row).chain(self.indexes.iter().map(|index| &index.run))
        {
            put_u64(out, run.len() as u64)?;
            put_wide(out, &run.iter().copied().collect::<Vec<_>>())?;
        }
        for run in std::iter::once(&self.ordered).chain(self.walks.iter().map(|(_, run)| run)) {
            put_u64(out, run.len() as u64)?;
            put_words(out, &run.iter().copied().collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// What [`Table::save`] wrote of a table that was made like this one, which is empty; none when
    /// it is not that.
    pub(crate) fn restore(&self, from: &mut Bytes<'_>) -> Option<Self> {
        let made = [from.len()?, from.len()?, from.len()?];
        (made == [self.arity, self.indexes.len(), self.walks.len()]).then_some(())?;
        let mut table = self.clone();
        table.live = from.len()?;
        (table.slots, table.first_vacant) = (from.u32()?, from.u32()?);
        let mut blocks: Vec<Arc<[u32]>> = Vec::new();
        for _ in 0..(table.slots as usize).div_ceil(BLOCK) {
            blocks.push(from.words(BLOCK * self.stride())?.collect());
        }
        table.blocks = Shared::from_items(blocks);
        let runs = table.indexes.iter_mut().map(|index| &mut index.run);
        for run in std::iter::once(&mut table.by_row).chain(runs) {
            let len = from.len()?;
            let items: Vec<u64> = from.wide(len)?.collect();
            *run = Sorted::from_sorted(&items);
        }
        let walks = table.walks.iter_mut().map(|(_, run)| run);
        for run in std::iter::once(&mut table.ordered).chain(walks) {
            let len = from.len()?;
            let items: Vec<u32> = from.words(len)?.collect();
            *run = Sorted::from_sorted(&items);
        }
        (table.by_row.len() <= table.slots as usize).then_some(table)
    }

    /// The rows that held in what [`Table::save`] wrote of any table, made like whatever.
    pub(crate) fn rows_of(from: &mut Bytes<'_>) -> Option<Vec<Vec<u32>>> {
        let [arity, indexes, walks, _live] = [from.len()?, from.len()?, from.len()?, from.len()?];
        let (slots, _first_vacant) = (from.u32()? as usize, from.u32()?);
        let stride = arity.checked_add(NOTES)?;
        let mut rows = Vec::new();
        for block in 0..slots.div_ceil(BLOCK) {
            let words: Vec<u32> = from.words(stride.checked_mul(BLOCK)?)?.collect();
            for slot in words.chunks_exact(stride).take(slots - block * BLOCK) {
                let state = slot[arity + 1];
                if state != VACANT && state & OLD != 0 {
                    rows.push(slot[..arity].to_vec());
                }
            }
        }
        for _ in 0..=indexes {
            let len = from.len()?;
            from.take(len.checked_mul(8)?)?;
        }
        for _ in 0..=walks {
            let len = from.len()?;
            from.take(len.checked_mul(4)?)?;
        }
        Some(rows)
    }
}
