//! Packets to flows. To come; whole datagrams from fragments are here.
pub mod defrag;
