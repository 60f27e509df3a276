//! The variables of a unit: names, values, and which values are secret.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroize;

use super::error::SubstituteError;

/// Variables by name. Later sources replace earlier ones, as Flux reads `substituteFrom` in order
/// and `substitute` last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    values: BTreeMap<String, Variable>,
}

/// One value. Neither `Debug` nor an error ever shows it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Variable {
    value: String,
    is_secret: bool,
}

impl Variables {
    /// No variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable. Line feeds are removed from the value, as Flux does.
    pub fn set(&mut self, name: &str, value: &str) {
        self.put(name, value, false);
    }

    /// Sets a variable from a Secret: every field that it reaches is reported as secret.
    pub fn set_secret(&mut self, name: &str, value: &str) {
        self.put(name, value, true);
    }

    fn put(&mut self, name: &str, value: &str, is_secret: bool) {
        let variable = Variable { value: value.replace('\n', ""), is_secret };
        self.values.insert(name.to_owned(), variable);
    }

    /// No variables?
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Variable> {
        self.values.get(name)
    }

    /// Refuses names that are not `^[_[:alpha:]][_[:alpha:][:digit:]]*$`. Of several, upstream
    /// names any; here the first in order.
    pub(super) fn check_names(&self) -> Result<(), SubstituteError> {
        let starts = |c: char| c == '_' || c.is_ascii_alphabetic();
        let fits = |name: &str| {
            name.starts_with(starts) && name.chars().all(|c| starts(c) || c.is_ascii_digit())
        };
        match self.names().find(|name| !fits(name)) {
            Some(name) => Err(SubstituteError::InvalidName { name: name.to_owned() }),
            None => Ok(()),
        }
    }
}

impl Variable {
    pub(super) fn value(&self) -> &str {
        &self.value
    }

    pub(super) fn is_secret(&self) -> bool {
        self.is_secret
    }
}

impl Drop for Variable {
    fn drop(&mut self) {
        if self.is_secret {
            self.value.zeroize();
        }
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_secret { "[redacted]" } else { "[value]" })
    }
}
