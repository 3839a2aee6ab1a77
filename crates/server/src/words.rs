//! The server's own words for people, in both languages. What detectors say is theirs; what pages say is the console's.

use vigie_detect::Lang;

/// The first sentence of the Situation page.
pub(crate) fn situation(lang: Lang, open: u64, critical: u64) -> String {
    match (lang, open, critical) {
        (Lang::En, 0, _) => "Nothing needs you now.".to_owned(),
        (Lang::En, 1, 0) => "One case is open; it is not critical.".to_owned(),
        (Lang::En, n, 0) => format!("{n} cases are open; none is critical."),
        (Lang::En, 1, _) => "One case is open, and it is critical.".to_owned(),
        (Lang::En, n, 1) => format!("{n} cases are open; one is critical."),
        (Lang::En, n, c) => format!("{n} cases are open; {c} are critical."),
        (Lang::Fr, 0, _) => "Rien ne requiert votre attention.".to_owned(),
        (Lang::Fr, 1, 0) => "Un cas est ouvert ; il n'est pas critique.".to_owned(),
        (Lang::Fr, n, 0) => format!("{n} cas sont ouverts ; aucun n'est critique."),
        (Lang::Fr, 1, _) => "Un cas est ouvert, et il est critique.".to_owned(),
        (Lang::Fr, n, 1) => format!("{n} cas sont ouverts, dont un critique."),
        (Lang::Fr, n, c) => format!("{n} cas sont ouverts, dont {c} critiques."),
    }
}

/// The first words of the Situation page where the canary is overdue.
pub(crate) fn canary_missing(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "The canary does not come back: what happens may not be told.",
        Lang::Fr => "Le canari ne revient pas : ce qui se passe n'est peut-être pas dit.",
    }
}

/// What Vigie does not see into.
pub(crate) fn blind(lang: Lang, key: &str) -> &'static str {
    match (lang, key) {
        (Lang::En, "encrypted") => "Encrypted: seen by certificates, sizes and times only",
        (Lang::En, "unknown") => "Carried by a protocol that Vigie does not know",
        (Lang::En, _) => "TCP sessions of which one side only was seen",
        (Lang::Fr, "encrypted") => "Chiffré : vu par les certificats, les tailles et les heures seulement",
        (Lang::Fr, "unknown") => "Transporté par un protocole que Vigie ne connaît pas",
        (Lang::Fr, _) => "Sessions TCP dont un seul côté a été vu",
    }
}

/// Where something was lost.
pub(crate) fn loss(lang: Lang, place: &str) -> &'static str {
    match (lang, place) {
        (Lang::En, "mirror") => "The mirror did not bring all of it, or brought it twice: look at the switch",
        (Lang::En, "card") => {
            "The card or its driver had no room (lengthen its queue with `ethtool -G`), or frames were longer than its MTU"
        }
        (Lang::En, "kernel") => "Vigie did not read fast enough: more workers, a longer ring, or a filter",
        (Lang::En, _) => "A table or queue of Vigie was full: see `vigie check`",
        (Lang::Fr, "mirror") => "Le miroir n'a pas tout apporté, ou l'a apporté deux fois : voir le commutateur",
        (Lang::Fr, "card") => {
            "La carte ou son pilote n'avait plus de place (allonger sa file avec `ethtool -G`), ou des trames dépassaient sa MTU"
        }
        (Lang::Fr, "kernel") => "Vigie n'a pas lu assez vite : plus de fils de travail, un anneau plus long, ou un filtre",
        (Lang::Fr, _) => "Une table ou une file de Vigie était pleine : voir `vigie check`",
    }
}

/// What a notice of a case tells, in its first words.
pub(crate) fn notice(lang: Lang, event: &str) -> &'static str {
    match (lang, event) {
        (Lang::En, "opened") => "Case opened",
        (Lang::En, "reopened") => "Case opened again",
        (Lang::En, "closed") => "Case closed",
        (Lang::En, _) => "A test message of Vigie: this output works",
        (Lang::Fr, "opened") => "Cas ouvert",
        (Lang::Fr, "reopened") => "Cas rouvert",
        (Lang::Fr, "closed") => "Cas clos",
        (Lang::Fr, _) => "Message d'essai de Vigie : cette sortie fonctionne",
    }
}

/// A severity, in words.
pub(crate) fn severity(lang: Lang, name: &str) -> &'static str {
    match (lang, name) {
        (Lang::En, "critical") => "critical",
        (Lang::En, "high") => "high",
        (Lang::En, "medium") => "medium",
        (Lang::En, _) => "low",
        (Lang::Fr, "critical") => "critique",
        (Lang::Fr, "high") => "élevé",
        (Lang::Fr, "medium") => "moyen",
        (Lang::Fr, _) => "faible",
    }
}

