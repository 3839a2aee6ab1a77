//! Brute force and password spraying: log-ins that fail again and again, on any protocol that tells of log-ins.
//!
//! Three views of the same `login` rows. **Pair**: one machine against one server. **Source**: one machine against many servers,
//! a few tries each. **Target**: many machines against one server, a few tries each. Each view keeps a level that a failure raises
//! and that drains with time: a person who mistypes, or a mail client that tries a stale password every few minutes, never
//! fills it; a program does in seconds. Slow guessing is told by many different user names over a day.
//!
//! Encrypted log-ins are judged by their sessions' shape where the dissector says so (`method` `shape`).
//!
//! ATT&CK: T1110 Brute Force (T1110.001 guessing, T1110.003 spraying), T1078 Valid Accounts where one succeeded.

use crate::bounded::Bounded;
use crate::count::{Distinct, Leaky};
use crate::detector::{Cx, Detector, Info, Settings, Tunable};
use crate::finding::{Entity, Evidence, Finding, Phase, Reason, Role, Story, Told, Value};
use crate::text::{Template, Words, protocol_name};
use vigie_base::time::SECOND;
use vigie_base::{Budget, Ip, Share, Time};
use vigie_dissect::record::{Login, LoginRow};
use vigie_event::{Record, Row};

/// Failures that open a finding, above what drained. People give up or ask for help after three to five.
static FAILURES: Tunable = Tunable {
    key: "detect.brute_force.failures",
    default: 8,
    range: (2, 10_000),
    doc: "Failed log-ins of one machine at one server that are told as brute force, above one a minute.",
};
/// What drains of that level, a second: one failure a minute. Stale stored passwords are tried less often than that.
const DRAIN: f64 = 1.0 / 60.0;
/// What a log-in of unknown outcome counts for: half the tries of a guessing tool are told from nothing but their number.
const UNKNOWN: f64 = 0.25;
/// What a success takes from the level: behind one address may be many people who log in and sometimes mistype.
const SUCCESS_RELIEF: f64 = 4.0;
/// Different user names that failed in a day, which open a finding however slowly: nobody has so many accounts at one server.
static USERS: Tunable = Tunable {
    key: "detect.brute_force.users",
    default: 8,
    range: (2, 10_000),
    doc: "Different user names failing in a day, from one machine at one server, that are told as brute force however slowly.",
};
/// A pair with so many user names is remembered as slow guessing once it is quiet.
const SLOW_USERS: u64 = 2;
/// Failures against several servers together.
static SOURCE_FAILURES: Tunable = Tunable {
    key: "detect.brute_force.spray_failures",
    default: 12,
    range: (2, 10_000),
    doc: "Failed log-ins of one machine at several servers together that are told as spraying.",
};
/// Servers that must be among them.
static SOURCE_VICTIMS: Tunable =
    Tunable { key: "detect.brute_force.spray_servers", default: 4, range: (2, 10_000), doc: "Servers that must be among them." };
/// Failures from several machines together, above what drained at [`TARGET_DRAIN`].
static TARGET_FAILURES: Tunable = Tunable {
    key: "detect.brute_force.distributed_failures",
    default: 20,
    range: (2, 10_000),
    doc: "Failed log-ins of several machines at one server together that are told, above two a minute.",
};
/// Two a minute: a busy server sees honest mistakes from many people.
const TARGET_DRAIN: f64 = 1.0 / 30.0;
/// Machines that must be among them.
static TARGET_SOURCES: Tunable =
    Tunable { key: "detect.brute_force.distributed_sources", default: 5, range: (2, 10_000), doc: "Machines that must be among them." };
/// Failures for each success that a distributed attack shows at least.
const TARGET_RATIO: f64 = 3.0;
/// A finding without a new try for so long is over; so is what led to none.
const QUIET: u64 = 30 * 60 * SECOND;
/// Slow guessing is remembered for so long.
const SLOW: u64 = 24 * 3600 * SECOND;
/// Addresses kept for the text of a finding.
const PEERS: usize = 8;

/// What a tally points to: two counts, addresses, flows, words.
const HEAP: u64 = 2 * Distinct::BYTES_MAX + (PEERS * size_of::<Ip>() + 16 * Evidence::KEPT + 160) as u64;

