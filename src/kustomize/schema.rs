//! The OpenAPI that kustomize 5.8.1 embeds: merge keys, patch strategies and scopes.
//!
//! In: `schemas/kustomize/openapi.bin`, looked up in place, nothing is parsed; its layout is told
//! in the generator beside it. A tree may bring a schema of its own (`openapi.path`), which then
//! replaces the built-in merge keys: see `custom_schema.rs`. Scopes of built-in types stay known.

use std::sync::Arc;
use std::sync::OnceLock;

use super::custom_schema::CustomSchema;

static TABLE: &[u8] = include_bytes!("../../schemas/kustomize/openapi.bin");

const NONE: u16 = 0xffff;
const HEADER: usize = 8 + 6 * 4;
const NODE_WORDS: usize = 7;
const KIND_WORDS: usize = 4;

/// Where the parts of the table start.
struct Layout {
    strings: usize,
    ends: usize,
    nodes: usize,
    fields: usize,
    keys: usize,
    kinds: usize,
    kind_count: usize,
    text: usize,
}

fn u16_at(offset: usize) -> u16 {
    match TABLE.get(offset..offset + 2) {
        Some(&[low, high]) => u16::from_le_bytes([low, high]),
        _ => NONE,
    }
}

fn u32_at(offset: usize) -> usize {
    match TABLE.get(offset..offset + 4) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]) as usize,
        _ => 0,
    }
}

fn layout() -> &'static Layout {
    static LAYOUT: OnceLock<Layout> = OnceLock::new();
    LAYOUT.get_or_init(|| {
        let count = |i: usize| u32_at(8 + 4 * i);
        let ends = HEADER;
        let nodes = ends + 4 * count(0);
        let fields = nodes + 2 * NODE_WORDS * count(1);
        let keys = fields + 4 * count(2);
        let kinds = keys + 2 * count(3);
        let text = kinds + 2 * KIND_WORDS * count(4);
        Layout { strings: count(0), ends, nodes, fields, keys, kinds, kind_count: count(4), text }
    })
}

/// The bytes of the text with this id; ids compare like their texts.
fn bytes(id: u16) -> &'static [u8] {
    let l = layout();
    let id = usize::from(id);
    if id >= l.strings {
        return &[];
    }
    let start = if id == 0 { 0 } else { u32_at(l.ends + 4 * (id - 1)) };
    TABLE.get(l.text + start..l.text + u32_at(l.ends + 4 * id)).unwrap_or_default()
}

fn text(id: u16) -> &'static str {
    std::str::from_utf8(bytes(id)).unwrap_or_default()
}

/// The kind's row in the table, if it has one.
fn kind_row(api_version: &str, kind: &str) -> Option<usize> {
    let l = layout();
    let row = |i: usize| l.kinds + 2 * KIND_WORDS * i;
    let wanted = (api_version.as_bytes(), kind.as_bytes());
    let (mut low, mut high) = (0, l.kind_count);
    while low < high {
        let middle = (low + high) / 2;
        let at = row(middle);
        match (bytes(u16_at(at)), bytes(u16_at(at + 2))).cmp(&wanted) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return Some(at),
        }
    }
    None
}

/// The schema of a type, a field or a list's items.
#[derive(Clone, Debug)]
pub(crate) enum Schema {
    /// A row of the built-in table.
    BuiltIn(u16),
    /// A definition that the tree brought.
    Custom(Arc<CustomSchema>, usize),
}

impl Schema {
    fn word(row: u16, i: usize) -> u16 {
        u16_at(layout().nodes + 2 * (NODE_WORDS * usize::from(row) + i))
    }

    fn built_in(row: u16) -> Option<Self> {
        (row != NONE).then_some(Self::BuiltIn(row))
    }

