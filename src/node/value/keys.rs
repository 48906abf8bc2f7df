//! Names of properties, made once per environment.

macro_rules! keys {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// A property name that exists once as a JavaScript string.
        #[derive(Debug, Clone, Copy)]
        #[repr(u32)]
        #[allow(clippy::enum_variant_names, reason = "named as the properties are")]
        pub enum Key { $($variant),* }

        impl Key {
            /// All names, in the order of the enum.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The name.
            pub fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }
        }
    };
}

keys! {
    AppId = "appId",
    Apply = "apply",
    ApplyRecords = "applyRecords",
    ApplyRows = "applyRows",
    AppSyncableRows = "appSyncableRows",
    Code = "code",
    Kind = "kind",
    ContentHashColumn = "content_hash",
    ContentType = "contentType",
    Counter = "counter",
    Cursor = "cursor",
    Data = "data",
    DeletedAt = "deletedAt",
    DeletedAtColumn = "deleted_at",
    Delete = "delete",
    Error = "error",
    Exchange = "exchange",
    Get = "get",
    GetNodeWatermarks = "getNodeWatermarks",
    GetPeerWatermarks = "getPeerWatermarks",
    GetWatermarks = "getWatermarks",
    Has = "has",
    HasMore = "hasMore",
    Id = "id",
    Limit = "limit",
    List = "list",
    MaxAnswerBytes = "maxAnswerBytes",
    MimeType = "mimeType",
    MimeTypeColumn = "mime_type",
    Name = "name",
    NextCursor = "nextCursor",
    NodeId = "nodeId",
    Now = "now",
    ObjectStorageKey = "objectStorageKey",
    ObjectStorageKeyColumn = "object_storage_key",
    Op = "op",
    Put = "put",
    Query = "query",
    QueryMalformed = "queryMalformed",
    QueryUnseen = "queryUnseen",
    Receive = "receive",
    Records = "records",
    Reason = "reason",
    Refused = "refused",
    ResponderWatermarks = "responderWatermarks",
    Row = "row",
    Rows = "rows",
    ScanSince = "scanSince",
    SetPeerWatermarks = "setPeerWatermarks",
    SetWatermarks = "setWatermarks",
    ShippedAfter = "shippedAfter",
    Size = "size",
    SizeBytesColumn = "size_bytes",
    Stat = "stat",
    Status = "status",
    StrictOrder = "strictOrder",
    Table = "table",
    TableNames = "tableNames",
    Tables = "tables",
    Timestamp = "timestamp",
    UpdatedAt = "updatedAt",
    WallTime = "wallTime",
    Watermarks = "watermarks",
    Where = "where",
    Withheld = "withheld",
    Log = "log",
    PutAll = "putAll",
    Settled = "settled",
}
