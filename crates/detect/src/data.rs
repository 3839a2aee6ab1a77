//! A finding as JSON data, and back: what is kept is data, the words are made when it is read.
//!
//! Names stand as text and are looked up again in the registry, so that a finding of a detector that no longer exists is told as
//! unreadable and not guessed. The envelope is not kept but for its transport: it served the `alert` event.

use crate::finding::{Entity, Finding, Param, Phase, Reason, Role, Story, Value};
use crate::registry::{DETECTORS, info};
use crate::text::Template;
use serde_json::{Map, Value as Json, json};
use std::fmt::Display;
use std::str::FromStr;
use vigie_base::Time;
use vigie_event::Envelope;

impl Phase {
    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Open => "open",
            Phase::Update => "update",
            Phase::Close => "close",
            Phase::Mended => "mended",
        }
    }

    /// From its name.
    pub fn of(name: &str) -> Option<Self> {
        [Phase::Open, Phase::Update, Phase::Close, Phase::Mended].into_iter().find(|p| p.name() == name)
    }
}

impl Role {
    /// From its name.
    pub fn of(name: &str) -> Option<Self> {
        [Role::Attacker, Role::Victim, Role::Client, Role::Server, Role::Subject].into_iter().find(|r| r.name() == name)
    }
}

impl Story {
    /// From its name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

impl Entity {
    /// As data: what is not known is left out.
    pub fn to_json(&self) -> Json {
        let mut o = Map::new();
        o.insert("role".into(), self.role.name().into());
        let mut text = |key: &str, value: Option<String>| value.map(|v| o.insert(key.into(), v.into()));
        text("ip", self.ip.map(|v| v.to_string()));
        text("net", self.net.map(|v| v.to_string()));
        text("mac", self.mac.map(|v| v.to_string()));
        text("name", self.name.clone());
        Json::Object(o)
    }

    /// From data. Errors name the key.
    pub fn from_json(v: &Json) -> Result<Self, String> {
        Ok(Entity {
            role: Role::of(text(v, "role")?).ok_or_else(|| unknown("role", &v["role"]))?,
            ip: maybe(v, "ip")?,
            net: maybe(v, "net")?,
            mac: maybe(v, "mac")?,
            name: v.get("name").and_then(Json::as_str).map(str::to_owned),
        })
    }
}

impl Value {
    /// As data: an object of one key, which is the type.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Count(n) => json!({ "count": n }),
            Value::About(n) => json!({ "about": n }),
            Value::Text(t) => json!({ "text": t }),
            Value::List(l) => json!({ "list": l }),
            Value::Ip(ip) => json!({ "ip": ip.to_string() }),
            Value::Net(n) => json!({ "net": n.to_string() }),
            Value::Mac(m) => json!({ "mac": m.to_string() }),
            Value::Port(p) => json!({ "port": p }),
            Value::Bytes(n) => json!({ "bytes": n }),
            Value::Duration(n) => json!({ "ns": n }),
            Value::Percent(p) => json!({ "percent": p }),
            Value::PerMille(p) => json!({ "permille": p }),
        }
    }

    /// From data. Errors name the type.
    pub fn from_json(v: &Json) -> Result<Self, String> {
        let Some((kind, _)) = v.as_object().filter(|o| o.len() == 1).and_then(|o| o.iter().next()) else {
            return Err(format!("a value is an object of one key, not {}", short(v)));
        };
        Ok(match kind.as_str() {
            "count" => Value::Count(number(v, kind)?),
            "about" => Value::About(number(v, kind)?),
            "text" => Value::Text(text(v, kind)?.to_owned()),
            "list" => Value::List(list(v, kind, |i| i.as_str().map(str::to_owned).ok_or_else(|| unknown("text", i)))?),
            "ip" => Value::Ip(parsed(v, kind)?),
            "net" => Value::Net(parsed(v, kind)?),
            "mac" => Value::Mac(parsed(v, kind)?),
            "port" => Value::Port(small(v, kind)?),
            "bytes" => Value::Bytes(number(v, kind)?),
            "ns" => Value::Duration(number(v, kind)?),
            "percent" => Value::Percent(small(v, kind)?),
            "permille" => Value::PerMille(number(v, kind)?),
            _ => return Err(unknown("type of value", &kind.as_str().into())),
        })
    }
}

