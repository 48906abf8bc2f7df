//! The options that each factory knows, and what becomes of others.
//!
//! An option that is misspelt is one that is not given: a server without its `authorize` is open. Apps of 0.1
//! may pass what 0.1 ignored, so its factories only warn. `__test__/wiring.test.mjs` holds the table against
//! `index.d.ts`.

use std::rc::Rc;

use super::error::{invalid, warn_once};
use super::value::{Env, Kind, Scope, Value};
use crate::error::Result;

/// A function of the package that takes options.
#[derive(Debug)]
pub struct Factory {
    /// Its name.
    pub name: &'static str,
    /// The names of its options.
    pub known: &'static [&'static str],
    others: Others,
}

#[derive(Debug, Clone, Copy)]
enum Others {
    /// Of the factories that 0.1 does not have.
    Refused,
    /// Of those that it has, once for each name.
    Warned,
}

macro_rules! factories {
    ($($variant:ident = $name:literal, $others:ident, [$($known:literal),* $(,)?];)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub static $variant: Factory = Factory {
                name: $name,
                known: &[$($known),*],
                others: Others::$others,
            };
        )*
        static ALL: &[&Factory] = &[$(&$variant),*];
    };
}

factories! {
    CHANGE_NOTIFIER = "createChangeNotifier", Warned, [];
    FILE_SYNC_ENGINE = "createFileSyncEngine", Warned, [];
    FS_OBJECT_STORAGE = "createFsObjectStorage", Refused, ["root"];
    HLC_CLOCK = "createHLCClock", Refused, [
        "nodeId", "wallClockFunction", "initialState", "state", "onTick",
    ];
    HTTP_OBJECT_STORAGE = "createHttpObjectStorage", Refused, [
        "baseUrl", "fetch", "retries", "getAuthHeader", "signRequest", "timeoutMs", "maxAnswerBytes",
        "forbiddenMeansAbsent",
    ];
    HTTP_SYNC_HANDLER = "createHttpSyncHandler", Warned, [
        "databaseAdapter", "objectStorageAdapter", "clock", "transport", "appSyncableSource",
        "syncSharedRecords", "maxClockSkewMs", "authorize", "maxBodyBytes", "maxFileBytes",
    ];
    HTTP_SYNC_CHANNEL = "createHttpSyncServer(channels)", Refused, [
        "databaseAdapter", "objectStorageAdapter", "clock", "transport", "appSyncableSource",
        "syncSharedRecords", "maxClockSkewMs", "authorize", "maxBodyBytes", "maxFileBytes",
    ];
    HTTP_SYNC_SERVER = "createHttpSyncServer", Refused, [
        "databaseAdapter", "objectStorageAdapter", "clock", "transport", "appSyncableSource",
        "syncSharedRecords", "maxClockSkewMs", "authorize", "maxBodyBytes", "maxFileBytes",
        "headerTimeoutMs", "bodyTimeoutMs", "idleTimeoutMs", "closeTimeoutMs", "maxConnections",
        "maxRequests", "channels",
    ];
    HTTP_SYNC_TRANSPORT = "createHttpSyncTransport", Warned, [
        "baseUrl", "fetch", "retries", "getAuthHeader", "signRequest", "timeoutMs", "maxAnswerBytes",
    ];
    IN_PROCESS = "createInProcessSyncTransport", Warned, [
        "databaseAdapter", "clock", "appSyncableSource", "objectStorage", "syncSharedRecords",
        "maxClockSkewMs",
    ];
    SQLITE_APP_ROWS = "createSqliteAppRows", Refused, ["path", "busyTimeoutMs"];
    SQLITE_DATABASE_ADAPTER = "createSqliteDatabaseAdapter", Refused, [
        "path", "busyTimeoutMs", "transactionTimeoutMs",
    ];
    SQLITE_SYNC_STATE_STORE = "createSqliteSyncStateStore", Warned, [
        "db", "path", "busyTimeoutMs",
    ];
    SYNC_ENGINE = "createSyncEngine", Warned, [
        "localDatabaseAdapter", "localObjectStorage", "remoteObjectStorage", "transport", "clock",
        "syncState", "appSyncableSource", "syncSharedRecords", "pageLimit", "scanPageSize",
        "maxClockSkewMs", "blobConcurrency", "verifyContentHash", "strictOrder",
    ];
    WITH_SQLITE_APP_ROWS = "withSqliteAppRows", Refused, ["db", "namespaces"];
    WITH_SQLITE_DELTA = "withSqliteDelta", Refused, ["db", "table", "apply"];
}

/// What `reconcile` of an engine is called with.
pub static RECONCILE: Factory = Factory {
    name: "reconcile",
    known: &["signal", "onProgress", "objects"],
    others: Others::Refused,
};

/// Of names of at least so many letters, one that begins with the other is close to it.
const BEGINNING: usize = 5;

impl Factory {
    /// The factory of this name.
    pub fn of(name: &str) -> Option<&'static Self> {
        ALL.iter().copied().find(|factory| factory.name == name)
    }

    /// Refuses, or warns of, options that the factory does not know. Only the object's own are looked at, and
    /// one that is `undefined` is not given.
    pub fn check(&self, scope: Scope<'_>, env: &Rc<Env>, object: Value<'_>) -> Result<()> {
        if scope.kind(object)? != Kind::Object {
            return Ok(());
        }
        let names = scope.own_names(object)?;
        for index in 0..scope.length(names)? {
            let name = scope.element(names, index)?;
            let Some(text) = scope.as_text(name).map(|text| text.to_string()) else {
                continue;
            };
            if self.known.contains(&text.as_str())
                || scope.kind(scope.property(object, name)?)? == Kind::Undefined
            {
                continue;
            }
            let what = self.unknown(&text);
            match self.others {
                Others::Refused => return Err(invalid(self.name, &what)),
                Others::Warned => warn_once(env, &format!("{}: {what}", self.name)),
            }
        }
        Ok(())
    }

    fn unknown(&self, name: &str) -> String {
        let short: String = name.chars().take(64).collect();
        match (self.nearest(name), self.known) {
            (Some(known), _) => format!("unknown option `{short}`; did you mean `{known}`?"),
            (None, []) => format!("unknown option `{short}`; it takes none"),
            (None, known) => {
                format!(
                    "unknown option `{short}`; the options are `{}`",
                    known.join("`, `")
                )
            }
        }
    }

    /// The known name that a misspelt one is closest to, where it is close to one.
    fn nearest(&self, name: &str) -> Option<&'static str> {
        let given = name.to_lowercase();
        let near = self.known.iter().filter_map(|known| {
            let (lower, shorter) = (known.to_lowercase(), given.len().min(known.len()));
            let most = 1 + given.len().max(known.len()) / 3;
            let begins = shorter >= BEGINNING
                && (lower.starts_with(&given) || given.starts_with(lower.as_str()));
            let distance = strsim::osa_distance(&given, &lower);
            (begins || distance <= most).then_some((distance, *known))
        });
        near.min_by_key(|(distance, _)| *distance)
            .map(|(_, known)| known)
    }
}
