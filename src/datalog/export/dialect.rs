//! The two languages: how each writes values, atoms, absence and declarations.

use crate::datalog::value::Type;
use crate::datalog::value::Value;

/// The other engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// clingo, answer sets: our programs have exactly one.
    Clingo,
    /// Soufflé.
    Souffle,
}

/// Words that a relation cannot be called there.
const RESERVED: &[&str] = &[
    "as",
    "band",
    "bnot",
    "bor",
    "bxor",
    "cat",
    "choice",
    "contains",
    "count",
    "false",
    "inline",
    "land",
    "lor",
    "match",
    "max",
    "mean",
    "min",
    "nil",
    "not",
    "ord",
    "range",
    "strlen",
    "substr",
    "sum",
    "to_number",
    "to_string",
    "true",
];

impl Dialect {
    /// A relation's name there.
    pub(super) fn relation(self, name: &str) -> String {
        if RESERVED.contains(&name) { format!("{name}__") } else { name.to_owned() }
    }

    /// A variable's name there: one that begins with a capital letter.
    pub(super) fn variable(self, name: &str) -> String {
        if name.starts_with('_') { format!("V{name}") } else { name.to_owned() }
    }

    /// A value: numbers as they are, everything else as its plain text.
    pub(super) fn value(self, value: &Value) -> String {
        match value {
            Value::Number(number) => number.to_string(),
            other => self.quoted(&other.plain()),
        }
    }

    fn quoted(self, text: &str) -> String {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        // clingo knows no further escapes and takes these as they are.
        let escaped = match self {
            Self::Clingo => escaped,
            Self::Souffle => escaped.replace('\t', "\\t").replace('\r', "\\r"),
        };
        format!("\"{escaped}\"")
    }

    /// An atom.
    pub(super) fn atom(self, name: &str, args: &[String]) -> String {
        if args.is_empty() && self == Self::Clingo {
            return name.to_owned();
        }
        format!("{name}({})", args.join(", "))
    }

    /// The absence of an atom.
    pub(super) fn absent(self, atom: &str) -> String {
        match self {
            Self::Clingo => format!("not {atom}"),
            Self::Souffle => format!("!{atom}"),
        }
    }

    /// `target` is how many rows `atom` has; `counted` names the columns that are not fixed.
    pub(super) fn count(self, target: &str, counted: &[String], atom: &str) -> String {
        match self {
            Self::Clingo if counted.is_empty() => format!("{target} = #count {{ 0 : {atom} }}"),
            Self::Clingo => format!("{target} = #count {{ {} : {atom} }}", counted.join(", ")),
            Self::Souffle => format!("{target} = count : {{ {atom} }}"),
        }
    }

    /// `target` is the sum of `summand` over the rows of `atom`.
    pub(super) fn sum(self, target: &str, summand: &str, counted: &[String], atom: &str) -> String {
        match self {
            Self::Clingo => {
                let tuple = [&[summand.to_owned()], counted].concat().join(", ");
                format!("{target} = #sum {{ {tuple} : {atom} }}")
            }
            Self::Souffle => format!("{target} = sum {summand} : {{ {atom} }}"),
        }
    }

    /// `target` is the least or the largest `column` of the rows of `atom`.
    pub(super) fn extremum(self, target: &str, largest: bool, column: &str, atom: &str) -> String {
        let word = if largest { "max" } else { "min" };
        match self {
            Self::Clingo => format!("{target} = #{word} {{ {column} : {atom} }}"),
            Self::Souffle => format!("{target} = {word} {column} : {{ {atom} }}"),
        }
    }

    /// What has to be said of a relation before it is used; empty where nothing has.
    pub(super) fn declaration(self, name: &str, columns: &[Type]) -> String {
        let column = |(at, base): (usize, &Type)| {
            let base = if *base == Type::Number { "number" } else { "symbol" };
            format!("c{at}: {base}")
        };
        let columns: Vec<String> = columns.iter().enumerate().map(column).collect();
        match self {
            Self::Clingo => String::new(),
            Self::Souffle => format!(".decl {name}({})\n", columns.join(", ")),
        }
    }

    /// Asks for the rows of a relation.
    pub(super) fn output(self, name: &str, arity: usize) -> String {
        match self {
            Self::Clingo => format!("#show {name}/{arity}.\n"),
            Self::Souffle => format!(".output {name}\n"),
        }
    }

    /// The first line, and a comment at that.
    pub(super) fn comment(self, text: &str) -> String {
        match self {
            Self::Clingo => format!("% {text}\n"),
            Self::Souffle => format!("// {text}\n"),
        }
    }
}
