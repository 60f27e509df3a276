//! Facts as phrases: what a row says, in the words that a person would use.
//!
//! A relation without a phrase in `phrases.rs` is shown as rule text, so that nothing is hidden.

use crate::datalog::Fact;
use crate::datalog::Value;
use crate::explain::ask::show;
use crate::explain::phrases::PHRASES;

/// What a row of the relation says, as a person would say it.
pub fn sentence(relation: &str, row: &[Value]) -> String {
    phrase(&Fact::new(relation, row.to_vec()))
}

/// What the fact says.
pub(super) fn phrase(fact: &Fact) -> String {
    let template = PHRASES.iter().find(|(relation, _)| *relation == &*fact.relation);
    match template {
        Some((_, template)) => fill(template, &fact.row),
        None => fact.to_string(),
    }
}

fn fill(template: &str, row: &[Value]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, tail)) = rest.split_once('{') {
        let (hole, after) = tail.split_once('}').unwrap_or((tail, ""));
        text.push_str(before);
        let (index, form) = hole.split_once(':').unwrap_or((hole, ""));
        let value = index.parse::<usize>().ok().and_then(|at| row.get(at));
        let value = value.map(Value::plain).unwrap_or_default();
        text.push_str(&if form == "show" { show(&value) } else { value });
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::RELATIONS;
    use crate::datalog::Program;
    use crate::rules;

    /// The relations from whose rows rows of `from` follow.
    fn premises(program: &Program, from: &[&str]) -> Vec<String> {
        let mut found: Vec<String> = from.iter().map(|&name| name.to_owned()).collect();
        let mut at = 0;
        while let Some(head) = found.get(at).cloned() {
            at += 1;
            let writers = program.relation(&head).map_or(&[][..], |info| &info.writers);
            for info in program.relations() {
                let name = info.name.to_string();
                let mut shared = info.readers.iter().filter(|label| writers.contains(label));
                let denied = format!("!{name}(");
                let is_premise = shared.any(|label| {
                    program.clause(label).is_some_and(|clause| !clause.text().contains(&denied))
                });
                if is_premise && !found.contains(&name) {
                    found.push(name);
                }
            }
        }
        found
    }

    #[test]
    fn whatever_stands_in_the_proof_of_an_action_has_a_phrase() {
        let program = rules::load(Vec::new()).expect("the shipped rules check");
        let found = premises(&program, RELATIONS);
        assert!(found.len() > 150, "only {found:?}");
        let has_phrase = |name: &String| PHRASES.iter().any(|(relation, _)| relation == name);
        let without: Vec<&String> = found.iter().filter(|name| !has_phrase(name)).collect();
        assert!(without.is_empty(), "no phrase for {without:?}");
    }

    #[test]
    fn facts_read_as_sentences() {
        #[rustfmt::skip]
        let cases = [
            (r#"ours("shop/web", "ConfigMap/shop/a", "u1", "applied")"#,
             "ConfigMap/shop/a belongs to shop/web (applied, uid u1)"),
            (r#"act_fetch("GitRepository/shop/a", "sha256:7636", "its interval has passed")"#,
             "fetch GitRepository/shop/a: its interval has passed"),
            (r#"act_delete("shop/web", "ConfigMap/shop/a", "u1", "7", "Foreground", "")"#,
             "delete ConfigMap/shop/a for shop/web"),
            (r#"listed("Deployment.apps")"#,
             "all Deployment.apps objects that somebody owns are listed"),
            (r#"strange("a", 1)"#, r#"strange("a", 1)"#),
        ];
        for (fact, want) in cases {
            assert_eq!(phrase(&Fact::parse(fact).expect("a fact")), want);
        }
    }
}
