//! Lists that are kept in order: which ones the program asks for, and what each has after a change.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::datalog::Engine;
use crate::datalog::Fact;
use crate::datalog::Transaction;
use crate::datalog::maintain::walks::LONG;
use crate::datalog::store::Age;
use crate::datalog::store::List;
use crate::datalog::tests::engine;
use crate::datalog::tests::random::Dice;

/// The lists of `p` that proofs may walk, by the columns that they have in common.
fn lists(clauses: &str) -> Vec<Vec<usize>> {
    let engine = engine(&format!(
        ".input p(a: number, b: number, c: number)\n.input r(a: number, b: number)\n\
         .input flag()\n.output q(a: number)\n.output s(a: number, b: number, c: number)\n\
         {clauses}\ns(A, B, C) :- p(A, B, C), r(A, B).\nq(A) :- r(A, _), flag()."
    ));
    let world = engine.reader();
    let compiled = &world.world().compiled;
    let of = |name: &str| &compiled.relations[compiled.program.position(name).unwrap()];
    assert!(of("flag").walks.is_empty(), "there is nothing to choose from");
    let columns = |list: &List| match list {
        List::OfIndex(at) => of("p").indexes[*at].to_vec(),
        List::Whole => Vec::new(),
    };
    of("p").walks.iter().map(columns).collect()
}

#[test]
fn lists_of_what_a_proof_does_not_know() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &[&[usize]])] = &[
        // why                             clauses                                       lists
        ("the head says all",              "",                                           &[]),
        ("the head says one column",       "q(A) :- p(A, _, _).",                        &[&[0]]),
        ("a value says one more",          "q(A) :- p(A, 1, _).",                        &[&[0, 1]]),
        ("a condition before it does",     "q(A) :- r(A, B), p(_, _, B).",               &[&[2]]),
        ("nothing says anything",          "q(1) :- p(_, _, _).",                        &[&[]]),
        ("nothing is chosen from absence", "q(A) :- r(A, B), !p(A, B, _).",              &[]),
        ("members of a group",             "q(N) :- r(A, _), N = count : { p(_, A, _) }.", &[&[1]]),
        ("twice the same",                 "q(A) :- p(A, _, 2), p(A, _, 3).",            &[&[0, 2]]),
        ("a join looks up most of it", "q(A) :- r(A, B), p(B, _, _).\nq(A) :- p(A, _, 7).", &[&[0]]),
    ];
    for (why, clauses, want) in cases {
        assert_eq!(lists(clauses), *want, "{why}");
    }
}

/// An engine whose proofs walk `p` by its first column, and all of it.
fn walking() -> Engine {
    engine(
        ".input p(a: number, b: number)\n.output q(a: number)\n.output some(n: number)\n\
         q(A) :- p(A, B), B >= 0.\nsome(1) :- p(_, B), B >= 0.",
    )
}

fn row(key: i64, at: i64) -> Fact {
    Fact::new("p", vec![key.into(), at.into()])
}

/// The keys whose lists are kept; each of them has all rows of its key, in order of value.
fn kept(engine: &Engine) -> BTreeSet<i64> {
    let reader = engine.reader();
    let world = reader.world();
    let at = world.program().position("p").unwrap();
    let table = world.store.table(at);
    let mut lists: BTreeMap<(usize, u32), Vec<u32>> = BTreeMap::new();
    let walks = &world.compiled.relations[at].walks;
    assert_eq!(walks.len(), 2);
    for id in table.ids().filter(|id| table.meta(*id).is_in(Age::New)) {
        for (at, list) in walks.iter().enumerate() {
            lists.entry((at, table.list_key(*list, id))).or_default().push(id);
        }
    }
    let mut keys = BTreeSet::new();
    for ((at, key), mut ids) in lists {
        ids.sort_by_key(|id| world.decode(table.row(*id)));
        let list = walks[at];
        let Some(walk) = table.walk(list, key) else { continue };
        assert_eq!(walk.collect::<Vec<_>>(), ids, "{list:?}");
        // All rows together are a list of their own, which no key tells apart.
        keys.insert(match list {
            List::OfIndex(_) => world.decode(table.row(ids[0]))[0].as_number().unwrap(),
            List::Whole => -1,
        });
    }
    keys
}

