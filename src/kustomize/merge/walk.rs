//! Walking two trees at once: what becomes of each map, list and scalar.

use super::arena::Arena;
use super::arena::Id;
use super::directive;
use super::directive::Directive;
use super::stable;
use crate::kustomize::error::Result;
use crate::kustomize::path;
use crate::kustomize::path::Dress;
use crate::kustomize::path::Kind;
use crate::kustomize::schema::Schema;
use crate::kustomize::schemas::Schemas;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Tag;

/// The object's node and the patch's node at one place.
pub(super) type Sources = [Option<Id>; 2];

/// What a walk leaves: a node, or nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walked {
    pub(super) id: Option<Id>,
    /// A null that the object spells out and that stays.
    pub(super) keep: bool,
}

impl Walked {
    pub(super) fn some(id: Option<Id>) -> Self {
        Self { id, keep: false }
    }
}

/// One merge under way.
pub(super) struct Walker<'s> {
    pub(super) arena: Arena,
    pub(super) schemas: &'s Schemas,
}

impl Walker<'_> {
    pub(super) fn walk(&mut self, sources: Sources, schema: Option<Schema>) -> Result<Walked> {
        let schema = schema.or_else(|| self.schema_of(sources));
        if let [Some(dest), None] = sources
            && self.arena.is_closed(dest)
            && stable::is_stable(self.arena.node(dest), schema.as_ref(), self.schemas)
        {
            return Ok(Walked::some(Some(dest)));
        }
        let present = sources.into_iter().flatten();
        let kind = present.clone().find(|&id| !self.arena.is_null(id));
        let Some(kind) = kind.map(|id| self.arena.kind(id)) else {
            return self.walk_map(sources, schema);
        };
        for id in present {
            path::expect_kind(self.arena.node(id), kind)?;
        }
        match kind {
            Kind::Mapping => self.walk_map(sources, schema),
            Kind::Scalar => Ok(Walked::some(sources[1].or(sources[0]))),
            Kind::Sequence if schema.as_ref().is_some_and(Schema::merges) => {
                let schema = schema.as_ref();
                self.walk_list(sources, schema)
            }
            Kind::Sequence => Ok(Walked::some(sources[1].or(sources[0]))),
        }
    }

    /// The schema of an object that stands inside of something without one.
    fn schema_of(&mut self, sources: Sources) -> Option<Schema> {
        for id in sources.into_iter().flatten() {
            if self.arena.is_null(id) || self.arena.kind(id) != Kind::Mapping {
                continue;
            }
            let mut text = |name: &str| {
                let found = self.arena.field(id, name)?;
                let is_empty = self.arena.is_null_or_empty(found);
                (!is_empty).then(|| self.arena.text(found).to_owned())
            };
            let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else { continue };
            if version.is_empty() || kind.is_empty() {
                continue;
            }
            if let Some(schema) = self.schemas.of_type(&version, &kind) {
                return Some(schema);
            }
        }
        None
    }

    /// What becomes of a map before its fields are looked at.
    fn visit_map(&mut self, [dest, origin]: Sources) -> Result<Walked> {
        let Some(dest_id) = dest.filter(|&id| !self.arena.is_null(id)) else {
            if let Ok(Directive::Delete) = directive::take(&mut self.arena, origin) {
                return Ok(Walked::some(None));
            }
            if let (None, Some(null)) = (origin, dest)
                && !self.arena.text(null).is_empty()
            {
                let text = self.arena.text(null).to_owned();
                let mut kept = Node::scalar(&text);
                kept.set_tag(Tag::Null);
                return Ok(Walked { id: Some(self.arena.add(kept)), keep: true });
            }
            return Ok(Walked::some(origin));
        };
        if origin.is_some_and(|id| self.arena.is_null(id)) {
            return Ok(Walked::some(None));
        }
        self.copy_style_to_empty(dest_id, origin);
        Ok(Walked::some(match directive::take(&mut self.arena, origin)? {
            Directive::Delete => None,
            Directive::Replace => origin,
            Directive::Merge => dest,
        }))
    }

    fn copy_style_to_empty(&mut self, dest: Id, origin: Option<Id>) {
        let Some(origin) = origin else { return };
        if self.arena.kind(dest) != Kind::Scalar && self.arena.len(dest) == 0 {
            let style = self.arena.node(origin).style();
            self.arena.node_mut(dest).set_style(style);
        }
    }

    fn walk_map(&mut self, sources: Sources, schema: Option<Schema>) -> Result<Walked> {
        let visited = self.visit_map(sources)?;
        let Some(dest) = visited.id else { return Ok(visited) };
        let sources = [Some(dest), sources[1]];
        let mut names: Vec<String> =
            sources.into_iter().flatten().flat_map(|id| self.arena.fields(id)).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let fields = sources.map(|id| id.and_then(|id| self.arena.field(id, &name)));
            let field_schema = schema.as_ref().and_then(|schema| schema.field(&name));
            let value = self.walk(fields, field_schema)?;
            // A new key is written as it is where its value comes from.
            let from = (0..2).rev().find(|&i| value.id.is_some() && value.id == fields[i]);
            let style = from.and_then(|i| sources[i]).map(|id| self.arena.key_style(id, &name));
            let key = Node::scalar(&name).styled(style.unwrap_or_default());
            self.set_field(dest, key, value)?;
        }
        Ok(Walked { id: Some(dest), keep: visited.keep })
    }

    /// Sets a field to what its walk left; an existing one keeps its style.
    pub(super) fn set_field(&mut self, map: Id, key: Node, value: Walked) -> Result<()> {
        let name = path::text(&key);
        if let Some(id) = value.id {
            path::quote(self.arena.node_mut(id));
        }
        let Some(id) = value.id.filter(|&id| value.keep || !self.arena.is_null(id)) else {
            path::expect_kind(self.arena.node(map), Kind::Mapping)?;
            self.arena.remove_field(map, name);
            return Ok(());
        };
        match self.arena.field(map, name) {
            Some(field) => {
                let dress = Dress::of(self.arena.node(field));
                path::restyle(self.arena.node_mut(id), dress);
                self.arena.assign(field, id);
            }
            None => self.arena.add_field(map, key, id),
        }
        Ok(())
    }

    /// What becomes of a list of items with keys before its items are looked at.
    pub(super) fn visit_list(&mut self, [dest, origin]: Sources) -> Result<Option<Id>> {
        let Some(dest_id) = dest.filter(|&id| !self.arena.is_null(id)) else { return Ok(origin) };
        if origin.is_some_and(|id| self.arena.is_null(id)) {
            return Ok(None);
        }
        self.copy_style_to_empty(dest_id, origin);
        Ok(match directive::take(&mut self.arena, origin)? {
            Directive::Delete => None,
            Directive::Replace => origin,
            Directive::Merge => dest,
        })
    }
}
