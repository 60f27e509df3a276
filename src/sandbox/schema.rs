//! Shapes of objects: what server-side apply, patches, pruning and the Go round trip must know.
//!
//! In: the recorded types of built-in kinds (`builtin.rs`) or the OpenAPI schema of a custom
//! resource definition (`crd_schema.rs`). Out: an arena of types that refer to each other by
//! number, so that recursive types are finite.
//!
//! Pure. Not here: the rules of validation (`crd_validate.rs`, `validate.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// A type's place in [`Types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeId(pub(crate) usize);

/// What a scalar may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A number or text, kept as it is.
    IntOrString,
    /// A quantity: brought into its canonical text.
    Quantity,
    /// Base64 text.
    Bytes,
    /// A time in RFC 3339 with whole seconds.
    Time,
    /// A time in RFC 3339 with microseconds.
    MicroTime,
    /// Any scalar.
    Any,
}

/// How the items of a list are owned and merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// The list is one value.
    Atomic,
    /// Items are their own keys.
    Set,
    /// Items are maps named by these fields.
    Keyed(Vec<String>),
}

/// How a strategic merge patch treats a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strategy {
    /// Lists merge (maps always do unless [`Self::replace`]).
    pub(crate) merge: bool,
    /// The field that names items of a merged list.
    pub(crate) key: Option<String>,
    /// Keys that a patch does not name are dropped.
    pub(crate) retain_keys: bool,
    /// A patch replaces the whole value.
    pub(crate) replace: bool,
}

/// When a field of a built-in type appears in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Always, with a zero value if need be.
    Always,
    /// Not when zero or empty.
    NonZero,
    /// Only when set.
    Set,
}

/// A list's shape.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) item: TypeId,
    pub(crate) relation: Relation,
}

/// A map's or struct's shape.
#[derive(Clone, Debug, Default)]
pub(crate) struct MapShape {
    /// Declared fields.
    pub(crate) fields: BTreeMap<String, Field>,
    /// The type of all other keys, when there may be any.
    pub(crate) element: Option<TypeId>,
    /// Owned as one value.
    pub(crate) atomic: bool,
}

/// A declared field.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) ty: TypeId,
    /// The default that names a list item when the key field is left out.
    pub(crate) default: Option<Value>,
    pub(crate) presence: Presence,
    pub(crate) required: bool,
    /// Written as null when unset although it is a struct.
    pub(crate) nullable: bool,
    pub(crate) strategy: Strategy,
}

/// One type: the forms that a value of it may take.
#[derive(Clone, Debug, Default)]
pub(crate) struct Type {
    /// The name in OpenAPI documents, for built-in types.
    pub(crate) name: Option<String>,
    pub(crate) scalar: Option<Scalar>,
    pub(crate) list: Option<List>,
    pub(crate) map: Option<MapShape>,
}

/// The form that fits a value, as far as its type allows it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form<'t> {
    Scalar(Scalar),
    List(&'t List),
    Map(&'t MapShape),
}

impl Type {
    /// A scalar.
    pub(crate) fn scalar(scalar: Scalar) -> Self {
        Self { scalar: Some(scalar), ..Self::default() }
    }

    /// The form that `value` has here; a value that fits none gets the first form there is.
    pub(crate) fn form(&self, value: Option<&Value>) -> Form<'_> {
        match value {
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                if let Some(scalar) = self.scalar {
                    return Form::Scalar(scalar);
                }
            }
            Some(Value::Array(_)) => {
                if let Some(list) = &self.list {
                    return Form::List(list);
                }
            }
            Some(Value::Object(_)) => {
                if let Some(map) = &self.map {
                    return Form::Map(map);
                }
            }
            Some(Value::Null) | None => {}
        }
        match (&self.map, self.scalar, &self.list) {
            (Some(map), _, _) => Form::Map(map),
            (None, Some(scalar), _) => Form::Scalar(scalar),
            (None, None, Some(list)) => Form::List(list),
            (None, None, None) => Form::Scalar(Scalar::Any),
        }
    }

    /// Whether it says nothing about its values.
    pub(crate) fn is_free(&self) -> bool {
        self.scalar == Some(Scalar::Any) && self.map.is_some()
    }
}

/// An arena of types, which may stand on another arena and refer into it.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    below: Option<Arc<Types>>,
    own: Vec<Type>,
}

impl Types {
    /// Anything, with maps owned key by key and lists owned as one.
    pub(crate) const FREE: TypeId = TypeId(1);
    /// Anything, owned as one.
    const FREE_ATOMIC: TypeId = TypeId(0);

    /// An arena with the two free types.
    pub(crate) fn new() -> Self {
        let list = List { item: Self::FREE_ATOMIC, relation: Relation::Atomic };
        let map =
            |atomic, element| MapShape { atomic, element: Some(element), ..MapShape::default() };
        let free = |map| Type {
            name: None,
            scalar: Some(Scalar::Any),
            list: Some(list.clone()),
            map: Some(map),
        };
        let own = vec![free(map(true, Self::FREE_ATOMIC)), free(map(false, Self::FREE))];
        Self { below: None, own }
    }

    /// An arena whose first types are those of `below`.
    pub(crate) fn upon(below: Arc<Types>) -> Self {
        Self { below: Some(below), own: Vec::new() }
    }

    fn base(&self) -> usize {
        self.below.as_ref().map_or(0, |below| below.base() + below.own.len())
    }

    /// The type at `id`.
    pub(crate) fn get(&self, id: TypeId) -> &Type {
        match &self.below {
            Some(below) if id.0 < self.base() => below.get(id),
            _ => &self.own[id.0 - self.base()],
        }
    }

    /// Adds a type.
    pub(crate) fn add(&mut self, ty: Type) -> TypeId {
        self.own.push(ty);
        TypeId(self.base() + self.own.len() - 1)
    }

    /// Replaces a type that was added before what it refers to was known.
    pub(crate) fn set(&mut self, id: TypeId, ty: Type) {
        let at = id.0 - self.base();
        self.own[at] = ty;
    }

    /// A copy of the struct type `id` that is owned as one.
    pub(crate) fn atomic(&mut self, id: TypeId) -> TypeId {
        let mut copy = self.get(id).clone();
        if let Some(map) = &mut copy.map {
            map.atomic = true;
        }
        self.add(copy)
    }

    /// The type of the field at a path of field names; `*` steps into list items.
    #[cfg(test)]
    pub(crate) fn at(&self, ty: TypeId, path: &[&str]) -> Option<TypeId> {
        path.iter().try_fold(ty, |at, step| {
            let found = self.get(at);
            match (*step, &found.list, &found.map) {
                ("*", Some(list), _) => Some(list.item),
                (name, _, Some(map)) => map.fields.get(name).map(|field| field.ty).or(map.element),
                _ => None,
            }
        })
    }
}
