//! What an environment has once, by name.

macro_rules! intrinsics {
    ($($variant:ident = $name:literal, $doc:literal;)*) => {
        /// Functions and objects that an environment has once.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Intrinsic { $(#[doc = $doc] $variant),* }

        impl Intrinsic {
            /// Each, and what an entry of the package calls it; see `js/exports.js`.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $name)),*];
            pub(super) const COUNT: usize = Self::ALL.len();
        }
    };
}

intrinsics! {
    Parse = "parse", "`JSON.parse`";
    TextOf = "textOf", "See `js/bridge/as-read.js`.";
    DataOf = "dataOf", "See `js/bridge/index.js`.";
    StampsOf = "stampsOf", "See `js/bridge/stamps.js`.";
    StampOf = "stampOf", "See `js/bridge/index.js`.";
    SetOwn = "setOwn", "See `js/set-own.js`.";
    Hide = "hide", "See `js/errors.js`.";
    ResultOf = "resultOf", "See `js/engine/result.js`.";
    MarksOf = "marksOf", "See `js/bridge/stamps.js`.";
    AbilitiesOf = "abilitiesOf", "See `js/bridge/items.js`.";
    AddNew = "addNew", "See `js/bridge/adding.js`.";
    AroundOf = "aroundOf", "See `js/bridge/items.js`.";
    TablesOf = "tablesOf", "See `js/bridge/items.js`.";
    PageOf = "pageOf", "See `js/bridge/pages.js`.";
    HeldOf = "heldOf", "See `js/bridge/items.js`.";
    RequestHead = "requestHead", "See `js/bridge/messages.js`.";
    AnswerHead = "answerHead", "See `js/bridge/messages.js`.";
    WaitFor = "waitFor", "See `js/bridge/calls.js`.";
    StandFor = "standFor", "See `js/stores.js`.";
    Now = "now", "The app's clock of the system.";
    Never = "never", "A thenable that never settles.";
    Describe = "describe", "See `js/describe.js`.";
    Brand = "brand", "See `js/brands.js`.";
    IsOurs = "isOurs", "See `js/brands.js`.";
    NativeOf = "nativeOf", "See `js/brands.js`.";
    Fault = "fault", "See `js/errors.js`.";
    Traced = "traced", "See `js/errors.js`.";
    Warn = "warn", "See `js/exports.js`.";
    WarnOnce = "warnOnce", "See `js/exports.js`.";
    CreateNotifier = "createNotifier", "See `js/notifier.js`.";
    RunInTransaction = "runInTransaction", "See `js/transactions.js`.";
    EndTransaction = "endTransaction", "See `js/transactions.js`.";
    IsInTransaction = "isInTransaction", "See `js/transactions.js`.";
    AskedHeaders = "askedHeaders", "See `js/fetch.js`.";
    FetchAnswer = "fetchAnswer", "See `js/fetch.js`.";
    LogOf = "logOf", "See `js/sqlite/log.js`.";
}
