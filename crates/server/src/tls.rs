//! The certificate: made at first start, or given.

use crate::Fault;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use vigie_base::Time;

/// Days that an own certificate is good for: browsers refuse longer ones.
const OWN_DAYS: i64 = 397;
/// An own certificate is renewed, and a given one complained of, when it ends in so many days.
pub(crate) const SOON_DAYS: i64 = 30;
const DAY: i64 = 86_400;

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

/// What is known of the certificate that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// Whether Vigie made it, and makes the next.
    pub(crate) own: bool,
    /// Where it stands.
    pub(crate) file: PathBuf,
    /// When it ends, in seconds since 1970.
    pub(crate) ends: i64,
}

impl Certificate {
    /// Whole days until it ends; negative once it has.
    pub(crate) fn days_left(&self, now: Time) -> i64 {
        (self.ends - now.secs() as i64).div_euclid(DAY)
    }

    /// What a person should be told of it.
    pub(crate) fn warning(&self, now: Time) -> Option<String> {
        let (file, todo) = (self.file.display(), "put a new one in its place; it is taken up without a restart");
        match self.days_left(now) {
            // An own one is renewed before anybody must know.
            SOON_DAYS.. => None,
            days if days < 0 => Some(format!("{file}: the certificate ended {} days ago; {todo}", -days)),
            days => Some(format!("{file}: the certificate ends in {days} days; {todo}")),
        }
    }
}

/// What is served, as rustls takes it.
pub(crate) type Served = (Arc<ServerConfig>, Certificate);

/// Keeps an eye on a certificate: renews an own one, takes up a given one that was replaced.
#[derive(Debug)]
pub(crate) struct Watched {
    pair: Pair,
    own: bool,
    listen: IpAddr,
    /// When the files were written that are served.
    stamp: [Option<SystemTime>; 2],
    ends: i64,
}

impl Watched {
    /// Serves `pair`, made where `own` and absent, damaged or soon over.
    pub(crate) fn new(pair: Pair, own: bool, listen: IpAddr, now: Time) -> Result<(Watched, Served), Fault> {
        let mut watched = Watched { pair, own, listen, stamp: [None, None], ends: 0 };
        let served = watched.load(now)?;
        Ok((watched, served))
    }

    /// Looks again: what is to be served from now on, where that is another one.
    pub(crate) fn again(&mut self, now: Time) -> Result<Option<Served>, Fault> {
        let due = self.own && is_soon(self.ends, now);
        if !due && self.stamp == stamp(&self.pair) {
            return Ok(None);
        }
        self.load(now).map(Some)
    }

    fn load(&mut self, now: Time) -> Result<Served, Fault> {
        if self.own && !ends(&self.pair.certificate).is_ok_and(|ends| !is_soon(ends, now)) {
            make(&self.pair, self.listen, now)?;
        }
        let stamp = stamp(&self.pair);
        let served = serve(&self.pair)?;
        (self.stamp, self.ends) = (stamp, ends(&self.pair.certificate)?);
        Ok((served, Certificate { own: self.own, file: self.pair.certificate.clone(), ends: self.ends }))
    }
}

fn is_soon(ends: i64, now: Time) -> bool {
    ends - (now.secs() as i64) < SOON_DAYS * DAY
}

fn stamp(pair: &Pair) -> [Option<SystemTime>; 2] {
    [&pair.certificate, &pair.key].map(|p| std::fs::metadata(p).and_then(|m| m.modified()).ok())
}

fn bad(path: &Path, e: &dyn std::fmt::Display) -> Fault {
    Fault::new(format!("{}: {e}; give a PEM file that can be read", path.display()))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let all = CertificateDer::pem_file_iter(path).and_then(|all| all.collect::<Result<Vec<_>, _>>()).map_err(|e| bad(path, &e))?;
    if all.is_empty() { Err(bad(path, &"no certificate in it")) } else { Ok(all) }
}