fn come(engine: &mut Engine, rows: impl Iterator<Item = Fact>) {
    engine.transact(Transaction { inserts: rows.collect(), deletes: Vec::new() });
}

fn go(engine: &mut Engine, rows: impl Iterator<Item = Fact>) {
    engine.transact(Transaction { inserts: Vec::new(), deletes: rows.collect() });
}

#[test]
fn a_list_is_kept_from_the_row_that_makes_it_long() {
    let long = LONG as i64;
    let mut engine = walking();
    come(&mut engine, (0..long - 1).map(|at| row(1, at)));
    assert_eq!(kept(&engine), BTreeSet::new());
    come(&mut engine, [row(1, -1)].into_iter());
    assert_eq!(kept(&engine), BTreeSet::from([-1, 1]), "the last one makes both long");
    come(&mut engine, (0..50).map(|at| row(2, at)));
    come(&mut engine, (50..100).map(|at| row(2, at)));
    assert_eq!(kept(&engine), BTreeSet::from([-1, 1]));
    come(&mut engine, (100..150).map(|at| row(2, at)));
    assert_eq!(kept(&engine), BTreeSet::from([-1, 1, 2]), "long at once");
    // As many come as go: rows of both versions are many, those of the new one are not.
    come(&mut engine, (0..70).map(|at| row(3, at)));
    come(&mut engine, (70..long - 1).map(|at| row(3, at)));
    let inserts = (0..20).map(|at| row(3, 1_000 + at)).collect();
    let deletes = (0..20).map(|at| row(3, at)).collect();
    engine.transact(Transaction { inserts, deletes });
    assert_eq!(kept(&engine), BTreeSet::from([-1, 1, 2]));
}

#[test]
fn a_list_that_was_long_stays_until_much_changes() {
    let mut engine = walking();
    come(&mut engine, (0..128).map(|at| row(1, at)).chain((0..872).map(|at| row(100 + at, 0))));
    go(&mut engine, (0..8).map(|at| row(1, at)));
    assert_eq!(kept(&engine), BTreeSet::from([-1, 1]), "a little shorter");
    // Of 992 rows a sixteenth and sixty-four more is much.
    let few = 992 / 16 + 64;
    let moved = |from: i64, rows: i64, gone: i64| Transaction {
        inserts: (from..from + rows).map(|at| row(at, 0)).collect(),
        deletes: (0..gone).map(|at| row(100 + at, 0)).collect(),
    };
    engine.transact(moved(2_000, few - 63, 63));
    assert_eq!(kept(&engine), BTreeSet::from([-1, 1]), "{few} rows are few");
    engine.transact(moved(3_000, 0, few - 126));
    let (live, more) = (992, few + 1);
    assert_eq!(engine.rows("p").len(), live);
    come(&mut engine, (4_000..4_000 + more).map(|at| row(at, 0)));
    assert_eq!(kept(&engine), BTreeSet::from([-1]), "{more} are many");
}

#[test]
fn kept_lists_follow_every_change() {
    let mut dice = Dice(7);
    let mut engine = walking();
    let mut kept_once = BTreeSet::new();
    for _ in 0..150 {
        let (mut inserts, mut deletes) = (Vec::new(), Vec::new());
        for _ in 0..dice.roll(60) {
            let fact = row(dice.roll(4) as i64, dice.roll(200) as i64);
            if dice.chance(65) { inserts.push(fact) } else { deletes.push(fact) }
        }
        engine.transact(Transaction { inserts, deletes });
        let now = kept(&engine);
        for key in 0..4 {
            let rows = engine.rows("p").iter().filter(|row| row[0] == key.into()).count();
            assert!(rows < LONG || now.contains(&key), "{rows} rows of {key} are a long list");
        }
        kept_once.extend(now);
    }
    assert_eq!(kept_once, BTreeSet::from([-1, 0, 1, 2, 3]));
}
