//! What of a card's settings harms a sensor that watches by it, and what mends it.

use super::ring::{self, Ask};

/// A receive ring that is large enough, where the card can have a larger one.
const RING_ENOUGH: u32 = 4096;

/// Something that harms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What, and what it does.
    pub harm: String,
    /// The command that mends it.
    pub command: String,
}

/// What the kernel says of a card; none of what its driver does not tell.
#[derive(Clone, Debug, Default)]
struct Card {
    /// Offloads that are on, as ethtool names them.
    offloads: Vec<&'static str>,
    /// Channels that receive, and the word that ethtool has for them.
    channels: Option<(u32, &'static str)>,
    /// Frames that the receive ring takes, and could take.
    ring: Option<(u32, u32)>,
}

impl Card {
    fn of(interface: &str) -> Card {
        let value = |what| ring::ethtool::<2>(interface, what).map(|words| words[1]).unwrap_or(0);
        // LRO is a bit of the flags, as it was before there were names for each.
        let lro = value(Ask::Flags) & (1 << 15);
        let all = [("gro", value(Ask::Gro)), ("lro", lro), ("tso", value(Ask::Tso)), ("gso", value(Ask::Gso))];
        let channels = ring::ethtool::<9>(interface, Ask::Channels).ok().map(|w| match (w[5], w[8]) {
            (rx, combined) if combined > 0 => (rx + combined, "combined"),
            (rx, _) => (rx, "rx"),
        });
        let ring = ring::ethtool::<9>(interface, Ask::Ring).ok().map(|w| (w[5], w[1]));
        Card { offloads: all.into_iter().filter(|o| o.1 != 0).map(|o| o.0).collect(), channels, ring }
    }

    fn advice(&self, interface: &str) -> Vec<Advice> {
        let mut all = Vec::new();
        if !self.offloads.is_empty() {
            all.push(Advice {
                harm: format!(
                    "{interface}: offloads put packets together ({}): their sizes and times are not those of the wire",
                    self.offloads.join(", ")
                ),
                command: format!(
                    "ethtool -K {interface} {}",
                    self.offloads.iter().map(|o| format!("{o} off")).collect::<Vec<_>>().join(" ")
                ),
            });
        }
        if let Some((n, word)) = self.channels.filter(|c| c.0 > 1) {
            all.push(Advice {
                harm: format!("{interface}: {n} channels receive: packets of one flow may come in another order"),
                command: format!("ethtool -L {interface} {word} 1"),
            });
        }
        if let Some((is, max)) = self.ring.filter(|(is, max)| is < max && *is < RING_ENOUGH) {
            all.push(Advice {
                harm: format!("{interface}: the card's ring holds {is} frames of {max}: short bursts are lost"),
                command: format!("ethtool -G {interface} rx {}", max.min(RING_ENOUGH)),
            });
        }
        all
    }
}

/// What of an interface's settings harms, the gravest first; nothing where there is no such interface, or its driver does not tell.
pub fn advice(interface: &str) -> Vec<Advice> {
    Card::of(interface).advice(interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_harms_is_said_with_what_mends_it() {
        let card = Card { offloads: vec!["gro", "tso"], channels: Some((4, "combined")), ring: Some((256, 8192)) };
        let commands: Vec<String> = card.advice("eth1").into_iter().map(|a| a.command).collect();
        assert_eq!(commands, ["ethtool -K eth1 gro off tso off", "ethtool -L eth1 combined 1", "ethtool -G eth1 rx 4096"]);
        let good = Card { offloads: Vec::new(), channels: Some((1, "combined")), ring: Some((4096, 8192)) };
        assert_eq!(good.advice("eth1"), []);
        assert_eq!(Card { ring: Some((512, 512)), ..Card::default() }.advice("eth1"), []);
        // Where nothing is told, nothing is said.
        assert_eq!(advice("no-such-interface"), []);
        assert_eq!(advice(""), []);
    }
}
