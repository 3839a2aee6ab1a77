//! The `tls` event (as Suricata 8's extended one), and `tls_shape`, by which detectors judge what cannot be read.

use vigie_event::{Flag, Group, Record};

/// A TLS or SSL session.
#[derive(Record)]
#[record(kind = "tls")]
pub struct TlsEvent<'a> {
    /// Subject of the server's certificate.
    #[field(class = "personal", keyword = "tls.cert_subject")]
    pub subject: Option<&'a [u8]>,
    /// Its issuer.
    #[field(keyword = "tls.cert_issuer")]
    pub issuerdn: Option<&'a [u8]>,
    /// What it is good for: DNS names, addresses, mail addresses, URIs.
    #[field(class = "personal", keyword = "tls.subjectaltname")]
    pub subjectaltname: &'a [&'a [u8]],
    /// Whether an earlier session was taken up again (TLS 1.2 and before; no certificate is sent then).
    pub session_resumed: Flag,
    /// Serial number of the certificate, `0A:BC:..`.
    #[field(keyword = "tls.cert_serial")]
    pub serial: Option<&'a str>,
    /// SHA-1 of the certificate, `0a:bc:..`.
    #[field(keyword = "tls.cert_fingerprint")]
    pub fingerprint: Option<&'a str>,
    /// Name that the client asked for.
    #[field(class = "personal", keyword = "tls.sni")]
    pub sni: Option<&'a [u8]>,
    /// Version chosen by the server; `UNDETERMINED` where it did not answer.
    #[field(keyword = "tls.version")]
    pub version: &'a str,
    /// When the certificate begins to be valid, UTC.
    pub notbefore: Option<&'a str>,
    /// When it ceases to be.
    pub notafter: Option<&'a str>,
    /// Fingerprint of the client's hello.
    pub ja3: Option<Fingerprint<'a>>,
    /// Fingerprint of the server's hello.
    pub ja3s: Option<Fingerprint<'a>>,
    /// JA4 fingerprint of the client's hello.
    #[field(keyword = "ja4.hash")]
    pub ja4: Option<&'a str>,
    /// Protocols that the client offers inside.
    pub client_alpns: &'a [&'a [u8]],
    /// Protocol that the server chose, where it can be read.
    pub server_alpns: &'a [&'a [u8]],
    /// The client's certificate.
    pub client: Option<ClientCertificate<'a>>,
    /// Protocol that the flow began with (STARTTLS, CONNECT).
    pub from_proto: Option<&'a str>,
    /// Cipher suite chosen, by its number.
    #[field(place = "vigie", key = "cipher_suite")]
    pub cipher_suite: Option<u16>,
    /// Days from the first to the last of the certificate's validity.
    #[field(place = "vigie", key = "certificate_validity_days")]
    pub validity_days: Option<u32>,
    /// Whether subject and issuer of the certificate are the same.
    #[field(place = "vigie", key = "certificate_self_signed")]
    pub self_signed: Flag,
    /// Whether the certificate was over at the time of the session.
    #[field(place = "vigie", key = "certificate_expired")]
    pub expired: Flag,
    /// Whether the certificate was not valid yet at the time of the session.
    #[field(place = "vigie", key = "certificate_not_yet_valid")]
    pub not_yet_valid: Flag,
    /// Certificates that the server sent.
    #[field(place = "vigie", key = "certificates")]
    pub certificates: Option<u16>,
    /// Number of the fatal alert that ended the handshake (RFC 8446 section 6).
    #[field(place = "vigie", key = "alert")]
    pub alert: Option<u8>,
    /// Who sent it: `client` or `server`.
    #[field(place = "vigie", key = "alert_from")]
    pub alert_from: Option<&'a str>,
    /// JA4 of the second hello, where the server asked for one and it differs (RFC 8446 section 4.1.4).
    #[field(place = "vigie", key = "ja4_second")]
    pub ja4_second: Option<&'a str>,
    /// Whether the client sends data before the handshake is done (RFC 8446 section 2.3).
    #[field(place = "vigie", key = "early_data")]
    pub early_data: Flag,
    /// Whether the hello has the form of SSLv2.
    #[field(place = "vigie", key = "sslv2_hello")]
    pub sslv2_hello: Flag,
}

/// A JA3 or JA3S fingerprint.
#[derive(Group, Clone, Copy)]
pub struct Fingerprint<'a> {
    /// MD5 of the string.
    pub hash: &'a str,
    /// Version, cipher suites, extensions, groups and point formats as decimal numbers.
    pub string: Option<&'a str>,
}

/// What is told of the client's certificate.
#[derive(Group, Clone, Copy)]
pub struct ClientCertificate<'a> {
    /// Subject.
    #[field(class = "personal")]
    pub subject: &'a [u8],
    /// Issuer.
    pub issuerdn: &'a [u8],
    /// SHA-1 of the certificate.
    pub fingerprint: &'a str,
    /// Serial number.
    pub serial: &'a str,
    /// When it begins to be valid, UTC.
    pub notbefore: &'a str,
    /// When it ceases to be.
    pub notafter: &'a str,
}

/// The first encrypted records of a session, by size.
#[derive(Record)]
#[record(kind = "tls_shape", internal)]
pub struct TlsShape<'a> {
    /// Bytes of each of the client's first encrypted records, without their headers. They include the end of the handshake.
    pub to_server: &'a [u16],
    /// The same of the server.
    pub to_client: &'a [u16],
    /// Encrypted records seen, both ways.
    pub records: u16,
    /// How often the speaker changed among them.
    pub turns: u16,
    /// Records whose size is that of whole Tor cells.
    pub tor_cells: u16,
    /// Version chosen.
    pub version: &'a str,
}
