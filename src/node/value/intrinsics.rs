//! What an environment has once, by name.

/// Classes, functions and objects that an environment has once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intrinsic {
    /// `JSON.parse`
    Parse,
    /// See `js/errors.js`.
    Fault,
    /// See `js/errors.js`.
    Traced,
    /// See `js/exports.js`.
    Warn,
    /// The zero timestamp.
    ZeroHlc,
    /// See `js/bridge/names.js`.
    NodeNames,
    /// See `js/bridge/names.js`.
    NumberOfName,
    /// See `js/bridge/pack.js`.
    PackHlcs,
    /// See `js/bridge/pack.js`.
    PickAt,
    /// See `js/bridge/pack.js`.
    PackHlc,
    /// See `js/bridge/pack.js`.
    PackWatermarks,
    /// See `js/bridge/pack.js`.
    PackPage,
    /// See `js/bridge/pack.js`.
    PackRest,
    /// See `js/bridge/pack.js`.
    PackRecord,
    /// See `js/bridge/pack.js`.
    PackRecordAt,
    /// See `js/bridge/pack.js`.
    PackAbilities,
    /// See `js/bridge/pack.js`.
    PackNow,
    /// See `js/bridge/make.js`.
    MakeHlc,
    /// See `js/bridge/make.js`.
    MakeWatermarks,
    /// See `js/bridge/make.js`.
    MakeResult,
    /// See `js/bridge/calls.js`.
    CallMethod,
    /// See `js/bridge/calls.js`.
    CallWithHlc,
    /// See `js/bridge/calls.js`.
    CallWithWatermarks,
    /// See `js/bridge/calls.js`.
    CallWithQuery,
    /// See `js/bridge/calls.js`.
    Take,
    /// See `js/bridge/calls.js`.
    Loosen,
    /// See `js/bridge/calls.js`.
    CreateEmit,
    /// See `js/bridge/calls.js`.
    EmitApplied,
    /// See `js/bridge/as-read.js`.
    TextOf,
    /// See `js/reconcile.js`.
    CreateReconcile,
    /// A thenable that never settles.
    Never,
    /// See `js/transactions.js`.
    RunInTransaction,
    /// See `js/transactions.js`.
    EndTransaction,
    /// See `js/transactions.js`.
    IsInTransaction,
    /// See `js/fetch.js`.
    HeadersOf,
    /// See `js/fetch.js`.
    FetchAnswer,
    /// See `js/sqlite/log.js`.
    LogOf,
}

impl Intrinsic {
    pub(super) const COUNT: usize = Self::LogOf as usize + 1;
}
