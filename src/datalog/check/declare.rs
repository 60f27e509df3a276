//! Declarations: type names, relations, marks and limits of all files, before any clause is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::datalog::check::File;
use crate::datalog::check::nearest;
use crate::datalog::diagnostic::Code;
use crate::datalog::diagnostic::Complaint;
use crate::datalog::diagnostic::Complaints;
use crate::datalog::diagnostic::Span;
use crate::datalog::program::Column;
use crate::datalog::program::FileOrigin;
use crate::datalog::program::RelationInfo;
use crate::datalog::program::RelationKind;
use crate::datalog::syntax::Ident;
use crate::datalog::syntax::Item;
use crate::datalog::syntax::RelationDecl;
use crate::datalog::syntax::Role;
use crate::datalog::value::Type;

/// Position of a type in [`Scope::types`]; the base types come first.
pub(super) type TypeId = usize;

/// A type name: one of the base types, or a declared subtype.
pub(super) struct TypeInfo {
    pub(super) name: Arc<str>,
    pub(super) parent: Option<TypeId>,
    pub(super) base: Type,
}

const BASES: [Type; 6] =
    [Type::Symbol, Type::Number, Type::Decimal, Type::Version, Type::Time, Type::Duration];

/// Most columns of one relation.
const COLUMNS_MAX: usize = 32;

/// The type of a base.
pub(super) fn base_id(base: Type) -> TypeId {
    BASES.iter().position(|known| *known == base).expect("BASES lists every base type")
}

/// All declared names.
pub(super) struct Scope {
    pub(super) types: Vec<TypeInfo>,
    type_names: BTreeMap<Arc<str>, TypeId>,
    pub(super) relations: Vec<RelationInfo>,
    /// Per relation, the type of each column.
    pub(super) column_types: Vec<Vec<TypeId>>,
    /// Per relation, where its name stands in the declaration.
    pub(super) spans: Vec<Span>,
    pub(super) names: BTreeMap<Arc<str>, usize>,
}

impl Scope {
    /// True when `lower` is `upper` or a subtype of it.
    pub(super) fn is_within(&self, lower: TypeId, upper: TypeId) -> bool {
        let mut at = Some(lower);
        while let Some(id) = at {
            if id == upper {
                return true;
            }
            at = self.types[id].parent;
        }
        false
    }

    /// The more special of two related types.
    pub(super) fn meet(&self, a: TypeId, b: TypeId) -> Option<TypeId> {
        if self.is_within(a, b) {
            return Some(a);
        }
        self.is_within(b, a).then_some(b)
    }

    fn type_id(&self, name: &Ident, complaints: &mut Complaints) -> Option<TypeId> {
        let found = self.type_names.get(&name.text).copied();
        if found.is_none() {
            let message = format!("type `{}` is not declared", name.text);
            let mut complaint =
                Complaint::error(Code::UnknownType, message).at(name.span, "used here");
            let known = self.type_names.keys().map(|known| &**known);
            complaint = match nearest(&name.text, known) {
                Some(close) => complaint.help(format!("did you mean `{close}`?")),
                None => complaint.help(format!("declare it: .type {} <: symbol", name.text)),
            };
            complaints.push(complaint);
        }
        found
    }
}

/// Reads all declarations of `files`.
pub(super) fn declare(files: &[File], complaints: &mut Complaints) -> Scope {
    let mut scope = Scope {
        types: Vec::new(),
        type_names: BTreeMap::new(),
        relations: Vec::new(),
        column_types: Vec::new(),
        spans: Vec::new(),
        names: BTreeMap::new(),
    };
    for base in BASES {
        scope.type_names.insert(base.name().into(), scope.types.len());
        scope.types.push(TypeInfo { name: base.name().into(), parent: None, base });
    }
    declare_types(files, &mut scope, complaints);
    for file in files {
        for item in &file.items {
            if let Item::Relation(decl) = item {
                declare_relation(file, decl, &mut scope, complaints);
            }
        }
    }
    for file in files {
        for item in &file.items {
            mark(file, item, &mut scope, complaints);
        }
    }
    scope
}

fn declare_types(files: &[File], scope: &mut Scope, complaints: &mut Complaints) {
    let mut spans: BTreeMap<Arc<str>, Span> = BTreeMap::new();
    let mut open: Vec<(&Ident, &Ident)> = Vec::new();
    for item in files.iter().flat_map(|file| &file.items) {
        let Item::Type { name, base } = item else { continue };
        if scope.type_names.contains_key(&name.text) {
            complaints.push(duplicate("type", name, None));
            continue;
        }
        if let Some(first) = spans.get(&name.text) {
            complaints.push(duplicate("type", name, Some(*first)));
            continue;
        }
        spans.insert(Arc::clone(&name.text), name.span);
        open.push((name, base));
    }
    while let Some(at) = open.iter().position(|(_, base)| scope.type_names.contains_key(&base.text))
    {
        let (name, base) = open.remove(at);
        let parent = scope.type_names[&base.text];
        let base = scope.types[parent].base;
        scope.type_names.insert(Arc::clone(&name.text), scope.types.len());
        scope.types.push(TypeInfo { name: Arc::clone(&name.text), parent: Some(parent), base });
    }
    for (name, base) in open {
        if spans.contains_key(&base.text) {
            let message = format!("type `{}` is a subtype of itself", name.text);
            complaints.push(Complaint::error(Code::UnknownType, message).at(base.span, "here"));
        } else {
            scope.type_id(base, complaints);
        }
        scope.type_names.insert(Arc::clone(&name.text), base_id(Type::Symbol));
    }
}

