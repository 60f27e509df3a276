//! Recursive strata once more, on plain datafrog: `Iteration` and `Variable` as its authors meant
//! them, from scratch after every transaction.

use std::collections::BTreeSet;

use datafrog::Iteration;
use datafrog::Relation;
use datafrog::RelationLeaper as _;

use crate::datalog::Fact;
use crate::datalog::Transaction;
use crate::datalog::Value;
use crate::datalog::tests::engine;
use crate::datalog::tests::random::Dice;

const PROGRAM: &str = r#"
.input edge(a: number, b: number)
.input start(a: number)
.input stop(a: number)
.output linear(a: number, b: number)
.output double(a: number, b: number)
.output odd(a: number, b: number)
.output even(a: number, b: number)
.output guarded(a: number)
.output same(a: number, b: number)
linear(A, B) :- edge(A, B).
linear(A, C) :- linear(A, B), edge(B, C).
double(A, B) :- edge(A, B).
double(A, C) :- double(A, B), double(B, C).
odd(A, B) :- edge(A, B).
odd(A, C) :- even(A, B), edge(B, C).
even(A, C) :- odd(A, B), edge(B, C).
guarded(A) :- start(A).
guarded(B) :- guarded(A), edge(A, B), !stop(B).
same(A, B) :- edge(P, A), edge(P, B).
same(A, B) :- same(P, Q), edge(P, A), edge(Q, B).
"#;

type Pairs = BTreeSet<(i64, i64)>;

/// The inputs, as datafrog takes them.
#[derive(Default)]
struct Inputs {
    edge: Pairs,
    start: BTreeSet<i64>,
    stop: BTreeSet<i64>,
}

impl Inputs {
    /// `(from, to)` by `from`, a static relation.
    fn edges(&self) -> Relation<(i64, i64)> {
        self.edge.iter().copied().collect()
    }

    fn linear(&self) -> Pairs {
        let mut iteration = Iteration::new();
        // (end, begin): a path grows at its end.
        let paths = iteration.variable::<(i64, i64)>("paths");
        let edges = self.edges();
        paths.extend(self.edge.iter().map(|(a, b)| (*b, *a)));
        while iteration.changed() {
            paths.from_join(&paths, &edges, |_, a, c| (*c, *a));
        }
        paths.complete().iter().map(|(end, begin)| (*begin, *end)).collect()
    }

    fn double(&self) -> Pairs {
        let mut iteration = Iteration::new();
        let by_end = iteration.variable::<(i64, i64)>("by end");
        let by_begin = iteration.variable::<(i64, i64)>("by begin");
        by_begin.extend(self.edge.iter().copied());
        while iteration.changed() {
            by_end.from_map(&by_begin, |(a, b)| (*b, *a));
            by_begin.from_join(&by_end, &by_begin, |_, a, c| (*a, *c));
        }
        by_begin.complete().iter().copied().collect()
    }

    fn odd_and_even(&self) -> (Pairs, Pairs) {
        let mut iteration = Iteration::new();
        let odd = iteration.variable::<(i64, i64)>("odd");
        let even = iteration.variable::<(i64, i64)>("even");
        let edges = self.edges();
        odd.extend(self.edge.iter().map(|(a, b)| (*b, *a)));
        while iteration.changed() {
            even.from_join(&odd, &edges, |_, a, c| (*c, *a));
            odd.from_join(&even, &edges, |_, a, c| (*c, *a));
        }
        let turned = |pairs: Relation<(i64, i64)>| pairs.iter().map(|(b, a)| (*a, *b)).collect();
        (turned(odd.complete()), turned(even.complete()))
    }

    fn guarded(&self) -> Pairs {
        let mut iteration = Iteration::new();
        let reached = iteration.variable::<(i64, i64)>("reached");
        let edges = self.edges();
        reached.extend(self.start.iter().map(|a| (*a, 0)));
        while iteration.changed() {
            let open = |to: &i64| !self.stop.contains(to);
            reached.from_leapjoin(
                &reached,
                (edges.extend_with(|(a, _)| *a), datafrog::ValueFilter::from(|_, to| open(to))),
                |_, to| (*to, 0),
            );
        }
        reached.complete().iter().copied().collect()
    }

    fn same(&self) -> Pairs {
        let mut iteration = Iteration::new();
        let same = iteration.variable::<(i64, i64)>("same");
        let half = iteration.variable::<(i64, i64)>("half");
        let edges = self.edges();
        let siblings = self.edge.iter().flat_map(|(p, a)| {
            let others = self.edge.iter().filter(move |(q, _)| q == p);
            others.map(move |(_, b)| (*a, *b))
        });
        same.extend(siblings);
        while iteration.changed() {
            // same(P, Q), edge(P, A) gives (Q, A); with edge(Q, B) it gives same(A, B).
            half.from_join(&same, &edges, |_, q, a| (*q, *a));
            same.from_join(&half, &edges, |_, a, b| (*a, *b));
        }
        same.complete().iter().copied().collect()
    }
}

fn number(value: &Value) -> i64 {
    value.as_number().unwrap()
}

#[test]
fn recursion_on_plain_datafrog_gives_the_same() {
    let mut compared = 0;
    for seed in 1..=8_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut engine = engine(PROGRAM);
        let mut inputs = Inputs::default();
        for _ in 0..40 {
            let mut transaction = Transaction::default();
            for _ in 0..1 + dice.roll(6) {
                let comes = dice.chance(60);
                let (a, b) = (dice.roll(7) as i64, dice.roll(7) as i64);
                let relation = ["edge", "edge", "edge", "start", "stop"][dice.roll(5)];
                let row =
                    if relation == "edge" { vec![a.into(), b.into()] } else { vec![a.into()] };
                let fact = Fact::new(relation, row);
                // One change per fact: deletes of a transaction go before its inserts.
                let named = transaction.inserts.iter().chain(&transaction.deletes);
                if named.clone().any(|other| *other == fact) {
                    continue;
                }
                let set = match relation {
                    "start" => &mut inputs.start,
                    _ => &mut inputs.stop,
                };
                match (relation, comes) {
                    ("edge", true) => inputs.edge.insert((a, b)),
                    ("edge", false) => inputs.edge.remove(&(a, b)),
                    (_, true) => set.insert(a),
                    (_, false) => set.remove(&a),
                };
                let side = if comes { &mut transaction.inserts } else { &mut transaction.deletes };
                side.push(fact);
            }
            engine.transact(transaction);
            let (odd, even) = inputs.odd_and_even();
            let wants = [
                ("linear", inputs.linear()),
                ("double", inputs.double()),
                ("odd", odd),
                ("even", even),
                ("guarded", inputs.guarded()),
                ("same", inputs.same()),
            ];
            for (relation, want) in wants {
                let rows = engine.rows(relation);
                let pair = |row: &Vec<Value>| (number(&row[0]), row.get(1).map_or(0, number));
                let have: Pairs = rows.iter().map(pair).collect();
                assert_eq!(have, want, "{relation}, seed {seed}");
                compared += have.len();
            }
        }
    }
    println!("{compared} facts equal to plain datafrog");
    assert!(compared > 1_000);
}
