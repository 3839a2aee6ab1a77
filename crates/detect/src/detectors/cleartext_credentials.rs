//! Clear-text credentials: passwords that anybody on the way can read.
//!
//! One low case a server, not one a log-in: what has to change is the service. Anonymous log-ins and empty passwords reveal nothing
//! and are left out (the dissector says so in `login`).
//!
//! ATT&CK: T1040 Network Sniffing (what it makes possible), T1552 Unsecured Credentials.

use crate::bounded::Bounded;
use crate::count::Distinct;
use crate::detector::{Cx, Detector, Info, Settings};
use crate::finding::{Entity, Evidence, Finding, Phase, Reason, Role, Story, Told, Value};
use crate::text::{Template, Words, protocol_name};
use vigie_base::time::SECOND;
use vigie_base::{Budget, Ip, Time};
use vigie_dissect::record::{Login, LoginRow};
use vigie_event::{Record, Row};

/// A server is told again after a day: the case is open as long as somebody uses it.
const QUIET: u64 = 24 * 3600 * SECOND;
/// Clients and users named in a finding.
const NAMED: usize = 8;

const SERVERS: Budget = Budget {
    name: "detect.cleartext_credentials.servers",
    entries_max: 1024,
    entry_bytes: Bounded::<Ip, Server>::ENTRY_BYTES + 2 * Distinct::BYTES_MAX + 1024,
    when_full: "the server unused for longest is closed",
};

/// See the module.
pub static INFO: Info = Info {
    name: "cleartext_credentials",
    sid: 9_000_008,
    signature: "VIGIE Password sent in clear text",
    category: "Potential Corporate Privacy Violation",
    story: Story::Hygiene,
    inputs: &[Login::KIND],
    budgets: &[SERVERS],
    tunables: &[],
    templates: &[SERVER],
    make: |settings: &Settings| Box::new(Cleartext { servers: Bounded::of(SERVERS, settings.share) }),
};

struct Server {
    first: Time,
    last: Time,
    protocols: Vec<String>,
    clients: Distinct,
    some_clients: Vec<Client>,
    users: Distinct,
    logins: u64,
    outside: bool,
    port: u16,
    evidence: Evidence,
    told: Told,
}

/// One of its clients: what it did, and when and in which flow it began.
struct Client {
    ip: Ip,
    logins: u64,
    first: Time,
    flow: u64,
}

struct Cleartext {
    servers: Bounded<Ip, Server>,
}

impl Detector for Cleartext {
    fn row(&mut self, row: Row<'_>, cx: &mut Cx<'_>) {
        let Some(login) = LoginRow::of(row) else { return };
        if !login.cleartext() || login.anonymous() {
            return;
        }
        let (client, server) = (cx.env.src, cx.env.dst);
        let now = cx.now;
        let (s, gone) = self.servers.entry(&server, now, || Server {
            first: now,
            last: now,
            protocols: Vec::new(),
            clients: Distinct::default(),
            some_clients: Vec::new(),
            users: Distinct::default(),
            logins: 0,
            outside: false,
            port: cx.env.dst_port,
            evidence: Evidence::default(),
            told: Told::default(),
        });
        s.last = now;
        s.logins += 1;
        s.outside |= !(cx.is_home(client) && cx.is_home(server));
        let protocol = protocol_name(login.protocol());
        if !s.protocols.contains(&protocol) && s.protocols.len() < NAMED {
            s.protocols.push(protocol);
        }
        let named = s.clients.add(&client) && s.some_clients.len() < NAMED;
        match s.some_clients.iter_mut().find(|c| c.ip == client) {
            Some(known) => known.logins += 1,
            None if named => s.some_clients.push(Client { ip: client, logins: 1, first: now, flow: cx.env.flow_id }),
            None => {}
        }
        if let Some(user) = login.user() {
            s.users.add(&user);
        }
        s.evidence.add(cx.env.flow_id);
        tell(server, s, cx, false);
        if let Some((ip, mut s)) = gone {
            tell(ip, &mut s, cx, true);
        }
    }

    fn time(&mut self, cx: &mut Cx<'_>) {
        while let Some((ip, mut s)) = self.servers.expired(cx.now, QUIET) {
            tell(ip, &mut s, cx, true);
        }
    }

    fn finish(&mut self, cx: &mut Cx<'_>) {
        while let Some((ip, mut s)) = self.servers.pop() {
            tell(ip, &mut s, cx, true);
        }
    }

    fn full(&self) -> Vec<u64> {
        vec![self.servers.evicted]
    }
}

