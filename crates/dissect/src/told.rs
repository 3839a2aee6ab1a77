//! What flows of datagrams keep: how many messages they told, and the facts that they have told already, so that announcements repeated
//! for hours are told once.

use crate::held::{Held, holds};
use crate::record::Fact;
use crate::{Cx, Step};
use vigie_base::hash::Stable;
use vigie_base::{Ip, Mac};
use vigie_event::{Flag, NO_TX, Out};

/// Facts of one flow that are remembered; beyond, the oldest is forgotten and may be told again.
const TOLD_MAX: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Told(Vec<u64>);

/// Whom a fact is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub(crate) ip: Option<Ip>,
    pub(crate) mac: Option<Mac>,
}

impl About {
    /// Known by these; unspecified addresses are none.
    pub(crate) fn new(ip: Option<Ip>, mac: Option<Mac>) -> Self {
        About {
            ip: ip.filter(|a| !a.is_unspecified() && !a.is_multicast_or_broadcast()),
            mac: mac.filter(|m| *m != Mac::ZERO && !m.is_group()),
        }
    }
}

holds! {
    Told: { 0 }
    Messages: { told }
}

/// Messages in a row that do not read, each of which is told; of those behind them one event says that there are more. Something else on
/// a protocol's port (a tunnel) would else be an event a datagram.
const MALFORMED_TOLD: u8 = 16;

/// Messages in a row that did not read. They are looked at for ever: a flow that gave up on them would hide what comes behind.
#[derive(Debug, Default)]
pub(crate) struct Malformed(u8);

impl Malformed {
    /// One more, in transaction `tx` of `proto`: tells it. Gives how many there are by now, up to one more than are told.
    pub(crate) fn more<O: Out>(&mut self, cx: &mut Cx<'_, O>, proto: &'static str, tx: u32) -> u8 {
        match self.0 {
            0..MALFORMED_TOLD => cx.anomaly(proto, "malformed_data", tx),
            MALFORMED_TOLD => cx.anomaly(proto, "too_many_malformed", tx),
            _ => return self.0,
        }
        self.0 += 1;
        self.0
    }

    /// One that reads.
    #[inline]
    pub(crate) fn over(&mut self) {
        self.0 = 0;
    }
}

/// The state of a protocol whose datagrams are one message each.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    count: u32,
    told: Told,
    malformed: Malformed,
}

impl Messages {
    /// The next datagram, whole: `tell` tells it as the transaction of that number, or finds that it does not read, which is an anomaly of
    /// `proto`.
    pub(crate) fn next<'c, O: Out>(
        &mut self,
        cx: &mut Cx<'c, O>,
        proto: &'static str,
        datagram: &[u8],
        tell: impl FnOnce(&mut Told, &mut Cx<'c, O>, u32) -> Option<()>,
    ) -> Step {
        match tell(&mut self.told, cx, self.count) {
            Some(()) => {
                self.count += 1;
                self.malformed.over();
            }
            None => {
                self.malformed.more(cx, proto, self.count);
            }
        }
        Step::go(datagram.len())
    }

    /// Messages told.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// See [`crate::Protocol::held`].
    pub(crate) fn held(&self) -> usize {
        Held::held(self)
    }
}

impl Told {
    /// Tells a fact once. Empty values and facts about nobody are none.
    pub(crate) fn fact<O: Out>(&mut self, cx: &mut Cx<'_, O>, about: About, key: &str, value: &[u8], source: &str, confidence: u8) {
        if value.is_empty() || (about.ip.is_none() && about.mac.is_none()) {
            return;
        }
        let ip = about.ip.unwrap_or_default();
        let mac = about.mac.unwrap_or_default();
        let hash = Stable::default().bytes(key.as_bytes()).bytes(&[0]).bytes(value).bytes(&ip.0).bytes(&mac.0).finish();
        if self.0.contains(&hash) {
            return;
        }
        if self.0.len() >= TOLD_MAX {
            self.0.remove(0);
        }
        self.0.push(hash);
        cx.push(NO_TX, &Fact { ip: about.ip, mac: about.mac, key, value, source, confidence, hearsay: Flag(false) });
    }
}
