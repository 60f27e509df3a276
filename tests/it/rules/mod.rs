//! Rules: what the shipped ones conclude, judged by another engine, and the tools for their
//! writers.

mod clingo;
mod facts;
mod verbs;
