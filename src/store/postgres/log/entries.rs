//! Pages of entries.

use std::collections::HashSet;

use super::super::param::Param;
use super::history::skipped;
use super::sql::{Sql, get, integer, number};
use crate::engine::change_log::Look;
use crate::error::Result;
use crate::protocol::log::{Key, Stream};
use crate::protocol::text::Text;

/// Entries that are wanted, in their order.
#[derive(Debug, Default)]
pub struct FoundEntries {
    /// Each with its number.
    pub entries: Vec<(u64, Key)>,
    /// Everything up to this number was looked at, if there are more.
    pub upto: u64,
    /// Whether more follow.
    pub more: bool,
}

/// What an entry `e` is found by that did not come from where it would go: `$1` and `$2` say what came from there.
pub const NOT_FROM: &str = "NOT EXISTS (
    SELECT 1 FROM unnest($1::text[], $2::bigint[]) AS u (generation, seq) JOIN @_peers AS p ON p.generation = u.generation
     WHERE p.id = e.origin AND e.origin_seq <= u.seq)";

/// At most as many entries as are wanted, without those that came from where they would go.
pub async fn entries(
    sql: &Sql<'_>,
    look: &Look,
    (after, head): (u64, u64),
) -> Result<FoundEntries> {
    let mut found = FoundEntries::default();
    if look.only_unsent || after >= head {
        return Ok(found);
    }
    let query = format!(
        "SELECT e.seq, s.name, e.key FROM @ AS e JOIN @_streams AS s ON s.id = e.stream
          WHERE e.seq > $3 AND {NOT_FROM} ORDER BY e.seq LIMIT $4"
    );
    let [generations, numbers] = skipped(&look.skip);
    let limit = Param::count(look.limit.saturating_add(1));
    let parameters = [generations, numbers, Param::Whole(integer(after)), limit];
    for row in sql.rows(&query, &parameters).await? {
        let seq = number(&row, 0)?;
        if found.entries.len() == look.limit {
            (found.more, found.upto) = (true, seq.saturating_sub(1));
            break;
        }
        let key = key(get(&row, 1)?, get(&row, 2)?);
        found.entries.push((seq, key));
    }
    Ok(found)
}

/// Those of the wanted keys whose versions lie behind `after` and did not come from where they would go, if no others
/// are meant.
pub async fn unsent(sql: &Sql<'_>, look: &Look, after: u64) -> Result<Option<Vec<Key>>> {
    if !look.only_unsent {
        return Ok(None);
    }
    let query = format!(
        "SELECT s.name, e.key FROM unnest($4::text[], $5::text[]) AS w (name, key)
           JOIN @_streams AS s ON s.name = w.name JOIN @ AS e ON e.stream = s.id AND e.key = w.key
          WHERE e.seq > $3 AND {NOT_FROM}"
    );
    let [generations, numbers] = skipped(&look.skip);
    let [names, keys] = of_keys(&look.want);
    let parameters = [
        generations,
        numbers,
        Param::Whole(integer(after)),
        names,
        keys,
    ];
    let mut found = HashSet::new();
    for row in sql.rows(&query, &parameters).await? {
        found.insert(key(get(&row, 0)?, get(&row, 1)?));
    }
    let wanted = look.want.iter().filter(|key| found.contains(key));
    Ok(Some(wanted.cloned().collect()))
}

fn key(name: &str, id: &str) -> Key {
    Key {
        stream: Stream::named(name),
        id: Text::from(id),
    }
}

/// Keys as two arrays of SQL: the names of their streams, and what they are within them. What no column can
/// have is in no entry.
fn of_keys(keys: &[Key]) -> [Param; 2] {
    let texts = keys
        .iter()
        .filter_map(|key| Some((key.stream.name(), key.id.to_utf8()?)));
    let texts = texts.filter(|(name, id)| !name.contains('\0') && !id.contains('\0'));
    let (names, keys): (Vec<_>, Vec<_>) = texts.unzip();
    [Param::texts(names), Param::texts(keys)]
}