fn duplicate(what: &str, name: &Ident, first: Option<Span>) -> Complaint {
    let message = format!("{what} `{}` is declared twice", name.text);
    let complaint = Complaint::error(Code::Duplicate, message).at(name.span, "again here");
    match first {
        Some(first) => complaint.at(first, "first here"),
        None => complaint.help("it belongs to the language"),
    }
}

fn declare_relation(
    file: &File,
    decl: &RelationDecl,
    scope: &mut Scope,
    complaints: &mut Complaints,
) {
    if let Some(first) = scope.names.get(&decl.name.text) {
        complaints.push(duplicate("relation", &decl.name, Some(scope.spans[*first])));
        return;
    }
    let mut columns: Vec<Column> = Vec::new();
    let mut types = Vec::new();
    for (name, type_name) in &decl.columns {
        if columns.iter().any(|column| column.name == name.text) {
            complaints.push(duplicate("column", name, None).help("columns need different names"));
        }
        let id = scope.type_id(type_name, complaints).unwrap_or(base_id(Type::Symbol));
        columns.push(Column {
            name: Arc::clone(&name.text),
            type_name: Arc::clone(&type_name.text),
            base: scope.types[id].base,
        });
        types.push(id);
    }
    if columns.len() > COLUMNS_MAX {
        let message = format!("more than {COLUMNS_MAX} columns in one relation");
        let complaint = Complaint::error(Code::TooManyVariables, message);
        complaints.push(complaint.at(decl.name.span, "declared here"));
    }
    let key = decl.key.as_ref().map(|names| key_positions(names, &columns, complaints));
    let kind = match decl.role {
        Role::Input => RelationKind::Input,
        Role::Extension => RelationKind::Extension,
        Role::Derived | Role::Output => RelationKind::Derived,
    };
    scope.names.insert(Arc::clone(&decl.name.text), scope.relations.len());
    scope.spans.push(decl.name.span);
    scope.column_types.push(types);
    scope.relations.push(RelationInfo {
        name: Arc::clone(&decl.name.text),
        doc: decl.doc.as_str().into(),
        columns,
        kind,
        output: decl.role == Role::Output,
        key,
        from: decl.from.clone(),
        limit: None,
        file: Arc::clone(&file.name),
        line: file.line(decl.name.span),
        origin: file.origin,
        stratum: 0,
        writers: Vec::new(),
        readers: Vec::new(),
    });
}

fn key_positions(names: &[Ident], columns: &[Column], complaints: &mut Complaints) -> Vec<usize> {
    let mut positions = Vec::new();
    for name in names {
        match columns.iter().position(|column| column.name == name.text) {
            Some(at) => positions.push(at),
            None => {
                let message = format!("the key names no column `{}`", name.text);
                let known: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
                let help = format!("columns: {}", known.join(", "));
                let complaint = Complaint::error(Code::UnknownColumn, message);
                complaints.push(complaint.at(name.span, "here").help(help));
            }
        }
    }
    positions.sort_unstable();
    positions.dedup();
    positions
}

fn mark(file: &File, item: &Item, scope: &mut Scope, complaints: &mut Complaints) {
    let (names, role): (&[Ident], Option<Role>) = match item {
        Item::Mark { role, names } => (names, Some(*role)),
        Item::Limit { name, .. } => (std::slice::from_ref(name), None),
        _ => return,
    };
    for name in names {
        let Some(&at) = scope.names.get(&name.text) else {
            complaints.push(unknown_relation(name, scope));
            continue;
        };
        let info = &mut scope.relations[at];
        if file.origin == FileOrigin::User && info.origin == FileOrigin::BuiltIn {
            let message = format!("`{}` belongs to the built-in rules", name.text);
            let complaint =
                Complaint::error(Code::NotExtensible, message).at(name.span, "marked here");
            complaints.push(complaint.help("user files may mark only relations of user files"));
            continue;
        }
        match (role, item) {
            (Some(Role::Output), _) => info.output = true,
            (Some(Role::Input), _) => info.kind = RelationKind::Input,
            (Some(Role::Extension), _) => info.kind = RelationKind::Extension,
            (None, Item::Limit { rows, .. }) => info.limit = Some(rows.unsigned_abs()),
            _ => {}
        }
    }
}

/// The complaint about a name that no declaration introduces.
pub(super) fn unknown_relation(name: &Ident, scope: &Scope) -> Complaint {
    let message = format!("relation `{}` is not declared", name.text);
    let complaint = Complaint::error(Code::UnknownRelation, message).at(name.span, "used here");
    match nearest(&name.text, scope.names.keys().map(|known| &**known)) {
        Some(close) => complaint.help(format!("did you mean `{close}`?")),
        None => complaint.help(format!("declare it: .decl {}(…)", name.text)),
    }
}