/// When the first certificate of a file ends.
fn ends(path: &Path) -> Result<i64, Fault> {
    let first = chain(path)?.swap_remove(0);
    vigie_dissect::proto::tls::validity(&first).map(|v| v.1).ok_or_else(|| bad(path, &"not an X.509 certificate"))
}

fn serve(pair: &Pair) -> Result<Arc<ServerConfig>, Fault> {
    let key = PrivateKeyDer::from_pem_file(&pair.key).map_err(|e| bad(&pair.key, &e))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(Fault::of)?
        .with_no_client_auth()
        .with_single_cert(chain(&pair.certificate)?, key)
        .map_err(|e| bad(&pair.certificate, &e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
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
    let start = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now.secs().saturating_sub(DAY as u64));
    params.not_before = start.into();
    params.not_after = (start + std::time::Duration::from_secs((OWN_DAYS * DAY) as u64)).into();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn days(n: i64) -> Time {
        Time::from_secs(1_795_564_800u64.saturating_add_signed(n * DAY))
    }

    #[test]
    fn an_own_certificate_is_made_kept_and_renewed_in_time() {
        let folder = Folder::new("tls-own");
        let pair = Pair::own(&folder.0);
        let (mut watched, (_, first)) = Watched::new(pair.clone(), true, HERE, days(0)).unwrap();
        assert_eq!(first.days_left(days(0)), OWN_DAYS - 1);
        let pem = || std::fs::read(&pair.certificate).unwrap();
        let made = pem();
        // A restart keeps it, and so does a look at it as long as it is good.
        let (_, (_, again)) = Watched::new(pair.clone(), true, HERE, days(300)).unwrap();
        assert_eq!((again.ends, pem()), (first.ends, made.clone()));
        assert!(watched.again(days(300)).unwrap().is_none());
        assert!(first.warning(days(300)).is_none());
        let due = days(OWN_DAYS - SOON_DAYS);
        let (_, renewed) = watched.again(due).unwrap().expect("another certificate");
        assert_eq!(renewed.days_left(due), OWN_DAYS - 1);
        assert_ne!(pem(), made);
        assert!(watched.again(due).unwrap().is_none());
        // A damaged one is made anew at the next start.
        std::fs::write(&pair.certificate, b"not a certificate").unwrap();
        assert!(Watched::new(pair, true, HERE, due).unwrap().1.1.days_left(due) > 300);
    }

    #[test]
    fn a_given_certificate_is_complained_of_and_taken_up_when_replaced() {
        let folder = Folder::new("tls-given");
        let pair = Pair { certificate: folder.0.join("a.crt"), key: folder.0.join("a.key") };
        make(&pair, HERE, days(0)).unwrap();
        let (mut watched, (_, given)) = Watched::new(pair.clone(), false, HERE, days(0)).unwrap();
        assert!(given.warning(days(0)).is_none());
        let late = days(OWN_DAYS - SOON_DAYS);
        assert!(given.warning(late).unwrap().contains("ends in 29 days"), "{:?}", given.warning(late));
        assert!(given.warning(days(OWN_DAYS + 2)).unwrap().contains("ended 3 days ago"));
        // It is not ours to renew.
        assert!(watched.again(late).unwrap().is_none());
        // While only one of the two files is new, the old pair goes on.
        let old_key = std::fs::read(&pair.key).unwrap();
        make(&pair, HERE, late).unwrap();
        let new_key = std::fs::read(&pair.key).unwrap();
        std::fs::write(&pair.key, old_key).unwrap();
        assert!(watched.again(late).unwrap_err().to_string().contains("a.crt"));
        std::fs::write(&pair.key, new_key).unwrap();
        let (_, taken) = watched.again(late).unwrap().expect("another certificate");
        assert!(taken.warning(late).is_none());
        // No certificate is an error that names the file.
        assert!(
            Watched::new(Pair { certificate: folder.0.join("none"), key: pair.key }, false, HERE, late)
                .unwrap_err()
                .to_string()
                .contains("none")
        );
    }
}
