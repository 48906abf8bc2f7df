//! What a round or a reconciliation came to, as JavaScript sees it.

use super::convert::{Body, write_hlc};
use super::error::to_js;
use super::runtime::IntoJs;
use super::value::{Kind, Scope, Value, list};
use crate::engine::held::{Direction, Held, said_code};
use crate::engine::reconcile_all::Reconciled;
use crate::engine::reconcile_objects::Objects;
use crate::engine::round::Report;
use crate::error::Result;
use crate::protocol::item::ItemKind;

/// An object of counts.
fn counts<'s>(scope: Scope<'s>, counts: &[(&str, usize)]) -> Result<Value<'s>> {
    let object = scope.object()?;
    for (name, count) in counts {
        scope.set(object, name, scope.count(*count as u64)?)?;
    }
    Ok(object)
}

impl IntoJs for Report<Body> {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let result = counts(
            scope,
            &[("applied", self.applied), ("shipped", self.shipped)],
        )?;
        scope.set(result, "hasMore", scope.boolean(self.has_more)?)?;
        if let Some(in_sync) = self.in_sync {
            scope.set(result, "inSync", scope.boolean(in_sync)?)?;
        }
        let held = list(scope, &self.held, write_held)?;
        // An app that compares a quiet round's result with the three fields of old finds them alone.
        if self.held.is_empty() {
            scope.define_hidden(result, "held", held)?;
        } else {
            scope.set(result, "held", held)?;
        }
        Ok(result)
    }
}

/// Nothing is what a reconciliation came to that was called off.
impl IntoJs for Option<Reconciled<Body>> {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let Some(done) = self else {
            return scope.undefined();
        };
        let result = counts(
            scope,
            &[
                ("differing", done.differing),
                ("applied", done.applied),
                ("shipped", done.shipped),
                ("requests", done.requests),
            ],
        )?;
        if let Some(in_sync) = done.in_sync {
            scope.set(result, "inSync", scope.boolean(in_sync)?)?;
        }
        scope.set(result, "held", list(scope, &done.held, write_held)?)?;
        if let Some(objects) = &done.objects {
            scope.set(result, "objects", write_objects(scope, objects)?)?;
        }
        Ok(result)
    }
}

fn write_objects<'s>(scope: Scope<'s>, objects: &Objects) -> Result<Value<'s>> {
    let result = counts(
        scope,
        &[
            ("checked", objects.checked),
            ("sent", objects.sent),
            ("received", objects.received),
        ],
    )?;
    let missing = list(scope, &objects.missing, |scope, key| scope.string(key))?;
    scope.set(result, "missing", missing)?;
    let failed = list(scope, &objects.failed, |scope, (key, error)| {
        scope.object_of(&[
            ("key", scope.string(key)?),
            ("code", scope.text(&said_code(error))?),
            ("reason", scope.text(&error.to_string())?),
        ])
    })?;
    scope.set(result, "failed", failed)?;
    Ok(result)
}

fn write_held<'s>(scope: Scope<'s>, held: &Held<Body>) -> Result<Value<'s>> {
    let direction = match held.direction {
        Direction::Outbound => "outbound",
        Direction::Inbound => "inbound",
    };
    let kind = match held.kind {
        ItemKind::Record(_) => "record",
        ItemKind::Row(_) => "appRow",
    };
    let item = match &held.body {
        Some(body) => body.to_js(scope)?,
        None => scope.null()?,
    };
    let key = match &held.blob {
        Some(blob) => scope.string(&blob.key)?,
        None => scope.null()?,
    };
    scope.object_of(&[
        ("nodeId", scope.string(&held.node_id)?),
        ("direction", scope.text(direction)?),
        ("kind", scope.text(kind)?),
        ("id", id_of(scope, held, item)?),
        ("timestamp", write_hlc(scope, &held.hlc)?),
        ("item", item),
        ("key", key),
        ("code", scope.text(&held.code)?),
        ("reason", scope.text(&held.error.to_string())?),
        ("error", to_js(scope, &held.error)?),
    ])
}

/// The id of a record, or what an app row has as `id`, if that can be read.
fn id_of<'s>(scope: Scope<'s>, held: &Held<Body>, entry: Value<'s>) -> Result<Value<'s>> {
    if let ItemKind::Record(id) = &held.kind {
        return scope.string(id);
    }
    let id = |name| -> Result<_> {
        let columns = scope.get(entry, name)?;
        match scope.kind(columns)? {
            Kind::Object => Ok(scope.as_text(scope.get(columns, "id")?)),
            _ => Ok(None),
        }
    };
    if scope.kind(entry)? == Kind::Object {
        for name in ["row", "where"] {
            // What an app's getter throws is no reason to fail the round that names the item.
            if let Ok(Some(id)) = id(name) {
                return scope.string(&id);
            }
        }
    }
    scope.null()
}
