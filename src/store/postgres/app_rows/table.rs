//! One table of an app: what is created, and the statements for the table as it is.
//!
//! A table that this package creates has a column for fields that have none. To a table of an app nothing is added: such
//! fields are dropped there, of which is warned once.

use std::fmt;
use std::ops::Deref;

use rusqlite::types::Value;
use tokio_postgres::Row;

use super::super::answer::text;
use super::super::columns::quote;
use super::super::delta::ByTime;
use super::super::fault::during;
use super::super::log::Tracked;
use super::super::record::Fields;
use super::super::rows::USUAL_TIME;
use super::super::session::PgSession;
use super::super::table::{
    TableColumn, columns_of, is_in_order_of_bytes, text_of, warn_of_dropped, wrong_collation,
};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table as ItemTable};
use crate::protocol::log::Stream;
use crate::protocol::text::Text;
use crate::store::row::cell::{Affinity, Column};
use crate::store::row::cells::{BOOKKEEPING, Cells};
use crate::store::row::columns::TIME;
use crate::store::row::entry::{StandingRow, item_of};
use crate::store::row::malformed::{fault, row_in_words, told};
use crate::store::{Json, TableInfo};

/// The column for what has none.
pub(super) const EXTRA: &str = "starkeep_extra_json";
/// The most bytes of a name, beyond which `PostgreSQL` cuts it.
const LONGEST_NAME: usize = 63;

/// The name of a table in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) schema: String,
    pub(super) table: String,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quote(&self.schema), quote(&self.table))
    }
}

impl Name {
    pub(super) fn of(app_id: &str, table: &str) -> Self {
        Self {
            schema: format!("app_{}", app_id.to_lowercase().replace('-', "_")),
            table: table.to_owned(),
        }
    }

    /// Fails where a database can have no such table.
    pub(super) fn check(&self, operation: &'static str, app_id: &str, table: &str) -> Result<()> {
        let is_name = |name: &str| name.len() <= LONGEST_NAME && !name.contains('\0');
        let message = if app_id.is_empty() || !is_name(&self.schema) {
            format!("{app_id:?} cannot be an app's id; use another")
        } else if table.is_empty() || !is_name(table) {
            format!("{table:?} of the app {app_id:?} cannot be the name of a table; use another")
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::InvalidArgument, operation, message))
    }
}

/// A table as it is.
#[derive(Debug)]
pub(super) struct PgTable {
    pub(super) app_id: String,
    pub(super) info: TableInfo,
    /// Its name within SQL.
    pub(super) name: String,
    cells: Cells,
    /// For each column how it is read and written.
    pub(super) kinds: Vec<TableColumn>,
    pub(super) has_extra: bool,
    /// The columns in order, what is extra, and the place of the row.
    pub(super) read: String,
    /// What reads them.
    pub(super) select: String,
    pub(super) by_time: ByTime,
    /// How the log knows it; `None` if nothing tells its rows apart.
    pub(super) tracked: Option<Tracked>,
    has_places: bool,
}

impl Deref for PgTable {
    type Target = Cells;

    fn deref(&self) -> &Cells {
        &self.cells
    }
}

/// A row as it was read.
#[derive(Debug)]
pub(super) struct StoredRow {
    pub(super) values: Vec<Value>,
    extra: Option<String>,
    /// Where it is in the table, for as long as it is locked; its key in the log where rows have no places.
    pub(super) place: String,
}