const PAIRS: Budget = Budget {
    name: "detect.brute_force.pairs",
    entries_max: 6144,
    entry_bytes: Bounded::<Key, Tally>::ENTRY_BYTES + HEAP,
    when_full: "the pair unused for longest is forgotten",
};
const SOURCES: Budget = Budget {
    name: "detect.brute_force.sources",
    entries_max: 1024,
    entry_bytes: Bounded::<Key, Tally>::ENTRY_BYTES + HEAP,
    when_full: "the source unused for longest is forgotten",
};
const TARGETS: Budget = Budget {
    name: "detect.brute_force.targets",
    entries_max: 1024,
    entry_bytes: Bounded::<Key, Tally>::ENTRY_BYTES + HEAP,
    when_full: "the server unused for longest is forgotten",
};
const SLOW_PAIRS: Budget = Budget {
    name: "detect.brute_force.slow",
    entries_max: 1024,
    entry_bytes: Bounded::<Key, Tally>::ENTRY_BYTES + HEAP,
    when_full: "the pair unused for longest is forgotten",
};

/// The reason of a log-in that succeeded after the failures.
pub(crate) const SUCCEEDED: &str = "brute_force.success";

/// See the module.
pub static INFO: Info = Info {
    name: "brute_force",
    sid: 9_000_001,
    signature: "VIGIE Repeated failed log-ins (brute force or password spraying)",
    category: "Attempted Administrator Privilege Gain",
    story: Story::Intrusion,
    inputs: &[Login::KIND],
    budgets: &[PAIRS, SOURCES, TARGETS, SLOW_PAIRS],
    tunables: &[&FAILURES, &USERS, &SOURCE_FAILURES, &SOURCE_VICTIMS, &TARGET_FAILURES, &TARGET_SOURCES],
    templates: &[PAIR, SPRAY, DISTRIBUTED],
    make: |settings: &Settings| Box::new(BruteForce::new(settings.share)),
};

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum View {
    Pair,
    Source,
    Target,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    /// Attacker, but for [`View::Target`].
    attacker: Ip,
    /// Victim, but for [`View::Source`].
    victim: Ip,
    protocol: String,
}

struct Tally {
    first: Time,
    last: Time,
    level: Leaky,
    failures: u64,
    unknown: u64,
    successes: u64,
    users: Distinct,
    peers: Distinct,
    /// The first few peers, in the order seen.
    some_peers: Vec<Ip>,
    port: u16,
    shape: bool,
    /// The first success after the level was reached.
    success: Option<(Time, String)>,
    evidence: Evidence,
    told: Told,
}

impl Tally {
    fn new(now: Time) -> Self {
        Tally {
            first: now,
            last: now,
            level: Leaky::default(),
            failures: 0,
            unknown: 0,
            successes: 0,
            users: Distinct::default(),
            peers: Distinct::default(),
            some_peers: Vec::new(),
            port: 0,
            shape: false,
            success: None,
            evidence: Evidence::default(),
            told: Told::default(),
        }
    }

    fn tries(&self) -> u64 {
        self.failures + self.unknown
    }
}

struct BruteForce {
    pairs: Bounded<Key, Tally>,
    sources: Bounded<Key, Tally>,
    targets: Bounded<Key, Tally>,
    /// Pairs that went quiet without a finding, but with several user names.
    slow: Bounded<Key, Tally>,
}

impl BruteForce {
    fn new(share: Share) -> Self {
        BruteForce {
            pairs: Bounded::of(PAIRS, share),
            sources: Bounded::of(SOURCES, share),
            targets: Bounded::of(TARGETS, share),
            slow: Bounded::of(SLOW_PAIRS, share),
        }
    }

    fn table(&mut self, view: View) -> &mut Bounded<Key, Tally> {
        match view {
            View::Pair => &mut self.pairs,
            View::Source => &mut self.sources,
            View::Target => &mut self.targets,
        }
    }

