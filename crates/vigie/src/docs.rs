//! References drawn from the program's own declarations.

use crate::args::{Cli, Reference};
use clap::CommandFactory;
use std::fmt::Write;
use std::io;
use vigie_dissect::{Proto, Transport};

/// The reference asked for: Markdown, and JSON of the API.
pub(crate) fn reference(what: Reference) -> String {
    match what {
        Reference::Events => events(),
        Reference::Protocols => protocols(),
        Reference::Openapi => vigie_server::openapi() + "\n",
    }
}

fn events() -> String {
    let mut out = String::from(
        "# Events\n\n\
        Drawn from the declarations beside each parser by `vigie docs events`; do not edit.\n\n\
        Each line of `eve.json` is one event: the envelope, then the object of its kind. Kinds, keys and types are Suricata's; what\n\
        Suricata does not write stands under `vigie` or in kinds named for their protocol.\n\n\
        | envelope | meaning |\n|---|---|\n\
        | `timestamp` | when it was seen: the time of the packet that completed it |\n\
        | `flow_id` | the flow, below 2^53; absent outside flows |\n\
        | `pcap_cnt` | number of the frame in the capture, from 1 |\n\
        | `event_type` | the kind |\n\
        | `vlan` | VLAN ids, outermost first |\n\
        | `src_ip`, `src_port`, `dest_ip`, `dest_port` | who to whom |\n\
        | `proto` | transport |\n\
        | `icmp_type`, `icmp_code` | of the first packet, for ICMP |\n\
        | `app_proto` | protocol of the flow; `failed` where none was recognised |\n\
        | `tx_id` | transaction within the flow |\n\n\
        Privacy classes: none stands for public; `personal` (names, addresses of mail, URLs), `identifier` (kept as keyed hashes),\n\
        `secret` (only its length is kept: `<redacted:N>`).\n\n",
    );
    for schema in vigie_pipeline::schemas() {
        vigie_event::doc::markdown(schema, &mut out);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn protocols() -> String {
    let mut out = String::from(
        "# Protocols\n\n\
        Drawn from the registry of dissectors by `vigie docs protocols`; do not edit.\n\n\
        A protocol is told by its content; its usual ports only break ties. The cap is the most bytes of one direction that its parser\n\
        leaves waiting; beyond it the flow's dissection is given up and counted.\n\n\
        | protocol | what | carried by | usual ports | cap, bytes |\n|---|---|---|---|---|\n",
    );
    for info in Proto::ALL.iter().filter_map(|p| p.info()) {
        let by: Vec<&str> = info
            .transports
            .iter()
            .map(|t| match t {
                Transport::Tcp => "TCP",
                Transport::Udp => "UDP",
                Transport::Icmp => "ICMP",
            })
            .collect();
        let ports: Vec<String> = info.ports.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            info.name,
            info.doc.replace('|', "\\|"),
            by.join(", "),
            ports.join(", "),
            info.buffer_max
        );
    }
    out
}

/// The manual page of vigie, or of one of its commands; `None` where there is no such command.
pub(crate) fn manual(command: Option<&str>, out: &mut Vec<u8>) -> Option<io::Result<()>> {
    let mut cli = Cli::command();
    cli.build();
    let page = match command {
        None => cli,
        Some(name) => cli.find_subcommand(name)?.clone(),
    };
    Some(clap_mangen::Man::new(page).render(out))
}