impl Finding {
    /// As data.
    pub fn to_json(&self) -> Json {
        json!({
            "detector": self.detector,
            "key": self.key,
            "phase": self.phase.name(),
            "template": self.template,
            "params": self.params.iter().map(|(k, v)| json!([k, v.to_json()])).collect::<Vec<_>>(),
            "entities": self.entities.iter().map(Entity::to_json).collect::<Vec<_>>(),
            "reasons": self.reasons.iter().map(|r| json!([r.key, r.points])).collect::<Vec<_>>(),
            "count": self.count,
            "evidence": self.evidence,
            "first": self.first.0,
            "last": self.last.0,
            "opens_case": self.opens_case,
            "proto": self.env.proto,
        })
    }

    /// From data. Its envelope has only the time and the transport; a parameter that no text of the template asks for any more is left out.
    /// Errors name the key, or the name that the registry does not know.
    pub fn from_json(v: &Json) -> Result<Self, String> {
        let name = text(v, "detector")?;
        let about = info(name).ok_or_else(|| unknown("detector", &v["detector"]))?;
        let key = text(v, "template")?;
        let template =
            about.templates.iter().find(|t| t.key == key).ok_or_else(|| format!("{}: {name}", unknown("template", &v["template"])))?;
        let names = names_of(template);
        let mut params: Vec<Param> = Vec::new();
        for p in items(v, "params")? {
            let known = p.get(0).and_then(Json::as_str).ok_or_else(|| unknown("parameter", p))?;
            if let Some(name) = names.iter().find(|n| **n == known) {
                params.push((name, Value::from_json(p.get(1).unwrap_or(&Json::Null))?));
            }
        }
        let last = Time(number(v, "last")?);
        Ok(Finding {
            detector: about.name,
            key: number(v, "key")?,
            phase: Phase::of(text(v, "phase")?).ok_or_else(|| unknown("phase", &v["phase"]))?,
            template: template.key,
            params,
            entities: list(v, "entities", Entity::from_json)?,
            reasons: list(v, "reasons", |r| {
                let key = r.get(0).and_then(Json::as_str).and_then(reason_key).ok_or_else(|| unknown("reason", &r[0]))?;
                let points = r.get(1).and_then(Json::as_u64).and_then(|p| p.try_into().ok()).ok_or_else(|| unknown("points", &r[1]))?;
                Ok(Reason { key, points })
            })?,
            count: number(v, "count")?,
            evidence: list(v, "evidence", |f| f.as_u64().ok_or_else(|| unknown("flow", f)))?,
            first: Time(number(v, "first")?),
            last,
            opens_case: v.get("opens_case").and_then(Json::as_bool).ok_or_else(|| missing("opens_case"))?,
            env: Envelope { ts: last, proto: small(v, "proto")?, ..Envelope::default() },
        })
    }

    /// What the parameter `name` says.
    pub fn param(&self, name: &str) -> Option<&Value> {
        self.params.iter().find(|p| p.0 == name).map(|p| &p.1)
    }
}

/// A reason's name as the detectors declare it.
fn reason_key(name: &str) -> Option<&'static str> {
    let all = DETECTORS.iter().flat_map(|d| d.templates).flat_map(|t| t.en.reasons);
    all.map(|r| r.0).find(|k| *k == name)
}

/// The parameters that the texts of a template ask for; and `port`, `protocol`, by which exclusions go, and what
/// each machine did (`each`, since when, `each_first`, and in which flow, `each_flow`), by which the picture of a case goes, whatever the texts say.
fn names_of(t: &'static Template) -> Vec<&'static str> {
    let mut names = vec!["port", "protocol", "each", "each_first", "each_flow"];
    for w in [&t.en, &t.fr] {
        let texts = [w.title, w.story, w.innocent, w.summary].into_iter();
        let texts = texts.chain(w.checks.iter().copied()).chain(w.actions.iter().copied()).chain(w.reasons.iter().map(|r| r.1));
        for part in texts.flat_map(|text| text.split('{').skip(1)) {
            let name = part.split(['}', '#']).next().unwrap_or("");
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn missing(key: &str) -> String {
    format!("\"{key}\" is missing or of another type")
}

fn unknown(what: &str, v: &Json) -> String {
    format!("this version knows no {what} {}", short(v))
}

fn short(v: &Json) -> String {
    v.to_string().chars().take(60).collect()
}

fn text<'v>(v: &'v Json, key: &str) -> Result<&'v str, String> {
    v.get(key).and_then(Json::as_str).ok_or_else(|| missing(key))
}

fn number(v: &Json, key: &str) -> Result<u64, String> {
    v.get(key).and_then(Json::as_u64).ok_or_else(|| missing(key))
}

fn small<T: TryFrom<u64>>(v: &Json, key: &str) -> Result<T, String> {
    number(v, key)?.try_into().map_err(|_| missing(key))
}

fn items<'v>(v: &'v Json, key: &str) -> Result<&'v [Json], String> {
    v.get(key).and_then(Json::as_array).map(Vec::as_slice).ok_or_else(|| missing(key))
}

