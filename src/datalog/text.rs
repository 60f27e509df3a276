//! Facts and transactions as text: `+live("a", 1).`, `-live("b", 2).`, one change per line or
//! several.
//!
//! Changes apply in order, so `+f` then `-f` on an absent fact changes nothing; what comes out is
//! the net transaction. In an input with a key, `+` takes the place of the row of that key, and a
//! `-` behind it takes that row away again, so such a text needs to know what holds before it. A
//! change without sign is an insert. Comments are those of rule files.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::datalog::check::nearest;
use crate::datalog::diagnostic::CheckError;
use crate::datalog::diagnostic::Code;
use crate::datalog::diagnostic::Complaint;
use crate::datalog::diagnostic::Complaints;
use crate::datalog::diagnostic::Span;
use crate::datalog::fact::Fact;
use crate::datalog::fact::Pattern;
use crate::datalog::fact::Transaction;
use crate::datalog::lexer::Kind;
use crate::datalog::parser::Broken;
use crate::datalog::parser::Parser;
use crate::datalog::program::Program;
use crate::datalog::program::RelationInfo;
use crate::datalog::program::RelationKind;
use crate::datalog::proof::QueryOptions;
use crate::datalog::reader::Reader;
use crate::datalog::value::Row;

/// One line of a transaction: the fact comes (true) or goes.
type Change = (bool, Fact);

/// An ordered list of changes that fit a program.
#[derive(Clone, Debug)]
pub struct Changes(Vec<Change>);

/// Reads changes; `name` is what complaints call the text. All mistakes are reported: those of the
/// text, and facts that are no row of an input of `program`.
pub fn parse_changes(
    name: &str,
    text: &str,
    program: &Program,
) -> Result<Changes, Vec<CheckError>> {
    let (placed, mut complaints) = read(name, text);
    for ((_, fact), span) in &placed {
        let columns: Vec<_> = fact.row.iter().cloned().map(Some).collect();
        let found = relation(program, &fact.relation, &columns, *span);
        let unfit = found.and_then(|info| match info.kind {
            RelationKind::Input => Ok(()),
            _ => Err(not_an_input(info, *span)),
        });
        if let Err(complaint) = unfit {
            complaints.push(complaint);
        }
    }
    if complaints.has_errors() {
        return Err(complaints.into_sorted());
    }
    Ok(Changes(placed.into_iter().map(|(change, _)| change).collect()))
}

/// Reads a pattern such as `live("a", _)` that fits `program`; `name` is what complaints call it.
pub fn parse_pattern(name: &str, text: &str, program: &Program) -> Result<Pattern, CheckError> {
    let source: Arc<str> = text.into();
    let mut parser = Parser::new(0, text);
    let parsed = parser.atom().and_then(|atom| {
        if parser.kind() == Kind::Dot {
            parser.expect(Kind::Dot, "`.`")?;
        }
        parser.expect(Kind::End, "the end of the text")?;
        let pattern = Pattern::from_atom(&atom).map_err(Broken)?;
        relation(program, &pattern.relation, &pattern.columns, atom.span).map_err(Broken)?;
        Ok(pattern)
    });
    parsed.map_err(|Broken(complaint)| {
        let mut complaints = Complaints::new([(name, &source)].into_iter());
        complaints.push(complaint);
        complaints.into_sorted().pop().expect("one complaint was just pushed")
    })
}

impl Changes {
    /// What the changes do in the end to the facts that `reader` sees.
    pub fn net(&self, reader: &Reader) -> Transaction {
        let program = reader.program();
        let mut plain = Vec::new();
        let mut keyed: BTreeMap<Pattern, Vec<&Change>> = BTreeMap::new();
        for change in &self.0 {
            let info = program.relation(&change.1.relation);
            match info.and_then(|info| info.key.as_ref()) {
                None => plain.push(change.clone()),
                Some(key) => {
                    let mut same_key = change.1.pattern();
                    for (at, column) in same_key.columns.iter_mut().enumerate() {
                        if !key.contains(&at) {
                            *column = None;
                        }
                    }
                    keyed.entry(same_key).or_default().push(change);
                }
            }
        }
        let mut transaction = net(plain);
        for (pattern, changes) in keyed {
            net_of_key(reader, &pattern, &changes, &mut transaction);
        }
        transaction
    }
}

/// What ordered changes to the rows of one key do in the end.
fn net_of_key(reader: &Reader, key: &Pattern, changes: &[&Change], to: &mut Transaction) {
    // What the key's row is by now: unknown until the first insert.
    let mut row: Option<Option<&Fact>> = None;
    for (comes, fact) in changes {
        match (comes, &row) {
            (true, _) => row = Some(Some(fact)),
            (false, None) => to.deletes.push(fact.clone()),
            (false, Some(now)) if *now == Some(fact) => row = Some(None),
            (false, Some(_)) => {}
        }
    }
    match row {
        None => {}
        Some(Some(fact)) => to.inserts.push(fact.clone()),
        Some(None) => {
            let before = reader.query(key, &QueryOptions::default()).value;
            let facts = before.into_iter().map(|row: Row| Fact::new(key.relation.clone(), row));
            to.deletes.extend(facts);
        }
    }
}

