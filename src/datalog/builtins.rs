//! Built-in functions: pure Rust that rules may call, registered from outside with a declared mode.
//!
//! | mode | in a rule | on `Err(text)` |
//! | --- | --- | --- |
//! | test | `matches(X, "a*")`, `!matches(..)` | the literal does not hold, negated or not |
//! | function | `Y = f(X)`, also inside expressions | no row; `E = error(f(X))` binds the text |
//! | relation | `f(X; Y, Z)` | no row |
//!
//! A function must be pure: the same arguments always give the same answer, or updates and proofs
//! lie.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::datalog::value::Row;
use crate::datalog::value::Type;
use crate::datalog::value::Value;

type Test = dyn Fn(&[Value]) -> Result<bool, String> + Send + Sync;
type Function = dyn Fn(&[Value]) -> Result<Value, String> + Send + Sync;
type Relation = dyn Fn(&[Value]) -> Result<Vec<Row>, String> + Send + Sync;

/// How a built-in answers.
#[derive(Clone)]
pub(crate) enum Mode {
    Test(Arc<Test>),
    Function(Type, Arc<Function>),
    Relation(Vec<Type>, Arc<Relation>),
}

/// One registered built-in.
#[derive(Clone)]
pub(crate) struct Builtin {
    pub(crate) inputs: Vec<Type>,
    pub(crate) mode: Mode,
}

/// The registry. Cloning shares the functions.
#[derive(Clone, Default)]
pub struct Builtins {
    entries: BTreeMap<Arc<str>, Builtin>,
}

impl Builtins {
    /// An empty registry: `cat` and `error` belong to the language and need no entry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a test: true, false, or an error text.
    pub fn test(
        &mut self,
        name: &str,
        inputs: &[Type],
        test: impl Fn(&[Value]) -> Result<bool, String> + Send + Sync + 'static,
    ) -> &mut Self {
        self.add(name, inputs, Mode::Test(Arc::new(test)))
    }

    /// Adds a function with one result of base type `output`.
    pub fn function(
        &mut self,
        name: &str,
        inputs: &[Type],
        output: Type,
        function: impl Fn(&[Value]) -> Result<Value, String> + Send + Sync + 'static,
    ) -> &mut Self {
        self.add(name, inputs, Mode::Function(output, Arc::new(function)))
    }

    /// Adds a function with any number of result rows.
    pub fn relation(
        &mut self,
        name: &str,
        inputs: &[Type],
        outputs: &[Type],
        relation: impl Fn(&[Value]) -> Result<Vec<Row>, String> + Send + Sync + 'static,
    ) -> &mut Self {
        self.add(name, inputs, Mode::Relation(outputs.to_vec(), Arc::new(relation)))
    }

    fn add(&mut self, name: &str, inputs: &[Type], mode: Mode) -> &mut Self {
        self.entries.insert(name.into(), Builtin { inputs: inputs.to_vec(), mode });
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Builtin> {
        self.entries.get(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(|name| &**name)
    }
}

impl fmt::Debug for Builtins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}

/// The built-ins that one program calls, by the position that its clauses use.
#[derive(Clone)]
pub(crate) struct Calls(Arc<[Option<Builtin>]>);

impl Calls {
    pub(crate) fn new(names: &[Arc<str>], builtins: &Builtins) -> Self {
        Self(names.iter().map(|name| builtins.get(name).cloned()).collect())
    }

    fn mode(&self, at: usize) -> Result<&Mode, String> {
        let entry = self.0.get(at).and_then(Option::as_ref);
        entry
            .map(|builtin| &builtin.mode)
            .ok_or_else(|| "this built-in is not registered".to_owned())
    }

    pub(crate) fn test(&self, at: usize, inputs: &[Value]) -> Result<bool, String> {
        match self.mode(at)? {
            Mode::Test(test) => test(inputs),
            _ => Err("registered with another mode than checked".to_owned()),
        }
    }

    pub(crate) fn function(&self, at: usize, inputs: &[Value]) -> Result<Value, String> {
        match self.mode(at)? {
            Mode::Function(output, function) => {
                let value = function(inputs)?;
                if value.base() == *output { Ok(value) } else { Err(wrong_type(*output)) }
            }
            _ => Err("registered with another mode than checked".to_owned()),
        }
    }

    pub(crate) fn relation(&self, at: usize, inputs: &[Value]) -> Result<Vec<Row>, String> {
        match self.mode(at)? {
            Mode::Relation(outputs, relation) => {
                let mut rows = relation(inputs)?;
                let typed = |row: &Row| row.iter().map(Value::base).eq(outputs.iter().copied());
                if !rows.iter().all(typed) {
                    return Err("a result row does not have the declared types".to_owned());
                }
                rows.sort();
                rows.dedup();
                Ok(rows)
            }
            _ => Err("registered with another mode than checked".to_owned()),
        }
    }
}

fn wrong_type(output: Type) -> String {
    format!("the result is no {output}, as declared")
}
