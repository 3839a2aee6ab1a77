//! What an administrator sets: one table of keys, each with how it is read, what pins it and what it acts on.
//!
//! What is set stands in the catalog; what the configuration says stands over it and is not changed here. All of it together is
//! [`InForce`], which holds from the moment that it is set.

use crate::out::{Syslog, Webhook};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use vigie_base::time::SECOND;
use vigie_base::{Cidr, NetSet, Sentence};
use vigie_catalog::{Catalog, Error, KNOWN_AFTER};
use vigie_dissect::record::Login;
use vigie_event::Record;
use vigie_pipeline::config::{RETENTION_DAYS_MAX, RETENTION_OF_REST};
use vigie_pipeline::{Config, schemas};
use vigie_store::{Groups, Retention};

/// Networks of HOME_NET, or of one group, at most.
const NETWORKS_MAX: usize = 1_000;
/// Groups at most.
const GROUPS_MAX: usize = 200;
/// Characters of a group's name at most.
const NAME_MAX: usize = 64;
/// Characters of a group's description at most.
const DESCRIPTION_MAX: usize = 400;
/// The smallest quota: less would not hold the catalog and the journal of a quiet day.
const QUOTA_MIN: u64 = 64 << 20;
/// The greatest: whole numbers of JSON as browsers read them.
const QUOTA_MAX: u64 = 1 << 53;
/// Hours after which a network is known, unless set.
const KNOWN_AFTER_DEFAULT: u64 = 24;
/// The most that may be set: half a year.
const KNOWN_AFTER_MAX: u64 = 4_380;

/// A named group of networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkGroup {
    pub(crate) name: String,
    pub(crate) networks: Vec<String>,
    pub(crate) description: String,
    /// Whether the configuration says it.
    pub(crate) pinned: bool,
    /// The same as `networks`.
    pub(crate) set: NetSet,
}

/// All settings as they hold now.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) home_net: NetSet,
    pub(crate) groups: Vec<NetworkGroup>,
    /// Bytes of all that Vigie writes; 0 for as much as the disk holds.
    pub(crate) quota: u64,
    /// Days by kind, or `others`, `internal`; 0: until the quota.
    pub(crate) retention: BTreeMap<String, u64>,
    /// Whether imported captures are kept.
    pub(crate) captures_keep: bool,
    pub(crate) known_after_hours: u64,
    /// Where cases are told as they open and close.
    pub(crate) webhook: Option<Webhook>,
    pub(crate) syslog: Option<Syslog>,
}

/// A key.
pub(crate) struct Key {
    /// As the API has it.
    pub(crate) name: &'static str,
    /// As the catalog has it.
    kept_as: &'static str,
    /// The key of the configuration that pins it.
    pinned_by: Option<&'static str>,
    /// A member of its value that is neither shown nor exported, nor written into the trail.
    secret: Option<&'static str>,
    /// Reads a value into what is in force and gives it back as it is kept.
    read: fn(&mut InForce, &Value, Reading<'_>) -> Result<Value, Unfit>,
}

/// Why a value is not taken.
enum Unfit {
    /// It is none: one line.
    Value(Sentence),
    /// The configuration says it: one line.
    Pinned(Sentence),
}

impl From<Sentence> for Unfit {
    fn from(why: Sentence) -> Self {
        Unfit::Value(why)
    }
}

impl From<&'static str> for Unfit {
    fn from(why: &'static str) -> Self {
        Unfit::Value(why.into())
    }
}

/// Under which configuration a value is read.
#[derive(Clone, Copy)]
struct Reading<'c> {
    config: &'c Config,
    /// Whether it was set before: what of it is pinned now is passed over, and not refused.
    is_kept: bool,
}

