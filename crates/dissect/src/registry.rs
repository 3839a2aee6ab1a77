//! The one list of protocols. A line here and a folder in [`crate::proto`] is all that a protocol costs: its number and name, its
//! place in every match, its kinds of events, its documentation and its fuzz target come from this line.

use crate::cx::Cx;
use crate::proto::*;
use crate::{Expect, Info, Match, Next, Probe, Protocol, Step, Transport, record};
use vigie_base::Direction;
use vigie_event::{Out, Record, Schema};

/// Declares the protocols: `Variant: path::State [records...]`.
macro_rules! protocols {
    ($($(#[$meta:meta])* $variant:ident: $state:path [$($rec:ty),* $(,)?];)+) => {
        /// An application protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        #[repr(u8)]
        pub enum Proto {
            /// Not told (yet).
            #[default]
            Unknown,
            $(#[doc = concat!("See `proto::", stringify!($state), "`.")] $variant,)+
        }

        impl Proto {
            /// Every protocol, in the order of the list.
            pub const ALL: &'static [Proto] = &[$(Proto::$variant,)+];

            /// What it says of itself.
            pub const fn info(self) -> Option<&'static Info> {
                match self {
                    Proto::Unknown => None,
                    $(Proto::$variant => { const INFO: Info = <$state as Protocol>::INFO; Some(&INFO) })+
                }
            }

            pub(crate) fn probe(self, p: &Probe<'_>) -> Match {
                match self {
                    Proto::Unknown => Match::No,
                    $(Proto::$variant => <$state as Protocol>::probe(p),)+
                }
            }
        }

        /// The state of a flow's parser.
        #[derive(Default)]
        pub(crate) enum Parser {
            #[default]
            None,
            $($variant(Box<$state>),)+
        }

        impl Parser {
            pub(crate) fn new(proto: Proto) -> Self {
                match proto {
                    Proto::Unknown => Parser::None,
                    $(Proto::$variant => Parser::$variant(Box::default()),)+
                }
            }
            pub(crate) fn announced(&mut self, e: Expect) {
                match self {
                    Parser::None => {}
                    $(Parser::$variant(s) => s.announced(e),)+
                }
            }
            pub(crate) fn after(&mut self, from: Proto) {
                match self {
                    Parser::None => {}
                    $(Parser::$variant(s) => s.after(from),)+
                }
            }
            #[inline]
            pub(crate) fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
                match self {
                    Parser::None => Step::done(),
                    $(Parser::$variant(s) => s.parse(cx, dir, bytes),)+
                }
            }
            pub(crate) fn gap<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, len: u64) -> Next {
                match self {
                    Parser::None => Next::Done,
                    $(Parser::$variant(s) => s.gap(cx, dir, len),)+
                }
            }
            pub(crate) fn end<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, rest: &[u8]) {
                match self {
                    Parser::None => {}
                    $(Parser::$variant(s) => s.end(cx, dir, rest),)+
                }
            }
            pub(crate) fn finish<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
                match self {
                    Parser::None => {}
                    $(Parser::$variant(s) => s.finish(cx),)+
                }
            }
            pub(crate) fn held(&self) -> usize {
                match self {
                    Parser::None => 0,
                    $(Parser::$variant(s) => size_of::<$state>() + s.held(),)+
                }
            }
            pub(crate) fn transactions(&self) -> u32 {
                match self {
                    Parser::None => 0,
                    $(Parser::$variant(s) => s.transactions(),)+
                }
            }
        }

        /// The kinds of events that dissection pushes, in the order of [`schemas`].
        pub const KINDS: &[&str] = &[
            record::Anomaly::KIND, record::FileInfo::KIND, record::Login::KIND, record::Fact::KIND, arp::Arp::KIND,
            $($(<$rec as Record>::KIND,)*)+
        ];

        /// Their declarations.
        pub fn schemas() -> Vec<&'static Schema> {
            vec![
                record::Anomaly::schema(), record::FileInfo::schema(), record::Login::schema(), record::Fact::schema(), arp::Arp::schema(),
                $($(<$rec as Record>::schema(),)*)+
            ]
        }
    };
}

protocols! {
    Nbns: nbns::Nbns [nbns::NbnsMessage];
    Nbdgm: nbns::datagram::Nbdgm [];
    Dns: dns::Dns [dns::DnsMessage];
    Mdns: mdns::Mdns [mdns::MdnsMessage];
    Llmnr: llmnr::Llmnr [llmnr::LlmnrMessage];
    Dhcp: dhcp::Dhcp [dhcp::DhcpMessage];
    Dhcpv6: dhcpv6::Dhcpv6 [dhcpv6::Dhcpv6Message];
    Ntp: ntp::Ntp [ntp::NtpMessage];
    Icmp: icmp::Icmp [icmp::IcmpMessage];
    Ftp: ftp::Ftp [ftp::FtpCommand];
    FtpData: ftp::data::FtpData [ftp::data::FtpDataEvent];
    Http: http::Http [http::HttpExchange];
    Tls: tls::Tls [tls::TlsEvent, tls::TlsShape];
    Smtp: smtp::Smtp [smtp::SmtpMail];
    Pop3: pop3::Pop3 [pop3::Pop3Command];
    Imap: imap::Imap [imap::ImapCommand];
    Telnet: telnet::Telnet [telnet::TelnetSession];
    Ssh: ssh::Ssh [ssh::SshEvent];
}

impl Proto {
    /// `app_proto`; empty for unknown.
    pub const fn name(self) -> &'static str {
        match self.info() {
            Some(info) => info.name,
            None => "",
        }
    }

    /// Whether Suricata has no word for it: EVE's `app_proto` then says `failed`, as Suricata's does.
    pub const fn beyond_eve(self) -> bool {
        matches!(self, Proto::Nbns | Proto::Nbdgm | Proto::Llmnr | Proto::Dhcpv6)
    }

    /// From the number kept in a flow.
    pub fn from_number(n: u8) -> Proto {
        (n as usize).checked_sub(1).and_then(|i| Proto::ALL.get(i)).copied().unwrap_or(Proto::Unknown)
    }

    /// Those that `transport` carries, as a set of bits over [`Proto::ALL`].
    pub(crate) fn carried_by(transport: Transport) -> u64 {
        Proto::ALL
            .iter()
            .enumerate()
            .filter(|(_, p)| p.info().is_some_and(|i| i.transports.contains(&transport)))
            .fold(0, |set, (i, _)| set | 1 << i)
    }
}

const _: () = assert!(Proto::ALL.len() < 64, "a set of protocols is a u64");