    fn count(&mut self, view: View, key: &Key, login: &LoginRow<'_>, cx: &mut Cx<'_>) -> bool {
        let now = cx.now;
        let slow = if view == View::Pair { self.slow.remove(key).filter(|t| now.since(t.first) <= SLOW) } else { None };
        let (tally, gone) = self.table(view).entry(key, now, || slow.unwrap_or_else(|| Tally::new(now)));
        tally.last = now;
        tally.port = cx.env.dst_port;
        tally.shape |= login.method() == "shape";
        let tries = u64::from(login.tries().max(1));
        let user = login.user().map(|u| vigie_base::text::lossy(u).into_owned());
        let drain = if view == View::Target { TARGET_DRAIN } else { DRAIN };
        match login.outcome() {
            "success" => {
                tally.successes += 1;
                if tally.told.is_open() {
                    tally.evidence.add(cx.env.flow_id);
                    tally.success.get_or_insert_with(|| (now, user.unwrap_or_default()));
                } else {
                    tally.level.lower(SUCCESS_RELIEF);
                }
            }
            outcome => {
                let weight = if outcome == "failure" { 1.0 } else { UNKNOWN };
                // One row can stand for many tries; a cap keeps one row from being the whole case.
                tally.level.add(now, weight * tries.min(100) as f64, drain);
                *(if outcome == "failure" { &mut tally.failures } else { &mut tally.unknown }) += tries;
                if let Some(user) = &user {
                    tally.users.add(user);
                }
                let peer = if view == View::Target { cx.env.src } else { cx.env.dst };
                if tally.peers.add(&peer) && tally.some_peers.len() < PEERS {
                    tally.some_peers.push(peer);
                }
                tally.evidence.add(cx.env.flow_id);
            }
        }
        let reached = |failures: &Tunable| tally.level.level() >= cx.settings.get(failures) as f64;
        let enough = match view {
            View::Pair => {
                let users = cx.settings.get(&USERS);
                reached(&FAILURES) || (tally.users.count() >= users && tally.tries() >= users && tally.successes * 2 < tally.tries())
            }
            View::Source => reached(&SOURCE_FAILURES) && tally.peers.count() >= cx.settings.get(&SOURCE_VICTIMS),
            View::Target => {
                reached(&TARGET_FAILURES)
                    && tally.peers.count() >= cx.settings.get(&TARGET_SOURCES)
                    && tally.failures as f64 >= TARGET_RATIO * tally.successes as f64
            }
        };
        if tally.told.is_open() || enough {
            tell(view, key, tally, cx, false);
        }
        let open = tally.told.is_open();
        if let Some((key, mut tally)) = gone {
            tell_end(view, &key, &mut tally, cx);
        }
        open
    }
}

impl Detector for BruteForce {
    fn row(&mut self, row: Row<'_>, cx: &mut Cx<'_>) {
        let Some(login) = LoginRow::of(row) else { return };
        if login.anonymous() {
            return;
        }
        let (attacker, victim, protocol) = (cx.env.src, cx.env.dst, login.protocol().to_owned());
        let none = Ip::default();
        let alone = self.count(View::Pair, &Key { attacker, victim, protocol: protocol.clone() }, &login, cx);
        // What one pair shows by itself is not also spraying or distributed.
        let source = Key { attacker, victim: none, protocol: protocol.clone() };
        if !alone || self.sources.get(&source).is_some_and(|t| t.told.is_open()) {
            self.count(View::Source, &source, &login, cx);
        }
        let target = Key { attacker: none, victim, protocol };
        if !alone || self.targets.get(&target).is_some_and(|t| t.told.is_open()) {
            self.count(View::Target, &target, &login, cx);
        }
    }

    fn time(&mut self, cx: &mut Cx<'_>) {
        for view in [View::Pair, View::Source, View::Target] {
            while let Some((key, mut tally)) = self.table(view).expired(cx.now, QUIET) {
                if tally.told.is_open() {
                    tell_end(view, &key, &mut tally, cx);
                } else if view == View::Pair && tally.users.count() >= SLOW_USERS {
                    self.slow.entry(&key, cx.now, || tally);
                }
            }
        }
        while self.slow.expired(cx.now, SLOW).is_some() {}
    }