/// Every key.
pub(crate) const KEYS: &[Key] = &[
    Key { name: "home_net", kept_as: "home_net", pinned_by: Some("vars.address-groups.HOME_NET"), secret: None, read: home_net },
    Key { name: "groups", kept_as: "groups", pinned_by: None, secret: None, read: groups },
    Key { name: "quota_bytes", kept_as: "store.quota", pinned_by: Some("store.quota"), secret: None, read: quota },
    Key { name: "retention", kept_as: "store.retention", pinned_by: None, secret: None, read: retention },
    Key { name: "captures_keep", kept_as: "store.captures", pinned_by: Some("store.captures"), secret: None, read: captures },
    Key { name: "known_after_hours", kept_as: KNOWN_AFTER, pinned_by: None, secret: None, read: known_after },
    Key { name: "webhook", kept_as: "output.webhook", pinned_by: None, secret: Some("authorization"), read: webhook },
    Key { name: "syslog", kept_as: "output.syslog", pinned_by: None, secret: None, read: syslog },
];

/// Why a change was not made.
pub(crate) enum Refused {
    /// The key or the value is none: one line.
    Value(&'static str, Sentence),
    /// The configuration says it: one line.
    Pinned(Sentence),
    /// The catalog's reason, a conflict of versions among them.
    Catalog(Error),
}

impl InForce {
    /// What the configuration and the catalog say, with what of the latter could not be read.
    pub(crate) fn load(config: &Config, catalog: &Catalog) -> Result<(InForce, Vec<String>), Error> {
        let mut now = InForce {
            home_net: config.home_net.clone(),
            groups: Vec::new(),
            quota: config.keep.quota,
            retention: config.keep.retention.clone(),
            captures_keep: config.keep.captures,
            known_after_hours: KNOWN_AFTER_DEFAULT,
            webhook: None,
            syslog: None,
        };
        now.groups = pinned_groups(config);
        let mut problems = Vec::new();
        for key in KEYS.iter().filter(|k| k.pinned(config).is_none()) {
            let Some(kept) = catalog.setting(key.kept_as)? else { continue };
            let mut next = now.clone();
            match (key.read)(&mut next, &kept.value, Reading { config, is_kept: true }) {
                Ok(_) => now = next,
                Err(Unfit::Value(why) | Unfit::Pinned(why)) => {
                    problems.push(format!("the setting {} is not taken: {why}; set it again", key.name))
                }
            }
        }
        Ok((now, problems))
    }

    /// What would be in force with one key set, and the key with its value as it is kept.
    pub(crate) fn with(&self, config: &Config, key: &str, value: &Value) -> Result<(InForce, &'static Key, Value), Refused> {
        let Some(key) = KEYS.iter().find(|k| k.name == key) else {
            let names: Vec<&str> = KEYS.iter().map(|k| k.name).collect();
            return Err(Refused::Value("key", format!("there is no such setting; a key is one of {}", names.join(", ")).into()));
        };
        if let Some(line) = key.pinned(config) {
            return Err(Refused::Pinned(line));
        }
        let mut next = self.clone();
        let reading = Reading { config, is_kept: false };
        let kept = (key.read)(&mut next, value, reading).map_err(|unfit| match unfit {
            Unfit::Value(why) => Refused::Value("value", why.under(key.name)),
            Unfit::Pinned(line) => Refused::Pinned(line),
        })?;
        Ok((next, key, kept))
    }

    /// Sets one key, in the catalog and in what is in force, if nothing was changed since `version`; with an audit row.
    pub(crate) fn change(
        &self,
        config: &Config,
        catalog: &Catalog,
        (key, value, version): (&str, &Value, Option<u64>),
        (who, at): (&str, vigie_base::Time),
    ) -> Result<InForce, Refused> {
        let (next, key, kept) = self.with(config, key, value)?;
        let now = self::version(catalog).map_err(Refused::Catalog)?;
        if version.is_some_and(|v| v != now) {
            return Err(Refused::Catalog(Error::Version(now)));
        }
        catalog.set_setting(key.kept_as, &kept, None, who, at).map_err(Refused::Catalog)?;
        catalog.audit(who, "setting", key.name, &key.shown(kept), at).map_err(Refused::Catalog)?;
        Ok(next)
    }

