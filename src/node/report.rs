//! What a round or a reconciliation came to, as JavaScript sees it.

use super::convert::{Body, write_hlc};
use super::error::to_js;
use super::runtime::{Argument, IntoJs, write_data};
use super::value::{Intrinsic, Scope, Value, list};
use crate::engine::held::{Held, said_code};
use crate::engine::reconcile_all::Reconciled;
use crate::engine::reconcile_objects::Objects;
use crate::engine::round::Report;
use crate::error::Result;
use crate::protocol::item::ItemKind;

impl IntoJs for Report<Body> {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let result = write_data(scope, &self)?;
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
        let result = write_data(scope, &done)?;
        scope.set(result, "held", list(scope, &done.held, write_held)?)?;
        if let Some(objects) = &done.objects {
            scope.set(result, "objects", write_objects(scope, objects)?)?;
        }
        Ok(result)
    }
}

fn write_objects<'s>(scope: Scope<'s>, objects: &Objects) -> Result<Value<'s>> {
    let result = write_data(scope, objects)?;
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
    let item = match &held.body {
        Some(body) => body.to_js(scope)?,
        None => scope.null()?,
    };
    let (kind, id) = match &held.kind {
        ItemKind::Record(id) => ("record", scope.string(id)?),
        ItemKind::Row(_) => ("appRow", scope.helper(Intrinsic::RowIdOf, &[item])?),
    };
    let key = match &held.blob {
        Some(blob) => scope.string(&blob.key)?,
        None => scope.null()?,
    };
    scope.object_of(&[
        ("nodeId", scope.string(&held.node_id)?),
        ("direction", scope.text(held.direction.name())?),
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
