//! Where cases are told: what an administrator sets of it.

use hyper::Uri;
use hyper::header::HeaderValue;
use serde_json::{Value, json};
use vigie_base::Sentence;
use vigie_detect::Lang;

/// Bytes of an address at most.
const URL_MAX: usize = 2000;
/// Bytes of an authorization at most.
const AUTHORIZATION_MAX: usize = 4000;

/// An output of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CaseOutput {
    Webhook,
    Syslog,
}

impl CaseOutput {
    pub(crate) const ALL: [CaseOutput; 2] = [CaseOutput::Webhook, CaseOutput::Syslog];

    /// In a word: as the setting, the API, metrics and the catalog have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            CaseOutput::Webhook => "webhook",
            CaseOutput::Syslog => "syslog",
        }
    }
}

/// What both have: the language of the words, and whether cases of imported captures are told, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) lang: Lang,
    pub(crate) imports: bool,
}

/// A web server that takes notices as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Webhook {
    pub(crate) url: Uri,
    /// The value of the header `Authorization`. It is never shown.
    pub(crate) authorization: Option<String>,
    pub(crate) manner: Manner,
}

/// How syslog is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// RFC 5426: a message a datagram.
    Udp,
    /// RFC 6587, octet counting.
    Tcp,
}

impl Carrier {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Carrier::Udp => "udp",
            Carrier::Tcp => "tcp",
        }
    }
}

/// A collector of syslog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Syslog {
    /// Name or address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) carrier: Carrier,
    pub(crate) manner: Manner,
}

/// The members of an object, none but these.
fn members<'v>(value: &'v Value, known: &[&str], example: &str) -> Result<&'v serde_json::Map<String, Value>, Sentence> {
    let all = value.as_object().ok_or_else(|| format!("null (none), or an object is expected: {example}"))?;
    match all.keys().find(|k| !known.contains(&k.as_str())) {
        Some(key) => Err(format!("no member {:?}; there are {}", key.chars().take(40).collect::<String>(), known.join(", ")).into()),
        None => Ok(all),
    }
}

fn manner(value: &Value) -> Result<Manner, Sentence> {
    let lang = match &value["lang"] {
        Value::Null => Lang::default(),
        lang => lang.as_str().and_then(Lang::of).ok_or("lang is fr or en")?,
    };
    let imports = match &value["imports"] {
        Value::Null => false,
        imports => imports.as_bool().ok_or("imports is true or false")?,
    };
    Ok(Manner { lang, imports })
}

impl Manner {
    /// `fr` or `en`.
    pub(crate) const fn lang_name(self) -> &'static str {
        match self.lang {
            Lang::Fr => "fr",
            Lang::En => "en",
        }
    }
}

impl Webhook {
    /// Reads what is set; `null` is none. An `authorization` that is left out stays what it was, as long as it goes to the same server.
    pub(crate) fn read(value: &Value, was: Option<&Webhook>) -> Result<Option<Webhook>, Sentence> {
        if value.is_null() {
            return Ok(None);
        }
        let example = "{\"url\": \"https://siem.example/vigie\", \"authorization\": \"Bearer ...\", \"lang\": \"en\", \"imports\": false}";
        let all = members(value, &["url", "authorization", "lang", "imports"], example)?;
        let text = value["url"].as_str().unwrap_or_default().trim();
        let url: Option<Uri> = if text.len() <= URL_MAX { text.parse().ok() } else { None };
        let url = url.filter(|u| matches!(u.scheme_str(), Some("https" | "http")) && u.host().is_some_and(|h| !h.is_empty())).ok_or_else(
            || {
                Sentence::new("hook_url", "url is an address such as https://siem.example/vigie, of at most {max} bytes")
                    .with("max", URL_MAX)
            },
        )?;
        if url.authority().is_some_and(|a| a.as_str().contains('@')) {
            return Err(Sentence::new("hook_user", "an address has no user and password in it: give them as authorization"));
        }
        let authorization = match all.get("authorization") {
            None => was.filter(|w| w.origin() == origin(&url)).and_then(|w| w.authorization.clone()),
            Some(Value::Null) => None,
            Some(given) => {
                let given = given.as_str().unwrap_or_default().trim();
                if given.is_empty() || given.len() > AUTHORIZATION_MAX || HeaderValue::from_str(given).is_err() || !given.is_ascii() {
                    let said = Sentence::new(
                        "hook_authorization",
                        "authorization is the value of that header, such as \"Bearer ...\": 1 to {max} characters of one line",
                    );
                    return Err(said.with("max", AUTHORIZATION_MAX));
                }
                Some(given.to_owned())
            }
        };
        let hook = Webhook { url, authorization, manner: manner(value)? };
        if hook.authorization.is_some() && hook.url.scheme_str() == Some("http") && !hook.is_here() {
            return Err(Sentence::new(
                "hook_https",
                "an authorization goes over https only, or to this machine: anyone between could read it",
            ));
        }
        Ok(Some(hook))
    }

    fn is_here(&self) -> bool {
        matches!(self.url.host(), Some("localhost" | "127.0.0.1" | "[::1]"))
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        origin(&self.url)
    }

