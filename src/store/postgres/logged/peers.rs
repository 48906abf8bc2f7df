//! The peers of a store that were heard of, and what may go once all of them have seen it.

use std::future::ready;
use std::sync::Arc;

use super::kept::Begins;
use super::{HasLog, OPERATION, has_log, write_log};
use crate::engine::change_log::{Heard, Recognized};
use crate::engine::purge::{Purge, Purged};
use crate::error::{Error, ErrorKind};
use crate::store::Later;
use crate::store::known_peers::{Due, now_ms};
use crate::store::postgres::database::Within;
use crate::store::postgres::log;

const PURGE: &str = "purge tombstones";

/// Whether it is noted which peers have seen what, so that tombstones can be purged.
fn notes_peers<S: HasLog>(store: &S) -> bool {
    has_log(store) && store.parts().0.dialect().has_triggers()
}

pub(in crate::store::postgres) fn recognizes<S: HasLog>(
    store: &S,
    heard: &Heard,
) -> Option<Recognized> {
    if !notes_peers(store) {
        return Some(Recognized::default());
    }
    let (due, known) = store.parts().2.peers().hear_of(heard, now_ms());
    (due == Due::Not).then_some(known)
}

pub(in crate::store::postgres) fn hear_of<S: HasLog>(
    store: &S,
    heard: Heard,
) -> Later<'_, Recognized> {
    let peers = store.parts().2.peers();
    if !notes_peers(store) {
        return Box::pin(ready(Ok(Recognized::default())));
    }
    let (due, known) = peers.hear_of(&heard, now_ms());
    if due == Due::Not {
        return Box::pin(ready(Ok(known)));
    }
    let (heard, at_work) = (Arc::new(heard), Arc::clone(&peers));
    // It says nothing of items, so that what is in memory of them counts on.
    let beside = (OPERATION, Within::Nothing, Begins::Beside);
    let written = write_log(store, beside, move |sql, _| {
        let (heard, peers) = (Arc::clone(&heard), Arc::clone(&at_work));
        Box::pin(async move { log::hear_of(&sql, &peers, &heard).await })
    });
    Box::pin(async move {
        match written.await {
            Ok((known, noted)) => {
                peers.remember(noted);
                Ok(known)
            }
            Err(error) if due == Due::New => Err(error),
            // It is tried again, and until then less can be purged.
            Err(error) => {
                tracing::debug!(%error, "how far a peer got is not noted yet");
                Ok(known)
            }
        }
    })
}

pub(in crate::store::postgres) fn purge<S: HasLog>(store: &S, purge: Purge) -> Later<'_, Purged> {
    if !store.parts().0.dialect().has_triggers() {
        let message = "tombstones cannot be purged with dialect \"dsql\": it is not noted there which peers have seen them";
        let error = Error::new(ErrorKind::InvalidArgument, PURGE, message);
        return Box::pin(ready(Err(error)));
    }
    if !has_log(store) {
        let message = "no change log is kept in this database, so it is not known which peers have seen a tombstone; grant its \
             role CREATE on the schema and TRIGGER on the tables";
        let error = Error::new(ErrorKind::InvalidArgument, PURGE, message);
        return Box::pin(ready(Err(error)));
    }
    let peers = store.parts().2.peers();
    let (purge, at_work) = (Arc::new(purge), Arc::clone(&peers));
    let writes = (PURGE, Within::Writes, Begins::WithTurn);
    let purged = write_log(store, writes, move |sql, tables| {
        let (purge, peers) = (Arc::clone(&purge), Arc::clone(&at_work));
        Box::pin(async move { log::purge(&sql, tables, (&peers, &purge)).await })
    });
    Box::pin(async move {
        let purged = purged.await?;
        let mut known = purged.peers.iter();
        if known.any(|(_, _, is_forgotten)| *is_forgotten) {
            peers.forget();
        }
        Ok(purged)
    })
}
