//! The `stats` event, from what the sensor counted.

use vigie_decode::Anomaly;
use vigie_event::{Batch, Envelope, Hex, Record, Row};
use vigie_sensor::Summary;
use vigie_sensor::stats::{Counter, Decoder, Flows, Health, Interface, Kernel, Memcap, Packets, Stats, StatsRow, UnknownPort};

/// Unknown beginnings told in `stats`: the most frequent.
const UNKNOWN_TOLD: usize = 50;

/// The name of what carried a flow.
pub(crate) const fn transport(proto: u8) -> &'static str {
    match proto {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        50 => "esp",
        58 => "icmpv6",
        132 => "sctp",
        _ => "ip",
    }
}

/// A batch with the one event: what was counted, caps that were reached, events by kind.
pub fn batch(s: &Summary, caps: &[(&'static str, u64)], events: &[(&'static str, u64)]) -> Batch {
    let caps: Vec<Counter<'_>> = caps.iter().map(|(name, count)| Counter { name, count: *count }).collect();
    told(s, &caps, events)
}

fn told(s: &Summary, caps: &[Counter<'_>], events: &[(&'static str, u64)]) -> Batch {
    let f = &s.frames;
    let counters = |list: Vec<(&'static str, u64)>| -> Vec<Counter<'static>> {
        list.into_iter().map(|(name, count)| Counter { name, count }).collect()
    };
    let present = |list: Vec<(&'static str, u64)>| counters(list.into_iter().filter(|(_, n)| *n > 0).collect());
    let mut unknown = s.unknown.clone();
    unknown.sort_by_key(|(k, n)| (std::cmp::Reverse(*n), *k));
    unknown.truncate(UNKNOWN_TOLD);
    let unknown: Vec<UnknownPort<'_>> = unknown
        .iter()
        .map(|((proto, port, first), flows)| UnknownPort { proto: transport(*proto), port: *port, first: Hex(first), flows: *flows })
        .collect();
    let dissect = counters(vec![("told", s.dissect.told), ("unknown", s.dissect.unknown), ("given_up", s.dissect.given_up)]);
    let links: Vec<(String, u64)> = f.link_types.iter().map(|(l, n)| (l.to_string(), *n)).collect();
    let links: Vec<Counter<'_>> = links.iter().map(|(name, count)| Counter { name, count: *count }).collect();
    let captured = s.captured.as_ref();
    let interfaces: Vec<Interface<'_>> = captured
        .iter()
        .flat_map(|c| &c.interfaces)
        .zip(&f.interfaces)
        .map(|(i, told)| Interface {
            name: &i.name,
            link: i.link.name(),
            frames: i.frames,
            kernel_drops: i.lost,
            card_drops: i.card.map(|c| c.dropped),
            card_errors: i.card.map(|c| c.errors),
            doubled: told.copied,
            truncated: told.truncated,
        })
        .collect();
    let (first, last) = s.span.unwrap_or_default();
    let record = Stats {
        uptime: last.since(first) / vigie_base::time::SECOND,
        capture: captured.map(|c| Kernel {
            kernel_packets: c.packets,
            kernel_drops: c.drops,
            card_drops: c.interfaces.iter().filter_map(|i| i.card).map(|card| card.dropped).sum(),
        }),
        decoder: Decoder {
            pkts: f.pkts,
            bytes: f.bytes,
            invalid: f.invalid,
            ipv4: f.ipv4,
            ipv6: f.ipv6,
            tcp: f.tcp,
            udp: f.udp,
            sctp: f.sctp,
            icmpv4: f.icmpv4,
            icmpv6: f.icmpv6,
            arp: f.arp,
            vlan: f.vlan,
            tunnel: f.tunnel,
            avg_pkt_size: f.bytes / f.pkts.max(1),
            max_pkt_size: f.max_pkt_size,
        },
        flow: Flows {
            total: s.flow.flows,
            peak: s.flow.peak,
            timed_out: s.flow.timed_out,
            evicted: s.flow.evicted,
            tcp_reuse: s.flow.tcp_reuse,
        },
        memcap: Memcap {
            pressure: s.held.saturating_mul(100) / s.held_limit.max(1),
            pressure_max: s.dissect.held_max.saturating_mul(100) / s.held_limit.max(1),
        },
        defrag: &present(s.defrag.iter().collect()),
        tcp: &present(s.stream.iter().collect()),
        terminal: &counters(f.terminals().to_vec()),
        anomalies: &present(Anomaly::ALL.iter().map(|a| (a.name(), f.anomalies[*a as usize])).collect()),
        link_types: &links,
        caps_reached: caps,
        dissect: &dissect,
        unknown: &unknown,
        events: &counters(events.to_vec()),
        health: Health {
            doubled: f.copied,
            truncated: f.truncated,
            one_sided: s.stream.one_sided,
            two_sided: s.stream.two_sided,
            acked_bytes: s.stream.acked_bytes,
            unseen_bytes: s.stream.unseen_bytes,
            unseen: s.stream.unseen,
            data_segments: s.stream.data_segments,
            reordered: s.stream.reordered + s.stream.acked_early,
        },
        interfaces: &interfaces,
        canary: captured.and_then(|c| c.canary),
        handed_over: Some(s.handed_over).filter(|n| *n > 0),
        packets: s.packets.map(|p| Packets { kept: p.kept, bytes: p.bytes, dropped: p.dropped }),
    };
    let mut batch = Batch::new(Stats::schema());
    batch.push(&Envelope { ts: last, ..Envelope::default() }, &record);
    batch
}

/// A `stats` event with caps added that were reached elsewhere.
pub fn with_caps(stats: Row<'_>, caps: &[(&'static str, u64)]) -> Batch {
    let schema = Stats::schema();
    let mut whole = Batch::new(schema);
    whole.copy(stats);
    let (Some(row), Some(at)) = (StatsRow::of(stats), schema.fields.iter().position(|f| f.name == "caps_reached")) else { return whole };
    let mut all: Vec<Counter<'_>> = row.caps_reached().map(|c| Counter { name: c.name(), count: c.count() }).collect();
    all.extend(caps.iter().map(|(name, count)| Counter { name, count: *count }));
    // The one column comes from an event that says nothing else.
    let said = told(&Summary::default(), &all, &[]);
    let mut columns = whole.columns().to_vec();
    columns[at] = said.columns()[at].clone();
    Batch::of(schema, whole.envelopes().to_vec(), columns).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_event::eve;

    #[test]
    fn caps_are_added_and_nothing_else_changes() {
        let line = |b: &Batch| {
            let mut out = Vec::new();
            eve::write(b.row(0), &mut out);
            String::from_utf8(out).unwrap()
        };
        let mut summary = Summary::default();
        summary.frames.pkts = 7;
        let both = [("flow.table", 3), ("detect.scan.hosts", 9)];
        let whole = with_caps(batch(&summary, &both[..1], &[]).row(0), &both[1..]);
        assert_eq!(line(&whole), line(&batch(&summary, &both, &[])));
        assert_ne!(line(&whole), line(&batch(&summary, &both[..1], &[])));
    }
}