    /// Retention as the store takes it.
    pub(crate) fn store_retention(&self) -> Retention {
        let ns = |days: u64| if days == 0 { None } else { Some(days * 86_400 * SECOND) };
        let rest = |name: &str| self.retention.get(name).copied().and_then(ns);
        let others = rest(RETENTION_OF_REST[0]);
        let kinds = self.retention.iter().filter(|(kind, _)| !RETENTION_OF_REST.contains(&kind.as_str()));
        // Log-ins are few, and cases ask for them as long as for what else is kept.
        let logins = (Login::KIND.to_owned(), others.unwrap_or(u64::MAX));
        let kinds = kinds.map(|(kind, days)| (kind.clone(), ns(*days).unwrap_or(u64::MAX)));
        Retention { kinds: std::iter::once(logins).chain(kinds).collect(), others, internal: rest(RETENTION_OF_REST[1]) }
    }

    /// Groups as the store takes them.
    pub(crate) fn store_groups(&self) -> Groups {
        self.groups.iter().map(|g| (g.name.clone(), g.set.clone())).collect()
    }

    /// The first group that an address is in.
    pub(crate) fn group_of(&self, ip: vigie_base::Ip) -> Option<&NetworkGroup> {
        self.groups.iter().find(|g| g.set.contains(ip))
    }
}

impl Key {
    /// A value without what is secret in it.
    fn shown(&self, mut value: Value) -> Value {
        if let (Some(secret), Some(members)) = (self.secret, value.as_object_mut()) {
            members.remove(secret);
        }
        value
    }

    /// Whether the configuration says it: then the line for who would change it.
    pub(crate) fn pinned(&self, config: &Config) -> Option<Sentence> {
        config.pinned(self.pinned_by?).map(|s| pinned_line(self.name, &s.name, &s.from))
    }
}

fn pinned_line(what: &str, key: &str, from: &str) -> Sentence {
    Sentence::new("setting_pinned", "{what} is pinned by {key} ({from}): change it there")
        .with("what", what)
        .with("key", key)
        .with("from", from)
}

/// Whether the configuration says a key of the API.
pub(crate) fn is_pinned(config: &Config, name: &str) -> bool {
    KEYS.iter().any(|k| k.name == name && k.pinned(config).is_some())
}

/// Whether the configuration says the days of a kind.
pub(crate) fn is_retention_pinned(config: &Config, kind: &str) -> bool {
    config.pinned(&format!("store.retention.{kind}")).is_some()
}

/// Counts the changes of all keys: each change of one adds one.
pub(crate) fn version(catalog: &Catalog) -> Result<u64, Error> {
    let all = catalog.settings()?;
    Ok(all.iter().filter(|s| KEYS.iter().any(|k| k.kept_as == s.key)).map(|s| s.version).sum())
}

/// What is set, by the API's keys, as it is kept but for what is secret.
pub(crate) fn kept(catalog: &Catalog) -> Result<Map<String, Value>, Error> {
    let mut all = Map::new();
    for key in KEYS {
        if let Some(setting) = catalog.setting(key.kept_as)? {
            all.insert(key.name.to_owned(), key.shown(setting.value));
        }
    }
    Ok(all)
}

/// The items of a list as a NetSet is written.
pub(crate) fn items(set: &NetSet) -> Vec<String> {
    let text = set.text().trim_matches(['[', ']']);
    text.split(',').map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).collect()
}

fn pinned_groups(config: &Config) -> Vec<NetworkGroup> {
    let told = config.address_groups().map(|(name, set)| NetworkGroup {
        name: name.to_owned(),
        networks: items(&set),
        description: String::new(),
        pinned: true,
        set,
    });
    told.collect()
}

