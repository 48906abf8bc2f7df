//! What an environment has once, by name.

/// Classes, functions and objects that an environment has once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intrinsic {
    /// `JSON.parse`
    Parse,
    /// See `native.js`.
    Fault,
    /// See `native.js`.
    Traced,
    /// See `native.js`.
    Warn,
    /// The zero timestamp.
    ZeroHlc,
    /// See `marshal.js`.
    NodeNames,
    /// See `marshal.js`.
    NumberOfName,
    /// See `marshal.js`.
    PackHlcs,
    /// See `marshal.js`.
    PickAt,
    /// See `marshal.js`.
    PackHlc,
    /// See `marshal.js`.
    PackWatermarks,
    /// See `marshal.js`.
    PackPage,
    /// See `marshal.js`.
    PackRest,
    /// See `marshal.js`.
    PackRecord,
    /// See `marshal.js`.
    PackRecordAt,
    /// See `marshal.js`.
    PackAbilities,
    /// See `marshal.js`.
    PackNow,
    /// See `marshal.js`.
    MakeHlc,
    /// See `marshal.js`.
    MakeWatermarks,
    /// See `marshal.js`.
    MakeResult,
    /// See `marshal.js`.
    CallMethod,
    /// See `marshal.js`.
    CallWithHlc,
    /// See `marshal.js`.
    CallWithWatermarks,
    /// See `marshal.js`.
    CallWithQuery,
    /// See `marshal.js`.
    Take,
    /// See `marshal.js`.
    Loosen,
    /// See `marshal.js`.
    CreateEmit,
    /// See `marshal.js`.
    EmitApplied,
    /// See `marshal.js`.
    TextOf,
    /// A thenable that never settles.
    Never,
    /// See `native.js`.
    RunInTransaction,
    /// See `native.js`.
    EndTransaction,
    /// See `native.js`.
    IsInTransaction,
    /// See `fetching.js`.
    HeadersOf,
    /// See `fetching.js`.
    FetchAnswer,
}

impl Intrinsic {
    pub(super) const COUNT: usize = Self::FetchAnswer as usize + 1;
}