    /// The schema of a map's entry: the named property, or that of any property.
    pub(crate) fn field(&self, name: &str) -> Option<Self> {
        let row = match self {
            Self::BuiltIn(row) => *row,
            Self::Custom(custom, id) => {
                return CustomSchema::field(custom, *id, name);
            }
        };
        let first = usize::from(Self::word(row, 0));
        let (mut low, mut high) = (first, first + usize::from(Self::word(row, 1)));
        while low < high {
            let middle = (low + high) / 2;
            let at = layout().fields + 4 * middle;
            match bytes(u16_at(at)).cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Self::built_in(u16_at(at + 2)),
            }
        }
        Self::built_in(Self::word(row, 3))
    }

    /// The schema of a list's items.
    pub(crate) fn elements(&self) -> Option<Self> {
        match self {
            Self::BuiltIn(row) => Self::built_in(Self::word(*row, 2)),
            Self::Custom(custom, id) => CustomSchema::elements(custom, *id),
        }
    }

    /// The patch strategy, `""` when none is told, and the merge keys.
    pub(crate) fn strategy(&self) -> (&str, Vec<&str>) {
        match self {
            Self::BuiltIn(row) => {
                let strategy = Self::word(*row, 4);
                if strategy == NONE {
                    return ("", Vec::new());
                }
                let first = usize::from(Self::word(*row, 5));
                let keys = (first..first + usize::from(Self::word(*row, 6)))
                    .map(|i| text(u16_at(layout().keys + 2 * i)))
                    .collect();
                (text(strategy), keys)
            }
            Self::Custom(custom, id) => custom.strategy(*id),
        }
    }

    /// Whether a list of this schema is merged item by item.
    pub(crate) fn merges(&self) -> bool {
        self.strategy().0.split(',').any(|part| part == "merge")
    }
}

/// The built-in schema of a type.
pub(crate) fn built_in_type(api_version: &str, kind: &str) -> Option<Schema> {
    Schema::built_in(u16_at(kind_row(api_version, kind)? + 4))
}

/// The built-in definition with this name.
pub(crate) fn built_in_definition(name: &str) -> Option<Schema> {
    built_in_type("#/definitions", name)
}

/// Whether a built-in type is namespaced; `None` when the type is not built in.
pub(crate) fn built_in_scope(api_version: &str, kind: &str) -> Option<bool> {
    match u16_at(kind_row(api_version, kind)? + 6) {
        1 => Some(false),
        2 => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::built_in_definition;
    use super::built_in_scope;
    use super::built_in_type;

    #[test]
    fn merge_keys_of_well_known_lists() {
        #[rustfmt::skip]
        let cases: &[(&str, &str, &[&str], &str, &[&str])] = &[
            ("apps/v1", "Deployment", &["spec", "template", "spec", "containers"], "merge", &["name"]),
            ("v1", "Service", &["spec", "ports"], "merge", &["port", "protocol"]),
            ("apps/v1", "Deployment", &["metadata", "finalizers"], "merge", &[]),
            ("v1", "Pod", &["spec", "volumes"], "merge,retainKeys", &["name"]),
            ("v1", "Pod", &["spec", "tolerations"], "", &[]),
        ];
        for &(version, kind, path, strategy, keys) in cases {
            let mut schema = built_in_type(version, kind).unwrap();
            for field in path {
                schema = schema.field(field).unwrap();
            }
            assert_eq!(schema.strategy(), (strategy, keys.to_vec()), "{kind} {path:?}");
        }
    }

    #[test]
    fn scopes() {
        assert_eq!(built_in_scope("v1", "Namespace"), Some(false));
        assert_eq!(built_in_scope("apps/v1", "Deployment"), Some(true));
        assert_eq!(built_in_scope("v1", "NodeProxyOptions"), Some(false));
        assert_eq!(built_in_scope("admissionregistration.k8s.io/v1", "Unheard"), None);
        assert!(built_in_type("v1", "Unheard").is_none());
        assert!(built_in_definition("io.k8s.api.core.v1.PodTemplateSpec").is_some());
    }
}
