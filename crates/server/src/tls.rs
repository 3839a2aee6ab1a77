//! The certificate: made at first start, or given.

use crate::Fault;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use vigie_base::Time;

/// Days that an own certificate is good for: browsers refuse longer ones.
const OWN_DAYS: i64 = 397;
/// An own certificate is renewed, and a given one complained of, when it ends in so many days.
pub(crate) const SOON_DAYS: i64 = 30;

/// Where certificate and key are.
#[derive(Clone, Debug)]
pub struct Pair {
    /// PEM, the server's first.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

impl Pair {
    /// The pair that Vigie makes for itself in a data directory.
    pub(crate) fn own(data: &Path) -> Self {
        Pair { certificate: data.join("tls.crt"), key: data.join("tls.key") }
    }
}

/// A configuration that serves `pair`, made where `own` and absent or soon over.
pub(crate) fn load(pair: &Pair, own: bool, listen: IpAddr, now: Time) -> Result<Arc<ServerConfig>, Fault> {
    if own && renewal_due(&pair.certificate, now) {
        make(pair, listen, now)?;
    }
    let bad = |path: &Path, e: &dyn std::fmt::Display| Fault::new(format!("{}: {e}; give a PEM file that can be read", path.display()));
    let chain = CertificateDer::pem_file_iter(&pair.certificate)
        .and_then(|all| all.collect::<Result<Vec<_>, _>>())
        .map_err(|e| bad(&pair.certificate, &e))?;
    if chain.is_empty() {
        return Err(bad(&pair.certificate, &"no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_file(&pair.key).map_err(|e| bad(&pair.key, &e))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(Fault::of)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| bad(&pair.certificate, &e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The end of an own certificate stands beside it in the file's name of its days: none is written into another file, so the file's
/// own time says when it was made.
fn renewal_due(path: &Path, now: Time) -> bool {
    let Ok(made) = std::fs::metadata(path).and_then(|m| m.modified()) else { return true };
    let made = made.duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    now.secs().saturating_sub(made) > ((OWN_DAYS - SOON_DAYS) * 86_400) as u64
}

fn make(pair: &Pair, listen: IpAddr, now: Time) -> Result<(), Fault> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "vigie".to_owned(), |n| n.trim().to_owned());
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).map_err(Fault::of)?;
    if let Ok(dns) = name.as_str().try_into() {
        params.subject_alt_names.push(SanType::DnsName(dns));
    }
    for ip in [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), listen] {
        if !ip.is_unspecified() {
            params.subject_alt_names.push(SanType::IpAddress(ip));
        }
    }
    params.distinguished_name.push(DnType::CommonName, format!("Vigie on {name}"));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let start = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now.secs().saturating_sub(86_400));
    params.not_before = start.into();
    params.not_after = (start + std::time::Duration::from_secs((OWN_DAYS * 86_400) as u64)).into();
    let key = KeyPair::generate().map_err(Fault::of)?;
    let certificate = params.self_signed(&key).map_err(Fault::of)?;
    write(&pair.key, key.serialize_pem().as_bytes(), 0o600)?;
    write(&pair.certificate, certificate.pem().as_bytes(), 0o644)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Fault> {
    use std::io::Write;
    let part = path.with_extension("part");
    let _ = std::fs::remove_file(&part);
    let done = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&part)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&part, path));
    done.map_err(|e| Fault::at(path, &e, "free space, or give a data directory that can be written"))
}
