//! What lies under the keys of a log: as items, which only the app can read, or as times.

use rusqlite::types::Value;

use super::super::columns::quote;
use super::super::log::{Sql, Tracked};
use crate::engine::change_log::View;
use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::log::{Keyed, Stream};
use crate::protocol::text::Text;

/// What stands for the items under a key until they are read.
pub(super) fn place_of<B>(stream: &Stream, key: &str, body: B) -> Item<B> {
    Item::new(Hlc::zero(), stream.kind(|| Text::from(key)), None, body)
}

/// The view with the items in their places.
pub(super) fn filled<B: Clone>(view: View<usize>, items: &[Vec<Item<B>>]) -> View<B> {
    let of = |keyed: Keyed<usize>| -> Vec<Keyed<B>> {
        let found = items.get(keyed.item.body).map_or(&[][..], Vec::as_slice);
        let with_key = |item: &Item<B>| Keyed {
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
        elsewhere: view.elsewhere,
        streams: view.streams,
        lacking: view.lacking,
    }
}

/// What holds for the rows under a key.
pub(super) fn test_of(
    tables: &[Tracked],
    stream: &Stream,
    key: &str,
) -> Option<(String, Vec<String>)> {
    let name = stream.name();
    let table = tables.iter().find(|table| table.stream == name)?;
    Some(table.test_of(key))
}

/// The times of the rows under a key.
pub(super) fn times_of(
    sql: &dyn Sql,
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
    let query = format!(
        "SELECT \"updated_at\" FROM {} WHERE {test}",
        quote(&table.table)
    );
    let values: Vec<Value> = values.into_iter().map(Value::Text).collect();
    let mut found = Vec::new();
    sql.each(&query, &values, &mut |row| {
        let hlc = match row.first() {
            Some(Value::Text(time)) => Hlc::parse(time).ok(),
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