/// A list of networks, each read by `one`; in its own form.
fn networks(value: &Value, one: fn(&str) -> Result<(), String>) -> Result<(Vec<String>, NetSet), Sentence> {
    let list = value.as_array().ok_or("a list of networks is expected, such as [\"10.0.0.0/8\"]")?;
    if list.is_empty() || list.len() > NETWORKS_MAX {
        return Err(Sentence::new("networks_count", "give 1 to {max} networks").with("max", NETWORKS_MAX));
    }
    let mut all = Vec::new();
    for item in list {
        let text = item.as_str().ok_or("each network is a text such as \"10.0.0.0/8\"")?.trim();
        one(text).map_err(|why| Sentence::new("network", "\"{text}\": {why}").with("text", short(text)).with("why", why))?;
        all.push(text.to_owned());
    }
    let set: Result<NetSet, String> = format!("[{}]", all.join(",")).parse();
    Ok((all, set?))
}

fn home_net(now: &mut InForce, value: &Value, _: Reading<'_>) -> Result<Value, Unfit> {
    // An exclusion takes out of the others: `!10.1.0.0/16`.
    let (kept, set) = networks(value, |n| n.strip_prefix('!').unwrap_or(n).trim().parse::<Cidr>().map(drop))?;
    now.home_net = set;
    Ok(json!(kept))
}

fn groups(now: &mut InForce, value: &Value, of: Reading<'_>) -> Result<Value, Unfit> {
    let list =
        value.as_array().ok_or("a list is expected: [{\"name\": \"servers\", \"networks\": [\"10.1.0.0/16\"], \"description\": \"\"}]")?;
    if list.len() > GROUPS_MAX {
        return Err(Unfit::from(Sentence::new("groups_count", "at most {max} groups").with("max", GROUPS_MAX)));
    }
    let mut all = pinned_groups(of.config);
    let mut kept = Vec::new();
    for given in list {
        let text = |key: &str| given[key].as_str().unwrap_or_default().trim().to_owned();
        let (name, description) = (text("name"), text("description"));
        let fits = |c: char| c.is_alphanumeric() || " ._-".contains(c);
        if name.is_empty() || name.chars().count() > NAME_MAX || !name.chars().all(fits) {
            return Err(Unfit::from(
                Sentence::new("group_name", "a group's name has 1 to {max} letters, digits, spaces, `.`, `_` or `-`").with("max", NAME_MAX),
            ));
        }
        if name.parse::<Cidr>().is_ok() {
            return Err(Unfit::from(Sentence::new("group_address", "\"{name}\" is an address: give the group a name").with("name", &name)));
        }
        if description.chars().count() > DESCRIPTION_MAX || description.chars().any(char::is_control) {
            return Err(Unfit::from(
                Sentence::new("group_description", "{name}: a description is one line of at most {max} characters")
                    .with("name", &name)
                    .with("max", DESCRIPTION_MAX),
            ));
        }
        let (networks, set) =
            networks(&given["networks"], |n| n.parse::<Cidr>().map(drop)).map_err(|why| why.under(&name).with("of", &name))?;
        if let Some(other) = all.iter().find(|g| g.name.to_lowercase() == name.to_lowercase()) {
            // What is shown as pinned may be sent back as it is.
            if other.pinned && (of.is_kept || other.set == set) {
                continue;
            }
            return Err(match other.pinned {
                true => Unfit::Pinned(pinned_line(&name, "vars.address-groups", "the configuration")),
                false => {
                    Unfit::from(Sentence::new("group_twice", "there are two groups {name}: give each its own name").with("name", &name))
                }
            });
        }
        kept.push(json!({"name": name, "networks": networks, "description": description}));
        all.push(NetworkGroup { name, networks, description, pinned: false, set });
    }
    now.groups = all;
    Ok(Value::Array(kept))
}

fn quota(now: &mut InForce, value: &Value, _: Reading<'_>) -> Result<Value, Unfit> {
    let bytes = value.as_u64().filter(|b| *b == 0 || (QUOTA_MIN..=QUOTA_MAX).contains(b));
    now.quota = bytes.ok_or_else(|| {
        let said = Sentence::new("quota_bytes", "bytes are from {min} to {max}, or 0 for as much as the disk holds");
        said.with("min", QUOTA_MIN).with("max", QUOTA_MAX)
    })?;
    Ok(json!(now.quota))
}

