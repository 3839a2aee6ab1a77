//! How often one may ask: a bucket of tokens for each peer and each person, refilled at a steady rate.
//!
//! Generous for a console, where a page is some twenty requests; strict for what is dear: log-ins (a password is hashed at each) and
//! questions in SQL.

use crate::error::{Answer, Refusal};
use crate::person::{Peer, Person, Way};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use vigie_base::Sentence;

/// Buckets at once; when full, those that are full again go, then the one that was used least lately.
const BUCKETS_MAX: usize = 10_000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rate {
    /// Every request of a peer.
    Request,
    /// Log-ins and changes of passwords of a peer.
    LogIn,
    /// Questions in SQL and exports of a person.
    Query,
}

impl Rate {
    pub(crate) const ALL: [Rate; 3] = [Rate::Request, Rate::LogIn, Rate::Query];

    /// Requests at once, and so many a second.
    const fn bounds(self) -> (f64, f64) {
        match self {
            Rate::Request => (2_000.0, 200.0),
            Rate::LogIn => (30.0, 0.5),
            Rate::Query => (60.0, 2.0),
        }
    }

    /// In a word, for metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Rate::Request => "request",
            Rate::LogIn => "login",
            Rate::Query => "query",
        }
    }
}

/// Whom a bucket is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Whose {
    Address(IpAddr),
    Person(String),
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

/// The buckets.
#[derive(Default)]
pub(crate) struct Rates {
    buckets: Mutex<HashMap<(Rate, Whose), Bucket>>,
    refused: [AtomicU64; 3],
    /// Buckets that went because there were as many as are kept.
    pub(crate) crowded: AtomicU64,
}

impl Rates {
    /// Takes a token of a peer. Commands over the socket are not counted. Errors: 429 with when to come again.
    pub(crate) fn of_peer(&self, rate: Rate, peer: Option<&Peer>) -> Answer<()> {
        match peer {
            Some(Peer::Net(at)) => self.take(rate, Whose::Address(network(at.ip())), Instant::now()),
            _ => Ok(()),
        }
    }

    /// Takes a token of a person; commands over the socket are not counted.
    pub(crate) fn of_person(&self, rate: Rate, who: &Person) -> Answer<()> {
        match who.way {
            Way::Local => Ok(()),
            _ => self.take(rate, Whose::Person(who.name.clone()), Instant::now()),
        }
    }

    /// How often one was refused.
    pub(crate) fn refused(&self, rate: Rate) -> u64 {
        self.refused[rate as usize].load(Ordering::Relaxed)
    }

    /// How many buckets there are.
    pub(crate) fn len(&self) -> usize {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn take(&self, rate: Rate, whose: Whose, now: Instant) -> Answer<()> {
        let (burst, every_second) = rate.bounds();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (rate, whose);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&key) {
            self.make_place(&mut buckets, now);
        }
        let bucket = buckets.entry(key).or_insert(Bucket { tokens: burst, at: now });
        bucket.tokens = (bucket.tokens + now.saturating_duration_since(bucket.at).as_secs_f64() * every_second).min(burst);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            self.refused[rate as usize].fetch_add(1, Ordering::Relaxed);
            let seconds = ((1.0 - bucket.tokens) / every_second).ceil().max(1.0) as u64;
            return Err(Refusal::later(
                "rate",
                Sentence::new("rate", "too many requests; try again in {seconds} s").with("seconds", seconds),
                seconds,
            ));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    fn make_place(&self, buckets: &mut HashMap<(Rate, Whose), Bucket>, now: Instant) {
        buckets.retain(|(rate, _), b| {
            let (burst, every_second) = rate.bounds();
            b.tokens + now.saturating_duration_since(b.at).as_secs_f64() * every_second < burst
        });
        if buckets.len() >= BUCKETS_MAX
            && let Some(oldest) = buckets.iter().min_by_key(|(_, b)| b.at).map(|(key, _)| key.clone())
        {
            buckets.remove(&oldest);
            self.crowded.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whom an address belongs to: one has a /64 of IPv6 to choose from.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_none() => {
            let mut bytes = ip.octets();
            bytes[8..].fill(0);
            IpAddr::from(bytes)
        }
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_is_emptied_and_fills_again() {
        let (rates, start) = (Rates::default(), Instant::now());
        let ada = || Whose::Person("ada".to_owned());
        let (burst, every_second) = Rate::LogIn.bounds();
        let taken = (0..100).filter(|_| rates.take(Rate::LogIn, ada(), start).is_ok()).count();
        assert_eq!(taken, burst as usize);
        assert_eq!(rates.refused(Rate::LogIn), 100 - taken as u64);
        assert!(rates.take(Rate::LogIn, Whose::Person("bob".to_owned()), start).is_ok());
        assert!(rates.take(Rate::Query, ada(), start).is_ok());
        let later = start + Duration::from_secs_f64(3.0 / every_second);
        assert_eq!((0..100).filter(|_| rates.take(Rate::LogIn, ada(), later).is_ok()).count(), 3);
    }

    #[test]
    fn the_table_is_bounded_and_one_network_is_one() {
        let (rates, start) = (Rates::default(), Instant::now());
        for n in 0..2 * BUCKETS_MAX as u32 {
            assert!(rates.take(Rate::LogIn, Whose::Address(IpAddr::from(n.to_be_bytes())), start).is_ok());
        }
        assert_eq!(rates.len(), BUCKETS_MAX);
        assert_eq!(rates.crowded.load(Ordering::Relaxed), BUCKETS_MAX as u64);
        // Those that are full again make place first.
        assert!(rates.take(Rate::LogIn, Whose::Person("ada".to_owned()), start + Duration::from_secs(60)).is_ok());
        assert_eq!(rates.len(), 1);
        assert_eq!(network("2001:db8::7".parse().unwrap()), network("2001:db8::8".parse().unwrap()));
        assert_ne!(network("192.0.2.7".parse().unwrap()), network("192.0.2.8".parse().unwrap()));
    }
}
