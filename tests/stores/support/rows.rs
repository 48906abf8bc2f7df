//! What the tests of app rows share.

use serde_json::{Value, json};
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::delta::Ask;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::{Item, ItemKind, Table};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::store::Json;
use starkeep_sync_engine::store::sqlite::{Options, SqliteAppRows};
use starkeep_sync_engine::store::{AppRowStore, Registration, TableSpec, Taken};

use super::{Home, value};

pub const REGISTRY: &str = "
    CREATE TABLE app_syncable_namespaces (app_id TEXT PRIMARY KEY, tables_json TEXT NOT NULL,
      files_enabled INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL);
    INSERT INTO app_syncable_namespaces VALUES ('My-App',
      '[{\"name\":\"pages\",\"pkColumns\":[\"id\"],\"note\":1},{\"name\":\"lost\",\"pkColumns\":[\"id\"]}]', 0, 1);";

/// Tables as apps of either age have them, and one without row ids.
pub const SCHEMAS: [&str; 3] = [
    "CREATE TABLE my_app_syncable_pages (id TEXT PRIMARY KEY, title TEXT NOT NULL DEFAULT 'none',
       count INTEGER, share REAL, updated_at TEXT NOT NULL, deleted_at TEXT);",
    "CREATE TABLE my_app_syncable_pages (id TEXT PRIMARY KEY, title TEXT, count NUMERIC, share REAL,
       updated_at TEXT NOT NULL, deleted_at TEXT, node_id TEXT NOT NULL);
     CREATE INDEX of_the_app ON my_app_syncable_pages (node_id, updated_at);",
    "CREATE TABLE my_app_syncable_pages (id TEXT, part INTEGER DEFAULT 0, title TEXT, rowid TEXT,
       updated_at TEXT NOT NULL, deleted_at TEXT, PRIMARY KEY (id, part)) WITHOUT ROWID;",
];

pub fn open(home: &Home) -> SqliteAppRows {
    SqliteAppRows::open(&home.path(), Options::default()).unwrap()
}

pub fn of_an_app(schema: &str) -> Home {
    Home::of_an_app(&format!("{REGISTRY}{schema}"))
}

pub fn table(app: &str, name: &str) -> Table {
    Table {
        app: Text::from(app),
        name: Text::from(name),
    }
}

pub fn pages() -> Table {
    table("My-App", "pages")
}

pub fn spec(name: &str, keys: &[&str], columns: &[&str]) -> TableSpec {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    TableSpec {
        name: name.to_owned(),
        pk_columns: owned(keys),
        columns: owned(columns),
    }
}

pub fn tables(tables: Vec<TableSpec>) -> Registration {
    Registration {
        tables,
        files_enabled: false,
    }
}

/// An entry; its row gets the time of the entry, its `where` goes in as it is.
pub fn entry(table: &Table, op: &str, hlc: &Hlc, row: Value, filter: Value) -> Item<Json> {
    let mut body = json!({
        "timestamp": hlc, "appId": table.app, "table": table.name, "op": op,
    });
    if row.is_object() {
        body["row"] = row;
        body["row"]["updated_at"] = json!(hlc.to_string());
    }
    if filter.is_object() {
        body["where"] = filter;
    }
    Item {
        hlc: hlc.clone(),
        kind: ItemKind::Row(table.clone()),
        blob: None,
        body: body.to_string().into(),
        fault: None,
    }
}

pub fn insert(table: &Table, hlc: &Hlc, row: Value) -> Item<Json> {
    entry(table, "insert", hlc, row, Value::Null)
}

/// What goes out: the entries of a table in the order of their times.
pub async fn shipped(rows: &SqliteAppRows, table: &Table) -> Vec<Value> {
    let ask = Ask {
        limit: usize::MAX,
        ..Ask::default()
    };
    let (items, more) = rows.unseen(table, ask).await.unwrap();
    assert!(!more);
    items.iter().map(|item| value(&item.body)).collect()
}

pub fn kinds(taken: &[Taken]) -> Vec<Result<bool, ErrorKind>> {
    let kind = |taken: &Taken| match taken {
        Taken::Applied => Ok(true),
        Taken::Stale | Taken::Behind => Ok(false),
        Taken::Failed(error) => Err(error.kind()),
    };
    taken.iter().map(kind).collect()
}