    fn finish(&mut self, cx: &mut Cx<'_>) {
        for view in [View::Pair, View::Source, View::Target] {
            while let Some((key, mut tally)) = self.table(view).pop() {
                tell_end(view, &key, &mut tally, cx);
            }
        }
    }

    fn full(&self) -> Vec<u64> {
        vec![self.pairs.evicted, self.sources.evicted, self.targets.evicted, self.slow.evicted]
    }
}

fn tell_end(view: View, key: &Key, tally: &mut Tally, cx: &mut Cx<'_>) {
    if tally.told.is_open() {
        tell(view, key, tally, cx, true);
    }
}

fn tell(view: View, key: &Key, tally: &mut Tally, cx: &mut Cx<'_>, end: bool) {
    let mut reasons = vec![match view {
        View::Pair => Reason { key: "brute_force.failures", points: 30 },
        View::Source => Reason { key: "brute_force.servers", points: 35 },
        View::Target => Reason { key: "brute_force.sources", points: 30 },
    }];
    if tally.tries() >= 100 {
        reasons.push(Reason { key: "brute_force.many", points: 10 });
    }
    if tally.users.count() >= 5 {
        reasons.push(Reason { key: "brute_force.users", points: 10 });
    }
    if tally.success.is_some() {
        reasons.push(Reason { key: SUCCEEDED, points: 40 });
    }
    let points = reasons.iter().map(|r| r.points).sum();
    let Some(phase) = (if end { Some(Phase::Close) } else { tally.told.due(tally.tries(), points) }) else { return };
    let mut params = vec![
        ("attacker", Value::Ip(key.attacker)),
        ("victim", Value::Ip(key.victim)),
        ("protocol", Value::Text(protocol_name(&key.protocol))),
        ("port", Value::Port(tally.port)),
        ("tries", Value::Count(tally.tries())),
        ("duration", Value::Duration(tally.last.since(tally.first))),
    ];
    if tally.users.count() > 0 {
        params.push(("users", (&tally.users).into()));
    }
    if tally.shape {
        params.push(("shape", Value::Text(String::new())));
    }
    if let Some((_, user)) = &tally.success {
        params.push(("succeeded", Value::Text(String::new())));
        if !user.is_empty() {
            params.push(("user", Value::Text(user.clone())));
        }
    }
    let mut entities = Vec::new();
    match view {
        View::Pair => entities.extend([Entity::ip(Role::Attacker, key.attacker), Entity::ip(Role::Victim, key.victim)]),
        View::Source => {
            entities.push(Entity::ip(Role::Attacker, key.attacker));
            entities.extend(tally.some_peers.iter().map(|ip| Entity::ip(Role::Victim, *ip)));
        }
        View::Target => {
            entities.push(Entity::ip(Role::Victim, key.victim));
            entities.extend(tally.some_peers.iter().map(|ip| Entity::ip(Role::Attacker, *ip)));
        }
    }
    if view != View::Pair {
        params.push(("peers", (&tally.peers).into()));
        params.push(("some", Value::List(tally.some_peers.iter().map(Ip::to_string).collect())));
    }
    let (template, kind): (_, &[u8]) = match view {
        View::Pair => (PAIR.key, b"pair"),
        View::Source => (SPRAY.key, b"source"),
        View::Target => (DISTRIBUTED.key, b"target"),
    };
    let finding = Finding {
        detector: INFO.name,
        key: Finding::key_of(&[b"brute_force", kind, &key.attacker.0, &key.victim.0, key.protocol.as_bytes()], tally.first),
        phase,
        template,
        params,
        entities,
        reasons,
        count: tally.tries(),
        evidence: tally.evidence.flows(),
        first: tally.first,
        last: tally.last,
        opens_case: true,
        env: cx.env,
    };
    cx.tell(phase, finding);
}

