//! One golden complaint per kind.

use miette::GraphicalReportHandler;
use miette::GraphicalTheme;

use crate::datalog::Builtins;
use crate::datalog::FileOrigin;
use crate::datalog::RuleFile;
use crate::datalog::Type;
use crate::datalog::check;

const SCHEMA: &str = "
.type Unit <: symbol
.type Object <: symbol
.input owns(u: Unit, o: Object)
.input wants(u: Unit, o: Object)
.extension deny(o: Object)
.output orphan(o: Object)
.output score(u: Unit, n: number)
";

/// The one place that knows how complaints are rendered.
fn complain_as(text: &str, origin: FileOrigin) -> String {
    let mut builtins = Builtins::new();
    builtins.test("glob", &[Type::Symbol, Type::Symbol], |_| Ok(true));
    let file = |name: &str, text: &str, origin| RuleFile {
        name: name.to_owned(),
        text: text.into(),
        origin,
    };
    let files =
        [file("rules/schema.dl", SCHEMA, FileOrigin::BuiltIn), file("rules/t.dl", text, origin)];
    let complaints = match check(&files, &builtins) {
        Ok(program) => program.warnings().to_vec(),
        Err(complaints) => complaints,
    };
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    let mut out = String::new();
    for complaint in &complaints {
        handler.render_report(&mut out, complaint).unwrap();
    }
    out
}

fn golden(name: &str, complaint: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, complaint, text));
}

fn complain(text: &str) -> String {
    complain_as(text, FileOrigin::BuiltIn)
}

#[test]
fn each_mistake_has_its_golden_complaint() {
    #[rustfmt::skip]
    let cases: &[(&str, &str)] = &[
        ("unknown_relation", r#"orphan(O) :- owns(_, O), !wnats(_, O)."#),
        ("arity", r#"orphan(O) :- owns(O), !wants(_, O)."#),
        ("unbound", r#"orphan(O) :- !wants(_, O)."#),
        ("unbound_key", r#"score(U, N) :- N = count : { wants(U, _) }."#),
        ("type_clash_columns", r#"orphan(O) :- owns(O, _)."#),
        ("type_clash_compare", r#"orphan(O) :- owns(U, O), wants(V, O), U = O, V != U."#),
        ("type_clash_sum", r#"score(U, N) :- owns(U, _), N = sum O : { wants(U, O) }."#),
        ("negative_cycle", r#".output a(o: Object)
.decl b(o: Object)
.decl c(o: Object)
a(O) :- owns(_, O), !b(O).
b(O) :- c(O).
c(O) :- wants(_, O), a(O)."#),
        ("endless_recursion", r#".output n(i: number)
n(1).
n(I + 1) :- n(I), I < 10."#),
        ("several_at_once", r#"orphan(O) :- owns(_, O) wants(_, O).
orphan(O) :- owns(_, O), glop(O, "a").
score(U, N) :- wants(U, _), N = length(U)."#),
        ("warnings", r#"orphan(O) :- owns(U, O).
.decl idle(o: Object)
.decl never(o: Object)
idle(O) :- never(O), wants(_, _)."#),
        ("duplicates", r#"[a/b] orphan(O) :- owns(_, O).
[a/b] orphan(O) :- wants(_, O).
.decl orphan(o: Object)"#),
        ("unknown_types", r#"orphan(O) :- owns(_, O), O = v"1.x".
.type A <: B
.type C <: C
.input x(a: Unti) key(b)"#),
        ("misplaced", r#"orphan(O) :- owns(_, cat("a", O)), glob(O, _), !glob(O; O).
orphan(_) :- owns(_, O), O = error(O)."#),
    ];
    for (name, text) in cases {
        golden(name, &complain(text), text);
    }
}

/// A side that is declared small may meet every row of the other.
#[test]
fn a_small_relation_may_be_joined_without_a_variable() {
    let text = "orphan(O) :- setting(_), owns(_, O), wants(_, O).\n.input setting(n: number)\n";
    assert!(complain(text).contains("rules::cross_product"));
    let bounded = format!("{text}.limitsize setting(n=10)\n");
    assert!(!complain(&bounded).contains("rules::cross_product"), "{}", complain(&bounded));
}

#[test]
fn user_files_stay_in_their_place() {
    let text = "orphan(O) :- owns(_, O).\nowns(\"a\", \"b\").\n.output deny\n\
                deny(O) :- owns(_, O), glob(O, \"a*\").";
    golden("user_file", &complain_as(text, FileOrigin::User), text);
}
