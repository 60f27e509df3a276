//! Derived rows become one ordered, checked plan.
