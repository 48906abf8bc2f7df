//! Which stores this package has: the function that makes each, by its options, and how it is opened.

use super::objects::objects;
use super::records::records;
use super::rows::rows;
use super::state::state;
use super::{folder, sqlite};
use crate::error::Result;
use crate::node::known_options::{
    FS_OBJECT_STORAGE, Factory, SQLITE_APP_ROWS, SQLITE_DATABASE_ADAPTER, SQLITE_SYNC_STATE_STORE,
};
use crate::node::options::Options;
use crate::node::sqlite_state::create_over_app_database;
use crate::node::value::{Call, Value};

/// Opens a store by its options, and answers the object that stands for it.
type Open = for<'s> fn(&Call<'s>, &Options<'s>) -> Result<Value<'s>>;

/// The stores of this package.
pub const STORES: &[(&Factory, Open)] = &[
    (&SQLITE_DATABASE_ADAPTER, |call, options| {
        records(call, options, sqlite::records(options)?)
    }),
    (&SQLITE_APP_ROWS, |call, options| {
        rows(call, &sqlite::rows(options)?)
    }),
    (&SQLITE_SYNC_STATE_STORE, |call, options| {
        if call.scope.is_nullish(options.get("path")?)? {
            return create_over_app_database(call, options);
        }
        state(call, sqlite::state(options)?)
    }),
    (&FS_OBJECT_STORAGE, |call, options| {
        objects(call, folder::open(options)?)
    }),
];

/// What a function of the registry does.
pub fn create<'s>(call: &Call<'s>, factory: &'static Factory, open: Open) -> Result<Value<'s>> {
    let options = Options::new(call.scope, call.env, call.arg(0), factory)?;
    open(call, &options)
}
