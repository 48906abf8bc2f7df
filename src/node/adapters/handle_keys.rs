//! What lies under the keys of a log: asked of JavaScript as items, or of the database as times.

use rusqlite::types::Value as Cell;

use super::handle_sql::HandleSql;
use crate::engine::change_log::View;
use crate::error::Result;
use crate::node::convert::Body;
use crate::node::value::Persistent;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::log::{Keyed, Stream};
use crate::protocol::text::Text;
use crate::store::sqlite::log::{Sql, Tracked};

/// What stands for the items under a key until they are read.
pub(super) fn place_of<B>(stream: &Stream, key: &str, body: B) -> Item<B> {
    Item {
        hlc: Hlc::zero(),
        kind: match stream {
            Stream::Records => ItemKind::Record(Text::from(key)),
            Stream::Rows(table) => ItemKind::Row(table.clone()),
        },
        blob: None,
        body,
        fault: None,
    }
}

/// The view with the items in their places.
pub(super) fn filled(view: View<usize>, items: &[Vec<Item<Body>>]) -> View<Body> {
    let of = |keyed: Keyed<usize>| -> Vec<Keyed<Body>> {
        let found = items.get(keyed.item.body).map_or(&[][..], Vec::as_slice);
        let with_key = |item: &Item<Body>| Keyed {
            key: keyed.key.clone(),
            item: item.clone(),
        };
        found.iter().map(with_key).collect()
    };
    View {
        items: view
            .items
            .into_iter()
            .flat_map(|(seq, keyed)| of(keyed).into_iter().map(move |keyed| (seq, keyed)))
            .collect(),
        wanted: view.wanted.into_iter().flat_map(of).collect(),
        id: view.id,
        head: view.head,
        history: view.history,
        others: view.others,
        after: view.after,
        upto: view.upto,
        more: view.more,
        waiting: view.waiting,
        streams: view.streams,
    }
}

/// Asks JavaScript for the items under these keys.
pub(super) fn keep_items(
    sql: &HandleSql<'_>,
    tables: &[Tracked],
    asked: &[(Stream, String)],
) -> Result<Option<Persistent>> {
    if asked.is_empty() {
        return Ok(None);
    }
    let scope = sql.scope;
    let list = scope.array()?;
    for (at, (stream, key)) in (0u32..).zip(asked) {
        sql.env.scope(|scope| {
            let one = scope.object()?;
            if let Stream::Rows(table) = stream {
                scope.set_named(one, "appId", scope.string(&table.app)?)?;
                scope.set_named(one, "table", scope.string(&table.name)?)?;
            }
            if let Some((test, values)) = test_of(tables, stream, key) {
                scope.set_named(one, "test", scope.text(&test)?)?;
                let array = scope.array()?;
                for (at, value) in (0u32..).zip(&values) {
                    scope.set_element(array, at, scope.text(value)?)?;
                }
                scope.set_named(one, "values", array)?;
            }
            scope.set_element(list, at, one)
        })?;
    }
    let found = sql.call("items", &[list])?;
    Ok(Some(sql.env.keep(scope, found)?))
}

/// What holds for the rows under a key. A column may hold a number where the key has its digits, so both are looked
/// for by the index, and the key decides.
fn test_of(tables: &[Tracked], stream: &Stream, key: &str) -> Option<(String, Vec<String>)> {
    let name = stream.name();
    let table = tables.iter().find(|table| table.stream == name)?;
    let mut values = table.parts_of(key);
    let mut tests: Vec<String> = (1..)
        .zip(&table.key)
        .map(|(at, column)| {
            let column = column.replace('"', "\"\"");
            format!("\"{column}\" IN (?{at}, CAST(?{at} AS NUMERIC))")
        })
        .collect();
    values.push(key.to_owned());
    tests.push(format!("{} = ?{}", table.key_of(""), values.len()));
    Some((tests.join(" AND "), values))
}

/// The times of the rows under a key.
pub(super) fn times_of(
    sql: &HandleSql<'_>,
    tables: &[Tracked],
    stream: &Stream,
    key: &str,
) -> Result<Vec<Item<()>>> {
    let name = stream.name();
    let (Some(table), Some((test, values))) = (
        tables.iter().find(|table| table.stream == name),
        test_of(tables, stream, key),
    ) else {
        return Ok(Vec::new());
    };
    let from = table.table.replace('"', "\"\"");
    let query = format!("SELECT \"updated_at\" FROM \"{from}\" WHERE {test}");
    let values: Vec<Cell> = values.into_iter().map(Cell::Text).collect();
    let mut found = Vec::new();
    sql.each(&query, &values, &mut |row| {
        let hlc = match row.first() {
            Some(Cell::Text(time)) => Hlc::parse(time).ok(),
            _ => None,
        };
        found.push(Item {
            hlc: hlc.unwrap_or_else(Hlc::zero),
            ..place_of(stream, key, ())
        });
        Ok(())
    })?;
    Ok(found)
}