const REASONS_EN: &[(&str, &str)] = &[
    (
        "brute_force.failures",
        "{tries} failed log-in {tries#attempt|attempts} to {protocol} within {duration}: more than a person makes by mistake",
    ),
    ("brute_force.servers", "{tries} failed {tries#attempt|attempts} spread over {peers} {peers#server|servers}"),
    ("brute_force.sources", "{tries} failed {tries#attempt|attempts} from {peers} different {peers#machine|machines}, few from each"),
    ("brute_force.many", "{tries} attempts: a program is at work"),
    ("brute_force.users", "{users} different user names were tried"),
    (SUCCEEDED, "a log-in succeeded after the failures[[ (user {user})]]: the password may be known to the attacker"),
];
const REASONS_FR: &[(&str, &str)] = &[
    (
        "brute_force.failures",
        "{tries} {tries#tentative|tentatives} d’identification {protocol} en échec en {duration} : plus qu’une personne n’en fait par erreur",
    ),
    (
        "brute_force.servers",
        "{tries} {tries#tentative échouée répartie|tentatives échouées réparties} sur {peers} {peers#serveur|serveurs}",
    ),
    (
        "brute_force.sources",
        "{tries} {tries#tentative échouée|tentatives échouées} venant de {peers} {peers#machine|machines}, peu de chacune",
    ),
    ("brute_force.many", "{tries} tentatives : un programme est à l’œuvre"),
    ("brute_force.users", "{users} noms d’utilisateur différents ont été essayés"),
    (SUCCEEDED, "une connexion a réussi après les échecs[[ (utilisateur {user})]] : l’attaquant connaît peut-être le mot de passe"),
];

const INNOCENT_EN: &str = "A program that keeps using an old password after a change, a backup or monitoring account that expired, or an authorised \
    audit by your security team. A stale password shows one single user name and a steady rhythm.";
const INNOCENT_FR: &str = "Un programme qui garde un ancien mot de passe après un changement, un compte de sauvegarde ou de supervision expiré, ou un audit \
    autorisé de votre équipe sécurité. Un mot de passe périmé se reconnaît à un seul nom d’utilisateur et à un rythme régulier.";

const PAIR: Template = Template {
    key: "pair",
    techniques: &["T1110"],
    en: Words {
        title: "Brute force on {protocol}: {attacker} against {victim}",
        story: "{attacker} tried {tries} {tries#time|times} in {duration} to log in to {protocol} on {victim} (port {port}) without success\
            [[, with {users} different user {users#name|names}]].[[{shape} The sessions are encrypted: failure is judged from their shape.]]\
            [[{succeeded} Then a log-in succeeded.]][[ The account is {user}.]]",
        innocent: INNOCENT_EN,
        summary: "{tries} failed {protocol} log-ins from {attacker} to {victim} in {duration}[[{succeeded}, then one that succeeded]]",
        checks: &[
            "Whether {attacker} is a machine you know, and who was using it at that time.",
            "The log of the {protocol} service on {victim}: which accounts were tried, and whether one log-in succeeded from {attacker}.",
            "What {attacker} did afterwards: other servers reached, files fetched, new connections from {victim}.",
        ],
        actions: &[
            "Block {attacker} on {victim} or at the firewall while you look into it.",
            "If a log-in succeeded, close its sessions and change the password of that account wherever it is used.",
            "Limit attempts on the service (lock-out or delay), and let it be reached only from the networks that need it.",
        ],
        reasons: REASONS_EN,
    },
    fr: Words {
        title: "Force brute sur {protocol} : {attacker} contre {victim}",
        story: "{attacker} a tenté {tries} fois en {duration} de se connecter au service {protocol} de {victim} (port {port}), sans succès\
            [[, avec {users} {users#nom d’utilisateur|noms d’utilisateur différents}]].[[{shape} Les sessions sont chiffrées : l’échec est déduit de leur forme.]]\
            [[{succeeded} Ensuite, une connexion a réussi.]][[ Le compte est {user}.]]",
        innocent: INNOCENT_FR,
        summary: "{tries} tentatives d’identification {protocol} échouées de {attacker} vers {victim} en {duration}[[{succeeded}, puis une réussie]]",
        checks: &[
            "Si {attacker} est une machine que vous connaissez, et qui l’utilisait à ce moment-là.",
            "Le journal du service {protocol} de {victim} : quels comptes ont été essayés, et si une connexion depuis {attacker} a réussi.",
            "Ce que {attacker} a fait ensuite : autres serveurs joints, fichiers récupérés, nouvelles connexions depuis {victim}.",
        ],
        actions: &[
            "Bloquez {attacker} sur {victim} ou au pare-feu le temps de la vérification.",
            "Si une connexion a réussi, fermez ses sessions et changez le mot de passe de ce compte partout où il sert.",
            "Limitez les tentatives sur le service (verrouillage ou délai) et ne l’ouvrez qu’aux réseaux qui en ont besoin.",
        ],
        reasons: REASONS_FR,
    },
};