/// A verdict, in words.
pub(crate) fn verdict(lang: Lang, name: &str) -> &'static str {
    match (lang, name) {
        (Lang::En, "true_positive") => "true positive",
        (Lang::En, "benign") => "benign",
        (Lang::En, "test") => "test",
        (Lang::En, "duplicate") => "duplicate",
        (Lang::En, _) => "resolved by itself",
        (Lang::Fr, "true_positive") => "vrai positif",
        (Lang::Fr, "benign") => "bénin",
        (Lang::Fr, "test") => "test",
        (Lang::Fr, "duplicate") => "doublon",
        (Lang::Fr, _) => "résolu de lui-même",
    }
}

/// The last line of a file that a bound cut.
pub(crate) fn cut(lang: Lang, rows: usize) -> String {
    match lang {
        Lang::En => format!("cut after {rows} rows: there are more; ask for a shorter time in Explore"),
        Lang::Fr => format!("coupé après {rows} lignes : il y en a d'autres ; demander un temps plus court dans Explorer"),
    }
}

/// The last line of a file of flows that leaves pairs of machines out.
pub(crate) fn pairs_left(lang: Lang, asked: usize, left: usize) -> String {
    match lang {
        Lang::En => format!("the flows of {asked} pairs of machines; {left} more pairs are in the case: ask for them in Explore"),
        Lang::Fr => format!("les flux de {asked} couples de machines ; le cas en compte {left} de plus : les demander dans Explorer"),
    }
}

/// The state of a case, in words.
pub(crate) fn state(lang: Lang, name: &str) -> &'static str {
    match (lang, name) {
        (Lang::En, "new") => "new",
        (Lang::En, "acknowledged") => "acknowledged",
        (Lang::En, "in_progress") => "in progress",
        (Lang::En, _) => "closed",
        (Lang::Fr, "new") => "nouveau",
        (Lang::Fr, "acknowledged") => "pris en compte",
        (Lang::Fr, "in_progress") => "en cours",
        (Lang::Fr, _) => "clos",
    }
}

/// The part of a machine in a case, in words.
pub(crate) fn role(lang: Lang, name: &str) -> &'static str {
    match (lang, name) {
        (Lang::En, "attacker") => "attacker",
        (Lang::En, "victim") => "victim",
        (Lang::En, "client") => "client",
        (Lang::En, "server") => "server",
        (Lang::En, _) => "concerned",
        (Lang::Fr, "attacker") => "attaquant",
        (Lang::Fr, "victim") => "victime",
        (Lang::Fr, "client") => "client",
        (Lang::Fr, "server") => "serveur",
        (Lang::Fr, _) => "concernée",
    }
}

/// What was done with a case, in words.
pub(crate) fn action(lang: Lang, name: &str) -> &'static str {
    match (lang, name) {
        (Lang::En, "opened") => "opened the case",
        (Lang::En, "reopened") => "reopened the case",
        (Lang::En, "comment") => "commented",
        (Lang::En, "state") => "changed the state",
        (Lang::En, "verdict") => "gave the verdict",
        (Lang::En, "owner") => "gave the case to",
        (Lang::En, "exclusion") => "excluded it: normal here",
        (Lang::En, _) => "removed the exclusion",
        (Lang::Fr, "opened") => "a ouvert le cas",
        (Lang::Fr, "reopened") => "a rouvert le cas",
        (Lang::Fr, "comment") => "a commenté",
        (Lang::Fr, "state") => "a changé l'état",
        (Lang::Fr, "verdict") => "a donné le verdict",
        (Lang::Fr, "owner") => "a confié le cas à",
        (Lang::Fr, "exclusion") => "l'a exclu : normal ici",
        (Lang::Fr, _) => "a retiré l'exclusion",
    }
}

/// A heading of a case's report.
pub(crate) fn heading(lang: Lang, key: &str) -> &'static str {
    match (lang, key) {
        (Lang::En, "story") => "What happened",
        (Lang::En, "reasons") => "Why Vigie says so",
        (Lang::En, "innocent") => "How it may be harmless",
        (Lang::En, "checks") => "What to check",
        (Lang::En, "actions") => "What to do",
        (Lang::En, "who") => "Who",
        (Lang::En, "alerts") => "Alerts",
        (Lang::En, "after") => "After the log-in that succeeded",
        (Lang::En, _) => "Discussion and trail",
        (Lang::Fr, "story") => "Ce qui s'est passé",
        (Lang::Fr, "reasons") => "Pourquoi Vigie le dit",
        (Lang::Fr, "innocent") => "Comment cela peut être anodin",
        (Lang::Fr, "checks") => "Ce qu'il faut vérifier",
        (Lang::Fr, "actions") => "Ce qu'il faut faire",
        (Lang::Fr, "who") => "Qui",
        (Lang::Fr, "alerts") => "Alertes",
        (Lang::Fr, "after") => "Après la connexion réussie",
        (Lang::Fr, _) => "Discussion et journal",
    }
}