fn tell(server: Ip, s: &mut Server, cx: &mut Cx<'_>, end: bool) {
    let mut reasons = vec![Reason { key: "cleartext_credentials.readable", points: 15 }];
    if s.outside {
        reasons.push(Reason { key: "cleartext_credentials.outside", points: 5 });
    }
    let points = reasons.iter().map(|r| r.points).sum();
    let Some(phase) = (if end { Some(Phase::Close) } else { s.told.due(s.logins, points) }) else { return };
    let mut params = vec![
        ("server", Value::Ip(server)),
        ("port", Value::Port(s.port)),
        ("protocols", Value::List(s.protocols.clone())),
        ("logins", Value::Count(s.logins)),
        ("clients", (&s.clients).into()),
        ("some", Value::List(s.some_clients.iter().map(|c| c.ip.to_string()).collect())),
        ("each", Value::List(s.some_clients.iter().map(|c| c.logins.to_string()).collect())),
        ("each_first", Value::List(s.some_clients.iter().map(|c| c.first.0.to_string()).collect())),
        ("each_flow", Value::List(s.some_clients.iter().map(|c| c.flow.to_string()).collect())),
    ];
    if s.users.count() > 0 {
        params.push(("users", (&s.users).into()));
    }
    let mut entities = vec![Entity::ip(Role::Server, server)];
    entities.extend(s.some_clients.iter().map(|c| Entity::ip(Role::Client, c.ip)));
    let finding = Finding {
        detector: INFO.name,
        key: Finding::key_of(&[b"cleartext", &server.0], s.first),
        phase,
        template: SERVER.key,
        params,
        entities,
        reasons,
        count: s.logins,
        evidence: s.evidence.flows(),
        first: s.first,
        last: s.last,
        opens_case: true,
        env: cx.env,
    };
    cx.tell(phase, finding);
}

const SERVER: Template = Template {
    key: "server",
    techniques: &["T1040", "T1552"],
    en: Words {
        title: "Passwords in clear text to {server} ({protocols})",
        story: "{logins} {logins#log-in attempt|log-in attempts} to {server} (port {port}, {protocols}) sent the password in clear text, from {clients} {clients#machine|machines}: \
            {some}[[, with {users} user {users#name|names}]]. Anybody who sees this traffic, as Vigie does, can read and reuse it. Vigie does not keep it.",
        innocent: "A device or old program that knows no encrypted log-in, on a network that nobody else can listen to, or a test account without value.",
        summary: "{logins} clear-text {protocols} {logins#log-in attempt|log-in attempts} to {server} from {clients} {clients#machine|machines}",
        checks: &[
            "Whether the service on {server} offers an encrypted form (FTPS or SFTP, SSH in place of Telnet, HTTPS, STARTTLS), and why it is not used.",
            "Whether the same password is used elsewhere, above all for administration.",
        ],
        actions: &[
            "Switch the service to its encrypted form and refuse the clear one.",
            "Change the passwords that were sent, once the service is encrypted.",
        ],
        reasons: &[
            ("cleartext_credentials.readable", "{logins} {logins#password|passwords} could be read on the wire ({protocols})"),
            ("cleartext_credentials.outside", "one end is outside your networks: the password crosses networks that you do not control"),
        ],
    },
    fr: Words {
        title: "Mots de passe en clair vers {server} ({protocols})",
        story: "{logins} {logins#tentative|tentatives} d’identification auprès de {server} (port {port}, {protocols}) {logins#a envoyé|ont envoyé} le mot de passe en clair, depuis {clients} {clients#machine|machines} : \
            {some}[[, avec {users} {users#nom|noms} d’utilisateur]]. Quiconque voit ce trafic, comme Vigie le voit, peut le lire et s’en servir. Vigie ne le conserve pas.",
        innocent: "Un appareil ou un programme ancien qui ne connaît pas de connexion chiffrée, sur un réseau que personne d’autre ne peut écouter, ou un compte d’essai sans valeur.",
        summary: "{logins} {logins#tentative|tentatives} d’identification {protocols} en clair vers {server} depuis {clients} {clients#machine|machines}",
        checks: &[
            "Si le service de {server} propose une forme chiffrée (FTPS ou SFTP, SSH au lieu de Telnet, HTTPS, STARTTLS), et pourquoi elle n’est pas employée.",
            "Si le même mot de passe sert ailleurs, surtout pour l’administration.",
        ],
        actions: &[
            "Passez le service à sa forme chiffrée et refusez la forme en clair.",
            "Changez les mots de passe qui ont circulé, une fois le service chiffré.",
        ],
        reasons: &[
            (
                "cleartext_credentials.readable",
                "{logins} {logins#mot de passe pouvait être lu|mots de passe pouvaient être lus} sur le réseau ({protocols})",
            ),
            (
                "cleartext_credentials.outside",
                "une extrémité est hors de vos réseaux : le mot de passe traverse des réseaux que vous ne maîtrisez pas",
            ),
        ],
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn login(cleartext: bool, anonymous: bool) -> Login<'static> {
        Login { protocol: "telnet", user: Some(b"root"), method: "password", outcome: "success", cleartext, anonymous, tries: 1 }
    }

    #[test]
    fn one_a_server() {
        let mut b = Bench::of(INFO.name);
        for i in 0..40 {
            b.flow(i + 1).from(&format!("10.0.0.{}", i % 4)).to("10.0.1.1", 23).at(5.0).push(&login(true, false));
        }
        b.to("10.0.1.2", 23).push(&login(true, false));
        let found = b.finish();
        assert_eq!(found.iter().map(|f| f.count).collect::<Vec<_>>(), [40, 1]);
        assert_eq!(found[0].param("each"), Some(&Value::List(vec!["10".to_owned(); 4])));
        assert!(found.iter().all(|f| f.score() < 25));
    }

    #[test]
    fn anonymous_and_encrypted_are_not() {
        let mut b = Bench::of(INFO.name);
        b.push(&login(true, true)).push(&login(false, false));
        assert!(b.finish().is_empty());
    }
}
