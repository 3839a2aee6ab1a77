//! What a row costs the inventory: `cargo run --release -p vigie-inventory --example row_cost`.
//!
//! Flows of 5,000 clients to 300 servers inside and many outside, each told by its three rows; prints nanoseconds a row, and a hash of
//! the assets, which must not change with the machine.

use std::time::Instant;
use vigie_base::hash::Stable;
use vigie_base::{Ip, Mac, Time};
use vigie_event::{Batch, Envelope, Flag, Record, Row};
use vigie_flow::record::{FlowEnd, FlowStart, FlowUpdate};
use vigie_inventory::{Inventory, Settings, write_asset_json};

const FLOWS: u32 = 120_000;

fn main() -> Result<(), String> {
    let mut starts = Batch::new(FlowStart::schema());
    let mut updates = Batch::new(FlowUpdate::schema());
    let mut ends = Batch::new(FlowEnd::schema());
    for i in 0..FLOWS {
        let h = Stable::default().word(u64::from(i)).finish();
        let (client, server) = ((h % 5000) as u32, (h >> 20) as u32);
        let outside = h >> 60 < 10;
        let dst = if outside {
            Ip::v4((0xcb00_7100 | server & 0xffff).to_be_bytes())
        } else {
            Ip::v4((0x0a01_0000 | (server % 300)).to_be_bytes())
        };
        let (client_mac, server_mac) = (mac(client), mac(if outside { 99_999 } else { 50_000 + server % 300 }));
        let env = Envelope {
            ts: Time::from_secs(1_700_000_000).plus(u64::from(i) * 1_000_000),
            src: Ip::v4((0x0a00_0000 | client).to_be_bytes()),
            dst,
            src_port: 40_000,
            dst_port: [443, 53, 80, 445, 25][(h >> 50) as usize % 5],
            proto: if h & 7 < 3 { 17 } else { 6 },
            app_proto: "tls",
            ..Envelope::default()
        };
        let tcp_options: &[u8] = if env.proto == 6 { b"mss1460,sok,ts,nop,ws7" } else { b"" };
        starts.push(&env, &FlowStart { client_mac, server_mac, ttl: 64, tcp_flags: 2, window: 64_240, tcp_options, payload: 0 });
        updates.push(&env, &FlowUpdate { state: "established", refused: false, ttl: 64, window: 65_160, tcp_options: b"" });
        ends.push(
            &env,
            &FlowEnd {
                app_proto_orig: None,
                app_proto: None,
                pkts_toserver: 9,
                pkts_toclient: 8,
                bytes_toserver: 900,
                bytes_toclient: 8000,
                start: env.ts,
                end: env.ts,
                age: 0,
                state: "closed",
                reason: "timeout",
                alerted: false,
                tx_cnt: None,
                tcp: None,
                response_icmp_type: None,
                response_icmp_code: None,
                community_id: "",
                tunnel: None,
                client_mac: Some(client_mac),
                server_mac: Some(server_mac),
                gap_bytes: None,
                midstream: Flag(false),
                unreachable: Flag(false),
            },
        );
    }
    let mut inventory = Inventory::new(Settings::new("[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12,fe80::/10,fc00::/7]".parse()?));
    let mut rows = 0u32;
    let begun = Instant::now();
    for i in 0..FLOWS as usize {
        let three: [Row<'_>; 3] = [starts.row(i), updates.row(i), ends.row(i)];
        for row in three {
            inventory.row(row);
            rows += 1;
        }
    }
    let spent = begun.elapsed();
    let begun = Instant::now();
    let mut out = Vec::new();
    let assets = inventory.assets();
    assets.iter().for_each(|a| write_asset_json(a, &mut out));
    println!(
        "{} ns a row, {} assets in {} ms, {} bytes of JSON, hash {:x}",
        spent.as_nanos() / u128::from(rows),
        assets.len(),
        begun.elapsed().as_millis(),
        out.len(),
        Stable::default().bytes(&out).finish()
    );
    Ok(())
}

fn mac(n: u32) -> Mac {
    let b = n.to_be_bytes();
    Mac([0, 0x50, b[0], b[1], b[2], b[3]])
}
