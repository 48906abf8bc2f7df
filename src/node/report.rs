//! What a round or a reconciliation came to, as JavaScript sees it.

use super::convert::{Body, write_hlc};
use super::error::to_js;
use super::runtime::{Argument, IntoJs};
use super::value::{Intrinsic, Scope, Value, list};
use crate::engine::held::{Direction, Held, said_code};
use crate::engine::reconcile_all::Reconciled;
use crate::engine::reconcile_objects::Objects;
use crate::engine::round::Report;
use crate::error::Result;
use crate::protocol::item::ItemKind;

/// An object of counts, and of whether both sides are proved to hold the same, if that is known.
fn counts<'s>(
    scope: Scope<'s>,
    counts: &[(&str, usize)],
    in_sync: Option<bool>,
) -> Result<Value<'s>> {
    let object = scope.object()?;
    for (name, count) in counts {
        scope.set(object, name, scope.count(*count as u64)?)?;
    }
    if let Some(in_sync) = in_sync {
        scope.set(object, "inSync", scope.boolean(in_sync)?)?;
    }
    Ok(object)
}

impl IntoJs for Report<Body> {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let said = [("applied", self.applied), ("shipped", self.shipped)];
        let result = counts(scope, &said, None)?;
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
        let said = [
            ("differing", done.differing),
            ("applied", done.applied),
            ("shipped", done.shipped),
            ("requests", done.requests),
        ];
        let result = counts(scope, &said, done.in_sync)?;
        scope.set(result, "held", list(scope, &done.held, write_held)?)?;
        if let Some(objects) = &done.objects {
            scope.set(result, "objects", write_objects(scope, objects)?)?;
        }
        Ok(result)
    }
}

fn write_objects<'s>(scope: Scope<'s>, objects: &Objects) -> Result<Value<'s>> {
    let said = [
        ("checked", objects.checked),
        ("sent", objects.sent),
        ("received", objects.received),
    ];
    let result = counts(scope, &said, None)?;
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
    let id = match &held.kind {
        ItemKind::Record(id) => scope.string(id)?,
        ItemKind::Row(_) => scope.helper(Intrinsic::RowIdOf, &[item])?,
    };
    let key = match &held.blob {
        Some(blob) => scope.string(&blob.key)?,
        None => scope.null()?,
    };
    scope.object_of(&[
        ("nodeId", scope.string(&held.node_id)?),
        ("direction", scope.text(direction)?),
        ("kind", scope.text(kind)?),
        ("id", id),
        ("timestamp", write_hlc(scope, &held.hlc)?),
        ("item", item),
        ("key", key),
        ("code", scope.text(&held.code)?),
        ("reason", scope.text(&held.error.to_string())?),
        ("error", to_js(scope, &held.error)?),
    ])
}
