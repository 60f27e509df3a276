//! What is open around a place in a text: block lists and maps by their columns, brackets, and the
//! places where a key on one line may have started.

use super::cursor::Mark;

/// Longest distance, in characters, from the start of a key to its `:` when it has no `?`.
const KEY_CHARS_MAX: usize = 1024;

/// The lists and maps that are open.
pub(super) struct Open {
    /// Columns of the block lists and maps, the innermost last.
    columns: Vec<usize>,
    /// For each bracket, and for the text outside of all: the last place for a key.
    keys: Vec<Option<KeyStart>>,
}

/// A place where a key may have started.
#[derive(Clone, Copy)]
pub(super) struct KeyStart {
    /// The map's column demands a key here.
    pub(super) is_due: bool,
    /// How many tokens stand before it.
    pub(super) token: usize,
    pub(super) mark: Mark,
}

/// A key that had to be there was not finished.
pub(super) struct NoKey(pub(super) Mark);

impl KeyStart {
    fn reaches(&self, here: Mark) -> bool {
        self.mark.line == here.line && here.index <= self.mark.index + KEY_CHARS_MAX
    }
}

impl Open {
    pub(super) fn new() -> Self {
        Self { columns: Vec::new(), keys: vec![None] }
    }

    /// Is a bracket open? Then columns mean nothing.
    pub(super) fn in_brackets(&self) -> bool {
        self.keys.len() > 1
    }

    /// Open lists and maps of either kind.
    pub(super) fn depth(&self) -> usize {
        self.columns.len() + self.keys.len() - 1
    }

    /// The column that content of the innermost block list or map has to exceed; 0 is its first
    /// column, so that nothing open gives 0 and a map in column 0 gives 1.
    pub(super) fn inner_column(&self) -> usize {
        self.columns.last().map_or(0, |column| column + 1)
    }

    /// Opens a block list or map in `column`, if that is deeper than the open ones.
    pub(super) fn begin_block(&mut self, column: usize) -> bool {
        let begins = !self.in_brackets() && self.inner_column() <= column;
        if begins {
            self.columns.push(column);
        }
        begins
    }

    /// Closes the innermost block list or map, if content at `column` is left of it; `None` is
    /// left of all.
    pub(super) fn end_block(&mut self, column: Option<usize>) -> bool {
        let left_of = |open: usize| column.is_none_or(|column| column < open);
        let ends = !self.in_brackets() && self.columns.last().is_some_and(|open| left_of(*open));
        if ends {
            self.columns.pop();
        }
        ends
    }

    pub(super) fn begin_bracket(&mut self) {
        self.keys.push(None);
    }

    /// A closing bracket too many closes nothing.
    pub(super) fn end_bracket(&mut self) {
        if self.in_brackets() {
            self.keys.pop();
        }
    }

    /// Remembers that a key may start at `mark`, before token number `token`.
    pub(super) fn set_key(&mut self, mark: Mark, token: usize) -> Result<(), NoKey> {
        let is_due = !self.in_brackets() && self.columns.last() == Some(&mark.column);
        self.drop_key()?;
        if let Some(innermost) = self.keys.last_mut() {
            *innermost = Some(KeyStart { is_due, token, mark });
        }
        Ok(())
    }

    /// What was remembered last is no key after all.
    pub(super) fn drop_key(&mut self) -> Result<(), NoKey> {
        match self.keys.last_mut().and_then(Option::take) {
            Some(key) if key.is_due => Err(NoKey(key.mark)),
            _ => Ok(()),
        }
    }

    /// The key that a `:` at `here` ends.
    pub(super) fn take_key(&mut self, here: Mark) -> Result<Option<KeyStart>, NoKey> {
        match self.keys.last_mut().and_then(Option::take) {
            Some(key) if key.reaches(here) => Ok(Some(key)),
            Some(key) if key.is_due => Err(NoKey(key.mark)),
            _ => Ok(None),
        }
    }

    /// May a key still begin before token number `token`? Forgets it when it cannot.
    pub(super) fn awaits_key(&mut self, token: usize, here: Mark) -> Result<bool, NoKey> {
        let at_token = |key: &&mut Option<KeyStart>| key.is_some_and(|key| key.token == token);
        let Some(slot) = self.keys.iter_mut().find(at_token) else { return Ok(false) };
        match *slot {
            Some(key) if !key.reaches(here) => {
                *slot = None;
                if key.is_due { Err(NoKey(key.mark)) } else { Ok(false) }
            }
            _ => Ok(true),
        }
    }
}
