//! Frames to layers: a pure function of the frame's bytes. To come.
pub mod packet;
pub use packet::{Anomalies, Anomaly, Body, End, Fragment, Packet, Span, Tcp, TunnelKind};