const SPRAY: Template = Template {
    key: "spray",
    techniques: &["T1110.003"],
    en: Words {
        title: "Password spraying on {protocol} by {attacker}",
        story: "{attacker} failed to log in to {protocol} on {peers} different servers, {tries} times in all within {duration}: a few tries on each, so that \
            no single server stands out. Among them: {some}.[[{succeeded} One log-in succeeded afterwards.]]",
        innocent: INNOCENT_EN,
        summary: "{tries} failed {protocol} log-ins from {attacker} to {peers} servers in {duration}",
        checks: &[
            "Whether {attacker} is an administration, inventory or vulnerability-scanning machine that is expected to log in everywhere.",
            "On the servers named, which accounts were tried and whether one log-in succeeded.",
        ],
        actions: &[
            "Isolate {attacker} if nobody can explain it.",
            "Change the passwords of accounts that logged in from {attacker} since the beginning of the attempts.",
        ],
        reasons: REASONS_EN,
    },
    fr: Words {
        title: "Pulvérisation de mots de passe sur {protocol} par {attacker}",
        story: "{attacker} a échoué à se connecter au service {protocol} de {peers} serveurs différents, {tries} fois au total en {duration} : quelques essais sur \
            chacun, pour qu’aucun ne ressorte. Parmi eux : {some}.[[{succeeded} Une connexion a réussi ensuite.]]",
        innocent: INNOCENT_FR,
        summary: "{tries} tentatives d’identification {protocol} échouées de {attacker} vers {peers} serveurs en {duration}",
        checks: &[
            "Si {attacker} est une machine d’administration, d’inventaire ou d’audit dont on attend qu’elle se connecte partout.",
            "Sur les serveurs cités, quels comptes ont été essayés et si une connexion a réussi.",
        ],
        actions: &[
            "Isolez {attacker} si personne ne peut l’expliquer.",
            "Changez les mots de passe des comptes qui se sont connectés depuis {attacker} depuis le début des tentatives.",
        ],
        reasons: REASONS_FR,
    },
};