/// The relation of a fact or pattern, when number and types of its columns fit.
fn relation<'a>(
    program: &'a Program,
    name: &str,
    columns: &[Option<crate::datalog::value::Value>],
    span: Span,
) -> Result<&'a RelationInfo, Complaint> {
    let Some(info) = program.relation(name) else {
        let message = format!("relation `{name}` is not declared");
        let complaint = Complaint::error(Code::UnknownRelation, message).at(span, "used here");
        let known = program.relations().map(|info| &*info.name);
        return Err(match nearest(name, known) {
            Some(close) => complaint.help(format!("did you mean `{close}`?")),
            None => complaint.help("declare it in a rule file, as `.input` when facts fill it"),
        });
    };
    let declared = || {
        let columns: Vec<String> = info
            .columns
            .iter()
            .map(|column| format!("{}: {}", column.name, column.type_name))
            .collect();
        format!("{}:{} declares {name}({})", info.file, info.line, columns.join(", "))
    };
    let (have, want) = (columns.len(), info.columns.len());
    if have != want {
        let message = format!("`{name}` has {want} columns, not {have}");
        return Err(Complaint::error(Code::Arity, message).at(span, "here").help(declared()));
    }
    for (value, column) in columns.iter().zip(&info.columns) {
        if let Some(value) = value
            && value.base() != column.base
        {
            let have = value.base();
            let message = format!("column `{}` takes {}, not {have}", column.name, column.base);
            let complaint = Complaint::error(Code::TypeClash, message);
            return Err(complaint.at(span, format!("{value} is a {have}")).help(declared()));
        }
    }
    Ok(info)
}

fn not_an_input(info: &RelationInfo, span: Span) -> Complaint {
    let message = format!("relation `{}` is derived, so it takes no facts", info.name);
    let help = "change the facts that it is derived from, or declare it as `.input`";
    Complaint::error(Code::NotAnInput, message).at(span, "here").help(help)
}

/// Reads a transaction without a program at hand; `name` is what complaints call the text. All
/// mistakes are reported. Keys are not known here: see [`parse_changes`].
pub fn parse_transaction(name: &str, text: &str) -> Result<Transaction, Vec<CheckError>> {
    let (placed, complaints) = read(name, text);
    if complaints.has_errors() {
        return Err(complaints.into_sorted());
    }
    Ok(net(placed.into_iter().map(|(change, _)| change).collect()))
}

/// All changes of a text with their places, and what is wrong with the text.
fn read(name: &str, text: &str) -> (Vec<(Change, Span)>, Complaints) {
    let source: Arc<str> = text.into();
    let mut complaints = Complaints::new([(name, &source)].into_iter());
    let mut parser = Parser::new(0, text);
    let mut changes = Vec::new();
    while parser.kind() != Kind::End {
        match change(&mut parser) {
            Ok(change) => changes.push(change),
            Err(Broken(complaint)) => {
                // Any other mistake is found behind the full stop.
                if complaint.is_syntax() {
                    parser.recover();
                }
                complaints.push(complaint);
            }
        }
    }
    (changes, complaints)
}

/// One change and the place of its fact.
fn change(parser: &mut Parser<'_>) -> Result<(Change, Span), Broken> {
    parser.skip_docs();
    let comes = match parser.kind() {
        Kind::Minus => false,
        Kind::Plus => true,
        _ => return fact(parser).map(|(fact, span)| ((true, fact), span)),
    };
    parser.skip();
    fact(parser).map(|(fact, span)| ((comes, fact), span))
}

fn fact(parser: &mut Parser<'_>) -> Result<(Fact, Span), Broken> {
    let atom = parser.atom()?;
    parser.expect(Kind::Dot, "`.` after a fact")?;
    let pattern = Pattern::from_atom(&atom).map_err(Broken)?;
    let open = || Complaint::error(Code::NotGround, "a fact has no `_` and no variables");
    let fact = pattern.as_fact().ok_or_else(|| Broken(open().at(atom.span, "here")))?;
    Ok((fact, atom.span))
}

/// What an ordered list of changes does in the end: the last word on each fact.
fn net(changes: Vec<Change>) -> Transaction {
    let mut last: BTreeMap<Fact, (usize, bool)> = BTreeMap::new();
    for (at, (comes, fact)) in changes.into_iter().enumerate() {
        last.insert(fact, (at, comes));
    }
    let mut ordered: Vec<(usize, bool, Fact)> =
        last.into_iter().map(|(fact, (at, comes))| (at, comes, fact)).collect();
    ordered.sort();
    let mut transaction = Transaction::default();
    for (_, comes, fact) in ordered {
        let side = if comes { &mut transaction.inserts } else { &mut transaction.deletes };
        side.push(fact);
    }
    transaction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_fact_counts() {
        let text = "+p(1). -p(1).\n// note\nq(\"a\").\n-q(\"b\").\n+q(\"b\").";
        let transaction = parse_transaction("f", text).unwrap();
        let show = |facts: &[Fact]| facts.iter().map(Fact::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(show(&transaction.deletes), "p(1)");
        assert_eq!(show(&transaction.inserts), "q(\"a\") q(\"b\")");
    }

    #[test]
    fn every_mistake_is_reported() {
        let complaints = parse_transaction("f", "+p(X).\nq(.\n-r(1)\ns(2).").unwrap_err();
        let codes: Vec<&str> = complaints.iter().map(CheckError::code_str).collect();
        assert_eq!(codes, ["rules::not_ground", "rules::syntax", "rules::syntax"]);
    }
}
