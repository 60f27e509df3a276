//! The exported program in our own language: every value a number, every computed value a table.

use hence::datalog::Builtins;
use hence::datalog::Engine;
use hence::datalog::EngineOptions;
use hence::datalog::Fact;
use hence::datalog::FileOrigin;
use hence::datalog::RuleFile;
use hence::datalog::Value;
use hence::datalog::check;

use crate::program::Atom;
use crate::program::Condition;
use crate::program::Fold;
use crate::program::Program;
use crate::program::Term;

/// An engine with the program and no facts.
pub fn engine(program: &Program) -> Engine {
    let name = "tables.dl".to_owned();
    let file = RuleFile { name, text: text(program).into(), origin: FileOrigin::BuiltIn };
    let checked = check(&[file], &Builtins::new()).unwrap_or_else(|errors| {
        let errors: Vec<String> = errors.iter().take(9).map(ToString::to_string).collect();
        panic!("{}", errors.join("\n"));
    });
    Engine::new(checked, Builtins::new(), EngineOptions::default())
}

/// The rules; facts of derived relations are clauses.
fn text(program: &Program) -> String {
    let mut text = String::new();
    for (at, (name, arity)) in program.relations.iter().enumerate() {
        let columns: Vec<String> = (0..*arity).map(|column| format!("c{column}: number")).collect();
        let word = if program.is_input(at) { ".input" } else { ".output" };
        text += &format!("{word} {name}({})\n", columns.join(", "));
    }
    for rule in &program.rules {
        let body: Vec<String> = rule.body.iter().map(|part| condition(program, part)).collect();
        text += &format!("{} :- {}.\n", atom(program, &rule.head), body.join(", "));
    }
    for at in &program.derived {
        for row in &program.stated[*at] {
            let terms = row.iter().map(|value| Term::Value(*value)).collect();
            text += &format!("{}.\n", atom(program, &Atom { relation: *at, terms }));
        }
    }
    text
}

/// A row as a fact.
pub fn fact(program: &Program, relation: usize, row: &[i32]) -> Fact {
    let values = row.iter().map(|value| Value::Number(i64::from(*value))).collect();
    Fact::new(program.relations[relation].0.as_str(), values)
}

fn term(term: &Term) -> String {
    match term {
        Term::Variable(name) => name.clone(),
        Term::Value(value) => value.to_string(),
        Term::Wildcard => "_".to_owned(),
    }
}

fn atom(program: &Program, atom: &Atom) -> String {
    let terms: Vec<String> = atom.terms.iter().map(term).collect();
    format!("{}({})", program.relations[atom.relation].0, terms.join(", "))
}

fn condition(program: &Program, part: &Condition) -> String {
    match part {
        Condition::Atom(rows, true) => atom(program, rows),
        Condition::Atom(rows, false) => format!("!{}", atom(program, rows)),
        Condition::Compare(left, op, right) => format!("{} {op} {}", term(left), term(right)),
        Condition::Fold(target, fold, column, rows) => {
            let (target, column, rows) = (term(target), term(column), atom(program, rows));
            let word = match fold {
                Fold::Count => return format!("{target} = count : {{ {rows} }}"),
                Fold::Sum => "sum",
                Fold::Min => "min",
                Fold::Max => "max",
            };
            format!("{target} = {word} {column} : {{ {rows} }}")
        }
    }
}