/// Takes what is given over what is set; `null` takes a kind back to `others` (or `internal`).
fn retention(now: &mut InForce, value: &Value, of: Reading<'_>) -> Result<Value, Unfit> {
    let given = value.as_object().ok_or("days by kind are expected: {\"dns\": 30, \"others\": 365}")?;
    for (kind, days) in given {
        let is_rest = RETENTION_OF_REST.contains(&kind.as_str());
        if !is_rest && !schemas().iter().any(|s| s.kind == kind) {
            return Err(Unfit::from(Sentence::from(format!(
                "there is no kind of event {:?}; `others` and `internal` stand for all that have no days of their own",
                short(kind)
            ))));
        }
        let key = format!("store.retention.{kind}");
        let pinned = of.config.pinned(&key);
        let asked = match days {
            Value::Null if !is_rest => None,
            days => match days.as_u64().filter(|d| *d <= RETENTION_DAYS_MAX) {
                Some(days) => Some(days),
                None => {
                    return Err(Unfit::from(
                        Sentence::new("retention_days", "{kind}: days are from 0 (until the quota) to {max}")
                            .with("kind", kind)
                            .with("max", RETENTION_DAYS_MAX),
                    ));
                }
            },
        };
        if let Some(pinned) = pinned {
            // What is shown as pinned may be sent back as it is.
            if of.is_kept || asked == now.retention.get(kind).copied() {
                continue;
            }
            return Err(Unfit::Pinned(pinned_line(kind, &key, &pinned.from)));
        }
        match asked {
            Some(days) => now.retention.insert(kind.clone(), days),
            None => now.retention.remove(kind),
        };
    }
    let own = now.retention.iter().filter(|(kind, _)| !is_retention_pinned(of.config, kind));
    Ok(Value::Object(own.map(|(kind, days)| (kind.clone(), json!(days))).collect::<Map<_, _>>()))
}

fn captures(now: &mut InForce, value: &Value, _: Reading<'_>) -> Result<Value, Unfit> {
    now.captures_keep = value.as_bool().ok_or("true or false is expected")?;
    Ok(json!(now.captures_keep))
}

fn known_after(now: &mut InForce, value: &Value, _: Reading<'_>) -> Result<Value, Unfit> {
    let hours = value.as_u64().filter(|h| (1..=KNOWN_AFTER_MAX).contains(h));
    now.known_after_hours = hours.ok_or_else(|| Sentence::new("known_hours", "hours are from 1 to {max}").with("max", KNOWN_AFTER_MAX))?;
    Ok(json!(now.known_after_hours))
}

fn webhook(now: &mut InForce, value: &Value, _: Reading<'_>) -> Result<Value, Unfit> {
    now.webhook = Webhook::read(value, now.webhook.as_ref())?;
    Ok(now.webhook.as_ref().map_or(Value::Null, Webhook::kept))
}

fn syslog(now: &mut InForce, value: &Value, _: Reading<'_>) -> Result<Value, Unfit> {
    now.syslog = Syslog::read(value)?;
    Ok(now.syslog.as_ref().map_or(Value::Null, Syslog::kept))
}