/// Reads the table of an app as it is; `None` where there is none.
pub(super) async fn load(
    operation: &'static str,
    session: &PgSession,
    app_id: &str,
    info: &TableInfo,
) -> Result<Option<PgTable>> {
    let name = Name::of(app_id, &info.name);
    if name.check(operation, app_id, &info.name).is_err() {
        return Ok(None);
    }
    let name = name.to_string();
    let found = columns_of(operation, session, &name).await?;
    if found.is_empty() {
        return Ok(None);
    }
    for needed in BOOKKEEPING {
        if found.iter().all(|column| column.name != needed) {
            return Err(Error::new(
                ErrorKind::Database,
                operation,
                format!("the table {name} has no column {needed}, so it is not one of Starkeep's"),
            ));
        }
    }
    let is_stamp = |column: &&TableColumn| matches!(column.name.as_str(), "updated_at" | "node_id");
    let mut stamps = found.iter().filter(is_stamp);
    if let Some(column) = stamps.find(|column| !is_in_order_of_bytes(&column.collation)) {
        return Err(wrong_collation(operation, &name, column));
    }
    let has_extra = found.iter().any(|column| column.name == EXTRA);
    let (mut kinds, mut columns, mut computed) = (Vec::new(), Vec::new(), Vec::new());
    for kind in found.into_iter().filter(|kind| kind.name != EXTRA) {
        let column = Column {
            name: kind.name.clone(),
            affinity: affinity_of(&kind),
            not_null: kind.not_null,
            default: Value::Null,
        };
        if kind.is_computed {
            computed.push(column);
        } else {
            columns.push(column);
            kinds.push(kind);
        }
    }
    let read: Vec<String> = kinds.iter().map(TableColumn::read).collect();
    let extra = if has_extra { EXTRA } else { "NULL::text" };
    let is_there = |column: &String| kinds.iter().any(|kind| kind.name == *column);
    let key = &info.pk_columns;
    let tracked = (!key.is_empty() && key.iter().all(is_there)).then(|| Tracked {
        stream: Stream::Rows(ItemTable {
            app: Text::from(app_id),
            name: Text::from(info.name.as_str()),
        })
        .name(),
        relation: name.clone(),
        key: key.clone(),
    });
    let has_places = session.dialect().has_places();
    let place = match &tracked {
        _ if has_places => "t.ctid::text".to_owned(),
        Some(tracked) => tracked.key_of("t."),
        None => "''::text".to_owned(),
    };
    let read = format!("{}, {extra}, {place}", read.join(", "));
    Ok(Some(PgTable {
        app_id: app_id.to_owned(),
        info: info.clone(),
        tracked,
        has_places,
        select: format!("SELECT {read} FROM {name} AS t"),
        by_time: ByTime::new(session.dialect(), &name, &read),
        read,
        name,
        cells: Cells { columns, computed },
        kinds,
        has_extra,
    }))
}

fn affinity_of(kind: &TableColumn) -> Affinity {
    match kind.declared.as_str() {
        "boolean" => Affinity::Truth,
        "json" | "jsonb" => Affinity::Json,
        "real" | "double precision" => Affinity::Real,
        _ if kind.is_number() => Affinity::Numeric,
        _ => Affinity::Text,
    }
}

impl PgTable {
    /// The row that a statement of `select` answers.
    pub(super) fn read(&self, operation: &'static str, row: &Row) -> Result<StoredRow> {
        let text_at = |at: usize| row.try_get(at).map_err(during(operation));
        let count = self.kinds.len();
        let read = |(at, kind): (usize, &TableColumn)| {
            let value: Option<String> = text_at(at)?;
            Ok(value.map_or(Value::Null, |value| kind.value(value)))
        };
        let values: Result<Vec<Value>> = self.kinds.iter().enumerate().map(read).collect();
        Ok(StoredRow {
            values: values?,
            extra: text_at(count)?,
            place: text(operation, row, count + 1)?,
        })
    }

    /// What is true of a row that was read and of no other, as SQL about `t`. What it is compared with is added to `texts`.
    pub(super) fn is_it(&self, row: &StoredRow, texts: &mut Vec<Option<String>>) -> String {
        if self.has_places {
            texts.push(Some(row.place.clone()));
            return format!("t.ctid = ${}::text::tid", texts.len());
        }
        let is_key = |kind: &&TableColumn| match &self.tracked {
            Some(tracked) => tracked.key.contains(&kind.name),
            // Rows that are alike are one.
            None => true,
        };
        let mut all = Vec::new();
        for kind in self.kinds.iter().filter(is_key) {
            let name = format!("t.{}", quote(&kind.name));
            match text_of(self.value(row, &kind.name).clone()) {
                None => all.push(format!("{name} IS NULL")),
                value => {
                    texts.push(value);
                    let value = kind.write(&format!("${}::text", texts.len()));
                    all.push(format!("{name} = {value}"));
                }
            }
        }
        all.join(" AND ")
    }

    /// A stored row as an entry. One that cannot be exchanged as it stands has a fault.
    pub(super) fn item(&self, operation: &'static str, hlc: Hlc, row: &StoredRow) -> Item<Json> {
        item_of(StandingRow {
            table: [&self.app_id, &self.info.name],
            hlc,
            json: self.json(row),
            is_deleted: self.value(row, "deleted_at") != &Value::Null,
            fault: self.fault_of(operation, row),
        })
    }

