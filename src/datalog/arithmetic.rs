//! Arithmetic on values: which signs fit which types, and checked evaluation.

use crate::datalog::syntax::Operator;
use crate::datalog::value::Type;
use crate::datalog::value::Value;

/// The type of `left op right`, when the sign fits the types.
pub(crate) fn result_type(op: Operator, left: Type, right: Type) -> Option<Type> {
    use Operator::Add;
    use Operator::Divide;
    use Operator::Multiply;
    use Operator::Remainder;
    use Operator::Subtract;
    use Type::Decimal;
    use Type::Duration;
    use Type::Number;
    use Type::Time;
    match (left, op, right) {
        (Number, _, Number) => Some(Number),
        (Decimal, _, Decimal) => Some(Decimal),
        (Time, Subtract, Time) => Some(Duration),
        (Time, Add | Subtract, Duration) | (Duration, Add, Time) => Some(Time),
        (Duration, Add | Subtract | Remainder, Duration) => Some(Duration),
        (Duration, Divide, Duration) => Some(Number),
        (Duration, Multiply | Divide, Number) | (Number, Multiply, Duration) => Some(Duration),
        (Time, Remainder, Duration) => Some(Duration),
        _ => None,
    }
}

/// The value of `left op right`; `None` on overflow and division by zero.
pub(crate) fn apply(op: Operator, left: &Value, right: &Value) -> Option<Value> {
    let base = result_type(op, left.base(), right.base())?;
    if let (Value::Decimal(a), Value::Decimal(b)) = (left, right) {
        let result = match op {
            Operator::Add => a.checked_add(*b),
            Operator::Subtract => a.checked_sub(*b),
            Operator::Multiply => a.checked_mul(*b),
            Operator::Divide => a.checked_div(*b),
            Operator::Remainder => a.checked_rem(*b),
        };
        return result.map(Value::Decimal);
    }
    let (a, b) = (integer(left)?, integer(right)?);
    let result = match op {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide => a.checked_div(b),
        Operator::Remainder if left.base() == Type::Time => a.checked_rem_euclid(b),
        Operator::Remainder => a.checked_rem(b),
    }?;
    Some(match base {
        Type::Number => Value::Number(result),
        Type::Time => Value::Time(result),
        _ => Value::Duration(result),
    })
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) | Value::Time(number) | Value::Duration(number) => Some(*number),
        _ => None,
    }
}
