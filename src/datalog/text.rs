//! Facts and transactions as text: `+live("a", 1).`, `-live("b", 2).`, one change per line or
//! several.
//!
//! Changes apply in order, so `+f` then `-f` on an absent fact changes nothing; what comes out is
//! the net transaction. A change without sign is an insert. Comments are those of rule files.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::datalog::diagnostic::CheckError;
use crate::datalog::diagnostic::Code;
use crate::datalog::diagnostic::Complaint;
use crate::datalog::diagnostic::Complaints;
use crate::datalog::fact::Fact;
use crate::datalog::fact::Pattern;
use crate::datalog::fact::Transaction;
use crate::datalog::lexer::Kind;
use crate::datalog::parser::Broken;
use crate::datalog::parser::Parser;

/// Reads a transaction; `name` is what complaints call the text. All mistakes are reported.
pub fn parse_transaction(name: &str, text: &str) -> Result<Transaction, Vec<CheckError>> {
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
    if complaints.has_errors() {
        return Err(complaints.into_sorted());
    }
    Ok(net(changes))
}

/// One change: comes (true) or goes, and the fact.
fn change(parser: &mut Parser<'_>) -> Result<(bool, Fact), Broken> {
    parser.skip_docs();
    let comes = match parser.kind() {
        Kind::Minus => false,
        Kind::Plus => true,
        _ => {
            return fact(parser).map(|fact| (true, fact));
        }
    };
    parser.skip();
    fact(parser).map(|fact| (comes, fact))
}

fn fact(parser: &mut Parser<'_>) -> Result<Fact, Broken> {
    let atom = parser.atom()?;
    parser.expect(Kind::Dot, "`.` after a fact")?;
    let pattern = Pattern::from_atom(&atom).map_err(Broken)?;
    let open = || Complaint::error(Code::NotGround, "a fact has no `_` and no variables");
    pattern.as_fact().ok_or_else(|| Broken(open().at(atom.span, "here")))
}

/// What an ordered list of changes does in the end: the last word on each fact.
fn net(changes: Vec<(bool, Fact)>) -> Transaction {
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