const DISTRIBUTED: Template = Template {
    key: "distributed",
    techniques: &["T1110"],
    en: Words {
        title: "Distributed brute force on {protocol} of {victim}",
        story: "{peers} different machines failed {tries} times in all to log in to {protocol} on {victim} (port {port}) within {duration}, few times each. \
            Among them: {some}.[[{succeeded} Then a log-in succeeded from one of them or another machine.]]",
        innocent: "A server whose accounts have just been changed or whose directory is down refuses everybody at once; then the machines are your own users'.",
        summary: "{tries} failed {protocol} log-ins to {victim} from {peers} machines in {duration}",
        checks: &[
            "Whether the machines are your own users (a password change, a directory that does not answer) or strangers.",
            "The log of the service on {victim}: which accounts were tried, and whether one log-in succeeded.",
        ],
        actions: &[
            "Let {victim} be reached from the outside only through a VPN or from known addresses.",
            "Ask for a second factor on the service, and lock accounts after a number of failures.",
        ],
        reasons: REASONS_EN,
    },
    fr: Words {
        title: "Force brute répartie sur {protocol} de {victim}",
        story: "{peers} machines différentes ont échoué {tries} fois au total à se connecter au service {protocol} de {victim} (port {port}) en {duration}, peu de \
            fois chacune. Parmi elles : {some}.[[{succeeded} Ensuite, une connexion a réussi depuis l’une d’elles ou une autre machine.]]",
        innocent: "Un serveur dont les comptes viennent de changer ou dont l’annuaire est en panne refuse tout le monde à la fois ; les machines sont alors celles de vos propres utilisateurs.",
        summary: "{tries} tentatives d’identification {protocol} échouées vers {victim} depuis {peers} machines en {duration}",
        checks: &[
            "Si les machines sont celles de vos utilisateurs (changement de mot de passe, annuaire muet) ou des inconnues.",
            "Le journal du service de {victim} : quels comptes ont été essayés, et si une connexion a réussi.",
        ],
        actions: &[
            "N’ouvrez {victim} à l’extérieur que par un VPN ou depuis des adresses connues.",
            "Exigez un second facteur sur le service et verrouillez les comptes après un nombre d’échecs.",
        ],
        reasons: REASONS_FR,
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn login<'a>(user: &'a str, outcome: &'a str) -> Login<'a> {
        Login { protocol: "ftp", user: Some(user.as_bytes()), method: "password", outcome, cleartext: true, anonymous: false, tries: 1 }
    }

    #[test]
    fn five_hundred_tries_are_one_alert_and_the_success_is_said() {
        let mut b = Bench::of(INFO.name);
        for i in 0..500 {
            b.flow(1000 + i).from("10.0.0.9").to("10.0.0.2", 21).at(0.1).push(&login("root", "failure"));
        }
        b.flow(2000).at(1.0).push(&login("root", "success"));
        let alerts = b.finish();
        assert_eq!(alerts.len(), 1);
        let a = &alerts[0];
        assert_eq!((a.detector, a.count, a.phase), ("brute_force", 500, Phase::Close));
        assert_eq!(a.score(), 80);
        assert_eq!(a.entities[0], Entity::ip(Role::Attacker, "10.0.0.9".parse().unwrap()));
        assert_eq!(a.entities[1], Entity::ip(Role::Victim, "10.0.0.2".parse().unwrap()));
        assert!(a.evidence.contains(&2000) && a.evidence.len() == 20);
    }

    #[test]
    fn a_person_who_mistypes_and_a_stale_password_are_not() {
        let mut b = Bench::of(INFO.name);
        b.from("10.0.0.9").to("10.0.0.2", 21);
        for _ in 0..5 {
            b.at(4.0).push(&login("anne", "failure"));
        }
        b.at(4.0).push(&login("anne", "success"));
        for _ in 0..300 {
            b.at(120.0).push(&login("backup", "failure"));
        }
        assert!(b.finish().is_empty());
    }

    #[test]
    fn anonymous_tries_are_not() {
        let mut b = Bench::of(INFO.name);
        for _ in 0..100 {
            b.at(0.1).push(&Login { anonymous: true, ..login("anonymous", "failure") });
        }
        assert!(b.finish().is_empty());
    }

    #[test]
    fn slow_guessing_by_many_names() {
        let mut b = Bench::of(INFO.name);
        for i in 0..12 {
            b.from("10.0.0.9").to("10.0.0.2", 22).at(1200.0 + f64::from(i) * 100.0).push(&login(&format!("user{i}"), "failure"));
        }
        assert_eq!(b.finish().len(), 1);
    }

    #[test]
    fn spraying_over_servers() {
        let mut b = Bench::of(INFO.name);
        for i in 0..16 {
            b.from("10.0.0.9").to(&format!("10.0.1.{}", i % 8), 22).at(2.0).push(&login("admin", "failure"));
        }
        let alerts = b.finish();
        assert_eq!(alerts.iter().map(|a| a.template).collect::<Vec<_>>(), ["spray"]);
        assert_eq!(alerts[0].entities.len(), 9);
    }

    #[test]
    fn distributed_against_one() {
        let mut b = Bench::of(INFO.name);
        for i in 0..30 {
            b.from(&format!("203.0.113.{}", i % 10)).to("10.0.0.2", 22).at(1.0).push(&login("admin", "failure"));
        }
        let alerts = b.finish();
        assert_eq!(alerts.iter().map(|a| a.template).collect::<Vec<_>>(), ["distributed"]);
    }

    #[test]
    fn a_busy_server_with_honest_mistakes_is_not() {
        let mut b = Bench::of(INFO.name);
        for i in 0..400u32 {
            let outcome = if i % 4 == 0 { "failure" } else { "success" };
            b.from(&format!("10.0.3.{}", i % 50)).to("10.0.0.2", 143).at(1.0).push(&login("someone", outcome));
        }
        assert!(b.finish().is_empty());
    }
}
