//! How a record can end (contract): the names that dead letters, metrics and logs share.

use std::borrow::Cow;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in dead letters, metrics and logs.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

named! {
    /// Why a record became a dead letter.
    Reason {
        /// Not UTF-8, not JSON, not an object, or an object with a duplicate key.
        InvalidJson = "invalid_json",
        /// A needed key is absent or null.
        MissingField = "missing_field",
        /// Not a UUID, or nil.
        InvalidSessionId = "invalid_session_id",
        /// Does not match `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
        InvalidProjectId = "invalid_project_id",
        /// Not a whole number of 0…2³²−1.
        InvalidChunkIndex = "invalid_chunk_index",
        /// Not whole milliseconds of 0…7258118400000.
        InvalidTimestamp = "invalid_timestamp",
        /// The project is not in the config and `tenants.unlisted` is `reject`.
        UnknownTenant = "unknown_tenant",
        /// `data` is not base64.
        InvalidBase64 = "invalid_base64",
        /// `data` is a damaged gzip member or zstd frame.
        InvalidCompression = "invalid_compression",
        /// The record, or the chunk as it would be stored, is over its cap.
        TooLarge = "too_large",
        /// The decompressed size, or its ratio to the compressed one, is over its cap.
        Bomb = "bomb",
        /// The payload is not a JSON array of events.
        NotEvents = "not_events",
        /// The payload nests deeper than `limits.max_depth`.
        TooDeep = "too_deep",
        /// A packed event does not open (tenants whose chain redacts).
        PackedUnreadable = "packed_unreadable",
        /// A plugin took longer than it may.
        PluginTimeout = "plugin_timeout",
        /// A plugin took more memory than it may.
        PluginMemory = "plugin_memory",
        /// A plugin answered with more than it may.
        PluginOutput = "plugin_output",
        /// A plugin ran out of stack.
        PluginStack = "plugin_stack",
        /// A plugin trapped: a panic, or an instruction that cannot be done.
        PluginTrap = "plugin_trap",
        /// A plugin said that it failed.
        PluginError = "plugin_error",
        /// A plugin's answer is not allowed: an edit out of range, say.
        PluginInvalid = "plugin_invalid",
        /// A plugin could not be loaded.
        PluginLoad = "plugin_load",
        /// The tenant's chain is slow, and too much waits for it.
        PluginOverloaded = "plugin_overloaded",
        /// The plugin failed again and again: its breaker is open.
        PluginBreakerOpen = "plugin_breaker_open",
        /// The hot store refuses this very row.
        StoreRejected = "store_rejected",
        /// The processor itself failed on this record; a bug of ours, kept apart from bad input.
        InternalError = "internal_error",
    }
}

named! {
    /// Why a record was settled without being stored, for a reason that is no fault.
    Skip {
        /// A record without a value (a Kafka tombstone).
        NullValue = "null_value",
        /// Its session or project was erased.
        Tombstoned = "tombstoned",
        /// Received longer ago than hot and cold retention together.
        Expired = "expired",
    }
}

/// Why a record cannot be stored, and a detail that never holds payload text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The typed reason.
    pub reason: Reason,
    /// What was wrong and where, in our own words: names of keys, offsets, sizes.
    pub detail: Cow<'static, str>,
}

impl Reject {
    /// A rejection with a detail of our own words.
    pub fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, detail: detail.into() }
    }
}