    /// As it is kept.
    pub(crate) fn kept(&self) -> Value {
        let mut value = json!({"url": self.url.to_string(), "lang": self.manner.lang_name(), "imports": self.manner.imports});
        if let Some(authorization) = &self.authorization {
            value["authorization"] = json!(authorization);
        }
        value
    }
}

fn origin(url: &Uri) -> String {
    format!("{}://{}", url.scheme_str().unwrap_or_default(), url.authority().map(ToString::to_string).unwrap_or_default())
}

impl Syslog {
    /// Reads what is set; `null` is none.
    pub(crate) fn read(value: &Value) -> Result<Option<Syslog>, Sentence> {
        if value.is_null() {
            return Ok(None);
        }
        let example = "{\"target\": \"syslog.example:514\", \"carrier\": \"udp\", \"lang\": \"en\", \"imports\": false}";
        members(value, &["target", "carrier", "lang", "imports"], example)?;
        let target = value["target"].as_str().unwrap_or_default().trim();
        let parted = target.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let fits = |h: &str| {
            let inner = h.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(h);
            let is_bare_v6 = h.contains(':') && inner.len() == h.len();
            (1..=255).contains(&inner.len()) && !is_bare_v6 && inner.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:".contains(c))
        };
        let Some((host, port)) = parted.filter(|(host, port)| fits(host) && *port != 0u16) else {
            return Err(Sentence::new(
                "syslog_target",
                "target is a name or address with a port, such as syslog.example:514 or [2001:db8::1]:514",
            ));
        };
        let carrier = match value["carrier"].as_str() {
            Some("udp") => Carrier::Udp,
            Some("tcp") => Carrier::Tcp,
            _ => return Err(Sentence::from("carrier is udp or tcp")),
        };
        Ok(Some(Syslog { host: host.trim_matches(['[', ']']).to_owned(), port, carrier, manner: manner(value)? }))
    }

    /// Name or address, and port.
    pub(crate) fn target(&self) -> String {
        if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }

    /// As it is kept.
    pub(crate) fn kept(&self) -> Value {
        let (lang, imports) = (self.manner.lang_name(), self.manner.imports);
        json!({"target": self.target(), "carrier": self.carrier.name(), "lang": lang, "imports": imports})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authorization_stays_with_its_server() {
        let set = |value: Value, was: Option<&Webhook>| Webhook::read(&value, was).unwrap();
        let first = set(json!({"url": "https://siem.example/a", "authorization": "Bearer x"}), None).unwrap();
        assert_eq!(Webhook::read(&first.kept(), None).unwrap().as_ref(), Some(&first));
        // Left out, it stays; null takes it away; another server does not get it.
        let moved = set(json!({"url": "https://siem.example/b"}), Some(&first)).unwrap();
        assert_eq!((moved.authorization.as_deref(), moved.origin().as_str()), (Some("Bearer x"), "https://siem.example"));
        assert_eq!(set(json!({"url": "https://siem.example/b", "authorization": null}), Some(&first)).unwrap().authorization, None);
        for other in ["https://evil.example/a", "https://siem.example:444/a", "http://siem.example/a"] {
            assert_eq!(set(json!({"url": other}), Some(&first)).unwrap().authorization, None, "{other}");
        }
        assert_eq!(Webhook::read(&Value::Null, Some(&first)), Ok(None));
        assert!(set(json!({"url": "http://127.0.0.1:8080/", "authorization": "x"}), None).is_some());
    }

    #[test]
    fn what_is_no_target_is_said_in_a_line() {
        for (value, fault) in [
            (json!("https://x"), "an object is expected"),
            (json!({"url": "ftp://x/"}), "url is an address"),
            (json!({"url": "/relative"}), "url is an address"),
            (json!({"url": "https://u:p@x/"}), "no user and password"),
            (json!({"url": "https://x/", "token": 1}), "no member \"token\""),
            (json!({"url": "https://x/", "authorization": "a\nb"}), "one line"),
            (json!({"url": "http://x/", "authorization": "a"}), "over https only"),
            (json!({"url": "https://x/", "lang": "de"}), "fr or en"),
            (json!({"url": "https://x/", "imports": 1}), "true or false"),
        ] {
            let line = Webhook::read(&value, None).unwrap_err().to_string();
            assert!(line.contains(fault) && !line.contains('\n'), "{value}: {line}");
        }
        for (value, fault) in [
            (json!([]), "an object is expected"),
            (json!({"target": "x", "carrier": "udp"}), "with a port"),
            (json!({"target": "x:0", "carrier": "udp"}), "with a port"),
            (json!({"target": "a b:514", "carrier": "udp"}), "with a port"),
            (json!({"target": "2001:db8::1:514", "carrier": "udp"}), "with a port"),
            (json!({"target": "x:514", "carrier": "tls"}), "udp or tcp"),
        ] {
            let line = Syslog::read(&value).unwrap_err().to_string();
            assert!(line.contains(fault) && !line.contains('\n'), "{value}: {line}");
        }
        let six = Syslog::read(&json!({"target": "[2001:db8::1]:514", "carrier": "tcp", "lang": "fr"})).unwrap().unwrap();
        assert_eq!((six.host.as_str(), six.target().as_str(), six.manner.lang), ("2001:db8::1", "[2001:db8::1]:514", Lang::Fr));
        assert_eq!(Syslog::read(&six.kept()), Ok(Some(six)));
    }
}
