//! Why, why-not and what-if: proofs become short answers.