fn short(text: &str) -> String {
    text.chars().take(NAME_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_base::Time;

    fn set(now: &InForce, config: &Config, catalog: &Catalog, key: &str, value: Value) -> Result<InForce, String> {
        now.change(config, catalog, (key, &value, None), ("ada", Time(1))).map_err(|r| match r {
            Refused::Value(_, line) | Refused::Pinned(line) => line.to_string(),
            Refused::Catalog(e) => e.to_string(),
        })
    }

    #[test]
    fn what_is_set_holds_and_is_read_again() {
        let (config, catalog) = (Config::default(), Catalog::in_memory().unwrap());
        let (mut now, problems) = InForce::load(&config, &catalog).unwrap();
        assert!(problems.is_empty() && now.quota == 0 && now.captures_keep && now.known_after_hours == 24);
        for (key, value) in [
            ("home_net", json!(["10.0.0.0/8", "!10.9.0.0/16"])),
            (
                "groups",
                json!([{"name": "servers", "networks": ["10.1.0.0/16"]}, {"name": "Wi-Fi invités", "networks": ["10.2.0.0/16", "fd00::/8"]}]),
            ),
            ("quota_bytes", json!(1u64 << 30)),
            ("retention", json!({"dns": 7, "others": 90})),
            ("retention", json!({"flow": 0, "tls": 3})),
            ("retention", json!({"tls": null})),
            ("captures_keep", json!(false)),
            ("known_after_hours", json!(48)),
            ("webhook", json!({"url": "https://siem.example/", "authorization": "Bearer secret"})),
            ("webhook", json!({"url": "https://siem.example/vigie"})),
            ("syslog", json!({"target": "siem.example:514", "carrier": "tcp"})),
        ] {
            now = set(&now, &config, &catalog, key, value).unwrap();
        }
        assert_eq!(version(&catalog).unwrap(), 11);
        let (again, problems) = InForce::load(&config, &catalog).unwrap();
        assert_eq!(problems, Vec::<String>::new());
        for now in [&now, &again] {
            assert!(now.home_net.contains("10.0.0.1".parse().unwrap()) && !now.home_net.contains("10.9.0.1".parse().unwrap()));
            assert_eq!(now.group_of("10.2.0.7".parse().unwrap()).unwrap().name, "Wi-Fi invités");
            assert_eq!((now.quota, now.captures_keep, now.known_after_hours), (1 << 30, false, 48));
            let day = 86_400 * SECOND;
            let kinds =
                [("dns", 7 * day), ("flow", u64::MAX), ("login", 90 * day)].map(|(kind, ns)| (kind.to_owned(), ns)).into_iter().collect();
            assert_eq!(now.store_retention(), Retention { kinds, others: Some(90 * day), internal: Some(2 * day) });
        }
        assert_eq!(catalog.audit_trail(&vigie_catalog::AuditFilter { limit: 100, ..Default::default() }).unwrap().total, 11);
    }

    #[test]
    fn a_secret_is_kept_and_never_told() {
        let (config, catalog) = (Config::default(), Catalog::in_memory().unwrap());
        let (now, _) = InForce::load(&config, &catalog).unwrap();
        let now =
            set(&now, &config, &catalog, "webhook", json!({"url": "https://siem.example/", "authorization": "Bearer secret"})).unwrap();
        let now = set(&now, &config, &catalog, "webhook", json!({"url": "https://siem.example/vigie"})).unwrap();
        let (again, _) = InForce::load(&config, &catalog).unwrap();
        for now in [&now, &again] {
            assert_eq!(now.webhook.as_ref().unwrap().authorization.as_deref(), Some("Bearer secret"));
        }
        let trail = catalog.audit_trail(&vigie_catalog::AuditFilter { limit: 100, ..Default::default() }).unwrap();
        let told = format!("{:?} {:?}", trail.rows, kept(&catalog).unwrap());
        assert!(told.contains("https://siem.example/vigie") && !told.contains("secret"), "{told}");
    }

    #[test]
    fn what_is_no_value_is_said_in_a_line() {
        let (config, catalog) = (Config::default(), Catalog::in_memory().unwrap());
        let (now, _) = InForce::load(&config, &catalog).unwrap();
        for (key, value, fault) in [
            ("home", json!([]), "a key is one of home_net"),
            ("home_net", json!("10.0.0.0/8"), "a list of networks"),
            ("home_net", json!([]), "1 to 1000 networks"),
            ("home_net", json!(["10.0.0.0/33"]), "the prefix goes from 0 to 32"),
            ("home_net", json!([7]), "each network is a text"),
            ("groups", json!([{"name": "", "networks": ["10.0.0.0/8"]}]), "a group's name"),
            ("groups", json!([{"name": "10.0.0.1", "networks": ["10.0.0.0/8"]}]), "is an address"),
            ("groups", json!([{"name": "a\"b", "networks": ["10.0.0.0/8"]}]), "a group's name"),
            ("groups", json!([{"name": "a", "networks": ["!10.0.0.0/8"]}]), "is not an address"),
            ("groups", json!([{"name": "a", "networks": ["10.0.0.0/8"]}, {"name": "A", "networks": ["10.0.0.0/8"]}]), "two groups"),
            ("groups", json!([{"name": "a", "networks": ["10.0.0.0/8"], "description": "x\ny"}]), "one line"),
            ("quota_bytes", json!(5), "bytes are from"),
            ("quota_bytes", json!(-1), "bytes are from"),
            ("retention", json!([]), "days by kind"),
            ("retention", json!({"dnss": 3}), "no kind of event"),
            ("retention", json!({"dns": 99999}), "days are from 0"),
            ("retention", json!({"others": null}), "days are from 0"),
            ("captures_keep", json!(1), "true or false"),
            ("known_after_hours", json!(0), "hours are from 1"),
            ("webhook", json!({"url": "x"}), "url is an address"),
            ("syslog", json!({"target": "x"}), "with a port"),
        ] {
            let line = set(&now, &config, &catalog, key, value.clone()).err().unwrap_or_else(|| panic!("{key} {value} is taken"));
            assert!(line.contains(fault) && !line.contains('\n'), "{key} {value}: {line}");
        }
        assert_eq!(version(&catalog).unwrap(), 0);
        let changed = now.change(&config, &catalog, ("known_after_hours", &json!(3), Some(1)), ("ada", Time(1)));
        assert!(matches!(changed, Err(Refused::Catalog(Error::Version(0)))));
    }

    #[test]
    fn what_the_configuration_says_stands_over_what_is_set() {
        let (mut config, catalog) = (Config::default(), Catalog::in_memory().unwrap());
        let (now, _) = InForce::load(&config, &catalog).unwrap();
        set(&now, &config, &catalog, "quota_bytes", json!(1u64 << 30)).unwrap();
        set(&now, &config, &catalog, "retention", json!({"dns": 7})).unwrap();
        for pair in [
            "store.quota=2gb",
            "store.retention.dns=30",
            "vars.address-groups.HOME_NET=[192.0.2.0/24]",
            "vars.address-groups.SERVERS=[10.1.0.0/16]",
        ] {
            config.set_pair(pair).unwrap();
        }
        let (now, problems) = InForce::load(&config, &catalog).unwrap();
        assert_eq!((now.quota, now.retention["dns"]), (2 << 30, 30));
        assert_eq!(problems, Vec::<String>::new());
        assert!(is_pinned(&config, "quota_bytes") && is_retention_pinned(&config, "dns") && !is_pinned(&config, "captures_keep"));
        for (key, value) in [
            ("quota_bytes", json!(1u64 << 30)),
            ("home_net", json!(["10.0.0.0/8"])),
            ("retention", json!({"dns": 7})),
            ("groups", json!([{"name": "servers", "networks": ["10.3.0.0/16"]}])),
        ] {
            let line = set(&now, &config, &catalog, key, value).unwrap_err();
            assert!(line.contains("is pinned by") && line.contains("change it there"), "{line}");
        }
        // What is shown may be sent back.
        let now = set(&now, &config, &catalog, "groups", json!([{"name": "SERVERS", "networks": ["10.1.0.0/16"]}])).unwrap();
        assert_eq!(now.groups.iter().map(|g| (g.name.as_str(), g.pinned)).collect::<Vec<_>>(), [("SERVERS", true)]);
        assert_eq!(set(&now, &config, &catalog, "retention", json!({"dns": 30, "tls": 5})).unwrap().retention["tls"], 5);
    }
}