    /// The same of a row that has no place in the order.
    pub(super) fn without_place(&self, operation: &'static str, row: &StoredRow) -> Item<Json> {
        let mut item = self.item(operation, Hlc::zero(), row);
        item.fault.get_or_insert_with(|| {
            let named = self.named_by(|column| Some(told(self.value(row, column))));
            let got = told(self.value(row, "updated_at"));
            fault(operation, &named, "updated_at", USUAL_TIME, &got)
        });
        item
    }

    /// A row as the JSON object that it is.
    pub(super) fn json(&self, row: &StoredRow) -> String {
        self.decode(&row.values, row.extra.as_deref())
    }

    fn value<'r>(&self, row: &'r StoredRow, column: &str) -> &'r Value {
        let at = self.position(column).and_then(|at| row.values.get(at));
        at.unwrap_or(&Value::Null)
    }

    /// When a row was written; `None` where its time is none.
    pub(super) fn time_of(&self, row: &StoredRow) -> Option<Hlc> {
        match self.value(row, "updated_at") {
            Value::Text(text) => Hlc::parse(text).ok(),
            _ => None,
        }
    }

    /// The fault of a row that cannot be exchanged as it stands.
    fn fault_of(&self, operation: &'static str, row: &StoredRow) -> Option<Error> {
        let named = || self.named_by(|column| Some(told(self.value(row, column))));
        if self.time_of(row).is_none() {
            let got = told(self.value(row, "updated_at"));
            return Some(fault(operation, &named(), "updated_at", TIME, &got));
        }
        let mut key = self.info.pk_columns.iter();
        let empty = key.find(|column| self.value(row, column) == &Value::Null)?;
        Some(fault(
            operation,
            &named(),
            empty,
            "a text or a number",
            "null",
        ))
    }

    /// A row in words, by its primary key as the app declared it, as far as `value_of` knows it.
    pub(super) fn named_by(&self, value_of: impl Fn(&str) -> Option<String>) -> String {
        row_in_words((&self.app_id, &self.info), value_of, None)
    }

    /// The row of these fields as it would read back, as JSON.
    pub(super) fn reads_back(&self, fields: &Fields<'_>, hlc: &Hlc) -> String {
        let node = hlc.node_id.to_string();
        let (values, extra) = self.encode::<Value>(fields, &node, |_, _| None);
        let read = |(kind, value): (&TableColumn, Value)| {
            text_of(value).map_or(Value::Null, |text| kind.value(text))
        };
        let values: Vec<Value> = self.kinds.iter().zip(values).map(read).collect();
        let extra = extra.filter(|_| self.has_extra);
        self.decode(&values, extra.as_deref())
    }

    /// What is written of a row: its columns within SQL, what each is written by, and the texts.
    pub(super) fn written(&self, fields: &Fields<'_>, node: &str) -> Result<Written> {
        let (values, extra) = self.encode::<Value>(fields, node, |_, _| None);
        if extra.is_some() && !self.has_extra {
            warn_of_dropped(&self.name);
        }
        let mut written = Written::default();
        for (kind, value) in self.kinds.iter().zip(values) {
            // What a row does not name is what the table itself puts in.
            let is_named = fields.contains_key(kind.name.as_str()) || kind.name == "node_id";
            if !is_named && kind.default.is_some() {
                continue;
            }
            written.add(quote(&kind.name), kind, text_of(value));
        }
        if self.has_extra {
            written.names.push(EXTRA.to_owned());
            written.places.push(format!("${}", written.names.len()));
            written.texts.push(extra);
        }
        match written
            .texts
            .iter()
            .flatten()
            .find(|text| text.contains('\0'))
        {
            None => Ok(written),
            Some(_) => Err(super::apply::refuse(
                "a row must have no U+0000, which PostgreSQL cannot store",
            )),
        }
    }
}

/// What is written of a row.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) names: Vec<String>,
    pub(super) places: Vec<String>,
    pub(super) texts: Vec<Option<String>>,
}

impl Written {
    fn add(&mut self, name: String, kind: &TableColumn, text: Option<String>) {
        self.names.push(name);
        self.places
            .push(kind.write(&format!("${}::text", self.names.len())));
        self.texts.push(text);
    }
}
