//! Macros for lists that are declared once and read in several ways.

/// Declares counters, each also its own name in `stats`: a struct of `u64`s with `add` and `iter`.
#[macro_export]
macro_rules! counters {
    ($(#[$meta:meta])* $counters:ident { $($(#[doc = $doc:literal])+ $name:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $counters { $($(#[doc = $doc])+ pub $name: u64,)+ }
        impl $counters {
            /// Adds another's counts to these.
            pub fn add(&mut self, other: &$counters) { $(self.$name += other.$name;)+ }
            /// Names and counts, in order of declaration.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> { [$((stringify!($name), self.$name),)+].into_iter() }
        }
    };
}

/// Declares anomalies with the names of EVE's `anomaly.event`, Suricata's where it has one: an enum with `ALL`, `name` and `doc`.
#[macro_export]
macro_rules! anomalies {
    ($(#[$meta:meta])* $anomaly:ident { $($(#[doc = $doc:literal])+ $name:ident = $text:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $anomaly { $($(#[doc = $doc])+ $name,)+ }
        impl $anomaly {
            /// Every one, in order.
            pub const ALL: &'static [$anomaly] = &[$($anomaly::$name,)+];
            /// The `anomaly.event` of EVE.
            pub const fn name(self) -> &'static str { match self { $($anomaly::$name => $text,)+ } }
            /// One line on what it means.
            pub const fn doc(self) -> &'static str { match self { $($anomaly::$name => concat!($($doc),+),)+ } }
        }
    };
}
