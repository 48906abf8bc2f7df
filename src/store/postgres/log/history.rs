//! The history of a log, and where it ends.

use tokio_postgres::Row;

use super::super::param::Param;
use super::by_writers;
use super::sql::{Sql, altered, get, integer, number};
use crate::engine::change_log::{After, Look, Others};
use crate::error::Result;
use crate::protocol::log::{Cursor, Generation, History};

/// What a log says of itself, all of one moment.
#[derive(Debug)]
pub struct LogStanding {
    /// The id of the log.
    pub id: String,
    /// The last number that was given.
    pub head: u64,
    /// The name of what the streams hold now.
    pub state: String,
    /// Whether everything that can be seen has its number.
    pub is_settled: bool,
    /// Whether all triggers are in place.
    pub is_in_place: bool,
    /// The stretches in which something was written, newest first.
    pub history: History,
    /// How far other logs were taken in, of those that were asked after.
    pub others: Vec<Cursor>,
    /// Which tables there are, in a form that changes with them.
    pub tables: String,
}

/// It is asked with every look, and alone if nothing is new: each part is found by an index, or lies in a table of a
/// few rows.
const STANDING: &str = "SELECT m.id, m.head, m.state::text,
    (SELECT n.id FROM @_noted AS n ORDER BY n.id LIMIT 1) IS NULL,
    IN_PLACE,
    (SELECT array_agg(g.first ORDER BY g.first DESC, g.id DESC) FROM @_generations AS g),
    (SELECT array_agg(g.generation ORDER BY g.first DESC, g.id DESC) FROM @_generations AS g),
    (SELECT array_agg(p.seq) FROM PEERS AS p),
    (SELECT array_agg(p.generation) FROM PEERS AS p),
    TABLES
  FROM @_meta AS m";

const OF: &str =
    "(SELECT o.seq, o.generation FROM @_peers AS o WHERE o.generation = ANY ($1) ORDER BY o.id)";

const LATEST: &str =
    "(SELECT o.seq, o.generation FROM @_peers AS o WHERE o.seq > 0 ORDER BY o.moved DESC LIMIT $1)";

/// Whether the triggers of all streams are there, and fire.
pub const IN_PLACE: &str = "(SELECT bool_and(s.is_whole AND 4 = (
       SELECT count(*) FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = to_regclass(s.relation) AND t.tgenabled IN ('O', 'A')
          AND t.tgname = ANY (ARRAY(SELECT '#_' || s.id || e FROM unnest('{_insert,_update,_delete,_truncate}'::text[]) AS e))))
     FROM @_streams AS s)";

impl LogStanding {
    /// How it stands with a log that is there. `tables` is SQL that says which tables there are.
    pub async fn read(sql: &Sql<'_>, others: &Others, tables: &str) -> Result<Self> {
        let found = Self::find(sql, others, tables).await?;
        found.ok_or_else(altered)
    }

    /// The same; `None` if its tables are empty yet, which are seen before that is.
    pub async fn find(sql: &Sql<'_>, others: &Others, tables: &str) -> Result<Option<Self>> {
        let in_place = if sql.session.dialect().has_triggers() {
            IN_PLACE
        } else {
            by_writers::IN_PLACE
        };
        let of = |peers| {
            STANDING
                .replace("IN_PLACE", in_place)
                .replace("PEERS", peers)
                .replace("TABLES", tables)
        };
        let row = match others {
            Others::Of(generations) => {
                let names = generations.iter().map(Generation::name);
                sql.one(&of(OF), &[Param::texts(names)]).await?
            }
            Others::Latest(most) => sql.one(&of(LATEST), &[Param::count(*most)]).await?,
        };
        row.as_ref().map(Self::of_row).transpose()
    }

    fn of_row(row: &Row) -> Result<Self> {
        let head = number(row, 1)?;
        Ok(Self {
            id: get(row, 0)?,
            head,
            state: get(row, 2)?,
            is_settled: get(row, 3)?,
            is_in_place: get::<Option<bool>>(row, 4)?.unwrap_or(true),
            history: history(head, &cursors(row, 5)?),
            others: cursors(row, 7)?,
            tables: get::<Option<String>>(row, 9)?.unwrap_or_default(),
        })
    }

    /// Where the entries begin that a look wants.
    pub fn after(&self, look: &Look) -> u64 {
        match &look.after {
            After::Seq(seq) => (*seq).min(self.head),
            After::Common(cursors) => self.history.common(cursors).unwrap_or_default(),
        }
    }
}

/// Numbers and generations that stand in two columns.
fn cursors(row: &Row, at: usize) -> Result<Vec<Cursor>> {
    let numbers: Option<Vec<i64>> = get(row, at)?;
    let names: Option<Vec<String>> = get(row, at + 1)?;
    let (numbers, names) = (numbers.unwrap_or_default(), names.unwrap_or_default());
    let both = numbers.into_iter().zip(names);
    let cursor = |(seq, name): (i64, String)| {
        Some(Cursor {
            generation: Generation::new(&name)?,
            seq: u64::try_from(seq).ok()?,
        })
    };
    both.map(|both| cursor(both).ok_or_else(altered)).collect()
}

/// The stretches in which something was written: `begun` has the first number of each.
fn history(head: u64, begun: &[Cursor]) -> History {
    let mut stretches = Vec::new();
    let mut last = head;
    for Cursor { generation, seq } in begun {
        if *seq <= last {
            let generation = generation.clone();
            stretches.push(Cursor {
                generation,
                seq: last,
            });
            last = seq.saturating_sub(1);
        }
    }
    History(stretches)
}

/// The generations of a history and a number of each: versions that came from there up to it are passed over.
pub fn skipped(skip: &History) -> [Param; 2] {
    let names = skip.0.iter().map(|one| one.generation.name());
    let numbers = skip.0.iter().map(|one| integer(one.seq));
    [Param::texts(names), Param::Wholes(numbers.collect())]
}