fn list<T>(v: &Json, key: &str, read: impl Fn(&Json) -> Result<T, String>) -> Result<Vec<T>, String> {
    items(v, key)?.iter().map(read).collect()
}

fn parsed<T: FromStr>(v: &Json, key: &str) -> Result<T, String>
where
    T::Err: Display,
{
    text(v, key)?.parse().map_err(|e| format!("\"{key}\": {e}"))
}

fn maybe<T: FromStr>(v: &Json, key: &str) -> Result<Option<T>, String>
where
    T::Err: Display,
{
    if v.get(key).is_none_or(Json::is_null) { Ok(None) } else { parsed(v, key).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Lang, render};
    use proptest::prelude::*;
    use vigie_base::{Ip, Mac};

    fn sample() -> Finding {
        Finding {
            detector: "brute_force",
            key: u64::MAX,
            phase: Phase::Update,
            template: "pair",
            params: vec![
                ("attacker", Value::Ip(Ip::v4([10, 0, 0, 9]))),
                ("port", Value::Port(21)),
                ("tries", Value::Count(u64::MAX)),
                ("protocol", Value::Text("<script>\u{0}\"".into())),
                ("duration", Value::Duration(60)),
                ("users", Value::About(50)),
            ],
            entities: vec![
                Entity::mac(Role::Attacker, Mac([2, 0, 0, 0, 0, 1]), Some("fe80::1".parse().unwrap())),
                Entity { name: Some("\u{202e}x".into()), ..Entity::net(Role::Victim, "10.0.0.0/8".parse().unwrap()) },
            ],
            reasons: vec![Reason { key: "brute_force.failures", points: 30 }],
            count: 40,
            evidence: vec![1 << 52, 8],
            first: Time(1),
            last: Time(u64::MAX),
            opens_case: true,
            env: Envelope { proto: 6, ..Envelope::default() },
        }
    }

    #[test]
    fn a_finding_comes_back_as_it_was() {
        let f = sample();
        let text = f.to_json().to_string();
        let back = Finding::from_json(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(back.to_json().to_string(), text);
        assert_eq!((&back.params, &back.entities, &back.reasons), (&f.params, &f.entities, &f.reasons));
        let title = crate::registry::template(&f).unwrap().words(Lang::En).title;
        assert_eq!(render(title, &back.params, Lang::En), render(title, &f.params, Lang::En));
    }

    #[test]
    fn unknown_names_are_named() {
        for (key, value, want) in [
            ("detector", json!("mind_reader"), "no detector \"mind_reader\""),
            ("template", json!("trio"), "no template \"trio\""),
            ("reasons", json!([["x.y", 3]]), "no reason \"x.y\""),
            ("phase", json!("later"), "no phase"),
            ("entities", json!([{"role": "king"}]), "no role"),
            ("params", json!([["port", {"port": 70_000}]]), "\"port\""),
            ("count", json!(-1), "\"count\""),
        ] {
            let mut v = sample().to_json();
            v[key] = value;
            let e = Finding::from_json(&v).unwrap_err();
            assert!(e.contains(want), "{e}");
        }
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            ".{0,8}".prop_map(Json::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::vec(("(ip|count|list|port|net|mac|role)", inner), 0..3)
                    .prop_map(|l| Json::Object(l.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_data_panics(key in 0usize..13, v in any_json()) {
            let mut f = sample().to_json();
            let name = f.as_object().unwrap().keys().nth(key).unwrap().clone();
            f[&name] = v.clone();
            if let Ok(read) = Finding::from_json(&f) {
                prop_assert_eq!(Finding::from_json(&read.to_json()).unwrap().to_json(), read.to_json());
            }
            let _ = (Finding::from_json(&v), Value::from_json(&v), Entity::from_json(&v));
        }
    }
}