/// The first word of a file of a case.
pub(crate) fn case(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "Case",
        Lang::Fr => "Cas",
    }
}

/// What a file of flows is called after its case.
pub(crate) fn flows(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "flows",
        Lang::Fr => "flux",
    }
}

/// What one of several clients sent in clear text.
pub(crate) fn cleartext(lang: Lang, count: u64, protocols: &str) -> String {
    match (lang, count) {
        (Lang::En, 1) => format!("one clear-text {protocols} log-in attempt"),
        (Lang::En, n) => format!("{n} clear-text {protocols} log-in attempts"),
        (Lang::Fr, 1) => format!("une tentative d'identification {protocols} en clair"),
        (Lang::Fr, n) => format!("{n} tentatives d'identification {protocols} en clair"),
    }
}

/// That times of a report are not those of the capture.
pub(crate) fn shifted(lang: Lang, dataset: &str, original: &str, shown: &str) -> String {
    match lang {
        Lang::En => format!(
            "All times of the dataset {dataset} are moved: what is told here of {shown} was recorded on {original}. All others are moved by as much."
        ),
        Lang::Fr => format!(
            "Toutes les heures du jeu de données {dataset} sont décalées : ce qui est dit ici du {shown} a été enregistré le {original}. Les autres sont décalées d'autant."
        ),
    }
}

/// Of a session of which no event tells more.
pub(crate) fn nothing_read(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "Nothing of what was done could be read.",
        Lang::Fr => "Rien de ce qui y a été fait n'a pu être lu.",
    }
}

/// Of a session of which not all is told.
pub(crate) fn session_cut(lang: Lang, told: usize) -> String {
    match lang {
        Lang::En => format!("The first {told} steps; the others are in Explore."),
        Lang::Fr => format!("Les {told} premières étapes ; les autres sont dans Explorer."),
    }
}

/// Of sessions that are not told.
pub(crate) fn sessions_left(lang: Lang, left: usize) -> String {
    match (lang, left) {
        (Lang::En, 1) => "And another session.".to_owned(),
        (Lang::En, n) => format!("And {n} more sessions."),
        (Lang::Fr, 1) => "Et une autre session.".to_owned(),
        (Lang::Fr, n) => format!("Et {n} autres sessions."),
    }
}

/// A column of a file of flows, in words.
pub(crate) fn column(lang: Lang, name: &str) -> &'static str {
    match (lang, name) {
        (Lang::En, "ts") => "Told (UTC)",
        (Lang::En, "start") => "Began (UTC)",
        (Lang::En, "flow_id") => "Flow",
        (Lang::En, "src_ip") => "Source",
        (Lang::En, "src_name") => "Source name",
        (Lang::En, "src_port") => "Source port",
        (Lang::En, "dest_ip") => "Destination",
        (Lang::En, "dest_name") => "Destination name",
        (Lang::En, "dest_port") => "Destination port",
        (Lang::En, "proto") => "Transport",
        (Lang::En, "app_proto") => "Protocol",
        (Lang::En, "pkts_toserver") => "Packets to server",
        (Lang::En, "pkts_toclient") => "Packets to client",
        (Lang::En, "bytes_toserver") => "Bytes to server",
        (Lang::En, "bytes_toclient") => "Bytes to client",
        (Lang::En, _) => "State",
        (Lang::Fr, "ts") => "Relevé (UTC)",
        (Lang::Fr, "start") => "Début (UTC)",
        (Lang::Fr, "flow_id") => "Flux",
        (Lang::Fr, "src_ip") => "Source",
        (Lang::Fr, "src_name") => "Nom de la source",
        (Lang::Fr, "src_port") => "Port source",
        (Lang::Fr, "dest_ip") => "Destination",
        (Lang::Fr, "dest_name") => "Nom de la destination",
        (Lang::Fr, "dest_port") => "Port de destination",
        (Lang::Fr, "proto") => "Transport",
        (Lang::Fr, "app_proto") => "Protocole",
        (Lang::Fr, "pkts_toserver") => "Paquets vers le serveur",
        (Lang::Fr, "pkts_toclient") => "Paquets vers le client",
        (Lang::Fr, "bytes_toserver") => "Octets vers le serveur",
        (Lang::Fr, "bytes_toclient") => "Octets vers le client",
        (Lang::Fr, _) => "État",
    }
}
