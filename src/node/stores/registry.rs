//! Which stores this package has: the function that makes each, by its options, and how it is opened.

use super::objects::objects;
use super::records::records;
use super::rows::rows;
use super::state::state;
use super::{folder, sqlite};
use crate::error::Result;
use crate::node::options::Options;
use crate::node::value::{Call, Value};

/// Opens a store by its options, and answers the object that stands for it.
type Open = for<'s> fn(&Call<'s>, &Options<'s>) -> Result<Value<'s>>;

/// The stores of this package.
pub const STORES: &[(&str, Open)] = &[
    ("createSqliteDatabaseAdapter", |call, options| {
        records(call, options, sqlite::records(options)?)
    }),
    ("createSqliteAppRows", |call, options| {
        rows(call, &sqlite::rows(options)?)
    }),
    ("createSqliteSyncStateStore", |call, options| {
        state(call, sqlite::state(options)?)
    }),
    ("createFsObjectStorage", |call, options| {
        objects(call, folder::open(options)?)
    }),
];
