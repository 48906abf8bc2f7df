//! What stores hold, for a clock that begins behind it: asked at once, as a clock is made at once.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{
    AppRowStore, HLC_CLOCK, Json, OWN_WATERMARKS, PEER_WATERMARKS, RecordStore, StateStore,
    blocking,
};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::ClockState;
use crate::protocol::watermarks::Watermarks;

const READ: &str = "read what a clock begins behind";

/// The later of two states of a clock.
pub(super) fn later(a: ClockState, b: ClockState) -> ClockState {
    let order = |state: &ClockState| (state.wall_time, state.counter);
    std::cmp::max_by_key(a, b, order)
}

/// A clock that has heard of these watermarks.
fn behind(marks: &Watermarks) -> ClockState {
    let heard = marks.iter().map(|(_, hlc)| ClockState {
        wall_time: hlc.wall_time,
        counter: hlc.counter,
    });
    heard.fold(ClockState::default(), later)
}

/// Behind all records. Waits for the store.
///
/// # Errors
/// Those of the store.
fn behind_records(store: Arc<dyn RecordStore>) -> Result<ClockState> {
    let marks = blocking::wait(READ, async move { store.node_watermarks().await })?;
    Ok(behind(&marks))
}

/// Behind all rows. Waits for the store.
///
/// # Errors
/// Those of the store.
fn behind_rows(store: Arc<dyn AppRowStore>) -> Result<ClockState> {
    blocking::wait(READ, async move {
        let mut state = ClockState::default();
        for table in store.tables().await? {
            state = later(state, behind(&store.node_watermarks(&table).await?));
        }
        Ok(state)
    })
}

/// Behind all that a state knows: the clock that it kept, and both maps of watermarks. Waits for the store.
///
/// # Errors
/// Those of the store. What cannot be read as what it should be is passed over, as an engine does.
fn behind_state(store: Arc<dyn StateStore>) -> Result<ClockState> {
    async fn read<T: DeserializeOwned>(
        store: &dyn StateStore,
        key: &'static str,
    ) -> Result<Option<T>> {
        let json = store.get(key).await?;
        Ok(json.and_then(|json| serde_json::from_str(&json).ok()))
    }
    blocking::wait(READ, async move {
        let kept: Option<ClockState> = read(&*store, HLC_CLOCK).await?;
        let mut state = kept.unwrap_or_default();
        for key in [OWN_WATERMARKS, PEER_WATERMARKS] {
            let marks: Option<Watermarks> = read(&*store, key).await?;
            state = later(state, behind(&marks.unwrap_or_default()));
        }
        Ok(state)
    })
}

/// What is kept of a clock is this far ahead of it, so that it is written once a second and not with each stamp.
/// After a restart the clock may stamp as far ahead, until time has caught up.
const AHEAD_MS: u64 = 1000;

/// Keeps a clock in a state store.
#[derive(Debug)]
pub(super) struct Keeper {
    store: Arc<dyn StateStore>,
    /// The clock is kept up to here, or is about to be.
    upto_ms: Mutex<u64>,
}

impl Keeper {
    pub(super) fn new(store: Arc<dyn StateStore>) -> Arc<Self> {
        Arc::new(Self {
            store,
            upto_ms: Mutex::default(),
        })
    }

    /// Sees to it that a clock which begins by what is kept stamps later than `state`. Never waits: the writer of the
    /// file may be a transaction whose callback asks for a timestamp.
    pub(super) fn keep(self: &Arc<Self>, state: ClockState) {
        let upto = {
            let mut upto = self.upto_ms.lock().unwrap_or_else(PoisonError::into_inner);
            if state.wall_time < *upto {
                return;
            }
            *upto = state.wall_time.saturating_add(AHEAD_MS);
            *upto
        };
        let keeper = Arc::clone(self);
        let kept = serde_json::json!({ "wallTime": upto, "counter": 0 });
        let value = Json::from(kept.to_string());
        go_on(Box::pin(async move {
            if let Err(error) = keeper.store.set(HLC_CLOCK, value).await {
                tracing::warn!(%error, "the clock could not be kept; the next stamp tries again");
                let mut upto = keeper
                    .upto_ms
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                *upto = 0;
            }
        }));
    }
}

/// Begins `work` here, so that it has its place in the line of its store, and lets a thread of the pool end it.
fn go_on(mut work: Pin<Box<dyn Future<Output = ()> + Send>>) {
    let mut unheard = Context::from_waker(Waker::noop());
    if work.as_mut().poll(&mut unheard).is_pending()
        && let Err(error) = blocking::detach("keep a clock", work)
    {
        tracing::warn!(%error, "the clock could not be kept");
    }
}

/// A store behind whose timestamps a clock can begin.
#[derive(Debug)]
pub enum Known {
    /// Shared records.
    Records(Arc<dyn RecordStore>),
    /// What engines remember.
    State(Arc<dyn StateStore>),
    /// App rows.
    Rows(Arc<dyn AppRowStore>),
    /// What another store told, as JSON.
    Told(Json),
}

impl Known {
    /// Where a clock begins that is behind it.
    ///
    /// # Errors
    /// Those of the store; `InvalidArgument` where what was told is none of this.
    pub fn behind(self) -> Result<ClockState> {
        match self {
            Self::Records(records) => behind_records(records),
            Self::State(state) => behind_state(state),
            Self::Rows(rows) => behind_rows(rows),
            Self::Told(told) => behind_told(&told),
        }
    }
}

/// What another store told.
#[derive(Deserialize)]
struct Told {
    clock: Option<ClockState>,
    watermarks: Vec<serde_json::Value>,
}

/// Behind what another store told, as JSON. What cannot be read of watermarks is passed over, as an engine does.
fn behind_told(told: &str) -> Result<ClockState> {
    let Told { clock, watermarks } = serde_json::from_str(told)
        .map_err(|error| Error::new(ErrorKind::InvalidArgument, "state", error.to_string()))?;
    let marks = watermarks
        .into_iter()
        .filter_map(|marks| Watermarks::deserialize(marks).ok());
    let begun = clock.unwrap_or_default();
    Ok(marks.fold(begun, |state, marks| later(state, behind(&marks))))
}
